//! What becomes of every drill is remembered, and asked for.

use std::process::{Output, Stdio};
use std::time::{Duration, Instant};

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::small_fs::Small;

/// A drill whose recovery takes as long as it is told.
const QUICK: &str = "\
drillyard: 1
name: quick
nodes: { master: {} }
params: { takes: '0', rows: 5 }
budgets: { rto: { from: back, to: back, max: 1m, of_last: 1.5 } }
steps:
  - sql: { node: master, query: 'CREATE TABLE t AS SELECT * FROM generate_series(1, 5)' }
  - id: back
    exec: { node: master, run: [sh, -c, 'cat /tmp/NAME 2>/dev/null || true'] }
  - assert_rows: { node: master, table: t, count: \"${params.rows}\" }
";

fn quick(runner: &CliRunner) {
    let takes = runner.path().join("takes");
    let read = format!("sleep $(cat {})", takes.display());
    runner.write("quick.yaml", &QUICK.replace("cat /tmp/NAME 2>/dev/null || true", &read));
    runner.write("takes", "0");
}

fn run(runner: &CliRunner, more: &[&str]) -> Output {
    runner.output(["run", "--backend", "local", "quick.yaml"].iter().chain(more))
}

fn code(output: &Output) -> Option<i32> {
    output.status.code()
}

#[test]
fn drills_are_remembered_compared_and_missed() {
    let runner = CliRunner::new();
    quick(&runner);
    let nothing = runner.output(["runs", "stale", "--max-age", "1h"]);
    assert_eq!(code(&nothing), Some(5), "nothing to ask about is no good news: {}", said(&nothing));
    assert!(said(&nothing).contains("there is no history in"), "{}", said(&nothing));

    let first = run(&runner, &[]);
    assert_eq!(code(&first), Some(0), "{}", said(&first));
    assert!(said(&first).contains("compared with no earlier run"), "{}", said(&first));
    let second = run(&runner, &["--report-json", "second.json", "--report-html", "second"]);
    assert_eq!(code(&second), Some(0), "{}", said(&second));
    assert!(said(&second).contains("RTO against earlier runs"), "{}", said(&second));
    let html = std::fs::read_to_string(runner.path().join("second/index.html")).expect("it is written");
    assert!(html.contains("class=\"trend\""), "the earlier run is in its chart");

    let stale = runner.output(["runs", "stale", "--max-age", "1h"]);
    assert_eq!((code(&stale), said(&stale).as_str()), (Some(0), "1 drill passed in the last 1 h\n"));
    let stale = runner.output(["runs", "stale", "--max-age", "1h", "quick", "nightly"]);
    assert_eq!(code(&stale), Some(1), "{}", said(&stale));
    assert!(said(&stale).contains("nightly: no run of it is in the history"), "{}", said(&stale));

    // Slower by more than a second, and by more than half.
    runner.write("takes", "1.8");
    let slower = run(&runner, &[]);
    assert_eq!(code(&slower), Some(1), "{}", said(&slower));
    assert!(said(&slower).contains("recovery has become slower"), "{}", said(&slower));
    assert!(said(&slower).contains("in the last 2 passes (median)"), "{}", said(&slower));
    runner.write("takes", "0");

    let failed = run(&runner, &["--set", "rows=4"]);
    assert_eq!(code(&failed), Some(1), "{}", said(&failed));
    let trend = runner.output(["runs", "trend"]);
    let text = said(&trend);
    assert_eq!(code(&trend), Some(0), "{text}");
    for part in
        ["quick (PostgreSQL ", ", local)\n", "last pass    ", "RTO about ", "3 runs since ", ", 2 passed", "rows=4)"]
    {
        assert!(text.contains(part), "{part}: {text}");
    }
    assert!(text.contains("last run     FAILED"), "{text}");
    let ids: Vec<String> = said(&runner.output(["runs"])).lines().map(|line| line[..8].to_owned()).collect();
    let compared = said(&runner.output(["runs", "compare", &ids[2], &ids[1]]));
    assert!(compared.contains("failed, was passed") && compared.contains("recovery has become slower"), "{compared}");

    let list = said(&runner.output(["runs", "last-failed"]));
    assert_eq!(list.lines().count(), 2, "{list}");
    let again = run(&runner, &["--last-failed"]);
    assert_eq!(code(&again), Some(0), "{}", said(&again));
    // The one with `rows=4` is another one, and is not run any longer.
    let stale = runner.output(["runs", "stale", "--max-age", "1h"]);
    assert_eq!(code(&stale), Some(1), "{}", said(&stale));
    assert!(said(&stale).contains("never passed; failed when it was run last"), "{}", said(&stale));
    let several = runner.output(["runs", "forget", "quick"]);
    assert_eq!(code(&several), Some(2), "which of them? {}", said(&several));
    let list = said(&runner.output(["runs", "last-failed"]));
    let series = list.split(": ").next().expect("a line");
    assert!(series.ends_with("rows=4)"), "{list}");
    assert_eq!(code(&runner.output(["runs", "forget", series])), Some(0));
    let forgotten = run(&runner, &["--last-failed"]);
    assert_eq!(code(&forgotten), Some(5), "{}", said(&forgotten));
    let unknown = runner.output(["runs", "trend", "quik"]);
    assert_eq!(code(&unknown), Some(5));
    assert!(said(&unknown).contains("no run of `quik` is in the history"), "{}", said(&unknown));
}

#[test]
fn a_password_that_a_param_is_given_is_in_no_history_and_splits_no_drill() {
    let runner = CliRunner::new();
    quick(&runner);
    let text = std::fs::read_to_string(runner.path().join("quick.yaml")).expect("read");
    let text = text.replace("rows: 5", "rows: 5, prod: none");
    runner.write("quick.yaml", &text);
    let set = ["--set", "prod=host=db user=me password='very secret'", "--events", "events.jsonl"];
    for _ in 0..2 {
        let output = run(&runner, &set);
        assert_eq!(code(&output), Some(0), "{}", said(&output));
        let events = std::fs::read_to_string(runner.path().join("events.jsonl")).expect("written");
        assert!(!(events + &said(&output)).contains("very secret"));
    }
    let trend = said(&runner.output(["runs", "trend"]));
    assert!(trend.contains("2 runs since") && trend.contains("password='***'"), "{trend}");
    let kept = std::fs::read(runner.path().join("state/history.sqlite")).expect("it is there");
    assert!(!String::from_utf8_lossy(&kept).contains("very secret"));
    let third = run(&runner, &set);
    assert!(said(&third).contains("RTO against earlier runs"), "it is compared: {}", said(&third));
}

#[test]
fn a_drill_that_was_never_begun_is_not_told_as_one_that_did_not_end() {
    let runner = CliRunner::new();
    quick(&runner);
    runner.write("takes", "nonsense");
    let text = std::fs::read_to_string(runner.path().join("quick.yaml")).expect("read");
    runner.write("second.yaml", &text.replace("name: quick", "name: second"));
    let output = run(&runner, &["second.yaml", "--fail-fast"]);
    assert_eq!(code(&output), Some(1), "{}", said(&output));
    let list = said(&runner.output(["runs", "last-failed"]));
    assert!(list.starts_with("quick (") && list.lines().count() == 1, "{list}");
}

#[test]
fn a_run_that_is_killed_has_left_what_it_had_come_to() {
    let runner = CliRunner::new();
    quick(&runner);
    runner.write("takes", "60");
    let mut child = runner
        .drillyard(["run", "--backend", "local", "quick.yaml"])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("it starts");
    let until = Instant::now() + Duration::from_secs(30);
    while !said(&runner.output(["runs", "last-failed"])).contains("has not ended") {
        assert!(Instant::now() < until, "the run does not come into the history");
        std::thread::sleep(Duration::from_millis(50));
    }
    child.kill().expect("killed");
    child.wait().expect("ended");
    let stale = runner.output(["runs", "stale", "--max-age", "1h"]);
    assert_eq!(code(&stale), Some(1), "{}", said(&stale));
    assert!(said(&stale).contains("it has not ended when it was run last"), "{}", said(&stale));
    let trend = said(&runner.output(["runs", "trend"]));
    assert!(trend.contains("1 did not end"), "{trend}");
}

#[test]
fn a_history_that_cannot_be_written_changes_no_verdict_and_is_told() {
    let runner = CliRunner::new();
    quick(&runner);
    let secret = "postgres://me:verysecret@127.0.0.1:1/history";
    for (place, why) in [(secret, "was not reached"), ("/proc/history.sqlite", "unable to open database file")] {
        let output = run(&runner, &["--history", place, "--report-json", "r.json"]);
        let text = said(&output);
        assert_eq!(code(&output), Some(4), "a budget goes by it, and could not be judged: {text}");
        assert!(text.contains("the recovery time could not be compared") && text.contains(why), "{text}");
        assert!(text.contains("the history has not all of this run"), "{text}");
        assert!(!text.contains("verysecret"), "{text}");
    }
    // A server that takes connections, and says nothing.
    let silent = std::net::TcpListener::bind("127.0.0.1:0").expect("a port");
    let place = format!("postgres://{}/history", silent.local_addr().expect("an address"));
    let began = Instant::now();
    let output = run(&runner, &["--history", &place]);
    assert_eq!(code(&output), Some(4), "{}", said(&output));
    assert!(said(&output).contains("did not answer within 8 s"), "{}", said(&output));
    assert!(began.elapsed() < Duration::from_secs(20), "it is waited for once");
    let text = std::fs::read_to_string(runner.path().join("quick.yaml")).expect("read");
    runner.write("quick.yaml", &text.replace(", of_last: 1.5", ""));
    let output = run(&runner, &["--history", secret, "--report-json", "r.json"]);
    assert_eq!(code(&output), Some(6), "{}", said(&output));
    let report = std::fs::read_to_string(runner.path().join("r.json")).expect("written");
    assert!(report.contains("\"outcome\": \"passed\"") && report.contains("the history has not all of this run"));
    assert!(!report.contains("verysecret"), "{report}");
    // A history that was there, and has no room for more.
    let small = Small::mount(runner.path().join("small"), "256k");
    let place = small.0.join("history.sqlite").display().to_string();
    assert_eq!(code(&run(&runner, &["--history", &place])), Some(0));
    std::fs::write(small.0.join("rest"), vec![b'x'; 256 << 10]).expect_err("it is full now");
    let full = run(&runner, &["--history", &place]);
    assert_eq!(code(&full), Some(6), "{}", said(&full));
    assert!(said(&full).contains("disk is full"), "{}", said(&full));
    // Nobody has asked for that of the state directory.
    let output =
        runner.drillyard(["run", "--backend", "local", "quick.yaml"]).env("DRILLYARD_STATE_DIR", "/proc/none").output();
    let output = output.expect("it runs");
    assert_eq!(code(&output), Some(0), "{}", said(&output));
    assert!(said(&output).contains("the history has not all of this run"), "{}", said(&output));
    let wrong = run(&runner, &["--history", "postgres://me:verysecret@h/d?sslmode=maybe"]);
    assert_eq!(code(&wrong), Some(2), "{}", said(&wrong));
    assert!(!said(&wrong).contains("verysecret"), "{}", said(&wrong));
}
