//! The merge against a model of it, on real servers; and what stands around a table that is merged.

use std::collections::BTreeMap;
use std::time::{Duration, Instant};

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};
use tokio_postgres::{Client, Row, SimpleQueryMessage};

use super::tables::{BAD, CHANGED, FINAL, GOOD, OBSTACLES, PLAN, SHOWN};
use super::*;
use crate::pg::{ColumnName, TableName};
use crate::testing::Server;

/// `good`, `bad` and `into` as databases of one server, each with two sessions: one for the merge,
/// one to look.
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

    async fn merge(
        &self,
        table: &str,
        key: &[&str],
        with_bad: bool,
        on_conflict: OnConflict,
    ) -> Result<Merged, MergeError> {
        self.merge_within(table, key, with_bad, on_conflict, Duration::from_secs(60)).await
    }

    /// Merges `t` in less and less of a hurry, until it is that which takes the time which is meant
    /// to.
    async fn out_of_time(&self, meant: impl Fn(&MergeError) -> bool) -> MergeError {
        let mut within = Duration::from_millis(300);
        loop {
            let error = self.merge_within("t", &["id"], true, OnConflict::Take, within).await.expect_err("no time");
            if meant(&error) {
                return error;
            }
            assert!(matches!(error, MergeError::Late(_)), "{error:?}");
            within *= 2;
        }
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
            tables: vec![MergeTable { table: &table, key: &key }],
            ignore: &[],
            on_conflict,
            good: side(0),
            compared: match with_bad {
                true => Compared::Bad(side(1)),
                false => Compared::Into(Side { name: NAMES[2], client: &self.second }),
            },
            into: side(2),
            touched: None,
            known: &[],
            deadline: Instant::now() + within,
        };
        let merged = merge.run(|_| {}).await;
        // As the end of the session does.
        let gone = format!(
            "drop table if exists pg_temp.{GOOD}, pg_temp.{BAD}, pg_temp.{CHANGED}, pg_temp.{PLAN}, pg_temp.{FINAL}, pg_temp.{OBSTACLES}"
        );
        self.sessions[2].batch_execute(&gone).await.expect("nothing is left open");
        merged
    }
}

type Key = (usize, usize);
/// The values of a row, as places in [`VALUES`]; the last of each is null.
type Values = [usize; 3];
type Rows = BTreeMap<Key, Values>;

/// What may stand in each column: an integer, a json (without `=`), and a numeric (whose `=` does
/// not see all).
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
                sql.push_str(&format!(
                    "update \"T\" set {} = {} where {};",
                    COLUMNS[column],
                    VALUES[column][value],
                    at(key)
                ));
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

/// The merge in a few lines, as the manual page has it. None if there is nothing to take back.
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
        |(base, mistake, users, with_bad, moved, on_conflict)| Story {
            base,
            mistake,
            users,
            with_bad,
            moved,
            on_conflict,
        },
    )
}

async fn rows(client: &Client) -> Rows {
    let place = |column: usize, value: Option<String>| match value {
        None => 3,
        Some(value) => VALUES[column].iter().position(|v| v.trim_matches('\'') == value).expect("a known value"),
    };
    let found =
        client.query("select \"Id\", part, \"A a\"::text, j::text, n::text from \"T\"", &[]).await.expect("rows");
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
    let runtime =
        tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().expect("a runtime");
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
    // A foreign key that might change other rows of the table has the merge planned row by row.
    let planned = "alter table \"T\" add other_part text, add other_id int,
        add foreign key (other_part, other_id) references \"T\" on delete set null on update cascade";
    for (cases, more) in [(60, ""), (60, planned)] {
        runtime.block_on(three.all(more));
        let mut runner = TestRunner::new(Config { cases, failure_persistence: None, ..Config::default() });
        let ran = runner.run(&story(), |story| runtime.block_on(tell(&three, &story)));
        if let Err(error) = ran {
            panic!("{error}");
        }
    }
    // The server ends while the runtime is there.
    runtime.block_on(async { drop(three) });
}

