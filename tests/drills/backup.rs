//! Backups, archives and what becomes of them: damage that is found and named, archive commands
//! that do not archive, WAL that is lost, data that is overwritten and wiped, on real servers as
//! local processes; and the drills that ship about it.

use crate::cli_runner::CliRunner;
use crate::run::Run;
use serde_json::Value;

fn drill(yaml: &str) -> Run {
    drill_at(&CliRunner::new(), yaml)
}

fn drill_at(runner: &CliRunner, yaml: &str) -> Run {
    let path = runner.path().join("drill.yaml");
    std::fs::write(&path, format!("drillyard: 1\nname: drill\n{yaml}")).expect("written");
    runner.run(&["--backend", "local", &path.display().to_string()])
}

/// It could not be judged, and all of these were said.
fn errored(run: &Run, parts: &[&str]) {
    assert_eq!((run.code, &run.report["outcome"]), (4, &Value::from("errored")), "{}", run.said);
    for part in parts {
        assert!(run.said.contains(part), "not said: {part}\n{}", run.said);
    }
}

const MASTER: &str = "repos: { onsite: {} }\nnodes:\n  master: { archive_to: onsite }\n";

#[test]
fn an_archive_that_fails_lies_and_lags() {
    let steps = r#"
steps:
  - create_data: { node: master, table: t, rows: 100 }
  - { id: nightly, backup: { node: master } }
  - mend_archive: { node: master }
    expect: { fails: "(?s)there is nothing to mend.*archive_command of `master` is not broken" }

  - id: fails
    break_archive: { node: master, how: fails }
  - break_archive: { node: master, how: fails }
    expect: { fails: "(?s)the incident did nothing.*archive_command of `master` fails already" }
  - wait_archived: { node: master }
    within: 1500ms
    expect: { fails: "(?s)timed out after [0-9.]+ s waiting for segment [0-9A-F]{24} in repo `onsite`.*cp: cannot create regular file .*/archivedir/" }
  - wait_for: { node: master, query: SELECT failed_count > 0 FROM pg_stat_archiver, equals: true }
  - id: mended
    mend_archive: { node: master }
  - wait_archived: { node: master }

  - id: lags
    break_archive: { node: master, how: lags, by: 1s }
  - { id: late, sql: { node: master, query: "INSERT INTO t SELECT id + 1000, amount, note, at FROM t" } }
  - wait_archived: { node: master, through: late }
    within: 200ms
    expect: { fails: "timed out after [0-9.]+ s waiting for segment" }
  - name: after a second it is there by itself
    wait_archived: { node: master, through: late }
  - break_archive: { node: master, how: fails }
  - break_archive: { node: master, how: lags, by: 1h }
  - { id: later, sql: { node: master, query: "INSERT INTO t SELECT id + 2000, amount, note, at FROM t" } }
  - id: moved
    mend_archive: { node: master }
  - wait_archived: { node: master, through: later }
  - recover: { node: all, backup: nightly, until: { after: later }, then: promote }
  - assert_rows: { node: all, table: t, same_as: master }

  - id: lies
    break_archive: { node: master, how: lies }
  - { id: lost, sql: { node: master, query: "INSERT INTO t SELECT id + 8000, amount, note, at FROM t" } }
  - wait_archived: { node: master, through: lost }
    within: 3s
    expect: { fails: "(?s)timed out after [0-9.]+ s waiting for segment ([0-9A-F]{24}) in repo `onsite`.*last archived, as the server says: [0-9A-F]{24} at .*; but [0-9A-F]{24} is not in repo `onsite`: it has [0-9]+ segments" }
  - id: honest
    mend_archive: { node: master }
  - { id: after, mark: { node: master } }
  - wait_archived: { node: master, through: after }
    expect: { fails: "(?s)there is a gap in the archive.*segments [0-9A-F]{24}.* are not in repo `onsite`, though the server has archived what comes after them" }
  - recover: { node: gap, backup: nightly, until: latest, then: promote }
    expect: { fails: "(?s)recovery ended at a gap in the archive.*segment [0-9A-F]{24} is missing: it ended in [0-9A-F]{24}, and repo `onsite` goes on" }
  - recover: { node: short, backup: nightly, until: { mark: after }, then: pause }
    expect: { fails: "(?s)recovery ended before configured recovery target was reached.*segment [0-9A-F]{24} is missing.*; the target lies in [0-9A-F]{24}" }
  - { id: fresh, backup: { node: master } }
  - name: what was missing before the last backup is of no more use
    wait_archived: { node: master }
"#;
    let run = drill(&format!("{MASTER}{steps}")).passed();
    let count = |id, name| run.fact(id, name).as_u64().expect("a number");
    assert!(count("mended", "failed_count") > 0, "{}", run.said);
    assert_eq!(count("mended", "came_late") + count("mended", "not_kept"), 0, "{}", run.said);
    assert!(count("moved", "came_late") > 0, "{}", run.said);
    assert!(count("honest", "not_kept") >= 2, "{}", run.said);
    assert!(run.fact("lies", "segment").is_string(), "{}", run.said);
}

