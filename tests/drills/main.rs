//! Drills with the real binary on real servers: what a user would see.

mod desk;
mod docker;
mod local;
mod outage;
mod prove;
