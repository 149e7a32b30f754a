//! Every step, field and option, with its passing and its failing outcome: small drills on real
//! servers, as local processes.
//!
//! Where a step must fail the drill goes on, `expect` says how; what ends a drill has a drill of
//! its own.

use crate::cli_runner::CliRunner;

/// A master that archives, with a table of numbers.
const MASTER: &str = "\
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
";

#[test]
fn recoveries_until_marks() {
    let steps = r#"
steps:
  - sql: { node: master, query: "CREATE TABLE t (n int); INSERT INTO t VALUES (1)" }
  - { id: too_early, mark: { node: master } }
  - { id: nightly, backup: { node: master } }
  - { id: two, sql: { node: master, query: INSERT INTO t VALUES (2) } }
  - { id: point, mark: { node: master } }
  - { id: three, sql: { node: master, query: INSERT INTO t VALUES (3) } }
  - { id: nothing, sql: { node: master, query: SELECT 1 } }
  - { id: four, sql: { node: master, query: INSERT INTO t VALUES (4) } }
  - wait_archived: { node: master, through: four }

  - recover: { node: end, backup: nightly, until: end_of_backup, then: promote }
  - assert_rows: { node: end, query: SELECT n FROM t ORDER BY n, equals: [[1]] }
  - assert_primary: { node: end }
  - recover: { node: xid, backup: nightly, until: { before: three }, by: xid, then: promote }
  - assert_rows: { node: xid, query: SELECT n FROM t ORDER BY n, equals: [[1], [2]] }

  - recover: { node: steps, backup: nightly, until: { before: three }, by: time, then: pause }
  - assert_in_recovery: { node: steps }
  - assert_rows: { node: steps, query: SELECT n FROM t ORDER BY n, equals: [[1], [2]] }
  - recover: { node: steps, until: { after: three }, by: lsn, then: shutdown }
  - assert_rows: { node: steps, table: t, count: 3 }
    expect: { fails: "`steps` is not running: it shut down at its recovery target, by an earlier step of the drill" }
  - recover: { node: steps, until: { after: three }, by: time, then: pause }
  - assert_rows: { node: steps, query: SELECT n FROM t ORDER BY n, equals: [[1], [2], [3]] }
  - recover: { node: steps, until: latest, then: promote }
  - assert_rows: { node: steps, query: SELECT n FROM t ORDER BY n, equals: [[1], [2], [3], [4]] }
  - recover: { node: steps, until: latest, then: pause }
    expect: { fails: "it is a primary already" }

  - recover: { node: point1, backup: nightly, until: { mark: point }, then: shutdown }
  - recover: { node: point1, until: { before: four }, by: lsn, then: pause }
  - assert_rows: { node: point1, query: SELECT n FROM t ORDER BY n, equals: [[1], [2], [3]] }
  - promote: { node: point1 }
  - promote: { node: point1 }
    expect: { fails: "is a primary already" }
  - recover: { node: point2, backup: nightly, until: { before: point }, by: name, then: pause }
  - assert_rows: { node: point2, query: SELECT n FROM t ORDER BY n, equals: [[1], [2]] }
  - recover: { node: point2, until: { after: point }, then: promote }
  - assert_rows: { node: point2, query: SELECT n FROM t ORDER BY n, equals: [[1], [2]] }
  - assert_log: { node: point2, has: "recovery stopping before WAL location", lacks: PANIC }

  - recover: { node: never1, backup: nightly, until: { before: nothing }, by: xid, then: promote }
    expect: { fails: "wrote nothing" }
  - recover: { node: never2, backup: nightly, until: { before: too_early }, then: promote }
    expect: { fails: "(?s)the recovery target lies before the backup's end.*`too_early` was over before `nightly`" }
  - recover: { node: never3, backup: nightly, until: { time: "2020-01-01T00:00:00+01:00" }, then: promote }
    expect: { fails: "(?s)the recovery target lies before the backup's end.*take an older backup" }
  - recover: { node: never4, backup: nightly, until: { time: "2100-01-01T00:00:00Z" }, then: promote }
    expect: { fails: "(?s)recovery ended before configured recovery target was reached.*needs a.*commit after it" }
  - recover: { node: never5, backup: nightly, until: { xid: 4000000000 }, then: pause }
    expect: { fails: recovery ended before configured recovery target was reached }
"#;
    CliRunner::new().drill(&format!("{MASTER}{steps}"), &[]).passed();
}

