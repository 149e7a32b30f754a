//! Mistakes, finding them in the WAL, and taking them back: small drills on real servers, with what
//! fails and how it is told.

use crate::cli_runner::CliRunner;
use crate::run::Run;
use serde_json::Value;

/// Runs one scenario; what the file begins with is added.
fn drill(runner: &CliRunner, yaml: &str, args: &[&str]) -> Run {
    let path = runner.path().join("drill.yaml");
    std::fs::write(&path, format!("drillyard: 1\nname: drill\n{yaml}")).expect("written");
    let path = path.display().to_string();
    runner.run(&[args, &[&path]].concat())
}

/// A fact of a step of every drill of the run, by the step's id.
fn facts(run: &Run, id: &str, name: &str) -> Vec<Value> {
    let steps = |drill: &Value| drill["steps"].as_array().cloned().expect("steps");
    let fact = |drill: &Value| {
        let found = steps(drill).into_iter().find(|step| step["id"] == id);
        found.unwrap_or_else(|| panic!("no step {id}: {}", run.said))["facts"][name].clone()
    };
    run.report["drills"].as_array().expect("drills").iter().map(fact).collect()
}

const LOCAL: &[&str] = &["--backend", "local"];

/// A table before and after a mistake, and users after it.
const MISTAKE: &str = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
steps:
  - sql: { query: "CREATE TABLE t (id int PRIMARY KEY, v text, n numeric); INSERT INTO t SELECT i, 'v' || i, i FROM generate_series(1, 100) i; CREATE TABLE plain (id int)" }
  - sql: { query: 'CREATE TABLE "Order Items" ("Order" int, "Item" text, v text, PRIMARY KEY ("Item", "Order")); INSERT INTO "Order Items" VALUES (1, $$a$$, $$x$$), (1, $$b$$, $$y$$)' }
  - { id: nightly, backup: {} }
  - id: accident
    sql: { query: "UPDATE t SET v = NULL WHERE id <= 10; DELETE FROM t WHERE id > 95; UPDATE \"Order Items\" SET v = 'bad'" }
  - sql: { query: "UPDATE t SET n = -1, v = CASE id WHEN 1 THEN 'mine' END WHERE id < 6; INSERT INTO t VALUES (100, 'v100', 7), (101, 'new', 1)" }
  - wait_archived: { node: master, through: accident }
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - recover: { node: spoilt, backup: nightly, until: { after: accident }, then: pause }
"#;

#[test]
fn a_mistake_is_taken_back() {
    let steps = r#"
  - id: asked
    reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: master }
    expect: { fails: "(?s)users have changed what the mistake changed, too.*2 conflicts in 2 rows; nothing was changed.*id 1: v was 'v1', the mistake made it null, and it is 'mine' now.*id 100: n was '100', the mistake deleted the row, and it is there again with '7'.*`on_conflict: keep`" }
  - assert_rows: { query: "SELECT count(*), count(v), sum(n) FILTER (WHERE id < 6) FROM t", equals: [[97, 88, -5]] }
  - id: kept
    reconcile: { table: T, key: [ID], good: rescue, bad: spoilt, into: master, on_conflict: keep }
  - assert_rows: { query: "SELECT count(*), count(v), sum(n) FILTER (WHERE id < 6) FROM t", equals: [[101, 101, -5]] }
  - assert_rows: { query: "SELECT id, v, n FROM t WHERE id > 99 OR v <> 'v' || id ORDER BY id", equals: [[1, mine, -1], [100, v100, 7], [101, new, 1]] }
  - id: again
    reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: master, on_conflict: keep }
  - id: taken
    reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: master, on_conflict: take }
  - assert_rows: { query: "SELECT id, v, n FROM t WHERE id > 99 OR v <> 'v' || id ORDER BY id", equals: [[100, v100, 100], [101, new, 1]] }
  - reconcile: { table: '"Order Items"', key: ['"Order"', '"Item"'], good: rescue, bad: spoilt, into: master }
  - assert_rows: { query: 'SELECT string_agg(v, $$$$ ORDER BY "Item") FROM "Order Items"', equals: [[xy]] }
  - reconcile: { table: '"Order Items"', key: ['"Order"', '"Item"'], good: rescue, into: master }
    expect: { fails: '(?s)`master` lacks nothing of "Order Items" on `rescue`.*its 2 rows are all there, with the same values' }

  - recover: { node: same, backup: nightly, until: { before: accident }, then: promote }
  - reconcile: { table: t, key: id, good: rescue, bad: same, into: master }
    expect: { fails: "(?s)there is no mistake in t between `rescue` and `same`.*its 100 rows are the same on both" }
  - reconcile: { table: t, key: identity, good: rescue, bad: spoilt, into: master }
    expect: { fails: "(?s)t cannot be merged.*there is no column identity on `master`" }
  - reconcile: { table: t, key: v, good: rescue, bad: spoilt, into: master }
    expect: { fails: "(?s)t cannot be merged.*these columns do not tell one row from all others.*unique constraint is on `id`" }
  - reconcile: { table: plain, key: id, good: rescue, bad: spoilt, into: master }
    expect: { fails: "(?s)plain cannot be merged.*no primary key and no unique constraint" }
  - reconcile: { table: nothing, key: id, good: rescue, bad: spoilt, into: master }
    expect: { fails: "(?s)nothing cannot be merged.*there is no such table on `master`.*`dump` and `reimport`" }
  - sql: { query: "ALTER TABLE t ADD COLUMN w int, ALTER COLUMN n TYPE numeric(10, 2)" }
  - reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: master }
    expect: { fails: "(?s)t cannot be merged.*the columns on `rescue` are not those on `master`.*`n` is numeric on `rescue` and numeric\\(10,2\\) on `master`\n`w` is not there on `rescue`" }
  - reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: spoilt }
