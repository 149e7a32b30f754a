//! What is signed of a run: an in-toto statement. Every field is always there; docs/evidence.md
//! explains each.
//!
//! A field that comes to them later needs a default: statements of earlier versions do not have it.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::journal::{Command, Facts, Outcome, TrafficCount};

/// What a statement of in-toto calls its own form.
const STATEMENT: &str = "https://in-toto.io/Statement/v1";

/// What the predicate is called. A field may come to it; one that goes, or means something else,
/// makes a new version.
const PREDICATE: &str = "https://drillyard.dev/evidence/v1";

/// A statement of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Statement {
    #[serde(rename = "_type")]
    pub form: String,
    pub subject: Vec<Subject>,
    #[serde(rename = "predicateType")]
    pub predicate_type: String,
    pub predicate: Predicate,
}

impl Statement {
    /// A statement.
    pub fn new(subject: Vec<Subject>, predicate: Predicate) -> Self {
        Statement { form: STATEMENT.to_owned(), subject, predicate_type: PREDICATE.to_owned(), predicate }
    }

    /// Whether it is one of those that this program reads.
    pub fn is_known(&self) -> bool {
        self.form == STATEMENT && self.predicate_type == PREDICATE
    }
}

/// A file that the statement is about.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Subject {
    pub name: String,
    pub digest: BTreeMap<String, String>,
    pub annotations: BTreeMap<String, u64>,
}

/// What is said of a run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Predicate {
    pub number: u64,
    pub previous: Option<String>,
    pub missing: Option<Link>,
    pub unsigned: Vec<Unsigned>,
    pub run: Run,
    pub trigger: Trigger,
    pub tools: Vec<Tool>,
    pub drills: Vec<Drill>,
    pub not_tested: Vec<NotTested>,
    pub warnings: Vec<String>,
    pub left: Vec<String>,
}

/// A statement of the same file, by its number and digest.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Link {
    pub number: u64,
    pub digest: String,
}

/// A run that should have left a statement, and did not.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Unsigned {
    pub started: Timestamp,
    pub files: Vec<String>,
}

/// The run.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Run {
    pub id: Option<String>,
    pub command: Command,
    pub started: Timestamp,
    pub ended: Timestamp,
    pub duration_ms: u64,
    pub outcome: Outcome,
    pub exit_code: u8,
    pub why: Option<String>,
    pub backend: Option<String>,
    pub backend_reason: Option<String>,
    pub seed: u64,
    pub selected: u64,
    pub not_begun: u64,
}

/// Who or what started the run.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Trigger {
    pub user: Option<String>,
    pub uid: u32,
    pub sudo_user: Option<String>,
    pub host: Option<String>,
    pub directory: Option<String>,
    pub command_line: Vec<String>,
    pub terminal: bool,
    pub ci: Option<Ci>,
}

/// A program that starts others: a CI, a scheduler.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Ci {
    pub name: String,
    pub variables: BTreeMap<String, String>,
}

/// A program that had a part in it.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Tool {
    pub name: String,
    pub version: Option<String>,
    pub drill: Option<String>,
}

/// A drill of the run.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Drill {
    pub name: String,
    pub file: String,
    pub sha256: Option<String>,
    #[serde(default)]
    pub fragments: BTreeMap<String, String>,
    pub about: String,
    pub postgres: Option<String>,
    pub backend: Option<String>,
    pub seed: u64,
    #[serde(default)]
    pub settings: Vec<String>,
    pub started: Option<Timestamp>,
    pub duration_ms: u64,
    pub outcome: Outcome,
    pub why: Option<String>,
    pub recoveries: Vec<Recovery>,
    pub objectives: Vec<Objective>,
    pub transactions: Vec<TrafficCount>,
    pub checks: Vec<Check>,
    pub proof: Option<Proof>,
    pub not_tested: Vec<NotTested>,
    pub warnings: Vec<String>,
}

/// A step that recovered a server, or was to.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Recovery {
    pub step: String,
    pub line: usize,
    pub outcome: Outcome,
    pub why: Option<String>,
    pub backup: Option<String>,
    pub backup_taken: Option<String>,
    pub passed_over: Option<String>,
    pub target: Option<String>,
    pub attained: Attained,
    pub duration_ms: Option<u64>,
    pub parts_ms: BTreeMap<String, u64>,
    pub parts_bytes: BTreeMap<String, u64>,
}

/// Where a recovery came to.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Attained {
    pub lsn: Option<String>,
    pub timeline: Option<u64>,
    pub time: Option<String>,
    pub xid: Option<u64>,
    pub stopped: Option<String>,
}

/// What recovery is to be like, and what was measured.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Objective {
    pub name: Goal,
    pub allowed: Option<u64>,
    pub measured: Option<u64>,
    pub outcome: Option<Outcome>,
    pub why: Option<String>,
}

/// What an objective is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Goal {
    /// Recovery time, in milliseconds.
    RtoMs,
    /// Lost work, in milliseconds.
    RpoMs,
    /// Lost transactions.
    RpoTransactions,
}

/// A step that checked something, or was to.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Check {
    pub step: String,
    pub kind: String,
    pub line: usize,
    pub outcome: Outcome,
    pub why: Option<String>,
    pub duration_ms: Option<u64>,
    pub found: Facts,
}

/// How often the drill noticed that it was broken on purpose.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct Proof {
    pub noticed: u64,
    pub missed: Vec<String>,
    pub ignored: Vec<String>,
    pub errored: Vec<String>,
}

/// What nobody knows after this run.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[expect(missing_docs, reason = "docs/evidence.md has a table of the fields")]
pub struct NotTested {
    pub what: String,
    pub why: String,
}
