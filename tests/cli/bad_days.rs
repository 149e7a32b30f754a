//! Bad days: each has its exit code, a message that says what happened, and leaves nothing behind.

use std::path::Path;
use std::process::Output;

use crate::cli_runner::CliRunner;
use crate::left::PATIENCE;
use crate::program::said;
use crate::relay::{Mood, Relay};
use crate::running::{ENDLESS, QUICK, docker_answers, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs a scenario on local servers; the JSON report agrees with the exit code, and nothing is
/// left.
fn run_local(runner: &CliRunner, scenario: &str, options: &[&str]) -> Output {
    let path = runner.write("bad.yaml", scenario).display().to_string();
    let report = runner.path().join("report.json").display().to_string();
    let fixed = ["run", "--backend", "local", "--report-json", &report, &path];
    let output = runner.output(fixed.iter().chain(options));
    agree(runner, &output);
    output
}

fn agree(runner: &CliRunner, output: &Output) {
    assert_eq!(runner.report()["exit_code"].as_i64(), output.status.code().map(i64::from), "{}", said(output));
    let left: Vec<_> = std::fs::read_dir(runner.work()).expect("a directory").flatten().map(|e| e.path()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new(), "{}", said(output));
}

fn expect(output: &Output, code: i32, words: &[&str]) {
    let said = said(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for words in words {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

#[test]
fn no_docker_and_no_postgresql() {
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK);
    let report = runner.path().join("report.json");
    let nothing = runner.path().join("nothing");
    for (backend, words) in [
        ("auto", "there is nowhere to run PostgreSQL"),
        ("docker", "no Docker daemon answers"),
        ("local", "there is no PostgreSQL on this machine"),
    ] {
        let mut command = runner.drillyard(["run", "--backend", backend, "--report-json"]);
        command.arg(&report).arg(&scenario);
        command.env("DOCKER_HOST", format!("unix://{}/dead.sock", runner.path().display()));
        command.env("PATH", &nothing).env("DRILLYARD_PG_ROOTS", &nothing);
        let output = command.output().expect("drillyard runs");
        expect(&output, 4, &[words, "help: "]);
        agree(&runner, &output);
        let mut doctor = runner.drillyard(["doctor", "--backend", backend]);
        doctor.env("DOCKER_HOST", format!("unix://{}/dead.sock", runner.path().display()));
        doctor.env("PATH", &nothing).env("DRILLYARD_PG_ROOTS", &nothing);
        expect(&doctor.output().expect("drillyard runs"), 4, &["missing", "to get"]);
    }
}

#[test]
fn an_image_that_is_nowhere() {
    if !docker_answers() {
        return;
    }
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK);
    let report = runner.path().join("report.json");
    let mut command = runner.drillyard(["run", "--backend", "docker", "--image", "nosuch.invalid/pg:{version}"]);
    command.arg("--report-json").arg(&report).arg(&scenario);
    let output = command.output().expect("drillyard runs");
    expect(&output, 4, &["nosuch.invalid/pg:18", "it can't be pulled", "ci/image 18 makes one"]);
    agree(&runner, &output);
}

#[test]
fn a_version_that_is_not_installed() {
    let runner = CliRunner::new();
    let output = run_local(&runner, &QUICK.replace("name: quick", "name: quick\npostgres: [14]"), &[]);
    expect(&output, 4, &["PostgreSQL 14 is not installed on this machine", "apt-get install postgresql-14"]);
}

#[test]
fn a_server_that_does_not_start() {
    let runner = CliRunner::new();
    let scenario = QUICK.replace("master: {}", "master: { settings: { shared_buffers: 1000TB } }");
    expect(&run_local(&runner, &scenario, &[]), 4, &["the server on `master` does not start", "shared_buffers"]);
}

#[test]
fn a_server_killed_from_outside_in_mid_step() {
    let runner = CliRunner::new();
    let waits = "wait_for: { node: master, query: SELECT false, equals: true }";
    let scenario = ENDLESS.replace(waits, "sql: { node: master, query: SELECT pg_sleep(600) }");
    let scenario = runner.write("endless.yaml", &scenario);
    let output = runner.path().join("out");
    let mut command = runner.drillyard(["run", "--backend", "local", "--report-json"]);
    command.arg(runner.path().join("report.json")).arg(&scenario);
    command.arg("--events").arg(runner.path().join("events"));
    let file = std::fs::File::create(&output).expect("a file");
    let mut child = command.stdout(file.try_clone().expect("a file")).stderr(file).spawn().expect("drillyard starts");
    let events = || std::fs::read_to_string(runner.path().join("events")).unwrap_or_default();
    let seen = poll(PATIENCE, || if events().contains("traffic_rate") { Ok(()) } else { Err(events()) });
    assert_eq!(seen, Ok(()));
    kill(postmaster(&runner.work(), "master"), Signal::SIGKILL).expect("a signal");
    let code = child.wait().expect("a child").code();
    let said = std::fs::read_to_string(&output).expect("text");
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("`master` was stopped, and no step of the drill has done so"), "{said}");
    assert_eq!(runner.report()["exit_code"], 4);
}

/// Starts a scenario, waits until its users are at work, does something to the run's `RUN`, and
/// gives what was said with the exit code.
fn struck_from_outside(
    runner: &CliRunner,
    scenario: &str,
    options: &[&str],
    strike: impl FnOnce(&str),
) -> (Option<i32>, String) {
    let (scenario, output) = (runner.write("endless.yaml", scenario), runner.path().join("out"));
    let mut command = runner.drillyard(["run", "--report-json"]);
    command.arg(runner.path().join("report.json")).arg(&scenario).args(options);
    command.arg("--events").arg(runner.path().join("events"));
    let file = std::fs::File::create(&output).expect("a file");
    let mut child = command.stdout(file.try_clone().expect("a file")).stderr(file).spawn().expect("drillyard starts");
    let events = || std::fs::read_to_string(runner.path().join("events")).unwrap_or_default();
    let seen = poll(PATIENCE, || if events().contains("traffic_rate") { Ok(()) } else { Err(events()) });
    assert_eq!(seen, Ok(()));
    let first: serde_json::Value = serde_json::from_str(events().lines().next().expect("an event")).expect("JSON");
    strike(first["run"].as_str().expect("a run"));
    let ended = poll(PATIENCE, || child.try_wait().expect("a child").ok_or("it hangs"));
    let said = std::fs::read_to_string(&output).expect("text");
    (ended.expect(&said).code(), said)
}

#[test]
fn a_server_frozen_from_outside() {
    let runner = CliRunner::new();
    let (code, said) = struck_from_outside(&runner, ENDLESS, &["--backend", "local"], |_| {
        kill(postmaster(&runner.work(), "master"), Signal::SIGSTOP).expect("a signal");
    });
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("`master` was paused, and no step of the drill has done so"), "{said}");
    agree_on(&runner, 4);
}

