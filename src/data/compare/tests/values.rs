//! Values, columns and places of rows.

use super::*;
use crate::data::Chosen;

#[tokio::test]
async fn values_that_look_alike_and_are_not_the_same() {
    let two = Two::start().await;
    let floats = "create table t(id int primary key, r real, d double precision);
        insert into t values (1, 0.1, 0.1), (2, 'NaN', 'NaN'), (3, '-0', '-0'), (4, 'Infinity', '-Infinity'), (5, null, null), (6, 1e-30, 1e300)";
    let found = two
        .differ(
            floats,
            "update t set d = 0.10000000000000002 where id = 1; update t set r = 0, d = 0 where id = 3; update t set d = 'NaN' where id = 4",
        )
        .await;
    assert_eq!(
        found,
        [
            "~ 1, d: 0.1 became 0.10000000000000002",
            "~ 3, r: -0 became 0, d: -0 became 0",
            "~ 4, d: '-Infinity' became 'NaN'"
        ]
    );
    // Digits that a session leaves out are there all the same, and so is what it shows in another
    // way.
    two.both(
        "create table t(id int primary key, d float, at timestamptz, b bytea, i interval, m money, c regclass);
        insert into t values (1, 0.1 + 0.2, '2026-01-02 03:04:05+00', '\\x00ff', '1 day 02:00', 5, 'pg_class')",
    )
    .await;
    two.then("set extra_float_digits = -15; set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set bytea_output = 'escape'; set intervalstyle = 'iso_8601'; set quote_all_identifiers = on").await;
    assert!(two.compare("t").await.same);
    // The same digits, and another number.
    two.both("create table t(id int primary key, x double precision); insert into t values (1, 0.1)").await;
    two.then("alter table t alter x type real").await;
    assert_eq!(told(&two.compare("t").await), ["~ column x: double precision became real"]);
    // A wider integer has the same values.
    two.both("create table t(id int primary key, x int); insert into t values (1, 2)").await;
    two.then("alter table t alter x type bigint").await;
    assert!(two.compare("t").await.same);

    let texts =
        "create table t(id int primary key, x text); insert into t values (1, null), (2, ''), (3, 'null'), (4, ' ')";
    let found = two
        .differ(
            texts,
            "update t set x = '' where id = 1; update t set x = null where id = 3; update t set x = '  ' where id = 4",
        )
        .await;
    assert_eq!(found, ["~ 1, x: null became ''", "~ 3, x: 'null' became null", "~ 4, x: ' ' became '  '"]);
    let arrays = "create table t(id int primary key, x int[], y text[], j jsonb, n numeric);
        insert into t values (1, '{1,null,3}', '{a,\"b,c\"}', '{\"b\": 1, \"a\": [1, 2]}', 1.50), (2, '[2:3]={7,8}', '{null}', 'null', 1)";
    let found = two
        .differ(
            arrays,
            "update t set y = '{a,b,c}', j = '{\"a\": [2, 1], \"b\": 1}', n = 1.5 where id = 1;
             update t set x = '{7,8}', y = '{\"null\"}', j = null where id = 2",
        )
        .await;
    assert_eq!(
        found,
        [
            "~ 1, y: '{a,\"b,c\"}' became '{a,b,c}', j: '{\"a\": [1, 2], \"b\": 1}' became '{\"a\": [2, 1], \"b\": 1}', n: 1.50 became 1.5",
            "~ 2, x: '[2:3]={7,8}' became '{7,8}', y: '{NULL}' became '{\"null\"}', j: 'null' became null"
        ]
    );
    // What stands in one column must not be taken for what stands in the next.
    let found = two
        .differ("create table t(a text, b text); insert into t values ('x,', 'y')", "update t set a = 'x', b = ',y'");
    assert_eq!(found.await.len(), 2);
    let generated = "create table t(id int primary key, a int, b int generated always as (a * 2) stored); insert into t values (1, 1), (2, 2)";
    assert_eq!(two.differ(generated, "update t set a = 5 where id = 2").await, ["~ 2, a: 2 became 5, b: 4 became 10"]);
    let composite = "create type pair as (x int, y text); create domain small as int check (value < 100);
        create table t(id small primary key, p pair, s small); insert into t values (1, '(1,\"a b\")', 1), (2, null, 2)";
    assert_eq!(
        two.differ(composite, "update t set p = '(1,)' where id = 1").await,
        ["~ 1, p: '(1,\"a b\")' became '(1,)'"]
    );
}

#[tokio::test]
async fn a_change_at_the_end_of_a_long_value_is_seen_and_told_in_short() {
    let two = Two::start().await;
    let long = "create table t(id int primary key, x text); alter table t alter x set storage external;
        insert into t select i, repeat('abcdefgh', 131072) from generate_series(1, 3) i";
    let found = two.differ(long, "update t set x = overlay(x placing '!' from length(x)) where id = 2").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("~ 2, x: 'abcdefgh") && found[0].len() < 300, "{}", found[0]);
    assert_eq!(found[0].matches("1048576 characters, hash ").count(), 2, "{}", found[0]);
}

