//! What reports could not write.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What a report could not write, for whoever decides on the exit code. Clones share the same list.
#[derive(Debug, Clone, Default)]
pub struct WriteFailures(Arc<Mutex<Vec<(io::ErrorKind, String)>>>);

impl WriteFailures {
    /// The failures so far, one for each file, as lowercase fragments that name the file.
    pub fn list(&self) -> Vec<String> {
        self.locked().iter().map(|(_, failure)| failure.clone()).collect()
    }

    /// The first of them as an error of its kind.
    ///
    /// # Errors
    /// If there is one.
    pub(super) fn first(&self) -> io::Result<()> {
        let first = self.locked().first().cloned();
        first.map_or(Ok(()), |(kind, failure)| Err(io::Error::new(kind, failure)))
    }

    fn locked(&self) -> MutexGuard<'_, Vec<(io::ErrorKind, String)>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn add(&self, path: &Path, error: &io::Error) {
        let name = format!("the report {} cannot be written", path.display());
        let mut failures = self.locked();
        if !failures.iter().any(|(_, failure)| failure.starts_with(&name)) {
            // The system's reason alone: the name of a temporary file helps nobody.
            let reason =
                error.get_ref().and_then(|inner| inner.source()).map_or_else(|| error.to_string(), ToString::to_string);
            failures.push((error.kind(), format!("{name}: {reason}")));
        }
    }
}
