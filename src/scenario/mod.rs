//! Scenario files: read, parsed into a tree that knows its places, and decoded into types.

mod action;
mod decode;
mod file;
mod keys;
mod load;
mod model;
mod node;
mod not_built;
mod notify;
mod parse;
mod problems;
mod read;
mod remedy;
mod replaced;
mod repo_kind;
mod schema;
mod step_list;
mod unknown_key;
mod values;

#[cfg(test)]
mod plain;

pub use decode::Decoder;
pub use keys::{COMMON_KEYS, FILE_KEYS, LANGUAGE_VERSIONS};
pub use load::load;
pub use model::{
    Body, Budgets, Common, Expect, External, Ignore, LossOf, Names, NetworkSpec, NodeFields, Prove, RepoFields, Rpo,
    Rto, Scenario, StepItem, StepLine, Undecoded, Unset, When,
};
pub use node::{Entry, Node, Style, Value};
pub use not_built::{NOT_BUILT, is_later_key, today};
pub use notify::{Channel, NotifySpec, NotifyTo, Occasion, is_web};
pub use parse::{Parsed, parse};
pub use problems::{Problems, in_order};
pub use read::{MAX_BYTES, read};
pub use repo_kind::RepoKind;
pub use schema::schema;
pub use values::{Lookup, Values};