#[test]
fn a_data_directory_removed_from_outside() {
    let runner = CliRunner::new();
    let waits = "wait_for: { node: master, query: SELECT false, equals: true }";
    let scenario = ENDLESS.replace(waits, "sql: { node: master, query: SELECT pg_sleep(1) }");
    // Emptied, as by `rm -rf data/*`: the server itself runs on for up to a minute.
    let (code, said) = struck_from_outside(&runner, &scenario, &["--backend", "local"], |_| {
        std::fs::remove_dir_all(server_directory(&runner.work(), "master").join("data/global")).expect("removed");
        std::fs::remove_file(server_directory(&runner.work(), "master").join("data/PG_VERSION")).expect("removed");
    });
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("`master` has lost its data directory, and no step of the drill has done so"), "{said}");
    agree_on(&runner, 4);
}

/// The step waits for users who get no answer, and a shell stands in the frozen container.
#[test]
fn docker_a_container_paused_from_outside() {
    if !docker_answers() {
        return;
    }
    let runner = CliRunner::new();
    let waits = "wait_for: { node: master, query: SELECT false, equals: true }";
    let scenario = ENDLESS.replace(waits, "wait_for: { traffic: users, acked: 1000000000 }");
    let options = ["--backend", "docker", "--postgres", "15"];
    let (code, said) = struck_from_outside(&runner, &scenario, &options, |run| {
        let name = format!("drillyard-{run}-0-node-master");
        let mut pause = std::process::Command::new("docker");
        pause.args(["pause", &name]).stdout(std::process::Stdio::null());
        // On a busy machine runc does not freeze it at the first try.
        assert!((0..5).any(|_| pause.status().expect("docker runs").success()));
    });
    assert_eq!(code, Some(4), "{said}");
    assert!(said.contains("`master` was paused, and no step of the drill has done so"), "{said}");
    agree_on(&runner, 4);
}

