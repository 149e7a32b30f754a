//! Bad days: each has its exit code, a message that says what happened, and leaves nothing behind.

use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;
use std::process::Output;
use std::sync::{Arc, Mutex};

use crate::place::{ENDLESS, PATIENCE, Place, QUICK, docker_answers, poll, text};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

/// Runs a scenario on local servers; the JSON report agrees with the exit code, and nothing is left.
fn run_local(place: &Place, scenario: &str, options: &[&str]) -> Output {
    let path = place.scenario("bad", scenario).display().to_string();
    let report = place.path().join("report.json").display().to_string();
    let fixed = ["run", "--backend", "local", "--report-json", &report, &path];
    let output = place.output(fixed.iter().chain(options));
    agree(place, &output);
    output
}

fn agree(place: &Place, output: &Output) {
    assert_eq!(place.report()["exit_code"].as_i64(), output.status.code().map(i64::from), "{}", text(output));
    let left: Vec<_> = std::fs::read_dir(place.work()).expect("a directory").flatten().map(|e| e.path()).collect();
    assert_eq!(left, Vec::<std::path::PathBuf>::new(), "{}", text(output));
}

fn expect(output: &Output, code: i32, words: &[&str]) {
    let said = text(output);
    assert_eq!(output.status.code(), Some(code), "{said}");
    for words in words {
        assert!(said.contains(words), "{words:?} is not in:\n{said}");
    }
}

#[test]
fn no_docker_and_no_postgresql() {
    let place = Place::new();
    let scenario = place.scenario("quick", QUICK);
    let report = place.path().join("report.json");
    let nothing = place.path().join("nothing");
    for (backend, words) in [
        ("auto", "there is nowhere to run PostgreSQL"),
        ("docker", "no Docker daemon answers"),
        ("local", "there is no PostgreSQL on this machine"),
    ] {
        let mut command = place.drillyard(["run", "--backend", backend, "--report-json"]);
        command.arg(&report).arg(&scenario);
        command.env("DOCKER_HOST", format!("unix://{}/dead.sock", place.path().display()));
        command.env("PATH", &nothing).env("DRILLYARD_PG_ROOTS", &nothing);
        let output = command.output().expect("drillyard runs");
        expect(&output, 4, &[words, "help: "]);
        agree(&place, &output);
        let mut doctor = place.drillyard(["doctor", "--backend", backend]);
        doctor.env("DOCKER_HOST", format!("unix://{}/dead.sock", place.path().display()));
        doctor.env("PATH", &nothing).env("DRILLYARD_PG_ROOTS", &nothing);
        expect(&doctor.output().expect("drillyard runs"), 4, &["missing", "to get"]);
    }
}

#[test]
fn an_image_that_is_nowhere() {
    if !docker_answers() {
        return;
    }
    let place = Place::new();
    let scenario = place.scenario("quick", QUICK);
    let report = place.path().join("report.json");
    let mut command = place.drillyard(["run", "--backend", "docker", "--image", "nosuch.invalid/pg:{version}"]);
    command.arg("--report-json").arg(&report).arg(&scenario);
    let output = command.output().expect("drillyard runs");
    expect(&output, 4, &["nosuch.invalid/pg:18", "it can't be pulled", "ci/image 18 makes one"]);
    agree(&place, &output);
}

#[test]
fn a_version_that_is_not_at_hand() {
    let place = Place::new();
    let output = run_local(&place, &QUICK.replace("name: quick", "name: quick\npostgres: [14]"), &[]);
    expect(&output, 4, &["PostgreSQL 14 is not at hand on this machine", "apt-get install postgresql-14"]);
}

#[test]
fn a_server_that_does_not_start() {
    let place = Place::new();
    let scenario = QUICK.replace("master: {}", "master: { settings: { shared_buffers: 1000TB } }");
    expect(&run_local(&place, &scenario, &[]), 4, &["the server on `master` does not start", "shared_buffers"]);
}