#[test]
fn recoveries_until_a_time_a_position_and_a_transaction() {
    // Far enough for the servers to have started, and the users to be at work.
    let at = jiff::Timestamp::now() + jiff::SignedDuration::from_secs(6);
    let steps = r#"
params: { at: "" }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int, at timestamptz DEFAULT clock_timestamp())" }
  - { id: nightly, backup: { node: master } }
  - id: users
    traffic:
      node: master
      clients: 2
      rate: 400
      transactions:
        one:
          sql: INSERT INTO t (client, seq) VALUES ($client, $seq)
          ledger: { table: t, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 900 }
  - { id: then, sql: { node: master, query: "SELECT pg_sleep(greatest(0, extract(epoch FROM $1::timestamptz - clock_timestamp())))", args: ["${params.at}"] } }
  - wait_for: { traffic: users, acked: 10, since: then }
  - wait_archived: { node: master }
  - wait_archived: { node: master }
  - wait_archived: { node: master }
  - stop_traffic: users
  - { id: end, mark: { node: master } }
  - wait_archived: { node: master, through: end }

  - recover: { node: by_time, backup: nightly, until: { time: "${params.at}" }, then: promote }
  - assert_rows: { node: by_time, query: "SELECT max(at) <= $1::timestamptz, count(*) > 0 FROM t", args: ["${params.at}"], equals: [[true, true]] }
  - assert_traffic: { traffic: users, node: by_time, before: then, lost: 5 }
  - assert_traffic: { traffic: users, node: by_time }
    expect: { fails: "(?s)acknowledged commits are missing.*after the recovery target of `by_time`: given up by choice.*target: `by_time` was recovered to" }
  - id: by_xid
    recover: { node: by_xid, backup: nightly, until: { xid: 1200 }, then: pause }
  - assert_rows: { node: by_xid, query: "SELECT count(*) BETWEEN 100 AND 700, count(*) FILTER (WHERE xmin::text = '1200') FROM t", equals: [[true, 1]] }
  - assert_traffic: { traffic: users, node: by_xid, lost: 0 }
    expect: { fails: acknowledged commits are missing }
  - recover: { node: by_lsn, backup: nightly, until: { lsn: 0/6000028 }, then: promote }
  - recover: { node: all, backup: nightly, until: latest, then: promote }
  - assert_traffic: { traffic: users, node: all, lost: 0, duplicated: 0 }
  - { id: late, backup: { node: master } }
  - sql: { node: master, query: "INSERT INTO t VALUES (100, 1)" }
  - wait_archived: { node: master }
  - id: some
    recover: { node: some, repo: onsite, backup: oldest, until: random, then: promote }
  - id: ago
    recover: { node: ago, repo: onsite, backup: newest, until: { ago: 4s }, then: promote }
  - assert_rows: { node: ago, query: "SELECT count(*) FROM t WHERE client = 100", equals: [[0]] }
  - recover: { node: late, repo: onsite, backup: newest, until: { time: 2038-01-01T00:00:00Z }, then: promote }
    expect: { fails: "recovery ended before configured recovery target was reached(?s).*its last commit is of 20" }
  - recover: { node: early, repo: onsite, backup: newest, until: { time: 2020-01-01T00:00:00Z }, then: promote }
    expect: { fails: "none was finished before the recovery target, 2020-01-01T00:00:00Z(?s).*nightly \\(20" }
"#;
    let run = CliRunner::new().drill(&format!("{MASTER}{steps}"), &["--set", &format!("at={at}")]).passed();
    assert_eq!(run.fact("by_xid", "target"), "up to and with transaction 1200", "{}", run.said);
    let text = |step: &str, name: &str| run.fact(step, name).as_str().unwrap_or_default().to_owned();
    let window = text("some", "window");
    let (from, to) = window.split_once(" to ").expect("two positions");
    let lsn = |text: &str| text.parse::<drillyard::pg::Lsn>().expect("a position");
    let target = text("some", "target").replace("up to and with LSN ", "");
    assert!((lsn(from)..lsn(to)).contains(&lsn(&target)), "{target} is not in {window}");
    assert_eq!([text("ago", "backup"), text("some", "backup")], ["nightly", "nightly"], "{}", run.said);
}

#[test]
fn standbys_and_what_they_do() {
    let yaml = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
  standby: { follows: master }
steps:
  - sql: { node: master, query: "CREATE TABLE t (n int); INSERT INTO t VALUES (1)" }
  - { id: nightly, backup: { node: master } }
  - { id: two, sql: { node: master, query: INSERT INTO t VALUES (2) } }
  - wait_archived: { node: master, through: two }
  - assert_streaming: { standby: standby, primary: master }
  - id: on_standby
    mark: { node: standby }
    expect: { fails: "no restore point can be made on `standby`: it is in recovery" }
  - id: write
    sql: { node: standby, query: INSERT INTO t VALUES (0) }
    expect: { fails: "cannot execute INSERT in a read-only transaction" }
  - sql: { node: standby, query: INSERT INTO t VALUES (0) }
    expect: { fails: "cannot execute INSERT in a read-only transaction" }
  - sql: { node: standby, query: SELECT count(*) FROM t }
  - recover: { node: paused, backup: nightly, until: latest, then: pause }
  - assert_in_recovery: { node: paused }
  - assert_rows: { node: paused, query: SELECT n FROM t ORDER BY n, equals: [[1], [2]] }
  - assert_streaming: { standby: paused, primary: master }
    within: 500ms
    expect: { fails: "(?s)timed out after [0-9.]+ s waiting for `paused` to stream from `master`.*the primary knows 1 other standbys, not this one" }
  - { id: three, sql: { node: master, query: INSERT INTO t VALUES (3) } }
  - wait_archived: { node: master }
  - recover: { node: paused, until: latest, then: shutdown }
  - recover: { node: paused, until: latest, then: { follow: master } }
  - assert_rows: { node: paused, table: t, same_as: master }
  - assert_streaming: { standby: paused, primary: master }
  - recover: { node: target, backup: nightly, until: { before: two }, then: { follow: master } }
  - all:
      - assert_streaming: { standby: target, primary: master }
      - assert_in_recovery: { node: target }
      - assert_primary: { node: master }
  - assert_primary: { node: standby }
    expect: { fails: standby }
  - assert_in_recovery: { node: master }
    expect: { fails: master }
  - id: users
    traffic:
      nodes: [standby, master]
      clients: 2
      transactions: { one: { sql: "INSERT INTO t VALUES ($client * 1000000 + $seq)" } }
  - wait_for: { traffic: users, acked: 20 }
  - stop_traffic: users
  - promote: { node: standby }
  - assert_primary: { node: standby }
"#;
    CliRunner::new().drill(yaml, &[]).passed();
}