/// What a step of the drill has removed is no trouble of the lab.
#[test]
fn a_data_directory_removed_by_a_step() {
    let runner = CliRunner::new();
    let wipes = "wipe: { node: master }\n  - assert_intact: { node: master }";
    let scenario = QUICK.lines().take_while(|line| !line.starts_with("steps:")).collect::<Vec<_>>().join("\n");
    let output = run_local(&runner, &format!("{scenario}\nsteps:\n  - {wipes}\n"), &[]);
    expect(&output, 1, &["`master` is not intact"]);
    assert!(!said(&output).contains("no step of the drill has done so"), "{}", said(&output));
}

#[test]
fn docker_a_container_killed_from_outside() {
    if !docker_answers() {
        return;
    }
    for step in ["sql: { node: master, query: SELECT pg_sleep(600) }", "wait_for: { node: master, log: 'never said' }"]
    {
        let runner = CliRunner::new();
        let waits = "wait_for: { node: master, query: SELECT false, equals: true }";
        let options = ["--backend", "docker", "--postgres", "15"];
        let (code, said) = struck_from_outside(&runner, &ENDLESS.replace(waits, step), &options, |run| {
            let name = format!("drillyard-{run}-0-node-master");
            let status =
                std::process::Command::new("docker").args(["kill", &name]).stdout(std::process::Stdio::null()).status();
            assert!(status.expect("docker runs").success());
        });
        assert_eq!(code, Some(4), "{step}: {said}");
        assert!(said.contains("`master` was stopped, and no step of the drill has done so"), "{step}: {said}");
        assert!(said.contains("its container has ended with exit code 137"), "{step}: {said}");
        agree_on(&runner, 4);
    }
}

fn agree_on(runner: &CliRunner, code: i64) {
    assert_eq!(runner.report()["exit_code"], code);
    let left: Vec<_> = std::fs::read_dir(runner.work()).expect("a directory").flatten().map(|e| e.path()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new());
}

/// The directory of a server, in the only run that is at work.
fn server_directory(work: &Path, node: &str) -> std::path::PathBuf {
    let below =
        |dir: &Path| std::fs::read_dir(dir).expect("a directory").flatten().map(|e| e.path()).collect::<Vec<_>>();
    let drills = below(work).into_iter().flat_map(|run| below(&run)).filter(|path| path.is_dir());
    drills.map(|drill| drill.join(format!("node-{node}"))).find(|dir| dir.is_dir()).expect("a server's directory")
}

fn postmaster(work: &Path, node: &str) -> Pid {
    let file = server_directory(work, node).join("data/postmaster.pid");
    let text = std::fs::read_to_string(file).expect("a postmaster.pid");
    Pid::from_raw(text.lines().next().and_then(|pid| pid.parse().ok()).expect("a process id"))
}

