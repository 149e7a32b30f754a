//! The ledger on real servers: inserts, updates, deletes and transactions over several tables,
//! through outages and a change of the timeline; and damage that was planted is found, counted and
//! named.

use crate::cli_runner::CliRunner;
use crate::run::Run;

/// A shop with everything that users can do, on a primary with a standby.
const SHOP: &str = r#"
nodes:
  a: {}
  b: { follows: a }
steps:
  - sql:
      node: a
      query: |
        CREATE TABLE orders (client int, seq int);
        CREATE TABLE payments (client int, seq int);
        CREATE TABLE purchases (client int, seq int);
        CREATE TABLE accounts (client int, seq int);
        INSERT INTO accounts SELECT i, 0 FROM generate_series(1, 4) i;
        CREATE TABLE basket (client int PRIMARY KEY, seq int);
        CREATE TABLE carts (client int, seq int);
        CREATE TABLE strict (client int, seq int CHECK (seq % 7 <> 0));
  - id: users
    traffic:
      nodes: [a, b]
      clients: 4
      rate: 600
      transactions:
        order:
          weight: 2
          sql: INSERT INTO orders VALUES ($client, $seq)
          ledger: { table: orders, client: client, seq: seq }
        pair:
          weight: 2
          sql: INSERT INTO orders VALUES ($client, $seq); INSERT INTO payments VALUES ($client, $seq)
          ledger:
            - { table: orders, client: client, seq: seq }
            - { table: payments, client: client, seq: seq }
        buy:
          sql: INSERT INTO purchases VALUES ($client, $seq); UPDATE accounts SET seq = $seq WHERE client = $client
          ledger: [ { table: purchases, client: client, seq: seq }, { table: accounts, client: client, seq: seq } ]
        keep:
          sql: INSERT INTO basket VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET seq = excluded.seq
          ledger: { table: basket, client: client, seq: seq }
        fill:
          weight: 3
          sql: INSERT INTO carts VALUES ($client, $seq)
          ledger: { table: carts, client: client, seq: seq }
        forget:
          sql: DELETE FROM carts WHERE client = $client AND seq < $seq - 20
          ledger: { table: carts, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 200 }
"#;

#[test]
fn the_ledger_holds_through_outages_and_a_failover() {
    let steps = r#"
  - id: crashed
    crash: { node: a }
  - start: { node: a }
  - wait_for: { traffic: users, acked: 100, since: crashed }
  - assert_traffic: { traffic: users, node: a }
  - id: frozen
    pause: { node: a }
  - unpause: { node: a }
  - wait_for: { traffic: users, acked: 100, since: frozen }
  - id: dark
    cut: { between: [a, b] }
  - wait_for: { traffic: users, acked: 100, since: dark }
  - assert_traffic: { traffic: users, node: a }
  - id: stale
    assert_traffic: { traffic: users, node: b }
    expect: { fails: "(?s)acknowledged commits are missing.* (after|during) `dark`.*time: .* of acknowledged work" }
  - heal: { between: [a, b] }
  - assert_streaming: { standby: b, primary: a }
  - id: down
    stop: { node: a }
  - promote: { node: b }
  - wait_for: { traffic: users, acked: 100, since: down }
  - stop_traffic: users
  - id: end
    assert_traffic: { traffic: users, node: b, lost: 0, duplicated: 0 }
"#;
    let run = CliRunner::new().drill(&format!("{SHOP}{steps}"), &[]).passed();
    for (fact, most) in [("lost", 0), ("halves", 0), ("unexpected", 0), ("resurrected", 0), ("duplicated", 0)] {
        assert_eq!(run.fact("end", fact), most, "{fact}: {}", run.said);
    }
    // The standby lagged behind by whole transactions.
    assert_eq!((run.fact("stale", "halves"), run.fact("stale", "unexpected")), (&0.into(), &0.into()), "{}", run.said);
    let traffic = &run.report["drills"][0]["traffic"][0];
    assert_eq!(traffic["lost_work_ms"], 0, "{traffic}");
}