#[test]
fn data_and_rows() {
    let runner = CliRunner::new();
    runner.write("plain.sql", "CREATE TABLE plain (n int); INSERT INTO plain VALUES (1), (2);");
    let own = "BEGIN; CREATE TABLE twice (n int); INSERT INTO twice VALUES (1); COMMIT; BEGIN; INSERT INTO twice VALUES (2); COMMIT;";
    runner.write("transactions.sql", own);
    runner.write("copy.sql", "CREATE TABLE copied (n int, word text);\nCOPY copied FROM stdin;\n1\tone\n2\t\\N\n\\.\n");
    runner.write("broken.sql", "CREATE TABLE halfway (n int);\nCOPY halfway FROM stdin;\nnot a number\n\\.\n");
    let yaml = r#"
nodes: { master: {}, other: {} }
steps:
  - id: data
    create_data: { node: master, table: made, rows: 500 }
  - id: again
    create_data: { node: other, table: made, rows: 500 }
  - create_data: { node: master, table: own, rows: 300, columns: { id: bigint primary key, price: "numeric(12,2) not null", note: text, day: date } }
  - create_data: { node: master, table: made, rows: 500 }
    expect: { fails: already exists }
  - create_data: { node: master, file: plain.sql }
  - create_data: { node: master, file: copy.sql }
  - create_data: { node: master, file: broken.sql }
    expect: { fails: "(?s)broken.sql did not run on `master`.*invalid input syntax for type integer" }
  - assert_rows: { node: master, query: "SELECT to_regclass('halfway')", equals: [[null]] }
  - assert_rows: { node: master, query: SELECT n FROM plain ORDER BY n, equals: [[1], [2]] }
  - assert_rows: { node: master, query: "SELECT n, word FROM copied ORDER BY n", equals: [[1, one], [2, null]] }
  - assert_rows: { node: master, table: made, count: 500 }
  - assert_rows: { node: master, table: made, same_as: data }
  - assert_rows: { node: master, table: made, same_as: again }
  - assert_rows: { node: other, table: made, same_as: master }
  - id: change
    sql: { node: other, query: "UPDATE made SET note = $1, amount = $2 WHERE id = $3", args: [null, 1.5, 7] }
  - sql: { node: other, query: "CREATE TABLE kinds AS SELECT $1::int AS i, $2::numeric AS n, $3::text AS t, $4::bool AS b, $5::text AS z", args: [-3, 2.50, "it's", true, null] }
  - assert_rows: { node: other, query: SELECT * FROM kinds, equals: [[-3, 2.5, "it's", true, null]] }
  - assert_rows: { node: other, query: "SELECT i FROM kinds WHERE b = $1 AND t = $2", args: [true, "it's"], equals: [[-3]] }
  - assert_rows: { node: other, table: made, same_as: master }
    expect: { fails: "(?s)made is not the same as `master`.*both have 500 rows, with different content.*7" }
  - assert_rows: { node: other, table: made, same_as: data }
    expect: { fails: "with different content" }
  - assert_rows: { node: master, table: made, count: 501 }
    expect: { fails: it has 500 }
  - assert_rows: { node: master, table: missing, count: 1 }
    expect: { fails: "(?s)missing cannot be read.*does not exist" }
  - assert_rows: { node: master, query: SELECT n FROM plain ORDER BY n, equals: [[1], [3]] }
    expect: { fails: '(?s)expected: \[1\]\n\[3\].*actual: \[1\]\n\[2\]' }
  - assert_rows: { node: master, query: SELEC, equals: [[1]] }
    expect: { fails: the query cannot be checked }
  - sql: { node: master, query: "CREATE TABLE empty (n int)" }
  - sql: { node: other, query: "CREATE TABLE empty (n int)" }
  - assert_rows: { node: master, table: empty, same_as: other }
    expect: { fails: zero rows }
  - assert_rows: { node: master, table: empty, same_as: other, allow_empty: true }
  - assert_rows: { node: master, query: SELECT n FROM empty, equals: [], allow_empty: true }
  - sql: { node: master, query: "INSERT INTO plain VALUES (3); INSERT INTO nowhere VALUES (1)" }
    expect: { fails: 'relation "nowhere" does not exist' }
  - assert_rows: { node: master, table: plain, count: 2 }
  - { id: gone, truncate_table: { node: master, table: plain } }
  - assert_rows: { node: master, table: plain, count: 0, allow_empty: true }
  - drop_table: { node: master, table: nowhere }
    expect: { fails: the incident did not happen to nowhere }
  - sql: { node: master, file: plain.sql }
    expect: { fails: already exists }
  - create_data: { node: master, file: transactions.sql }
  - assert_rows: { node: master, query: SELECT count(*) FROM twice, equals: [[2]] }
  - sql: { node: master, file: transactions.sql }
    expect: { fails: "(?s)one transaction of its own.*`BEGIN`" }
  - wait_for: { node: master, query: SELECT count(*) FROM made, equals: 500 }
  - wait_for: { node: master, query: SELECT count(*) FROM made, equals: 501 }
    within: 300ms
    expect: { fails: "(?s)timed out after [0-9.]+ s.*last seen: 500" }
  - sql: { node: master, query: "DO $$ BEGIN RAISE LOG 'the bell rings'; END $$" }
  - wait_for: { node: master, log: the bell rings }
  - wait_for: { node: master, log: the bell rings, since: gone }
  - wait_for: { node: master, log: no such line }
    within: 300ms
    expect: { fails: "(?s)timed out after [0-9.]+ s waiting for /no such line/.*last seen: " }
  - assert_log: { node: master, has: the bell rings, since: gone }
  - assert_log: { node: master, lacks: the bell rings }
    expect: { fails: has a line that it should not have }
  - assert_log: { node: master, has: no such line }
    expect: { fails: lacks a line }
"#;
    let run = runner.drill(yaml, &["--seed", "7"]).passed();
    assert_eq!(run.fact("change", "rows"), 1);
}

