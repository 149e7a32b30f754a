//! The checker against a model: users do all that users do to a database of plain lists, it is
//! damaged here and there, and the checker must find that damage and nothing else.

use std::collections::{BTreeMap, BTreeSet};

use super::super::super::footprint::{Deletes, Footprint};
use super::super::super::prewrite_check::{PrewriteCheck, PrewriteRows};
use super::*;

const CLIENTS: usize = 3;

/// What users do, by its number in [`KINDS`].
const KINDS: [(&str, &str, &[&str]); 9] = [
    ("order", "INSERT INTO orders VALUES ($client, $seq)", &["orders"]),
    (
        "pair",
        "INSERT INTO orders VALUES ($client, $seq); INSERT INTO payments VALUES ($client, $seq)",
        &["orders", "payments"],
    ),
    ("pay", "UPDATE accounts SET seq = $seq WHERE client = $client", &["accounts"]),
    (
        "buy",
        "INSERT INTO orders VALUES ($client, $seq); UPDATE accounts SET seq = $seq WHERE client = $client",
        &["orders", "accounts"],
    ),
    ("fill", "INSERT INTO carts VALUES ($client, $seq)", &["carts"]),
    ("forget", "DELETE FROM carts WHERE client = $client AND seq < $seq", &["carts"]),
    ("drop", "DELETE FROM carts WHERE client = $client AND seq = $seq - 2", &["carts"]),
    (
        "refill",
        "DELETE FROM carts WHERE client = $client AND seq < $seq - 3; INSERT INTO carts VALUES ($client, $seq)",
        &["carts"],
    ),
    ("look", "TABLE orders", &[]),
];
const ORDER: u8 = 0;
const PAIR: u8 = 1;
const PAY: u8 = 2;
const BUY: u8 = 3;
const FILL: u8 = 4;
const FORGET: u8 = 5;
const DROP: u8 = 6;
const REFILL: u8 = 7;

/// What became of a transaction, and whether the database has it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    Acknowledged,
    DoubtfulDone,
    DoubtfulNotDone,
    Rejected,
}

impl End {
    fn done(self) -> bool {
        matches!(self, End::Acknowledged | End::DoubtfulDone)
    }
}

/// One transaction of the history, in the order in which they were done.
#[derive(Debug, Clone, Copy)]
struct Done {
    client: u64,
    seq: u64,
    kind: u8,
    end: End,
    at: u64,
}

impl Done {
    fn id(&self) -> (u64, u64) {
        (self.client, self.seq)
    }

    /// Whether it deletes the row with this `$seq` of its user.
    fn deletes(&self, seq: u64) -> bool {
        match self.kind {
            FORGET => seq < self.seq,
            DROP => seq + 2 == self.seq,
            REFILL => seq + 3 < self.seq,
            _ => false,
        }
    }
}

/// The tables: orders, payments and carts have a row for each transaction, accounts one for each
/// user.
#[derive(Debug, Clone, Default)]
struct Database {
    orders: Vec<(u64, i64)>,
    payments: Vec<(u64, i64)>,
    carts: Vec<(u64, i64)>,
    accounts: Vec<(u64, i64)>,
}

impl Database {
    fn of<'a>(done: impl Iterator<Item = &'a Done>) -> Self {
        let mut database =
            Database { accounts: (1..=CLIENTS as u64).map(|client| (client, 0)).collect(), ..Default::default() };
        done.filter(|one| one.end.done()).for_each(|one| database.take(one));
        database
    }

    fn take(&mut self, one: &Done) {
        let row = (one.client, one.seq as i64);
        self.carts.retain(|(client, seq)| *client != one.client || !one.deletes(*seq as u64));
        if matches!(one.kind, ORDER | PAIR | BUY) {
            self.orders.push(row);
        }
        if one.kind == PAIR {
            self.payments.push(row);
        }
        if matches!(one.kind, FILL | REFILL) {
            self.carts.push(row);
        }
        if matches!(one.kind, PAY | BUY) {
            self.accounts.iter_mut().filter(|(client, _)| *client == one.client).for_each(|account| account.1 = row.1);
        }
    }

    fn account(&self, client: u64) -> i64 {
        self.accounts.iter().find(|(of, _)| *of == client).map_or(0, |(_, seq)| *seq)
    }

    fn checked(&self, ledger: &Ledger, before: Option<Timestamp>) -> Verdict {
        let tables: BTreeMap<&str, &Vec<(u64, i64)>> = BTreeMap::from([
            ("orders", &self.orders),
            ("payments", &self.payments),
            ("carts", &self.carts),
            ("accounts", &self.accounts),
        ]);
        let rows = ledger.layout().places.iter().map(|place| {
            let rows = tables[place.columns.table.name.as_str()].iter();
            rows.map(|(client, seq)| (*client as i64, *seq)).collect::<Vec<_>>()
        });
        let rows: Vec<_> = rows.collect();
        verdict(ledger, &rows.iter().map(|rows| Some(rows.as_slice())).collect::<Vec<_>>(), before)
    }
}

