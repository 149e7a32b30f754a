//! Rows made from a seed: the same ones every time, without a server that has them.

mod columns;
mod generated;
mod generator;

pub use columns::{ColumnFault, Columns, ColumnsError, FILLED};
pub(super) use generated::Generated;
pub use generator::Generator;