/// What ALTER SYSTEM has set outlasts a restart, and what is late lies on the host meanwhile. (To
/// be damaged, a server is restarted.)
#[test]
fn an_archive_is_as_broken_after_a_restart() {
    let yaml = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
  standby: { follows: master, archive_to: onsite }
steps:
  - create_data: { node: master, table: t, rows: 100 }
  - create_data: { node: master, table: unwanted, rows: 10 }
  - { id: nightly, backup: { node: master } }
  - break_archive: { node: standby, how: lies }
    expect: { fails: "`standby` is in recovery, and archives nothing" }
  - break_archive: { node: master, how: lags, by: 1h }
  - { id: late, sql: { node: master, query: "INSERT INTO t SELECT id + 1000, amount, note, at FROM t" } }
  - corrupt: { node: master, table: unwanted }
  - wait_archived: { node: master, through: late }
    within: 1s
    expect: { fails: "timed out after [0-9.]+ s waiting for segment" }
  - { id: moved, mend_archive: { node: master } }
  - wait_archived: { node: master, through: late }
  - break_archive: { node: master, how: fails }
  - { id: kept, sql: { node: master, query: "INSERT INTO t SELECT id + 2000, amount, note, at FROM t" } }
  - corrupt: { node: master, index: unwanted_pkey }
  - break_archive: { node: master, how: fails }
    expect: { fails: archive_command of `master` fails already }
  - mend_archive: { node: master }
  - wait_archived: { node: master, through: kept }
  - assert_streaming: { standby: standby, primary: master }
  - recover: { node: all, backup: nightly, until: { after: kept }, then: promote }
  - assert_rows: { node: all, table: t, same_as: master }
"#;
    let run = drill(yaml).passed();
    assert!(run.fact("moved", "came_late").as_u64() > Some(0), "{}", run.said);
}

