//! Servers that follow another one: `rewind`, `rebuild`, and `recover` with `follow`, on real
//! servers as local processes, with all that keeps a standby from streaming.

use std::path::Path;

use crate::cli_runner::CliRunner;
use crate::run::Run;
use serde_json::Value;

fn drill(yaml: &str) -> Run {
    drill_on(yaml, &["--backend", "local"])
}

fn drill_on(yaml: &str, args: &[&str]) -> Run {
    let runner = CliRunner::new();
    let path = runner.path().join("drill.yaml");
    std::fs::write(&path, format!("drillyard: 1\nname: drill\n{yaml}")).expect("written");
    let path = path.display().to_string();
    runner.run(&[args, &[&path]].concat())
}

/// The drills of scenarios/replication that this file is about.
const WAL_KEEP: &[&str] = &[
    "wal-keep-archive-behind",
    "wal-keep-control",
    "wal-keep-no-restore-command",
    "wal-keep-polluted-archive",
    "wal-keep-recovery-signal",
    "wal-keep-size",
];

fn wal_keep_drills(args: &[&str]) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/replication");
    let files: Vec<String> =
        WAL_KEEP.iter().map(|name| folder.join(format!("{name}.yaml")).display().to_string()).collect();
    let args: Vec<&str> = args.iter().copied().chain(files.iter().map(String::as_str)).collect();
    CliRunner::new().run(&args).passed()
}

/// A server that removes every segment that it does not need, and that nobody has asked it to keep.
const FRUGAL: &str = r#"{ wal_keep_size: 0, min_wal_size: 32MB, max_wal_size: 32MB, wal_recycle: "off", checkpoint_timeout: 1h, autovacuum: "off" }"#;

/// SIGKILL to the postmaster, as a server's superuser can.
const KILL: &str = r#"sql: { query: "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; kill -9 $(head -1 postmaster.pid)'; SELECT pg_sleep(60)""#;

#[test]
fn an_old_master_that_lived_on_is_rewound() {
    let yaml = r#"
nodes:
  master: {}
  standby: { follows: master }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int)" }
  - id: users
    traffic:
      node: master
      clients: 2
      rate: 300
      transactions:
        one:
          sql: INSERT INTO t VALUES ($client, $seq)
          ledger: { table: t, client: client, seq: seq }
          tolerate: [read_only_sql_transaction]
  - wait_for: { traffic: users, acked: 50 }
  - id: split
    promote: { node: standby }
  - sql: { node: master, query: "CREATE TABLE on_old AS SELECT 1 AS n" }
  - sql: { node: standby, query: "CREATE TABLE on_new AS SELECT 1 AS n" }
  - wait_for: { traffic: users, acked: 150 }
  - id: back
    rewind: { node: master, to: standby }
  - stop_traffic: users
  - all:
      - assert_streaming: { standby: master, primary: standby }
      - assert_in_recovery: { node: master }
      - assert_rows: { node: master, query: "SELECT to_regclass('on_old') IS NULL, to_regclass('on_new') IS NULL", equals: [[true, false]] }
      - assert_rows: { node: master, table: t, same_as: standby }
      - assert_rows: { node: standby, query: "SELECT slot_name, active FROM pg_replication_slots", equals: [[master, true]] }
      - assert_rows: { node: master, query: "SELECT slot_name FROM pg_replication_slots", equals: [], allow_empty: true }
  - id: lost
    assert_traffic: { traffic: users, node: master, lost: 0 }
    expect: { fails: "acknowledged commits are gone" }
  - promote: { node: master }
"#;
    let run = drill(yaml).passed();
    assert_eq!(run.fact("back", "stopped"), "it still ran", "{}", run.said);
    // What pg_rewind threw away is what the users have lost, and the table.
    let lost = run.fact("lost", "lost").as_u64().expect("a number");
    assert_eq!(run.fact("back", "commits_thrown_away"), lost + 1, "{}", run.said);
    assert!(lost > 0, "{}", run.said);
}

