//! Last night's real backup: a drill restores it, has it follow production, and nothing of
//! production moves.

mod acceptance;
mod asked;
mod barman;
mod cloud;
mod command;
mod cron;
mod damaged;
mod docker;
mod dumps;
mod ends;
mod faults;
mod isolated;
mod prove;
mod rebuilt;
mod s3;
mod shipped;
mod site;
mod tls;
mod wal_g;

use std::os::unix::process::ExitStatusExt;
use std::path::Path;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::run::Run;
use crate::testing::{Server, Shutdown};
use site::{Site, settle};

/// A repo that production fills, and production.
fn head(site: &Site) -> String {
    let (backups, wal) = (site.dir("backups"), site.dir("wal"));
    format!(
        "repos:\n  lastnight: {{ existing: true, backups: \"{}/*\", wal: {} }}\nnodes:\n  prod: {{ external: {{ url: \"${{env.PROD_URL}}\" }} }}\nsteps:\n",
        backups.display(),
        wal.display()
    )
}

const FOLLOW: &str = r#"
  - id: tonight
    recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: { follow: prod } }
  - all:
    - assert_streaming: { standby: copy, primary: prod }
    - assert_rows: { node: copy, table: t, same_as: prod }
    - assert_rows: { node: copy, table: quick, count: 500 }
    - assert_fresh: { node: copy, query: SELECT max(at) FROM beats, max_age: 1h }
    - assert_backup: { repo: lastnight, backup: newest, max_age: 1h, min_size: 1MB }
"#;

/// What can be said of a copy that follows, and of none that was promoted.
const BESIDE: &str = r#"
  - { id: same, assert_same: { node: copy, as: prod } }
  - assert_streaming: { standby: copy, primary: prod, role: pg_monitor }
  - assert_same: { node: copy, as: prod, role: pg_read_all_data, tables: [t] }
  - { id: roles, assert_roles: { node: copy, same_as: prod } }
  - assert_rows: { node: copy, table: t, about: { node: prod, within: 1% } }
"#;

/// A backup and a point in its window, whichever.
const ANY: &str = r#"
  - id: any
    recover: { node: copy, repo: lastnight, backup: random, until: random, then: promote }
  - assert_primary: { node: copy }
"#;

const NOTHING: [&str; 0] = [];

/// Where the slot of production's subscription is, and who holds it.
async fn slot(publisher: &Server) -> String {
    let slot = "SELECT confirmed_flush_lsn::text || coalesce(active_pid::text, '') FROM pg_replication_slots";
    publisher.connect("postgres").await.query_one(slot, &[]).await.expect("a slot").get(0)
}

/// Whether a file of this name lies in a directory or below.
fn holds(dir: &Path, name: &str) -> bool {
    let mut entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries.any(|entry| {
        let is_dir = entry.file_type().is_ok_and(|kind| kind.is_dir());
        entry.file_name() == name || (is_dir && holds(&entry.path(), name))
    })
}

