//! The checker against histories in which everything is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::{SignedDuration, Timestamp};
use proptest::prelude::*;

use super::super::footprints::footprints;
use super::super::history::Histories;
use super::super::kind::{Kind, LedgerColumns};
use super::super::layout::Layout;
use super::super::verdict::{Sample, Sides};
use super::*;
use crate::pg::TableName;

mod model;

const CLIENTS: usize = 3;

fn columns(table: &str) -> LedgerColumns {
    LedgerColumns {
        table: TableName { schema: None, name: table.into() },
        client: "client".into(),
        seq: "seq".into(),
        rows: None,
    }
}

pub(crate) fn kind(name: &str, sql: &str, tables: &[&str]) -> Kind {
    let ledger = tables.iter().map(|table| columns(table)).collect();
    Kind { name: name.into(), sql: sql.into(), weight: 1, ledger, tolerate: vec![] }
}

pub(crate) fn histories_of(kinds: &[Kind], clients: usize) -> Arc<Histories> {
    let footprints = footprints(kinds).expect("nothing is refused");
    Arc::new(Histories::new(Layout::new(kinds, &footprints.sites), 1, clients, Timestamp::UNIX_EPOCH))
}

fn histories(clients: usize) -> Arc<Histories> {
    let insert = |table: &str| format!("INSERT INTO {table} VALUES ($client, $seq)");
    let (orders, visits) = (insert("orders"), insert("visits"));
    let kinds = [
        kind("order", &orders, &["orders"]),
        kind("visit", &visits, &["visits"]),
        kind("refresh", "CALL refresh()", &[]),
        kind("order2", &orders, &["orders"]),
    ];
    histories_of(&kinds, clients)
}

/// The rows of each place; None if there is no such table.
pub(crate) fn verdict(ledger: &Ledger, rows: &[Option<&[(i64, i64)]>], before: Option<Timestamp>) -> Verdict {
    let mut observed = vec![];
    for (place, rows) in ledger.layout().places.iter().zip(rows) {
        observed.push(rows.map(|rows| {
            let mut observed = Observed::new(ledger, place);
            rows.iter().for_each(|(client, seq)| observed.row(Some(*client), Some(*seq)));
            observed
        }));
    }
    assert_eq!(observed.len(), ledger.layout().places.len());
    compare(ledger, &ledger.by_now(), &observed, &[], CheckScope { before, target: None })
}

/// One transaction: the user, the kind, its status, the time since the one before, and how many
/// rows it left.
type Step = (usize, u8, u8, u64, u8);

