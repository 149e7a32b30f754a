//! What `drillyard prove` has to know of a step to break a drill at it.

/// How the target of a recovery is moved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shift {
    /// Before what the drill is after.
    Earlier,
    /// Behind it.
    Later,
}

/// What a step that does not judge leaves alone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Aside {
    /// Nobody can say.
    Never,
    /// Everything: it changes no server, no repo and no users.
    Reads,
    /// Everything but the nodes that it names.
    OnItsNode,
}

/// The rows that a step brings into a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Brings<'a> {
    /// The node.
    pub into: &'a str,
    /// Which rows.
    pub what: Brought<'a>,
}

/// Which rows a step brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Brought<'a> {
    /// Those of the dump with this id.
    Dump(&'a str),
    /// Those of this table.
    Table(&'a crate::pg::TableName),
}

/// What a judgement looks at, where `prove` can take it away.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Judges<'a> {
    /// The transactions of these users on this node.
    Traffic {
        /// The traffic step's id.
        traffic: &'a str,
        /// The node.
        node: &'a str,
    },
    /// That this standby streams.
    Streaming {
        /// The standby.
        standby: &'a str,
        /// The server that it streams from.
        primary: &'a str,
    },
}
