//! Drills with a `team` step in ordinary runs, in which nobody recovers by hand.

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::run::Run;

/// A table is emptied; a `team` step with these keys, and a step behind it.
fn emptied(team: &str) -> String {
    let team: String = team.lines().map(|line| format!("      {line}\n")).collect();
    format!(
        "
repos: {{ onsite: {{}} }}
nodes: {{ master: {{ archive_to: onsite }} }}
budgets: {{ rto: {{ from: accident, to: back, max: 5m }} }}
steps:
  - id: nightly
    backup: {{ node: master, repo: onsite }}
  - id: data
    create_data: {{ node: master, table: items, rows: 100 }}
  - id: accident
    overwrite: {{ node: master, query: DELETE FROM items }}
  - id: back
    name: the shelves are empty
    team:
{team}
  - id: after
    assert_primary: {{ node: master }}
"
    )
}

/// What recovers it, and the check that says so.
const RECOVERY: &str = "
auto:
  - id: archived
    wait_archived: { node: master, through: accident }
  - id: recovered
    recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - id: merged
    reconcile: { table: items, key: id, good: rescue, into: master, on_conflict: fail }
judge:
  - id: there
    assert_rows: { node: master, table: items, same_as: data }
  - id: rescue_is_up
    assert_primary: { node: rescue }
adopt: [rescue]
";

/// The ids of the steps that were told, in their order.
fn ids(run: &Run) -> Vec<&str> {
    let steps = run.report["drills"][0]["steps"].as_array().expect("steps");
    steps.iter().filter_map(|step| step["id"].as_str()).collect()
}

fn outcome<'r>(run: &'r Run, id: &str) -> &'r str {
    run.step(id)["outcome"].as_str().unwrap_or_default()
}

#[test]
fn auto_and_judge_are_done_in_the_place_of_people() {
    let team = format!(
        "{RECOVERY}
injects:
  - {{ after: 1s, say: Hurry., steps: [ {{ id: inject, crash: {{ node: master }} }} ] }}
traps:
  - {{ name: it crashed, when: {{ node: master, log: crash }}, costs: 10 }}"
    );
    let run = CliRunner::new().drill(&emptied(&team), &[]).passed();
    // What only people meet with is no part of it.
    let all =
        ["nightly", "data", "accident", "back", "archived", "recovered", "merged", "there", "rescue_is_up", "after"];
    assert_eq!(ids(&run), all);
    assert!(all.iter().all(|id| outcome(&run, id) == "passed"), "{}", run.said);
    // The budget ends with the team step, which ends with its checks.
    let ms = |id: &str, key: &str| run.step(id)[key].as_u64().expect("a number");
    let ended = |id: &str| ms(id, "started_ms") + ms(id, "duration_ms");
    let rto = run.report["drills"][0]["budgets"][0]["measured_ms"].as_u64().expect("measured");
    // Both numbers are cut to whole milliseconds.
    assert!(ended("back") + 1 >= ended("rescue_is_up") && ms("back", "started_ms") <= ms("archived", "started_ms"));
    assert!(rto.abs_diff(ended("back") - ms("accident", "started_ms")) <= 2, "{rto}: {}", run.said);
}

#[test]
fn every_check_of_judge_is_made_and_the_drill_ends_behind_them() {
    let team = "
auto:
  - id: nothing
    sql: { node: master, query: SELECT 1 }
judge:
  - id: first
    assert_rows: { node: master, table: items, count: 100 }
  - id: second
    assert_primary: { node: master }
  - id: third
    assert_rows: { node: master, table: items, same_as: data }
";
    let run = CliRunner::new().drill(&emptied(team), &[]);
    let run = run.failed(1, &["> 100 rows in items on master", "> items on master same as data"]);
    let outcomes = ["first", "second", "third", "back", "after"].map(|id| outcome(&run, id));
    assert_eq!(outcomes, ["failed", "passed", "failed", "failed", "skipped"], "{}", run.said);
    assert_eq!(run.step("back")["message"], "2 of 3 checks did not hold");
    // The lines have told what is wrong; the step that holds them adds nothing.
    assert!(!run.said.contains("> the shelves are empty"), "{}", run.said);
}

