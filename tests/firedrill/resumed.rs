//! Firedrills whose terminal, or whose keeper, is killed; and their servers after the end.

use std::process::Output;

use nix::sys::signal::{Signal, kill};

use crate::cli_runner::CliRunner;
use crate::held::Held;
use crate::left::{PATIENCE, poll};
use crate::program::said;

/// One that outlives its terminal.
pub fn kept<'a>(runner: &'a CliRunner, backend: &str, keep: &str) -> Held<'a> {
    let file = runner.small();
    let mut held = runner.hold_on(backend, &["--postgres", "15", "--for", "5m", "--keep", keep, &file]);
    held.wait_said("it has happened: the clock runs");
    held
}

/// Kills the program at the terminal, and waits for its end.
pub fn kill_terminal(held: &mut Held<'_>) {
    held.signal(Signal::SIGKILL);
    assert_eq!(held.exit_code(), None);
}

#[track_caller]
pub fn with(output: &Output, code: i32, words: &[&str]) {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    for part in words {
        assert!(said(output).contains(part), "no {part:?} in {}", said(output));
    }
}

/// Waits until a process has ended.
pub fn wait_gone(pid: nix::unistd::Pid) {
    let gone = poll(PATIENCE, || kill(pid, None).err().ok_or("it is there still"));
    assert!(gone.is_ok(), "{gone:?}");
}

/// What is said of one whose keeper was killed, once that is known.
pub fn wait_resumed(held: &Held<'_>) -> Output {
    let resumed = poll(PATIENCE, || {
        let output = held.resume();
        if said(&output).contains("to be made by hand now") { Ok(output) } else { Err(said(&output)) }
    });
    resumed.expect("it is told")
}

#[test]
fn one_whose_terminal_is_killed_is_taken_up_again_and_its_servers_are_judged_after_the_end() {
    let runner = CliRunner::new();
    let mut held = kept(&runner, "local", "always");
    assert!(held.said().contains(&format!("drillyard firedrill --resume {}", held.id)), "{}", held.said());
    held.ask(&["note", "before"]);
    let keeper = held.keeper();
    kill_terminal(&mut held);
    held.ask(&["note", "nobody is at the terminal"]);
    let mut following = held.follow();
    // Whoever follows it is with it: it is not cleaned away.
    with(&runner.output(["clean", &held.id]), 0, &["is at work, and removes everything when it ends"]);
    let team = held.team("copy.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.ask(&["done", "--give-up"]);
    assert_eq!(following.wait().expect("its end").code(), Some(1));
    let followed = std::fs::read_to_string(runner.path().join("followed")).expect("text");
    let told = ["before", "nobody is at the terminal", "score: ", "checks that hold: 1 of 2", "it is over: failed"];
    for part in told {
        assert!(followed.contains(part), "no {part:?} in {followed}");
    }
    assert!(!followed.contains("facilitator: http"), "{followed}");
    let report = std::fs::read_to_string(runner.path().join("debrief.md"));
    let report = report.expect("a debrief, although nobody was at the terminal");
    assert!(report.contains("nobody is at the terminal"), "{report}");

    with(&held.say(&["judge"]), 1, &["1 of 2 hold:\n  items on rescue same as rows: "]);
    with(&runner.output(["judge"]), 1, &["1 of 2 hold:"]);
    let psql = [
        "psql",
        "-c",
        "CREATE TABLE other (id int); DROP TABLE items; ALTER TABLE other RENAME TO items; INSERT INTO items VALUES (1)",
    ];
    let node = format!("{}/master", held.id);
    with(&runner.output(["shell", &node, "--"].iter().chain(&psql)), 0, &["INSERT 0 1"]);
    with(&held.say(&["judge"]), 1, &["0 of 2 hold:", "items on master"]);
    with(&held.say(&["done"]), 1, &["it is over; `drillyard judge` checks its servers again"]);
    with(&held.resume(), 1, &["it is over: failed"]);
    assert!(held.handout.join(".pgpass").is_file(), "its servers run");
    with(&runner.output(["clean", &held.id]), 0, &[&format!("removed run {}", held.id)]);
    runner.assert_nothing_left(&held.id, "after clean");
    assert!(!held.handout.exists(), "the handout goes with the servers");
    wait_gone(keeper);
    with(&held.resume(), 2, &["is over: it failed", "runs show"]);
}

#[test]
fn clean_ends_one_whose_terminal_is_killed_and_that_nobody_follows() {
    let runner = CliRunner::new();
    let mut held = kept(&runner, "local", "on-failure");
    with(&runner.output(["clean", &held.id]), 0, &["is at work, and removes everything when it ends"]);
    let keeper = held.keeper();
    kill_terminal(&mut held);
    let id = held.id.clone();
    with(
        &poll(PATIENCE, || {
            let output = runner.output(["clean", &id]);
            if said(&output).contains("removed run") { Ok(output) } else { Err(said(&output)) }
        })
        .expect("it is cleaned"),
        0,
        &[&id],
    );
    runner.assert_nothing_left(&held.id, "after clean");
    wait_gone(keeper);
    let report = std::fs::read_to_string(runner.path().join("report.json")).expect("a report");
    let report: serde_json::Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&report["outcome"], &report["exit_code"]), (&"errored".into(), &143.into()));
}