"#;
    let run = drill(&CliRunner::new(), &format!("{MISTAKE}{steps}"), LOCAL);
    assert_eq!(run.code, 3, "{}", run.said);
    let steps = steps.replace("  - reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: spoilt }\n", "");
    let run = drill(&CliRunner::new(), &format!("{MISTAKE}{steps}"), LOCAL).passed();
    let number =
        |id: &str, name: &str| facts(&run, id, name)[0].as_u64().unwrap_or_else(|| panic!("{id} {name}: {}", run.said));
    let told = |id: &str| {
        ["restored_rows", "restored_cells", "put_back", "removed", "already_right", "conflicts"]
            .map(|name| number(id, name))
    };
    assert_eq!(told("asked"), [0, 0, 0, 0, 0, 2]);
    assert_eq!(told("kept"), [9, 9, 4, 0, 0, 2]);
    assert_eq!(told("again"), [0, 0, 0, 0, 13, 2]);
    assert_eq!(told("taken"), [2, 0, 0, 0, 13, 2]);
    assert_eq!((number("kept", "kept"), number("taken", "taken")), (2, 2));
    assert_eq!(facts(&run, "kept", "mistake"), ["changed 10, deleted 5"]);
}

#[test]
fn a_lock_that_others_hold_ends_a_merge_in_its_deadline() {
    let steps = r#"
  - id: holder
    traffic:
      node: master
      clients: 1
      transactions: { long: { sql: "UPDATE t SET n = 0 WHERE id = 50; SELECT pg_sleep(100), $client, $seq" } }
  - wait_for: { node: master, query: "SELECT count(*) FROM pg_stat_activity WHERE query LIKE '%pg_sleep(100)%' AND wait_event = 'PgSleep'", equals: 1 }
  - reconcile: { table: t, key: id, good: rescue, bad: spoilt, into: master, on_conflict: keep }
    within: 4s
    expect: { fails: "(?s)t on `master` is locked by others.*nothing was changed.*held by: .*RowExclusiveLock.*pg_sleep" }
  - assert_rows: { query: SELECT count(v) FROM t WHERE id <= 10, equals: [[1]] }
"#;
    drill(&CliRunner::new(), &format!("{MISTAKE}{steps}"), LOCAL).passed();
}

