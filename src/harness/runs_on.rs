//! Which versions of PostgreSQL the steps of a drill are for.

use super::NodeId;
use crate::pg::Version;
use crate::source::VersionReq;

/// The versions that steps are for.
#[derive(Debug, Default)]
pub struct RunsOn {
    /// Those of each step, by its index: its own `when`, and those of the steps that it is a part
    /// of.
    pub steps: Vec<Vec<VersionReq>>,
    /// The steps that make nodes, by their indices.
    pub makers: Vec<(NodeId, usize)>,
}

impl RunsOn {
    /// Whether a step is for this major version.
    pub fn is_on(&self, step: usize, major: u32) -> bool {
        self.steps.get(step).is_none_or(|all| all.iter().all(|req| req.matches(Version { major, minor: 0 })))
    }
}
