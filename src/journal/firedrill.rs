//! What happens while people play a drill.

use serde::{Deserialize, Serialize};

/// What happens while people play a drill. Times of the clock are in milliseconds since the
/// incident, with pauses left out.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(tag = "what", rename_all = "snake_case")]
#[expect(missing_docs, reason = "docs/reports.md has a table of the fields")]
pub enum Firedrill {
    /// Everything is ready, and people may look around. `sealed`: they do not know which drill it
    /// is, nor when something happens. `checks`: the steps that say when they are done.
    Ready {
        brief: String,
        limit_ms: u64,
        sealed: bool,
        delay_ms: u64,
        #[serde(default)]
        checks: Vec<usize>,
    },
    /// The incident: the step with this index begins.
    Incident { index: usize },
    /// The drill has no incident: people begin with what this step does otherwise.
    Practice { index: usize },
    /// Somebody said something.
    Said { by: Speaker, text: String },
    /// They have noticed that something is wrong, and by what that is known.
    Noticed { clock_ms: u64, by: String },
    /// They have begun to recover, and by what that is known.
    Decided { clock_ms: u64, by: String },
    /// They bought a hint.
    HintBought { number: usize, costs: u32, text: String },
    /// Something was put in.
    Injected { number: usize, text: String },
    /// The clock stands still.
    Paused { clock_ms: u64 },
    /// The clock goes on.
    Resumed { clock_ms: u64, paused_ms: u64 },
    /// The checks were made because somebody asked; so many hold.
    Judged { clock_ms: u64, held: usize, of: usize },
    /// A server that they made is judged as this node from now on.
    Adopted { clock_ms: u64, node: String, server: String },
    /// Something went wrong that they did themselves.
    SecondAccident { clock_ms: u64, name: String, costs: u32, seen: String },
    /// A statement or a command of theirs.
    Ran { clock_ms: Option<u64>, node: String, by: String, text: String },
    /// Their part has ended.
    Ended { clock_ms: u64, how: Ending },
    /// The score.
    Scored { parts: Vec<ScorePart>, points: u32 },
}

/// Who said something.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Speaker {
    /// Somebody of the team.
    Team,
    /// The facilitator.
    Facilitator,
    /// The drill: an inject, a hint, how many checks hold.
    Drill,
}

/// How people's part has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// All checks hold.
    AllHold,
    /// They gave up.
    GaveUp,
    /// Their time was over.
    TimeUp,
    /// The facilitator has ended it.
    Stopped,
    /// The run was interrupted.
    #[default]
    Interrupted,
}

impl Ending {
    /// In a few words.
    pub fn as_str(self) -> &'static str {
        match self {
            Ending::AllHold => "everything holds",
            Ending::GaveUp => "the team gave up",
            Ending::TimeUp => "the time was over",
            Ending::Stopped => "the facilitator ended it",
            Ending::Interrupted => "interrupted",
        }
    }
}

/// A part of a firedrill's score.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct ScorePart {
    /// What it is about: `time to recover`.
    pub name: String,
    /// What was measured: `4 min 12 s`.
    pub measured: String,
    /// The points for it; negative if it costs some.
    pub points: i32,
    /// The most that there are for it; 0 for what only costs.
    pub of: u32,
}

impl ScorePart {
    /// Its points as they are shown: `20 of 20`, `-5`; nothing for what is only measured.
    pub fn points_told(&self) -> String {
        match (self.of, self.points) {
            (0, 0) => String::new(),
            (0, points) => points.to_string(),
            (of, points) => format!("{points} of {of}"),
        }
    }
}

impl Firedrill {
    /// Why a step of the drill is skipped that people did in their own way.
    pub const IN_THEIR_OWN_WAY: &str = "people recovered in their own way";

    /// Every text that people, a scenario or a server has a part in.
    pub(super) fn each_text(&mut self, visit: &mut dyn FnMut(&mut String)) {
        match self {
            Firedrill::Ready { brief: text, .. }
            | Firedrill::Said { text, .. }
            | Firedrill::Noticed { by: text, .. }
            | Firedrill::Decided { by: text, .. }
            | Firedrill::HintBought { text, .. }
            | Firedrill::Injected { text, .. } => visit(text),
            Firedrill::Adopted { node, server, .. } => [node, server].into_iter().for_each(visit),
            Firedrill::SecondAccident { name, seen, .. } => [name, seen].into_iter().for_each(visit),
            Firedrill::Ran { node, by, text, .. } => [node, by, text].into_iter().for_each(visit),
            Firedrill::Scored { parts, .. } => parts.iter_mut().for_each(|part| {
                visit(&mut part.name);
                visit(&mut part.measured);
            }),
            Firedrill::Incident { .. }
            | Firedrill::Practice { .. }
            | Firedrill::Paused { .. }
            | Firedrill::Resumed { .. }
            | Firedrill::Judged { .. }
            | Firedrill::Ended { .. } => {}
        }
    }
}