/// A standby that was cut off becomes a second primary; the users stay with the first, until it
/// dies.
const SPLIT: &str = r#"
  - id: dark
    cut: { between: [a, b] }
  - wait_for: { traffic: users, acked: 200, since: dark }
  - promote: { node: b }
  - wait_for: { traffic: users, acked: 100, since: dark }
  - id: dead
    crash: { node: a }
  - wait_for: { traffic: users, acked: 100, since: dead }
  - stop_traffic: users
  - id: end
    assert_traffic: { traffic: users, node: b }
    expect: { fails: "(?s)acknowledged commits are missing.*of [0-9,]+ acknowledged commits are gone.*first: .*acknowledged.*last: .* (before|during|after) `dead`" }
"#;

fn split(budget: &str) -> Run {
    CliRunner::new().drill(&format!("budgets: {{ rpo: {{ {budget} }} }}\n{SHOP}{SPLIT}"), &[])
}

#[test]
fn what_a_split_brain_loses_is_told_in_transactions_and_in_time() {
    let run = split("traffic: users, max_lost: 1000000, max_time: 1h").passed();
    let lost = run.fact("end", "lost").as_u64().expect("a number");
    let work = run.fact("end", "lost_work_ms").as_u64().expect("a number");
    // What later transactions of the same user wrote over or deleted cannot be told.
    assert!(lost > 100 && work > 0, "{}", run.said);
    assert_eq!((run.fact("end", "halves"), run.fact("end", "unexpected")), (&0.into(), &0.into()), "{}", run.said);
    let drill = &run.report["drills"][0];
    assert_eq!((&drill["traffic"][0]["lost"], &drill["traffic"][0]["lost_work_ms"]), (&lost.into(), &work.into()));
    assert_eq!((&drill["budgets"][0]["name"], &drill["budgets"][0]["measured_lost"]), (&"rpo".into(), &lost.into()));
    assert_eq!((&drill["budgets"][1]["name"], &drill["budgets"][1]["measured_ms"]), (&"rpo_time".into(), &work.into()));
    let run = run.says(&["lost (", " of work)", "of work lost (limit "]);
    assert_eq!(run.report["drills"][0]["budgets"][1]["outcome"], "passed");

    let run = split("traffic: users, max_time: 1ms")
        .failed(1, &["more was lost than the budget allows", "of acknowledged work are lost"]);
    assert_eq!(run.report["drills"][0]["budgets"].as_array().map(Vec::len), Some(1), "{}", run.said);
}