#[test]
fn old_masters_that_crashed_or_were_shut_down_are_rewound() {
    let yaml = format!(
        r#"
nodes:
  master: {{ settings: {{ work_mem: 5MB }} }}
  standby: {{ follows: master, settings: {{ work_mem: 6MB }} }}
  below: {{ follows: standby }}
steps:
  - sql: {{ node: master, query: "CREATE TABLE t (n int)" }}
  - wait_for: {{ node: standby, query: "SELECT to_regclass('t') IS NOT NULL", equals: true }}
  - {KILL}, node: master }}
    expect: {{ fails: "connection closed|terminat" }}
  - rewind: {{ node: master, to: standby }}
    expect: {{ fails: "(?s)`standby` is in recovery.*promote: \\{{ node: standby" }}
  - promote: {{ node: standby }}
  - sql: {{ node: standby, query: INSERT INTO t VALUES (1) }}
  - id: crashed
    rewind: {{ node: master, to: standby }}
  - all:
      - assert_streaming: {{ standby: master, primary: standby }}
      - assert_streaming: {{ standby: below, primary: standby }}
      - assert_rows: {{ node: master, query: SHOW work_mem, equals: [["5MB"]] }}
      - assert_rows: {{ node: standby, query: SHOW work_mem, equals: [["6MB"]] }}
      - assert_rows: {{ node: standby, query: "SELECT slot_name, active FROM pg_replication_slots ORDER BY 1", equals: [[below, true], [master, true]] }}

  # A fast shutdown hands everything over: the old master is only behind. The statement has to last until the signal arrives.
  - sql: {{ node: standby, query: "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; kill -INT $(head -1 postmaster.pid)'; SELECT pg_sleep(60)" }}
    expect: {{ fails: "connection closed|terminat" }}
  - wait_for: {{ node: master, log: "could not connect to the primary server" }}
  - promote: {{ node: master }}
  - id: behind
    rewind: {{ node: standby, to: master }}
  - all:
      - assert_streaming: {{ standby: standby, primary: master }}
      - assert_streaming: {{ standby: below, primary: standby }}
      - assert_rows: {{ node: standby, table: t, count: 1 }}
      - assert_rows: {{ node: standby, query: "SELECT slot_name, active FROM pg_replication_slots", equals: [[below, true]] }}
  - sql: {{ node: master, query: "SELECT 1" }}

  # A standby that crashed follows the new primary, too.
  - {KILL}, node: standby }}
    expect: {{ fails: "connection closed|terminat" }}
  - rewind: {{ node: standby, to: master }}
  - assert_streaming: {{ standby: standby, primary: master }}
"#
    );
    let run = drill(&yaml).passed();
    assert_eq!(run.fact("behind", "rewound"), "not needed: it was only behind", "{}", run.said);
    assert!(run.fact("behind", "commits_thrown_away").is_null(), "{}", run.said);
}