#[test]
fn users_and_their_ledger() {
    let yaml = r#"
nodes: { master: {} }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int); CREATE TABLE u (client int, seq int); CREATE TABLE gone (n int)" }
  - id: first
    traffic:
      node: master
      clients: 3
      transactions:
        pair:
          weight: 3
          sql: LOCK t IN ROW EXCLUSIVE MODE; INSERT INTO t VALUES ($client, $seq); INSERT INTO u VALUES ($client, $seq)
          ledger: { table: t, client: client, seq: seq }
        other:
          sql: INSERT INTO gone VALUES ($seq)
          tolerate: [undefined_table]
  - id: second
    traffic:
      node: master
      clients: 2
      rate: 300
      transactions:
        one:
          sql: INSERT INTO t VALUES ($client, $seq)
          ledger: { table: t, client: client, seq: seq }
  - id: nobody
    traffic:
      node: master
      clients: 1
      rate: 0.001
      transactions: { one: { sql: "SELECT pg_sleep(30), $client, $seq" } }
  - wait_for: { traffic: first, acked: 200 }
  - { id: accident, drop_table: { node: master, table: gone } }
  - wait_for: { traffic: first, acked: 200, since: accident }
  - wait_for: { traffic: second, acked: 50 }
  - wait_for: { traffic: second, acked: 100000000 }
    within: 300ms
    expect: { fails: "(?s)timed out after [0-9.]+ s waiting for 100000000 acknowledged transactions.*last seen: [0-9]+ of 100000000" }
  - stop_traffic: first
  - assert_traffic: { traffic: second, node: master }
  - stop_traffic: second
  - assert_traffic: { traffic: nobody, node: master }
    expect: { fails: an assertion over zero transactions proves nothing }
  - assert_traffic: { traffic: nobody, node: master, allow_empty: true }
  - all:
      - assert_traffic: { traffic: first, node: master, lost: 0, duplicated: 0 }
      - assert_traffic: { traffic: second, node: master, lost: 0, duplicated: 0 }
      - assert_rows: { node: master, query: "SELECT count(DISTINCT client), count(*) = count(DISTINCT (client, seq)) FROM t", equals: [[5, true]] }
      - assert_rows: { node: master, query: "SELECT count(*) FROM u WHERE client > 3", equals: [[0]] }
  - id: loss
    sql: { node: master, query: "DELETE FROM t WHERE client = 2 AND seq <= 3" }
  - assert_traffic: { traffic: second, node: master }
  - id: lost
    assert_traffic: { traffic: first, node: master }
    expect: { fails: '(?s)acknowledged commits are missing.*first: pair client 2 seq \d+, acknowledged .* `accident`' }
  - assert_traffic: { traffic: first, node: master, lost: 3 }
  - assert_traffic: { traffic: first, node: master, lost: 3, before: accident }
  - sql: { node: master, query: "INSERT INTO t SELECT * FROM t WHERE client = 4 AND seq = 5" }
  - assert_traffic: { traffic: second, node: master }
    expect: { fails: "(?s)commits are there more than once.*1 of [0-9,]+ acknowledged commits is there more than once.*client 4 seq 5" }
  - assert_traffic: { traffic: second, node: master, duplicated: 1 }
  - sql: { node: master, query: "INSERT INTO t VALUES (5, 1000000)" }
  - assert_traffic: { traffic: second, node: master, duplicated: 1 }
    expect: { fails: "(?s)there are rows that nobody wrote.*client 5 seq 1000000" }
  - drop_table: { node: master, table: t }
  - assert_traffic: { traffic: second, node: master }
    expect: { fails: "(?s)acknowledged commits are missing.*table t does not exist here" }
