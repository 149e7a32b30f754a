//! Something that is waited for, and its kind.

/// Something that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdup {
    /// Of what kind.
    pub kind: HoldupKind,
    /// What, with who is to blame:
    /// `AccessExclusiveLock on orders is held by the startup process (pid 71)`.
    pub what: String,
    /// What is known beside that, on lines of its own.
    pub more: Vec<String>,
    /// What can be done about it.
    pub help: Option<String>,
    /// Whether it ends by nothing that happens by itself: to wait is of no use.
    pub endless: bool,
}

/// What kind of thing is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldupKind {
    /// A lock, by a session of drillyard's or of a program that it runs.
    Lock,
    /// A lock, by the users.
    UsersLock,
    /// A lock, by somebody else; by a command of the scenario's, say.
    OthersLock,
    /// A synchronous standby; the names that `synchronous_standby_names` asks for.
    SyncRep(String),
    /// Replay, which is paused or does not go on.
    Replay,
    /// WAL, which does not come from the primary.
    Receiver,
    /// A replication slot that has lost its WAL; its name.
    Slot(String),
    /// archive_command, which fails.
    Archive,
    /// The server itself, which does not answer.
    Silent,
}