/// A heap page, an index page, a toast chunk, a backup's file, a WAL segment: each is found and
/// named.
#[test]
fn damage_is_found_and_named() {
    let yaml = r#"
repos: { onsite: {}, offsite: { copy_of: onsite } }
nodes:
  master: { archive_to: onsite }
  heap: {}
  index: {}
  toast: {}
steps:
  - create_data: { node: heap, table: t, rows: 1000 }
  - assert_intact: { node: heap }
  - { id: heap_page, corrupt: { node: heap, table: t } }
  - assert_intact: { node: heap }
    expect: { fails: '(?s)`heap` is not intact.*table t: checksum verification failed in file "\S*base/\d+/\d+", block 0: .*table t: invalid page in block 0 of relation "?base/\d+/\d+' }
  - assert_rows: { node: heap, table: t, count: 1000 }
    expect: { fails: invalid page in block 0 of relation }
  - id: refused
    backup: { node: heap, repo: onsite }
    expect: { fails: '(?s)pg_basebackup failed \(exit status 1\).*checksum verification failed in file "\S*base/\d+/\d+", block 0' }
  - assert_intact: { backup: refused }
    expect: { fails: there is no backup at }

  - create_data: { node: index, table: t, rows: 1000 }
  - { id: index_page, corrupt: { node: index, index: t_pkey } }
  - assert_intact: { node: index }
    expect: { fails: '(?s)index t_pkey of t: checksum verification failed in file "\S*base/\d+/\d+", block 1: .*index t_pkey of t: invalid page in block 1' }
  - assert_rows: { node: index, table: t, count: 1000 }

  - sql: { node: toast, query: "CREATE TABLE notes (note text); ALTER TABLE notes ALTER note SET STORAGE external; INSERT INTO notes SELECT repeat(md5(i::text), 300) FROM generate_series(1, 20) i" }
  - { id: toast_page, corrupt: { node: toast, table: notes, toast: true } }
  - assert_intact: { node: toast }
    expect: { fails: '(?s)toast table of notes: checksum verification failed in file "\S*base/\d+/\d+", block 0: .*table notes: invalid page in block 0' }
  - assert_rows: { node: toast, query: SELECT count(*) FROM notes, equals: [[20]] }

  - create_data: { node: master, table: t, rows: 1000 }
  - { id: nightly, backup: { node: master } }
  - wait_archived: { node: master }
  - { id: full, create_data: { node: master, table: more, rows: 20000 } }
  - { id: noon, mark: { node: master } }
  - wait_archived: { node: master, through: noon }
  - { id: evening, sql: { node: master, query: "INSERT INTO t SELECT id + 1000, amount, note, at FROM t" } }
  - wait_archived: { node: master, through: evening }
  - sync: { repo: offsite }
  - assert_intact: { backup: nightly }
  - { id: backup_file, corrupt: { repo: onsite, backup: nightly } }
  - assert_intact: { backup: nightly }
    expect: { fails: '(?s)backup `nightly` in repo `onsite` is not intact.*checksum mismatch for file "base/\d+/\d+"' }
  - corrupt: { backup: nightly, file: PG_VERSION }
  - assert_intact: { backup: nightly }
    expect: { fails: '(?s)found: .*checksum mismatch for file "PG_VERSION"' }
  - recover: { node: unusable, backup: nightly, until: latest, then: promote }
    expect: { fails: 'the server on `unusable` does not start' }
  - assert_intact: { backup: nightly, repo: offsite }
  - corrupt: { repo: offsite, backup: nightly, file: backup_manifest }
  - assert_intact: { backup: nightly, repo: offsite }
    expect: { fails: manifest }

  - { id: segment, corrupt: { repo: offsite, wal: last } }
  - recover: { node: wal1, backup: nightly, repo: offsite, until: latest, then: promote }
    expect: { fails: '(?s)recovery ended at damage in the archive.*segment [0-9A-F]{24} in repo `offsite` is damaged: .*[0-9A-F]{24}' }
  - recover: { node: wal2, backup: nightly, repo: offsite, until: latest, then: pause }
    expect: { fails: '(?s)recovery ended at damage in the archive.*segment [0-9A-F]{24} in repo `offsite` is damaged' }
  - recover: { node: wal3, backup: nightly, repo: offsite, until: { before: evening }, then: promote }
    expect: { fails: '(?s)before configured recovery target was reached.*segment [0-9A-F]{24} in repo `offsite` is damaged: .*; the target lies in [0-9A-F]{24}' }
  - recover: { node: wal4, backup: nightly, repo: offsite, until: { mark: noon }, then: pause }
  - corrupt: { repo: offsite, wal: noon }
  - recover: { node: wal5, backup: nightly, repo: offsite, until: latest, then: promote }
    expect: { fails: '(?s)recovery ended at damage in the archive.*segment [0-9A-F]{24} in repo `offsite` is damaged' }
  - recover: { node: wal6, backup: nightly, repo: offsite, until: latest, then: shutdown }
    expect: { fails: '(?s)recovery ended at damage in the archive' }
  - recover: { node: wal7, backup: nightly, repo: offsite, until: { mark: noon }, then: shutdown }
    expect: { fails: '(?s)recovery (did not come out at its|ended before configured recovery) target.*segment [0-9A-F]{24} in repo `offsite` is damaged' }
"#;
    let run = drill(yaml).passed();
    for (id, file, block) in [("heap_page", "base/", 0), ("index_page", "base/", 1), ("toast_page", "base/", 0)] {
        assert!(run.fact(id, "file").as_str().is_some_and(|name| name.starts_with(file)), "{id}: {}", run.said);
        assert_eq!(run.fact(id, "block"), block, "{id}");
        assert_eq!(run.fact(id, "offset"), block * 8192 + 4096, "{id}");
    }
    assert_eq!(run.fact("toast_page", "relation"), "toast table of notes");
    assert!(run.fact("backup_file", "file").as_str().is_some_and(|name| name.starts_with("base/")), "{}", run.said);
    assert_eq!(run.fact("segment", "file").as_str().map(str::len), Some(24), "{}", run.said);
    assert_eq!(run.fact("segment", "offset"), 8192, "{}", run.said);
}

