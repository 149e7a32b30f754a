//! Servers as processes of this machine, each in a directory of its own, reached by a Unix socket
//! there.
//!
//! There is no TCP port to run out of or to collide on, and nobody but the servers' user and root
//! gets at the socket.

mod backend;
mod collations;
mod disk;
mod enclosure;
mod fetching;
mod host;
mod installations;
mod kind;
mod lab;
mod layout;
mod link;
mod owner;
mod programs;
mod template;
mod written;

pub use kind::Local;
