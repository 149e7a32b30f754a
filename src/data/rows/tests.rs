//! Two databases of one real server, whose tables differ.

use super::*;
use crate::data::Columns;
use crate::data::testing::Server;

struct Two {
    _server: Server,
    first: Client,
    second: Client,
}

const FRESH: &str = "reset all; drop schema public cascade; create schema public;";

impl Two {
    async fn start() -> Two {
        let server = Server::start().await;
        let first = server.connect("postgres").await;
        first.batch_execute("create database other").await.expect("a database");
        let second = server.connect("other").await;
        Two { _server: server, first, second }
    }

    /// Does the same in both databases.
    async fn both(&self, statements: &str) {
        let statements = format!("{FRESH} {statements}");
        self.first.batch_execute(&statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
        self.second.batch_execute(&statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    /// Does something in the second one.
    async fn then(&self, statements: &str) {
        self.second.batch_execute(statements).await.unwrap_or_else(|e| panic!("{statements}: {e:?}"));
    }

    async fn compare(&self, table: &str) -> Comparison {
        let table: TableName = table.parse().expect("a name");
        compare(Wanted::Server(&self.first), &self.second, &table, 10).await.expect("compared")
    }

    async fn remember(&self, table: &str) -> Remembered {
        Remembered::take(&self.second, &table.parse().expect("a name")).await.expect("remembered")
    }

    async fn recall(&self, remembered: &Remembered, table: &str) -> Comparison {
        let table: TableName = table.parse().expect("a name");
        compare(Wanted::Remembered(remembered), &self.second, &table, 10).await.expect("compared")
    }

    /// Makes a table `t` twice, sees that it is the same, to a snapshot as well, changes it, and tells what differs: the snapshot has to say
    /// the same.
    async fn differ(&self, made: &str, changed: &str) -> Vec<String> {
        self.both(made).await;
        let same = self.compare("t").await;
        assert!(same.same, "{made}: {same}");
        assert_eq!((same.rest, same.to_string()), (Rest::Exactly(0), String::new()));
        let remembered = self.remember("t").await;
        assert!(self.recall(&remembered, "t").await.same, "{made}");
        self.then(changed).await;
        let compared = self.compare("t").await;
        assert!(!compared.same, "{changed}");
        let recalled = self.recall(&remembered, "t").await;
        assert_eq!(told(&recalled), told(&compared), "a snapshot of few rows knows them all: {changed}");
        told(&compared)
    }
}

fn told(compared: &Comparison) -> Vec<String> {
    compared.to_string().lines().map(str::to_owned).collect()
}

#[tokio::test]
async fn rows_that_differ_are_named() {
    let two = Two::start().await;
    let table: TableName = "t".parse().expect("a name");
    assert!(matches!(row_sum(&two.first, &table).await, Err(crate::data::DataError::Missing { .. })));
    let missing = compare(Wanted::Server(&two.first), &two.second, &table, 9).await;
    assert!(matches!(missing, Err(crate::data::DataError::Missing { .. })));
    let rows = "create table t(x int, b text, a int, primary key (b, a)); insert into t select i, 'Ä', i from generate_series(1, 2000) i";
    let change = "delete from t where a = 7; update t set x = null where a = 9; insert into t values (1, 'B', 1)";
    let found = two.differ(rows, change).await;
    assert_eq!(found, ["+ B, 1 should not be there", "- Ä, 7 is missing", "~ Ä, 9, x: 9 became null"]);
    let one = compare(Wanted::Server(&two.first), &two.second, &table, 1).await.expect("compared");
    assert_eq!(one.differences.len(), 1);
    // The transactions have ended, and the sessions' settings are their own again.
    two.both("create table u()").await;
    assert!(two.first.batch_execute("rollback; create table v()").await.is_ok());
}

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
            "~ 4, d: -Infinity became NaN"
        ]
    );
    // Digits that a session leaves out are there all the same, and so is what it shows in another way.
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
            "~ 1, y: {a,\"b,c\"} became {a,b,c}, j: {\"a\": [1, 2], \"b\": 1} became {\"a\": [2, 1], \"b\": 1}, n: 1.50 became 1.5",
            "~ 2, x: [2:3]={7,8} became {7,8}, y: {NULL} became {\"null\"}, j: 'null' became null"
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
        ["~ 1, p: (1,\"a b\") became (1,)"]
    );
}

