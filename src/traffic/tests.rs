//! Users against real servers.

use std::time::{Duration, Instant};

use jiff::Timestamp;

use super::server::{Server, source};
use super::{Pool, Workload, check};
use crate::ledger::{CheckScope, Kind, LedgerColumns, Verdict};
use crate::pg::TableName;

const ORDER: &str = "INSERT INTO orders (client, seq, amount) VALUES ($client, $seq, 42)";
const VISIT: &str = "INSERT INTO visits (client, seq) VALUES ($client, $seq)";

fn kind(name: &str, table: &str, sql: &str, weight: u32) -> Kind {
    let table = TableName { schema: None, name: table.to_owned() };
    let ledger = vec![LedgerColumns { table, client: "client".into(), seq: "SEQ".into(), rows: None }];
    Kind { name: name.into(), sql: sql.into(), weight, ledger, tolerate: vec![] }
}

fn workload(kinds: Vec<Kind>, clients: usize) -> Workload {
    Workload { kinds, clients, first_client: 1, rate: None, seed: 1 }
}

fn usual() -> Workload {
    workload(vec![kind("order", "orders", ORDER, 2), kind("visit", "visits", VISIT, 1)], 4)
}

fn start(server: &Server, workload: Workload) -> Pool {
    Pool::start("users", workload, server.node()).expect("started")
}

async fn until(what: &str, pool: &Pool, mut holds: impl FnMut(&Pool) -> bool) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while !holds(pool) {
        assert!(
            Instant::now() < deadline,
            "{what}: {:?} {:?} {:?}",
            pool.counts(),
            pool.failure(),
            pool.last_trouble()
        );
        tokio::time::sleep(Duration::from_millis(3)).await;
    }
}

async fn acknowledged(pool: &Pool, count: u64) {
    let all = pool.counts().acknowledged + count;
    until("acknowledged", pool, |pool| pool.counts().acknowledged >= all).await;
}

async fn checked(pool: &Pool, server: &Server) -> Verdict {
    check(&pool.ledger(), &pool.lookups(), &server.connect().await, CheckScope::default()).await.expect("checked")
}

#[tokio::test]
async fn every_acknowledged_transaction_is_a_row() {
    let server = Server::new().await;
    server.sql("INSERT INTO orders (client, seq) VALUES (0, 1), (NULL, 2), (1, NULL), (5, 1)").await;
    for login in [server.login(), server.tcp()] {
        let mut workload = usual();
        if login == server.tcp() {
            server.sql("TRUNCATE orders, visits").await;
            workload.seed = 2;
        }
        let before = server.count("SELECT count(*) FROM orders").await;
        let pool = Pool::start("users", workload, vec![("master".into(), source(login))]).expect("started");
        acknowledged(&pool, 500).await;
        let half = Timestamp::now();
        acknowledged(&pool, 500).await;
        let live = checked(&pool, &server).await;
        assert_eq!((live.total.lost, live.total.unexpected), (0, 0), "{live:?}");
        pool.stop().await;
        let counts = pool.counts();
        assert_eq!((counts.in_doubt, counts.rejected, pool.failure()), (0, 0, None));
        let rows = "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM visits)";
        assert_eq!(server.count(rows).await - before, counts.acknowledged);
        let verdict = checked(&pool, &server).await;
        assert_eq!((verdict.total.checked, verdict.total.lost), (counts.acknowledged, 0));
        assert!(pool.acknowledged_since(half) >= 500);
        assert!(pool.acknowledged_since(half) <= counts.acknowledged - 500);
        assert!(verdict.kinds[0].tally.checked > verdict.kinds[1].tally.checked, "two orders for a visit");
    }
}