fn remove(rows: &mut Vec<(u64, i64)>, id: (u64, u64)) {
    rows.retain(|row| *row != (id.0, id.1 as i64));
}

/// What a user sees of its rows before it writes over them.
fn look(database: &Database, layout: &Layout, kind: u8, client: u64, seq: u64) -> Vec<PrewriteRows> {
    let sites = layout.kinds[usize::from(kind)].sites.iter().filter(|site| site.footprint.hides());
    let prewrite_rows = sites.map(|site| {
        let (rows, most, least) = match site.footprint {
            Footprint::Deletes(Deletes::UpTo(back)) => (&database.carts, seq.saturating_sub(back), 0),
            Footprint::Deletes(Deletes::Just(back)) => {
                (&database.carts, seq.saturating_sub(back), seq.saturating_sub(back))
            }
            Footprint::Row | Footprint::Last => (&database.accounts, u64::MAX, 0),
        };
        let rows = rows.iter().filter(|(of, _)| *of == client).map(|(_, seq)| *seq as u64);
        PrewriteRows { rows: rows.filter(|seq| (least..=most).contains(seq)).collect(), answered: true }
    });
    prewrite_rows.collect()
}

/// What users do, and a server that forgets the last few of all that it had done: a failover.
#[derive(Debug, Clone, Copy)]
enum Event {
    Done(usize, u8, End),
    Forgotten(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let end = prop_oneof![
        8 => Just(End::Acknowledged), 1 => Just(End::DoubtfulDone), 1 => Just(End::DoubtfulNotDone), 1 => Just(End::Rejected)
    ];
    let step = (0..CLIENTS, 0..KINDS.len() as u8, end).prop_map(|(client, kind, end)| Event::Done(client, kind, end));
    let event = prop_oneof![15 => step, 1 => (1..12_usize).prop_map(Event::Forgotten)];
    proptest::collection::vec(event, 0..150)
}

/// A history, and the ledger of it.
fn transactions() -> impl Strategy<Value = (Vec<Done>, Arc<Histories>)> {
    let end = prop_oneof![
        8 => Just(End::Acknowledged), 1 => Just(End::DoubtfulDone), 1 => Just(End::DoubtfulNotDone), 1 => Just(End::Rejected)
    ];
    let step = (0..CLIENTS, 0..KINDS.len() as u8, end, 0..5_u64);
    proptest::collection::vec(step, 0..150).prop_map(|steps| {
        let kinds: Vec<Kind> = KINDS.iter().map(|(name, sql, tables)| kind(name, sql, tables)).collect();
        let histories = histories_of(&kinds, CLIENTS);
        let mut at = 0;
        let done = steps.into_iter().map(|(client, kind, end, time)| {
            at += time;
            let mut history = histories.history(client).expect("a history");
            let seq = history.attempt(kind, at);
            let status = match end {
                End::Acknowledged => CommitStatus::Acknowledged,
                End::DoubtfulDone | End::DoubtfulNotDone => CommitStatus::Unknown,
                End::Rejected => CommitStatus::Rejected,
            };
            history.resolve(status, at, 0);
            Done { client: client as u64 + 1, seq, kind, end, at }
        });
        (done.collect(), histories)
    })
}

/// Damage to the database, with a number that chooses whom it meets.
#[derive(Debug, Clone, Copy)]
enum Damage {
    /// All that a transaction left is gone.
    Lose(usize),
    /// One of the two things that it left is gone.
    MakePartial(usize),
    /// A row is there so many times more.
    Double(usize, u8),
    /// A row that no user wrote: in orders, with a number that was never tried, or with one of a
    /// transaction that wrote elsewhere.
    Phantom(usize),
    /// A rejected transaction is there.
    Restore(usize),
    /// A row is back that was deleted.
    Undelete(usize),
    /// An account shows an earlier transaction, or is gone.
    RollBack(usize),
}

fn damages() -> impl Strategy<Value = Vec<Damage>> {
    let any = 0..1000_usize;
    let one = prop_oneof![
        any.clone().prop_map(Damage::Lose),
        any.clone().prop_map(Damage::MakePartial),
        (any.clone(), 1..5_u8).prop_map(|(which, times)| Damage::Double(which, times)),
        any.clone().prop_map(Damage::Phantom),
        any.clone().prop_map(Damage::Restore),
        any.clone().prop_map(Damage::Undelete),
        any.prop_map(Damage::RollBack),
    ];
    proptest::collection::vec(one, 0..12)
}

/// What the checker is to find.
#[derive(Debug, Default, PartialEq, Eq)]
struct Expected {
    lost: BTreeSet<(u64, u64)>,
    partial: BTreeSet<(u64, u64)>,
    duplicated: BTreeSet<(u64, u64)>,
    rejected_present: BTreeSet<(u64, u64)>,
    unexpected: BTreeSet<(u64, i64)>,
}

/// A database that is being damaged. Nobody is met twice, so that what is to be found stays plain.
struct Damager<'a> {
    done: &'a [Done],
    database: Database,
    met: BTreeSet<(u64, u64)>,
    met_carts: BTreeSet<u64>,
    met_accounts: BTreeSet<u64>,
    expected: Expected,
}