#[test]
fn damage_of_nothing_is_no_incident() {
    let yaml = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
steps:
  - sql: { node: master, query: "CREATE TABLE empty (n int PRIMARY KEY); CREATE TABLE short (n int); INSERT INTO short VALUES (1); CREATE VIEW seen AS SELECT * FROM short; CREATE TABLE parts (n int) PARTITION BY RANGE (n)" }
  - corrupt: { node: master, table: missing }
    expect: { fails: '(?s)the incident did nothing.*relation "missing" does not exist' }
  - corrupt: { node: master, table: empty }
    expect: { fails: the table empty is empty }
  - corrupt: { node: master, index: empty_pkey }
    expect: { fails: the index empty_pkey is empty }
  - corrupt: { node: master, index: short }
    expect: { fails: short is no index }
  - corrupt: { node: master, table: empty_pkey }
    expect: { fails: empty_pkey is no table }
  - corrupt: { node: master, table: short, toast: true }
    expect: { fails: short has no toast table }
  - corrupt: { node: master, table: seen }
    expect: { fails: seen is no table }
  - corrupt: { node: master, table: parts }
    expect: { fails: parts is partitioned }
  - corrupt: { repo: onsite, wal: last }
    expect: { fails: there is no WAL in repo `onsite` }
  - lose_wal: { repo: onsite, which: first }
    expect: { fails: '(?s)the incident did nothing.*there is no WAL in repo `onsite`' }
  - { id: early, mark: { node: master } }
  - wait_archived: { node: master }
  - { id: open, mark: { node: master } }
  - corrupt: { wal: open }
    expect: { fails: '(?s)the incident did nothing.*there is no segment [0-9A-F]{24} in repo `onsite`: it has one segment, [0-9A-F]{24}.*wait_archived' }
  - lose_wal: { which: 0000000100000000000000AB }
    expect: { fails: there is no segment 0000000100000000000000AB in repo `onsite` }
  - lose_wal: { which: 000000010000000000000099 }
    expect: { fails: there is no segment 000000010000000000000099 in repo `onsite` }
  - { id: lost, lose_wal: { which: early } }
  - lose_wal: { which: early }
    expect: { fails: there is no WAL in repo `onsite` }
  - { id: nightly, backup: { node: master } }
  - corrupt: { backup: nightly, file: base/no-such-file }
    expect: { fails: '(?s)the incident did nothing.*there is no file' }
  - assert_log: { node: master, lacks: no such line, since: lost }
  - assert_rows: { node: master, table: short, count: 1 }
"#;
    let run = drill(yaml).passed();
    assert!(run.fact("lost", "lsn").is_string(), "it is a mark by the clock of `master`: {}", run.said);
}

