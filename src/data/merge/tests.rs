//! The merge against a model of it, on real servers; and what stands around a table that is merged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio_postgres::{Client, SimpleQueryMessage};

use super::*;
use crate::data::testing::Server;

/// `good`, `bad` and `into` as databases of one server, each with two sessions: one for the merge, one to look.
struct Three {
    _server: Server,
    sessions: [Client; 3],
    second: Client,
    look: [Client; 3],
}

const NAMES: [&str; 3] = ["good", "bad", "live"];

impl Three {
    async fn start() -> Self {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        for name in NAMES {
            client.batch_execute(&format!("create database {name}")).await.expect("a database");
        }
        let sessions = [server.connect("good").await, server.connect("bad").await, server.connect("live").await];
        let look = [server.connect("good").await, server.connect("bad").await, server.connect("live").await];
        let second = server.connect("live").await;
        Three { _server: server, sessions, second, look }
    }

    /// Runs SQL on each of them.
    async fn all(&self, sql: &str) {
        for client in &self.look {
            client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        }
    }

    /// Runs SQL on the server that has lived through the mistake, and on the live one.
    async fn mistake(&self, sql: &str) {
        for client in &self.look[1..] {
            client.batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
        }
    }

    async fn users(&self, sql: &str) {
        self.look[2].batch_execute(sql).await.unwrap_or_else(|e| panic!("{sql}: {e:?}"));
    }

    /// The first column of the live server's answer.
    async fn seen(&self, query: &str) -> Vec<String> {
        let messages = self.look[2].simple_query(query).await.unwrap_or_else(|e| panic!("{query}: {e:?}"));
        let row = |message: SimpleQueryMessage| match message {
            SimpleQueryMessage::Row(row) => Some(row.get(0).unwrap_or("null").to_owned()),
            _ => None,
        };
        messages.into_iter().filter_map(row).collect()
    }

    async fn merge(&self, table: &str, key: &[&str], with_bad: bool, on_conflict: OnConflict) -> Result<Merged, MergeError> {
        self.merge_within(table, key, with_bad, on_conflict, Duration::from_secs(60)).await
    }

    async fn merge_within(
        &self,
        table: &str,
        key: &[&str],
        with_bad: bool,
        on_conflict: OnConflict,
        within: Duration,
    ) -> Result<Merged, MergeError> {
        let table: TableName = table.parse().expect("a table's name");
        let key: Vec<ColumnName> = key.iter().map(|name| name.parse().expect("a column's name")).collect();
        let side = |at: usize| Side { name: NAMES[at], client: &self.sessions[at] };
        let merge = Merge {
            table: &table,
            key: &key,
            on_conflict,
            good: side(0),
            compared: match with_bad {
                true => Compared::Bad(side(1)),
                false => Compared::Into(Side { name: NAMES[2], client: &self.second }),
            },
            into: side(2),
            deadline: Instant::now() + within,
        };
        let merged = merge.run(|_| {}).await;
        // As the end of the session does.
        let gone = format!("drop table if exists pg_temp.{CHANGES}, pg_temp.{CHANGED}");
        self.sessions[2].batch_execute(&gone).await.expect("nothing is left open");
        merged
    }
}

type Key = (usize, usize);
/// The values of a row, as places in [`VALUES`]; the last of each is null.
type Values = [usize; 3];
type Rows = BTreeMap<Key, Values>;

/// What may stand in each column: an integer, a json (without `=`), and a numeric (whose `=` does not see all).
const VALUES: [[&str; 4]; 3] =
    [["1", "2", "3", "null"], ["'{}'", "'[1]'", "'[ 1 ]'", "null"], ["1.0", "1.00", "2", "null"]];
const COLUMNS: [&str; 3] = ["\"A a\"", "j", "n"];
const KEYS: usize = 3;

#[derive(Debug, Clone)]
enum Change {
    Delete(Key),
    Set(Key, usize, usize),
    Insert(Key, Values),
}

fn change() -> impl Strategy<Value = Change> {
    let key = (0..KEYS, 0..2_usize);
    prop_oneof![
        1 => key.clone().prop_map(Change::Delete),
        4 => (key.clone(), 0..3_usize, 0..4_usize).prop_map(|(key, column, value)| Change::Set(key, column, value)),
        1 => (key, [0..4_usize, 0..4_usize, 0..4_usize]).prop_map(|(key, values)| Change::Insert(key, values)),
    ]
}

