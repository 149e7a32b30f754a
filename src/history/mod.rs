//! The history: what became of each drill in every run, for as long as somebody wants to know it.
//!
//! A file of SQLite in the state directory, or a database of PostgreSQL that a team shares: one
//! schema, one set of statements for both. A run writes its rows as it goes on, so that one that is
//! killed has left what it had come to. What cannot be written never changes a verdict.

mod error;
mod migrations;
mod opened;
mod place;
mod postgres;
mod read;
mod recorder;
mod rows;
mod series;
mod sqlite;
mod store;
#[cfg(test)]
mod tests;
mod trend;
mod write;

pub use error::{HistoryError, Result};
pub use place::Place;
pub use read::{Latest, Point};
pub use recorder::{Recorder, Unrecorded};
pub use rows::{DrillRow, Part, PartName, RunRow};
pub use series::Series;
pub use trend::{Change, Trend};
pub use write::Forgotten;

use store::Store;

/// A history that is open.
pub struct History {
    store: Box<dyn Store>,
}

impl History {
    /// Opens it, makes it if there is none, and brings one of an older version up to this one's.
    ///
    /// # Errors
    /// If it cannot be reached or written, or is of a version that this one does not know.
    pub fn open(place: &Place) -> Result<Self> {
        let mut store = opened::open(place)?;
        migrations::upgrade(store.as_mut())?;
        Ok(History { store })
    }

    /// Opens it to be read; None if there is none.
    ///
    /// # Errors
    /// As for [`History::open`].
    pub fn read(place: &Place) -> Result<Option<Self>> {
        match place.is_there() {
            true => Self::open(place).map(Some),
            false => Ok(None),
        }
    }
}