/// What is done to tables, and found again in the WAL. What is found has the id of what was done,
/// with `found_` before it.
const FOUND: &str = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite, settings: { max_prepared_transactions: 5 } }
steps:
  - sql: { query: "CREATE TABLE t (id int PRIMARY KEY, v text); INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i" }
  - sql: { query: "CREATE TABLE small (id int); CREATE TABLE tie (id int); INSERT INTO tie SELECT generate_series(1, 10); CREATE VIEW v AS SELECT 1 AS n; CREATE TABLE phases AS SELECT 1 AS n" }
  - sql: { query: "CREATE TABLE p (id int) PARTITION BY RANGE (id); CREATE TABLE p1 PARTITION OF p FOR VALUES FROM (0) TO (10); CREATE TABLE p2 PARTITION OF p FOR VALUES FROM (10) TO (20); INSERT INTO p SELECT generate_series(0, 19)" }
  - sql: { query: 'CREATE SCHEMA "Weird S"; CREATE TABLE "Weird S"."T ''T" AS SELECT 1 AS n; CREATE TABLE gone AS SELECT 1 AS n' }
  - { id: nightly, backup: {} }
  - sql: { query: DROP TABLE gone }
  - sql: { query: "DO $$ BEGIN BEGIN DROP TABLE t; RAISE EXCEPTION 'no'; EXCEPTION WHEN OTHERS THEN NULL; END; UPDATE t SET v = 'a' WHERE id <= 10; END $$" }
  - { id: weird, drop_table: { table: '"Weird S"."T ''T"' } }
  - { id: later, backup: {} }
  - id: bulk
    sql: { query: "DO $$ BEGIN BEGIN UPDATE t SET v = 'b' WHERE id <= 400; EXCEPTION WHEN OTHERS THEN NULL; END; UPDATE t SET v = 'c' WHERE id > 700; END $$" }
  - { id: half, sql: { query: UPDATE t SET v = 'd' WHERE id <= 500 } }
  - sql: { query: "UPDATE p SET id = id WHERE id IN (1, 11)" }
  - { id: partitions, sql: { query: "DELETE FROM p WHERE id IN (2, 3, 12)" } }
  - { id: one, sql: { query: DELETE FROM tie WHERE id = 1 } }
  - { id: two, sql: { query: DELETE FROM tie WHERE id = 2 } }
  - sql: { query: TRUNCATE p1 }
  - { id: both, truncate_table: { table: p } }
  - sql: { query: "INSERT INTO p VALUES (15)" }
  - sql: { query: TRUNCATE p2 }
  - { id: first, truncate_table: { table: t } }
  - sql: { query: "INSERT INTO t SELECT i, 'v' FROM generate_series(1, 1000) i" }
  - create_data: { file: rewrite.sql }
  - { id: rewritten, overwrite: { query: DELETE FROM t WHERE id <= 900 } }
  - { id: second, truncate_table: { table: t } }
  - { id: drop, sql: { query: "CREATE TABLE t2 (n int); DROP TABLE small; DROP TABLE t; CREATE TABLE t (id int)" } }
  - create_data: { file: prepared.sql }
  - sql: { query: "CREATE TABLE newer (n int); DROP TABLE newer" }
  - wait_archived: { node: master }

  - { id: found_weird, find_in_wal: { repo: onsite, since: nightly, dropped: '"Weird S"."T ''T"' } }
  - { id: found_weird_again, find_in_wal: { dropped: '"Weird S"."T ''T"' } }
  - { id: found_rewritten, find_in_wal: { repo: onsite, changed: t } }
  - { id: found_partitions, find_in_wal: { since: nightly, changed: p } }
  - { id: found_both, find_in_wal: { truncated: p } }
  - { id: found_phases, find_in_wal: { changed: phases } }
  - recover: { node: phases, backup: later, until: { before: found_phases }, then: promote }
  - assert_rows: { node: phases, query: "SELECT (SELECT n FROM phases), (SELECT count(*) FROM t2)", equals: [[1, 1]] }
  - { id: found_second, find_in_wal: { since: half, truncated: t } }
  - { id: found_drop, find_in_wal: { since: later, dropped: T } }
  - id: found_nothing
    find_in_wal: { since: later, changed: tie }
    expect: { fails: "(?s)nobody can say which UPDATE or DELETE of tie it was.*alike: transaction [0-9]+ changed 1 row, .*transaction [0-9]+ changed 1 row" }
  - find_in_wal: { dropped: gone, since: later }
    expect: { fails: "(?s)no backup in repo `onsite` has a table gone.*it is not in `later`" }
  - { id: found_gone, find_in_wal: { dropped: gone } }
  - find_in_wal: { dropped: newer }
    expect: { fails: "(?s)no backup in repo `onsite` has a table newer.*it is not in `later`, `nightly`.*made after the last backup" }
  - find_in_wal: { dropped: smal }
    expect: { fails: "(?s)no backup in repo `onsite` has a table smal.*did you mean small" }
  - find_in_wal: { dropped: v }
    expect: { fails: "(?s)v is not a table.*in backup `later`" }
  - find_in_wal: { truncated: tie, since: nightly }
    expect: { fails: "(?s)there is no TRUNCATE of tie in the archived WAL.*followed from backup `nightly` on.*read: 0000000100000000[0-9A-F]{8} to 0000000100000000[0-9A-F]{8}, timeline 1: [0-9]+ commits from" }
  - find_in_wal: { changed: small, since: drop }
    expect: { fails: "(?s)there is no UPDATE or DELETE of small.*but: it was dropped by transaction" }
  - find_in_wal: { truncated: t, since: drop }
    expect: { fails: "(?s)there is no TRUNCATE of t in.*but: it was dropped by" }

  - recover: { node: before, backup: later, until: { before: found_second }, then: promote }
  - assert_rows: { node: before, table: t, count: 100 }
  - recover: { node: after, backup: later, until: { after: found_second }, then: promote }
  - assert_rows: { node: after, table: t, count: 0, allow_empty: true }
  - recover: { node: by_lsn, backup: later, until: { before: found_rewritten }, by: lsn, then: promote }
  - assert_rows: { node: by_lsn, table: t, count: 1000 }
  - recover: { node: after_lsn, backup: later, until: { after: found_rewritten }, by: lsn, then: promote }
  - assert_rows: { node: after_lsn, table: t, count: 100 }
  - recover: { node: by_time, backup: later, until: { before: found_rewritten }, by: time, then: promote }
  - assert_rows: { node: by_time, table: t, count: 1000 }
  - recover: { node: after_time, backup: later, until: { after: found_rewritten }, by: time, then: promote }
  - assert_rows: { node: after_time, table: t, count: 100 }
