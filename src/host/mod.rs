//! Where one server lives: a directory and processes on this machine, or a container. The steps
//! know neither.

mod backend;
mod clock;
mod directory;
pub mod docker;
mod endpoint;
mod error;
mod identity;
mod kind;
mod lab;
mod lifecycle;
pub mod local;
mod machine;
mod network;
mod process;
mod program;
mod sockets;
mod sorting;
mod sweeper;
mod typed;

pub use backend::{Backend, Installation, available};
pub use directory::{
    POLL, SMALL_DISK, STAGED_TEMPLATE, WAL_TAKES_SPACE, is_mounted, remove_directory, spread, unmount_below,
};
pub use endpoint::{Endpoint, Login};
pub use error::{HostError, Result};
pub use kind::{BackendKind, Check, Checkup, Sight, Surroundings};
pub use lab::{DiskOf, Lab, LabSpec, SmallDisk};
pub use machine::{Host, Paths, Seen, ShellCommand};
pub use network::{Isolation, Network, Outlet, Reach};
pub use program::{Output, Program};
pub use sorting::Sorting;
pub use sweeper::{Recipe, Remains, Sweeper};
pub use typed::{as_word, escape_here, quote_word, single_quoted};
