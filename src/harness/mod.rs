//! What a step is, and what it works with.

mod cold;
mod context;
mod effects;
mod finding;
mod ids;
mod kind;
mod link;
mod loss_window;
mod marks;
mod node_spec;
mod outputs;
mod scope;
mod scope_lookups;
mod sequence_floor;
mod step;
mod users;
mod world;

pub use cold::Cold;
pub use context::{Awaited, Context, Teller, take_on};
pub use effects::{Brings, Brought, Checks, Effects, ReadsRepo, Shift, Writes};
pub use finding::{Finding, StepResult};
pub use ids::{NodeId, NodeRef, Ref, Reference, RepoId, RepoRef, StepId, StepRef};
pub use kind::{Kind, Makes, MarkKind, Output, Recovers, Role, UserPace};
pub use link::{Link, LinkField};
pub use loss_window::LossWindow;
pub use node_spec::NodeSpec;
pub use outputs::{Backup, Dump, Dumped, Outputs, Rates, SequenceFloor, Snapshot};
pub use scope::{IdInfo, Maker, NodeField, NodeInfo, RepoInfo, Scope};
pub(crate) use sequence_floor::demanded;
pub use step::{Decode, Resolved, Spec, Step, StepKind, if_given, manual, summary};
pub use users::{Judged, Users};
pub use world::World;