/// What stands around a table: an identity that is always generated, a trigger that falsifies, one
/// that is always on, one that is off, and foreign keys from it and to it.
const SHOP: &str = "create table client (id int primary key);
    create table orders (id int generated always as identity primary key, client int references client, status text, email text unique,
        seen int default 0);
    create table note (id int primary key, order_id int references orders on delete cascade);
    create table audit (what text);
    create function stamp() returns trigger language plpgsql as
        $$ begin insert into audit values (tg_op); new.seen := 99; return new; end $$;
    create trigger stamp before insert or update on orders for each row execute function stamp();
    create trigger always before update on orders for each row execute function stamp();
    create trigger off before update on orders for each row execute function stamp();
    insert into client select i from generate_series(1, 9) i;
    alter table orders disable trigger user;
    insert into orders (client, status, email) select i, 'open', i || '@x' from generate_series(1, 5) i;
    insert into note select i, i from generate_series(1, 2) i;
    alter table orders enable trigger stamp, enable always trigger always;";

#[tokio::test]
async fn triggers_do_not_fire_and_are_as_before_and_foreign_keys_are_checked() {
    let three = Three::start().await;
    three.all(SHOP).await;
    three
        .mistake(
            "alter table orders disable trigger user; update orders set status = 'void' where id = 1; delete from orders where id in (3, 4);
            insert into orders overriding system value values (10, 1, 'new', '10@x'), (11, 1, 'new', '11@x');
            alter table orders enable trigger stamp, enable always trigger always",
        )
        .await;
    three.users("truncate audit; insert into note values (11, 11)").await;

    let error = three.merge("orders", &["id"], true, OnConflict::Fail).await.expect_err("a conflict");
    let MergeError::Conflicts(merged) = error else { panic!("{error:?}") };
    let told: Vec<String> = merged.shown.iter().map(ToString::to_string).collect();
    assert_eq!(told, ["id 11: the mistake inserted the row, and rows of other tables refer to it now"]);
    assert_eq!((merged.conflicts, merged.conflict_rows), (1, 1));
    assert_eq!(three.seen("select id from orders order by id").await, ["1", "2", "5", "10", "11"]);

    let merged = three.merge("orders", &["id"], true, OnConflict::Keep).await.expect("merged");
    assert_eq!((merged.restored_cells, merged.put_back, merged.removed, merged.conflicts), (1, 2, 1, 1));
    assert_eq!(
        three.seen("select status from orders order by id").await,
        ["open", "open", "open", "open", "open", "new"]
    );
    assert_eq!(three.seen("select sum(seen), (select count(*) from audit) from orders").await, ["0"]);
    assert_eq!(three.seen("select count(*) from audit").await, ["0"]);
    assert_eq!(three.seen("select count(*) from note").await, ["3"]);
    let enabled = "select tgname || ' ' || tgenabled::text from pg_trigger where not tgisinternal order by 1";
    assert_eq!(three.seen(enabled).await, ["always A", "off D", "stamp O"]);

    // What is decided for `good` takes along what refers to it.
    let merged = three.merge("orders", &["id"], true, OnConflict::Take).await.expect("merged");
    assert_eq!((merged.removed, merged.already), (1, 4));
    assert_eq!(three.seen("select count(*) from note").await, ["2"]);
}

#[tokio::test]
async fn what_the_server_would_refuse_is_a_conflict() {
    let three = Three::start().await;
    three.all(SHOP).await;
    three.mistake("alter table orders disable trigger user; delete from orders where id in (3, 4)").await;
    // Somebody else has the address now; and somebody is a client no more.
    three.users("insert into orders (client, email) values (1, '3@x'); delete from client where id = 4").await;
    let error = three.merge("orders", &["id"], true, OnConflict::Fail).await.expect_err("conflicts");
    let MergeError::Conflicts(merged) = error else { panic!("{error:?}") };
    let told: Vec<String> = merged.shown.iter().map(ToString::to_string).collect();
    assert_eq!(
        told,
        [
            "id 3: it had email '3@x', which the row with id 6 has now (orders_email_key)",
            "id 4: client '4' refers to a row of public.client that is gone now (orders_client_fkey)"
        ]
    );
    // No one can take a row of another table.
    let error = three.merge("orders", &["id"], true, OnConflict::Take).await.expect_err("a foreign key");
    assert!(matches!(&error, MergeError::Undecided(merged) if merged.conflicts == 2), "{error:?}");
    assert_eq!(three.seen("select id from orders order by id").await, ["1", "2", "5", "6"]);
    let merged = three.merge("orders", &["id"], true, OnConflict::Keep).await.expect("merged");
    assert_eq!((merged.put_back, merged.conflicts, merged.refused), (0, 2, 2));
    three.users("insert into client values (4)").await;
    let merged = three.merge("orders", &["id"], true, OnConflict::Take).await.expect("merged");
    assert_eq!((merged.put_back, merged.removed, merged.conflicts), (2, 1, 1));
    assert_eq!(three.seen("select id from orders order by id").await, ["1", "2", "3", "4", "5"]);
    // What the mistake itself took away comes first.
    three.mistake("delete from note; delete from orders where id = 5; delete from client where id = 5").await;
    let error = three.merge("orders", &["id"], true, OnConflict::Keep).await.expect_err("no client");
    assert!(matches!(&error, MergeError::Parents { table, rows: 1, .. } if table == "public.client"), "{error:?}");
    assert_eq!(three.merge("client", &["id"], true, OnConflict::Fail).await.expect("merged").put_back, 1);
    assert_eq!(three.merge("orders", &["id"], true, OnConflict::Keep).await.expect("merged").put_back, 1);
}

