//! Tables that are not what they should be, and what `assert_rows` says of them.

use crate::cli_runner::CliRunner;

#[test]
fn rows_that_differ_are_named_whatever_they_are_compared_with() {
    let yaml = r#"
nodes: { master: {}, other: {} }
steps:
  - { id: data, create_data: { node: master, table: made, rows: 5000 } }
  - create_data: { node: other, table: made, rows: 5000 }
  - sql: { node: master, query: "CREATE TABLE few (id int PRIMARY KEY, x text); INSERT INTO few SELECT i, 'x' FROM generate_series(1, 100) i" }
  - { id: before, snapshot: { node: master, tables: [made, few] } }
  - all:
      - assert_rows: { node: master, table: made, same_as: other }
      - assert_rows: { node: master, table: made, same_as: data }
      - assert_rows: { node: master, table: made, same_as: before }
      - assert_rows: { node: master, table: few, same_as: before }
  - id: accident
    sql:
      node: master
      query: |
        UPDATE made SET note = 'wrong' WHERE id = 77; DELETE FROM made WHERE id = 4000;
        INSERT INTO made VALUES (5001, 1, NULL, '2026-01-01Z'); UPDATE few SET x = NULL WHERE id = 9
  - all:
      - { id: node, assert_rows: { node: master, table: made, same_as: other } }
      - { id: generator, assert_rows: { node: master, table: made, same_as: data } }
      - { id: large, assert_rows: { node: master, table: made, same_as: before } }
      - { id: small, assert_rows: { node: master, table: few, same_as: before } }
"#;
    let run = CliRunner::new().drill(yaml, &[]).failed(1, &["both have 5000 rows, with different content"]);
    let named = "   = diff: ~ 77, note: 'kelp' became 'wrong'\n           - 4000 is missing\n           + 5001 should not be there\n";
    assert_eq!(run.said.matches(named).count(), 2, "{}", run.said);
    let run = run.says(&[
        "   = diff: ~ rows with id from 71 to before 81: 10 rows, of which some differ in note\n",
        "           - rows with id from 3991 to before 4001: 1 of 10 rows missing\n",
        "           + rows with id from 4991 on: 1 more than the 10 rows expected\n",
        "           at least 3 rows differ in all\n",
        "   = diff: ~ 9, x: 'x' became null\n",
    ]);
    for id in ["node", "generator", "large", "small"] {
        assert_eq!(run.step(id)["outcome"], "failed", "{id}: {}", run.said);
    }
}

#[test]
fn tables_of_other_databases_are_judged_as_well() {
    let yaml = r#"
nodes: { master: {}, other: {} }
steps:
  - exec: { node: master, run: [createdb, shop] }
  - exec: { node: other, run: [createdb, shop] }
  - exec: { node: master, run: [psql, -Xqc, "CREATE TABLE t AS SELECT 1 AS id", shop] }
  - exec: { node: other, run: [psql, -Xqc, "CREATE TABLE t AS SELECT 1 AS id", shop] }
  - { id: before, snapshot: { node: master, database: shop, tables: [t] } }
  - all:
      - assert_rows: { node: master, database: shop, table: t, count: 1 }
      - assert_rows: { node: master, database: shop, query: "SELECT id, current_database() FROM t", equals: [[1, shop]] }
      - assert_rows: { node: master, database: shop, table: t, same_as: before }
      - assert_rows: { node: other, database: shop, table: t, same_as: before }
      - assert_rows: { node: master, database: shop, table: t, same_as: other }
      - assert_catalog: { node: other, database: shop, same_as: before }
  - assert_rows: { node: master, table: t, count: 1 }
    expect: { fails: t cannot be read }
  - assert_rows: { node: master, table: t, same_as: before }
  - assert_rows: { node: master, database: postgres, table: t, same_as: before }
    expect: { fails: table t does not exist in this database }
  - assert_rows: { node: master, database: nowhere, table: t, count: 1 }
    expect: { fails: "(?s)database `nowhere` cannot be reached on `master`.*does not exist" }
  - exec: { node: other, run: [psql, -Xqc, "ALTER TABLE t ADD x int; INSERT INTO t VALUES (2)", shop] }
  - assert_catalog: { node: other, database: shop, same_as: before }
    expect: { fails: "(?s)the catalog is not as it was.*x" }
  - assert_rows: { node: other, database: shop, table: t, same_as: before }
    expect: { fails: "(?s)the columns are not the same.*column x should not be there" }
  - exec: { node: other, run: [psql, -Xqc, "ALTER TABLE t DROP x", shop] }
  - assert_rows: { node: other, database: shop, table: t, same_as: master }
    expect: { fails: '(?s)`master` has 1 row, `other` has 2 rows.*\(2\) should not be there' }
"#;
    CliRunner::new().drill(yaml, &[]).passed();
}

/// Users write to two tables in each transaction, while a large one is read in between.
#[test]
fn a_snapshot_of_several_tables_is_of_one_moment() {
    let yaml = r#"
nodes: { master: {} }
steps:
  - create_data: { node: master, table: big, rows: 500000 }
  - sql: { node: master, query: "CREATE TABLE a (client int, seq int); CREATE TABLE b (client int, seq int)" }
  - id: users
    traffic:
      node: master
      rate: 400
      transactions:
        both:
          sql: INSERT INTO a VALUES ($client, $seq); INSERT INTO b VALUES ($client, $seq)
          ledger: { table: a, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 100 }
  - { id: before, snapshot: { node: master, tables: [a, big, b] } }
  - { id: after, snapshot: { node: master, tables: [a, b] } }
  - stop_traffic: users
  - assert_traffic: { traffic: users, node: master, lost: 0, duplicated: 0 }
"#;
    let run = CliRunner::new().drill(yaml, &[]).passed();
    let rows = |id: &str, table: &str| run.fact(id, &format!("rows of {table}")).as_u64().expect("a number");
    assert_eq!(rows("before", "a"), rows("before", "b"), "{}", run.said);
    assert!(rows("after", "a") > rows("before", "a"), "nobody wrote meanwhile: {}", run.said);
}
