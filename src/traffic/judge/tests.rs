//! The judge against histories in which everything is known.

use std::collections::BTreeSet;
use std::sync::Arc;

use jiff::SignedDuration;
use proptest::prelude::*;

use super::super::books::{Books, KindInfo};
use super::*;

const CLIENTS: usize = 3;

fn books(clients: usize) -> Arc<Books> {
    let kind = |name: &str, table: Option<&str>| KindInfo {
        name: name.into(),
        columns: table.map(|table| LedgerColumns {
            table: TableName { schema: None, name: table.into() },
            client: "client".into(),
            seq: "seq".into(),
        }),
    };
    let kinds = [("order", Some("orders")), ("visit", Some("visits")), ("look", None), ("order2", Some("orders"))];
    let kinds = kinds.into_iter().map(|(name, table)| kind(name, table)).collect();
    Arc::new(Books::new(kinds, 1, clients, Timestamp::UNIX_EPOCH))
}

/// The rows of `orders` and of `visits`; None where there is no such table.
fn verdict(ledger: &Ledger, rows: [Option<&[(i64, i64)]>; 2], before: Option<Timestamp>) -> Verdict {
    let look = |(target, rows): (Target, Option<&[(i64, i64)]>)| {
        let mut seen = Seen::new(ledger);
        rows.unwrap_or_default().iter().for_each(|(client, seq)| seen.row(*client, *seq));
        (target, rows.map(|_| seen))
    };
    let seen: Vec<_> = targets(ledger).into_iter().zip(rows).map(look).collect();
    judge(ledger, &seen, before)
}

/// One transaction: the user, the kind, its fate, the time since the one before, and how many rows it left.
type Step = (usize, u8, u8, u64, u8);

fn fate(number: u8) -> Fate {
    [Fate::Acknowledged, Fate::InDoubt, Fate::Rejected][usize::from(number)]
}

fn steps() -> impl Strategy<Value = Vec<Step>> {
    let fates = prop_oneof![8 => Just(0u8), 1 => Just(1u8), 1 => Just(2u8)];
    let copies = prop_oneof![8 => Just(1u8), 1 => Just(0u8), 1 => 2..5u8];
    proptest::collection::vec((0..CLIENTS, 0..4u8, fates, 0..5u64, copies), 0..200)
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
        let books = books(CLIENTS);
        let (mut rows, mut now) = ([vec![], vec![]], 0);
        let mut expected = [Tally::default(); 4];
        let mut sets: [BTreeSet<(u64, u64)>; 3] = Default::default();
        for (client, kind, number, time, copies) in steps {
            now += time;
            let Some(mut book) = books.book(client) else { continue };
            let seq = book.attempt(kind, now);
            book.resolve(fate(number), now);
            let copies = if fate(number) == Fate::Rejected { copies / 4 } else { copies };
            let at = (client as u64 + 1, seq);
            let tally = &mut expected[usize::from(kind)];
            let judged = before.is_none_or(|before| now < before);
            if kind == 2 {
                tally.without_ledger += u64::from(number == 0 && judged);
                continue;
            }
            let table = usize::from(kind == 1);
            rows[table].extend((0..copies).map(|_| (at.0 as i64, at.1 as i64)));
            match (fate(number), copies) {
                (Fate::Rejected, 0) => {}
                (Fate::Rejected, _) => {
                    tally.resurrected += 1;
                    sets[2].insert(at);
                }
                _ if !judged => {}
                (fate, copies) => {
                    let acknowledged = fate == Fate::Acknowledged;
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
        let ledger = books.snapshot();
        // What users do after the ledger was taken is neither lost nor unexpected.
        for client in 0..CLIENTS {
            let Some(mut book) = books.book(client) else { continue };
            let seq = book.attempt(1, now);
            rows[1].push((client as i64 + 1, seq as i64));
        }
        let mut random = fastrand::Rng::with_seed(order);
        rows.iter_mut().for_each(|rows| random.shuffle(rows));
        let before = before.and_then(|before| {
            Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(before as i64)).ok()
        });
        let found = verdict(&ledger, [Some(&rows[0]), Some(&rows[1])], before);
        for (kind, expected) in found.kinds.iter().zip(expected) {
            prop_assert_eq!(kind.tally, expected, "{}", &kind.kind);
        }
        for (sample, expected) in [&found.lost, &found.duplicated, &found.resurrected].into_iter().zip(&sets) {
            let at: BTreeSet<(u64, u64)> = sample.earliest.iter().map(|found| (found.client, found.seq)).collect();
            prop_assert_eq!(&at, expected);
            prop_assert!(sample.earliest.is_sorted_by_key(|found| found.at));
            prop_assert_eq!(sample.last.as_ref(), sample.earliest.last());
        }
        let strays: BTreeSet<(i64, i64)> = found.strays.iter().map(|stray| (stray.client as i64, stray.seq)).collect();
        prop_assert_eq!(strays, phantoms);
    }

    #[test]
    fn acknowledged_since_counts_what_a_look_at_every_entry_counts(
        times in proptest::collection::vec((0..3u64, 0..3u8), 0..5000),
        since in 0..6000u64,
    ) {
        let books = books(1);
        let (mut now, mut expected) = (0, 0);
        for (time, number) in times {
            now += time;
            let Some(mut book) = books.book(0) else { continue };
            book.attempt(0, now);
            book.resolve(fate(number), now);
            expected += u64::from(number == 0 && now >= since);
        }
        let at = Timestamp::UNIX_EPOCH.checked_add(SignedDuration::from_micros(since as i64));
        prop_assert_eq!(at.map(|at| books.acknowledged_since(at)).ok(), Some(expected));
        prop_assert_eq!(books.acknowledged_since(Timestamp::MIN), books.snapshot().acknowledged());
    }
}

#[test]
fn without_its_table_every_acknowledged_transaction_is_lost_and_the_earliest_are_told() {
    let books = books(2);
    for micros in 0..5000 {
        // The second user's answers come first.
        let Some(mut book) = books.book(1 - micros % 2) else { continue };
        book.attempt(1, micros as u64);
        book.resolve(Fate::Acknowledged, micros as u64);
    }
    let found = verdict(&books.snapshot(), [Some(&[]), None], None);
    assert_eq!((found.total.checked, found.total.lost), (5000, 5000));
    assert_eq!(found.notes, ["table visits does not exist here"]);
    assert_eq!(found.lost.earliest.len(), SHOWN);
    assert_eq!(found.lost.first().map(|found| (found.client, found.seq)), Some((2, 1)));
    assert_eq!(found.lost.earliest.last().map(|found| (found.client, found.seq)), Some((1, 500)));
    assert_eq!(found.lost.last.map(|found| (found.client, found.seq)), Some((1, 2500)));
}