"#;

fn found(runner: &CliRunner, more: &str, args: &[&str]) -> Run {
    std::fs::write(
        runner.path().join("rewrite.sql"),
        "BEGIN; COMMIT; VACUUM FULL t; CLUSTER t USING t_pkey; ALTER TABLE t ADD w int, ALTER id TYPE bigint;",
    )
    .expect("written");
    // A transaction in two phases, which others come in between.
    let prepared =
        "BEGIN; UPDATE phases SET n = 2; PREPARE TRANSACTION 'a'; INSERT INTO t2 VALUES (1); COMMIT PREPARED 'a';";
    std::fs::write(runner.path().join("prepared.sql"), prepared).expect("written");
    let run = drill(runner, &format!("{FOUND}{more}"), args).passed();
    for done in ["weird", "rewritten", "partitions", "both", "second", "drop"] {
        assert_eq!(facts(&run, &format!("found_{done}"), "xid"), facts(&run, done, "xid"), "{done}: {}", run.said);
    }
    run
}

#[test]
fn what_was_done_is_found_in_the_wal() {
    let runner = CliRunner::new();
    let left = r#"
  - assert_rows: { node: master, query: "SELECT count(*) FROM pg_ls_dir(regexp_replace(current_setting('data_directory'), '/node-master/data$', '/shared')) AS name WHERE name LIKE 'look-up%'", equals: [[0]] }
"#;
    let run = found(&runner, left, LOCAL);
    assert_eq!(facts(&run, "found_rewritten", "rows"), [900]);
    assert_eq!(facts(&run, "found_rewritten", "backup"), ["later"]);
    assert_eq!(facts(&run, "found_gone", "backup"), ["nightly"]);
    let runners_up = facts(&run, "found_rewritten", "runners_up")[0].to_string();
    assert!(runners_up.contains("changed 700 rows") && runners_up.contains("changed 500 rows"), "{runners_up}");
}