"#;
    let run = CliRunner::new().drill(yaml, &[]).passed();
    let lost = run.fact("lost", "lost").as_u64().expect("a number");
    assert!((1..=3).contains(&lost), "{lost}");
}

#[test]
fn a_users_error_that_nobody_tolerates_ends_the_drill_and_finally_runs() {
    let yaml = r#"
nodes: { master: {} }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int)" }
  - id: users
    traffic: { node: master, transactions: { order: { sql: "INSERT INTO t VALUES ($client, $seq)" } } }
  - wait_for: { traffic: users, acked: 20 }
  - { id: accident, drop_table: { node: master, table: t } }
  - wait_for: { traffic: users, acked: 1000000000 }
  - { id: never, assert_primary: { node: master } }
finally:
  - { id: still, assert_primary: { node: master } }
"#;
    let run =
        CliRunner::new().drill(yaml, &[]).failed(1, &["transaction `order` of the users failed", "undefined_table"]);
    assert_eq!(run.step("still")["outcome"], "passed", "{}", run.said);
    assert_ne!(run.step("never")["outcome"], "passed", "{}", run.said);
}

/// Removes a segment behind the repo's back, as a server's superuser can. `%` is what LIKE means by
/// it.
const LOSE_SEGMENT: &str = r"DO $$ DECLARE
  wal text := substring(current_setting('archive_command') FROM 'test -e (\S+)/%f');
  segment text := (SELECT name FROM pg_ls_dir(wal) name WHERE length(name) = 24 ORDER BY name DESC OFFSET 1 LIMIT 1);
BEGIN EXECUTE format('COPY (SELECT 1) TO PROGRAM %L', 'cat >/dev/null; rm ' || wal || '/' || segment); END $$";

#[test]
fn archives_their_copies_and_their_gaps() {
    let lose = serde_json::to_string(LOSE_SEGMENT).expect("a string");
    let yaml = format!(
        r#"
repos: {{ onsite: {{}}, offsite: {{ copy_of: onsite }}, elsewhere: {{}} }}
nodes:
  master: {{ archive_to: onsite }}
  broken: {{ archive_to: elsewhere, settings: {{ archive_command: "false" }} }}
steps:
  - sql: {{ node: master, query: "CREATE TABLE t (n int); INSERT INTO t VALUES (1)" }}
  - {{ id: nightly, backup: {{ node: master, repo: onsite }} }}
  - wait_archived: {{ node: broken }}
    within: 1500ms
    expect: {{ fails: "(?s)timed out after [0-9.]+ s waiting for segment.*archive_command failed [0-9]+ times" }}
  - sql: {{ node: master, query: INSERT INTO t VALUES (2) }}
  - wait_archived: {{ node: master }}
  - recover: {{ node: none, backup: nightly, repo: offsite, until: latest, then: promote }}
    expect: {{ fails: "(?s)backup `nightly` cannot be restored from repo `offsite`.*there is no backup at" }}
  - sync: {{ repo: offsite }}
  - {{ id: three, sql: {{ node: master, query: INSERT INTO t VALUES (3) }} }}
  - wait_archived: {{ node: master }}
  - sql: {{ node: master, query: INSERT INTO t VALUES (4) }}
  - wait_archived: {{ node: master }}
  - recover: {{ node: copy, backup: nightly, repo: offsite, until: latest, then: promote }}
  - assert_rows: {{ node: copy, query: SELECT n FROM t ORDER BY n, equals: [[1], [2]] }}
  - recover: {{ node: behind, backup: nightly, repo: offsite, until: {{ after: three }}, then: promote }}
    expect: {{ fails: recovery ended before configured recovery target was reached }}
  - recover: {{ node: whole, backup: nightly, until: latest, then: promote }}
  - assert_rows: {{ node: whole, query: SELECT n FROM t ORDER BY n, equals: [[1], [2], [3], [4]] }}
  - sql: {{ node: master, query: {lose} }}
  - recover: {{ node: gap1, backup: nightly, until: latest, then: promote }}
    expect: {{ fails: "(?s)recovery ended at a gap in the archive.*repo `onsite` goes on with" }}
  - recover: {{ node: gap2, backup: nightly, until: latest, then: pause }}
    expect: {{ fails: recovery ended at a gap in the archive }}
"#
    );
    CliRunner::new().drill(&yaml, &[]).passed();
}

