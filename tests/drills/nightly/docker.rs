//! The same in containers: they have no network, and see of this machine the repo alone.

use std::os::unix::process::ExitStatusExt;
use std::process::Command;

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::isolated::{literal, ways, with_foreign_tables};
use super::{BESIDE, FOLLOW, NOTHING, head, runner, settle, site::Site};
use crate::cli_runner::CliRunner;
use crate::run::Run;

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
    // What a container cannot have is told before anything is started.
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
