//! The labels of all that is made: clean-up works from them alone.

use std::collections::HashMap;

use crate::host::LabSpec;

/// The run's id.
pub(super) const RUN: &str = "drillyard.run";
/// The drill's number in the run.
pub(super) const DRILL: &str = "drillyard.drill";
/// The node's name.
pub(super) const NODE: &str = "drillyard.node";
/// Who made it.
pub(super) const OWNER: &str = "drillyard.owner";
/// The run's work directory on the machine that drillyard runs on.
pub(super) const DIR: &str = "drillyard.dir";

/// The labels of everything in a drill.
pub(super) fn of(spec: &LabSpec, owner: &str) -> HashMap<String, String> {
    HashMap::from([
        (RUN.to_owned(), spec.run.clone()),
        (DRILL.to_owned(), spec.drill.to_string()),
        (OWNER.to_owned(), owner.to_owned()),
        (DIR.to_owned(), spec.dir.display().to_string()),
    ])
}
