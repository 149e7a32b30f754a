//! Proving drills: each is broken on purpose, in every way that its plan knows, and has to notice.
//!
//! First the drill runs unbroken. What can be done to its servers just before they are judged, and
//! undone, is tried in that very run (`trial`): one damage after the other, the judgements over
//! each, and then the judgements in earnest. What changes the drill's course, a step left out or a
//! recovery's target moved, is followed on a branch of that run ([`crate::run::Fork`]), on servers
//! of its own, until a step does not pass. Where it would touch what the drill still needs it is a
//! run of its own; those run side by side. A break is noticed when something fails after it; that
//! the lab fails is no notice (`verdict`).

mod damage;
mod proof;
mod trial;
mod verdict;

pub use proof::{Options, prove_all};
