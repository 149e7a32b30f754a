//! The rows of a table: whole tables as a sum, which the server computes; and if that differs, the
//! rows or the part of the table in which they do.

mod bisect;
mod comparison;
mod difference;
mod excepted;
mod held_moment;
mod layout;
mod record;
mod rewritten;
mod rows_snapshot;
mod table;
mod versions;
mod view;

pub(super) use bisect::{Limit, PARTS, Side, bisect};
pub use comparison::{Comparison, PartDifference, Rest};
pub(super) use difference::Line;
pub use difference::{RowChange, RowDifference};
pub(super) use excepted::{Lone, note_excepted, with_excepted};
pub use held_moment::HeldMoment;
#[cfg(test)]
pub(super) use layout::Relation;
pub(super) use layout::{ColumnLayout, Layout, Order, Range};
pub(super) use record::{quote_into, record};
pub use rewritten::{Written, rewrote_the_same};
pub use rows_snapshot::RowsSnapshot;
pub(crate) use table::STABLE;
pub(super) use table::Table;
pub use table::row_sum;
pub(super) use versions::RowVersion;
pub use view::{Chosen, View};
