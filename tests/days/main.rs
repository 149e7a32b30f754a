//! Good and bad days of the real binary: what it leaves behind, what it says, what its face looks like.

mod bad_days;
mod by_hand;
mod cleanup;
mod face;
mod outputs;
mod place;
mod relay;
mod secrets;
