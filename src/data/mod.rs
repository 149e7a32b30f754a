//! Data: rows made from a seed, rows compared, what the catalog says of a table, what depends on
//! it, the roles of a cluster, tables that are checked, the merge of three states of a table.

mod catalog;
mod collations;
mod compare;
mod error;
mod generate;
mod hash;
mod intact;
mod merge;
mod roles;
mod rows;

pub use catalog::{
    Behind, Catalog, Dependents, Difference, DifferenceKind, End, Fact, LargeObjects, Position, Relation, Sequence,
    Told, last_numbers, subjects, told, told_as,
};
pub use collations::Moved;
pub use compare::{Again, LiveTable, Suspects, Wanted, compare};
pub use error::{DataError, Result};
pub use generate::{ColumnFault, Columns, ColumnsError, FILLED, Generator};
pub use hash::RowSum;
pub use intact::{Amcheck, Checked, Damage, REINDEX, is_damage, is_damage_of_database};
pub use merge::{
    ByHand, Compared, Conflict, Merge, MergeError, MergeTable, Merged, Misfit, OnConflict, Side, Touched, Writer,
    WrittenRows,
};
pub use roles::{Roles, RolesComparison};
pub(crate) use rows::STABLE;
pub use rows::{
    Chosen, Comparison, HeldMoment, PartDifference, Rest, RowChange, RowDifference, RowsSnapshot, View, Written,
    rewrote_the_same, row_sum,
};
