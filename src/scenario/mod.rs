//! Scenario files: read, parsed into a tree that knows its places, and decoded into types.

mod decode;
mod model;
mod node;
mod not_built;
mod parse;
mod read;
mod remedy;
mod replaced;
mod repo_kind;
mod schema;
mod values;

#[cfg(test)]
mod plain;

pub use decode::Decoder;
pub use model::{
    Body, Budgets, COMMON_KEYS, Common, Expect, External, FILE_KEYS, Ignore, LANGUAGE_VERSIONS, LossOf, Names,
    NodeFields, Prove, RepoFields, Rpo, Rto, Scenario, StepItem, StepLine, Undecoded, When, in_order, load,
};
pub use node::{Entry, Node, Style, Value};
pub use not_built::{NOT_BUILT, is_later_key, today};
pub use parse::{Parsed, parse};
pub use read::{MAX_BYTES, read};
pub use repo_kind::RepoKind;
pub use schema::schema;
pub use values::{Lookup, Values};
