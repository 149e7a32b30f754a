//! A row as it is read, with the place where it lies.

use bytes::Bytes;

/// A row as COPY writes it, with the place that it lies at.
pub(super) struct Row {
    pub(super) place: u64,
    pub(super) text: Bytes,
}

impl Row {
    /// The values of the first columns, for people.
    pub(super) fn key(&self, columns: usize) -> String {
        let text = String::from_utf8_lossy(&self.text);
        let values: Vec<&str> = text.trim_end_matches('\n').split('\t').take(columns).collect();
        values.join(", ")
    }
}