#[test]
fn planted_damage_is_found_counted_and_named() {
    let steps = r#"
  - id: picky
    traffic:
      node: a
      clients: 1
      transactions:
        strict:
          sql: INSERT INTO strict VALUES ($client, $seq)
          ledger: { table: strict, client: client, seq: seq }
          tolerate: [check_violation]
  - wait_for: { traffic: picky, acked: 30 }
  - stop_traffic: picky
  - wait_for: { traffic: users, acked: 500 }
  - stop_traffic: users
  - all:
      - assert_traffic: { traffic: users, node: a }
      - assert_traffic: { traffic: picky, node: a }
  - id: loss
    sql: { node: a, query: "DELETE FROM orders WHERE (client, seq) = (SELECT client, seq FROM orders o WHERE NOT EXISTS (SELECT FROM payments p WHERE (p.client, p.seq) = (o.client, o.seq)) ORDER BY 1, 2 LIMIT 1)" }
  - assert_traffic: { traffic: users, node: a }
    expect: { fails: "(?s)acknowledged commits are missing.*1 of [0-9,]+ acknowledged commits is gone.*first: order client 1 seq [0-9]+, acknowledged [0-9:.]+Z, [0-9.]+ m?s before `loss`" }
  - assert_traffic: { traffic: users, node: a, lost: 1 }
  - id: half
    sql: { node: a, query: "DELETE FROM payments WHERE (client, seq) = (SELECT client, seq FROM payments ORDER BY 1, 2 LIMIT 1)" }
  - assert_traffic: { traffic: users, node: a, lost: 1 }
    expect: { fails: "(?s)transactions are partial.*1 is partial: of several rows or tables one has it and another does not.*first: pair client 1 seq [0-9]+, (acknowledged|in doubt) .*: in orders, not in payments" }
  - id: double
    sql: { node: a, query: "INSERT INTO payments SELECT client, seq FROM payments ORDER BY client DESC, seq DESC LIMIT 1" }
  - assert_traffic: { traffic: users, node: a, lost: 1, duplicated: 0 }
    expect: { fails: "(?s)partial.*and: 1 of [0-9,]+ acknowledged commits is there more than once.*first duplicate: pair client 4 seq" }
  - id: phantom
    sql: { node: a, query: "INSERT INTO orders VALUES (3, 1000000); INSERT INTO orders SELECT client, seq FROM purchases ORDER BY 1, 2 LIMIT 1" }
  - assert_traffic: { traffic: users, node: a }
    expect: { fails: "(?s)1 of [0-9,]+ acknowledged commits is gone.*partial.*more than once.*and: 2 rows are numbered as one of these users would.*first unexpected: orders client 1 seq [0-9]+: that was a `buy`, whose ledger does not name orders.*last unexpected: orders client 3 seq 1000000" }
  - id: stale
    sql: { node: a, query: "UPDATE accounts SET seq = (SELECT max(seq) FROM purchases WHERE client = 2 AND seq < accounts.seq) WHERE client = 2" }
  - assert_traffic: { traffic: users, node: a, lost: 1, duplicated: 1 }
    expect: { fails: "(?s)2 are partial.*: in purchases, accounts does not show it, nor a later one" }
  - id: forgotten
    sql: { node: a, query: "DELETE FROM basket WHERE client = 3" }
  - id: many
    assert_traffic: { traffic: users, node: a, lost: 1, duplicated: 1 }
    expect: { fails: "(?s)acknowledged commits are missing.*keep client 3 seq [0-9]+.*basket does not show it" }
  - id: undeleted
    sql: { node: a, query: "INSERT INTO carts SELECT client, 1 + min(seq) / 3 FROM carts WHERE client = 4 GROUP BY 1" }
  - id: back
    sql: { node: a, query: "ALTER TABLE strict DROP CONSTRAINT strict_seq_check; INSERT INTO strict VALUES (5, 14)" }
  - id: resurrected
    assert_traffic: { traffic: picky, node: a }
    expect: { fails: "(?s)rejected transactions are present.*1 that the server rejected is present all the same.*first: strict client 5 seq 14, rejected [0-9:.]+Z" }
"#;
    let run = CliRunner::new().drill(&format!("{SHOP}{steps}"), &[]).passed();
    let traffic = run.report["drills"][0]["traffic"].as_array().expect("traffic").clone();
    let picky = traffic.iter().find(|one| one["id"] == "picky").expect("picky");
    assert_eq!(picky["rejections"]["23514"], picky["rejected"], "{picky}");
    assert!(picky["rejected"].as_u64() > Some(0) && picky["resurrected"] == 1, "{picky}");
    run.says(&["rejected (check_violation)", "rejected but present"]);
}

#[test]
fn a_deleted_row_that_is_back_and_a_transaction_that_wrote_nothing_are_told() {
    let yaml = r#"
nodes: { a: {} }
steps:
  - sql: { node: a, query: "CREATE TABLE carts (client int, seq int); CREATE TABLE jobs (client int, seq int, n int); CREATE TABLE beside (client int, seq int); INSERT INTO jobs SELECT NULL, NULL, i FROM generate_series(1, 5) i" }
  - id: users
    traffic:
      node: a
      clients: 2
      transactions:
        fill:
          sql: INSERT INTO carts VALUES ($client, $seq); INSERT INTO beside VALUES ($client, $seq)
          ledger: { table: carts, client: client, seq: seq }
        empty:
          sql: DELETE FROM carts WHERE client = $client AND seq < $seq
          ledger: { table: carts, client: client, seq: seq }
  - id: workers
    traffic:
      node: a
      clients: 1
      transactions:
        take:
          sql: UPDATE jobs SET client = $client, seq = $seq WHERE seq IS NULL AND n = (SELECT min(n) FROM jobs WHERE seq IS NULL)
          ledger: { table: jobs, client: client, seq: seq }
  - id: idlers
    traffic:
      node: a
      clients: 1
      transactions:
        nothing:
          sql: UPDATE jobs SET seq = $seq WHERE client = $client
          ledger: { table: jobs, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 200 }
  - wait_for: { traffic: workers, acked: 20 }
  - wait_for: { traffic: idlers, acked: 20 }
  - stop_traffic: users
  - stop_traffic: workers
  - stop_traffic: idlers
  - assert_traffic: { traffic: users, node: a }
  - id: workers_end
    assert_traffic: { traffic: workers, node: a }
  - assert_traffic: { traffic: idlers, node: a }
    expect: { fails: "(?s)zero transactions proves nothing.*and none of them wrote a row" }
  - id: undeleted
    sql: { node: a, query: "INSERT INTO carts SELECT client, seq FROM beside WHERE client = 1 ORDER BY seq LIMIT 1" }
  - assert_traffic: { traffic: users, node: a }
    expect: { fails: "(?s)acknowledged commits are missing.*first: empty client 1 seq [0-9]+, acknowledged .*: what it deleted from carts is there" }
"#;
    let run = CliRunner::new().drill(yaml, &[]).passed();
    assert_eq!(run.fact("workers_end", "checked"), 5, "{}", run.said);
    assert!(run.fact("workers_end", "wrote_nothing").as_u64() >= Some(15), "{}", run.said);
    run.says(&["warning: ", "traffic `users`: `fill` writes to beside as well, which its ledger does not name"]);
}

