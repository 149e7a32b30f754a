//! What a firedrill takes into account of how it goes: when users are served again, a server that
//! people have stopped before anything happened, and that there may be nothing to notice.

use std::time::{Duration, Instant};

use crate::cli_runner::CliRunner;
use crate::held::shipped;
use crate::left::{PATIENCE, poll};
use crate::program::said;
use crate::small::deleted_rows;

/// The recovery time ends when users are served; what is checked comes long after.
const SERVED: &str = "
drillyard: 1
name: served
nodes: { master: {}, standby: { follows: master } }
budgets: { rto: { from: accident, to: serving, max: 15s } }
steps:
  - sql: { node: master, query: 'CREATE TABLE visits (client int, seq int); CREATE TABLE report (n int)' }
  - id: users
    traffic:
      nodes: [master, standby]
      rate: 50
      transactions:
        visit:
          sql: INSERT INTO visits (client, seq) VALUES ($client, $seq)
          ledger: { table: visits, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 20 }
  - { id: accident, crash: { node: master } }
  - promote: { node: standby }
  - { id: serving, wait_for: { traffic: users, acked: 20, since: accident } }
  - sql: { node: standby, query: INSERT INTO report VALUES (1) }
  - stop_traffic: users
  - assert_rows: { node: standby, query: SELECT count(*) > 0 FROM report, equals: true }
";

#[test]
fn the_recovery_time_ends_when_users_are_served_again() {
    let runner = CliRunner::new();
    let file = runner.write("served.yaml", SERVED).display().to_string();
    let mut held = runner.hold(&["--board", "off", "--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let struck = Instant::now();
    let standby = held.host("standby");
    assert_eq!(standby.psql("SELECT pg_promote()"), "t");
    let served = poll(PATIENCE, || match standby.psql("SELECT count(*) > 60 FROM visits") {
        answer if answer == "t" => Ok(()),
        answer => Err(answer),
    });
    assert_eq!(served, Ok(()));
    // The rest takes longer than the budget.
    std::thread::sleep(Duration::from_secs(17).saturating_sub(struck.elapsed()));
    standby.psql("INSERT INTO report VALUES (1)");
    let ended = held.end().with(0, "passed").says(&["everything holds after"]);
    let budget = &ended.report["drills"][0]["budgets"][0];
    assert_eq!(budget["outcome"], "passed", "{budget}");
    assert!(budget["measured_ms"].as_u64().is_some_and(|ms| ms < 15_000), "{budget}");
}

#[test]
fn an_incident_waits_for_a_server_that_people_have_stopped() {
    const REST: &str = "
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - assert_rows: { node: rescue, table: items, same_as: rows }
";
    let runner = CliRunner::new();
    let file = runner.write("drill.yaml", &deleted_rows("stopped", REST)).display().to_string();
    let mut held = runner.hold(&["--surprise", "--board", "off", "--delay", "4s..5s", "--for", "5m", &file]);
    let master = held.host("master");
    let control = |how: &str| {
        let command = format!("pg_ctl -D \"$PGDATA\" -l \"$PGDATA/people.log\" -w {how} </dev/null >/dev/null");
        let output = master.run(&["sh", "-c", &command]);
        assert!(output.status.success(), "{}", said(&output));
    };
    control("-m fast stop");
    std::thread::sleep(Duration::from_secs(7));
    held.types("status");
    held.wait_said("what happened: nothing yet");
    control("start");
    let struck = poll(PATIENCE, || match master.psql("SELECT count(*) FROM items") {
        rows if rows == "0" => Ok(()),
        rows => Err(rows),
    });
    assert_eq!(struck, Ok(()));
    let _ = held.ask(&["note", "--seen", "rows are gone"]);
    let _ = held.give_up().with(1, "failed");
}

#[test]
fn a_drill_without_an_incident_is_practice() {
    let runner = CliRunner::new();
    let mut held = runner.hold(&["--board", "off", "--for", "5m", &shipped("backup/nightly-restore")]);
    held.wait_said("people begin: the clock runs");
    let told = held.said();
    assert!(told.contains("Nothing is wrong, and nothing will be: this is practice."), "{told}");
    let _ = held.say(&["judge"]);
    let ended = held.give_up().with(1, "failed").says(&["nothing to notice"]);
    assert!(!ended.debrief.contains("incident"), "{}", ended.debrief);
}

#[test]
fn an_address_of_another_machine_is_told_at_once() {
    let runner = CliRunner::new();
    // TEST-NET-3: no machine has it (RFC 5737).
    let output = runner.output(["firedrill", "--reachable", "203.0.113.7", &runner.small()]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("servers cannot be reached at 203.0.113.7"), "{}", said(&output));
}
