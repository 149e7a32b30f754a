//! What holds up a server, or a session of drillyard's on it: asked in a session of its own, when
//! something takes too long.

mod archive;
mod commits;
mod kind;
mod locks;
mod look;
mod replay;
mod session;
mod slots;

pub use kind::{Holdup, HoldupKind};
