//! Evidence: each run as a signed statement (in-toto, in a DSSE envelope), one a line of a file in
//! which each names the one before it; read, verified, and made into a page for somebody who does
//! not know drillyard.
//!
//! docs/evidence.md has every field, and docs/verify-evidence.sh verifies with openssl alone.

mod begun;
mod blocks;
mod card;
mod chain;
mod compose;
mod digest;
mod envelope;
mod key;
mod not_tested;
mod page;
mod page_html;
mod page_markdown;
mod quarter;
mod statement;
mod told;
mod verify;
mod words;

pub use chain::{Appended, EvidenceFile, Position};
pub use compose::{Circumstances, Selected, statement};
pub use digest::{digest, hex};
pub use key::{KeyError, SigningKey, VerifyingKey};
pub use page::{PageFormat, page};
pub use quarter::Chain;
pub use statement::{
    Attained, Check, Ci, Drill, Goal, Link, NotTested, Objective, Predicate, Proof, Recovery, Run, Statement, Subject,
    Tool, Trigger, Unsigned,
};
pub use verify::{Finding, Verified, verify};

#[cfg(test)]
mod tests;
