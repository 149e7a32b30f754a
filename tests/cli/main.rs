//! Good and bad days of the real binary: what it leaves behind, what it says, how its output looks.

mod arguments;
mod bad_days;
mod by_hand;
mod cleanup;
mod output;
mod outputs;
mod place;
mod relay;
mod secrets;
