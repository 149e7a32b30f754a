//! Whose WAL something is.

use serde::{Deserialize, Serialize};

use super::{Birth, History, SystemId};

/// Whose WAL it is: the cluster's identifier, and the timelines that led to the one that its server
/// was on.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Lineage {
    /// The cluster.
    pub system: SystemId,
    /// Its server's timelines.
    pub history: History,
    /// How the last of them begins, if that could be read: what tells it from another one of its
    /// number that left the same timeline at the same place.
    #[serde(default)]
    pub birth: Option<Birth>,
}