#[test]
fn a_server_killed_from_outside_in_mid_step() {
    let place = Place::new();
    let waits = "wait_for: { node: master, query: SELECT false, equals: true }";
    let scenario = ENDLESS.replace(waits, "sql: { node: master, query: SELECT pg_sleep(600) }");
    let scenario = place.scenario("endless", &scenario);
    let output = place.path().join("out");
    let mut command = place.drillyard(["run", "--backend", "local", "--report-json"]);
    command.arg(place.path().join("report.json")).arg(&scenario);
    command.arg("--events").arg(place.path().join("events"));
    let file = std::fs::File::create(&output).expect("a file");
    let mut child = command.stdout(file.try_clone().expect("a file")).stderr(file).spawn().expect("drillyard starts");
    let events = || std::fs::read_to_string(place.path().join("events")).unwrap_or_default();
    let seen = poll(PATIENCE, || if events().contains("traffic_rate") { Ok(()) } else { Err(events()) });
    assert_eq!(seen, Ok(()));
    kill(postmaster(&place.work(), "master"), Signal::SIGKILL).expect("a signal");
    let code = child.wait().expect("a child").code();
    let said = std::fs::read_to_string(&output).expect("text");
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("`master` runs no more, and no step of the drill has stopped it"), "{said}");
    assert_eq!(place.report()["exit_code"], 1);
}

fn postmaster(work: &Path, node: &str) -> Pid {
    let below =
        |dir: &Path| std::fs::read_dir(dir).expect("a directory").flatten().map(|e| e.path()).collect::<Vec<_>>();
    let drills = below(work).into_iter().flat_map(|run| below(&run)).filter(|path| path.is_dir());
    let files = drills.map(|drill| drill.join(format!("node-{node}/data/postmaster.pid")));
    let text = files.filter_map(|file| std::fs::read_to_string(file).ok()).next().expect("a postmaster.pid");
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
    let place = Place::new();
    let scenario = format!(
        "{ARCHIVED}  - id: broken
    exec_sql
  - wait_archived: {{ node: master, through: broken }}
    within: 3s
  - assert_rows: {{ node: master, table: items, count: 100 }}
"
    );
    // The archiver may be writing there at this moment: rm then leaves the directory, and nothing would have happened.
    let scenario = scenario.replace(
        "exec_sql",
        "sql: { node: master, query: \"COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; until rm -rf ../../repos/onsite/wal; do :; done; touch ../../repos/onsite/wal'\" }",
    );
    let output = run_local(&place, &scenario, &[]);
    expect(&output, 1, &["archive_command failed", "does archive_command work?"]);
}