#[tokio::test]
async fn a_change_at_the_end_of_a_long_value_is_seen_and_told_in_short() {
    let two = Two::start().await;
    let long = "create table t(id int primary key, x text); alter table t alter x set storage external;
        insert into t select i, repeat('abcdefgh', 131072) from generate_series(1, 3) i";
    let found = two.differ(long, "update t set x = overlay(x placing '!' from length(x)) where id = 2").await;
    assert_eq!(found.len(), 1, "{found:?}");
    assert!(found[0].starts_with("~ 2, x: abcdefgh") && found[0].len() < 300, "{}", found[0]);
    assert_eq!(found[0].matches("1048576 characters, hash ").count(), 2, "{}", found[0]);
}

#[tokio::test]
async fn tables_without_a_key_are_compared_by_whole_rows_and_their_number() {
    let two = Two::start().await;
    let found = two
        .differ(
            "create table t(x int); insert into t values (1), (1), (2), (null)",
            "delete from t where x = 1; insert into t values (1), (3)",
        )
        .await;
    assert_eq!(sorted_lines(found), ["+ (3) should not be there", "~ (1), count: 2 became 1"]);
    // One row many times, and more rows than are read at once.
    two.both("create table t(x int, y text); insert into t select 1, 'same' from generate_series(1, 20000); insert into t select i, 'y' from generate_series(1, 20000) i").await;
    two.then("delete from t where ctid = (select max(ctid) from t where y = 'same'); update t set y = 'z' where x = 777 and y = 'y'").await;
    let compared = two.compare("t").await;
    let lines = sorted_lines(told(&compared));
    assert_eq!(
        lines,
        ["+ (777,z) should not be there", "- (777,y) is missing", "~ (1,same), count: 20000 became 19999"]
    );
    assert!(compared.read < 8_000, "{} rows were read", compared.read);
    // A unique index over columns that are never null tells rows apart as well as a primary key.
    let unique = "create table t(a int not null, b text not null, c int, d int); create unique index on t(c); create unique index on t(b) where a = 0;
        create unique index on t(b, a) include (d); insert into t select i, 'b', i, i from generate_series(1, 9) i";
    assert_eq!(two.differ(unique, "update t set d = 0 where a = 4").await, ["~ b, 4, d: 4 became 0"]);
    let empty = "create table t(a int)";
    assert_eq!(two.differ(empty, "insert into t values (1)").await, ["+ (1) should not be there"]);
    two.both("create table t(); insert into t default values").await;
    two.then("insert into t default values").await;
    assert_eq!(told(&two.compare("t").await), ["~ (), count: 1 became 2"]);
    // A view has no key either.
    two.both("create view t as select i as id from generate_series(1, 3) i").await;
    two.then("create or replace view t as select i as id from generate_series(1, 4) i").await;
    assert_eq!(told(&two.compare("t").await), ["+ (4) should not be there"]);
}

fn sorted_lines(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
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
    assert_eq!(found, ["~ 2, x: b became c"]);
}

#[tokio::test]
async fn names_schemas_and_columns_in_another_order() {
    let two = Two::start().await;
    let weird = "create schema if not exists \"Weird Schema\"; drop table if exists \"Weird Schema\".\"Order\";
        create table \"Weird Schema\".\"Order\"(\"select\" int, \"A \"\"b\" text, primary key (\"select\"));
        insert into \"Weird Schema\".\"Order\" values (1, 'x'), (2, 'y')";
    two.both(weird).await;
    let table = "\"Weird Schema\".\"Order\"";
    let remembered = two.remember(table).await;
    assert!(two.compare(table).await.same);
    two.then("update \"Weird Schema\".\"Order\" set \"A \"\"b\" = 'z' where \"select\" = 2").await;
    assert_eq!(told(&two.compare(table).await), ["~ 2, A \"b: y became z"]);
    assert_eq!(told(&two.recall(&remembered, table).await), ["~ 2, A \"b: y became z"]);
    // Without a schema the session's own search_path finds it.
    two.both("create schema if not exists s; drop table if exists s.t; create table s.t(id int primary key); insert into s.t values (1); set search_path = s").await;
    assert!(two.compare("t").await.same);

    // The same names and values, in another order and behind a column that is gone.
    two.both("create table t(id int primary key, a text, b text); insert into t values (1, 'x', 'y')").await;
    let remembered = two.remember("t").await;
    two.then("drop table t; create table t(gone int, b text, a text, id int primary key); alter table t drop gone; insert into t values ('y', 'x', 1)").await;
    assert!(two.compare("t").await.same);
    assert!(two.recall(&remembered, "t").await.same);
    // The same texts in the same places, under other names.
    two.then("drop table t; create table t(id int primary key, b text, a text); insert into t values (1, 'x', 'y')")
        .await;
    for compared in [two.compare("t").await, two.recall(&remembered, "t").await] {
        assert_eq!(told(&compared), ["~ 1, a: x became y, b: y became x"]);
    }
    two.then("alter table t rename a to c").await;
    for compared in [two.compare("t").await, two.recall(&remembered, "t").await] {
        assert_eq!(told(&compared), ["- column a is missing", "+ column c should not be there"]);
    }
}