#[test]
fn what_cannot_be_rewound_is_told() {
    // Two segments more, and nothing before them is kept.
    let onwards = |node: &str| {
        let step = |query: &str| format!("  - sql: {{ node: {node}, query: \"{query}\" }}\n");
        let write = step("INSERT INTO t VALUES (2)") + &step("SELECT pg_switch_wal()");
        [write.as_str(), &write, &step("CHECKPOINT"), &step("CHECKPOINT")].concat()
    };
    let (old_goes_on, new_goes_on) = (onwards("old"), onwards("new2"));
    let yaml = format!(
        r#"
repos: {{ onsite: {{}} }}
nodes:
  old: {{ settings: {FRUGAL} }}
  new: {{ follows: old, settings: {FRUGAL} }}
  old2: {{}}
  new2: {{ follows: old2, settings: {FRUGAL} }}
  stranger: {{}}
  twin: {{ follows: stranger }}
  other: {{ follows: stranger }}
steps:
  - sql: {{ node: old, query: "CREATE TABLE t (n int)" }}
  - sql: {{ node: old2, query: "CREATE TABLE t (n int)" }}
  - sql: {{ node: stranger, query: "CREATE TABLE t (n int)" }}
  - assert_streaming: {{ standby: new, primary: old }}
  - assert_streaming: {{ standby: new2, primary: old2 }}
  - assert_streaming: {{ standby: twin, primary: stranger }}

  # The old master no longer has the WAL back to where the two parted.
  - promote: {{ node: new }}
  - sql: {{ node: old, query: "SELECT pg_drop_replication_slot('new')" }}
{old_goes_on}
  - id: recycled
    rewind: {{ node: old, to: new }}
    expect: {{ fails: "(?s)pg_rewind failed.*pg_wal.*the WAL back to where the two parted.*on `old`.*rebuild: \\{{ node: old, follows: new" }}
  - assert_rows: {{ node: new, query: "SELECT slot_name FROM pg_replication_slots", equals: [], allow_empty: true }}
  - rebuild: {{ node: old, follows: new }}
  - assert_streaming: {{ standby: old, primary: new }}

  # The new primary no longer has the WAL from there on.
  - promote: {{ node: new2 }}
{new_goes_on}
  - rewind: {{ node: old2, to: new2 }}
    expect: {{ fails: "(?s)the server on `old2` does not start.*could not locate required checkpoint record|`old2` does not stream from `new2`.*has already been removed|WAL that it begins with" }}
  - rebuild: {{ node: old2, follows: new2 }}
  - assert_streaming: {{ standby: old2, primary: new2 }}

  # Both begin timeline 2, but not the same one.
  - promote: {{ node: twin }}
  - promote: {{ node: other }}
  - sql: {{ node: twin, query: "INSERT INTO t VALUES (7)" }}
  - sql: {{ node: other, query: "INSERT INTO t VALUES (8)" }}
  - rewind: {{ node: twin, to: other }}
    expect: {{ fails: "(?s)`twin` and `other` have no common history.*promoted beside each other" }}
  # Nor have two that were never one.
  - rewind: {{ node: stranger, to: new }}
    expect: {{ fails: "`stranger` and `new` are two clusters" }}
  - sql: {{ node: stranger, query: "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm -rf global'" }}
    expect: {{ fails: "is not running" }}
  - rebuild: {{ node: twin, follows: other }}
  - assert_rows: {{ node: twin, query: SELECT n FROM t, equals: [[8]] }}
"#
    );
    drill(&yaml).passed();
}

#[test]
fn pg_rewind_reads_the_archive_for_what_pg_wal_lacks() {
    let yaml = format!(
        r#"
repos: {{ onsite: {{}} }}
nodes:
  old: {{ archive_to: onsite, settings: {FRUGAL} }}
  new: {{ follows: old }}
steps:
  - sql: {{ node: old, query: "CREATE TABLE t (n int)" }}
  - assert_streaming: {{ standby: new, primary: old }}
  - promote: {{ node: new }}
  - sql: {{ node: old, query: "SELECT pg_drop_replication_slot('new')" }}
  - sql: {{ node: old, query: "INSERT INTO t VALUES (1)" }}
  - wait_archived: {{ node: old }}
  - sql: {{ node: old, query: "INSERT INTO t VALUES (2)" }}
  - wait_archived: {{ node: old }}
  - sql: {{ node: old, query: CHECKPOINT }}
  - sql: {{ node: old, query: CHECKPOINT }}
  - id: back
    rewind: {{ node: old, to: new }}
  - assert_streaming: {{ standby: old, primary: new }}
  - assert_rows: {{ node: old, table: t, same_as: new, allow_empty: true }}
  - assert_rows: {{ node: old, query: SHOW restore_command, equals: [[""]] }}
"#
    );
    let run = drill(&yaml).passed();
    assert_eq!(
        run.fact("back", "commits_thrown_away"),
        "unknown: their WAL was not in pg_wal any more",
        "{}",
        run.said
    );
}

