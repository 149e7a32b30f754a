//! The same in containers: they have no network, and see of this machine the repo alone.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::isolated::{literal, ways, with_foreign_tables};
use super::{BESIDE, FOLLOW, NOTHING, head, runner, settle, site::Site};
use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::run::Run;
use crate::testing::PASSWORD;

/// Runs a scenario in containers.
fn drill(runner: &CliRunner, yaml: &str) -> Run {
    let path = runner.write("drill.yaml", &format!("drillyard: 1\nname: drill\n{yaml}")).display().to_string();
    runner.run(&["--backend", "docker", "--postgres", "15", &path])
}

/// Lets the user postgres of an image, which has another number, read what is production's.
fn open(site: &Site) {
    let dirs = ["backups", "wal", "repo1", "barman"].map(|name| site.dir(name));
    let there: Vec<String> = dirs.iter().filter(|dir| dir.exists()).map(|dir| dir.display().to_string()).collect();
    let all = [&["-R", "o+rX"][..], &there.iter().map(String::as_str).collect::<Vec<_>>()].concat();
    site.run("chmod", &all);
}

/// What a run has left in Docker.
fn left(run: &str) -> String {
    let filter = format!("label=drillyard.run={run}");
    let all = [&["ps", "-aq"][..], &["volume", "ls", "-q"], &["network", "ls", "-q"]];
    let seen = all.map(|what| Command::new("docker").args(what).args(["--filter", &filter]).output().expect("docker"));
    seen.iter().map(|output| String::from_utf8_lossy(&output.stdout).into_owned()).collect()
}

#[tokio::test]
async fn docker_a_copy_follows_production_and_reaches_nobody() {
    let site = Site::start().await;
    with_foreign_tables(&site).await;
    site.back_up("monday", &["-Ft", "-z"]);
    site.archive().await;
    let runner = runner(&site);
    // Only its owner may read it, which is another one in a container.
    let head = format!("network: isolated\n{}", head(&site));
    let words = ["of the image (uid", "may not read", "setfacl -R -m u:", "`--backend local`"];
    drill(&runner, &format!("{head}{FOLLOW}")).failed(4, &words);
    open(&site);
    let before = site.fingerprint();
    let mut steps = format!("{FOLLOW}{BESIDE}");
    for (way, why) in ways(&site).iter().zip(["%127.0.0.1%Connection refused%", "%No such file or directory%"]) {
        let query = format!("SELECT touch({}) LIKE '{why}'", literal(way));
        steps.push_str(&format!("  - assert_rows: {{ node: copy, query: {query:?}, equals: [[true]] }}\n"));
    }
    let writes = format!("touch {}/x", site.dir("wal").display());
    steps.push_str(&format!(
        "  - {{ expect: {{ fails: Read-only file system }}, exec: {{ node: copy, run: [sh, -c, \"{writes}\"] }} }}\n"
    ));
    let run = drill(&runner, &format!("{head}{steps}")).passed();
    assert_eq!(run.fact("tonight", "network").as_str(), Some("isolated"), "{}", run.said);
    assert_eq!(site.primary.count("SELECT count(*) FROM touched").await, 0);
    assert_eq!(site.moved_since(&before), NOTHING);
    // It is killed in its middle.
    let endless = format!(
        "drillyard: 1\n{head}{FOLLOW}  - wait_for: {{ node: copy, query: SELECT false, equals: true }}\n    within: 5m\n"
    );
    let path = runner.write("endless.yaml", &endless).display().to_string();
    let args = ["run", "--backend", "docker", "--postgres", "15", &path];
    let mut child = runner.drillyard(args).spawn().expect("runs");
    settle(&site.primary, "SELECT count(*) FROM pg_stat_replication WHERE application_name LIKE 'copy (drillyard%'", 1)
        .await;
    let works = std::fs::read_dir(runner.work()).expect("a directory").flatten().map(|entry| entry.file_name());
    let works: Vec<String> = works.map(|name| name.to_string_lossy().into_owned()).collect();
    let id = works.iter().find_map(|name| name.strip_prefix("drillyard-")).expect("a run").to_owned();
    assert_ne!(left(&id), "");
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGKILL).expect("a signal");
    assert_eq!(child.wait().expect("ended").signal(), Some(9));
    settle(&site.primary, "SELECT count(*) FROM pg_stat_replication", 0).await;
    for _ in 0..150 {
        if left(&id).is_empty() && std::fs::read_dir(runner.work()).expect("a directory").count() == 0 {
            break;
        }
        tokio::time::sleep(std::time::Duration::from_millis(100)).await;
    }
    assert_eq!((left(&id).as_str(), std::fs::read_dir(runner.work()).expect("a directory").count()), ("", 0));
    assert_eq!(site.moved_since(&before), NOTHING);
}

