//! A production with all that a drill has to leave alone, its nightly backup, and the drill that
//! docs/nightly.md gives, run as somebody does who has only that page.

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use super::site::{Site, settle};
use super::{NOTHING, runner};
use crate::program::said;
use crate::testing::{PASSWORD, Server};
use crate::web::{answer, web};

/// What production writes all the time; once a second a segment of WAL is full.
fn load(primary: &Server, stop: &AtomicBool) -> u32 {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        let client = primary.connect("postgres").await;
        let mut done = 0;
        while !stop.load(Ordering::Relaxed) {
            let order = "INSERT INTO shop.orders VALUES (0, now()); UPDATE beats SET at = now()";
            client.batch_execute(order).await.expect("production goes on");
            done += 1;
            if done % 50 == 0 {
                client.batch_execute("SELECT pg_switch_wal()").await.expect("production goes on");
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
        done
    })
}

/// Ends the load, also if a drill does not come out as it should.
struct Stop<'a>(&'a AtomicBool);

impl Drop for Stop<'_> {
    fn drop(&mut self) {
        self.0.store(true, Ordering::Relaxed);
    }
}

/// The settings of pg_cron, or of what stands in for it: there are none unless it is loaded; and
/// the workers of subscriptions.
const WORKERS: &str = "SELECT (SELECT count(*) FROM pg_settings WHERE name IN ('pg_prewarm.autoprewarm', 'cron.database_name')) + (SELECT count(*) FROM \
    pg_stat_activity WHERE backend_type LIKE 'logical replication%worker')";

/// The drill of the page, with a tool as the page says it is said: a repository of pgBackRest, or
/// Barman.
fn drill(site: &Site, tool: &str) -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nightly.md")).expect("the page");
    let drill = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a scenario");
    let (kind, repo) = tool.split_once(' ').unwrap_or((tool, ""));
    let theirs =
        page.lines().find(|line| line.starts_with(&format!("  onsite: {{ kind: {kind},"))).expect("a repo of the kind");
    let config = site.dir(&format!("{kind}.conf")).display().to_string();
    let mine = match kind {
        "barman" => theirs.replace("/etc/barman.conf", &config).replace("server: main", "server: pg.prod"),
        _ => theirs.replace("/etc/pgbackrest/pgbackrest.conf", &format!("{config}, repo: {repo}")),
    };
    let directory = drill.lines().find(|line| line.starts_with("  onsite: {")).expect("a repo");
    let params = drill.lines().find(|line| line.starts_with("params: {")).expect("params");
    // Seen from inside.
    drill.replace(directory, &mine).replace(params, "")
        + &format!("      - assert_rows: {{ node: copy, query: \"{WORKERS}\", equals: [[0]] }}\n")
}

/// The command of the page that runs it and tells people.
fn command() -> String {
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nightly.md")).expect("the page");
    page.lines().find(|line| line.starts_with("drillyard run --notify")).expect("a command").to_owned()
}