fn status(number: u8) -> CommitStatus {
    [CommitStatus::Acknowledged, CommitStatus::Unknown, CommitStatus::Rejected][usize::from(number)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let statuses = prop_oneof![8 => Just(0u8), 1 => Just(1u8), 1 => Just(2u8)];
    let copies = prop_oneof![8 => Just(1u8), 1 => Just(0u8), 1 => 2..5u8];
    proptest::collection::vec((0..CLIENTS, 0..4u8, statuses, 0..5u64, copies), 0..200)
}

proptest! {
    #[test]
    fn everything_that_was_planted_is_found_and_nothing_else(
        steps in steps(),
        foreign in proptest::collection::vec((prop_oneof![-3..=0i64, 4..9i64], -5..300i64), 0..20),
        phantoms in proptest::collection::btree_set((1..=CLIENTS as i64, prop_oneof![-5..=0i64, 1000..2000i64]), 0..20),
        order in any::<u64>(),
        before in proptest::option::of(0..600u64),
    ) {
        let histories = histories(CLIENTS);
        let (mut rows, mut now) = ([vec![], vec![]], 0);
        let mut expected = [Tally::default(); 4];
        let mut sets: [BTreeSet<(u64, u64)>; 3] = Default::default();
        for (client, kind, number, time, copies) in steps {
            now += time;
            let Some(mut history) = histories.history(client) else { continue };
            let seq = history.attempt(kind, now);
            history.resolve(status(number), now, 0);
            let copies = if status(number) == CommitStatus::Rejected { copies / 4 } else { copies };
            let at = (client as u64 + 1, seq);
            let tally = &mut expected[usize::from(kind)];
            let in_scope = before.is_none_or(|before| now < before);
            if kind == 2 {
                tally.without_ledger += u64::from(number == 0 && in_scope);
                continue;
            }
            let table = usize::from(kind == 1);
            rows[table].extend((0..copies).map(|_| (at.0 as i64, at.1 as i64)));
            match (status(number), copies) {
                (CommitStatus::Rejected, 0) => {}
                (CommitStatus::Rejected, _) => {
                    tally.rejected_present += 1;
                    sets[2].insert(at);
                }
                _ if !in_scope => {}
                (status, copies) => {
                    let acknowledged = status == CommitStatus::Acknowledged;
                    tally.checked += u64::from(acknowledged);
                    tally.in_doubt_present += u64::from(!acknowledged && copies > 0);
                    tally.in_doubt_absent += u64::from(!acknowledged && copies == 0);
                    if acknowledged && copies == 0 {
                        tally.lost += 1;
                        sets[0].insert(at);
                    }
                    if copies > 1 {
                        tally.duplicated += 1;
                        sets[1].insert(at);
                    }
                }
            }
        }
        expected[0].unexpected = phantoms.len() as u64;
        rows[0].extend(&phantoms);
        rows[0].extend(&foreign);
        rows[1].extend(&foreign);
        let ledger = histories.snapshot();
        // What users do after the ledger was taken is neither lost nor unexpected.
        for client in 0..CLIENTS {
            let Some(mut history) = histories.history(client) else { continue };
            let seq = history.attempt(1, now);
            rows[1].push((client as i64 + 1, seq as i64));
        }
        let mut random = fastrand::Rng::with_seed(order);
        rows.iter_mut().for_each(|rows| random.shuffle(rows));
        let before = before.and_then(|before| {
            Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(before as i64)).ok()
        });
        let found = verdict(&ledger, &[Some(&rows[0]), Some(&rows[1])], before);
        for (kind, expected) in found.kinds.iter().zip(expected) {
            prop_assert_eq!(kind.tally, expected, "{}", &kind.kind);
        }
        for (sample, expected) in [&found.lost, &found.duplicated, &found.rejected_present].into_iter().zip(&sets) {
            let at: BTreeSet<(u64, u64)> = sample.earliest.iter().map(|found| (found.client, found.seq)).collect();
            prop_assert_eq!(&at, expected);
            prop_assert!(sample.earliest.is_sorted_by_key(|found| found.at));
            prop_assert_eq!(sample.last.as_ref(), sample.earliest.last());
        }
        let unexpected_rows: BTreeSet<(i64, i64)> = found.unexpected.iter().map(|unexpected_row| (unexpected_row.client as i64, unexpected_row.seq)).collect();
        prop_assert_eq!(unexpected_rows, phantoms);
    }

    #[test]
    fn acknowledged_since_counts_what_a_look_at_every_entry_counts(
        times in proptest::collection::vec((0..3u64, 0..3u8), 0..5000),
        since in 0..6000u64,
    ) {
        let histories = histories(1);
        let (mut now, mut expected) = (0, 0);
        for (time, number) in times {
            now += time;
            let Some(mut history) = histories.history(0) else { continue };
            history.attempt(0, now);
            history.resolve(status(number), now, 0);
            expected += u64::from(number == 0 && now >= since);
        }
        let at = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(since as i64));
        prop_assert_eq!(at.map(|at| histories.acknowledged_since(at)).ok(), Some(expected));
        prop_assert_eq!(histories.acknowledged_since(Timestamp::MIN), histories.snapshot().acknowledged());
    }
}

#[test]
fn without_its_table_every_acknowledged_transaction_is_lost_and_the_earliest_are_told() {
    let histories = histories(2);
    for micros in 0..5000 {
        // The second user's answers come first.
        let Some(mut history) = histories.history(1 - micros % 2) else { continue };
        history.attempt(1, micros as u64);
        history.resolve(CommitStatus::Acknowledged, micros as u64, 0);
    }
    let found = verdict(&histories.snapshot(), &[Some(&[]), None], None);
    assert_eq!((found.total.checked, found.total.lost), (5000, 5000));
    assert_eq!(found.notes, ["table visits does not exist here"]);
    assert_eq!(found.lost.earliest.len(), SHOWN);
    assert_eq!(found.lost.first().map(|found| (found.client, found.seq)), Some((2, 1)));
    assert_eq!(found.lost.earliest.last().map(|found| (found.client, found.seq)), Some((1, 500)));
    assert_eq!(found.lost.last.map(|found| (found.client, found.seq)), Some((1, 2500)));
}

/// A user's transactions, one after the other: the kind, its status, and the sites at which it
/// wrote no row.
fn record(histories: &Histories, steps: &[(u8, CommitStatus, u8)]) {
    for (at, (kind, status, empty)) in steps.iter().enumerate() {
        let Some(mut history) = histories.history(0) else { continue };
        history.attempt(*kind, at as u64);
        history.resolve(*status, at as u64, *empty);
    }
}