#[tokio::test]
async fn docker_a_repository_of_pgbackrest_is_read_and_nothing_of_it_moves() {
    let site = Site::start().await.with_pgbackrest().await;
    site.pgbackrest("--repo=1 --type=full backup");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.primary.sql("CHECKPOINT").await;
    site.pgbackrest("check");
    open(&site);
    let before = site.fingerprint();
    let runner = runner(&site);
    let directory =
        format!("existing: true, backups: \"{}/*\", wal: {}", site.dir("backups").display(), site.dir("wal").display());
    let config = site.dir("pgbackrest.conf").display().to_string();
    let head = |repo: &str| head(&site).replace(&directory, repo);
    let steps = FOLLOW.replace("min_size: 1MB }", "min_size: 1MB, verify: true }");
    let one = format!("kind: pgbackrest, existing: true, stanza: main, config: {config}, repo: 1");
    drill(&runner, &format!("{}{steps}", head(&one))).passed();
    assert_eq!(site.moved_since(&before), NOTHING);
    // Cold: production's configuration is lost, and what was kept elsewhere is all that is given.
    let (gone, kept) = (site.dir("gone.conf").display().to_string(), site.dir("kept.conf").display().to_string());
    site.run("cp", &[&config, &kept]);
    site.run("chmod", &["o+rw", &kept]);
    let cold = head(&one.replace(&config, &gone))
        .replace("nodes:\n", &format!("nodes:\n  copy: {{ cold: true, secrets: {{ config: {kept} }} }}\n"));
    let steps = "  - id: cold\n    recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }\n  - assert_rows: { node: copy, table: t, count: 2000 }\n";
    let run = drill(&runner, &format!("{cold}{steps}")).passed();
    assert_eq!(run.fact("cold", "used"), "repo lastnight, and config", "{}", run.said);
    assert_eq!(site.moved_since(&before), NOTHING);
    let write = format!(
        "  - exec: {{ node: copy, run: [sh, -c, \"echo >>{kept}\"] }}\n    expect: {{ fails: Read-only file system }}\n"
    );
    drill(&runner, &format!("{cold}{steps}{write}")).passed();
    // What a container cannot have is told before anything is started.
    let s3 = std::fs::read_to_string(&config)
        .expect("the configuration")
        .replace("repo1-path=", "repo1-type=s3\nrepo1-path=");
    std::fs::write(site.dir("s3.conf"), s3).expect("written");
    let bucket = one.replace(&config, &site.dir("s3.conf").display().to_string());
    let words = ["its repository 1 is not in a directory (`repo1-type=s3`)", "`--backend local`"];
    drill(&runner, &format!("{}{FOLLOW}", head(&bucket))).failed(4, &words);
    let command = "kind: command, existing: true, list: [x], fetch: [x], restore_command: x %f %p";
    let words = ["does not see: repo `lastnight` is of kind `command`, and its tool", "`--backend local`"];
    drill(&runner, &format!("{}{FOLLOW}", head(command))).failed(4, &words);
    let wal_g = "kind: wal-g, existing: true, config: /etc/wal-g.json";
    let words = ["does not see: repo `lastnight` is of kind `wal-g`, and its tool", "`--backend local`"];
    drill(&runner, &format!("{}{FOLLOW}", head(wal_g))).failed(4, &words);
    let open = format!("network: open\n{}{FOLLOW}", head(&one));
    drill(&runner, &open).failed(4, &["containers with somebody else's data have no network"]);
}