#[test]
fn nothing_is_judged_if_auto_fails() {
    let team = "
auto:
  - id: broken
    sql: { node: master, query: SELECT 1/0 }
  - id: never
    sql: { node: master, query: SELECT 1 }
judge:
  - id: there
    assert_rows: { node: master, table: items, same_as: data }
";
    let run = CliRunner::new().drill(&emptied(team), &[]).failed(1, &["division by zero"]);
    let outcomes = ["broken", "never", "there", "back", "after"].map(|id| outcome(&run, id));
    assert_eq!(outcomes, ["failed", "skipped", "skipped", "failed", "skipped"], "{}", run.said);
    assert_eq!(run.step("back")["message"], "`auto` did not come to its end");
}

#[test]
fn auto_takes_no_longer_than_people_have() {
    let team = RECOVERY.replace("auto:\n", "auto:\n  - exec: { node: master, run: [sleep, '2'] }\n");
    let yaml = emptied(&team).replace("    team:\n", "    within: 1s\n    team:\n");
    let run = CliRunner::new().drill(&yaml, &[]);
    let run = run.failed(1, &["`auto` and `judge` took longer than people have", "people would have had 1.0 s"]);
    assert_eq!(outcome(&run, "back"), "failed");
    assert_eq!(outcome(&run, "recovered"), "skipped");
}

#[test]
fn a_team_step_may_be_for_some_versions() {
    let yaml = emptied(RECOVERY).replace("    team:\n", "    when: { postgres: '<14' }\n    team:\n");
    // What is left of the drill is judged, and its budget was not measured.
    let run = CliRunner::new().drill(&yaml, &[]).failed(1, &["the recovery time was not measured"]);
    let outcomes = ["back", "archived", "there", "after"].map(|id| outcome(&run, id));
    assert_eq!(outcomes, ["skipped", "skipped", "skipped", "passed"], "{}", run.said);
}

#[test]
fn a_drill_for_people_alone_is_valid_and_is_not_run() {
    let runner = CliRunner::new();
    let team = "
judge:
  - assert_rows: { node: rescue, table: items, same_as: data }
adopt: [rescue]
brief: |
  The shelves are empty.
";
    let file = runner.write("people.yaml", &format!("drillyard: 1\n{}", emptied(team))).display().to_string();
    let check = runner.output(["check", &file]);
    assert_eq!(check.status.code(), Some(0), "{}", said(&check));
    let plan = runner.output(["plan", &file]);
    for part in ["people, in `drillyard firedrill`", "The shelves are empty.", "adopt     rescue", "none: only people"]
    {
        assert!(said(&plan).contains(part), "{part}: {}", said(&plan));
    }
    for command in ["run", "prove"] {
        let output = runner.output([command, "--backend", "local", &file]);
        assert_eq!(output.status.code(), Some(3), "{}", said(&output));
        for part in ["only people can play this drill", "people.yaml:15:5", "`drillyard firedrill ", "^^^^"] {
            assert!(said(&output).contains(part), "{part}: {}", said(&output));
        }
    }
    // Among others it is no reason to run none of them.
    let all = runner.path().join("all");
    std::fs::create_dir(&all).expect("a folder");
    std::fs::rename(&file, all.join("people.yaml")).expect("moved");
    let other = "drillyard: 1\nnodes: { master: {} }\nsteps:\n  - assert_primary: { node: master }\n";
    std::fs::write(all.join("other.yaml"), other).expect("written");
    let run = runner.run(&["--backend", "local", &all.display().to_string()]).passed();
    let drills = run.report["drills"].as_array().expect("drills");
    let outcome =
        |name: &str| drills.iter().find(|drill| drill["name"] == name).expect("it is told")["outcome"].clone();
    assert_eq!((outcome("other"), outcome("people")), ("passed".into(), "skipped".into()), "{}", run.said);
}

#[test]
fn a_proof_breaks_what_is_done_in_the_place_of_people() {
    let runner = CliRunner::new();
    let team = format!(
        "{RECOVERY}
injects:
  - {{ after: 1s, steps: [ {{ restart: {{ node: master }} }}, {{ start: {{ node: master }} }} ] }}"
    );
    let file = runner.write("proved.yaml", &format!("drillyard: 1\n{}", emptied(&team))).display().to_string();
    let proof = runner.output(["prove", "--backend", "local", "--color", "never", &file]);
    assert_eq!(proof.status.code(), Some(0), "{}", said(&proof));
    let breaks =
        ["no-incident accident", "left-out recovered", "too-late recovered", "left-out merged", "row-deleted merged"];
    for one in breaks {
        assert!(said(&proof).contains(&format!("noticed  {one}")), "{one}: {}", said(&proof));
    }
    assert!(!said(&proof).contains("start:master"), "{}", said(&proof));
}
