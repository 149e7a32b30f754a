//! The board of a firedrill: a page for the team and one for the facilitator, live in a browser.
//!
//! Each role has a link of its own with a token in it; opened once, the browser keeps the token in
//! a cookie, and it is gone from the address. Pages are sent the whole view at each change. They
//! are made of what is in the program, and load nothing from elsewhere.

mod ask;
mod enter;
mod frames;
mod gate;
mod listen;
mod pages;
mod serve;
mod shared;
mod stream;
mod tokens;

pub use listen::{Listen, ListenError};
pub use serve::{Board, BoardError, serve};
pub use tokens::Tokens;
