//! What reports could not write.

use std::io;
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};

/// What a report could not write, for whoever decides on the exit code. Clones share the same list.
#[derive(Debug, Clone, Default)]
pub struct WriteFailures(Arc<Mutex<Vec<String>>>);

impl WriteFailures {
    /// The failures so far, one for each file, as lowercase fragments that name the file.
    pub fn list(&self) -> Vec<String> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    pub(super) fn add(&self, path: &Path, error: &io::Error) {
        let name = format!("the report {} cannot be written", path.display());
        let mut failures = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if !failures.iter().any(|failure| failure.starts_with(&name)) {
            // The system's reason alone: the name of a temporary file helps nobody.
            let reason =
                error.get_ref().and_then(|inner| inner.source()).map_or_else(|| error.to_string(), ToString::to_string);
            failures.push(format!("{name}: {reason}"));
        }
    }
}