impl Damager<'_> {
    /// One of those that fit.
    fn choose(&self, which: usize, fits: impl Fn(&Done) -> bool) -> Option<Done> {
        let fitting: Vec<&Done> = self.done.iter().filter(|one| !self.met.contains(&one.id()) && fits(one)).collect();
        if fitting.is_empty() { None } else { fitting.get(which % fitting.len()).map(|one| **one) }
    }

    fn in_carts(&self, one: &Done) -> bool {
        self.database.carts.contains(&(one.client, one.seq as i64))
    }

    /// Whether nothing that was ever tried could have deleted it.
    fn is_safe(&self, one: &Done) -> bool {
        let later = self.done.iter().filter(|later| later.client == one.client && later.end != End::Rejected);
        later.clone().all(|later| !later.deletes(one.seq))
    }

    /// Whether the account of its user shows it.
    fn is_shown(&self, one: &Done) -> bool {
        self.database.account(one.client) == one.seq as i64
    }

    fn damage(&mut self, damage: Damage) {
        match damage {
            Damage::Lose(which) => self.lose(which),
            Damage::MakePartial(which) => self.make_partial(which),
            Damage::Double(which, times) => self.double(which, times),
            Damage::Phantom(which) => self.phantom(which),
            Damage::Restore(which) => self.restore(which),
            Damage::Undelete(which) => self.undelete(which),
            Damage::RollBack(which) => self.roll_back(which),
        }
    }

    fn lose(&mut self, which: usize) {
        let found = self.choose(which, |one| {
            let whole = match one.kind {
                ORDER | PAIR => true,
                // A later one hides it in the account.
                BUY => !self.is_shown(one) && !self.met_accounts.contains(&one.client),
                FILL => self.in_carts(one) && self.is_safe(one) && !self.met_carts.contains(&one.client),
                _ => false,
            };
            one.end == End::Acknowledged && whole
        });
        let Some(one) = found else { return };
        self.met.insert(one.id());
        match one.kind {
            FILL => {
                self.met_carts.insert(one.client);
                remove(&mut self.database.carts, one.id());
            }
            BUY => {
                self.met_accounts.insert(one.client);
                remove(&mut self.database.orders, one.id());
            }
            _ => {
                remove(&mut self.database.orders, one.id());
                remove(&mut self.database.payments, one.id());
            }
        }
        self.expected.lost.insert(one.id());
    }

    fn make_partial(&mut self, which: usize) {
        let found = self.choose(which, |one| {
            let buy = one.kind == BUY && self.is_shown(one) && !self.met_accounts.contains(&one.client);
            one.end.done() && (one.kind == PAIR || buy)
        });
        let Some(one) = found else { return };
        self.met.insert(one.id());
        self.met_accounts.insert(one.client);
        let payment = one.kind == PAIR && which.is_multiple_of(2);
        remove(if payment { &mut self.database.payments } else { &mut self.database.orders }, one.id());
        self.expected.partial.insert(one.id());
    }

    fn double(&mut self, which: usize, times: u8) {
        let found = self.choose(which, |one| match one.kind {
            ORDER | PAIR => one.end.done(),
            PAY | BUY => one.end.done() && self.is_shown(one) && !self.met_accounts.contains(&one.client),
            FILL | REFILL => one.end.done() && self.in_carts(one) && !self.met_carts.contains(&one.client),
            _ => false,
        });
        let Some(one) = found else { return };
        self.met.insert(one.id());
        let database = &mut self.database;
        let rows = match one.kind {
            PAY | BUY => {
                self.met_accounts.insert(one.client);
                &mut database.accounts
            }
            FILL | REFILL => {
                self.met_carts.insert(one.client);
                &mut database.carts
            }
            PAIR if which.is_multiple_of(2) => &mut database.payments,
            _ => &mut database.orders,
        };
        rows.extend((0..times).map(|_| (one.client, one.seq as i64)));
        self.expected.duplicated.insert(one.id());
    }

    fn phantom(&mut self, which: usize) {
        let row = match which % 3 {
            0 => (1 + which as u64 % CLIENTS as u64, 1000 + which as i64),
            1 => (1 + which as u64 % CLIENTS as u64, -(which as i64)),
            _ => {
                let found = self.choose(which, |one| matches!(one.kind, PAY | FILL | FORGET | DROP | REFILL));
                let Some(one) = found else { return };
                (one.client, one.seq as i64)
            }
        };
        if self.expected.unexpected.insert(row) {
            self.database.orders.push(row);
        }
    }

    fn restore(&mut self, which: usize) {
        let found = self.choose(which, |one| {
            let pay = one.kind == PAY
                && one.seq as i64 > self.database.account(one.client)
                && !self.met_accounts.contains(&one.client);
            let fill = one.kind == FILL && !self.met_carts.contains(&one.client);
            one.end == End::Rejected && (matches!(one.kind, ORDER | PAIR) || fill || pay)
        });
        let Some(one) = found else { return };
        self.met.insert(one.id());
        match one.kind {
            PAY => drop(self.met_accounts.insert(one.client)),
            FILL => drop(self.met_carts.insert(one.client)),
            _ => {}
        }
        self.database.take(&one);
        self.expected.rejected_present.insert(one.id());
    }

    fn undelete(&mut self, which: usize) {
        let doubtful = |client: u64| {
            let mut deletes =
                self.done.iter().filter(|one| one.client == client && matches!(one.kind, FORGET | REFILL));
            deletes.any(|one| matches!(one.end, End::DoubtfulDone | End::DoubtfulNotDone))
        };
        let found = self.choose(which, |one| {
            let written = one.end.done() && matches!(one.kind, FILL | REFILL);
            written && !self.in_carts(one) && !self.met_carts.contains(&one.client) && !doubtful(one.client)
        });
        let Some(one) = found else { return };
        self.met.insert(one.id());
        self.met_carts.insert(one.client);
        self.database.carts.push((one.client, one.seq as i64));
        let deletes = self.done.iter().filter(|later| later.client == one.client && later.deletes(one.seq));
        for later in deletes.filter(|later| later.end == End::Acknowledged) {
            // What came with the delete is there or was itself deleted; the delete is not.
            let half = later.kind == REFILL && self.database.carts.contains(&(later.client, later.seq as i64));
            let set = if half { &mut self.expected.partial } else { &mut self.expected.lost };
            set.insert(later.id());
        }
    }

    fn roll_back(&mut self, which: usize) {
        let client = 1 + which as u64 % CLIENTS as u64;
        if !self.met_accounts.insert(client)
            || self.done.iter().any(|one| one.client == client && one.kind == BUY && self.met.contains(&one.id()))
        {
            return;
        }
        let shown = self.database.account(client);
        let updates =
            || self.done.iter().filter(|one| one.client == client && matches!(one.kind, PAY | BUY) && one.end.done());
        let mut earlier: Vec<i64> = updates().map(|one| one.seq as i64).filter(|seq| *seq < shown).collect();
        earlier.push(0);
        let to = earlier[which / 3 % earlier.len()];
        for one in updates().filter(|one| one.seq as i64 > to) {
            match (one.kind, one.end) {
                // Its order is there.
                (BUY, _) => drop(self.expected.partial.insert(one.id())),
                (_, End::Acknowledged) => drop(self.expected.lost.insert(one.id())),
                _ => {}
            }
        }
        match to == 0 && which.is_multiple_of(2) {
            true => self.database.accounts.retain(|(of, _)| *of != client),
            false => {
                self.database.accounts.iter_mut().filter(|(of, _)| *of == client).for_each(|account| account.1 = to)
            }
        }
    }
}

