//! The client-side ledger: eight bytes for each transaction that was tried.
//!
//! A user's transactions follow one another, so its history is append-only, and only the last entry
//! ever changes. Full chunks are sealed and shared with every [`Ledger`]; nothing is copied when
//! the history grows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::footprint::MOST_SITES;
use super::layout::Layout;

/// Entries in a chunk: 8 kB.
const CHUNK: usize = 1024;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitStatus {
    /// Not known yet.
    Pending,
    /// The server acknowledged its commit.
    Acknowledged,
    /// In doubt: whether it was committed is not known.
    Unknown,
    /// The server rejected it.
    Rejected,
}

/// Microseconds since the start (46 bits: two years), which sites wrote nothing (8 bits), kind
/// (8 bits), status (2 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(u64);

/// The last moment that an entry can hold.
const LAST: u64 = (1 << 46) - 1;

// One bit for each site.
const _: () = assert!(MOST_SITES == 8);

impl Entry {
    pub(crate) fn new(micros: u64, kind: u8, status: CommitStatus) -> Self {
        Entry(micros.min(LAST) << 18 | u64::from(kind) << 2 | status as u64)
    }

    /// The same, with the sites of the transaction at which the server wrote no row, as it said.
    pub(crate) fn with_empty_sites(self, sites: u8) -> Self {
        Entry(self.0 | u64::from(sites) << 10)
    }

    pub(crate) fn micros(self) -> u64 {
        self.0 >> 18
    }

    /// The sites at which no row was written, a bit for each.
    pub(crate) fn empty_sites(self) -> u8 {
        (self.0 >> 10 & 0xFF) as u8
    }

    pub(crate) fn kind(self) -> u8 {
        (self.0 >> 2 & 0xFF) as u8
    }

    pub(crate) fn status(self) -> CommitStatus {
        match self.0 & 3 {
            0 => CommitStatus::Pending,
            1 => CommitStatus::Acknowledged,
            2 => CommitStatus::Unknown,
            _ => CommitStatus::Rejected,
        }
    }
}

/// How many of `entries` were acknowledged at `micros` or later.
fn acknowledged(entries: &[Entry], micros: u64) -> u64 {
    entries.iter().filter(|e| e.status() == CommitStatus::Acknowledged && e.micros() >= micros).count() as u64
}

/// A full chunk, none of whose entries is pending.
#[derive(Debug)]
struct Sealed {
    entries: Box<[Entry]>,
    acknowledged: u64,
}

/// What a user found otherwise than its history says, just before the transaction `at` wrote over
/// it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The user's one row showed this `$seq`, 0 if there was none, and not the last acknowledged
    /// one.
    Shown { place: usize, at: u64, shown: u64 },
    /// This row was acknowledged and not there.
    Missing { place: usize, at: u64, seq: u64 },
    /// This row was there though its deletion was acknowledged.
    Reappeared { place: usize, at: u64, seq: u64 },
    /// It could not be read.
    Unread { place: usize, at: u64 },
}

/// One user's transactions; that with `$seq` 1 comes first.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientHistory {
    sealed: Vec<Arc<Sealed>>,
    tail: Vec<Entry>,
    mismatches: Vec<Mismatch>,
    /// Whether any transaction wrote no row at one of its sites.
    has_empty_sites: bool,
}

impl ClientHistory {
    /// Notes that a transaction is tried, and returns its `$seq`.
    pub(crate) fn attempt(&mut self, kind: u8, micros: u64) -> u64 {
        if self.tail.len() == CHUNK {
            let entries = std::mem::replace(&mut self.tail, Vec::with_capacity(CHUNK));
            let acknowledged = acknowledged(&entries, 0);
            self.sealed.push(Arc::new(Sealed { entries: entries.into_boxed_slice(), acknowledged }));
        } else if self.tail.capacity() == 0 {
            self.tail.reserve_exact(CHUNK);
        }
        self.tail.push(Entry::new(micros, kind, CommitStatus::Pending));
        self.tried()
    }

    /// Notes what became of the last one, and at which of its sites no row was written.
    pub(crate) fn resolve(&mut self, status: CommitStatus, micros: u64, empty_sites: u8) {
        if let Some(last) = self.tail.last_mut() {
            *last = Entry::new(micros, last.kind(), status).with_empty_sites(empty_sites);
            self.has_empty_sites |= empty_sites != 0;
        }
    }