#[tokio::test]
async fn a_crash_loses_nothing_that_was_acknowledged() {
    let server = Server::new().await;
    let pool = start(&server, usual());
    acknowledged(&pool, 500).await;
    server.crash();
    until("cannot connect", &pool, |pool| pool.last_trouble().is_some()).await;
    server.start();
    acknowledged(&pool, 500).await;
    server.stop("fast");
    server.start();
    acknowledged(&pool, 500).await;
    server.stop("immediate");
    server.start();
    acknowledged(&pool, 500).await;
    pool.stop().await;
    assert_eq!(pool.failure(), None);
    let (verdict, counts) = (checked(&pool, &server).await, pool.counts());
    assert_eq!((verdict.total.checked, verdict.total.lost), (counts.acknowledged, 0));
    assert!(counts.in_doubt > 0, "every user had a transaction under way: {counts:?}");
    assert_eq!(verdict.total.in_doubt_present + verdict.total.in_doubt_absent, counts.in_doubt);
    assert_eq!((verdict.total.duplicated, verdict.total.unexpected, verdict.total.rejected_present), (0, 0, 0));
}

#[tokio::test]
async fn what_is_deleted_or_doubled_or_forged_is_told() {
    let server = Server::new().await;
    let pool = start(&server, usual());
    acknowledged(&pool, 300).await;
    pool.stop().await;
    server
        .sql(
            "ALTER TABLE orders DROP CONSTRAINT orders_client_seq_key;
             INSERT INTO orders (client, seq) (SELECT client, seq FROM orders ORDER BY id LIMIT 3);
             DELETE FROM visits WHERE (client, seq) IN (SELECT client, seq FROM visits ORDER BY at, client LIMIT 2);
             INSERT INTO visits (client, seq) VALUES (1, 1000000), (2, -1), (0, 1), (77, 1);",
        )
        .await;
    let verdict = checked(&pool, &server).await;
    assert_eq!((verdict.total.lost, verdict.total.duplicated, verdict.total.unexpected), (2, 3, 2));
    assert_eq!(verdict.kinds[1].tally.lost, 2);
    assert_eq!(verdict.lost.first().map(|found| found.kind.as_str()), Some("visit"));
    assert_eq!(
        verdict.unexpected.iter().map(|unexpected_row| (unexpected_row.client, unexpected_row.seq)).collect::<Vec<_>>(),
        [(1, 1_000_000), (2, -1)]
    );
    server.sql("DROP TABLE visits; ALTER TABLE orders ALTER client TYPE text, ALTER seq TYPE numeric(12, 2)").await;
    server.sql("INSERT INTO orders (client, seq) VALUES ('nobody', 1), ('1', 0.5)").await;
    let verdict = checked(&pool, &server).await;
    assert_eq!((verdict.kinds[0].tally.lost, verdict.kinds[0].tally.duplicated), (0, 3));
    assert_eq!(verdict.kinds[1].tally.lost, verdict.kinds[1].tally.checked);
    assert_eq!(verdict.notes, ["table visits does not exist here"]);
}