/// Does to the model what the statement does to the table.
fn apply(rows: &mut Rows, changes: &[Change]) -> String {
    let mut sql = String::new();
    let at = |(id, part): Key| format!("\"Id\" = {id} and part = 'p{part}'");
    for change in changes {
        match *change {
            Change::Delete(key) => {
                rows.remove(&key);
                sql.push_str(&format!("delete from \"T\" where {};", at(key)));
            }
            Change::Set(key, column, value) => {
                if let Some(row) = rows.get_mut(&key) {
                    row[column] = value;
                }
                sql.push_str(&format!("update \"T\" set {} = {} where {};", COLUMNS[column], VALUES[column][value], at(key)));
            }
            Change::Insert(key, values) => {
                rows.entry(key).or_insert(values);
                sql.push_str(&format!("{} on conflict do nothing;", insert(key, values)));
            }
        }
    }
    sql
}

fn insert((id, part): Key, values: Values) -> String {
    let values: Vec<&str> = values.iter().zip(VALUES).map(|(value, all)| all[*value]).collect();
    format!("insert into \"T\"(\"Id\", part, {}) values ({id}, 'p{part}', {})", COLUMNS.join(", "), values.join(", "))
}

/// What the merge should come to.
#[derive(Debug, Default, PartialEq)]
struct Expected {
    restored: u64,
    put_back: u64,
    removed: u64,
    conflicts: u64,
}

fn different(a: &Values, b: &Values) -> u64 {
    a.iter().zip(b).filter(|(a, b)| a != b).count() as u64
}

/// The merge in a few lines, as the manual page has it. None where there is nothing to take back.
fn model(good: &Rows, bad: Option<&Rows>, now: &Rows, take: bool) -> Option<(Rows, Expected)> {
    let (mut rows, mut expected) = (now.clone(), Expected::default());
    let keys: std::collections::BTreeSet<&Key> = good.keys().chain(bad.into_iter().flat_map(BTreeMap::keys)).collect();
    let same = match bad {
        Some(bad) => good == bad,
        None => good.iter().all(|(key, row)| now.get(key) == Some(row)),
    };
    if same {
        return None;
    }
    for key in keys {
        let spoilt = bad.map(|bad| bad.get(key));
        match (good.get(key), spoilt, now.get(key)) {
            (Some(good), Some(Some(bad)), Some(now)) => {
                let row = rows.get_mut(key).expect("it is there");
                for column in (0..3).filter(|column| good[*column] != bad[*column]) {
                    if now[column] == bad[column] {
                        expected.restored += 1;
                        row[column] = good[column];
                    } else if now[column] != good[column] {
                        expected.conflicts += 1;
                        row[column] = if take { good[column] } else { now[column] };
                    }
                }
            }
            (Some(good), Some(Some(bad)), None) if good != bad => {
                expected.conflicts += 1;
                if take {
                    rows.insert(*key, *good);
                    expected.put_back += 1;
                }
            }
            (Some(_), Some(Some(_)), None) => {}
            (Some(good), _, None) => {
                expected.put_back += 1;
                rows.insert(*key, *good);
            }
            (Some(good), _, Some(now)) => {
                expected.conflicts += different(good, now);
                if take {
                    rows.insert(*key, *good);
                }
            }
            (None, Some(Some(bad)), Some(now)) => {
                expected.conflicts += different(bad, now);
                if take || bad == now {
                    rows.remove(key);
                    expected.removed += 1;
                }
            }
            (None, ..) => {}
        }
    }
    Some((rows, expected))
}

#[derive(Debug, Clone)]
struct Story {
    base: Rows,
    mistake: Vec<Change>,
    users: Vec<Change>,
    with_bad: bool,
    /// `good` does not lie on disk as the others do.
    moved: bool,
    on_conflict: OnConflict,
}

fn story() -> impl Strategy<Value = Story> {
    let row = ((0..KEYS, 0..2_usize), [0..4_usize, 0..4_usize, 0..4_usize]);
    let base = proptest::collection::vec(row, 0..8).prop_map(|rows| rows.into_iter().collect::<Rows>());
    let changes = || proptest::collection::vec(change(), 0..8);
    let modes = prop_oneof![Just(OnConflict::Fail), Just(OnConflict::Keep), Just(OnConflict::Take)];
    (base, changes(), changes(), prop::bool::weighted(0.8), any::<bool>(), modes).prop_map(
        |(base, mistake, users, with_bad, moved, on_conflict)| Story { base, mistake, users, with_bad, moved, on_conflict },
    )
}

