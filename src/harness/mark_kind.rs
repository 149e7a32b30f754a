//! What a step with an `id` is as a mark, and what it leaves as one.

/// What a step with an `id` is as a mark: a point in the WAL that a recovery can be given as its
/// target.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkKind {
    /// None: it changes nothing.
    None,
    /// A transaction: PostgreSQL can stop right before or after its commit.
    Transaction,
    /// A moment, with a time and a position.
    Moment,
    /// The same, where files go before the commit does: of all targets only the position before the
    /// step is before it.
    FilesFirst,
    /// A restore point with a name.
    RestorePoint,
    /// The moment when a recovery was over, on the server that was recovered. Its facts say where
    /// the recovery stopped, which is before that.
    Recovered,
}

/// What a mark reports.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum MarkFact {
    /// The position just before it.
    Before,
    /// The position just after it.
    Lsn,
    /// The timeline that its server was on afterwards.
    Timeline,
    /// Its server's time just after it.
    At,
    /// The transaction that it was, if that wrote anything.
    Xid,
}

/// Whose fact it is that a value asks for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FactOf {
    /// One of the step's mark: a place in the WAL of its server.
    Mark,
    /// One that the step has found out by itself.
    Step,
    /// What the scenario has the step capture, wherever that comes from.
    Scenario,
}

impl MarkFact {
    /// All of them.
    pub const ALL: [MarkFact; 5] = [MarkFact::Before, MarkFact::Lsn, MarkFact::Timeline, MarkFact::At, MarkFact::Xid];

    /// What it is called in a report, and in a reference.
    pub fn name(self) -> &'static str {
        match self {
            MarkFact::Before => "before",
            MarkFact::Lsn => "lsn",
            MarkFact::Timeline => "timeline",
            MarkFact::At => "at",
            MarkFact::Xid => "xid",
        }
    }
}

impl MarkKind {
    /// What its marks report.
    pub fn facts(self) -> &'static [MarkFact] {
        use MarkFact::{At, Before, Lsn, Timeline, Xid};
        match self {
            MarkKind::None => &[],
            MarkKind::Transaction => &[Before, Lsn, Timeline, At, Xid],
            MarkKind::Moment | MarkKind::FilesFirst | MarkKind::RestorePoint => &[Before, Lsn, Timeline, At],
            MarkKind::Recovered => &[At],
        }
    }

    /// Whether its marks report this.
    pub fn has(self, fact: MarkFact) -> bool {
        self.facts().contains(&fact)
    }

    /// Why its marks do not report this, which those of other kinds do; none if nobody would expect
    /// it.
    pub fn why_not(self, fact: MarkFact) -> Option<&'static str> {
        match (self, fact) {
            (MarkKind::Moment, MarkFact::Xid) => Some("it is no single transaction"),
            (MarkKind::RestorePoint, MarkFact::Xid) => Some("a restore point is no transaction"),
            (MarkKind::FilesFirst, MarkFact::Xid) => {
                Some("the files of the database go before its commit, which would be too late")
            }
            (MarkKind::Recovered, MarkFact::Before) => Some("the server is not there before it is recovered"),
            _ => None,
        }
    }
}
