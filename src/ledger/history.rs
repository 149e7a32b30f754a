//! The client-side ledger: eight bytes for each transaction that was tried.
//!
//! A user's transactions follow one another, so its book is append-only and only the last entry ever changes. Full chunks
//! are sealed and shared with every [`Ledger`]; nothing is copied when the book grows.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::{SignedDuration, Timestamp};

use super::footprint::{Deletes, Footprint, MOST_PARTS, WriteSite};
use super::{Kind, LedgerColumns};

/// Entries in a chunk: 8 kB.
const CHUNK: usize = 1024;

/// What became of a transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum CommitStatus {
    /// Not known yet.
    Pending,
    /// The server acknowledged its commit.
    Acknowledged,
    /// Nobody knows whether it was committed.
    InDoubt,
    /// The server refused it.
    Rejected,
}

/// Microseconds since the start (46 bits: two years), which parts wrote nothing (8 bits), kind (8 bits), fate (2 bits).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Entry(u64);

/// The last moment that an entry can tell.
const LAST: u64 = (1 << 46) - 1;

// One bit for each part.
const _: () = assert!(MOST_PARTS == 8);

impl Entry {
    pub(crate) fn new(micros: u64, kind: u8, fate: CommitStatus) -> Self {
        Entry(micros.min(LAST) << 18 | u64::from(kind) << 2 | fate as u64)
    }

    /// The same, with the parts of the transaction of which the server said that they wrote no row.
    pub(crate) fn hollow(self, parts: u8) -> Self {
        Entry(self.0 | u64::from(parts) << 10)
    }

    pub(crate) fn micros(self) -> u64 {
        self.0 >> 18
    }

    /// The parts that wrote no row, a bit for each.
    pub(crate) fn hollow_parts(self) -> u8 {
        (self.0 >> 10 & 0xFF) as u8
    }

    pub(crate) fn kind(self) -> u8 {
        (self.0 >> 2 & 0xFF) as u8
    }

    pub(crate) fn fate(self) -> CommitStatus {
        match self.0 & 3 {
            0 => CommitStatus::Pending,
            1 => CommitStatus::Acknowledged,
            2 => CommitStatus::InDoubt,
            _ => CommitStatus::Rejected,
        }
    }
}

/// How many of `entries` were acknowledged at `micros` or later.
fn acknowledged(entries: &[Entry], micros: u64) -> u64 {
    entries.iter().filter(|e| e.fate() == CommitStatus::Acknowledged && e.micros() >= micros).count() as u64
}

/// A full chunk, none of whose entries is pending.
#[derive(Debug)]
struct Sealed {
    entries: Box<[Entry]>,
    acknowledged: u64,
}

/// What a user found otherwise than its book says, just before the transaction `at` wrote over it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mismatch {
    /// The user's one row showed this `$seq`, 0 where there was none, and not the last acknowledged one.
    Shown { place: usize, at: u64, shown: u64 },
    /// This row was acknowledged and not there.
    Missing { place: usize, at: u64, seq: u64 },
    /// This row was there though its deletion was acknowledged.
    Back { place: usize, at: u64, seq: u64 },
    /// It could not be read.
    Unread { place: usize, at: u64 },
}

/// One user's transactions; that with `$seq` 1 comes first.
#[derive(Debug, Clone, Default)]
pub(crate) struct ClientHistory {
    sealed: Vec<Arc<Sealed>>,
    tail: Vec<Entry>,
    gaps: Vec<Mismatch>,
    /// Whether a part of any transaction wrote nothing.
    hollow: bool,
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

    /// Notes what became of the last one, and which of its parts wrote no row.
    pub(crate) fn resolve(&mut self, fate: CommitStatus, micros: u64, hollow: u8) {
        if let Some(last) = self.tail.last_mut() {
            *last = Entry::new(micros, last.kind(), fate).hollow(hollow);
            self.hollow |= hollow != 0;
        }
    }

    /// Notes what was found otherwise than it should be.
    pub(crate) fn note(&mut self, gap: Mismatch) {
        self.gaps.push(gap);
    }

    /// What was found otherwise than it should be, in the order of the transactions that found it.
    pub(crate) fn gaps(&self) -> &[Mismatch] {
        &self.gaps
    }