#[test]
fn standbys_are_made_anew_whatever_is_left_of_them() {
    let wipe = |node: &str| {
        format!(
            r#"  - sql: {{ node: {node}, query: "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm -rf \"$(head -2 postmaster.pid | tail -1)\"/*'; SELECT pg_sleep(60)" }}
    within: 1s
    expect: {{ fails: "deadline has passed|connection closed|No such file" }}
"#
        )
    };
    let wipe_standby = wipe("standby");
    let yaml = format!(
        r#"
repos: {{ onsite: {{}} }}
nodes:
  master: {{ archive_to: onsite, settings: {FRUGAL} }}
  standby: {{ follows: master, settings: {{ work_mem: 7MB }} }}
  below: {{ follows: standby }}
steps:
  - create_data: {{ node: master, table: t, rows: 1000 }}
  - {{ id: nightly, backup: {{ node: master }} }}
  - assert_streaming: {{ standby: below, primary: standby }}

  - id: running
    rebuild: {{ node: standby, follows: master }}
  - all:
      - assert_streaming: {{ standby: standby, primary: master }}
      - assert_rows: {{ node: standby, query: SHOW work_mem, equals: [["7MB"]] }}
      - assert_rows: {{ node: standby, query: SHOW restore_command, equals: [[""]] }}
      - assert_rows: {{ node: master, query: "SELECT slot_name, active FROM pg_replication_slots", equals: [[standby, true]] }}
      # Its standby's slot was lost with it, and is there again. The WAL that its standby needs may be gone.
      - assert_rows: {{ node: standby, query: "SELECT slot_name FROM pg_replication_slots", equals: [[below]] }}
  - rebuild: {{ node: below, follows: standby }}
  - assert_streaming: {{ standby: below, primary: standby }}

  - {KILL}, node: standby }}
    expect: {{ fails: "connection closed|terminat" }}
  - id: crashed
    rebuild: {{ node: standby, follows: master, from: nightly }}
  - all:
      - assert_streaming: {{ standby: standby, primary: master }}
      - assert_rows: {{ node: standby, table: t, same_as: master }}
      - assert_rows: {{ node: standby, query: "SELECT current_setting('restore_command') LIKE 'cp %'", equals: [[true]] }}
      - assert_rows: {{ node: master, query: "SELECT slot_name, active FROM pg_replication_slots", equals: [[standby, true]] }}

{wipe_standby}
  - id: wiped
    rebuild: {{ node: standby, follows: master }}
  - assert_streaming: {{ standby: standby, primary: master }}

  - id: new
    rebuild: {{ node: spare, follows: standby }}
  - assert_streaming: {{ standby: spare, primary: standby }}
  - rebuild: {{ node: spare2, follows: master, from: nightly }}
  - assert_streaming: {{ standby: spare2, primary: master }}
  - recover: {{ node: spare2, until: latest, then: pause }}
  - assert_in_recovery: {{ node: spare2 }}
  - promote: {{ node: spare }}
  - assert_rows: {{ node: spare, table: t, same_as: master }}
  - {KILL}, node: master }}
    expect: {{ fails: "connection closed|terminat" }}
  - rebuild: {{ node: master, follows: spare }}
  - assert_streaming: {{ standby: master, primary: spare }}
  - promote: {{ node: master }}
"#
    );
    let run = drill(&yaml).passed();
    assert_eq!(run.fact("running", "stopped"), "it still ran", "{}", run.said);
    assert!(run.fact("crashed", "stopped").is_null(), "{}", run.said);
    // The postmaster may not have noticed yet; or a process of it wanted a file that was gone, and
    // it has ended.
    let wiped = run.fact("wiped", "stopped");
    assert!(wiped.is_null() || *wiped == "it still ran", "{}", run.said);
    assert!(run.fact("new", "stopped").is_null(), "{}", run.said);
}

/// Removes the oldest segment behind the repo's back.
const LOSE_OLDEST: &str = r"DO $$ DECLARE
  wal text := substring(current_setting('archive_command') FROM 'test -e (\S+)/%f');
  segment text := (SELECT name FROM pg_ls_dir(wal) name WHERE length(name) = 24 AND name > '$AFTER' ORDER BY name LIMIT 1);
BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat >/dev/null; rm ' || wal || '/' || segment); END $$";

/// A page that is damaged on disk: one byte of its last row.
const DAMAGE: &str = r"DO $$ BEGIN
  CHECKPOINT;
  EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat >/dev/null; printf X | dd bs=1 seek=8180 conv=notrunc of=' || pg_relation_filepath('t'));
END $$";