#[test]
fn dumps_imports_and_catalogs() {
    let runner = CliRunner::new();
    runner.write(
        "shop.sql",
        "CREATE SCHEMA shop; CREATE TABLE shop.orders (id int PRIMARY KEY, n int);
         CREATE TABLE shop.payments (id int PRIMARY KEY, order_id int REFERENCES shop.orders);
         CREATE VIEW shop.big AS SELECT * FROM shop.orders WHERE n > 5;
         INSERT INTO shop.orders SELECT i, i FROM generate_series(1, 100) i; INSERT INTO shop.payments VALUES (1, 1);",
    );
    let yaml = r#"
nodes: { master: {}, other: {} }
steps:
  - create_data: { node: master, file: shop.sql }
  - { id: before, snapshot: { node: master, tables: [shop.orders] } }
  - { id: shape, snapshot: { node: master, tables: [shop.orders], catalog_only: true } }
  - id: absent
    snapshot: { node: master, tables: [shop.nothing] }
    expect: { fails: "(?s)there is nothing to remember.*shop.nothing does not exist on `master`" }
  - { id: alone, dump: { node: master, tables: [shop.orders] } }
  - { id: orders, dump: { node: master, tables: [shop.orders], dependents: true } }
  - { id: schema, dump: { node: master, schemas: [shop] } }
  - id: nothing
    dump: { node: master, tables: [shop.nothing] }
    expect: { fails: "(?s)pg_dump failed.*no matching tables" }
  - reimport: { dump: schema, node: other }
  - assert_rows: { node: other, table: shop.orders, same_as: before }
  - assert_catalog: { node: other, same_as: before }
  - sql: { node: master, query: "INSERT INTO shop.orders VALUES (101, 101)" }
  - id: twice
    reimport: { dump: orders, node: master }
    expect: { fails: "(?s)the import into `master` was undone.*already exists.*import into a server that has lost it" }
  - assert_rows: { node: master, table: shop.orders, count: 101 }
  - assert_rows: { node: master, table: shop.orders, same_as: before }
    expect: { fails: "`before` has 100 rows, `master` has 101 rows" }
  - drop_table: { node: master, table: shop.orders }
    expect: { fails: "cannot drop table shop.orders because other objects depend on it" }
  - { id: accident, drop_table: { node: master, table: shop.orders, cascade: true } }
  - reimport: { dump: alone, node: master }
  - assert_catalog: { node: master, same_as: shape }
    expect: { fails: "(?s)view shop.big is missing.*payments_order_id_fkey" }
  - drop_table: { node: master, table: shop.orders, cascade: true }
  - reimport: { dump: orders, node: master }
  - assert_catalog: { node: master, same_as: shape }
  - all:
      - { id: one, assert_rows: { node: master, table: shop.orders, count: 7 } }
      - { id: two, assert_rows: { node: master, table: shop.payments, count: 8 } }
      - { id: fine, assert_catalog: { node: master, same_as: shape } }
finally:
  - { id: last, sql: { node: master, query: SELECT 1 } }
"#;
    let run = runner.drill(yaml, &[]).failed(1, &["it has 100", "it has 1", "2 of 3 did not hold"]);
    for (id, outcome) in
        [("one", "failed"), ("two", "failed"), ("fine", "passed"), ("twice", "passed"), ("last", "passed")]
    {
        assert_eq!(run.step(id)["outcome"], outcome, "{id}: {}", run.said);
    }
}

/// A dump that waits for a session's lock, and a step that is left in the middle of a statement.
#[test]
fn what_a_deadline_ends_leaves_nothing_behind() {
    let yaml = r#"
nodes: { master: {}, standby: { follows: master } }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int); CREATE TABLE busy (n int); INSERT INTO busy VALUES (1)" }
  - id: sleeper
    traffic:
      node: master
      clients: 1
      transactions: { hold: { sql: "BEGIN; LOCK busy; SELECT pg_sleep(4), $client, $seq; COMMIT" } }
  - wait_for: { node: master, query: "SELECT count(*) FROM pg_locks WHERE relation = 'busy'::regclass AND granted", equals: 1 }
  - id: blocked
    dump: { node: master, tables: [busy] }
    within: 1s
    expect: { fails: "(?s)the dump is blocked by a lock.*AccessExclusiveLock on busy is held by a client backend.*end the session" }
  - drop_table: { node: master, table: busy }
    within: 500ms
    expect: { fails: "the step's deadline has passed" }
  - { id: after, sql: { node: master, query: "INSERT INTO t VALUES (1, 1)" } }
  - stop_traffic: sleeper
  - assert_rows: { node: master, table: busy, count: 1 }
  - assert_rows: { node: standby, table: t, same_as: master }
"#;
    CliRunner::new().drill(yaml, &[]).passed();
}