    /// Whether the last one's fate is not known yet.
    pub(crate) fn pending(&self) -> bool {
        self.tail.last().is_some_and(|last| last.fate() == CommitStatus::Pending)
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

    /// Whether a part of any transaction wrote nothing.
    pub(crate) fn hollow(&self) -> bool {
        self.hollow
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

/// What the ledger needs to know of a kind.
#[derive(Debug, Clone)]
pub(crate) struct KindInfo {
    pub(crate) name: String,
    /// What it leaves, and in which of the places.
    pub(crate) parts: Vec<(usize, Footprint)>,
    /// For each of these, how many rows.
    pub(crate) rows: Vec<u8>,
    /// Whether its SQL writes nothing, so that there is nothing to lose.
    pub(crate) only_reads: bool,
}

/// A place to look in: several kinds may share it.
#[derive(Debug, Clone)]
pub(crate) struct Place {
    pub(crate) columns: LedgerColumns,
    /// Whether each user has one row there, which shows its last transaction.
    pub(crate) last: bool,
    /// The most rows that a transaction leaves there.
    pub(crate) most_rows: u8,
    /// For each kind, whether a row there with its `$seq` is none of its doing.
    pub(crate) strange: Vec<bool>,
    /// For each kind, which rows it deletes there.
    pub(crate) gone: Vec<Option<Deletes>>,
}

/// What users do, as far as it concerns their ledger.
#[derive(Debug, Clone, Default)]
pub(crate) struct Layout {
    pub(crate) kinds: Vec<KindInfo>,
    pub(crate) places: Vec<Place>,
}

impl Layout {
    pub(crate) fn new(kinds: &[Kind], parts: &[Vec<WriteSite>]) -> Self {
        let mut places: Vec<Place> = vec![];
        let mut infos = vec![];
        for (kind, parts) in kinds.iter().zip(parts) {
            let rows = parts.iter().map(|part| part.rows).collect();
            let parts = parts.iter().map(|part| {
                let known = places.iter().position(|place| place.columns.is_at(&part.columns));
                let at = known.unwrap_or_else(|| {
                    let (columns, last) = (part.columns.clone(), part.footprint == Footprint::Last);
                    places.push(Place { columns, last, most_rows: 1, strange: vec![], gone: vec![] });
                    places.len() - 1
                });
                places[at].most_rows = places[at].most_rows.max(part.rows);
                (at, part.footprint)
            });
            let (name, parts) = (kind.name.clone(), parts.collect());
            infos.push(KindInfo { name, parts, rows, only_reads: kind.only_reads() });
        }
        for (at, place) in places.iter_mut().enumerate() {
            for (kind, info) in kinds.iter().zip(&infos) {
                let mut here = info.parts.iter().filter(|(place, _)| *place == at).map(|(_, footprint)| *footprint);
                let writes = here.clone().any(|footprint| matches!(footprint, Footprint::Row | Footprint::Last));
                // What has no ledger, or may write there without naming it, is given the benefit of the doubt.
                place.strange.push(!writes && !kind.ledger.is_empty() && !kind.may_insert(&place.columns.table));
                place.gone.push(
                    here.find_map(|footprint| if let Footprint::Deletes(gone) = footprint { Some(gone) } else { None }),
                );
            }
        }
        Layout { kinds: infos, places }
    }
}

/// The books of all users, in the order of their numbers.
#[derive(Debug)]
pub(crate) struct Histories {
    start: Timestamp,
    pub(crate) layout: Layout,
    /// The number of the first user.
    pub(crate) first_client: u64,
    books: Vec<Mutex<ClientHistory>>,
}

impl Histories {
    pub(crate) fn new(layout: Layout, first_client: u64, clients: usize, start: Timestamp) -> Self {
        Histories { start, layout, first_client, books: (0..clients).map(|_| Mutex::default()).collect() }
    }

    /// The book of the user at `index`. A book is whole after every call, so a panic elsewhere does not spoil it.
    pub(crate) fn book(&self, index: usize) -> Option<MutexGuard<'_, ClientHistory>> {
        self.books.get(index).map(|book| book.lock().unwrap_or_else(PoisonError::into_inner))
    }

    pub(crate) fn clients(&self) -> usize {
        self.books.len()
    }

    pub(crate) fn acknowledged_since(&self, since: Timestamp) -> u64 {
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

    pub(crate) fn snapshot(self: &Arc<Self>) -> Ledger {
        let books = (0..self.clients()).filter_map(|index| Some(self.book(index)?.clone())).collect();
        Ledger { books, live: Arc::clone(self) }
    }
}

/// What the server acknowledged to the users of a pool, and what else they tried, up to one moment.
///
/// Cheap to take and to clone: it shares its memory with the pool, which it outlives.
#[derive(Debug, Clone)]
pub struct Ledger {
    books: Vec<ClientHistory>,
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

    pub(crate) fn books(&self) -> &[ClientHistory] {
        &self.books
    }

    /// The last `$seq` of a user by now, not when this ledger was taken.
    pub(crate) fn tried_by_now(&self, index: usize) -> u64 {
        self.live.book(index).map_or(0, |book| book.tried())
    }

    pub(crate) fn timestamp(&self, micros: u64) -> Timestamp {
        self.live.timestamp(micros)
    }

    pub(crate) fn micros(&self, at: Timestamp) -> u64 {
        self.live.micros(at)
    }

    /// How many transactions were acknowledged.
    pub fn acknowledged(&self) -> u64 {
        self.books.iter().map(|book| book.acknowledged_since(0)).sum()
    }
}