#[test]
fn segments_are_lost_by_name_place_and_mark() {
    let steps = r#"
steps:
  - create_data: { node: master, table: t, rows: 100 }
  - { id: one, mark: { node: master } }
  - wait_archived: { node: master }
  - { id: nightly, backup: { node: master } }
  - { id: two, mark: { node: master } }
  - wait_archived: { node: master }
  - { id: three, mark: { node: master } }
  - wait_archived: { node: master }
  - { id: four, mark: { node: master } }
  - wait_archived: { node: master }
  - { id: first, lose_wal: { repo: onsite, which: first } }
  - name: what the backup does not need is not missed
    wait_archived: { node: master }
  - { id: third, lose_wal: { repo: onsite, which: three } }
  - recover: { node: gap, backup: nightly, until: { mark: four }, then: promote }
    expect: { fails: "segment [0-9A-F]{24} is missing" }
  - recover: { node: before, backup: nightly, until: { mark: two }, then: promote }
  - { id: last, lose_wal: { repo: onsite, which: last } }
  - { id: next, lose_wal: { repo: onsite, which: nightly } }
  - recover: { node: at_once, backup: nightly, until: latest, then: promote }
    expect: { fails: "segment [0-9A-F]{24} is missing" }
  - recover: { node: backup_alone, backup: nightly, until: end_of_backup, then: promote }
  - assert_primary: { node: backup_alone }
"#;
    let run = drill(&format!("{MASTER}{steps}")).passed();
    let segment = |id| run.fact(id, "segment").as_str().expect("a name").to_owned();
    assert!(segment("first") < segment("next") && segment("next") < segment("third"), "{}", run.said);
    assert!(segment("third") < segment("last"), "{}", run.said);
}

#[test]
fn what_is_overwritten_is_counted() {
    let yaml = r#"
nodes: { master: {}, standby: { follows: master } }
steps:
  - create_data: { node: master, table: t, rows: 500 }
  - id: bug
    overwrite: { node: master, query: UPDATE t SET amount = 0 WHERE id <= 70 }
  - id: mistake
    overwrite: { node: master, query: "WITH old AS (SELECT id FROM t ORDER BY id DESC LIMIT 30) DELETE FROM t USING old WHERE t.id = old.id" }
  - overwrite: { node: master, query: UPDATE t SET amount = 0 WHERE id > 1000000 }
    expect: { fails: "(?s)the incident did nothing.*it has changed no row" }
  - overwrite: { node: master, query: "WITH old AS (SELECT * FROM t) SELECT * FROM old" }
    expect: { fails: it has changed no row }
  - overwrite: { node: master, query: DELETE FROM nowhere }
    expect: { fails: '(?s)the incident did not happen on `master`.*relation "nowhere" does not exist' }
  - assert_streaming: { standby: standby, primary: master }
  - overwrite: { node: standby, query: DELETE FROM t }
    expect: { fails: cannot execute DELETE in a read-only transaction }
  - assert_rows: { node: master, query: "SELECT count(*), count(*) FILTER (WHERE amount = 0) >= 70 FROM t", equals: [[470, true]] }
  - assert_streaming: { standby: standby, primary: master }
  - assert_rows: { node: standby, table: t, same_as: master }
"#;
    let run = drill(yaml).passed();
    assert_eq!(run.fact("bug", "rows"), 70);
    assert_eq!(run.fact("mistake", "rows"), 30);
    assert!(run.fact("bug", "xid").is_number(), "{}", run.said);
}

