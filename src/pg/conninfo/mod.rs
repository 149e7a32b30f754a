//! How a client reaches a server: libpq's connection strings.

mod check;
mod keys;
mod parse;
mod said;

pub use check::{ChannelBinding, Pick, SessionAttrs, SslMode};
pub use keys::{KEYS, Key, Use};
pub use said::{Conninfo, ConninfoError};