#[tokio::test]
async fn partitions_are_merged_as_one_table() {
    let three = Three::start().await;
    three
        .all(
            "create schema s; create table s.t (id int, day int, v text, primary key (id, day)) partition by range (day);
            create table s.t1 partition of s.t for values from (0) to (10);
            create table s.t2 partition of s.t for values from (10) to (20) partition by list (id);
            create table s.t2a partition of s.t2 default;
            create table audit (what text);
            create function log() returns trigger language plpgsql as $$ begin insert into audit values (tg_op); return new; end $$;
            create trigger log after insert or update or delete on s.t for each row execute function log();
            insert into s.t select i, i, 'v' || i from generate_series(0, 19) i;",
        )
        .await;
    three.mistake("update s.t set v = 'bad' where id > 7; delete from s.t where id = 3; insert into s.t values (3, 19, 'new')").await;
    three
        .users("update s.t set v = 'users' where id in (8, 1); insert into s.t values (99, 5, 'later'); truncate audit")
        .await;
    let merged = three.merge("s.t", &["day", "id"], true, OnConflict::Keep).await.expect("merged");
    assert_eq!((merged.restored_cells, merged.put_back, merged.removed, merged.conflicts), (11, 1, 1, 1));
    assert_eq!(
        merged.shown[0].to_string(),
        "day 8, id 8: v was 'v8', the mistake made it 'bad', and it is 'users' now"
    );
    let right = "select count(*) from s.t where v = 'v' || id";
    assert_eq!(three.seen(right).await, ["18"]);
    assert_eq!(three.seen("select count(*) from s.t").await, ["21"]);
    assert_eq!(three.seen("select count(*) from audit").await, ["0"]);
    three.users("update s.t set v = 'x' where id = 99").await;
    assert_eq!(three.seen("select count(*) from audit").await, ["1"]);
}

#[tokio::test]
async fn conflicts_are_told_row_by_row() {
    let three = Three::start().await;
    three.all("create table t (id int primary key, a text, b int); insert into t select i, 'a' || i, i from generate_series(1, 50) i").await;
    three.mistake("update t set a = 'bad', b = null where id <= 30; delete from t where id = 40; insert into t values (60, 'new', 0)").await;
    three
        .users(
            "update t set a = 'users' where id <= 2; update t set b = 7, a = '' where id = 3; delete from t where id = 4;
            insert into t values (40, 'again', 40); update t set b = 1 where id = 60",
        )
        .await;
    let error = three.merge("t", &["id"], true, OnConflict::Fail).await.expect_err("conflicts");
    let MergeError::Conflicts(merged) = error else { panic!("{error:?}") };
    let told: Vec<String> = merged.shown.iter().map(ToString::to_string).collect();
    let expected = [
        "id 60: the mistake inserted the row with b '0', and it is '1' now",
        "id 1: a was 'a1', the mistake made it 'bad', and it is 'users' now",
        "id 2: a was 'a2', the mistake made it 'bad', and it is 'users' now",
        "id 3: a was 'a3', the mistake made it 'bad', and it is '' now",
        "id 3: b was '3', the mistake made it null, and it is '7' now",
        "id 4: the mistake changed the row (a was 'a4', and was made 'bad'; b was '4', and was made null), and it is gone now",
        "id 40: a was 'a40', the mistake deleted the row, and it is there again with 'again'",
    ];
    assert_eq!(told, expected);
    assert_eq!((merged.conflicts, merged.conflict_rows), (7, 6));
    // Many are counted, and the first are listed.
    three.users("update t set a = 'users' where id <= 30").await;
    let error = three.merge("t", &["id"], true, OnConflict::Fail).await.expect_err("conflicts");
    let MergeError::Conflicts(merged) = error else { panic!("{error:?}") };
    assert_eq!((merged.shown.len(), merged.conflicts), (SHOWN, 33));
}