#[tokio::test]
async fn docker_a_server_of_barman_is_read_and_nothing_of_it_moves() {
    let site = Site::start().await.with_barman().await;
    site.barman("archive-wal pg.prod");
    site.barman("backup --immediate-checkpoint --wait pg.prod");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.wait_for_wal().await;
    open(&site);
    let before = site.fingerprint();
    let config = site.dir("barman.conf").display().to_string();
    let repo = format!("  lastnight: {{ kind: barman, existing: true, server: pg.prod, config: {config} }}");
    let head = head(&site);
    let directory = head.lines().find(|line| line.starts_with("  lastnight")).expect("a repo");
    drill(&runner(&site), &format!("{}{FOLLOW}", head.replace(directory, &repo))).passed();
    assert_eq!(site.moved_since(&before), NOTHING);
}

#[tokio::test]
async fn docker_dumps_are_restored_and_a_nightly_drill_is_proved() {
    let site = Site::start().await;
    let dump = format!(
        "mkdir {0}; pg_dumpall --globals-only -f {0}/globals.sql; for one in postgres billing; do pg_dump -Fc $one -f {0}/$one.dump; done",
        site.dir("backups/night").display()
    );
    let (dir, port) = (site.primary.dir().display().to_string(), site.primary.port());
    let env = [format!("PGHOST={dir}"), format!("PGPORT={port}"), format!("PGPASSWORD={PASSWORD}")];
    site.run("env", &env.iter().map(String::as_str).chain(["sh", "-euc", &dump]).collect::<Vec<_>>());
    for database in ["template1", "postgres", "billing"] {
        let client = site.primary.connect(database).await;
        client.batch_execute("CREATE EXTENSION amcheck").await.expect("created");
    }
    // Its tablespace lies outside of it.
    site.back_up("monday", &[]);
    for _ in 0..3 {
        site.primary.sql("INSERT INTO beats VALUES (now())").await;
        site.archive().await;
    }
    open(&site);
    let (before, runner) = (site.fingerprint(), runner(&site));
    let night = format!(
        "repos: {{ dumps: {{ kind: dump, existing: true, path: {}/nigh* }} }}\nsteps:\n\
         \x20 - recover: {{ node: copy, backup: newest, until: end_of_backup, then: promote }}\n\
         \x20 - assert_backup: {{ repo: dumps, verify: true }}\n\
         \x20 - assert_rows: {{ node: copy, table: t, count: 1000 }}\n",
        site.dir("backups").display()
    );
    drill(&runner, &night).passed();
    let nightly = format!(
        "drillyard: 1\n{}  - assert_backup: {{ repo: lastnight, verify: true }}\n  - assert_recoverable: {{ repo: lastnight }}\n\
         \x20 - recover: {{ node: copy, repo: lastnight, backup: newest, until: latest, then: {{ follow: prod }} }}\n\
         \x20 - assert_streaming: {{ standby: copy, primary: prod }}\n  - assert_intact: {{ node: copy }}\n",
        head(&site).replace("/*", "/mon*")
    );
    let path = runner.write("nightly.yaml", &nightly).display().to_string();
    let output = runner.output(["prove", "--backend", "docker", "--postgres", "15", "--only", "lastnight", &path]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for name in ["newest-backup-missing", "wal-missing", "backup-damaged"] {
        let line = told.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}: {told}"));
        assert!(line.contains("noticed"), "{told}");
    }
    assert_eq!(site.moved_since(&before), NOTHING);
}