#[test]
fn what_is_wiped_is_gone_and_nothing_else() {
    let runner = CliRunner::new();
    let outside = runner.path().join("outside");
    std::fs::create_dir(&outside).expect("a directory");
    std::fs::write(outside.join("precious"), "not the drill's").expect("a file");
    let link = serde_json::to_string(&format!(
        "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; ln -s {} away'",
        outside.display()
    ));
    let yaml = format!(
        r#"
nodes: {{ master: {{}}, other: {{}} }}
steps:
  - create_data: {{ node: master, table: t, rows: 100 }}
  - sql: {{ node: master, query: {} }}
  - wipe: {{ node: master, path: away/precious }}
    expect: {{ fails: "(?s)the incident did nothing.*away/precious lies outside of the data directory" }}
  - wipe: {{ node: master, path: away }}
  - wipe: {{ node: master, path: away }}
    expect: {{ fails: "(?s)the incident did nothing.*there is no away in the data directory" }}
  - wipe: {{ node: master, path: pg_twophase/ }}
    expect: {{ fails: "(?s)the incident did nothing.*there are no files" }}
  - name: a server that lost its postmaster.pid can be stopped, and started again
    wipe: {{ node: master, path: postmaster.pid }}
  - corrupt: {{ node: master, index: t_pkey }}
  - assert_rows: {{ node: master, table: t, count: 100 }}
  - id: accident
    wipe: {{ node: master }}
  - wipe: {{ node: master }}
    expect: {{ fails: "there are no files|does not answer" }}
  - create_data: {{ node: other, table: t, rows: 100 }}
  - sql: {{ node: other, query: "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; echo > note'" }}
  - sql: {{ node: other, query: "CREATE TABLE named AS SELECT pg_relation_filepath('t') AS path" }}
  - id: base
    wipe: {{ node: other, path: base }}
  - assert_intact: {{ node: other }}
    expect: {{ fails: "`other` is not intact" }}
"#,
        link.expect("a string")
    );
    let run = drill_at(&runner, &yaml).passed();
    assert!(run.fact("accident", "files").as_u64() > Some(100), "{}", run.said);
    assert!(run.fact("base", "files").as_u64() > Some(100), "{}", run.said);
    assert!(run.fact("accident", "before").is_string(), "{}", run.said);
    assert_eq!(std::fs::read_to_string(outside.join("precious")).ok().as_deref(), Some("not the drill's"));
}

/// Damage that no checksum knows, in another database, on a standby, in a server that is
/// recovering.
#[test]
fn every_database_is_looked_at_wherever_the_server_stands() {
    let steps = r#"
  standby: { follows: master }
steps:
  - create_data: { node: master, table: t, rows: 1000 }
  - sql: { node: master, query: "CREATE UNLOGGED TABLE unlogged AS SELECT 1 AS n; CREATE INDEX ON unlogged (n)" }
  - { id: installs, assert_intact: { node: standby } }
  - id: nightly
    backup: { node: master }
  - { id: all, assert_intact: { node: master } }
  - recover: { node: paused, backup: nightly, until: end_of_backup, then: pause }
  - assert_intact: { node: paused }
  - name: rows that are not in their index
    sql: { node: master, query: "UPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 't_pkey'::regclass" }
  - sql: { node: master, query: "INSERT INTO t SELECT id + 5000, amount, note, at FROM t WHERE id = 7" }
  - sql: { node: master, query: "UPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 't_pkey'::regclass" }
  - id: missing
    assert_intact: { node: master }
    expect: { fails: '(?s)`master` is not intact.*index t_pkey of t: heap tuple \(\d+,\d+\) from table "t" lacks matching index tuple within index "t_pkey"' }
  - assert_streaming: { standby: standby, primary: master }
  - assert_intact: { node: standby }
    expect: { fails: '(?s)`standby` is not intact.*index t_pkey of t: heap tuple' }
"#;
    let run = drill(&format!("{MASTER}{steps}")).passed();
    assert!(run.fact("all", "databases").as_u64() >= Some(2), "{}", run.said);
    assert!(run.fact("all", "tables").as_u64() > Some(100), "{}", run.said);
    assert_eq!(run.fact("all", "checksums"), "read");
}

