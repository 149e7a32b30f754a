//! The board as people see it: in a real browser, by links as `drillyard firedrill` prints them.

mod browser;
mod connection;
mod doors;
mod firedrill;
mod observers;
mod pictures;
mod story;
