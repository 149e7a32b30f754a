//! As much of SQL's lexical structure as is needed to find statements and users' parameters from
//! text (manual, 4.1).
//!
//! `standard_conforming_strings` is taken to be on, as it has been by default since 9.1.

mod alone;
mod changes;
mod closed;
mod depth;
mod lexemes;
mod parameters;
mod reads;
mod statements;
mod tokens;
mod writes;

pub use alone::runs_alone;
pub use changes::changes_what_is_there;
pub use closed::not_closed;
pub(super) use depth::Depth;
pub use lexemes::Lexeme;
pub use parameters::{
    Placeholder, PlaceholderKind, UserParameter, UserSql, UserSqlError, UserStatement, placeholders, user_sql,
};
pub use reads::only_reads;
pub use statements::{first_words, has_client_commands, split_statements};
pub use tokens::is_quoted;
pub use writes::{Conditions, Conflict, Source, Verb, Write, writes};