#[test]
fn damage_in_another_database_is_named_with_it() {
    let runner = CliRunner::new();
    // CREATE DATABASE does not run in a transaction, which `sql` is.
    std::fs::write(runner.path().join("other.sql"), "\\set ON_ERROR_STOP on\nCREATE DATABASE other;\n\\c other\nCREATE TABLE things AS SELECT i AS n FROM generate_series(1, 1000) i;\nCREATE INDEX things_n ON things (n);\nBEGIN;\nUPDATE pg_index SET indisready = false, indisvalid = false WHERE indexrelid = 'things_n'::regclass;\nCOMMIT;\nINSERT INTO things VALUES (5000);\nUPDATE pg_index SET indisready = true, indisvalid = true WHERE indexrelid = 'things_n'::regclass;\n").expect("written");
    let yaml = r#"
nodes: { master: {} }
steps:
  - create_data: { node: master, file: other.sql }
  - assert_intact: { node: master }
    expect: { fails: '(?s)`master` is not intact.*index things_n of things in database other: heap tuple' }
"#;
    drill_at(&runner, yaml).passed();
}

#[test]
fn what_cannot_be_judged_does_not_pass() {
    let steps = r#"
steps:
  - create_data: { node: master, table: t, rows: 100 }
  - { id: nightly, backup: { node: master } }
  - recover: { node: paused, backup: nightly, until: end_of_backup, then: pause }
  - assert_intact: { node: paused }
"#;
    let run = drill(&format!("{MASTER}{steps}"));
    errored(&run, &["`paused` cannot be checked: it is in recovery", "amcheck is not installed in"]);
}

#[test]
fn of_an_external_server_amcheck_is_asked_and_nothing_written() {
    let outside = CliRunner::new();
    let made = r#"
nodes: { prod: { settings: { wal_level: replica } } }
steps:
  - create_data: { node: prod, table: t, rows: 50 }
  - assert_rows: { node: prod, table: t, count: 50 }
  - sql: { node: prod, query: "CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'outside'" }
"#;
    let path = outside.path().join("drill.yaml");
    std::fs::write(&path, format!("drillyard: 1\nname: drill\n{made}")).expect("written");
    let kept = outside.run(&["--backend", "local", "--keep", "always", &path.display().to_string()]).passed();
    let id = kept.report["run"].as_str().expect("a run's id").to_owned();
    let node = format!("{id}/prod");
    let ask = |sql: &str| {
        let output = outside.output(["shell", &node, "--", "psql", "-XAtc", sql]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let dir = ask("SHOW unix_socket_directories");
    let mut runner = CliRunner::new();
    runner
        .vars
        .push(("PROD_URL".to_owned(), format!("host={dir} port=5432 user=reader password=outside dbname=postgres")));
    let head = "nodes:\n  prod: { external: { url: \"${env.PROD_URL}\" } }\nsteps:\n";
    let judge = format!("{head}  - {{ id: judged, assert_intact: {{ node: prod }} }}\n");
    let without = drill_at(&runner, &judge);
    let installed = ask("SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'");
    for database in ["postgres", "template1"] {
        let install = ["shell", &node, "--", "psql", "-XAtd", database, "-c", "CREATE EXTENSION amcheck"];
        assert!(outside.output(install).status.success());
    }
    let with = drill_at(&runner, &judge);
    let cleaned = outside.output(["clean", &id]).status.success();
    errored(&without, &["`prod` cannot be checked: a drill only reads from an external server"]);
    assert_eq!(installed, "0");
    let with = with.passed();
    assert_eq!(with.fact("judged", "checksums"), "not read: an external server");
    assert!(cleaned);
}

#[test]
fn what_server_a_backup_is_of_is_read_in_a_bundle_without_a_restore() {
    let steps = r#"
repos: { onsite: { kind: pgbackrest } }
nodes:
  master: { archive_to: onsite, settings: { max_connections: 133, session_preload_libraries: auto_explain } }
steps:
  - { id: nightly, backup: { node: master } }
  - { id: hour, assert_recoverable: { repo: onsite } }
"#;
    let run = drill(steps).passed();
    let said = |fact| run.fact("hour", fact).as_str().unwrap_or_default();
    assert!(said("settings").contains("max_connections 133"), "{}", run.said);
    assert_eq!(said("libraries"), "auto_explain", "{}", run.said);
    assert!(!said("not_checked").contains("pg_control"), "{}", run.said);
}