/// Runs a drill, kills it as soon as a file of this name is in its copy's directories, and waits
/// until nothing of it is left.
async fn killed(runner: &CliRunner, yaml: &str, sign: &str) {
    let path = runner.write("killed.yaml", &format!("drillyard: 1\nname: killed\n{yaml}")).display().to_string();
    let mut child = runner.drillyard(["run", "--backend", "local", &path]).spawn().expect("runs");
    let restored = || {
        let mut runs = std::fs::read_dir(runner.work()).into_iter().flatten().flatten();
        runs.any(|run| holds(&run.path().join("0/node-copy"), sign))
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    while !restored() {
        assert!(std::time::Instant::now() < deadline && child.try_wait().expect("a child").is_none(), "no {sign}");
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("a signal");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    nothing_left(runner).await;
}

/// Waits until nothing is left of a run that was killed.
async fn nothing_left(runner: &CliRunner) {
    let left = || std::fs::read_dir(runner.work()).expect("a directory").count();
    let processes = || {
        let all = std::fs::read_dir("/proc").expect("a directory").flatten().map(|process| process.path());
        let work = runner.work().display().to_string();
        let of_run = |process: &std::path::PathBuf| {
            let works = std::fs::read_link(process.join("cwd")).is_ok_and(|place| place.starts_with(&work));
            let says = |file| {
                std::fs::read(process.join(file)).is_ok_and(|text| String::from_utf8_lossy(&text).contains(&work))
            };
            works || says("cmdline") || says("environ")
        };
        all.filter(of_run).count()
    };
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(5);
    while (left(), processes()) != (0, 0) && std::time::Instant::now() < deadline {
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!((left(), processes()), (0, 0));
}

fn runner(site: &Site) -> CliRunner {
    CliRunner::new().var("PROD_URL", &site.url())
}

#[tokio::test]
async fn it_follows_production_whatever_form_it_has_and_nothing_of_it_moves() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.archive().await;
    let before = site.fingerprint();
    let runner = runner(&site);
    let hourly = "  - { id: hour, assert_recoverable: { repo: lastnight } }\n";
    let run = runner.drill(&format!("{}{FOLLOW}{BESIDE}{hourly}", head(&site)), &[]).passed();
    let expected = run.fact("hour", "estimate").as_str().unwrap_or_default();
    assert!(expected.contains("to replay ") && expected.ends_with("from a recovery in this drill)"), "{}", run.said);
    assert!(run.fact("tonight", "backup").as_str().is_some_and(|label| label.ends_with("/backups/monday")));
    assert_eq!(run.fact("same", "databases").as_u64(), Some(2), "{}", run.said);
    assert!(run.fact("same", "rows").as_u64().is_some_and(|rows| rows > 2600), "{}", run.said);
    assert!(run.fact("roles", "roles").as_u64().is_some_and(|roles| roles >= 3), "{}", run.said);
    assert_eq!(site.moved_since(&before), NOTHING);
    // Packed tar files, and WAL that somebody packs behind PostgreSQL's back.
    site.back_up("tuesday", &["-Ft", "-z"]);
    site.archive().await;
    site.run("sh", &["-c", &format!("gzip {}/*[0-9A-F]", site.dir("wal").display())]);
    let before = site.fingerprint();
    let verified = FOLLOW.replace("min_size: 1MB }", "min_size: 1MB, verify: true }");
    let run = runner.drill(&format!("{}{verified}{hourly}", head(&site)), &[]).passed();
    assert!(run.fact("tonight", "backup").as_str().is_some_and(|label| label.ends_with("/backups/tuesday")));
    // What is packed in the repo takes up more once it is restored; extensions are production's.
    let number = |fact| run.fact("hour", fact).as_u64().unwrap_or_default();
    assert!(number("restored_bytes") > 2 * number("bytes") && number("bytes") > 0, "{}", run.said);
    assert!(run.fact("hour", "tablespaces").as_str().is_some_and(|numbers| !numbers.contains(',')), "{}", run.said);
    assert_eq!(run.fact("hour", "extensions"), "plpgsql", "{}", run.said);
    assert!(run.fact("hour", "settings").as_str().is_some_and(|said| said.contains("max_connections")), "{}", run.said);
    assert!(run.fact("tonight", "passed_over").as_str().is_some_and(|said| said.contains("/backups/monday (")));
    assert!(run.fact("tonight", "configuration").as_str().is_some_and(|said| said.contains("work_mem")));
    assert_eq!(site.moved_since(&before), NOTHING);
    let older = FOLLOW.replace("backup: newest", "backup: monday");
    let run = runner.drill(&format!("{}{older}", head(&site)), &[]).passed();
    assert!(run.fact("tonight", "backup").as_str().is_some_and(|label| label.ends_with("/backups/monday")));
    assert_eq!(site.primary.count("SELECT count(*) FROM pg_replication_slots").await, 0);
    // One that was still running at the target is passed over.
    let clock = r#"SELECT to_char((now() + interval '1 s') AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"')"#;
    let target: String = site.primary.connect("postgres").await.query_one(clock, &[]).await.expect("a time").get(0);
    site.back_up("wednesday", &["--max-rate=16M"]);
    site.primary.sql("INSERT INTO quick VALUES (0)").await;
    site.archive().await;
    let steps = format!(
        "  - id: then\n    recover: {{ node: copy, repo: lastnight, backup: newest, until: {{ time: \"{target}\" }}, then: promote }}\n  - assert_primary: {{ node: copy }}\n"
    );
    let run = runner.drill(&format!("{}{steps}", head(&site)), &[]).passed();
    assert!(
        run.fact("then", "backup").as_str().is_some_and(|label| label.ends_with("/backups/tuesday")),
        "{}",
        run.said
    );
    let over = run.fact("then", "passed_over").as_str().unwrap_or_default();
    assert!(over.contains("it was still running at the target, until "), "{over}");
}

#[tokio::test]
async fn a_promoted_copy_takes_nothing_that_is_productions() {
    let site = Site::start().await;
    site.with_jobs().await;
    for sql in [
        "CREATE FUNCTION notice() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO quick VALUES (9999); END'",
        "CREATE EVENT TRIGGER notice ON ddl_command_end EXECUTE FUNCTION notice()",
        "ALTER EVENT TRIGGER notice ENABLE ALWAYS",
        "ALTER DATABASE postgres SET session_preload_libraries = 'auto_explain'",
    ] {
        site.primary.sql(sql).await;
    }
    site.back_up("monday", &[]);
    site.archive().await;
    // The backup was copied with its links: they lead to what is production's.
    let monday = site.dir("backups").join("monday").display().to_string();
    let (theirs, spaces) = (site.dir("theirs").display().to_string(), site.dir("space").display().to_string());
    site.run("mv", &[&format!("{monday}/pg_wal"), &theirs]);
    site.run("ln", &["-s", &theirs, &format!("{monday}/pg_wal")]);
    site.run("ln", &["-s", &spaces, &format!("{monday}/pg_stat_tmp/elsewhere")]);
    site.run("ln", &["-sfn", &theirs, &format!("{monday}/log")]);
    // Production is down: its subscription's slot is there for the taking.
    site.primary.stop(Shutdown::Fast);
    site.publisher.sql("INSERT INTO prices VALUES (2)").await;
    let (before, was) = (site.fingerprint(), slot(&site.publisher).await);
    let steps = r#"
  - recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }
  - sql: { node: copy, query: "INSERT INTO quick VALUES (0); CREATE TABLE later ()" }
  - assert_intact: { node: copy }
  - wait_for: { node: copy, query: "SELECT count(*) >= 1 FROM pg_stat_activity WHERE backend_type = 'autovacuum launcher'", equals: true }
  - all:
    - assert_primary: { node: copy }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM prices", equals: [[1]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM quick WHERE i = 9999", equals: [[0]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_extension WHERE extname = 'amcheck'", equals: [[1]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_settings WHERE name LIKE 'auto_explain.%'", equals: [[0]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical%'", equals: [[0]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_settings WHERE name LIKE 'pg_prewarm%' OR name LIKE 'cron.%'", equals: [[0]] }
    - assert_rows: { node: copy, query: "SELECT current_setting('archive_mode'), current_setting('work_mem'), current_setting('primary_conninfo')", equals: [["off", "4MB", ""]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_database WHERE datname = 'billing'", equals: [[1]] }
"#;
    let repo = head(&site)
        .replace("nodes:", "nodes: {}\nx:")
        .lines()
        .filter(|line| !line.starts_with("x:") && !line.contains("prod:"))
        .collect::<Vec<_>>()
        .join("\n");
    runner(&site).drill(&format!("{repo}\n{steps}"), &[]).passed();
    assert_eq!(site.moved_since(&before), NOTHING);
    assert_eq!(slot(&site.publisher).await, was);
}

#[tokio::test]
async fn what_is_wrong_with_the_backup_is_told() {
    let site = Site::start().await;
    let runner = runner(&site);
    let drill = || runner.drill(&format!("{}{FOLLOW}", head(&site)), &[]);
    drill().failed(1, &["repo `lastnight` has no such backup", "there is none that can be restored"]);
    site.back_up("monday", &[]);
    site.back_up("tuesday", &[]);
    // pg_basebackup was killed at the end.
    let tuesday = site.dir("backups").join("tuesday").display().to_string();
    site.run("rm", &[&format!("{tuesday}/backup_manifest")]);
    let run = drill().passed();
    let over = run.fact("tonight", "passed_over").as_str().expect("a fact").to_owned();
    assert!(over.contains("tuesday: it has no backup_manifest, and others have: it was not finished"), "{over}");
    assert!(run.said.contains("a newer backup in repo `lastnight` was passed over: "), "{}", run.said);
    let called = FOLLOW.replace("backup: newest", "backup: friday");
    let run = runner.drill(&format!("{}{called}", head(&site)), &[]);
    run.failed(1, &["none is called `friday`", "/backups/monday ("]);
    let before = FOLLOW.replace("backup: newest", "backup: { before: \"2020-01-01T00:00:00Z\" }");
    let run = runner.drill(&format!("{}{before}", head(&site)), &[]);
    run.failed(1, &["none was begun before 2020-01-01T00:00:00Z"]);
    // Without a manifest of any, nobody knows which files there have to be.
    let monday = site.dir("backups").join("monday").display().to_string();
    let verified =
        || runner.drill(&format!("{}  - assert_backup: {{ backup: monday, verify: true }}\n", head(&site)), &[]);
    site.run("mv", &[&format!("{monday}/backup_manifest"), &format!("{monday}.manifest")]);
    verified().fails_alike(4, &["/monday` cannot be verified: it has no backup_manifest"]);
    let run =
        runner.drill(&format!("{}  - id: hour\n    assert_recoverable: {{ backup: monday }}\n", head(&site)), &[]);
    let unknown = run.fact("hour", "not_checked").as_str().unwrap_or_default().to_owned();
    assert!(
        unknown.contains("whether all of its files are there: ") && unknown.contains("has no backup_manifest"),
        "{unknown}"
    );
    site.run("mv", &[&format!("{monday}.manifest"), &format!("{monday}/backup_manifest")]);
    // The backup of another major version: what is not known there is not taken for damage.
    site.run("sh", &["-c", &format!("echo 12 >{monday}/PG_VERSION")]);
    verified().fails_alike(1, &["/monday` is of PostgreSQL 12, and the programs here are of", "`--postgres 12`"]);
    drill().failed(1, &["/monday` is of PostgreSQL 12, and this drill runs", "`--postgres 12`"]);
    // A tar file of somebody's own has links in it that lead to the original's tablespaces.
    let tarred = site.dir("backups").join("wednesday").display().to_string();
    site.run("sh", &["-c", &format!("mkdir {tarred}; cp {tuesday}/backup_label {tarred}; tar -cf {tarred}/base.tar -C {tuesday} .; cp {monday}/backup_manifest {tarred}")]);
    let named = |name: &str| {
        let steps = FOLLOW.replace("backup: newest", &format!("backup: {name}"));
        runner.drill(&format!("{}{steps}", head(&site)), &[])
    };
    named("wednesday").fails_alike(1, &["cannot be restored", "the backup lacks its tablespace", ".spaces/tuesday"]);
    // A packed one has a wrong checksum at its end.
    site.back_up("thursday", &["-Ft", "-z"]);
    let packed = site.dir("backups").join("thursday").join("base.tar.gz").display().to_string();
    let damage =
        format!("printf XXXX | dd of={packed} bs=1 seek=$(($(stat -c %s {packed}) - 8)) conv=notrunc 2>/dev/null");
    site.run("sh", &["-c", &damage]);
    named("thursday").fails_alike(1, &["cannot be restored", "crc error"]).in_time(60);
    site.run("rm", &["-r", &tarred, &site.dir("backups").join("thursday").display().to_string()]);
    site.run("chmod", &["0", &monday]);
    site.run("chmod", &["0", &tuesday]);
    drill().failed(1, &["there is none that can be restored", "may not read it"]);
    site.run("chmod", &["0", &site.dir("backups").display().to_string()]);
    drill().failed(1, &["the backups in repo `lastnight` cannot be listed", "may not read"]);
    site.run("chmod", &["700", &site.dir("backups").display().to_string()]);
}

#[tokio::test]
async fn what_keeps_it_from_following_is_told() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    let runner = runner(&site);
    let drill = |steps: &str| runner.drill(&format!("{}{steps}", head(&site)), &[]);
    site.primary.sql("ALTER ROLE drill NOREPLICATION").await;
    let within = FOLLOW.replace("  - id: tonight", "  - id: tonight\n    within: 30s");
    let refused = ["`copy` does not stream from `prod`", "needs LOGIN and REPLICATION there"];
    drill(&within).fails_alike(1, &refused).in_time(30);
    site.primary.sql("ALTER ROLE drill REPLICATION").await;
    // A gap between the backup and what the primary still has.
    let promote = within
        .replace("then: { follow: prod }", "then: promote")
        .replace("- assert_streaming: { standby: copy, primary: prod }", "- assert_primary: { node: copy }");
    for _ in 0..3 {
        site.primary.sql("INSERT INTO t SELECT i, '' FROM generate_series((SELECT max(i) + 1 FROM t), (SELECT max(i) + 10 FROM t)) i").await;
        site.archive().await;
    }
    let mut wal: Vec<_> =
        std::fs::read_dir(site.dir("wal")).expect("a directory").flatten().map(|entry| entry.path()).collect();
    wal.retain(|path| path.extension().is_none());
    wal.sort();
    std::fs::remove_file(&wal[wal.len() - 2]).expect("removed");
    drill(&promote).fails_alike(1, &["recovery ended at a gap in the archive"]).in_time(30);
    // The archive has stopped since noon, and production has removed what was not archived.
    site.back_up("noon", &[]);
    site.primary.sql("UPDATE beats SET at = now()").await;
    site.archive().await;
    site.primary.append("postgresql.conf", "archive_command = 'true'\nwal_keep_size = 0\n");
    site.primary.sql("SELECT pg_reload_conf()").await;
    settle(&site.primary, "SELECT count(*) FROM pg_settings WHERE name = 'archive_command' AND setting = 'true'", 1)
        .await;
    site.primary.sql("UPDATE beats SET at = now()").await;
    let now = "SELECT pg_walfile_name(pg_current_wal_insert_lsn())";
    let noon: String = site.primary.connect("postgres").await.query_one(now, &[]).await.expect("a row").get(0);
    let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
    let newer = format!("SELECT count(*) FROM pg_ls_waldir() WHERE length(name) = 24 AND name <= '{noon}'");
    while site.primary.count(&newer).await > 0 {
        assert!(std::time::Instant::now() < deadline, "production keeps its WAL");
        site.primary.sql("CHECKPOINT; UPDATE beats SET at = now(); SELECT pg_switch_wal()").await;
    }
    let newest = within.replace("backup: newest, until", "backup: noon, until").replace("within: 30s", "within: 12s");
    let stopped = ["waiting for `copy` to stream from `prod`", "repo `lastnight` does not hold 0000"];
    drill(&newest).fails_alike(1, &stopped).in_time(15);
    let hourly = "  - assert_recoverable: { repo: lastnight, backup: noon, max_age: 0s }\n";
    drill(hourly)
        .fails_alike(1, &["the WAL in repo `lastnight` is too old", "the backup whose WAL is there: "])
        .in_time(60);
}

#[tokio::test]
async fn a_run_that_is_killed_leaves_nothing_of_it_and_moves_nothing() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.archive().await;
    let before = site.fingerprint();
    let runner = runner(&site);
    let endless = format!(
        "drillyard: 1\n{}{FOLLOW}  - wait_for: {{ node: copy, query: SELECT false, equals: true }}\n    within: 5m\n",
        head(&site)
    );
    let path = runner.write("endless.yaml", &endless).display().to_string();
    let mut child = runner.drillyard(["run", "--backend", "local", &path]).spawn().expect("runs");
    let streams = "SELECT count(*) FROM pg_stat_replication WHERE application_name LIKE 'copy (drillyard %)' AND state = 'streaming'";
    settle(&site.primary, streams, 1).await;
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("a signal");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    settle(
        &site.primary,
        "SELECT count(*) FROM pg_stat_replication WHERE application_name LIKE 'copy (drillyard %)'",
        0,
    )
    .await;
    nothing_left(&runner).await;
    // While it restores, and while it replays.
    killed(&runner, &format!("{}{FOLLOW}", head(&site)), "PG_VERSION").await;
    killed(&runner, &format!("{}{FOLLOW}", head(&site)), "postmaster.pid").await;
    assert_eq!(site.moved_since(&before), NOTHING);
    assert_eq!(site.primary.count("SELECT count(*) FROM pg_replication_slots").await, 0);
}

#[tokio::test]
async fn a_backup_is_checked_where_it_lies_and_what_is_stale_is_told() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.primary
        // Its end is known to the second.
        .sql("SELECT pg_sleep(1.1); CREATE TABLE empty (at timestamptz); CREATE TABLE old AS SELECT now() - interval '2 days' AS at")
        .await;
    let runner = runner(&site);
    let drill = |steps: &str| {
        let repo = format!(
            "repos: {{ lastnight: {{ existing: true, backups: {}/* }} }}\nsteps:\n",
            site.dir("backups").display()
        );
        runner.drill(&format!("{repo}{steps}"), &[])
    };
    drill("  - assert_backup: { max_age: 1h, min_size: 1MB, verify: true }\n").passed();
    // Somebody else's repo is what it is, whatever the drill's own are to be.
    let backups = site.dir("backups").display().to_string();
    let yaml = format!(
        "repos: {{ lastnight: {{ existing: true, backups: {backups}/* }} }}\nsteps:\n  - assert_backup: {{}}\n"
    );
    runner.drill(&yaml, &["--repos", "pgbackrest"]).passed();
    // Nothing is archived yet of what this backup needs; then it is, and then a part of it is lost.
    site.archive().await;
    site.archive().await;
    let hourly = || {
        let (backups, wal) = (site.dir("backups"), site.dir("wal"));
        let repo = format!(
            "repos: {{ lastnight: {{ existing: true, backups: {}/*, wal: {} }} }}\n",
            backups.display(),
            wal.display()
        );
        runner.drill(&format!("{repo}steps:\n  - {{ id: hour, assert_recoverable: {{}} }}\n"), &[])
    };
    let run = hourly().passed();
    assert!(run.fact("hour", "segments").as_u64().is_some_and(|count| count >= 2), "{}", run.said);
    let known = run.fact("hour", "settings").as_str().unwrap_or_default();
    assert!(known.contains("max_connections ") && known.contains("max_locks_per_transaction 64"), "{}", run.said);
    let expected = run.fact("hour", "estimate").as_str().unwrap_or_default();
    assert!(expected.contains("copied here)") && expected.contains("of WAL"), "{expected}");
    assert!(run.fact("hour", "not_checked").as_str().is_some_and(|said| said.starts_with("extensions: ")));
    let spoiled = |file: &str, how: &str, messages: &[&str]| {
        let path = site.dir("backups/monday").join(file).display().to_string();
        site.run("cp", &[&path, &format!("{path}.kept")]);
        site.run("sh", &["-c", &format!("{how} {path}")]);
        hourly().failed(1, messages);
        site.run("mv", &[&format!("{path}.kept"), &path]);
    };
    // Its tablespace is not mounted, or was never backed up.
    let (spaces, aside) = (site.dir("backups/.spaces/monday"), site.dir("backups/.spaces/aside"));
    let (spaces, aside) = (spaces.display().to_string(), aside.display().to_string());
    site.run("mv", &[&spaces, &aside]);
    let lacks = ["is not whole", "it lacks its tablespace ", "which is not there"];
    hourly().fails_alike(1, &lacks).in_time(60);
    site.run("mkdir", &[&spaces]);
    hourly().fails_alike(1, &["is not whole", "where nothing of it is"]);
    site.run("rmdir", &[&spaces]);
    site.run("mv", &[&aside, &spaces]);
    let library = "echo \"shared_preload_libraries = 'nowhere'\" >>";
    let on_this_machine = "a library that backup `";
    spoiled("postgresql.auto.conf", library, &[on_this_machine, "its `shared_preload_libraries` names nowhere"]);
    spoiled("PG_VERSION", "echo 9 >", &["is of PostgreSQL 9, and the programs here are of"]);
    spoiled("global/pg_control", "printf broken 1<>", &["the pg_control in backup `", "pg_controldata: "]);
    let wal = |name: &str| site.dir("wal").join(name).display().to_string();
    let segment = |run: &Run, fact| run.fact("hour", fact).as_str().expect("a segment").to_owned();
    let (first, last) = (segment(&run, "first_segment"), segment(&run, "last_segment"));
    let until = |point: &str| {
        let (backups, wal) = (site.dir("backups"), site.dir("wal"));
        let repo = format!(
            "repos: {{ lastnight: {{ existing: true, backups: {}/*, wal: {} }} }}\n",
            backups.display(),
            wal.display()
        );
        runner
            .drill(&format!("{repo}steps:\n  - {{ id: hour, assert_recoverable: {{ until: {{ {point} }} }} }}\n"), &[])
    };
    let window = |fact| run.fact("hour", fact).as_str().expect("a fact").to_owned();
    until(&format!("lsn: {}", window("to"))).passed();
    until("lsn: 0/10").failed(1, &["0/10 is not in the window", &format!("to {}", window("to"))]);
    until("lsn: F/10").failed(1, &["F/10 is not in the window"]);
    until("time: 2020-01-01T00:00:00Z").failed(1, &["is not in the window", "the last commit"]);
    until("time: 2090-01-01T00:00:00Z").failed(1, &["is not in the window", "the last commit"]);
    until(&format!("time: {}", window("from"))).passed();
    drill("  - assert_backup: { kind: full }\n").passed();
    drill("  - assert_backup: { kind: differential }\n")
        .failed(1, &["/backups/monday` is not differential", "it is full"]);
    site.run("mv", &[&wal(&first), &wal("aside")]);
    hourly().failed(1, &[&format!("segment {first} is missing, in which backup")]);
    site.run("mv", &[&wal("aside"), &wal(&first)]);
    site.run("cp", &[&wal(&last), &wal("aside")]);
    site.run("truncate", &["-s", "4096", &wal(&last)]);
    hourly().failed(1, &[&format!("segment {last} is not whole")]);
    // As large as it was, and what no key opens; that of another server, whose number begins at
    // byte 24.
    site.run("sh", &["-c", &format!("head -c 16777216 /dev/urandom >{}", wal(&last))]);
    hourly().failed(1, &[&format!("what is fetched as segment {last} is no WAL"), "a server has it fetched by `"]);
    site.run("cp", &[&wal("aside"), &wal(&last)]);
    let number = u64::from_str_radix(&first[8..], 16).expect("a number");
    let between = format!("{}{:016X}", &first[..8], number + 1);
    assert!(between < last, "{first} {last}");
    site.run("sh", &["-c", &format!("cp {0} {0}.kept && head -c 16777216 /dev/urandom >{0}", wal(&between))]);
    hourly().failed(1, &[&format!("what is fetched as segment {between} is no WAL")]);
    site.run("mv", &[&format!("{}.kept", wal(&between)), &wal(&between)]);
    site.run("chmod", &["0", &wal(&between)]);
    hourly().fails_alike(1, &[&format!("segment {between} cannot be read: "), " may not"]);
    site.run("chmod", &["600", &wal(&between)]);
    let other = "printf otherone | dd bs=1 seek=24 conv=notrunc status=none";
    site.run("sh", &["-c", &format!("cp {} {1} && {other} of={1}", wal("aside"), wal(&last))]);
    hourly().failed(1, &[&format!("segment {first} is WAL of the server with"), "two servers archive here"]);
    site.run("mv", &[&wal("aside"), &wal(&last)]);
    let next = format!("{}F", &last[..23]);
    site.run("cp", &[&wal(&last), &wal(&next)]);
    hourly().failed(1, &["is missing;", &format!("{next} to {next} lie behind it")]);
    site.run("rm", &[&wal(&next)]);
    let small = drill("  - assert_backup: { backup: monday, min_size: 1TB }\n");
    small.failed(1, &["/backups/monday` is too small", "it takes up"]);
    drill("  - assert_backup: { max_age: 0s }\n").failed(1, &["/backups/monday` is too old", "ago"]);
    let table = std::fs::read_dir(site.dir("backups/monday/base/5"))
        .or_else(|_| std::fs::read_dir(site.dir("backups/monday/base/1")));
    let table = table.expect("a database").flatten().map(|entry| entry.path()).find(|path| {
        path.file_name().is_some_and(|name| name.to_string_lossy().bytes().all(|byte| byte.is_ascii_digit()))
            && std::fs::metadata(path).is_ok_and(|meta| meta.len() > 0)
    });
    std::fs::write(table.expect("a table"), "damaged").expect("written");
    drill("  - assert_backup: { verify: true }\n").fails_alike(1, &["/backups/monday` is not intact", "has size"]);
    let fresh = |query: &str| {
        let steps = format!("  - assert_fresh: {{ node: prod, query: \"{query}\", max_age: 1d }}\n");
        runner.drill(&format!("{}{steps}", head(&site)), &[])
    };
    fresh("SELECT max(at) FROM beats").passed();
    fresh("SELECT max(at) FROM old").failed(1, &["what is on `prod` is not fresh", "2days"]);
    fresh("SELECT max(at) FROM empty").failed(1, &["nothing is there that could be fresh", "it returned NULL"]);
    fresh("SELECT at FROM empty").failed(1, &["the query returned no row"]);
    fresh("SELECT now() + interval '2 days'").failed(1, &["is in the future"]);
    let clerk = "  - assert_fresh: { node: prod, role: clerk, query: SELECT max(at) FROM old, max_age: 99d }\n";
    let run = runner.drill(&format!("{}{clerk}", head(&site)), &[]);
    run.failed(4, &["drillyard may not be role `clerk` on `prod`", "permission denied to set role"]);
    fresh("SELECT current_date").failed(1, &["the query has to return a timestamptz", "it returned date"]);
}

#[tokio::test]
async fn a_repository_of_pgbackrest_is_read_and_nothing_of_it_moves() {
    let site = Site::start().await.with_pgbackrest().await;
    site.pgbackrest("--repo=1 --type=full backup");
    site.pgbackrest("--repo=2 --type=full backup");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.pgbackrest("--repo=2 --type=incr backup");
    site.pgbackrest("--repo=1 --type=diff backup");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(2001, 3000) i").await;
    site.primary.sql("CHECKPOINT").await;
    site.pgbackrest("check");
    let before = site.fingerprint();
    let runner = runner(&site);
    let config = site.dir("pgbackrest.conf").display().to_string();
    let head = |stanza: &str, repo: u32| {
        head(&site).replace(
            &format!(
                "existing: true, backups: \"{}/*\", wal: {}",
                site.dir("backups").display(),
                site.dir("wal").display()
            ),
            &format!("kind: pgbackrest, existing: true, stanza: {stanza}, config: {config}, repo: {repo}"),
        )
    };
    let hourly = "  - { id: hour, assert_recoverable: { repo: lastnight } }\n";
    let verified = FOLLOW.replace("min_size: 1MB }", "min_size: 1MB, verify: true }") + hourly;
    for repo in [1, 2] {
        let kind = if repo == 1 { "differential" } else { "incremental" };
        let verified = verified.replace("verify: true }", &format!("verify: true, kind: {kind} }}"));
        let run = runner.drill(&format!("{}{verified}", head("main", repo)), &[]).passed();
        let label = run.fact("tonight", "backup").as_str().expect("a label").to_owned();
        assert!(label.ends_with(if repo == 1 { 'D' } else { 'I' }), "{label}");
        assert!(!run.fact("tonight", "passed_over").is_null(), "{}", run.said);
        let number = |fact| run.fact("hour", fact).as_u64().unwrap_or_default();
        assert!(number("restored_bytes") > number("bytes") && number("bytes") > 0, "{}", run.said);
        // The second one puts small files together.
        let said = |fact| run.fact("hour", fact).as_str().unwrap_or_default().to_owned();
        let (settings, unknown) = (said("settings"), said("not_checked"));
        assert_eq!(settings.contains("max_connections 100"), repo == 1, "{settings}");
        assert_eq!(unknown.contains("its pg_control is not at hand"), repo == 2, "{unknown}");
        assert!(said("estimate").ends_with("from a recovery in this drill)"), "{}", run.said);
    }
    assert_eq!(site.moved_since(&before), NOTHING);
    // Alone, to the end of the archive.
    let promote = FOLLOW
        .replace("then: { follow: prod }", "then: promote")
        .replace("- assert_streaming: { standby: copy, primary: prod }", "- assert_primary: { node: copy }");
    // The configuration does not know the second one; and nobody holds the subscription's slot.
    let text = std::fs::read_to_string(&config).expect("the configuration");
    let lines = text.lines().filter(|line| !line.starts_with("repo2-cipher"));
    let read = lines.map(|line| format!("{line}\n")).collect::<String>();
    std::fs::write(site.dir("read.conf"), read).expect("written");
    let options = "read.conf, options: { repo2-cipher-type: aes-256-cbc, repo2-cipher-pass: secret, process-max: 2 }";
    site.primary.sql("ALTER SUBSCRIPTION prices DISABLE").await;
    settle(&site.publisher, "SELECT count(*) FROM pg_replication_slots WHERE active", 0).await;
    let was = slot(&site.publisher).await;
    let without = head("main", 2).replace("pgbackrest.conf", "read.conf");
    runner.drill(&format!("{without}{promote}"), &[]).failed(1, &["cannot be listed", "passphrase"]);
    runner.drill(&format!("{}{promote}", head("main", 2).replace("pgbackrest.conf", options)), &[]).passed();
    runner.drill(&format!("{}{ANY}", head("main", 1)), &[]).passed();
    assert_eq!(slot(&site.publisher).await, was);
    site.primary.sql("ALTER SUBSCRIPTION prices ENABLE").await;
    killed(&runner, &format!("{}{promote}", head("main", 1)), "PG_VERSION").await;
    assert_eq!(site.moved_since(&before), NOTHING);
    runner
        .drill(&format!("{}{FOLLOW}", head("wrong", 1)), &[])
        .fails_alike(1, &["repo `lastnight` has no such backup"])
        .in_time(60);
    assert_eq!(site.written_by_pgbackrest_of_a_drill(), NOTHING);
    let nowhere = head("main", 1).replace("pgbackrest.conf", "nothing.conf");
    runner.drill(&format!("{nowhere}{FOLLOW}"), &[]).failed(1, &["the backups in repo `lastnight` cannot be listed"]);
    assert_eq!(site.moved_since(&before), NOTHING);
}

/// The drill of docs/nightly.md, as it stands there; and with the off-site copy of the same.
#[tokio::test]
async fn the_page_is_followed_word_for_word() {
    let site = Site::start().await;
    site.primary.sql("CREATE DATABASE shop").await;
    let shop = site.primary.connect("shop").await;
    let tables =
        "CREATE SCHEMA shop; CREATE TABLE shop.orders AS SELECT i, now() AS ordered_at FROM generate_series(1, 100) i";
    shop.batch_execute(tables).await.expect("a table");
    site.back_up("monday", &["-Ft", "-z", "-X", "none"]);
    site.archive().await;
    // What WAL it needs is in the archive alone.
    let verified = format!("{}  - assert_backup: {{ repo: lastnight, verify: true }}\n", head(&site));
    runner(&site).drill(&verified, &[]).passed();
    site.run("cp", &["-a", &site.dir("wal").display().to_string(), &site.dir("offsite").display().to_string()]);
    let page = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/docs/nightly.md")).expect("the page");
    let drill = page.split("```yaml\n").nth(1).and_then(|rest| rest.split("```").next()).expect("a scenario");
    // The page's database is not the one that programs take by themselves.
    assert!(page.contains("export PROD_URL='host=db.example.com user=drill password=... dbname=shop'"));
    let runner = runner(&site).var("PROD_URL", &site.url().replace("dbname=postgres", "dbname=shop"));
    let path = runner.write("last-night.yaml", drill).display().to_string();
    let backups = format!("backups={}/*", site.dir("backups").display());
    for wal in ["wal", "offsite"] {
        let wal = format!("wal={}", site.dir(wal).display());
        let run = runner.run(&["--backend", "local", "--set", &backups, "--set", &wal, &path]).passed();
        assert_eq!(run.report["drills"][0]["budgets"][0]["name"], "rto", "{}", run.said);
    }
    shop.batch_execute("UPDATE shop.orders SET ordered_at = now() - interval '2 days'").await.expect("updated");
    let run = runner.run(&[
        "--backend",
        "local",
        "--set",
        &backups,
        "--set",
        &format!("wal={}", site.dir("wal").display()),
        &path,
    ]);
    run.failed(1, &["what is on `copy` is not fresh"]);
}

#[test]
fn a_backend_that_does_not_see_this_machine_says_so() {
    let runner = CliRunner::new().var("DOCKER_HOST", "tcp://192.0.2.1:2375");
    let yaml = "drillyard: 1\nrepos: { lastnight: { existing: true, backups: /srv/backup/* } }\nsteps:\n  - recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }\n  - assert_primary: { node: copy }\n";
    let path = runner.write("nightly.yaml", yaml).display().to_string();
    let output = runner.output(["run", "--backend", "docker", &path]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let words = "which the backend docker does not see: the daemon at tcp://192.0.2.1:2375 may run on another machine";
    assert!(said(&output).contains(words), "{}", said(&output));
    assert!(said(&output).contains("--backend local"), "{}", said(&output));
}
