//! What the catalog says of tables: their definitions, sequences, large objects, and what depends
//! on them.

mod behind;
mod catalog_query;
mod dependents;
mod differences;
mod facts;
mod large_objects;
mod options;
mod sequences;

pub use behind::Behind;
pub use dependents::Dependents;
pub use differences::{Difference, DifferenceKind, Told, subjects, told, told_as};
pub use facts::{Catalog, Fact, Relation};
pub use large_objects::LargeObjects;
pub use sequences::{End, Position, Sequence, last_numbers};
