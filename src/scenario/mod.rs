//! Scenario files: read, parsed into a tree that knows its places, and decoded into types.

mod action;
mod decode;
mod during;
mod file;
mod fragments;
mod ids;
mod keys;
mod late;
mod limits;
mod listed;
mod load;
mod matrix;
mod model;
mod node;
mod notify;
mod params;
mod parse;
mod problems;
mod read;
mod remedy;
mod replaced;
mod repo_kind;
mod schema;
mod schema_editor;
mod schema_forms;
mod step_list;
mod unfold;
mod unknown_key;
mod values;

#[cfg(test)]
mod plain;

pub use decode::Decoder;
pub use during::During;
pub use keys::{COMMON_KEYS, FILE_KEYS, LANGUAGE_VERSIONS};
pub use limits::{Budgets, LossOf, Rpo, Rto};
pub use load::{load, load_cell};
pub use matrix::{Cell, assumed, cells};
pub use model::{
    Body, Common, Expect, External, Ignore, InjectLines, Names, NetworkSpec, NodeFields, Prove, RepoFields, Scenario,
    StepItem, StepLine, TeamLines, Undecoded, Unset, When,
};
pub use node::{Entry, Node, Style, Value};
pub use notify::{Channel, NotifySpec, NotifyTo, Occasion, is_web};
pub use parse::{Parsed, parse};
pub use problems::{Problems, in_order};
pub use read::{MAX_BYTES, read};
pub use repo_kind::RepoKind;
pub use schema::schema;
pub use unfold::is_fragment;
pub use values::{Lookup, Values};