#[test]
fn what_cannot_be_rebuilt_is_told() {
    let damage = serde_json::to_string(DAMAGE).expect("a string");
    let lose = serde_json::to_string(&LOSE_OLDEST.replace("$AFTER", "000000010000000000000003")).expect("a string");
    let write = r#"  - sql: { node: master, query: "INSERT INTO t SELECT n + 1 FROM t LIMIT 1" }
  - wait_archived: { node: master }
"#;
    let yaml = format!(
        r#"
repos: {{ onsite: {{}} }}
nodes:
  master: {{ archive_to: onsite, settings: {FRUGAL} }}
  standby: {{ follows: master }}
  dead: {{}}
steps:
  - sql: {{ node: master, query: "CREATE TABLE t (n int); INSERT INTO t VALUES (1)" }}
  - {{ id: nightly, backup: {{ node: master }} }}
  # Nothing is removed before it is certain that there is somebody to follow.
  - rebuild: {{ node: master, follows: standby }}
    expect: {{ fails: "(?s)`standby` is itself a standby of `master`.*promote: \\{{ node: standby" }}
  - rebuild: {{ node: spare, follows: standby }}
  - rebuild: {{ node: master, follows: spare }}
    expect: {{ fails: "`spare` is itself a standby of `master`" }}
  - {KILL}, node: dead }}
    expect: {{ fails: "connection closed|terminat" }}
  - rebuild: {{ node: standby, follows: dead }}
    expect: {{ fails: "node `dead` does not answer" }}
  - assert_streaming: {{ standby: standby, primary: master }}
{write}{write}{write}
  - sql: {{ node: master, query: {lose} }}
  - sql: {{ node: master, query: CHECKPOINT }}
  - sql: {{ node: master, query: CHECKPOINT }}
  - rebuild: {{ node: late, follows: master, from: nightly }}
    within: 10s
    expect: {{ fails: "(?s)timed out after [0-9.]+ s waiting for `late` to stream from `master`.*requested WAL segment [0-9A-F]{{24}} has already been removed.*repo `onsite` does not hold [0-9A-F]{{24}} either" }}
  - rebuild: {{ node: late, follows: master }}
  - assert_streaming: {{ standby: late, primary: master }}
  - sql: {{ node: master, query: {damage} }}
  - rebuild: {{ node: corrupt, follows: master }}
    expect: {{ fails: "(?s)pg_basebackup of `master` failed.*checksum verification failed" }}
  - assert_rows: {{ node: master, query: "SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'corrupt'", equals: [[0]] }}
"#
    );
    drill(&yaml).passed();
}

#[test]
fn mistakes_with_standbys_can_be_drilled() {
    let yaml = format!(
        r#"
repos: {{ onsite: {{}}, offsite: {{ copy_of: onsite }} }}
nodes:
  master: {{ archive_to: onsite, settings: {FRUGAL} }}
steps:
  - sql: {{ node: master, query: "CREATE TABLE t (n int); INSERT INTO t VALUES (1)" }}
  - {{ id: nightly, backup: {{ node: master }} }}
  - sync: {{ repo: offsite }}
  - id: two
    sql: {{ node: master, query: "INSERT INTO t VALUES (2)" }}
  - wait_archived: {{ node: master }}
  - sql: {{ node: master, query: CHECKPOINT }}
  - sql: {{ node: master, query: CHECKPOINT }}

  - recover: {{ node: alone, backup: nightly, until: latest, then: promote, restore_command: none }}
    expect: {{ fails: "(?s)must specify restore_command when standby mode is not enabled.*only the restore_command reads the archive" }}
  - recover: {{ node: behind, backup: nightly, repo: offsite, until: latest, then: {{ follow: master }} }}
    expect: {{ fails: "(?s)`behind` does not stream from `master`.*requested WAL segment 0{{7}}1[0-9A-F]{{16}} has already been removed.*repo `offsite` does not hold 0{{7}}1[0-9A-F]{{16}}: it is as new as the last `sync` from `onsite`" }}
  - recover: {{ node: blind, backup: nightly, until: latest, then: {{ follow: master }}, restore_command: none }}
    expect: {{ fails: "(?s)has already been removed.*repo `onsite` holds 0{{7}}1[0-9A-F]{{16}}, but nothing reads it: the server has no restore_command" }}
  - recover: {{ node: blind2, backup: nightly, until: {{ after: two }}, then: {{ follow: master }}, restore_command: none }}
    expect: {{ fails: must specify restore_command }}
  # The same server, with what it lacked.
  - recover: {{ node: blind, until: latest, then: {{ follow: master }} }}
  - sync: {{ repo: offsite }}
  - assert_streaming: {{ standby: behind, primary: master }}
  - assert_streaming: {{ standby: blind, primary: master }}
  - assert_rows: {{ node: master, query: "SELECT count(*) FROM pg_replication_slots", equals: [[0]] }}

  - recover: {{ node: wrong, backup: nightly, until: latest, then: {{ follow: master }}, signal: recovery.signal }}
    expect: {{ fails: "(?s)`wrong` does not stream from `master`: it was promoted.*on timeline 2.*standby.signal makes a standby" }}
  - assert_primary: {{ node: wrong }}

  - recover: {{ node: quiet, backup: nightly, until: latest, then: promote }}
  - assert_rows: {{ node: quiet, query: SHOW archive_mode, equals: [["off"]] }}
  - recover: {{ node: fine, backup: nightly, until: latest, then: {{ follow: master }} }}
  - assert_streaming: {{ standby: fine, primary: master }}
  - recover: {{ node: loud, backup: nightly, until: latest, then: promote, archive_to: onsite }}
  - wait_archived: {{ node: loud }}
  - recover: {{ node: late, backup: nightly, until: latest, then: {{ follow: master }} }}
    expect: {{ fails: "(?s)highest timeline 1 of the primary is behind recovery timeline 2.*repo `onsite` holds timeline 2.*archived into it" }}
  - recover: {{ node: stray, backup: nightly, until: latest, then: {{ follow: quiet }} }}
    within: 10s
    expect: {{ fails: "`stray` (does not|to) stream from `quiet`" }}
"#
    );
    drill(&yaml).passed();
}

