//! What people and other programs see: options, reports that agree, kept servers, what `new`
//! writes.

use std::path::PathBuf;
use std::process::Stdio;

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::running::{QUICK, backends};

fn failing() -> String {
    QUICK.replace("name: quick", "name: afailing").replace("[[1]]", "[[2]]")
}

#[test]
fn events_on_stdout_are_json_and_nothing_else() {
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK).display().to_string();
    let output = runner.output(["run", "--backend", "local", "--events", "-", &scenario]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let stdout = String::from_utf8_lossy(&output.stdout);
    let parsed: Result<Vec<serde_json::Value>, _> = stdout.lines().map(serde_json::from_str).collect();
    let events = parsed.expect("every line is JSON");
    assert_eq!(events.first().map(|event| event["event"].clone()), Some("run_started".into()));
    assert_eq!(events.last().map(|event| event["event"].clone()), Some("run_finished".into()));
    assert!(String::from_utf8_lossy(&output.stderr).contains("PASS"), "people read on stderr");
}

/// `drillyard check ... 2>&1 | head -1`.
#[test]
fn a_reader_that_goes_away_is_no_reason_to_panic() {
    let runner = CliRunner::new();
    let scenario = runner.write("bad.yaml", "drillyard: 1\nsteps: []\n").display().to_string();
    let mut command = runner.drillyard(["check", &scenario, "/dev/null"]);
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("drillyard runs");
    drop((child.stdout.take(), child.stderr.take()));
    assert_eq!(child.wait().expect("it ends").code(), Some(3));
}

#[test]
fn reports_agree_and_show_drills_that_were_not_begun() {
    let runner = CliRunner::new();
    let folder = runner.path().join("drills");
    std::fs::create_dir(&folder).expect("a directory");
    std::fs::write(folder.join("a.yaml"), failing()).expect("a scenario");
    std::fs::write(folder.join("b.yaml"), QUICK).expect("a scenario");
    let file = |name: &str| runner.path().join(name);
    let mut command = runner.drillyard(["run", "--backend", "local", "--fail-fast"]);
    command.arg(&folder).arg("--report-json").arg(file("report.json")).arg("--report-junit").arg(file("r.xml"));
    command.arg("--report-md").arg(file("r.md")).arg("--report-html").arg(file("html"));
    let output = command.output().expect("drillyard runs");
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(!String::from_utf8_lossy(&output.stdout).contains('\u{1b}'), "no colours where there is no terminal");
    let report = runner.report();
    assert_eq!((&report["exit_code"], &report["outcome"]), (&1.into(), &"failed".into()));
    let outcomes: Vec<_> = report["drills"].as_array().expect("drills").iter().map(|d| d["outcome"].clone()).collect();
    assert_eq!(outcomes, ["failed", "skipped"]);
    for report in [file("r.xml"), file("r.md"), file("html").join("index.html")] {
        let report = std::fs::read_to_string(&report).expect("a report");
        assert!(["afailing", "quick", "skipped"].iter().all(|word| report.contains(word)), "{report}");
    }
    let junit = std::fs::read_to_string(file("r.xml")).expect("a report");
    assert!(junit.contains("an earlier drill did not pass (--fail-fast)"), "{junit}");
    let again = runner.output(["runs"]);
    assert!(said(&again).contains("0 passed, 1 failed, 0 errored, 1 skipped"), "{}", said(&again));
    let run = report["run"].as_str().expect("a run");
    let shown = runner.output(["runs", "show", run]);
    assert!(said(&shown).contains("FAIL") && said(&shown).contains("servers' logs"), "{}", said(&shown));
    // A reader that has seen enough is no failure, whichever format it reads.
    for format in ["events", "junit"] {
        let (reader, writer) = std::io::pipe().expect("a pipe");
        drop(reader);
        let mut command = runner.drillyard(["runs", "show", run, "--format", format]);
        let shown = command.stdout(writer).output().expect("drillyard runs");
        assert_eq!((shown.status.code(), said(&shown).as_str()), (Some(0), ""), "{format}");
    }
}

