//! Containers: one for each node, on any image that has PostgreSQL's programs and a user
//! `postgres`.
//!
//! A container sleeps; servers are started and stopped in it by exec, like those on a machine. Two
//! networks join it, one for drillyard and one for its peers; volumes hold its data, the repos, and
//! what the drill shares. With somebody else's data it has no network: then sockets take its place.

mod archive;
mod backend;
mod collations;
mod container;
mod daemon;
mod disks;
mod enclosure;
mod exec;
mod host;
mod image;
mod initdb;
mod kind;
mod lab;
mod labels;
mod lifecycle;
mod networks;
mod removal;
mod shared;
mod shell;
mod sweeper;
#[cfg(test)]
mod tests;

pub use kind::Docker;