#[test]
fn budgets_timeouts_and_verdicts() {
    let runner = CliRunner::new();
    let write = |name: &str, yaml: &str| {
        runner.write(&format!("{name}.yaml"), &format!("drillyard: 1\nnodes: {{ master: {{}} }}\n{yaml}"));
    };
    let sleep = "sql: { node: master, query: SELECT pg_sleep(0.2) }";
    write("slow", &format!("budgets: {{ rto: {{ from: a, to: a, max: 100ms }} }}\nsteps:\n  - {{ id: a, {sleep} }}\n"));
    write("quick", &format!("budgets: {{ rto: {{ from: a, to: a, max: 1m }} }}\nsteps:\n  - {{ id: a, {sleep} }}\n"));
    let not_reached = "budgets: { rto: { from: a, to: b, max: 1m } }\nsteps:
  - { id: a, sql: { node: master, query: SELECT 1 } }
  - sql: { node: master, query: SELECT 1/0 }
  - { id: b, sql: { node: master, query: SELECT 1 } }\n";
    write("unmeasured", not_reached);
    let traffic = "traffic: { node: master, transactions: { x: { sql: \"INSERT INTO t VALUES ($client, $seq)\", ledger: { table: t, client: c, seq: s } } } }";
    let rpo = |judge: &str| {
        format!(
            "budgets: {{ rpo: {{ traffic: users, max_lost: 2 }} }}\nsteps:\n  - sql: {{ node: master, query: \"CREATE TABLE t (c int, s int)\" }}
  - id: users\n    {traffic}\n  - wait_for: {{ traffic: users, acked: 50 }}\n  - stop_traffic: users\n{judge}"
        )
    };
    write("rpo-unmeasured", &rpo("  - assert_primary: { node: master }\n"));
    let lose = "  - sql: { node: master, query: \"DELETE FROM t WHERE ctid IN (SELECT ctid FROM t LIMIT 3)\" }
  - assert_traffic: { traffic: users, node: master, lost: 10 }\n";
    write("rpo-exceeded", &rpo(lose));
    write("judged-nothing", &format!("steps:\n  - {sleep}\n"));
    write("only-skipped", "steps:\n  - { assert_primary: { node: master }, when: { postgres: \">=19\" } }\n");
    let skips = "steps:\n  - { id: later, assert_primary: { node: master }, when: { postgres: \">=19\" } }
  - { assert_primary: { node: master }, when: { postgres: \">=10\" } }\n";
    write("skips", skips);
    write("not-failing", "steps:\n  - { assert_primary: { node: master }, expect: { fails: x } }\n");
    write("otherwise", "steps:\n  - { sql: { node: master, query: SELECT 1/0 }, expect: { fails: no such reason } }\n");
    let hang = "timeout: 8s\nsteps:\n  - { id: a, sql: { node: master, query: SELECT pg_sleep(60) } }
finally:\n  - { id: last, assert_primary: { node: master } }\n";
    write("timeout", hang);
    write("within", "steps:\n  - { sql: { node: master, query: SELECT pg_sleep(60) }, within: 200ms }\n");
    let path = runner.path().display().to_string();
    let run = runner.run(&["--backend", "local", "-j", "2", &path]).failed(1, &[]);
    let told = |name: &str| {
        let drills = run.report["drills"].as_array().expect("drills");
        let drill = drills.iter().find(|drill| drill["name"] == name).unwrap_or_else(|| panic!("{name}: {}", run.said));
        (drill["outcome"].as_str().unwrap_or_default().to_owned(), drill)
    };
    for (name, outcome, said) in [
        ("slow", "failed", "recovery took too long"),
        ("quick", "passed", "rto"),
        ("unmeasured", "failed", "RTO was not measured"),
        ("rpo-unmeasured", "failed", "the loss was not measured"),
        ("rpo-exceeded", "failed", "more was lost than the budget allows"),
        ("judged-nothing", "failed", "this drill checked nothing"),
        ("only-skipped", "failed", "this drill checked nothing"),
        ("skips", "passed", "for PostgreSQL >=19, and this is"),
        ("not-failing", "failed", "the step was expected to fail, and passed"),
        ("otherwise", "failed", "the step failed otherwise than expected"),
        ("timeout", "failed", "the drill's timeout has passed"),
        ("within", "failed", "the step's deadline has passed"),
    ] {
        assert_eq!(told(name).0, outcome, "{name}: {}", run.said);
        assert!(run.said.contains(said), "{said}: {}", run.said);
    }
    assert_eq!(told("slow").1["budgets"][0]["outcome"], "failed");
    assert_eq!(told("skips").1["steps"][0]["outcome"], "skipped");
    assert_eq!(told("timeout").1["steps"][1]["outcome"], "passed", "`finally` runs after the timeout: {}", run.said);
}

#[test]
fn params_reach_steps_and_secrets_reach_nobody() {
    const SECRET: &str = "hunter2-Zq9";
    let runner = CliRunner::new().var("DRILLYARD_SECRET_TOKEN", SECRET).var("TABLE_ROWS", "30");
    let yaml = r#"
params: { rows: 10 }
nodes: { master: { settings: { log_statement: all, log_min_duration_statement: "0" } } }
steps:
  - create_data: { node: master, table: t, rows: "${params.rows}" }
  - assert_rows: { node: master, table: t, count: "${env.TABLE_ROWS}" }
  - sql: { node: master, query: "CREATE TABLE keys AS SELECT $1::text AS key", args: ["${secrets.token}"] }
  - assert_rows: { node: master, query: SELECT key FROM keys, equals: [["${secrets.token}"]] }
  - assert_rows: { node: master, query: "SELECT key || 'x' FROM keys", equals: [["${secrets.token}"]] }
"#;
    let html = runner.path().join("html").display().to_string();
    let events = runner.path().join("events.jsonl").display().to_string();
    let args = ["--set", "rows=30", "--report-html", &html, "--events", &events];
    let run = runner.drill(yaml, &args).failed(1, &["the rows are not those expected"]);
    assert!(!run.said.contains(SECRET), "{}", run.said);
    let mut folders = vec![runner.path().to_owned()];
    let mut read = 0;
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(folder).expect("a folder").flatten() {
            if entry.path().is_dir() {
                folders.push(entry.path());
                continue;
            }
            let bytes = std::fs::read(entry.path()).expect("a file");
            assert!(!String::from_utf8_lossy(&bytes).contains(SECRET), "the secret is in {}", entry.path().display());
            read += 1;
        }
    }
    // The scenario, three reports, and the run's records, logs among them.
    assert!(read > 5, "{read}");
}

/// The postmaster goes away while a step asks the server, and while users write.
#[test]
fn a_server_that_is_killed_in_the_middle_of_a_step_is_told() {
    let yaml = r#"
nodes: { master: {} }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int)" }
  - id: killed
    sql:
      node: master
      query: "COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; kill -9 $(head -1 postmaster.pid)'; SELECT pg_sleep(60)"
    within: 20s
    expect: { fails: "." }
  - assert_primary: { node: master }
"#;
    CliRunner::new().drill(yaml, &[]).failed(1, &["node `master` does not answer"]);
}