#[tokio::test]
async fn every_kind_of_key_divides_its_table() {
    let two = Two::start().await;
    // The key's type, its value for row i, what else belongs to the key, and what the row of 7000 is called.
    let keys = [
        ("smallint", "i - 5000", "2000"),
        ("int", "-i", "-7000"),
        ("bigint", "i::bigint * i * i * 1000000", "343000000000000000"),
        ("numeric", "i / 3.0", "2333.3333333333333333"),
        ("float", "i / 4.0", "1750"),
        ("text", "case i % 3 when 0 then 'Ä' when 1 then 'b' else '''\\' end || i", "b7000"),
        ("varchar(20)", "'k' || i", "k7000"),
        ("uuid", "md5(i::text)::uuid", "b6f42bb0-3e7a-6a2b-43dd-7bbd4ac0a1a6"),
        ("bytea", "decode(md5(i::text), 'hex')", ""),
        ("timestamptz", "timestamptz '2026-01-01+00' + i * interval '1 hour'", "2026-10-19 16:00:00+00"),
        ("date", "date '2000-01-01' + i", "2019-03-02"),
        ("char(8)", "'c' || i", "c7000"),
        ("\"Mood\"", "array_to_string(array['a', 'b'], '')::\"Mood\"", ""),
    ];
    for (kind, value, named) in keys {
        let composite = if kind == "\"Mood\"" { "x int, primary key (id, x)" } else { "x int, primary key (id)" };
        two.both(&format!("create type \"Mood\" as enum ('ab'); create table t(id {kind}, y int, {composite}); insert into t(id, x) select {value}, i from generate_series(1, 10000) i")).await;
        two.then("update t set y = 1 where x = 7000; analyze t").await;
        let compared = two.compare("t").await;
        assert_eq!(compared.differences.len(), 1, "{kind}: {compared}");
        let line = compared.differences[0].to_string();
        assert!(line.ends_with(", y: null became 1"), "{kind}: {line}");
        if !named.is_empty() && kind != "uuid" {
            assert!(line.starts_with(&format!("~ {named}, ")), "{kind}: {line}");
        }
        assert_eq!(compared.rest, Rest::Exactly(1), "{kind}");
        assert!(compared.read < 3_500, "{kind}: {} rows were read", compared.read);
    }
    // Several columns, of which the first has few values.
    two.both("create table t(client int, seq text, x int, primary key (client, seq)); insert into t select i % 4, i, i from generate_series(1, 10000) i").await;
    two.then("delete from t where x in (5, 9999); insert into t values (2, '2a', 0)").await;
    let compared = two.compare("t").await;
    assert_eq!(told(&compared), ["- 1, 5 is missing", "+ 2, 2a should not be there", "- 3, 9999 is missing"]);
    assert_eq!(compared.rest, Rest::Exactly(3));
    assert!(compared.read < 4_000, "{} rows were read", compared.read);
}

#[tokio::test]
async fn servers_that_sort_and_encode_texts_in_other_ways_are_compared_all_the_same() {
    let two = Two::start().await;
    two.first.batch_execute("create database latin1 encoding 'LATIN1' template template0").await.expect("a database");
    let latin = two._server.connect("latin1").await;
    let sql = "create table t(id text primary key, x text); insert into t select case i % 2 when 0 then 'a' else 'B' end || i, 'ä' || i from generate_series(1, 3000) i";
    two.both(sql).await;
    latin.batch_execute(sql).await.expect("rows");
    // The second sorts its keys as people do, where the server can.
    let collated = "do $$ begin
        alter table t alter id type text collate \"en-x-icu\"; exception when undefined_object then null; end $$";
    two.then(collated).await;
    assert!(two.compare("t").await.same);
    let table: TableName = "t".parse().expect("a name");
    assert!(compare(Wanted::Server(&latin), &two.second, &table, 10).await.expect("compared").same);
    two.then("update t set x = 'ö' where id = 'a1000'; delete from t where id = 'B7'").await;
    for first in [&two.first, &latin] {
        let compared = compare(Wanted::Server(first), &two.second, &table, 10).await.expect("compared");
        assert_eq!(told(&compared), ["- B7 is missing", "~ a1000, x: ä1000 became ö"]);
    }
}