#[tokio::test]
async fn partitions_and_children_count_wherever_their_rows_lie() {
    let two = Two::start().await;
    let partitioned = "create table t(id int primary key, x text) partition by range (id);
        create table low partition of t for values from (0) to (100); create table high partition of t for values from (100) to (200);
        insert into t select i, 'x' from generate_series(50, 149) i";
    let found = two.differ(partitioned, "update t set id = 30 where id = 120; delete from low where id = 60").await;
    assert_eq!(found, ["+ 30 should not be there", "- 60 is missing", "- 120 is missing"]);
    // Where the border is does not matter.
    two.both(partitioned).await;
    two.then("create table copy as select * from t; drop table t; create table t(id int primary key, x text) partition by hash (id);
        create table one partition of t for values with (modulus 2, remainder 0); create table two partition of t for values with (modulus 2, remainder 1);
        insert into t select * from copy").await;
    assert!(two.compare("t").await.same);
    let inherited = "create table t(id int primary key, x text); create table child() inherits (t); insert into t values (1, 'a'); insert into child values (2, 'b')";
    let found = two.differ(inherited, "update child set x = 'c'").await;
    assert_eq!(found, ["~ 2, x: 'b' became 'c'"]);
}

#[tokio::test]
async fn names_schemas_and_columns_in_another_order() {
    let two = Two::start().await;
    let weird = "create schema if not exists \"Weird Schema\"; drop table if exists \"Weird Schema\".\"Order\";
        create table \"Weird Schema\".\"Order\"(\"select\" int, \"A \"\"b\" text, primary key (\"select\"));
        insert into \"Weird Schema\".\"Order\" values (1, 'x'), (2, 'y')";
    two.both(weird).await;
    let table = "\"Weird Schema\".\"Order\"";
    let snapshot = two.take_snapshot(table).await;
    assert!(two.compare(table).await.same);
    two.then("update \"Weird Schema\".\"Order\" set \"A \"\"b\" = 'z' where \"select\" = 2").await;
    assert_eq!(told(&two.compare(table).await), ["~ 2, A \"b: 'y' became 'z'"]);
    assert_eq!(told(&two.compare_snapshot(&snapshot, table).await), ["~ 2, A \"b: 'y' became 'z'"]);
    // Without a schema the session's own search_path finds it.
    two.both("create schema if not exists s; drop table if exists s.t; create table s.t(id int primary key); insert into s.t values (1); set search_path = s").await;
    assert!(two.compare("t").await.same);

    // The same names and values, in another order and behind a column that is gone.
    two.both("create table t(id int primary key, a text, b text); insert into t values (1, 'x', 'y')").await;
    let snapshot = two.take_snapshot("t").await;
    two.then("drop table t; create table t(gone int, b text, a text, id int primary key); alter table t drop gone; insert into t values ('y', 'x', 1)").await;
    assert!(two.compare("t").await.same);
    assert!(two.compare_snapshot(&snapshot, "t").await.same);
    // The same texts in the same places, under other names.
    two.then("drop table t; create table t(id int primary key, b text, a text); insert into t values (1, 'x', 'y')")
        .await;
    for compared in [two.compare("t").await, two.compare_snapshot(&snapshot, "t").await] {
        assert_eq!(told(&compared), ["~ 1, a: 'x' became 'y', b: 'y' became 'x'"]);
    }
    two.then("alter table t rename a to c").await;
    for compared in [two.compare("t").await, two.compare_snapshot(&snapshot, "t").await] {
        assert_eq!(told(&compared), ["- column a is missing", "+ column c should not be there"]);
    }
    // A column that one of them alone has is a difference that can be meant, like its values.
    let table: TableName = "t".parse().expect("a name");
    let but = |names: &[&str]| Chosen::But(names.iter().map(|name| (*name).to_owned()).collect());
    let compared = async |view: &View| compare(Wanted::Server(&two.first), &two.second, &table, view, 10).await;
    let meant = View { columns: but(&["a", "c", "b"]), ..View::default() };
    let found = compared(&meant).await.expect("compared");
    assert!(found.same && found.columns.is_empty() && found.idle.is_empty(), "{found}");
    let half = compared(&View { columns: but(&["a"]), ..View::default() }).await.expect("compared");
    assert_eq!(told(&half), ["+ column c should not be there"]);
    let neither = compared(&View { columns: but(&["a", "c", "x"]), ..View::default() }).await;
    assert!(matches!(neither, Err(crate::data::DataError::NoColumn { .. })));
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_no_verdict() {
    let two = Two::start().await;
    let made = "create table t(id int); insert into t values (1), (2); alter table t enable row level security; create policy p on t using (id = 1); grant select on t to public; grant usage on schema public to public";
    two.both(made).await;
    two.then("create role reader; set role reader").await;
    let table: TableName = "t".parse().expect("a name");
    let error =
        compare(Wanted::Server(&two.first), &two.second, &table, &View::default(), 10).await.expect_err("a refusal");
    assert!(error.to_string().contains("row-level security"), "{error}");
}
