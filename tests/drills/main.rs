//! Drills with the real binary on real servers: what a user would see.

mod backup;
mod desk;
mod docker;
mod ledger;
mod local;
mod outage;
mod prove;
mod standby;