#[tokio::test]
async fn one_row_of_many_is_found_by_reading_few() {
    let two = Two::start().await;
    two.both("create table t(id bigint primary key, x text); insert into t select case when i > 50000 then i::bigint * 1000000 else i end, md5(i::text) from generate_series(1, 100000) i").await;
    two.then("update t set x = 'changed' where id = 77777000000").await;
    let compared = two.compare("t").await;
    assert_eq!(
        told(&compared),
        ["~ 77777000000, x: ab24e2b6d4f3f4d1f7a5b6f0c0a5bb4d became changed"
            .replace("ab24e2b6d4f3f4d1f7a5b6f0c0a5bb4d", &md5(&two, 77777).await)]
    );
    assert_eq!(compared.rest, Rest::Exactly(1));
    assert!(compared.read < 2_500, "{} rows were read", compared.read);
    // Of very many the first ones are named, and as many are counted as can be without reading them.
    two.then("delete from t where id > 1000000; insert into t select -i, 'x' from generate_series(1, 30000) i").await;
    let compared = two.compare("t").await;
    let lines = told(&compared);
    assert_eq!(lines.len(), 11, "{compared}");
    assert_eq!(
        (lines[0].as_str(), lines[9].as_str()),
        ("+ -30000 should not be there", "+ -29991 should not be there")
    );
    assert_eq!(compared.rest, Rest::AtLeast(80_000), "{compared}");
    assert!(compared.read < 4_000, "{} rows were read", compared.read);
    two.then("update t set x = 'all'").await;
    let compared = two.compare("t").await;
    assert!(matches!(compared.rest, Rest::AtLeast(80_000..)), "{compared}");
    // Without its key the second table is walked in another order.
    two.both("create table t(id int primary key, x int); insert into t select i, i from generate_series(1, 20000) i")
        .await;
    two.then("alter table t drop constraint t_pkey; alter table t alter id drop not null; update t set id = null where x = 5; insert into t values (9, 9), (9, 9)").await;
    let compared = two.compare("t").await;
    assert_eq!(
        sorted_lines(told(&compared)),
        ["+ null should not be there", "- 5 is missing", "~ 9, count: 1 became 3"]
    );
    two.both("create table t(id int primary key, x int); insert into t select i, i from generate_series(1, 5000) i")
        .await;
    two.then("alter table t drop constraint t_pkey; update t set id = 3; insert into t values (1, 1)").await;
    let compared = two.compare("t").await;
    assert!(!compared.same && compared.differences.len() == 10, "{compared}");
}

async fn md5(two: &Two, of: i32) -> String {
    two.first.query_one("select md5($1::int::text)", &[&of]).await.expect("a row").get(0)
}

#[tokio::test]
async fn rows_of_a_generator_are_named_without_a_server_that_has_them() {
    let two = Two::start().await;
    for (columns, rows) in [
        (Columns::default(), 30_000),
        (Columns::default(), 100),
        (Columns::parse([("u", "uuid primary key"), ("n", "int not null")]).expect("columns"), 3_000),
        (Columns::parse([("n", "int not null"), ("t", "text")]).expect("columns"), 3_000),
    ] {
        two.both("").await;
        let table: TableName = "t".parse().expect("a name");
        let generator = Generator::new(table.clone(), columns, rows, 3).expect("a generator");
        generator.load(&two.second, None).await.expect("loaded");
        let wanted = || Wanted::Generated(&generator, generator.checksum());
        assert!(compare(wanted(), &two.second, &table, 10).await.expect("compared").same);
        let first = generator.layout().columns[0].name.clone();
        let second = generator.layout().columns[1].name.clone();
        let key = |row: u64| generator.text(row, 0).unwrap_or_default();
        two.then(&format!(
            "update t set \"{second}\" = null where false; alter table t alter \"{second}\" drop not null; update t set \"{second}\" = null where \"{first}\"::text = '{}';
             delete from t where \"{first}\"::text = '{}'", key(80), key(20))).await;
        let compared = compare(wanted(), &two.second, &table, 10).await.expect("compared");
        let lines = told(&compared);
        if generator.layout().columns.len() == 4 {
            let was = generator.text(80, 1).unwrap_or_default();
            assert_eq!(lines, ["- 21 is missing".to_owned(), format!("~ 81, amount: {was} became null")]);
            assert_eq!(compared.rest, Rest::Exactly(2));
        } else {
            assert!(lines.iter().any(|line| line.contains(&key(20)) && line.ends_with("is missing")), "{lines:?}");
            assert!(lines.iter().any(|line| line.contains(&key(80))), "{lines:?}");
        }
        assert!(compared.read < 2_500, "{} rows were read", compared.read);
        two.then(&format!("alter table t rename \"{first}\" to other")).await;
        let compared = compare(wanted(), &two.second, &table, 10).await.expect("compared");
        assert_eq!(told(&compared).len(), 2, "{compared}");
    }
}