/// The primary says `streaming`, and nothing else is believed: a standby says it of itself as soon
/// as it is connected.
#[test]
fn a_standby_that_is_only_connected_does_not_stream() {
    let yaml = format!(
        r#"
repos: {{ onsite: {{}} }}
nodes:
  master: {{ archive_to: onsite, settings: {FRUGAL} }}
steps:
  - sql: {{ node: master, query: "CREATE TABLE t (n int)" }}
  - {{ id: nightly, backup: {{ node: master }} }}
  - sql: {{ node: master, query: "INSERT INTO t VALUES (2)" }}
  - wait_archived: {{ node: master }}
  - sql: {{ node: master, query: CHECKPOINT }}
  - sql: {{ node: master, query: CHECKPOINT }}
  - recover: {{ node: tonight, backup: nightly, until: latest, then: {{ follow: master }}, restore_command: none }}
    expect: {{ fails: has already been removed }}
  - assert_log: {{ node: tonight, has: started streaming WAL from primary }}
  - assert_rows: {{ node: tonight, query: "SELECT count(*) FROM t", equals: [[0]] }}
"#
    );
    drill(&yaml).passed();
}

/// Each variant of the riddle fails by its own cause, and not by another one's.
#[test]
fn the_wal_keep_drills_show_each_its_own_cause() {
    let run = wal_keep_drills(&["--backend", "local", "-j", "2"]);
    let drills = run.report["drills"].as_array().expect("drills");
    let causes = [
        ("wal-keep-archive-behind", "it is as new as the last `sync` from `onsite`"),
        ("wal-keep-control", ""),
        ("wal-keep-no-restore-command", "the server has no restore_command"),
        ("wal-keep-polluted-archive", "highest timeline 1 of the primary is behind recovery timeline 2"),
        ("wal-keep-recovery-signal", "it was promoted"),
        ("wal-keep-size", ""),
    ];
    assert_eq!(drills.len(), causes.len(), "{}", run.said);
    for (name, cause) in causes {
        let drill =
            drills.iter().find(|drill| drill["name"] == name).unwrap_or_else(|| panic!("no {name}: {}", run.said));
        let steps = drill["steps"].as_array().expect("steps");
        let follows =
            |step: &&Value| step["kind"] == "recover" && step["facts"]["target"] == "the end of the archived WAL";
        let tonight = steps.iter().find(follows).unwrap_or_else(|| panic!("no standby in {name}: {}", run.said));
        let failed = tonight["facts"]["failed_as_expected"].as_str().unwrap_or_default();
        assert_eq!(failed.is_empty(), cause.is_empty(), "{name}: {failed}");
        for (_, other) in causes.iter().filter(|(_, other)| !other.is_empty()) {
            assert_eq!(failed.contains(other), *other == cause, "{name}: {failed}");
        }
        let missing = tonight["facts"]["missing_segment"].as_str();
        assert_eq!(
            missing.is_some(),
            ["wal-keep-archive-behind", "wal-keep-no-restore-command"].contains(&name),
            "{name}"
        );
    }
}

