//! The client-side ledger: eight bytes for each transaction that was tried.
//!
//! A user's transactions follow one another, so its book is append-only and only the last entry ever changes. Full chunks
//! are sealed and shared with every [`Ledger`]; nothing is copied when the book grows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::LedgerColumns;

/// Entries in a chunk: 8 kB.
const CHUNK: usize = 1024;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Fate {
    /// Not known yet.
    Pending,
    /// The server acknowledged its commit.
    Acknowledged,
    /// Nobody knows whether it was committed.
    InDoubt,
    /// The server refused it.
    Rejected,
}

/// Microseconds since the start (54 bits: 570 years), kind (8 bits), fate (2 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Entry(u64);

impl Entry {
    pub(super) fn new(micros: u64, kind: u8, fate: Fate) -> Self {
        Entry(micros << 10 | u64::from(kind) << 2 | fate as u64)
    }

    pub(super) fn micros(self) -> u64 {
        self.0 >> 10
    }

    pub(super) fn kind(self) -> u8 {
        (self.0 >> 2 & 0xFF) as u8
    }

    pub(super) fn fate(self) -> Fate {
        match self.0 & 3 {
            0 => Fate::Pending,
            1 => Fate::Acknowledged,
            2 => Fate::InDoubt,
            _ => Fate::Rejected,
        }
    }
}

/// How many of `entries` were acknowledged at `micros` or later.
fn acknowledged(entries: &[Entry], micros: u64) -> u64 {
    entries.iter().filter(|e| e.fate() == Fate::Acknowledged && e.micros() >= micros).count() as u64
}

/// A full chunk, none of whose entries is pending.
#[derive(Debug)]
struct Sealed {
    entries: Box<[Entry]>,
    acknowledged: u64,
}

/// One user's transactions; that with `$seq` 1 comes first.
#[derive(Debug, Clone, Default)]
pub(super) struct Book {
    sealed: Vec<Arc<Sealed>>,
    tail: Vec<Entry>,
}

impl Book {
    /// Notes that a transaction is tried, and returns its `$seq`.
    pub(super) fn attempt(&mut self, kind: u8, micros: u64) -> u64 {
        if self.tail.len() == CHUNK {
            let entries = std::mem::replace(&mut self.tail, Vec::with_capacity(CHUNK));
            let acknowledged = acknowledged(&entries, 0);
            self.sealed.push(Arc::new(Sealed { entries: entries.into_boxed_slice(), acknowledged }));
        } else if self.tail.capacity() == 0 {
            self.tail.reserve_exact(CHUNK);
        }
        self.tail.push(Entry::new(micros, kind, Fate::Pending));
        self.tried()
    }

    /// Notes what became of the last one.
    pub(super) fn resolve(&mut self, fate: Fate, micros: u64) {
        if let Some(last) = self.tail.last_mut() {
            *last = Entry::new(micros, last.kind(), fate);
        }
    }

    /// Whether the last one's fate is not known yet.
    pub(super) fn pending(&self) -> bool {
        self.tail.last().is_some_and(|last| last.fate() == Fate::Pending)
    }

    /// The last `$seq`.
    pub(super) fn tried(&self) -> u64 {
        (self.sealed.len() * CHUNK + self.tail.len()) as u64
    }

    pub(super) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
        self.sealed.iter().flat_map(|chunk| chunk.entries.iter()).chain(&self.tail).copied()
    }

    fn acknowledged_since(&self, micros: u64) -> u64 {
        let mut count = acknowledged(&self.tail, micros);
        for chunk in self.sealed.iter().rev() {
            match (chunk.entries.first(), chunk.entries.last()) {
                (Some(first), _) if first.micros() >= micros => count += chunk.acknowledged,
                (_, Some(last)) if last.micros() >= micros => count += acknowledged(&chunk.entries, micros),
                _ => break,
            }
        }
        count
    }
}

/// What the ledger needs to know of a kind.
#[derive(Debug, Clone)]
pub(super) struct KindInfo {
    pub(super) name: String,
    pub(super) columns: Option<LedgerColumns>,
}

/// The books of all users, in the order of their numbers.
#[derive(Debug)]
pub(super) struct Books {
    start: Timestamp,
    pub(super) kinds: Vec<KindInfo>,
    /// The number of the first user.
    pub(super) first_client: u64,
    books: Vec<Mutex<Book>>,
}

impl Books {
    pub(super) fn new(kinds: Vec<KindInfo>, first_client: u64, clients: usize, start: Timestamp) -> Self {
        Books { start, kinds, first_client, books: (0..clients).map(|_| Mutex::default()).collect() }
    }

    /// The book of the user at `index`. A book is whole after every call, so a panic elsewhere does not spoil it.
    pub(super) fn book(&self, index: usize) -> Option<MutexGuard<'_, Book>> {
        self.books.get(index).map(|book| book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(super) fn clients(&self) -> usize {
        self.books.len()
    }

    pub(super) fn acknowledged_since(&self, since: Timestamp) -> u64 {
        let micros = self.micros(since);
        (0..self.clients()).filter_map(|index| Some(self.book(index)?.acknowledged_since(micros))).sum()
    }

    /// The ledger's time for a moment; 0 for those before the start.
    fn micros(&self, at: Timestamp) -> u64 {
        u64::try_from(at.duration_since(self.start).as_micros()).unwrap_or(0)
    }

    fn timestamp(&self, micros: u64) -> Timestamp {
        let since = SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        self.start.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    pub(super) fn snapshot(self: &Arc<Self>) -> Ledger {
        let books = (0..self.clients()).filter_map(|index| Some(self.book(index)?.clone())).collect();
        Ledger { books, live: Arc::clone(self) }
    }
}

/// What the server acknowledged to the users of a pool, and what else they tried, up to one moment.
///
/// Cheap to take and to clone: it shares its memory with the pool, which it outlives.
#[derive(Debug, Clone)]
pub struct Ledger {
    books: Vec<Book>,
    live: Arc<Books>,
}

impl Ledger {
    pub(super) fn kinds(&self) -> &[KindInfo] {
        &self.live.kinds
    }

    /// The number of the first user.
    pub(super) fn first_client(&self) -> u64 {
        self.live.first_client
    }

    pub(super) fn books(&self) -> &[Book] {
        &self.books
    }

    /// The last `$seq` of a user by now, not when this ledger was taken.
    pub(super) fn tried_by_now(&self, index: usize) -> u64 {
        self.live.book(index).map_or(0, |book| book.tried())
    }

    pub(super) fn timestamp(&self, micros: u64) -> Timestamp {
        self.live.timestamp(micros)
    }

    pub(super) fn micros(&self, at: Timestamp) -> u64 {
        self.live.micros(at)
    }

    /// How many transactions were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.books.iter().map(|book| book.acknowledged_since(0)).sum()
    }
}