#[tokio::test]
async fn a_snapshot_of_many_rows_tells_where_and_in_which_columns() {
    let two = Two::start().await;
    two.both("create table t(id int primary key, amount numeric, note text); insert into t select i, i, 'n' || i from generate_series(1, 51200) i; analyze t").await;
    let remembered = two.remember("t").await;
    assert_eq!(remembered.sum(), row_sum(&two.second, &"t".parse().expect("a name")).await.expect("a sum"));
    two.then("update t set amount = 0 where id = 1234; delete from t where id between 20010 and 20012; insert into t select i from generate_series(60001, 60005) i").await;
    let compared = two.recall(&remembered, "t").await;
    assert_eq!((compared.same, compared.first, compared.second), (false, 51200, 51202));
    assert_eq!(
        told(&compared),
        [
            "~ rows with id from 1201 to before 1301: 100 rows, of which some differ in amount",
            "- rows with id from 20001 to before 20101: 3 of 100 rows missing",
            "+ rows with id from 51101 on: 5 more than the 100 rows expected",
            "at least 9 rows differ in all",
        ]
    );
    assert!(compared.read < 600, "{} rows were read", compared.read);
    // Without a key only the columns are known.
    two.both("create table t(a int, b int); insert into t select i, i from generate_series(1, 3000) i").await;
    let remembered = two.remember("t").await;
    two.then("update t set b = 0 where a = 7").await;
    let compared = two.recall(&remembered, "t").await;
    assert_eq!(told(&compared), ["~ the table: 3000 rows, of which some differ in b", "at least 1 row differs in all"]);
    // Values exchanged between two rows: no column has another sum.
    two.then("update t set b = case a when 7 then 8 when 8 then 7 else a end where a in (7, 8)").await;
    let compared = two.recall(&remembered, "t").await;
    assert_eq!(told(&compared)[0], "~ the table: 3000 rows, of which some differ in how their values go together");
    // A small table that has become a large one, and one that has lost its key.
    two.both("create table t(id int primary key); insert into t select generate_series(1, 5)").await;
    let remembered = two.remember("t").await;
    two.then("insert into t select generate_series(10, 40000); delete from t where id = 2").await;
    let compared = two.recall(&remembered, "t").await;
    assert_eq!((compared.first, compared.second), (5, 39_995));
    assert_eq!(told(&compared)[..2], ["- 2 is missing", "+ 10 should not be there"]);
    two.then("truncate t; alter table t drop constraint t_pkey; alter table t alter id drop not null; insert into t select generate_series(1, 5)").await;
    assert!(two.recall(&remembered, "t").await.same);
    two.then("insert into t values (null)").await;
    assert!(!two.recall(&remembered, "t").await.same);
}

#[tokio::test]
async fn rows_that_a_policy_hides_are_no_verdict() {
    let two = Two::start().await;
    let made = "create table t(id int); insert into t values (1), (2); alter table t enable row level security; create policy p on t using (id = 1); grant select on t to public; grant usage on schema public to public";
    two.both(made).await;
    two.then("create role reader; set role reader").await;
    let table: TableName = "t".parse().expect("a name");
    let error = compare(Wanted::Server(&two.first), &two.second, &table, 10).await.expect_err("a refusal");
    assert!(error.to_string().contains("row-level security"), "{error}");
}