async fn rows(client: &Client) -> Rows {
    let place = |column: usize, value: Option<String>| match value {
        None => 3,
        Some(value) => VALUES[column].iter().position(|v| v.trim_matches('\'') == value).expect("a known value"),
    };
    let found = client.query("select \"Id\", part, \"A a\"::text, j::text, n::text from \"T\"", &[]).await.expect("rows");
    let row = |row: &Row| {
        let part: String = row.get(1);
        let key = (row.get::<_, i32>(0) as usize, part.trim_start_matches('p').parse().expect("a number"));
        (key, [place(0, row.get(2)), place(1, row.get(3)), place(2, row.get(4))])
    };
    found.iter().map(row).collect()
}

async fn tell(three: &Three, story: &Story) -> Result<(), TestCaseError> {
    let inserts: Vec<String> = story.base.iter().map(|(key, values)| insert(*key, *values)).collect();
    let (mut bad, mut now) = (story.base.clone(), story.base.clone());
    let mistake = apply(&mut bad, &story.mistake);
    let users = apply(&mut now, &story.mistake) + &apply(&mut now, &story.users);
    for (at, changes) in ["", &mistake, &users].into_iter().enumerate() {
        let mut inserts = inserts.clone();
        if story.moved && at == 0 {
            inserts.reverse();
        }
        let sql = format!("truncate \"T\"; {};{changes}", inserts.join(";"));
        three.look[at].batch_execute(&sql).await.expect("the story is told");
    }
    prop_assert_eq!(rows(&three.look[2]).await, now.clone());
    let expected = model(&story.base, story.with_bad.then_some(&bad), &now, story.on_conflict == OnConflict::Take);
    let done = three.merge("\"T\"", &["\"Id\"", "part"], story.with_bad, story.on_conflict).await;
    let left = rows(&three.look[2]).await;
    let seen = |merged: &Merged| Expected {
        restored: merged.restored_cells,
        put_back: merged.put_back,
        removed: merged.removed,
        conflicts: merged.conflicts,
    };
    match (expected, done) {
        (None, Err(MergeError::Same(_))) => prop_assert_eq!(left, now),
        (Some((_, expected)), Err(MergeError::Conflicts(merged))) => {
            prop_assert!(story.on_conflict == OnConflict::Fail && expected.conflicts > 0);
            prop_assert_eq!(merged.conflicts, expected.conflicts);
            prop_assert_eq!(merged.shown.len() as u64, expected.conflicts.min(SHOWN as u64), "{:?}", merged.shown);
            prop_assert_eq!(left, now);
        }
        (Some((rows, expected)), Ok(merged)) => {
            prop_assert!(story.on_conflict != OnConflict::Fail || expected.conflicts == 0);
            prop_assert_eq!(seen(&merged), expected);
            prop_assert_eq!(merged.shown.len() as u64, merged.conflicts.min(SHOWN as u64), "{:?}", merged.shown);
            prop_assert_eq!(left, rows);
            let computed = three.seen("select count(*) from \"T\" where g is distinct from \"A a\" * 2").await;
            prop_assert_eq!(computed, ["0"]);
        }
        (expected, done) => prop_assert!(false, "expected {expected:?}, and it was {done:?}"),
    }
    Ok(())
}

#[test]
fn the_merge_does_what_its_model_does() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
    let three = runtime.block_on(async {
        let three = Three::start().await;
        three
            .all(
                "create table \"T\"(\"Id\" int, part text, \"A a\" int, j json, n numeric, g int generated always as (\"A a\" * 2) stored,
                    primary key (part, \"Id\"))",
            )
            .await;
        three
    });
    let mut runner = TestRunner::new(Config { cases: 200, failure_persistence: None, ..Config::default() });
    let ran = runner.run(&story(), |story| runtime.block_on(tell(&three, &story)));
    if let Err(error) = ran {
        panic!("{error}");
    }
    // The server ends while the runtime is there.
    runtime.block_on(async { drop(three) });
}