#[tokio::test]
async fn after_its_nightly_drill_production_is_as_it_was() {
    let site = Site::start().await;
    let site = site.with_pgbackrest().await.with_barman().await;
    // Its jobs have run when it started; what they wrote is looked at with all the rest.
    site.with_jobs().await;
    site.archive_to_both().await;
    settle(&site.primary, WORKERS, 2).await;
    // The page's drill looks into a database of its own.
    site.primary.sql("CREATE DATABASE shop").await;
    let orders =
        "CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT i, now() AS ordered_at FROM generate_series(1, 100) i";
    site.primary.connect("shop").await.batch_execute(orders).await.expect("a table");
    site.publisher.sql("CREATE TABLE stock AS SELECT generate_series(1, 50) AS i").await;
    let (host, port) = (site.publisher.dir().display(), site.publisher.port());
    site.primary
        .sql(&format!(
            "CREATE EXTENSION postgres_fdw;
             CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '{host}', port '{port}', dbname 'postgres');
             CREATE USER MAPPING FOR postgres SERVER elsewhere OPTIONS (user 'postgres', password '{}');
             CREATE FOREIGN TABLE stock (i int) SERVER elsewhere;
             GRANT SELECT ON shop.orders TO clerk; ALTER ROLE clerk SET work_mem = '9MB'",
            PASSWORD.replace('\'', "''")
        ))
        .await;
    // The night: a backup to each repository and to Barman, and all WAL archived to all of them.
    site.pgbackrest("--repo=1 --type=full backup");
    site.pgbackrest("--repo=2 --type=full backup");
    site.barman("archive-wal pg.prod");
    site.barman("backup --immediate-checkpoint --wait pg.prod");
    site.primary.sql("INSERT INTO t SELECT i, '' FROM generate_series(1001, 2000) i").await;
    // Whoever reads a row first has the server write down that its transaction was committed.
    site.primary.sql("SELECT count(*) FROM quick").await;
    site.pgbackrest("check");
    site.wait_for_wal().await;
    let walsender = "SELECT coalesce(max(active_pid), 0)::bigint FROM pg_replication_slots";
    let (before, sender) = (site.fingerprint(), site.publisher.count(walsender).await);
    assert!(sender > 0);

    let mut runner = runner(&site);
    let (url, requests) = web(|_, _| answer("200 OK"));
    for (name, path) in [("SLACK_URL", "slack"), ("BEAT_URL", "beat")] {
        runner.vars.push((name.to_owned(), format!("{url}/{path}")));
    }
    let stop = AtomicBool::new(false);
    std::thread::scope(|scope| {
        let load = scope.spawn(|| load(&site.primary, &stop));
        let stop = Stop(&stop);
        for tool in ["pgbackrest 1", "pgbackrest 2", "barman"] {
            runner.write("last-night.yaml", &drill(&site, tool));
            let command = command();
            let words: Vec<&str> = command.split(' ').skip(2).chain(["--backend", "local"]).collect();
            let run = runner.run(&words).passed();
            let is_label = |label: &str| label.ends_with('F') != (tool == "barman");
            assert!(run.fact("tonight", "backup").as_str().is_some_and(is_label), "{}", run.said);
        }
        drop(stop);
        assert!(load.join().expect("the load") > 20);
    });

    // Somebody was told, and whoever waits for a sign of life has one.
    let mut told: Vec<String> = requests.lock().expect("not poisoned").iter().map(|(path, _)| path.clone()).collect();
    told.sort();
    assert_eq!(told, ["/beat", "/beat", "/beat", "/slack", "/slack", "/slack"]);
    let chat = requests.lock().expect("not poisoned").iter().find(|(path, _)| path == "/slack").cloned();
    assert!(chat.is_some_and(|(_, body)| body.contains("last-night passed")));
    let stale = runner.output(["runs", "stale", "--max-age", "26h", "last-night"]);
    assert_eq!(stale.status.code(), Some(0), "{}", said(&stale));
    let trend = said(&runner.output(["runs", "trend", "last-night"]));
    assert!(trend.contains("3 runs since") && trend.contains("restore "), "{trend}");
    let silent = runner.output(["runs", "stale", "--max-age", "1ms", "last-night"]);
    assert_eq!(silent.status.code(), Some(1), "an alarm if it falls silent: {}", said(&silent));

    // Both repositories, the archive and the tablespace, byte by byte; locks and logs of the tool.
    site.wait_for_wal().await;
    let (archived, moved) = site.moved_beside_archiving_since(&before);
    assert_eq!(moved, NOTHING);
    assert!(archived > 10, "production archives meanwhile: {archived}");
    assert_eq!(site.written_by_pgbackrest_of_a_drill(), NOTHING);
    // The copy has gone from production, which kept its subscription's slot, and gets what comes.
    assert_eq!(site.primary.count("SELECT count(*) FROM pg_stat_replication").await, 0);
    assert_eq!(site.primary.count("SELECT count(*) FROM pg_replication_slots").await, 0);
    assert_eq!(site.publisher.count(walsender).await, sender);
    assert_eq!(site.publisher.count("SELECT count(*) FROM pg_replication_slots").await, 1);
    site.publisher.sql("INSERT INTO prices VALUES (2)").await;
    settle(&site.primary, "SELECT count(*) FROM prices", 2).await;
    assert_eq!(site.primary.count("SELECT count(*) FROM stock").await, 50);
    settle(&site.primary, WORKERS, 2).await;
    // Nothing is locked, and nothing was expired that a backup builds on.
    site.pgbackrest("--repo=1 --type=incr backup");
    site.pgbackrest("check");
}
