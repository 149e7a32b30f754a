//! Where in a `team` step a line of it stands.

use std::fmt;

/// The part of a `team` step that a line of it belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What is done in people's place when nobody is there.
    Auto,
    /// What says when they are done.
    Judge,
    /// What an inject does; the number of the inject, from 0.
    Inject(usize),
    /// What an inject waits for; the number of the inject, from 0.
    InjectMoment(usize),
    /// What a trap waits for; the number of the trap, from 0.
    TrapMoment(usize),
}

impl Part {
    /// Whether it is done in an ordinary run, where nobody is there.
    pub fn is_in_runs(self) -> bool {
        matches!(self, Part::Auto | Part::Judge)
    }
}

/// As messages name it.
impl fmt::Display for Part {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Part::Auto => f.write_str("auto"),
            Part::Judge => f.write_str("judge"),
            Part::Inject(number) => write!(f, "inject {}", number + 1),
            Part::InjectMoment(number) => write!(f, "the moment of inject {}", number + 1),
            Part::TrapMoment(number) => write!(f, "the moment of trap {}", number + 1),
        }
    }
}

/// A line's place in a `team` step; the lines of an `all` in it are in the same part.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct InTeam {
    /// The index of the team step.
    pub team: usize,
    /// The part of it.
    pub part: Part,
}

impl InTeam {
    /// Whether what is made here can be referred to from `viewer`, which comes later; none: it is
    /// no line of a team.
    ///
    /// What `auto` and the injects make is not there when people recover in their own way, except
    /// for the servers that they may make: those count as made by `judge`, before its first check.
    pub fn is_seen_from(self, viewer: Option<InTeam>) -> bool {
        let same_team = viewer.filter(|viewer| viewer.team == self.team);
        match self.part {
            Part::Judge => same_team.is_none_or(|viewer| viewer.part.is_in_runs()),
            _ => viewer == Some(self),
        }
    }
}