#[test]
fn a_skipped_drill_says_how_it_is_run_where_it_is_meant_to() {
    let runner = CliRunner::new();
    let folder = runner.path().join("two drills");
    std::fs::create_dir(&folder).expect("a directory");
    let newer = QUICK.replace("name: quick", "name: newer\npostgres: [17]\nparams: { size: 10 }");
    std::fs::write(folder.join("newer.yaml"), newer.replace("[[1]]", "[[\"${params.size}\"]]")).expect("a scenario");
    std::fs::write(folder.join("quick.yaml"), QUICK).expect("a scenario");
    let mut command = runner.drillyard(["run", "--backend", "local", "--postgres", "15", "--set", "size=20"]);
    let output = command.arg(&folder).arg("--report-json").arg(runner.path().join("report.json")).output();
    let output = output.expect("drillyard runs");
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let report = runner.report();
    let again = format!("drillyard run --seed 1 --backend local --set size=20 '{}/newer.yaml'", folder.display());
    let newer = report["drills"].as_array().expect("drills").iter().find(|drill| drill["name"] == "newer");
    assert_eq!(newer.expect("a drill")["again"], again.as_str(), "{report}");
}

#[test]
fn versions_that_no_drill_is_meant_for_select_nothing() {
    let runner = CliRunner::new();
    let meant = QUICK.replace("name: quick", "name: newer\npostgres: [17]");
    let scenario = runner.write("newer.yaml", &meant).display().to_string();
    let json = runner.path().join("report.json").display().to_string();
    let output = runner.output(["run", "--backend", "local", "--postgres", "15", "--report-json", &json, &scenario]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert!(said(&output).contains("newer: meant for PostgreSQL 17"), "{}", said(&output));
    assert_eq!(runner.report()["exit_code"], 5);
    let output = runner.output(["run", "--backend", "local", "--tag", "nosuch", "--report-json", &json, &scenario]);
    assert_eq!(output.status.code(), Some(5), "{}", said(&output));
    assert_eq!(runner.report()["exit_code"], 5);
}

#[test]
fn kept_servers_are_opened_by_the_printed_line_and_go_with_clean() {
    for backend in backends() {
        let runner = CliRunner::new();
        let scenario = runner.write("quick.yaml", QUICK).display().to_string();
        let output = runner.output(["run", "--backend", backend, "--keep", "always", &scenario]);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        let printed = said(&output);
        let line = printed.lines().find_map(|line| line.split_once("drillyard shell ")).expect("a line to copy").1;
        let (run, _) = line.split_once('/').expect("RUN/NODE");
        for (command, word) in
            [(vec!["psql", "-Atc", "SELECT a + 41 FROM t"], "42"), (vec!["pg_controldata"], "in production")]
        {
            let shell = runner.output(["shell", line, "--"].into_iter().chain(command));
            assert_eq!(shell.status.code(), Some(0), "{backend}: {}", said(&shell));
            assert!(said(&shell).contains(word), "{backend}: {}", said(&shell));
        }
        let clean = runner.output(["clean", run]);
        assert_eq!(clean.status.code(), Some(0), "{}", said(&clean));
        assert_eq!(runner.left(run), Vec::<String>::new(), "{backend}");
        let shell = runner.output(["shell", line]);
        assert_eq!(shell.status.code(), Some(2), "{}", said(&shell));
    }
}

#[test]
fn what_new_writes_passes() {
    let runner = CliRunner::new();
    for args in [&["new", "first"][..], &["new", "second", "--from", "first.yaml"]] {
        let output = runner.output(args);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    }
    let output = runner.output(["new", "first"]);
    assert_eq!(output.status.code(), Some(2), "what is there is left alone: {}", said(&output));
    let output = runner.output(["run", "--backend", "local", "-j", "2", "first.yaml", "second.yaml"]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    assert!(said(&output).contains("2 passed"), "{}", said(&output));
}

/// A socket's path has at most 107 bytes, and a conninfo wants no quotes.
#[test]
fn temporary_directories_that_are_long_or_have_spaces_do_no_harm() {
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK);
    for name in ["with a space", &"long".repeat(40)] {
        let dir: PathBuf = runner.path().join(name);
        std::fs::create_dir(&dir).expect("a directory");
        let mut command = runner.drillyard(["run", "--backend", "local"]);
        let output = command.arg(&scenario).env("TMPDIR", &dir).env_remove("HOME").output().expect("drillyard runs");
        assert_eq!(output.status.code(), Some(0), "{name}: {}", said(&output));
    }
}