#[test]
fn servers_outlive_the_keeper_too_and_it_is_said_why_they_cannot_be_judged() {
    let runner = CliRunner::new();
    let mut held = kept(&runner, "local", "always");
    kill(held.keeper(), Signal::SIGKILL).expect("a signal");
    assert_eq!(held.exit_code(), Some(4), "{}", held.said());
    assert!(held.said().contains("was killed by SIGKILL"), "{}", held.said());
    let resumed = wait_resumed(&held);
    let master = format!("{}/master", held.id);
    let told = ["cannot be taken up again", "drillyard runs show", &format!("drillyard shell {master}")];
    with(&resumed, 4, &told);
    let shell = format!("drillyard shell {master}");
    let told = ["does not answer", "was only known to it", "items on rescue same as rows (line ", &shell];
    with(&held.say(&["judge"]), 4, &told);
    with(&runner.output(["shell", &master, "--", "psql", "-Atc", "SELECT 'still here'"]), 0, &["still here"]);
    with(&runner.output(["clean", &held.id]), 0, &[&format!("removed run {}", held.id)]);
    runner.assert_nothing_left(&held.id, "after clean");
}

#[test]
fn of_one_that_was_not_kept_the_record_is_left() {
    let runner = CliRunner::new();
    let file = runner.small();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let keeper = held.keeper();
    kill_terminal(&mut held);
    wait_gone(keeper);
    runner.assert_nothing_left(&held.id, "after SIGKILL");
    let resumed = held.resume();
    with(&resumed, 4, &["its servers are gone", &format!("drillyard runs show {}", held.id)]);
    with(&runner.output(["runs", "show", &held.id]), 0, &["the run broke off here"]);
}

#[test]
fn an_ordinary_run_whose_servers_are_kept_is_judged_again() {
    let runner = CliRunner::new();
    let file = runner.small();
    let output = runner.output(["run", "--backend", "local", "--keep", "always", &file]);
    with(&output, 0, &["drillyard shell "]);
    let text = said(&output);
    let id = text.split("drillyard shell ").nth(1).and_then(|rest| rest.split('/').next()).expect("its id");
    with(&runner.output(["judge"]), 0, &["all 2 hold"]);
    let psql = ["psql", "-c", "DELETE FROM items WHERE id = 7"];
    with(&runner.output(["shell", "rescue", "--"].iter().chain(&psql)), 0, &["DELETE 1"]);
    with(&runner.output(["judge"]), 1, &["1 of 2 hold:\n  items on rescue same as rows: "]);
    with(&runner.output(["clean", id]), 0, &["removed run"]);
    with(&runner.output(["judge"]), 2, &["no firedrill is held"]);
}

#[test]
fn a_recording_is_read_without_the_machine_that_made_it() {
    let runner = CliRunner::new();
    let file = runner.small();
    let recording = runner.path().join("recording");
    let at = recording.display().to_string();
    let mut held = runner.hold(&["--for", "5m", "--record", &at, &file]);
    held.wait_said("it has happened: the clock runs");
    held.ask(&["note", "for the record"]);
    let _ = held.give_up().with(1, "failed");
    let moved = runner.path().join("moved");
    std::fs::rename(&recording, &moved).expect("moved");
    std::fs::remove_dir_all(runner.path().join("state")).expect("removed");
    let moved = moved.display().to_string();
    with(&runner.output(["runs", "show", &moved]), 0, &["small"]);
    with(
        &runner.output(["runs", "show", &moved, "--format", "debrief-md"]),
        0,
        &["# Debrief: small failed", "for the record"],
    );
    for file in ["plan.json", "debrief.html", "debrief.md", "logs/0-small/master.log"] {
        assert!(std::fs::metadata(format!("{moved}/{file}")).is_ok_and(|meta| meta.len() > 0), "{file}");
    }
    let plan = std::fs::read_to_string(format!("{moved}/plan.json")).expect("a plan");
    let plan: serde_json::Value = serde_json::from_str(&plan).expect("JSON");
    assert_eq!((&plan["drillyard"], &plan["drills"][0]["name"]), (&1.into(), &"small".into()), "{plan}");
    // It is of one run.
    let again = runner.output(["run", "--backend", "local", "--record", &moved, &file]);
    with(&again, 2, &["is not empty: a recording is of one run"]);
}
