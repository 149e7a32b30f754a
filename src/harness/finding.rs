//! How a step fails.

use tokio_postgres::error::SqlState;

use crate::host::HostError;
use crate::journal::{Cause, Note, Outcome, Place, Problem};
use crate::node::{SqlError, StartError};
use crate::repo::RepoError;
use crate::source::{Source, Span};

/// What a step's run comes to.
pub type StepResult = Result<(), Box<Finding>>;

/// Why a step did not pass. An expectation that was not met has failed; what could not be judged
/// has errored.
#[derive(Debug, Clone)]
pub struct Finding {
    /// [`Outcome::Failed`] or [`Outcome::Errored`].
    pub outcome: Outcome,
    /// What is wrong, as a lowercase fragment.
    pub title: String,
    /// The token of the scenario that did not hold; the step's action where there is none.
    pub at: Option<Span>,
    /// What is said at that token.
    pub label: String,
    /// Further remarks.
    pub notes: Vec<Note>,
    /// What kind of thing is wrong.
    pub cause: Cause,
    /// The node whose server did not start.
    pub refused_by: Option<String>,
    /// Whether no time makes it right: a server has refused SQL that is wrong, or a role
    /// ([`SqlError::is_lasting`]), or does not have what is named.
    pub lasting: bool,
    /// The line of another file than the scenario where it happened.
    pub elsewhere: Option<Box<Place>>,
}

impl Finding {
    /// An expectation that did not hold.
    pub fn failed(title: impl Into<String>) -> Box<Self> {
        Finding::new(Outcome::Failed, Cause::Expectation, title)
    }

    /// Something that could not be judged.
    pub fn errored(title: impl Into<String>) -> Box<Self> {
        Finding::new(Outcome::Errored, Cause::Lab, title)
    }

    /// Something that could not be judged, since what an earlier step was to make is not there.
    pub fn missing(title: impl Into<String>) -> Box<Self> {
        Finding::errored(title).because(Cause::Missing).note("missing", "nothing here can be judged without it")
    }

    fn new(outcome: Outcome, cause: Cause, title: impl Into<String>) -> Box<Self> {
        Box::new(Finding {
            outcome,
            title: title.into(),
            at: None,
            label: String::new(),
            notes: vec![],
            cause,
            refused_by: None,
            lasting: false,
            elsewhere: None,
        })
    }

    /// Says what kind of thing it is.
    pub fn because(mut self: Box<Self>, cause: Cause) -> Box<Self> {
        self.cause = cause;
        self
    }

    /// The token that did not hold; a name that was left out stands nowhere.
    pub fn at(mut self: Box<Self>, span: impl Into<Option<Span>>) -> Box<Self> {
        self.at = span.into().or(self.at);
        self
    }

    /// The line of another file that it is about: that is where people look first.
    pub fn elsewhere(mut self: Box<Self>, place: Place) -> Box<Self> {
        self.elsewhere = Some(Box::new(place));
        self
    }

    /// What is said at the token.
    pub fn label(mut self: Box<Self>, label: impl Into<String>) -> Box<Self> {
        self.label = label.into();
        self
    }

    /// Gives what somebody else said a title of ours: then it is said at the token.
    pub fn titled(mut self: Box<Self>, title: impl Into<String>) -> Box<Self> {
        self.label = std::mem::replace(&mut self.title, title.into());
        self
    }

    /// Whether no time makes it right.
    pub fn lasting(mut self: Box<Self>, lasting: bool) -> Box<Self> {
        self.lasting = lasting;
        self
    }

    /// Adds a remark; an empty one is left out.
    pub fn note(mut self: Box<Self>, kind: &str, text: impl Into<String>) -> Box<Self> {
        let text = text.into();
        if !text.trim().is_empty() {
            self.notes.push(Note { kind: kind.to_owned(), text });
        }
        self
    }

    /// Adds what can be done.
    pub fn help(self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        self.note("help", text)
    }

    /// Adds a server's log, unless there is one already.
    pub fn log(self: Box<Self>, text: impl Into<String>) -> Box<Self> {
        match self.has_log() {
            true => self,
            false => self.note(Note::LOG, text),
        }
    }

    /// Whether a server's log is with it.
    pub fn has_log(&self) -> bool {
        self.notes.iter().any(Note::is_log)
    }

    /// Whether something did not happen in its time.
    pub fn is_late(&self) -> bool {
        matches!(self.cause, Cause::StepDeadline | Cause::DrillDeadline | Cause::NeverCame)
    }

    /// As it is told to people; `action` is where the step's action stands.
    pub fn problem(&self, source: &Source, action: Span) -> Problem {
        let own = source.place(self.at.unwrap_or(action), &self.label);
        let places = self.elsewhere.as_deref().cloned().into_iter().chain([own]);
        let mut problem = places.fold(Problem::new(&self.title), Problem::at);
        problem.notes = self.notes.clone();
        problem.because(self.cause)
    }
}

impl From<HostError> for Box<Finding> {
    fn from(error: HostError) -> Self {
        let finding = Finding::errored(error.message);
        match error.help {
            Some(help) => finding.help(help),
            None => finding,
        }
    }
}

impl From<RepoError> for Box<Finding> {
    fn from(error: RepoError) -> Self {
        let title = error.to_string();
        match error {
            RepoError::Host(error) => error.into(),
            RepoError::Sql(error) => error.into(),
            RepoError::Failed { said, .. } | RepoError::Flawed { said, .. } => {
                Finding::failed(title).note("said", said)
            }
            RepoError::Nothing(why) => Finding::failed("the incident did nothing").label(why),
            RepoError::Lost { why, .. } => Finding::failed(title).label(why),
            RepoError::Unknown(_) | RepoError::NotPossible(_) => Finding::errored(title),
        }
    }
}

impl From<SqlError> for Box<Finding> {
    fn from(error: SqlError) -> Self {
        match error {
            SqlError::Host(error) => error.into(),
            // A server that says no, or that goes away, is what drills are about.
            SqlError::Postgres(ref said) => {
                let full = said.code() == Some(&SqlState::DISK_FULL);
                let cause = if full { Cause::DiskFull } else { Cause::Expectation };
                let mut finding = Finding::failed(error.to_string()).because(cause);
                finding.lasting = error.is_lasting();
                match said.code() == Some(&SqlState::UNDEFINED_FILE) {
                    true => {
                        finding.help("the library of an extension, say: it has to be installed where the server runs")
                    }
                    false => finding,
                }
            }
            SqlError::Unreached(ref unreached) => Finding::errored(error.to_string()).help(&unreached.help),
            SqlError::Answer(_) => Finding::errored(error.to_string()),
        }
    }
}

impl From<tokio_postgres::Error> for Box<Finding> {
    fn from(error: tokio_postgres::Error) -> Self {
        SqlError::from(error).into()
    }
}

impl From<StartError> for Box<Finding> {
    fn from(error: StartError) -> Self {
        let (title, node) = (error.to_string(), error.node().map(str::to_owned));
        match error {
            StartError::Host(error) => error.into(),
            StartError::Failed { log, .. } | StartError::Deadline { log, .. } => {
                let mut finding = Finding::failed(title).note("log", log);
                finding.refused_by = node;
                finding
            }
        }
    }
}
