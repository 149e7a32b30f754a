//! What users did, and what a server has of it: what each transaction leaves behind
//! ([`Footprint`]), what the server acknowledged ([`Ledger`]), what was observed in the rows, and
//! the checker that compares them ([`Verdict`]). Pure: no server is asked.

mod checker;
mod columns;
mod footprint;
mod footprints;
mod history;
mod kind;
mod layout;
mod live_mismatch;
mod marks;
mod observed;
mod presence;
mod prewrite_check;
mod sample;
mod scope;
mod terms;
mod verdict;
mod write_sites;

pub(crate) use checker::compare;
pub(crate) use columns::column;
pub use footprint::{Deletes, Footprint, WriteSite};
pub use footprints::{Footprints, Refusal, footprints};
pub use history::Ledger;
pub(crate) use history::{CommitStatus, Histories};
pub use kind::{Kind, LedgerColumns, MOST_ROWS};
pub(crate) use layout::{KindInfo, Layout};
pub(crate) use observed::Observed;
pub(crate) use prewrite_check::{PrewriteCheck, PrewriteRows};
pub use sample::SampledRow;
pub use scope::{CheckScope, LookupSummary};
pub use verdict::{KindVerdict, SHOWN, Sample, SampledTransaction, Side, Sides, Tally, Target, UnexpectedRow, Verdict};
