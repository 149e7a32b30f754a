//! A problem as it is told to people: what, where in the file, what to do.

use serde::{Deserialize, Serialize};

/// An error in a scenario, or a step that did not come out as it should.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Problem {
    /// What is wrong, as a lowercase fragment: `acknowledged commits are missing`.
    pub title: String,
    /// Where; the first is the place itself, others are related to it (where a name was made, say).
    pub places: Vec<Place>,
    /// What else there is to know and to do.
    pub notes: Vec<Note>,
    /// What kind of thing is wrong.
    #[serde(default, skip_serializing_if = "Cause::is_expectation")]
    pub cause: Cause,
}

/// What kind of thing keeps a step or a drill from passing. Whoever decides by what is wrong goes
/// by this, never by the words.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// An expectation that did not hold, or what a server or a program refused.
    #[default]
    Expectation,
    /// What an earlier step was to make is not there.
    Missing,
    /// The step's time has passed, in the middle of what it does.
    StepDeadline,
    /// What the step waited for did not come in its time.
    NeverCame,
    /// The whole drill's time has passed, in the middle of any step.
    DrillDeadline,
    /// A recovery did not come to its target.
    TargetNotReached,
    /// Users met an error that nobody tolerates.
    UsersFailed,
    /// An incident came when the step had ended during which it was to happen.
    Missed,
    /// Nothing was measured that a budget could be compared with.
    Unmeasured,
    /// A file system is full.
    DiskFull,
    /// Somebody ended the run.
    Interrupted,
    /// drillyard itself has a bug.
    Panic,
    /// The lab does not work, or somebody from outside has taken a part of it away.
    Lab,
}

impl Cause {
    #[expect(clippy::trivially_copy_pass_by_ref, reason = "serde calls it with a reference")]
    fn is_expectation(&self) -> bool {
        *self == Cause::Expectation
    }
}

/// A piece of one line of a scenario file.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Place {
    /// The file as the user named it.
    pub file: String,
    /// The line, from 1.
    pub line: usize,
    /// The first character's column, from 1, in characters.
    pub column: usize,
    /// How many characters of the line are meant; at least 1.
    pub width: usize,
    /// The line's text, without its end.
    pub text: String,
    /// What is said of this place; may be empty.
    pub label: String,
    /// Of a place in a fragment: the line that uses it. A problem tells it behind its place.
    #[serde(skip)]
    pub used: Option<Box<Place>>,
}

/// A remark under a problem: `help: did you mean ...`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Note {
    /// `first`, `kept`, `help`, `log` ...; may be empty.
    pub kind: String,
    /// The remark; may have several lines.
    pub text: String,
}

impl Note {
    /// The kind of a note that has a server's log.
    pub const LOG: &'static str = "log";

    /// Whether it has a server's log.
    pub fn is_log(&self) -> bool {
        self.kind == Note::LOG
    }
}

impl Problem {
    /// A problem with no place in a file.
    pub fn new(title: impl Into<String>) -> Self {
        Problem { title: title.into(), places: vec![], notes: vec![], cause: Cause::default() }
    }

    /// Says what kind of thing it is.
    pub fn because(mut self, cause: Cause) -> Self {
        self.cause = cause;
        self
    }

    /// Adds a place; of one in a fragment also those that use it.
    pub fn at(mut self, place: Place) -> Self {
        let used = place.used.clone();
        self.places.push(place);
        for used in std::iter::successors(used, |place| place.used.clone()) {
            if !self.places.contains(&used) {
                self.places.push(*used);
            }
        }
        self
    }

    /// Adds a remark.
    pub fn note(mut self, kind: impl Into<String>, text: impl Into<String>) -> Self {
        self.notes.push(Note { kind: kind.into(), text: text.into() });
        self
    }

    /// Adds what can be done about it.
    pub fn help(self, text: impl Into<String>) -> Self {
        self.note("help", text)
    }

    /// What it says at its first place alone, on a single line.
    pub fn headline(&self) -> String {
        let label = self.places.first().map(|place| place.label.as_str()).filter(|label| !label.is_empty());
        let label = label.map(|label| format!(": {label}")).unwrap_or_default();
        format!("{}{label}", self.title).split_whitespace().collect::<Vec<_>>().join(" ")
    }

    /// What it says, on a single line that begins with its place.
    pub fn in_one_line(&self) -> String {
        let place = self.places.first();
        let at = place.map(|place| format!("{}:{}:{}: ", place.file, place.line, place.column)).unwrap_or_default();
        let label = place.map(|place| place.label.as_str()).filter(|label| !label.is_empty());
        let rest = label.into_iter().chain(self.notes.iter().map(|note| note.text.as_str()));
        rest.fold(format!("{at}{}", self.title), |line, part| format!("{line}; {}", part.replace('\n', " ")))
    }

    /// Everything it says, on lines of their own: what an `expect: { fails: ... }` is matched
    /// against.
    pub fn text(&self) -> String {
        let labels = self.places.iter().map(|place| place.label.clone()).filter(|label| !label.is_empty());
        let notes = self.notes.iter().map(|note| match note.kind.as_str() {
            "" => note.text.clone(),
            kind => format!("{kind}: {}", note.text),
        });
        std::iter::once(self.title.clone()).chain(labels).chain(notes).collect::<Vec<_>>().join("\n")
    }
}
