//! Generators and snapshots: what is known without a second server.

use super::*;

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
        assert!(compare(wanted(), &two.second, &table, &View::default(), 10).await.expect("compared").same);
        let first = generator.layout().columns[0].name.clone();
        let second = generator.layout().columns[1].name.clone();
        let key = |row: u64| generator.text(row, 0).unwrap_or_default();
        two.then(&format!(
            "update t set \"{second}\" = null where false; alter table t alter \"{second}\" drop not null; update t set \"{second}\" = null where \"{first}\"::text = '{}';
             delete from t where \"{first}\"::text = '{}'", key(80), key(20))).await;
        let compared = compare(wanted(), &two.second, &table, &View::default(), 10).await.expect("compared");
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
        let compared = compare(wanted(), &two.second, &table, &View::default(), 10).await.expect("compared");
        assert_eq!(told(&compared).len(), 2, "{compared}");
    }
}

#[tokio::test]
async fn a_snapshot_of_many_rows_tells_where_and_in_which_columns() {
    let two = Two::start().await;
    two.both("create table t(id int primary key, amount numeric, note text); insert into t select i, i, 'n' || i from generate_series(1, 51200) i; analyze t").await;
    let snapshot = two.take_snapshot("t").await;
    assert_eq!(snapshot.sum(), row_sum(&two.second, &"t".parse().expect("a name")).await.expect("a sum"));
    two.then("update t set amount = 0 where id = 1234; delete from t where id between 20010 and 20012; insert into t select i from generate_series(60001, 60005) i").await;
    let compared = two.compare_snapshot(&snapshot, "t").await;
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
    let snapshot = two.take_snapshot("t").await;
    two.then("update t set b = 0 where a = 7").await;
    let compared = two.compare_snapshot(&snapshot, "t").await;
    assert_eq!(told(&compared), ["~ the table: 3000 rows, of which some differ in b", "at least 1 row differs in all"]);
    // Values exchanged between two rows: no column has another sum.
    two.then("update t set b = case a when 7 then 8 when 8 then 7 else a end where a in (7, 8)").await;
    let compared = two.compare_snapshot(&snapshot, "t").await;
    assert_eq!(told(&compared)[0], "~ the table: 3000 rows, of which some differ in how their values go together");
    // A small table that has become a large one, and one that has lost its key.
    two.both("create table t(id int primary key); insert into t select generate_series(1, 5)").await;
    let snapshot = two.take_snapshot("t").await;
    two.then("insert into t select generate_series(10, 40000); delete from t where id = 2").await;
    let compared = two.compare_snapshot(&snapshot, "t").await;
    assert_eq!((compared.first, compared.second), (5, 39_995));
    assert_eq!(told(&compared)[..2], ["- 2 is missing", "+ 10 should not be there"]);
    two.then("truncate t; alter table t drop constraint t_pkey; alter table t alter id drop not null; insert into t select generate_series(1, 5)").await;
    assert!(two.compare_snapshot(&snapshot, "t").await.same);
    two.then("insert into t values (null)").await;
    assert!(!two.compare_snapshot(&snapshot, "t").await.same);
}