/// A crash in the middle of everything loses nothing that was acknowledged, in the server and in
/// its archive.
#[test]
fn a_crash_loses_nothing() {
    let yaml = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite, settings: { restart_after_crash: "on" } }
steps:
  - sql: { node: master, query: "CREATE TABLE t (client int, seq int, primary key (client, seq))" }
  - { id: nightly, backup: { node: master } }
  - id: users
    traffic:
      node: master
      transactions:
        x:
          sql: "INSERT INTO t VALUES ($client, $seq)"
          ledger: { table: t, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 300 }
  - id: crash
    sql: { node: master, query: "COPY (SELECT 1) TO PROGRAM 'kill -9 $PPID'" }
    expect: { fails: "connection closed|server closed|terminat" }
  - wait_for: { traffic: users, acked: 1000 }
    within: 20s
  - stop_traffic: users
  - assert_traffic: { traffic: users, node: master }
  - { id: m2, sql: { node: master, query: "INSERT INTO t VALUES (900, 1)" } }
  - wait_archived: { node: master, through: m2 }
  - recover: { node: r, backup: nightly, until: { after: m2 }, then: promote }
  - assert_traffic: { traffic: users, node: r }
"#;
    CliRunner::new().drill(yaml, &[]).passed();
}

#[test]
fn an_external_server_is_only_read() {
    let outside = CliRunner::new();
    let made = r#"
nodes: { prod: { settings: { wal_level: replica } } }
steps:
  - create_data: { node: prod, table: t, rows: 50 }
  - assert_rows: { node: prod, table: t, count: 50 }
  - sql: { node: prod, query: "CREATE ROLE reader LOGIN SUPERUSER PASSWORD 'outside'" }
"#;
    let kept = outside.drill(made, &["--keep", "always"]).passed();
    let id = kept.report["run"].as_str().expect("a run's id").to_owned();
    let ask = |sql: &str| {
        let output = outside.output(["shell", &format!("{id}/prod"), "--", "psql", "-XAtc", sql]);
        String::from_utf8_lossy(&output.stdout).trim().to_owned()
    };
    let dir = ask("SHOW unix_socket_directories");
    assert!(dir.starts_with('/'), "{dir}");
    let url = format!("host={dir} port=5432 user=reader password=outside dbname=postgres");
    let runner = CliRunner::new().var("PROD_URL", &url);
    let head = "nodes:\n  prod: { external: { url: \"${env.PROD_URL}\" } }\n  standby: { follows: prod }\n";
    let writes = "steps:\n  - sql: { node: prod, query: SELECT 1 }\n";
    runner.drill(&format!("{head}{writes}"), &[]).failed(3, &["`prod` is external: a drill only reads from it"]);
    let reads = r#"steps:
  - { id: before, snapshot: { node: prod, tables: [t] } }
  - assert_rows: { node: prod, table: t, count: 50 }
  - assert_rows: { node: prod, query: "WITH gone AS (DELETE FROM t RETURNING 1) SELECT count(*) FROM gone", equals: [[50]] }
    expect: { fails: read-only transaction }
  - assert_rows: { node: standby, table: t, same_as: prod }
  - assert_streaming: { standby: standby, primary: prod }
  - assert_primary: { node: prod }
"#;
    let looked = runner.drill(&format!("{head}{reads}"), &[]);
    let rows = ask("SELECT count(*) FROM t");
    let cleaned = outside.output(["clean", &id]);
    looked.passed();
    assert_eq!(rows, "50");
    assert!(cleaned.status.success(), "{}", String::from_utf8_lossy(&cleaned.stderr));
}

#[test]
fn every_setting_of_this_server_is_known_at_check() {
    let names: Vec<String> = drillyard::pg::setting_names().map(|name| format!("'{name}'")).collect();
    let yaml = format!(
        r#"
nodes: {{ master: {{}} }}
steps:
  - assert_rows:
      node: master
      query: "SELECT name FROM pg_settings WHERE name NOT LIKE '%.%' AND lower(name) NOT IN ({})"
      equals: []
      allow_empty: true
"#,
        names.join(", ")
    );
    CliRunner::new().drill(&yaml, &[]).passed();
}
