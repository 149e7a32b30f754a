//! Disks that run full: that of the machine while people are at work, and one that the drill fills.

use std::path::PathBuf;

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::small::deleted_rows;
use crate::small_fs::Small;

/// A runner whose runs have a small disk.
fn on_a_small_disk() -> (CliRunner, Small) {
    let mut runner = CliRunner::new();
    let small = Small::mount(runner.path().join("f"), "300m");
    runner.vars.push(("TMPDIR".to_owned(), small.0.display().to_string()));
    (runner, small)
}

/// Fills it: as large as the disk, of which the rest does not fit.
fn fill(small: &Small) -> PathBuf {
    let filler = small.0.join("filler");
    let _ = std::fs::write(&filler, vec![1; 300 << 20]);
    filler
}

#[test]
fn people_are_told_of_a_full_disk_and_can_go_on_when_there_is_space() {
    let (runner, small) = on_a_small_disk();
    let file = runner.small();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    // It is answered when the drill has done its part.
    let _ = held.say(&["judge"]);
    let filler = fill(&small);
    held.wait_said("the disk is full: ");
    // It answers all the same.
    held.ask(&["note", "we have filled the disk"]);
    let judged = said(&held.say(&["judge"]));
    assert!(judged.contains("of 2 hold: go on"), "{judged}");
    std::fs::remove_file(&filler).expect("removed");
    held.wait_said("there is space again on the disk at ");
    let team = held.team("copy.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.wait_said("a server came up as `rescue`");
    held.give_up().with(1, "failed").says(&["checks that hold: 1 of 2"]).debriefs(&["the disk is full"]);
}

#[test]
fn what_cannot_be_checked_at_the_end_since_the_disk_is_full_is_no_failure_of_the_teams() {
    // The second check has the server write: what a function returns is kept in a file.
    const CHECKS: &str = "
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - assert_rows: { node: master, table: items, count: 0, allow_empty: true }
  - assert_rows: { node: master, query: 'SELECT count(*) FROM generate_series(1, 3000000)', equals: 3000000 }
";
    let (runner, small) = on_a_small_disk();
    let file = runner.write("small.yaml", &deleted_rows("small", CHECKS)).display().to_string();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    // It is answered when the drill has done its part.
    let _ = held.say(&["judge"]);
    fill(&small);
    held.wait_said("the disk is full: ");
    let ended = held.give_up().with(4, "errored");
    let ended = ended.says(&["checks that hold: 1 of 2", "the disk is full, which says nothing about the recovery"]);
    let steps = ended.report["drills"][0]["steps"].as_array().expect("steps");
    let outcomes: Vec<_> = steps.iter().rev().take(2).map(|step| step["outcome"].as_str()).collect();
    assert_eq!(outcomes, [Some("errored"), Some("passed")]);
}

/// A drill about a full disk: without space for WAL the server ends with PANIC.
const FILLED: &str = "
drillyard: 1
name: filled
nodes: { master: { settings: { restart_after_crash: 'off' } } }
steps:
  - id: rows
    create_data: { node: master, table: items, rows: 100 }
  - sql:
      node: master
      query: >
        CREATE TABLE orders (client int, seq int);
        CREATE TABLE midnight AS SELECT 'infinity'::timestamptz AS at
  - id: users
    traffic:
      node: master
      clients: 2
      rate: 20
      transactions:
        order:
          sql: INSERT INTO orders VALUES ($client, $seq)
          ledger: { table: orders, client: client, seq: seq }
          tolerate: [disk_full]
        midnight:
          sql: DELETE FROM midnight WHERE at < clock_timestamp() RETURNING pg_switch_wal()
          tolerate: [disk_full]
  - wait_for: { traffic: users, acked: 20 }
  - id: accident
    fill_disk: { node: master, size: 256MB }
  # A moment later: whoever writes next has the server end, which may be before this is answered.
  - name: the segment will be at its end
    sql: { node: master, query: \"UPDATE midnight SET at = clock_timestamp() + interval '1 s'\" }
  - name: and there is no space for another one
    wait_for: { node: master, log: 'PANIC:.*No space left on device' }
  - free_disk: { node: master }
  - { id: back, start: { node: master } }
  - wait_for: { traffic: users, acked: 20, since: back }
  - stop_traffic: users
  - all:
      - assert_rows: { node: master, table: items, same_as: rows }
      - assert_traffic: { traffic: users, node: master, lost: 0, duplicated: 0 }
";

#[test]
fn people_free_the_disk_that_the_incident_has_filled() {
    let runner = CliRunner::new();
    let file = runner.write("filled.yaml", FILLED).display().to_string();
    // It is what CI plays, too.
    let alone = runner.output(["run", "--backend", "local", &file]);
    assert_eq!(alone.status.code(), Some(0), "{}", said(&alone));
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let judged = said(&held.say(&["judge"]));
    assert!(judged.contains("0 of 2 hold: go on"), "{judged}");
    let team = held.team("frees-the-disk.sh");
    assert_eq!(team.status.code(), Some(0), "{}\n{}", said(&team), held.said());
    held.end().with(0, "passed").says(&["checks that hold: 2 of 2"]);
}

#[test]
fn a_disk_of_the_drills_own_that_people_leave_full_is_theirs() {
    let runner = CliRunner::new();
    let file = runner.write("filled.yaml", FILLED).display().to_string();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    held.give_up().with(1, "failed").says(&["checks that hold: 0 of 2"]);
}

#[test]
fn docker_people_free_the_disk_that_the_incident_has_filled() {
    let runner = CliRunner::new();
    let file = runner.write("filled.yaml", FILLED).display().to_string();
    let mut held = runner.hold_on("docker", &["--postgres", "15", "--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let team = held.team("frees-the-disk-of-a-container.sh");
    assert_eq!(team.status.code(), Some(0), "{}\n{}", said(&team), held.said());
    held.end().with(0, "passed").says(&["checks that hold: 2 of 2"]);
}