#[tokio::test]
async fn a_rejection_is_raised_unless_it_is_tolerated() {
    let server = Server::new().await;
    let mut workload = usual();
    workload.kinds[0].tolerate = vec!["undefined_table".parse().expect("a condition")];
    let pool = start(&server, workload);
    acknowledged(&pool, 100).await;
    server.sql("DROP TABLE orders").await;
    until("rejected", &pool, |pool| pool.counts().rejected >= 100).await;
    acknowledged(&pool, 100).await;
    assert_eq!(pool.failure(), None);
    // A table that comes back is used again, also by sessions that were opened while it was not
    // there.
    server
        .sql("SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE application_name = 'drillyard users'")
        .await;
    let refused = pool.counts().rejected;
    until("rejected", &pool, |pool| pool.counts().rejected >= refused + 100).await;
    server.sql("CREATE TABLE orders (client int, seq bigint, amount numeric)").await;
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.count("SELECT count(DISTINCT client) FROM orders").await < 4 {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(pool.failure(), None);
    server.sql("DROP TABLE visits").await;
    until("raised", &pool, |pool| pool.failure().is_some()).await;
    let failure = pool.failure().expect("raised");
    assert_eq!((failure.kind.as_str(), failure.node.as_str()), ("visit", "master"));
    assert_eq!(failure.sqlstate.map(|state| state.to_string()).as_deref(), Some("undefined_table (42P01)"));
    assert_eq!(failure.message, "relation \"visits\" does not exist");
    pool.stop().await;
}

#[tokio::test]
async fn several_statements_are_one_transaction() {
    let server = Server::new().await;
    server.sql("ALTER TABLE visits ADD CHECK (seq % 3 <> 0)").await;
    let implicit = format!("{ORDER}; {VISIT}");
    let explicit = format!("BEGIN; {ORDER}; SAVEPOINT a; {VISIT}; RELEASE a; COMMIT");
    for sql in [implicit, explicit] {
        server.sql("TRUNCATE orders, visits").await;
        let mut both = kind("both", "orders", &sql, 1);
        both.tolerate = vec!["check_violation".parse().expect("a condition")];
        let pool = start(&server, workload(vec![both], 3));
        acknowledged(&pool, 200).await;
        pool.stop().await;
        let (counts, verdict) = (pool.counts(), checked(&pool, &server).await);
        assert_eq!(pool.failure(), None);
        assert!(counts.rejected >= 90, "{counts:?}");
        assert_eq!(
            (verdict.total.checked, verdict.total.lost, verdict.total.rejected_present),
            (counts.acknowledged, 0, 0)
        );
        assert_eq!(server.count("SELECT count(*) FROM visits").await, counts.acknowledged);
        assert_eq!(server.count("SELECT count(*) FROM orders").await, counts.acknowledged);
    }
}

#[tokio::test]
async fn commits_that_fail_at_the_very_end_are_rejections() {
    let server = Server::new().await;
    server
        .sql("CREATE TABLE once (client int, seq bigint, n int DEFAULT 1 UNIQUE DEFERRABLE INITIALLY DEFERRED)")
        .await;
    for sql in ["INSERT INTO once VALUES ($client, $seq)", "BEGIN; INSERT INTO once VALUES ($client, $seq); COMMIT"] {
        server.sql("TRUNCATE once").await;
        let mut once = kind("once", "once", sql, 1);
        once.tolerate = vec!["23505".parse().expect("a code")];
        let pool = start(&server, workload(vec![once], 2));
        until("rejected", &pool, |pool| pool.counts().rejected >= 20).await;
        pool.stop().await;
        assert_eq!((pool.counts().acknowledged, pool.counts().in_doubt, pool.failure()), (1, 0, None), "{sql}");
        assert_eq!(checked(&pool, &server).await.total.lost, 0);
    }
}

#[tokio::test]
async fn an_open_transaction_is_an_error_of_the_workload() {
    let server = Server::new().await;
    let pool = start(&server, workload(vec![kind("open", "visits", &format!("BEGIN; {VISIT}"), 1)], 1));
    until("raised", &pool, |pool| pool.failure().is_some()).await;
    assert!(pool.failure().is_some_and(|failure| failure.message.contains("COMMIT is missing")));
    pool.stop().await;
    assert_eq!(pool.counts().acknowledged, 0);
    assert_eq!(server.count("SELECT count(*) FROM visits").await, 0);
}

#[tokio::test]
async fn a_plan_whose_result_changes_is_made_anew() {
    let server = Server::new().await;
    server.sql("CREATE TABLE prices (a int)").await;
    let mut look = kind("look", "visits", "SELECT * FROM prices", 1);
    look.ledger = vec![];
    let pool = start(&server, workload(vec![look], 1));
    acknowledged(&pool, 20).await;
    server.sql("ALTER TABLE prices ADD b text").await;
    until("rejected", &pool, |pool| pool.counts().rejected >= 1).await;
    acknowledged(&pool, 20).await;
    pool.stop().await;
    assert_eq!((pool.failure(), pool.counts().rejected), (None, 1));
    let verdict = checked(&pool, &server).await;
    assert_eq!((verdict.total.checked, verdict.total.wrote_nothing), (0, pool.counts().acknowledged));
}

#[tokio::test]
async fn users_keep_to_the_rate() {
    let server = Server::new().await;
    let began = Instant::now();
    let pool = start(&server, Workload { rate: Some(200.0), ..usual() });
    until("acknowledged", &pool, |pool| pool.counts().acknowledged >= 100).await;
    let (count, time) = (pool.counts().acknowledged as f64, began.elapsed().as_secs_f64());
    // However slow the machine is, there can't be more than the rate allows, and what is made up
    // for.
    assert!(count <= 200.0 * (time + 0.02) + 2.0, "{count} in {time} s");
    pool.stop().await;
}

#[tokio::test]
async fn users_get_in_by_every_usual_method() {
    let server = Server::new().await;
    server
        .sql(
            "SET password_encryption = md5; CREATE ROLE old LOGIN PASSWORD 'x'; CREATE ROLE plain LOGIN PASSWORD 'x';
             CREATE ROLE free LOGIN; GRANT ALL ON visits TO old, plain, free",
        )
        .await;
    let hba = "local all old md5\nlocal all plain password\nlocal all free trust\nlocal all all scram-sha-256\n";
    std::fs::write(server.path().join("data/pg_hba.conf"), hba).expect("written");
    server.run("pg_ctl", &["reload"]);
    for user in ["old", "plain", "free"] {
        let mut login = server.login();
        (login.user, login.password) = (user.into(), "x".into());
        server.sql("TRUNCATE visits").await;
        let visits = workload(vec![kind("visit", "visits", VISIT, 1)], 1);
        let pool = Pool::start("users", visits, vec![("master".into(), source(login))]).expect("started");
        acknowledged(&pool, 1).await;
        pool.stop().await;
    }
    let mut login = server.login();
    login.password = "wrong".into();
    let pool = Pool::start("users", usual(), vec![("master".into(), source(login))]).expect("started");
    until("refused", &pool, |pool| pool.last_trouble().is_some()).await;
    assert_eq!(
        pool.last_trouble().as_deref(),
        Some("node `master`: password authentication failed for user \"postgres\"")
    );
    assert_eq!(pool.failure(), None);
    pool.stop().await;
}

#[tokio::test]
async fn users_go_to_the_node_that_accepts_writes() {
    let (a, b) = (Server::new().await, Server::new().await);
    b.append("postgresql.conf", "default_transaction_read_only=on\n");
    b.run("pg_ctl", &["reload"]);
    let nodes = vec![("a".to_owned(), source(a.login())), ("b".to_owned(), source(b.login()))];
    let pool = Pool::start("users", usual(), nodes).expect("started");
    acknowledged(&pool, 100).await;
    assert_eq!(b.count("SELECT count(*) FROM visits").await, 0);
    a.stop("fast");
    b.append("postgresql.conf", "default_transaction_read_only=off\n");
    b.run("pg_ctl", &["reload"]);
    acknowledged(&pool, 100).await;
    assert!(b.count("SELECT count(*) FROM visits").await > 0);
    pool.stop().await;
    assert_eq!(pool.failure(), None);
}

#[tokio::test]
async fn users_leave_a_frozen_node_for_one_that_accepts_writes() {
    let (a, b) = (Server::new().await, Server::new().await);
    let nodes = vec![("a".to_owned(), source(a.login())), ("b".to_owned(), source(b.login()))];
    let pool = Pool::start("users", usual(), nodes).expect("started");
    acknowledged(&pool, 100).await;
    // A lock that is never released is as good as a frozen server.
    let lock = a.connect().await;
    lock.batch_execute("BEGIN; LOCK TABLE visits, orders").await.expect("locked");
    acknowledged(&pool, 100).await;
    pool.stop().await;
    assert!(b.count("SELECT count(*) FROM visits").await > 0);
    assert!(pool.counts().in_doubt >= 1, "{:?}", pool.counts());
}

#[tokio::test]
async fn a_dropped_pool_leaves_nobody_behind() {
    let server = Server::new().await;
    let client = server.connect().await;
    client.batch_execute("BEGIN; LOCK TABLE visits, orders").await.expect("locked");
    let pool = start(&server, usual());
    let sessions = "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drillyard users'";
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.count(sessions).await < 4 {
        assert!(Instant::now() < deadline);
    }
    let ledger = pool.ledger();
    drop(pool);
    client.batch_execute("ROLLBACK").await.expect("unlocked");
    while server.count(sessions).await > 0 {
        assert!(Instant::now() < deadline);
    }
    assert_eq!(ledger.acknowledged(), 0);
}

#[tokio::test]
async fn what_a_user_left_unanswered_is_ended_before_it_goes_on_there() {
    let (a, b) = (Server::new().await, Server::new().await);
    let nodes = vec![("a".to_owned(), source(a.login())), ("b".to_owned(), source(b.login()))];
    let pool = Pool::start("users", usual(), nodes).expect("started");
    acknowledged(&pool, 100).await;
    let lock = a.connect().await;
    lock.batch_execute("BEGIN; LOCK TABLE visits, orders").await.expect("locked");
    let waits =
        "SELECT count(*) FROM pg_stat_activity WHERE application_name = 'drillyard users' AND wait_event_type = 'Lock'";
    let deadline = Instant::now() + Duration::from_secs(60);
    while a.count(waits).await < 4 || b.count("SELECT count(DISTINCT client) FROM visits").await < 4 {
        assert!(Instant::now() < deadline);
    }
    let left: Vec<i32> = a
        .connect()
        .await
        .query(&waits.replace("count(*)", "pid"), &[])
        .await
        .expect("rows")
        .iter()
        .map(|row| row.get(0))
        .collect();
    // Back to the first, where the same lock is waited for by new sessions, and by no old one.
    b.stop("fast");
    let old = format!("{waits} AND pid = ANY (ARRAY{left:?})");
    while a.count(waits).await < 4 || a.count(&old).await > 0 {
        assert!(Instant::now() < deadline);
    }
    lock.batch_execute("ROLLBACK").await.expect("unlocked");
    acknowledged(&pool, 100).await;
    pool.stop().await;
    let verdict = checked(&pool, &a).await;
    assert_eq!((pool.failure(), verdict.total.in_doubt_present), (None, 0), "{verdict:?}");
    assert!(verdict.total.in_doubt_absent >= 4, "{verdict:?}");
}

#[tokio::test]
async fn a_look_up_that_is_not_answered_holds_up_its_user_for_a_moment_only() {
    use super::lookup::{LookedUp, Lookup};
    use super::protocol::Connection;
    use crate::ledger::{Layout, footprints};
    use nix::sys::signal::{Signal, kill};

    let server = Server::new().await;
    let kinds = usual().kinds;
    let layout = Layout::new(&kinds, &footprints(&kinds).expect("footprints").sites);
    let lookup = Lookup::new(&layout, &layout.kinds[1]);
    let mut connection = Connection::open(&server.login()).await.expect("connected");
    let lock = server.connect().await;
    lock.batch_execute("BEGIN; LOCK TABLE visits").await.expect("locked");
    let began = Instant::now();
    assert!((0..8).all(|_| lookup.is_due()), "the first are looked for one by one");
    let looked_up = lookup.look(&mut connection, (1, 1), 0).await;
    assert!(matches!(looked_up, LookedUp::Fine), "{looked_up:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
    // Nothing was learned, and the next look-up is a while away.
    assert!(!lookup.summary().never_found);
    assert_eq!((0..10).position(|_| lookup.is_due()), Some(7));
    lock.batch_execute("ROLLBACK").await.expect("unlocked");
    server.sql("INSERT INTO visits VALUES (1, 1)").await;
    assert!(matches!(lookup.look(&mut connection, (1, 1), 0).await, LookedUp::Fine));
    assert_eq!(lookup.summary().most_rows, 1);
    // A server that is frozen ends no query.
    let backend = nix::unistd::Pid::from_raw(connection.pid.cast_signed());
    kill(backend, Signal::SIGSTOP).expect("frozen");
    let began = Instant::now();
    let looked_up = lookup.look(&mut connection, (1, 1), 0).await;
    kill(backend, Signal::SIGCONT).expect("running");
    assert!(matches!(looked_up, LookedUp::Disconnected(_)), "{looked_up:?}");
    assert!(began.elapsed() < Duration::from_secs(10), "{:?}", began.elapsed());
}

#[tokio::test]
async fn users_who_break_down_have_failed() {
    let server = Server::new().await;
    let login = server.login();
    let calls = std::sync::atomic::AtomicUsize::new(0);
    let way_in = move || match calls.fetch_add(1, std::sync::atomic::Ordering::Relaxed) {
        0 => Some(login.clone()),
        _ => panic!("this is what the test is about"),
    };
    let pool = Pool::start("users", usual(), vec![("master".into(), std::sync::Arc::new(way_in))]).expect("started");
    until("broken", &pool, |pool| pool.failure().is_some()).await;
    let failure = pool.failure().expect("reported");
    assert!(failure.kind.is_empty() && failure.message.contains("a user panicked"), "{failure:?}");
    pool.stop().await;
}

#[tokio::test]
async fn updates_upserts_deletes_and_several_tables_are_found_again() {
    let server = Server::new().await;
    server
        .sql(
            "CREATE TABLE accounts (client int PRIMARY KEY, seq bigint);
             INSERT INTO accounts SELECT i FROM generate_series(1, 3) i;
             CREATE TABLE last (client text PRIMARY KEY, seq numeric(12, 2));
             CREATE TABLE \"Carts\" (client int, \"SEQ\" smallint);
             CREATE TABLE jobs (n int PRIMARY KEY, client int, seq bigint);
             INSERT INTO jobs SELECT i FROM generate_series(1, 200) i;",
        )
        .await;
    let several = |name: &str, tables: &[&str], sql: &str, weight| {
        let ledger = tables.iter().map(|table| kind(name, table, sql, 1).ledger.remove(0)).collect();
        Kind { ledger, ..kind(name, "visits", sql, weight) }
    };
    let mut fill = kind("fill", "Carts", "INSERT INTO \"Carts\" VALUES ($client, $seq)", 3);
    let mut forget = kind("forget", "Carts", "DELETE FROM \"Carts\" WHERE client = $client AND \"SEQ\" < $seq", 1);
    fill.ledger[0].seq = "\"SEQ\"".into();
    forget.ledger[0].seq = "\"SEQ\"".into();
    let take = "UPDATE jobs SET client = $client, seq = $seq WHERE seq IS NULL AND n = (SELECT min(n) FROM jobs WHERE seq IS NULL)";
    let kinds = vec![
        several(
            "buy",
            &["orders", "accounts"],
            &format!("{ORDER}; UPDATE accounts SET seq = $seq WHERE client = $client"),
            2,
        ),
        kind(
            "last",
            "last",
            "INSERT INTO last VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET seq = excluded.seq",
            2,
        ),
        fill,
        forget,
        kind("take", "jobs", take, 3),
    ];
    let pool = start(&server, workload(kinds, 3));
    acknowledged(&pool, 500).await;
    server.crash();
    until("cannot connect", &pool, |pool| pool.last_trouble().is_some()).await;
    server.start();
    acknowledged(&pool, 500).await;
    let live = checked(&pool, &server).await;
    assert_eq!(
        (live.total.lost, live.total.partial, live.total.unexpected, live.total.duplicated),
        (0, 0, 0, 0),
        "{live:?}"
    );
    acknowledged(&pool, 500).await;
    pool.stop().await;
    assert_eq!(pool.failure(), None);
    let verdict = checked(&pool, &server).await;
    let total = verdict.total;
    assert_eq!(
        (total.lost, total.partial, total.duplicated, total.unexpected, total.rejected_present),
        (0, 0, 0, 0, 0),
        "{verdict:?}"
    );
    // There were no more jobs to take.
    assert!(
        total.wrote_nothing > 0 && total.checked + total.wrote_nothing == pool.counts().acknowledged,
        "{verdict:?}"
    );
    server.sql("UPDATE jobs SET seq = NULL WHERE n = 5; UPDATE last SET seq = 0 WHERE client = '2'").await;
    let verdict = checked(&pool, &server).await;
    assert_eq!((verdict.kinds[4].tally.lost, verdict.kinds[0].tally.lost), (1, 0));
    assert!(verdict.kinds[1].tally.lost > 1, "all of one user's: {verdict:?}");
}

#[tokio::test]
async fn what_was_lost_is_told_though_it_was_written_over_since() {
    let server = Server::new().await;
    server
        .sql(
            "CREATE TABLE accounts (client int PRIMARY KEY, seq bigint);
             INSERT INTO accounts SELECT i, 0 FROM generate_series(1, 3) i;
             CREATE TABLE carts (client int, seq bigint);
             CREATE TABLE notes (client int, seq bigint)",
        )
        .await;
    let kinds = vec![
        kind("pay", "accounts", "UPDATE accounts SET seq = $seq WHERE client = $client", 1),
        kind("fill", "carts", "INSERT INTO carts VALUES ($client, $seq)", 3),
        kind("forget", "carts", "DELETE FROM carts WHERE client = $client AND seq < $seq - 20", 1),
        kind("note", "notes", "INSERT INTO notes VALUES ($client, $seq)", 3),
        kind("forget it", "notes", "DELETE FROM notes WHERE client = $client AND seq < $seq - 20", 1),
    ];
    let pool = start(&server, workload(kinds, 3));
    acknowledged(&pool, 500).await;
    // As a failover would leave them: an earlier state of one user's account, rows gone, a deleted
    // row back.
    server
        .sql(
            "BEGIN; LOCK accounts, carts, notes; UPDATE accounts SET seq = 1 WHERE client = 1;
             DELETE FROM carts WHERE client = 2; INSERT INTO notes VALUES (3, 1); COMMIT",
        )
        .await;
    acknowledged(&pool, 1000).await;
    pool.stop().await;
    assert_eq!(pool.failure(), None);
    assert_eq!(server.count("SELECT count(*) FROM notes WHERE client = 3 AND seq = 1").await, 0);
    let verdict = checked(&pool, &server).await;
    let lost: Vec<u64> = verdict.kinds.iter().map(|kind| kind.tally.lost).collect();
    assert!(lost[0] > 10 && lost[1] > 0 && lost[2] == 0 && lost[3] == 0, "{lost:?}");
    // The row that was put back may never have been one of notes; then no user had deleted it.
    let of_client =
        |kind: &str| verdict.lost.earliest.iter().filter(|lost| lost.kind == kind).map(|lost| lost.client).collect();
    let users: [std::collections::BTreeSet<u64>; 2] = [of_client("pay"), of_client("fill")];
    assert_eq!(users, [[1].into(), [2].into()]);
    assert!(
        lost[4] == 0 || verdict.lost.earliest.iter().all(|lost| lost.kind != "forget it" || lost.client == 3),
        "{verdict:?}"
    );
    assert_eq!(verdict.unread, 0);
}

/// Not a test: transactions in a second, in turn with pgbench. Run it with
/// `cargo test --release --lib traffic::tests::measure -- --ignored --nocapture`.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure() {
    use std::io::Write;
    let server = Server::new().await;
    let file = |name: &str, sql: &str| {
        let path = server.path().join(name);
        std::fs::write(&path, format!("\\set s random(1, 1000000000000)\n{sql};\n")).expect("written");
        path.display().to_string()
    };
    let order = file("order.sql", "insert into orders(client, seq, amount) values (:client_id + 1, :s, 42)") + "@2";
    let visit = file("visit.sql", "insert into visits(client, seq) values (:client_id + 1, :s)") + "@1";
    let (dir, port) = (server.path().display().to_string(), server.port.to_string());
    let seconds = 3;
    let rows = "SELECT (SELECT count(*) FROM orders) + (SELECT count(*) FROM visits)";
    for round in 0..6 {
        server.sql("TRUNCATE orders, visits; CHECKPOINT").await;
        let time = seconds.to_string();
        let args = ["-n", "-M", "prepared", "-c", "8", "-T", &time, "-f", &order, "-f", &visit];
        assert!(server.run("pgbench", &[&args[..], &["-h", &dir, "-p", &port, "-U", "postgres", "postgres"]].concat()));
        let theirs = server.count(rows).await;
        server.sql("TRUNCATE orders, visits; CHECKPOINT").await;
        let pool = start(&server, Workload { clients: 8, ..usual() });
        tokio::time::sleep(Duration::from_secs(seconds)).await;
        pool.stop().await;
        let ours = pool.counts().acknowledged;
        assert_eq!(server.count(rows).await, ours);
        let ratio = ours as f64 / theirs as f64;
        let _ = writeln!(std::io::stderr(), "{round}: pgbench {theirs}, users {ours}, ratio {ratio:.3}");
    }
}

/// Not a test: ten million acknowledged transactions, checked, and the same rows just copied to
/// /dev/null, in turn. `ci/bench judge` runs it, and reads the lines that it writes.
#[tokio::test]
#[ignore = "a measurement"]
async fn measure_judge() {
    use std::io::Write;
    use std::sync::Arc;

    use crate::ledger::{CommitStatus, Histories, Layout, footprints};
    let server = Server::new().await;
    let kinds = [kind("visit", "visits", VISIT, 1)];
    let layout = Layout::new(&kinds, &footprints(&kinds).expect("footprints").sites);
    let histories = Arc::new(Histories::new(layout, 1, 8, Timestamp::now()));
    for client in 0..8 {
        let mut history = histories.history(client).expect("a history");
        for micros in 0..1_250_000 {
            history.attempt(0, micros);
            history.resolve(CommitStatus::Acknowledged, micros, 0);
        }
    }
    server
        .sql(
            "ALTER TABLE visits DROP CONSTRAINT visits_pkey;
             INSERT INTO visits SELECT i % 8 + 1, i / 8 + 1, now() FROM generate_series(0, 9999999) i",
        )
        .await;
    server.sql("VACUUM visits").await;
    let (dir, port) = (server.path().display().to_string(), server.port.to_string());
    let client = server.connect().await;
    let peak = || {
        let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
        let line = status.lines().find_map(|line| line.strip_prefix("VmHWM:")).unwrap_or_default();
        line.trim().trim_end_matches(" kB").parse::<f64>().unwrap_or(f64::MAX) / 1024.0
    };
    for _ in 0..5 {
        let copy = "COPY (SELECT client, seq FROM visits) TO STDOUT";
        let began = Instant::now();
        assert!(server.run("psql", &["-h", &dir, "-p", &port, "-U", "postgres", "-c", copy, "-o", "/dev/null"]));
        let plain = began.elapsed().as_secs_f64();
        let began = Instant::now();
        let verdict = check(&histories.snapshot(), &[], &client, CheckScope::default()).await.expect("checked");
        let ours = began.elapsed().as_secs_f64();
        assert_eq!((verdict.total.checked, verdict.total.lost), (10_000_000, 0));
        let _ = writeln!(std::io::stderr(), "judge: {ours:.3} s, copy: {plain:.3} s, peak: {:.1} MiB", peak());
    }
}
