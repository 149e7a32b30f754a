//! Tables that are divided by their keys, or by hashes if they have none.

use super::*;

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
    assert_eq!(two.differ(unique, "update t set d = 0 where a = 4").await, ["~ 'b', 4, d: 4 became 0"]);
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

#[tokio::test]
async fn every_kind_of_key_divides_its_table() {
    let two = Two::start().await;
    // The key's type, its value for row i, what else belongs to the key, and what the row of 7000
    // is called.
    let keys = [
        ("smallint", "i - 5000", "2000"),
        ("int", "-i", "-7000"),
        ("bigint", "i::bigint * i * i * 1000000", "343000000000000000"),
        ("numeric", "i / 3.0", "2333.3333333333333333"),
        ("float", "i / 4.0", "1750"),
        ("text", "case i % 3 when 0 then 'Ä' when 1 then 'b' else '''\\' end || i", "'b7000'"),
        ("varchar(20)", "'k' || i", "'k7000'"),
        ("uuid", "md5(i::text)::uuid", "b6f42bb0-3e7a-6a2b-43dd-7bbd4ac0a1a6"),
        ("bytea", "decode(md5(i::text), 'hex')", ""),
        ("timestamptz", "timestamptz '2026-01-01+00' + i * interval '1 hour'", "'2026-10-19 16:00:00+00'"),
        ("date", "date '2000-01-01' + i", "'2019-03-02'"),
        ("char(8)", "'c' || i", "'c7000   '"),
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
    assert_eq!(told(&compared), ["- 1, 5 is missing", "+ 2, '2a' should not be there", "- 3, 9999 is missing"]);
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
    // The second sorts its keys as people do, if the server can.
    let collated = "do $$ begin
        alter table t alter id type text collate \"en-x-icu\"; exception when undefined_object then null; end $$";
    two.then(collated).await;
    assert!(two.compare("t").await.same);
    let table: TableName = "t".parse().expect("a name");
    assert!(compare(Wanted::Server(&latin), &two.second, &table, &View::default(), 10).await.expect("compared").same);
    two.then("update t set x = 'ö' where id = 'a1000'; delete from t where id = 'B7'").await;
    for first in [&two.first, &latin] {
        let compared =
            compare(Wanted::Server(first), &two.second, &table, &View::default(), 10).await.expect("compared");
        assert_eq!(told(&compared), ["- 'B7' is missing", "~ 'a1000', x: 'ä1000' became 'ö'"]);
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
        ["~ 77777000000, x: 'ab24e2b6d4f3f4d1f7a5b6f0c0a5bb4d' became 'changed'"
            .replace("ab24e2b6d4f3f4d1f7a5b6f0c0a5bb4d", &md5(&two, 77777).await)]
    );
    assert_eq!(compared.rest, Rest::Exactly(1));
    assert!(compared.read < 2_500, "{} rows were read", compared.read);
    // Large tables are divided by a sample of their pages, those of their children too.
    let relation = Relation::read(&two.first, &"t".parse().expect("a name")).await.expect("a relation");
    assert!(relation.sampled && relation.pages > 500, "{relation:?}");
    // Of very many the first ones are named, and as many are counted as can be without reading
    // them.
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