/// What the drill's last step does to users who are still at work is seen; a budget that was
/// measured of a part was not measured.
#[test]
fn users_at_the_drills_end_and_a_budget_of_a_part() {
    let traffic = r#"{ node: master, clients: 2, transactions: { one: { sql: "INSERT INTO w (client, seq) VALUES ($client, $seq)", ledger: { table: w, client: client, seq: seq } } } }"#;
    let begin = format!(
        r#"
nodes: {{ master: {{}} }}
budgets: {{ rpo: {{ traffic: users, max_lost: 0 }} }}
steps:
  - sql: {{ query: "CREATE TABLE w (client int, seq bigint)" }}
  - {{ id: users, traffic: {traffic} }}
  - wait_for: {{ traffic: users, acked: 50 }}
"#
    );
    let end = "  - assert_traffic: { traffic: users, node: master }\n  - drop_table: { table: w }\n";
    let said = ["transaction `one` of the users failed", "undefined_table"];
    CliRunner::new().drill(&format!("{begin}{end}"), &[]).failed(1, &said);

    let part = r#"  - { id: noon, mark: { node: master } }
  - wait_for: { traffic: users, acked: 200, since: noon }
  - stop_traffic: users
  - sql: { query: DELETE FROM w WHERE seq > 100 }
  - assert_traffic: { traffic: users, node: master, before: noon, lost: 1000 }
"#;
    let said = ["the loss was not measured", "only what `users` did before a mark was checked"];
    CliRunner::new().drill(&format!("{begin}{part}"), &[]).failed(1, &said);
}

/// The server has committed by itself, and says so in a warning: whether a failover keeps it,
/// nobody knows.
#[test]
fn a_commit_whose_wait_for_a_standby_was_cancelled_is_in_doubt() {
    let yaml = r#"
nodes: { a: {} }
steps:
  - sql: { query: "CREATE TABLE orders (client int, seq int)" }
  - id: users
    traffic:
      node: a
      clients: 3
      rate: 300
      transactions:
        order: { sql: "INSERT INTO orders VALUES ($client, $seq)", ledger: { table: orders, client: client, seq: seq } }
  - wait_for: { traffic: users, acked: 20 }
  - exec: { node: a, run: [psql, -X, -c, "ALTER SYSTEM SET synchronous_standby_names = 'nobody'", -c, "SELECT pg_reload_conf()"] }
  - wait_for: { node: a, query: "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'drillyard users'", equals: 3 }
  - exec:
      node: a
      run: [psql, -X, -c, "SELECT pg_cancel_backend(pid) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'drillyard users'"]
  - wait_for: { node: a, query: "SELECT count(*) FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND application_name = 'drillyard users'", equals: 3 }
  - exec: { node: a, run: [psql, -X, -c, "ALTER SYSTEM RESET synchronous_standby_names", -c, "SELECT pg_reload_conf()"] }
  - id: after
    sql: { node: a, query: SELECT 1 }
  - wait_for: { traffic: users, acked: 20, since: after }
  - stop_traffic: users
  - id: end
    assert_traffic: { traffic: users, node: a }
"#;
    let run = CliRunner::new().drill(yaml, &[]).passed();
    let users = &run.report["drills"][0]["traffic"][0];
    assert_eq!((&users["in_doubt"], &users["unconfirmed"]), (&3.into(), &3.into()), "{}", run.said);
    assert_eq!(run.fact("end", "in_doubt_present"), 3, "{}", run.said);
    assert_eq!(users["acknowledged"], users["checked"], "{}", run.said);
    run.says(&["3 in doubt (3 committed locally, not confirmed by a standby)"]);
}