/// Removes a segment behind the repo's back, as a server's superuser can: the last but one of those
/// that are there.
const LOSE_SEGMENT: &str = r"DO $$ DECLARE
  wal text := substring(current_setting('archive_command') FROM 'test -e (\S+)/%f');
  segment text := (SELECT name FROM pg_ls_dir(wal) name WHERE length(name) = 24 ORDER BY name DESC OFFSET 1 LIMIT 1);
BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat >/dev/null; rm ' || wal || '/' || segment); END $$";

/// Overwrites the second page of every segment of the first timeline.
const GARBLE: &str = r"DO $$ DECLARE wal text := substring(current_setting('archive_command') FROM 'test -e (\S+)/%f');
BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L',
  'for f in ' || wal || '/00000001????????????????; do yes x | dd of=$f bs=8192 seek=1 count=1 conv=notrunc iflag=fullblock; done'); END $$";

#[test]
fn timelines_are_followed_and_gaps_are_told() {
    let [lose, garble] = [LOSE_SEGMENT, GARBLE].map(|sql| serde_json::to_string(sql).expect("a string"));
    let yaml = format!(
        r#"
repos: {{ onsite: {{}}, offsite: {{ copy_of: onsite }} }}
nodes:
  master: {{ archive_to: onsite }}
  standby: {{ follows: master, archive_to: onsite }}
steps:
  - sql: {{ node: master, query: "CREATE TABLE t AS SELECT 1 AS n; CREATE TABLE u AS SELECT 1 AS n" }}
  - {{ id: nightly, backup: {{ node: master, repo: onsite }} }}
  - {{ id: early, truncate_table: {{ node: master, table: t }} }}
  - wait_archived: {{ node: master, through: early }}
  - find_in_wal: {{ repo: offsite, truncated: t }}
    expect: {{ fails: "(?s)repo `offsite` has no backup to look the table up in" }}
  - sync: {{ repo: offsite }}
  - {{ id: found_offsite, find_in_wal: {{ repo: offsite, truncated: t }} }}
  - assert_streaming: {{ standby: standby, primary: master }}
  - promote: {{ node: standby }}
  - {{ id: late, truncate_table: {{ node: standby, table: u }} }}
  - wait_archived: {{ node: standby, through: late }}
  - {{ id: found_early, find_in_wal: {{ repo: onsite, truncated: t }} }}
  - {{ id: found_late, find_in_wal: {{ repo: onsite, truncated: u }} }}
  - recover: {{ node: rescue, backup: nightly, repo: onsite, until: {{ before: found_late }}, then: promote }}
  - assert_rows: {{ node: rescue, query: "SELECT (SELECT count(*) FROM t), (SELECT count(*) FROM u)", equals: [[0, 1]] }}
  - {{ id: drop, drop_table: {{ node: standby, table: u }} }}
  - wait_archived: {{ node: standby, through: drop }}
  - sql: {{ node: standby, query: {lose} }}
  - find_in_wal: {{ repo: onsite, dropped: u }}
    expect: {{ fails: "(?s)there is no DROP of u in the archived WAL.*gap: 00000002[0-9A-F]{{16}} is missing; 00000002[0-9A-F]{{16}} cannot be followed without it" }}
  - {{ id: found_before_gap, find_in_wal: {{ repo: onsite, truncated: t }} }}
  - sql: {{ node: standby, query: {garble} }}
  - find_in_wal: {{ repo: onsite, truncated: t }}
    expect: {{ fails: "(?s)there is no TRUNCATE of t in the archived WAL.*damage: error in WAL record at" }}
"#
    );
    let run = drill(&CliRunner::new(), &yaml, LOCAL).passed();
    for (done, found) in
        [("early", "found_offsite"), ("early", "found_early"), ("late", "found_late"), ("early", "found_before_gap")]
    {
        assert_eq!(facts(&run, found, "xid"), facts(&run, done, "xid"), "{found}: {}", run.said);
        assert_eq!(facts(&run, found, "timeline"), [if done == "late" { 2 } else { 1 }], "{found}: {}", run.said);
    }
    assert!(facts(&run, "found_before_gap", "gap")[0].to_string().contains("is missing"), "{}", run.said);
}

#[test]
fn docker_what_was_done_is_found_in_the_wal_of_another_version() {
    found(&CliRunner::new(), "", &["--backend", "docker", "--postgres", "17"]);
}
