//! What a step is, and what it works with.

mod context;
mod effects;
mod finding;
mod link;
mod loss_window;
mod scope;
mod sequence_floor;
mod step;
mod until;

pub use context::{Awaited, Backup, Context, Dump, Judged, NodeSpec, Outputs, Snapshot, Users, World};
pub use effects::{Aside, Brings, Brought, Judges, Shift};
pub use finding::{Finding, StepResult};
pub use link::Link;
pub use loss_window::LossWindow;
pub use scope::{IdInfo, Maker, NodeInfo, NodeRef, RepoInfo, Scope};
pub use sequence_floor::SequenceFloor;
pub(crate) use sequence_floor::demanded;
pub use step::{Decode, Kind, Role, Step, StepKind, UserPace, manual, summary};
pub use until::{By, Then, Until, UntilWord};