#[test]
fn a_backup_deleted_under_the_drill() {
    let place = Place::new();
    let scenario = format!(
        "{ARCHIVED}  - id: gone
    sql: {{ node: master, query: \"COPY (SELECT 1) TO PROGRAM 'cat >/dev/null; rm -rf ../../repos/onsite/backups'\" }}
  - recover: {{ node: rescue, backup: nightly, until: latest, then: promote }}
  - assert_rows: {{ node: rescue, table: items, count: 100 }}
"
    );
    let output = run_local(&place, &scenario, &[]);
    expect(&output, 1, &["backup `nightly` cannot be restored from repo `onsite`"]);
}

#[test]
fn a_dump_that_cannot_be_imported() {
    let place = Place::new();
    let scenario = format!(
        "{ARCHIVED}  - id: items
    dump: {{ node: master, tables: [items] }}
  - reimport: {{ dump: items, node: master }}
  - assert_rows: {{ node: master, table: items, count: 100 }}
"
    );
    expect(&run_local(&place, &scenario, &[]), 1, &["already exists"]);
}

/// The archive hangs, as one on a file server that is gone does.
#[test]
fn a_timeout_in_the_middle_of_a_recovery() {
    let place = Place::new();
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
    let output = run_local(&place, &scenario, &["--timeout", "15s"]);
    expect(&output, 1, &["the drill's timeout has passed", "in the middle of this step"]);
}

#[test]
fn a_full_disk() {
    if !nix::unistd::Uid::effective().is_root() {
        return;
    }
    let place = Place::new();
    let mounted = Tmpfs::over(&place.work(), "200m");
    let flood = "CREATE TABLE t AS SELECT g, repeat(g::text, 100) FROM generate_series(1, 10000000) g";
    let scenario = QUICK.replace("CREATE TABLE t AS SELECT 1 AS a", &format!("'{flood}'"));
    expect(&run_local(&place, &scenario, &[]), 4, &["No space left on device", "the disk is full"]);
    drop(mounted);
    let _smaller = Tmpfs::over(&place.work(), "10m");
    expect(&run_local(&place, QUICK, &[]), 4, &["the disk is full"]);
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

/// A way to the daemon that can be cut.
struct Relay {
    path: std::path::PathBuf,
    open: Arc<Mutex<Option<Vec<UnixStream>>>>,
}

impl Relay {
    fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let open = Arc::new(Mutex::new(Some(Vec::new())));
        let shared = open.clone();
        std::thread::spawn(move || {
            for near in listener.incoming().flatten() {
                let mut open = shared.lock().expect("a lock");
                let (Some(list), Ok(far)) = (open.as_mut(), UnixStream::connect("/var/run/docker.sock")) else {
                    return;
                };
                let two = |stream: &UnixStream| stream.try_clone().expect("a stream");
                list.extend([two(&near), two(&far)]);
                for (mut from, mut to) in [(two(&near), two(&far)), (far, near)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        });
        Relay { path: path.to_owned(), open }
    }

    /// The daemon is gone: nobody listens any more, and all connections end.
    fn cut(&self) {
        std::fs::remove_file(&self.path).expect("the socket");
        for stream in self.open.lock().expect("a lock").take().into_iter().flatten() {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }
}

#[test]
fn the_docker_daemon_stops_in_mid_drill() {
    if !docker_answers() {
        return;
    }
    for phase in ["drill_started", "node_ready", "traffic_rate"] {
        let place = Place::new();
        let socket = place.path().join("docker.sock");
        let relay = Relay::at(&socket);
        let events = place.path().join("events");
        let output = place.path().join("out");
        let mut command = place.drillyard(["run", "--backend", "docker", "--postgres", "15", "--report-json"]);
        command.arg(place.path().join("report.json")).arg("--events").arg(&events);
        // The servers live on when their daemon stops: a look at a log tells that it is gone.
        let scenario = ENDLESS.replace("query: SELECT false, equals: true", "log: 'never said'");
        command.arg(place.scenario("users", &scenario));
        command.env("DOCKER_HOST", format!("unix://{}", socket.display()));
        let file = std::fs::File::create(&output).expect("a file");
        let mut child =
            command.stdout(file.try_clone().expect("a file")).stderr(file).spawn().expect("drillyard starts");
        let told = || std::fs::read_to_string(&events).unwrap_or_default();
        let seen = poll(PATIENCE, || if told().contains(phase) { Ok(()) } else { Err(told()) });
        assert_eq!(seen, Ok(()), "{phase}");
        relay.cut();
        let ended = poll(PATIENCE, || child.try_wait().expect("a child").ok_or("it hangs"));
        let said = std::fs::read_to_string(&output).expect("text");
        assert_eq!(ended.expect(&said).code(), Some(4), "{phase}: {said}");
        assert!(said.contains("does not answer") || said.contains("no Docker daemon answers"), "{phase}: {said}");
        assert_eq!(place.report()["exit_code"], 4, "{phase}: {said}");
        let run = place.report()["run"].as_str().expect("a run").to_owned();
        // The daemon is back: the next run removes what is left.
        let quick = place.scenario("quick", QUICK).display().to_string();
        let next = place.output(["run", "--backend", "docker", "--postgres", "15", &quick]);
        assert_eq!(next.status.code(), Some(0), "{phase}: {}", text(&next));
        assert_eq!(place.left(&run), Vec::<String>::new(), "{phase}");
    }
}