    /// Notes what was found otherwise than it should be.
    pub(crate) fn note(&mut self, mismatch: Mismatch) {
        self.mismatches.push(mismatch);
    }

    /// What was found otherwise than it should be, in the order of the transactions that found it.
    pub(crate) fn mismatches(&self) -> &[Mismatch] {
        &self.mismatches
    }

    /// Whether the last one's answer has not come yet.
    pub(crate) fn pending(&self) -> bool {
        self.tail.last().is_some_and(|last| last.status() == CommitStatus::Pending)
    }

    /// The last `$seq`.
    pub(crate) fn tried(&self) -> u64 {
        (self.sealed.len() * CHUNK + self.tail.len()) as u64
    }

    /// The transaction with this `$seq`.
    pub(crate) fn entry(&self, seq: u64) -> Option<Entry> {
        let at = usize::try_from(seq.checked_sub(1)?).ok()?;
        match self.sealed.get(at / CHUNK) {
            Some(chunk) => chunk.entries.get(at % CHUNK).copied(),
            None => self.tail.get(at - self.sealed.len() * CHUNK).copied(),
        }
    }

    /// Whether any transaction wrote no row at one of its sites.
    pub(crate) fn has_empty_sites(&self) -> bool {
        self.has_empty_sites
    }

    pub(crate) fn entries(&self) -> impl Iterator<Item = Entry> + '_ {
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

/// The histories of all users, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Histories {
    start: Timestamp,
    pub(crate) layout: Layout,
    /// The number of the first user.
    pub(crate) first_client: u64,
    histories: Vec<Mutex<ClientHistory>>,
}

impl Histories {
    pub(crate) fn new(layout: Layout, first_client: u64, clients: usize, start: Timestamp) -> Self {
        Histories { start, layout, first_client, histories: (0..clients).map(|_| Mutex::default()).collect() }
    }

    /// The history of the user at `index`. It is whole after every call, so a panic elsewhere does
    /// not corrupt it.
    pub(crate) fn history(&self, index: usize) -> Option<MutexGuard<'_, ClientHistory>> {
        self.histories.get(index).map(|history| history.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn clients(&self) -> usize {
        self.histories.len()
    }

    pub(crate) fn acknowledged_since(&self, since: Timestamp) -> u64 {
        let micros = self.micros(since);
        (0..self.clients()).filter_map(|index| Some(self.history(index)?.acknowledged_since(micros))).sum()
    }

    /// The ledger's time of a moment; 0 for those before the start.
    fn micros(&self, at: Timestamp) -> u64 {
        u64::try_from(at.duration_since(self.start).as_micros()).unwrap_or(0)
    }

    fn timestamp(&self, micros: u64) -> Timestamp {
        let since = SignedDuration::from_micros(i64::try_from(micros).unwrap_or(i64::MAX));
        self.start.checked_add(since).unwrap_or(Timestamp::MAX)
    }

    pub(crate) fn snapshot(self: &Arc<Self>) -> Ledger {
        let histories = (0..self.clients()).filter_map(|index| Some(self.history(index)?.clone())).collect();
        Ledger { histories, live: Arc::clone(self) }
    }
}

/// What the server acknowledged to the users of a pool, and what else they tried, up to one moment.
///
/// Cheap to take and to clone: it shares its memory with the pool, which it outlives.
#[derive(Debug, Clone)]
pub struct Ledger {
    histories: Vec<ClientHistory>,
    live: Arc<Histories>,
}

impl Ledger {
    pub(crate) fn layout(&self) -> &Layout {
        &self.live.layout
    }

    /// The same users' ledger as it is by now.
    pub(crate) fn by_now(&self) -> Ledger {
        self.live.snapshot()
    }

    /// The number of the first user.
    pub(crate) fn first_client(&self) -> u64 {
        self.live.first_client
    }

    pub(crate) fn histories(&self) -> &[ClientHistory] {
        &self.histories
    }

    /// The last `$seq` of a user by now, not when this ledger was taken.
    pub(crate) fn tried_by_now(&self, index: usize) -> u64 {
        self.live.history(index).map_or(0, |history| history.tried())
    }

    pub(crate) fn timestamp(&self, micros: u64) -> Timestamp {
        self.live.timestamp(micros)
    }

    pub(crate) fn micros(&self, at: Timestamp) -> u64 {
        self.live.micros(at)
    }

    /// How many transactions were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.histories.iter().map(|history| history.acknowledged_since(0)).sum()
    }
}