/// The scripts that end, remove and rewind servers run in a container as well, and pg_rewind of 15
/// needs a checkpoint that 17 does not.
#[test]
fn docker_servers_are_rewound_and_rebuilt() {
    let yaml = format!(
        r#"
repos: {{ onsite: {{}} }}
nodes:
  master: {{ archive_to: onsite }}
  standby: {{ follows: master, archive_to: onsite }}
steps:
  - create_data: {{ node: master, table: t, rows: 1000 }}
  - {{ id: nightly, backup: {{ node: master }} }}
  - assert_streaming: {{ standby: standby, primary: master }}
  - promote: {{ node: standby }}
  - sql: {{ node: master, query: "DELETE FROM t" }}
  - sql: {{ node: standby, query: "DELETE FROM t WHERE id = 1" }}
  - id: lived_on
    rewind: {{ node: master, to: standby }}
  - assert_streaming: {{ standby: master, primary: standby }}
  - {KILL}, node: standby }}
    expect: {{ fails: "connection closed|terminat" }}
  - promote: {{ node: master }}
  - rewind: {{ node: standby, to: master }}
  - assert_streaming: {{ standby: standby, primary: master }}
  - {KILL}, node: standby }}
    expect: {{ fails: "connection closed|terminat" }}
  - rebuild: {{ node: standby, follows: master }}
  - assert_streaming: {{ standby: standby, primary: master }}
  - rebuild: {{ node: spare, follows: standby, from: nightly }}
  - assert_rows: {{ node: spare, table: t, count: 999 }}
"#
    );
    let run = drill_on(&yaml, &["--backend", "docker", "--postgres", "17"]).passed();
    assert_eq!(run.fact("lived_on", "commits_thrown_away"), 1, "{}", run.said);
}

/// CREATE TABLESPACE by hand, while a standby is down or frozen: on one file system both would use
/// the directory, and neither starts, goes on, nor is rewound.
#[test]
fn nobody_replays_into_the_directory_of_another_one() {
    let by_hand = |node: &str| {
        format!(
            r#"
  - exec:
      node: {node}
      run:
        - sh
        - -euc
        - |
          dir="$(cd "$PGDATA/.." && pwd)/fast"
          mkdir "$dir"
          psql -Xqv ON_ERROR_STOP=1 -c "CREATE TABLESPACE fast LOCATION '$dir'"
"#
        )
    };
    let last = "  - assert_primary: { node: master }\n";
    let nodes = "nodes:\n  master: {}\n  standby: { follows: master }\nsteps:\n";
    let down = format!("  - stop: {{ node: standby }}{}  - start: {{ node: standby }}\n{last}", by_hand("master"));
    let frozen = format!("  - pause: {{ node: standby }}{}  - unpause: {{ node: standby }}\n{last}", by_hand("master"));
    let rewound = format!(
        "  - crash: {{ node: master }}\n  - promote: {{ node: standby }}{}  - rewind: {{ node: master, to: standby }}\n{last}",
        by_hand("standby")
    );
    let said = |node: &str, other: &str| format!("`{node}` would use the directory of a tablespace of `{other}`");
    drill(&format!("{nodes}{down}")).failed(4, &[&said("standby", "master"), "start standby"]);
    drill(&format!("{nodes}{frozen}")).failed(4, &[&said("standby", "master"), "unpause standby"]);
    drill(&format!("{nodes}{rewound}")).failed(4, &[&said("master", "standby"), "rewind master"]);
    // A server that is no kin of theirs replays nothing of it.
    let stranger = format!(
        "repos: {{ onsite: {{}} }}\nnodes:\n  master: {{}}\n  other: {{ archive_to: onsite }}\nsteps:\n  - {{ id: nightly, backup: {{ node: other }} }}{}\
         \n  - recover: {{ node: rescue, backup: nightly, until: end_of_backup, then: promote }}\n{last}",
        by_hand("master")
    );
    drill(&stranger).passed();
}