fn found(verdict: &Verdict) -> Expected {
    let ids = |sample: &Sample| sample.earliest.iter().map(|found| (found.client, found.seq)).collect();
    Expected {
        lost: ids(&verdict.lost),
        partial: ids(&verdict.partial),
        duplicated: ids(&verdict.duplicated),
        rejected_present: ids(&verdict.rejected_present),
        unexpected: verdict
            .unexpected
            .iter()
            .map(|unexpected_row| (unexpected_row.client, unexpected_row.seq))
            .collect(),
    }
}

fn counts(expected: &Expected) -> [u64; 5] {
    let Expected { lost, partial, duplicated, rejected_present, unexpected } = expected;
    [lost.len(), partial.len(), duplicated.len(), rejected_present.len(), unexpected.len()].map(|count| count as u64)
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 2000, ..ProptestConfig::default() })]

    #[test]
    fn a_database_that_nothing_befell_is_as_the_ledger_says((done, histories) in transactions()) {
        let verdict = Database::of(done.iter()).checked(&histories.snapshot(), None);
        prop_assert_eq!(found(&verdict), Expected::default());
        let of = |end: End| done.iter().filter(|one| one.end == end && one.kind != 8).count() as u64;
        let total = verdict.total;
        prop_assert_eq!(total.checked, of(End::Acknowledged));
        prop_assert!(total.in_doubt_present <= of(End::DoubtfulDone));
        prop_assert!(total.in_doubt_absent <= of(End::DoubtfulNotDone));
        let doubtful = total.in_doubt_present + total.in_doubt_absent + total.in_doubt_hidden;
        prop_assert_eq!(doubtful, of(End::DoubtfulDone) + of(End::DoubtfulNotDone));
    }

    #[test]
    fn damage_is_found_and_nothing_else((done, histories) in transactions(), damages in damages()) {
        let database = Database::of(done.iter());
        let (met, met_carts, met_accounts) = Default::default();
        let mut damager = Damager { done: &done, database, met, met_carts, met_accounts, expected: Expected::default() };
        damages.into_iter().for_each(|damage| damager.damage(damage));
        let verdict = damager.database.checked(&histories.snapshot(), None);
        prop_assert_eq!(found(&verdict), damager.expected);
        let total = verdict.total;
        let told = [total.lost, total.partial, total.duplicated, total.rejected_present, total.unexpected];
        prop_assert_eq!(told, counts(&found(&verdict)));
    }

    #[test]
    fn a_recovery_to_a_moment_loses_what_came_after_and_nothing_else((done, histories) in transactions(), stop in 0..150_usize) {
        let stop = stop.min(done.len());
        let (kept, given_up) = done.split_at(stop);
        let database = Database::of(kept.iter());
        let verdict = database.checked(&histories.snapshot(), None);
        let expected = found(&verdict);
        prop_assert_eq!(counts(&expected)[1..].to_vec(), vec![0; 4], "{:?}", &expected);
        let lost: BTreeSet<(u64, u64)> = given_up.iter().filter(|one| one.end == End::Acknowledged).map(Done::id).collect();
        prop_assert!(expected.lost.is_subset(&lost), "{:?}", &expected.lost);
        // All whose footprints no later one covers are found.
        let plain = given_up.iter().filter(|one| one.end == End::Acknowledged && matches!(one.kind, ORDER | PAIR | PAY | BUY));
        for one in plain {
            prop_assert!(expected.lost.contains(&one.id()), "{:?}", one);
        }
        // Judged up to there, nothing is lost, and what was deleted after that is not held against
        // it.
        let Some(first) = given_up.first() else { return Ok(()) };
        let before = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(first.at as i64)).ok();
        let verdict = database.checked(&histories.snapshot(), before);
        prop_assert_eq!(found(&verdict), Expected::default());
    }

    #[test]
    fn what_a_server_forgot_is_told_though_users_have_written_over_it(events in events()) {
        let kinds: Vec<Kind> = KINDS.iter().map(|(name, sql, tables)| kind(name, sql, tables)).collect();
        let histories = histories_of(&kinds, CLIENTS);
        let mut prewrite_checks: Vec<PrewriteCheck> = (0..CLIENTS).map(|_| PrewriteCheck::new(&histories.layout)).collect();
        let (mut kept, mut all, mut lost): (Vec<Done>, Vec<Done>, Vec<Done>) = Default::default();
        // Those of which nothing can be seen: what a later one had deleted before both were
        // forgotten.
        let mut invisible: BTreeSet<(u64, u64)> = BTreeSet::new();
        for (at, event) in events.into_iter().enumerate() {
            let (client, kind, end) = match event {
                Event::Done(client, kind, end) => (client, kind, end),
                Event::Forgotten(count) => {
                    let forgotten = kept.split_off(kept.len().saturating_sub(count));
                    let covers = |one: &Done, later: &&Done| later.client == one.client && later.seq > one.seq
                        && later.end != End::Rejected && later.deletes(one.seq);
                    let covered = forgotten.iter().filter(|one| all.iter().any(|later| covers(one, &later)));
                    invisible.extend(covered.map(Done::id));
                    lost.extend(forgotten.into_iter().filter(|one| one.end == End::Acknowledged));
                    continue;
                }
            };
            let number = client as u64 + 1;
            let mut history = histories.history(client).expect("a history");
            let seq = history.attempt(kind, at as u64);
            let mut observed = look(&Database::of(kept.iter()), &histories.layout, kind, number, seq);
            let status = match end {
                End::Acknowledged => CommitStatus::Acknowledged,
                End::DoubtfulDone | End::DoubtfulNotDone => CommitStatus::Unknown,
                End::Rejected => CommitStatus::Rejected,
            };
            history.resolve(status, at as u64, 0);
            prewrite_checks[client].compare(&mut history, &histories.layout, seq, &mut observed);
            let done = Done { client: number, seq, kind, end, at: at as u64 };
            all.push(done);
            if end.done() {
                kept.push(done);
            }
        }
        let verdict = Database::of(kept.iter()).checked(&histories.snapshot(), None);
        let found = found(&verdict);
        let truly: BTreeSet<(u64, u64)> = lost.iter().map(Done::id).collect();
        prop_assert!(found.lost.is_subset(&truly), "{:?} are not lost", found.lost.difference(&truly));
        prop_assert_eq!(counts(&found)[1..].to_vec(), vec![0; 4], "{:?}", &found);
        let told = lost.iter().filter(|one| matches!(one.kind, ORDER | PAIR | PAY | BUY | FILL | REFILL));
        for one in told.filter(|one| !invisible.contains(&one.id())) {
            prop_assert!(found.lost.contains(&one.id()), "{:?} is lost", one);
        }
    }
}