#[test]
fn what_wrote_nothing_is_not_lost_unless_the_count_is_wrong() {
    use CommitStatus::{Acknowledged, Unknown};
    let sql = "INSERT INTO orders VALUES ($client, $seq); UPDATE accounts SET seq = $seq WHERE client = $client";
    let kinds = [kind("buy", sql, &["orders", "accounts"])];
    let histories = histories_of(&kinds, 1);
    // `UPDATE 0` the second time, both nothing the third; the last is in doubt.
    record(&histories, &[(0, Acknowledged, 0), (0, Acknowledged, 2), (0, Acknowledged, 3), (0, Unknown, 0)]);
    let ledger = histories.snapshot();
    let found = verdict(&ledger, &[Some(&[(1, 1), (1, 2), (1, 4)]), Some(&[(1, 1)])], None);
    assert_eq!((found.total.checked, found.total.wrote_nothing), (2, 1));
    assert_eq!((found.total.lost, found.total.partial, found.total.in_doubt_present), (0, 0, 1));
    // The row that was said not to be written is there: then the others of that table are lost.
    let found = verdict(&ledger, &[Some(&[(1, 1), (1, 3)]), Some(&[(1, 1)])], None);
    assert_eq!((found.total.checked, found.total.wrote_nothing, found.total.lost), (3, 0, 1));
}

#[test]
fn what_is_done_after_the_ledger_was_taken_is_no_loss() {
    let kinds = [
        kind("fill", "INSERT INTO carts VALUES ($client, $seq)", &["carts"]),
        kind("forget", "DELETE FROM carts WHERE client = $client AND seq < $seq", &["carts"]),
        kind("pay", "UPDATE accounts SET seq = $seq WHERE client = $client", &["accounts"]),
    ];
    let histories = histories_of(&kinds, 1);
    record(&histories, &[(0, CommitStatus::Acknowledged, 0), (2, CommitStatus::Acknowledged, 0)]);
    let ledger = histories.snapshot();
    record(&histories, &[(2, CommitStatus::Acknowledged, 0)]);
    let found = verdict(&ledger, &[Some(&[]), Some(&[(1, 3)])], None);
    assert_eq!((found.total.lost, found.total.unexpected), (1, 0));
    record(&histories, &[(1, CommitStatus::Rejected, 0)]);
    assert_eq!(verdict(&ledger, &[Some(&[]), Some(&[(1, 3)])], None).total.lost, 1);
    record(&histories, &[(1, CommitStatus::Acknowledged, 0)]);
    let found = verdict(&ledger, &[Some(&[]), Some(&[(1, 3)])], None);
    assert_eq!((found.total.checked, found.total.lost, found.total.unexpected), (2, 0, 0));
}

#[test]
fn losses_are_told_with_what_is_there_of_them_and_where_they_lie() {
    let sql = "INSERT INTO orders VALUES ($client, $seq); INSERT INTO payments VALUES ($client, $seq)";
    let kinds = [
        kind("pair", sql, &["orders", "payments"]),
        kind("pay", "UPDATE accounts SET seq = $seq WHERE client = $client", &["accounts"]),
    ];
    let histories = histories_of(&kinds, 1);
    let acknowledged = |kind| (kind, CommitStatus::Acknowledged, 0);
    record(
        &histories,
        &[acknowledged(0), (0, CommitStatus::Unknown, 0), acknowledged(1), acknowledged(1), acknowledged(0)],
    );
    let ledger = histories.snapshot();
    let mut observed: Vec<_> = ledger.layout().places.iter().map(|place| Some(Observed::new(&ledger, place))).collect();
    let mut row = |place: usize, seq| observed[place].iter_mut().for_each(|rows| rows.row(Some(1), seq));
    row(0, Some(2));
    row(1, Some(1));
    row(2, Some(3));
    let at = |micros| Timestamp::from_microsecond(micros).expect("in range");
    let target = Some(Target { from: at(3), to: at(3), until: None });
    let found = compare(&ledger, &ledger.by_now(), &observed, &[], CheckScope { before: None, target });
    assert_eq!((found.total.lost, found.total.partial, found.total.acknowledged_partial), (2, 2, 1));
    assert_eq!(found.lost.sides, Some(Sides { at: 1, after: 1, ..Default::default() }));
    assert_eq!(found.partial.sides, Some(Sides { before: 2, ..Default::default() }));
    assert_eq!(found.lost_between, Some((at(0), at(4))));
    let told = |sample: &Sample| {
        let told = sample
            .earliest
            .iter()
            .map(|found| format!("{} {} {}: {}", found.kind, found.seq, found.status, found.detail));
        told.collect::<Vec<_>>()
    };
    assert_eq!(
        told(&found.lost),
        [
            "pay 4 acknowledged: accounts does not show it, nor a later one",
            "pair 5 acknowledged: not in orders, not in payments"
        ]
    );
    assert_eq!(
        told(&found.partial),
        ["pair 1 acknowledged: not in orders, in payments", "pair 2 in doubt: in orders, not in payments"]
    );
}