#[tokio::test]
async fn tables_that_cannot_be_merged_are_told_apart() {
    let three = Three::start().await;
    three
        .all(
            "create table t (id int primary key, mail text, a int, unique (mail)); create table plain (id int);
            create table partly (id int not null, b int not null); create unique index on partly (id) where b > 0;
            create view v as select * from t; create table parent (id int primary key); create table child () inherits (parent);
            create table gone (id int primary key); create table other (id int primary key, a int, b int)",
        )
        .await;
    three.look[0].batch_execute("drop table gone").await.expect("dropped");
    three.look[0].batch_execute("alter table other drop a, alter b type bigint, add c int").await.expect("altered");
    let cases: &[(&str, &[&str], &str)] = &[
        ("t", &["ids"], "on `live`: there is no such column; did you mean `id`?"),
        ("t", &["a"], "on `live`: these columns do not tell one row from all others"),
        ("t", &["id", "a"], "on `live`: these columns do not tell one row from all others"),
        ("t", &["mail"], "on `live`: `mail` may be null, and nulls are equal to nothing"),
        ("plain", &["id"], "on `live`: these columns do not tell one row from all others"),
        ("partly", &["id"], "on `live`: these columns do not tell one row from all others"),
        ("v", &["id"], "on `live`: it is a view"),
        ("parent", &["id"], "on `live`: it has child tables (inheritance), whose keys are their own"),
        ("nothing", &["id"], "on `live`: there is no such table"),
        ("gone", &["id"], "on `good`: there is no such table"),
        (
            "other",
            &["id"],
            "on `good`: `a` is not there on `good`; `b` is bigint on `good` and integer on `live`; `c` is not there on `live`",
        ),
    ];
    for (table, key, expected) in cases {
        let error = three.merge(table, key, true, OnConflict::Take).await.expect_err(table);
        assert_eq!(&error.to_string(), expected);
    }
    let error = three.merge("t", &["a"], true, OnConflict::Take).await.expect_err("no key");
    let MergeError::Misfit { misfit, .. } = error else { panic!("{error:?}") };
    assert_eq!(misfit, Misfit::NotUnique("`id` or `mail`".to_owned()));
}

#[tokio::test]
async fn a_lock_that_is_not_to_be_had_is_told_with_who_holds_it() {
    let three = Three::start().await;
    three.all("create table t (id int primary key, a int); insert into t values (1, 1)").await;
    three.mistake("update t set a = 2").await;
    three.users("set application_name = 'a clerk'; begin; update t set a = 3").await;
    let MergeError::Locked(holders) = three.out_of_time(|error| matches!(error, MergeError::Locked(_))).await else {
        panic!()
    };
    assert_eq!(holders.len(), 1, "{holders:?}");
    assert!(
        holders[0].starts_with("a clerk (pid ")
            && holders[0].ends_with("RowExclusiveLock): set application_name = 'a clerk'; begin; update t set a = 3"),
        "{holders:?}"
    );
    three.users("rollback").await;
    assert_eq!(three.merge("t", &["id"], true, OnConflict::Fail).await.expect("merged").restored_cells, 1);
}

#[tokio::test]
async fn what_takes_too_long_is_ended_by_the_server_and_undone() {
    let three = Three::start().await;
    three
        .all(
            "create table t (id int primary key, a int); insert into t values (1, 1);
            create function slow(int) returns int immutable language plpgsql as $$ begin perform pg_sleep(1000); return $1; end $$",
        )
        .await;
    three.mistake("update t set a = 2").await;
    // An index that is computed when the value is put back.
    three.users("create table c (id int) ; alter table t add check (a = 2 or slow(a) = a) not valid").await;
    three.out_of_time(|error| matches!(error, MergeError::Late("putting values back"))).await;
    assert_eq!(three.seen("select a from t").await, ["2"]);
}