const ARCHIVED: &str = "
drillyard: 1
name: archived
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - create_data: { node: master, table: items, rows: 100 }
  - id: nightly
    backup: { node: master, repo: onsite }
";

#[test]
fn an_archive_command_that_fails() {
    let runner = CliRunner::new();
    let scenario = format!(
        "{ARCHIVED}  - id: broken
    exec_sql
  - wait_archived: {{ node: master, through: broken }}
    within: 3s
  - assert_rows: {{ node: master, table: items, count: 100 }}
"
    );
    // The archiver may be writing there at this moment: rm then leaves the directory, and nothing
    // would have happened.
    let scenario = scenario.replace(
        "exec_sql",
        "sql: { node: master, query: \"COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; until rm -rf ../../repos/onsite/wal; do :; done; touch ../../repos/onsite/wal'\" }",
    );
    let output = run_local(&runner, &scenario, &[]);
    expect(&output, 1, &["archive_command failed", "does archive_command work?"]);
}

#[test]
fn a_backup_deleted_under_the_drill() {
    let runner = CliRunner::new();
    let scenario = format!(
        "{ARCHIVED}  - id: gone
    sql: {{ node: master, query: \"COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm -rf ../../repos/onsite/backups'\" }}
  - recover: {{ node: rescue, backup: nightly, until: latest, then: promote }}
  - assert_rows: {{ node: rescue, table: items, count: 100 }}
"
    );
    let output = run_local(&runner, &scenario, &[]);
    expect(&output, 1, &["backup `nightly` cannot be restored from repo `onsite`"]);
}

#[test]
fn a_dump_that_cannot_be_imported() {
    let runner = CliRunner::new();
    let scenario = format!(
        "{ARCHIVED}  - id: items
    dump: {{ node: master, tables: [items] }}
  - reimport: {{ dump: items, node: master }}
  - assert_rows: {{ node: master, table: items, count: 100 }}
"
    );
    expect(&run_local(&runner, &scenario, &[]), 1, &["already exists"]);
}

/// The archive hangs, as one on a file server that is gone does.
#[test]
fn a_timeout_in_the_middle_of_a_recovery() {
    let runner = CliRunner::new();
    let hang = "cd ../../repos/onsite/wal; for f in *; do rm $f; mkfifo $f; done";
    let scenario = format!(
        "{ARCHIVED}  - id: end
    sql: {{ node: master, query: INSERT INTO items SELECT * FROM items WHERE false }}
  - wait_archived: {{ node: master }}
  - sql: {{ node: master, query: \"COPY (SELECT 1) TO PROGRAM '{hang}'\" }}
  - recover: {{ node: rescue, backup: nightly, until: latest, then: promote }}
    within: 10m
  - assert_rows: {{ node: rescue, table: items, count: 100 }}
"
    );
    let output = run_local(&runner, &scenario, &["--timeout", "15s"]);
    expect(&output, 1, &["the drill's timeout has passed", "in the middle of this step"]);
}

#[test]
fn a_full_disk() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let runner = CliRunner::new();
    let mounted = Tmpfs::over(&runner.work(), "200m");
    let flood = "CREATE TABLE t AS SELECT g, repeat(g::text, 100) FROM generate_series(1, 10000000) g";
    let scenario = QUICK.replace("CREATE TABLE t AS SELECT 1 AS a", &format!("'{flood}'"));
    expect(&run_local(&runner, &scenario, &[]), 4, &["error: the disk ", "the disk is full", "MB of 200 MB left"]);
    drop(mounted);
    let _smaller = Tmpfs::over(&runner.work(), "10m");
    expect(&run_local(&runner, QUICK, &[]), 4, &["the disk is full"]);
}

/// A small disk, as long as it lives.
struct Tmpfs(std::path::PathBuf);

impl Tmpfs {
    fn over(dir: &Path, size: &str) -> Self {
        let mut command = std::process::Command::new("mount");
        command.args(["-t", "tmpfs", "-o", &format!("size={size},mode=1777"), "tmpfs"]).arg(dir);
        assert!(command.status().expect("mount runs").success());
        Tmpfs(dir.to_owned())
    }
}

impl Drop for Tmpfs {
    fn drop(&mut self) {
        let _ = std::process::Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// Clean-up does not give up before a minute has passed, so that the three are waited for at once.
#[test]
fn the_docker_daemon_stops_in_mid_drill() {
    if !docker_answers() {
        return;
    }
    std::thread::scope(|scope| {
        for phase in ["drill_started", "node_ready", "traffic_rate"] {
            scope.spawn(move || the_daemon_stops_at(phase));
        }
    });
}

fn the_daemon_stops_at(phase: &str) {
    let runner = CliRunner::new();
    let relay = Relay::at(&runner.path().join("docker.sock"));
    // The servers live on when their daemon stops: a look at a log tells that it is gone.
    let scenario = ENDLESS.replace("query: SELECT false, equals: true", "log: 'never said'");
    let mut run = relay.begin(&runner, &scenario);
    run.wait_event(phase);
    relay.cut();
    let code = run.exit_code();
    let printed = run.said();
    assert_eq!(code, Some(4), "{phase}: {printed}");
    assert!(printed.contains("does not answer") || printed.contains("no Docker daemon answers"), "{phase}: {printed}");
    assert_eq!(runner.report()["exit_code"], 4, "{phase}: {printed}");
    let left = runner.report()["left"].to_string();
    assert!(
        left.is_empty() || left == "null" || left.contains(&format!("drillyard clean {}", run.id)),
        "{phase}: {left}"
    );
    // The daemon is back: the next run removes what is left.
    let quick = runner.write("quick.yaml", QUICK).display().to_string();
    let next = runner.output(["run", "--backend", "docker", "--postgres", "15", &quick]);
    assert_eq!(next.status.code(), Some(0), "{phase}: {}", said(&next));
    assert_eq!(runner.left(&run.id), Vec::<String>::new(), "{phase}");
}

/// A daemon that is restarted while a drill ends is away for seconds; one that is out of order
/// answers 500.
#[test]
fn the_docker_daemon_is_away_for_a_while_when_a_drill_ends() {
    if !docker_answers() {
        return;
    }
    for mood in [Mood::Away, Mood::OutOfOrder] {
        let runner = CliRunner::new();
        let relay = Relay::at(&runner.path().join("docker.sock"));
        let mut run = relay.begin(&runner, &ENDLESS.replace("SELECT false", "SELECT count(*) > 20 FROM t"));
        run.wait_event("drill_finished");
        relay.be(mood);
        std::thread::sleep(std::time::Duration::from_secs(3));
        relay.be(Mood::Well);
        let code = run.exit_code();
        let said = run.said();
        assert_eq!(code, Some(0), "{mood:?}: {said}");
        assert_eq!(runner.report()["exit_code"], 0, "{mood:?}: {said}");
        assert_eq!(runner.left(&run.id), Vec::<String>::new(), "{mood:?}: {said}");
        let took = run.wait_event("cleaned_up")["duration_ms"].as_u64();
        assert!(took > Some(1500), "{mood:?}: what was waited for is said: {took:?}");
    }
}

/// Killed while its daemon is away: the reaper waits for it.
#[test]
fn the_docker_daemon_is_away_when_the_run_is_killed() {
    if !docker_answers() {
        return;
    }
    let runner = CliRunner::new();
    let relay = Relay::at(&runner.path().join("docker.sock"));
    let mut run = relay.begin(&runner, ENDLESS);
    run.wait_event("traffic_rate");
    relay.be(Mood::Away);
    run.signal(Signal::SIGKILL);
    assert_eq!(run.exit_code(), None);
    std::thread::sleep(std::time::Duration::from_secs(3));
    relay.be(Mood::Well);
    runner.assert_nothing_left(&run.id, "the daemon is back");
}
