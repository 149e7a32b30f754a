//! What people and their facilitator see of a firedrill at any moment: what the board shows, and
//! the terminal.

use serde::{Deserialize, Serialize};

use crate::journal::{ScorePart, Speaker};

/// How far a firedrill is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// The servers are made, data and users are brought in.
    #[default]
    Preparing,
    /// Everything runs; nothing has happened yet, or nobody is to know.
    Calm,
    /// Something has happened, and people are at work.
    Recovering,
    /// The facilitator has stopped the clock.
    Paused,
    /// The assertions are checked for good.
    Judging,
    /// It has ended.
    Over,
}

/// What the team sees: symptoms and means, never what happened.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TeamView {
    /// The run's id.
    pub run: String,
    /// How far it is.
    pub phase: Phase,
    /// What people are told, in Markdown.
    pub brief: String,
    /// Milliseconds since the incident, pauses left out; nothing as long as nobody is to know.
    pub clock_ms: Option<u64>,
    /// How many of them people have.
    pub limit_ms: u64,
    /// What users see.
    pub users: Vec<UsersView>,
    /// How each server is reached.
    pub servers: Vec<ServerView>,
    /// Where things are: the archive, the newest backup, a place for a new server.
    pub places: Vec<PlaceView>,
    /// Hints, with their price.
    pub hints: Vec<HintView>,
    /// What was said so far, the oldest first.
    pub said: Vec<SaidView>,
    /// How many of the assertions held when people said that they were done.
    pub standing: Option<Standing>,
    /// How it came out.
    pub verdict: Option<VerdictView>,
}

/// What the users of one traffic step see.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct UsersView {
    /// The id of their step.
    pub id: String,
    /// Acknowledged transactions in the last second.
    pub per_second: u64,
    /// Refused ones in the last second.
    pub refused_per_second: u64,
    /// Acknowledged ones, in all.
    pub acknowledged: u64,
    /// Refused ones, in all.
    pub refused: u64,
    /// How often each error was met, by SQLSTATE or its name; the most frequent first.
    pub errors: Vec<(String, u64)>,
    /// Acknowledged and refused ones of each of the last seconds, the oldest first; at most 120.
    pub history: Vec<(u64, u64)>,
}

/// How a server is reached.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct ServerView {
    /// The node's name.
    pub node: String,
    /// A line that opens psql there.
    pub psql: String,
    /// A line that opens a shell on its host.
    pub shell: String,
}

/// Where something is.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct PlaceView {
    /// What: `archive`.
    pub name: String,
    /// A path or a line to copy.
    pub text: String,
}

/// A hint.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct HintView {
    /// Its number, from 1.
    pub number: usize,
    /// What it costs, in points.
    pub costs: u32,
    /// What it says, once it was bought.
    pub text: Option<String>,
    /// Milliseconds until it can be bought; 0 if it can be now.
    pub opens_in_ms: u64,
}

/// Something that was said.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SaidView {
    /// By the wall clock: `12:04:31Z`.
    pub at: String,
    /// By whom.
    pub by: Speaker,
    /// What.
    pub text: String,
}

/// How many assertions hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Standing {
    /// So many hold,
    pub held: usize,
    /// of so many.
    pub of: usize,
}

/// How a firedrill came out.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct VerdictView {
    /// `passed`, `failed` or `errored`.
    pub outcome: String,
    /// What there is to say of it, a line each: how people's part ended, and the budgets that did
    /// not hold.
    pub lines: Vec<String>,
    /// The assertions: which hold, and what is missing of the others.
    pub checks: Vec<CheckView>,
    /// The score by part.
    pub score: Vec<ScorePart>,
    /// The points in all.
    pub points: u32,
    /// Where the debrief lies.
    pub debrief: Option<String>,
}

/// What the facilitator sees: all of it.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct FacilitatorView {
    /// What the team sees.
    pub team: TeamView,
    /// The drill's name.
    pub drill: String,
    /// Its file.
    pub file: String,
    /// What it is about.
    pub about: String,
    /// What everything random began with.
    pub seed: u64,
    /// Milliseconds since the incident, pauses left out; nothing before it.
    pub clock_ms: Option<u64>,
    /// What happened: the incident's line in the file and its name, and when.
    pub incident: Option<IncidentView>,
    /// The marks so far.
    pub marks: Vec<MarkView>,
    /// What is checked, and how it stands.
    pub checks: Vec<CheckView>,
    /// What can be, or was, put in.
    pub injects: Vec<InjectView>,
    /// Second accidents that are looked for.
    pub traps: Vec<TrapView>,
    /// What people ran, the newest last; at most 200.
    pub ran: Vec<RanView>,
}

impl TeamView {
    /// What is said to who asks for something when it is over.
    pub(super) fn over(&self) -> String {
        let verdict = self.verdict.as_ref().map(|verdict| verdict.outcome.as_str());
        match verdict.filter(|outcome| !outcome.is_empty()) {
            Some(outcome) => format!("the firedrill is over: it {outcome}"),
            None => "the firedrill is over, and is being judged".to_owned(),
        }
    }
}

/// The incident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct IncidentView {
    /// Where it stands: its line, and its file if that is not the drill's own.
    pub place: String,
    /// What it is called.
    pub name: String,
    /// By the wall clock.
    pub at: String,
}

/// A mark.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct MarkView {
    /// Its id.
    pub id: String,
    /// Its position in the WAL.
    pub lsn: String,
    /// By the wall clock.
    pub at: String,
}

/// How an assertion stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CheckState {
    /// It was not looked at yet.
    #[default]
    Unknown,
    /// It holds.
    Holds,
    /// It does not hold.
    Fails,
    /// It cannot be checked now.
    Errored,
}

/// An assertion.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct CheckView {
    /// Where it stands: its line, and its file if that is not the drill's own.
    pub place: String,
    /// What it is called.
    pub name: String,
    /// How it stands.
    pub state: CheckState,
    /// What was seen, if it does not hold.
    pub said: String,
}

/// Something that is put in on the way.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct InjectView {
    /// Its number, from 1.
    pub number: usize,
    /// What is said or done.
    pub text: String,
    /// When it comes by itself: `after 5m`; empty if only by hand.
    pub comes: String,
    /// When it came, by the wall clock.
    pub came: Option<String>,
}

/// A second accident.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct TrapView {
    /// What it is called.
    pub name: String,
    /// What it costs, in points.
    pub costs: u32,
    /// When it happened, by the wall clock, and what was seen.
    pub sprung: Option<String>,
}

/// Something that people ran.
#[derive(Debug, Clone, PartialEq, Default, Serialize, Deserialize)]
pub struct RanView {
    /// By the wall clock.
    pub at: String,
    /// On which node.
    pub node: String,
    /// As whom, with which program: `postgres (psql)`.
    pub by: String,
    /// The statement or the command.
    pub text: String,
}
