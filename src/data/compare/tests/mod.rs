//! Two databases of one real server, whose tables differ.

mod kept;
mod keys;
mod values;

use tokio_postgres::Client;

use crate::data::rows::Relation;
use crate::data::{Columns, Comparison, Generator, Rest, RowsSnapshot, View, Wanted, compare, row_sum};
use crate::pg::TableName;
use crate::testing::Server;

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
        compare(Wanted::Server(&self.first), &self.second, &table, &View::default(), 10).await.expect("compared")
    }

    async fn take_snapshot(&self, table: &str) -> RowsSnapshot {
        RowsSnapshot::take(&self.second, &table.parse().expect("a name"), &View::default(), None)
            .await
            .expect("a snapshot")
    }

    async fn compare_snapshot(&self, snapshot: &RowsSnapshot, table: &str) -> Comparison {
        let table: TableName = table.parse().expect("a name");
        compare(Wanted::RowsSnapshot(snapshot), &self.second, &table, &View::default(), 10).await.expect("compared")
    }

    /// Makes a table `t` twice, sees that it is the same, to a snapshot as well, changes it, and
    /// tells what differs: the snapshot has to say the same.
    async fn differ(&self, made: &str, changed: &str) -> Vec<String> {
        self.both(made).await;
        let same = self.compare("t").await;
        assert!(same.same, "{made}: {same}");
        assert_eq!((same.rest, same.to_string()), (Rest::Exactly(0), String::new()));
        let snapshot = self.take_snapshot("t").await;
        assert!(self.compare_snapshot(&snapshot, "t").await.same, "{made}");
        self.then(changed).await;
        let compared = self.compare("t").await;
        assert!(!compared.same, "{changed}");
        let recalled = self.compare_snapshot(&snapshot, "t").await;
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
    let missing = compare(Wanted::Server(&two.first), &two.second, &table, &View::default(), 9).await;
    assert!(matches!(missing, Err(crate::data::DataError::Missing { .. })));
    let rows = "create table t(x int, b text, a int, primary key (b, a)); insert into t select i, 'Ä', i from generate_series(1, 2000) i";
    let change = "delete from t where a = 7; update t set x = null where a = 9; insert into t values (1, 'B', 1)";
    let found = two.differ(rows, change).await;
    assert_eq!(found, ["+ 'B', 1 should not be there", "- 'Ä', 7 is missing", "~ 'Ä', 9, x: 9 became null"]);
    let one = compare(Wanted::Server(&two.first), &two.second, &table, &View::default(), 1).await.expect("compared");
    assert_eq!(one.differences.len(), 1);
    // The transactions have ended, and the sessions' settings are their own again.
    two.both("create table u()").await;
    assert!(two.first.batch_execute("rollback; create table v()").await.is_ok());
}

fn sorted_lines(mut lines: Vec<String>) -> Vec<String> {
    lines.sort();
    lines
}