/// Takes a full backup and two that go on from it, of which the last is packed, as PostgreSQL 17
/// does it.
const CHAIN: &str = r#"
initdb -D /tmp/data -A trust >/tmp/said
printf 'summarize_wal = on\narchive_mode = on\narchive_command = %s\n' "'cp %p $1/wal/%f'" >>/tmp/data/postgresql.conf
mkdir "$1/backups" "$1/wal" "$1/backups/.spaces" /tmp/space
pg_ctl -D /tmp/data -l /tmp/log -o '-k /tmp' start >/tmp/said
sql() { psql -h /tmp -Xq postgres -c "$1"; }
sql "CREATE TABLESPACE space LOCATION '/tmp/space'"
sql 'CREATE TABLE t (n int); CREATE TABLE u (n int) TABLESPACE space; INSERT INTO t VALUES (1)'
take() { pg_basebackup -h /tmp -D "$1/backups/$2" -c fast $3; }
take "$1" sunday "-T /tmp/space=$1/backups/.spaces/sunday"
sql 'INSERT INTO t VALUES (2); INSERT INTO u VALUES (2)'
take "$1" monday "-T /tmp/space=$1/backups/.spaces/monday -i $1/backups/sunday/backup_manifest"
sql 'INSERT INTO t VALUES (3); INSERT INTO u VALUES (3)'
take "$1" tuesday "-Ft -z -i $1/backups/monday/backup_manifest"
sql 'INSERT INTO t VALUES (4)'
pg_ctl -D /tmp/data stop >/tmp/said
chmod -R o+rX "$1"/*
"#;

#[tokio::test]
async fn docker_incrementals_of_17_are_put_together_and_one_without_its_full_one_is_passed_over() {
    let runner = CliRunner::new();
    let dir = runner.path().join("site");
    std::fs::create_dir(&dir).expect("made");
    let place = dir.display().to_string();
    let docker = |args: &[&str]| {
        let output = Command::new("docker").args(args).output().expect("docker");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    };
    Command::new("chmod").args(["777", &place]).status().expect("chmod");
    let volume = format!("{place}:{place}");
    let image = "drillyard/postgres:17";
    docker(&["run", "--rm", "-u", "postgres", "-v", &volume, image, "sh", "-euc", CHAIN, "sh", &place]);
    let yaml = |steps: &str| {
        format!(
            "repos: {{ onsite: {{ existing: true, backups: \"{place}/backups/*\", wal: {place}/wal }} }}\nsteps:\n{steps}"
        )
    };
    let drill = |steps: &str| {
        let path = runner.write("drill.yaml", &format!("drillyard: 1\nname: drill\n{}", yaml(steps)));
        runner.run(&["--backend", "docker", "--postgres", "17", &path.display().to_string()])
    };
    let run = drill(
        r#"
  - id: restored
    recover: { node: copy, backup: newest, until: latest, then: promote }
  - assert_rows: { node: copy, query: "SELECT sum(n) FROM t", equals: [[10]] }
  - assert_rows: { node: copy, query: "SELECT sum(n) FROM u", equals: [[5]] }
  - assert_intact: { node: copy }
  - assert_backup: { kind: incremental }
  - assert_backup: { backup: monday, kind: incremental, verify: true }
  - assert_backup: { verify: true }
  - { id: hour, assert_recoverable: {} }
  - id: plain
    recover: { node: other, backup: monday, until: end_of_backup, then: promote }
  - assert_rows: { node: other, query: "SELECT sum(n) FROM u", equals: [[2]] }
"#,
    )
    .passed();
    assert!(run.fact("restored", "backup").as_str().is_some_and(|label| label.ends_with("/tuesday")), "{}", run.said);
    std::fs::rename(dir.join("backups/sunday"), dir.join("sunday")).expect("renamed");
    let recover = "  - recover: { node: copy, backup: newest, until: latest, then: promote }\n";
    let without = "is incremental to a backup that begins at 0/2000028 on timeline 1, and there is none";
    drill(recover).failed(1, &["repo `onsite` has no such backup", without]);
}
