//! Reports that nobody reads or that cannot be written, parts that are empty, homes that are
//! missing.

use std::path::PathBuf;
use std::process::{Command, Stdio};

use crate::cli_runner::CliRunner;
use crate::left::PATIENCE;
use crate::program::said;
use crate::running::{QUICK, poll};
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

fn pipe(runner: &CliRunner, name: &str) -> PathBuf {
    let path = runner.path().join(name);
    nix::unistd::mkfifo(&path, nix::sys::stat::Mode::from_bits_truncate(0o600)).expect("a pipe");
    path
}

fn nothing_in(runner: &CliRunner) {
    let left = poll(PATIENCE, || {
        let left: Vec<PathBuf> =
            std::fs::read_dir(runner.work()).expect("a folder").flatten().map(|e| e.path()).collect();
        if left.is_empty() { Ok(()) } else { Err(left) }
    });
    assert_eq!(left, Ok(()));
}

#[test]
fn a_pipe_that_nobody_reads_is_waited_for_and_the_first_signal_ends_that() {
    for (signal, code) in [(Signal::SIGTERM, Some(143)), (Signal::SIGINT, Some(130)), (Signal::SIGKILL, None)] {
        let runner = CliRunner::new();
        let scenario = runner.write("quick.yaml", QUICK);
        let (events, json) = (pipe(&runner, "events"), runner.path().join("report.json"));
        let said = runner.path().join("said");
        let mut command = runner.drillyard(["run", "--backend", "local", "--events"]);
        command.arg(&events).arg("--report-json").arg(&json).arg(&scenario);
        command.stdout(Stdio::null()).stderr(std::fs::File::create(&said).expect("a file"));
        let mut child = command.spawn().expect("drillyard starts");
        let waits = poll(PATIENCE, || match std::fs::read_to_string(&said).unwrap_or_default() {
            said if said.contains(&format!("waiting for a reader of {}", events.display())) => Ok(()),
            said => Err(said),
        });
        assert_eq!(waits, Ok(()));
        kill(Pid::from_raw(child.id().cast_signed()), signal).expect("a signal");
        let ended = poll(PATIENCE, || child.try_wait().expect("a child").ok_or("it hangs"));
        assert_eq!(ended.expect("in time").code(), code, "{signal}");
        nothing_in(&runner);
        if let Some(code) = code {
            assert_eq!(runner.report()["exit_code"], code, "the report that can be written says so");
        }
    }
}

#[test]
fn pipes_that_are_read_later_get_everything() {
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK);
    let (events, json) = (pipe(&runner, "events"), pipe(&runner, "json"));
    let mut command = runner.drillyard(["run", "--backend", "local", "--events"]);
    let mut child =
        command.arg(&events).arg("--report-json").arg(&json).arg(&scenario).spawn().expect("drillyard starts");
    std::thread::sleep(std::time::Duration::from_millis(700));
    let readers = [events, json].map(|path| std::thread::spawn(move || std::fs::read_to_string(path).expect("text")));
    assert_eq!(child.wait().expect("a child").code(), Some(0));
    let [events, json] = readers.map(|reader| reader.join().expect("a reader"));
    let last: serde_json::Value = serde_json::from_str(events.lines().last().expect("events")).expect("JSON");
    assert_eq!((&last["event"], &last["exit_code"]), (&"run_finished".into(), &0.into()));
    let report: serde_json::Value = serde_json::from_str(&json).expect("JSON");
    assert_eq!((&report["exit_code"], &report["outcome"]), (&0.into(), &"passed".into()));
}

#[test]
fn a_reader_that_reads_no_further_holds_nothing_up() {
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK);
    let events = pipe(&runner, "events");
    let mut command = runner.drillyard(["run", "--backend", "local", "--repeat", "60", "-j", "4", "--events"]);
    let json = runner.path().join("report.json");
    let child = command.arg(&events).arg("--report-json").arg(&json).arg(&scenario);
    let mut child = child.stdout(Stdio::null()).stderr(Stdio::null()).spawn().expect("drillyard starts");
    let reader = std::fs::File::open(&events).expect("a reader");
    std::thread::sleep(std::time::Duration::from_secs(2));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("a signal");
    let ended = poll(PATIENCE, || child.try_wait().expect("a child").ok_or("it hangs"));
    assert_eq!(ended.expect("in time").code(), Some(143));
    assert_eq!(runner.report()["exit_code"], 143);
    drop(reader);
    nothing_in(&runner);
}

/// Whichever report cannot be written, all the others say so, and what the process ends with.
#[test]
fn a_report_that_cannot_be_written_is_in_all_the_others() {
    for full in ["--report-json", "--report-junit", "--report-md", "--events"] {
        let runner = CliRunner::new();
        let scenario = runner.write("quick.yaml", QUICK);
        let path = |name: &str| runner.path().join(name);
        let mut command = runner.drillyard(["run", "--backend", "local", "--report-html"]);
        command.arg(path("html")).arg(&scenario);
        for (option, name) in [
            ("--report-json", "report.json"),
            ("--report-junit", "r.xml"),
            ("--report-md", "r.md"),
            ("--events", "events.jsonl"),
        ] {
            command.arg(option).arg(if option == full { PathBuf::from("/dev/full") } else { path(name) });
        }
        let output = command.output().expect("drillyard runs");
        assert_eq!(output.status.code(), Some(4), "{full}: {}", said(&output));
        let words = "/dev/full cannot be written: No space left on device";
        assert!(said(&output).contains(words), "{full}: {}", said(&output));
        let read = |name: &str| std::fs::read_to_string(path(name)).expect("a report");
        if full != "--report-json" {
            let report = runner.report();
            assert_eq!((&report["exit_code"], &report["outcome"]), (&4.into(), &"errored".into()), "{full}");
            assert!(report["warnings"].to_string().contains(words), "{full}: {report:#}");
        }
        if full != "--report-junit" {
            assert!(read("r.xml").contains("errors=\"1\""), "{full}: {}", read("r.xml"));
        }
        if full != "--report-md" {
            assert!(read("r.md").contains(words), "{full}: {}", read("r.md"));
        }
        if full != "--events" {
            let last = read("events.jsonl").lines().last().expect("events").to_owned();
            let last: serde_json::Value = serde_json::from_str(&last).expect("JSON");
            assert_eq!((&last["event"], &last["exit_code"]), (&"run_finished".into(), &4.into()), "{full}");
        }
        assert!(read("html/index.html").contains("/dev/full cannot be written"), "{full}");
        nothing_in(&runner);
    }
}

#[test]
fn a_run_that_leaves_no_record_says_so_and_is_judged_all_the_same() {
    let runner = CliRunner::new();
    let scenario = runner.write("quick.yaml", QUICK).display().to_string();
    let json = runner.path().join("report.json").display().to_string();
    let run = |set: &dyn Fn(&mut Command)| {
        let mut command = runner.drillyard(["run", "--backend", "local", "--report-json", &json, &scenario]);
        set(&mut command);
        command.output().expect("drillyard runs")
    };
    let nowhere = |command: &mut Command| {
        command.env("DRILLYARD_STATE_DIR", "/dev/null/state");
    };
    let homeless = |command: &mut Command| {
        command.env_remove("DRILLYARD_STATE_DIR").env("HOME", "/dev/null").env_remove("XDG_STATE_HOME");
    };
    for set in [&nowhere as &dyn Fn(&mut Command), &homeless] {
        let output = run(set);
        assert_eq!(output.status.code(), Some(0), "{}", said(&output));
        assert!(said(&output).contains("this run leaves no record"), "{}", said(&output));
        assert!(runner.report()["warnings"].to_string().contains("set DRILLYARD_STATE_DIR"), "{:#}", runner.report());
        nothing_in(&runner);
    }
}

#[test]
fn parts_are_made_of_what_is_selected_and_may_be_empty() {
    let runner = CliRunner::new();
    let folder = runner.path().join("drills");
    std::fs::create_dir(&folder).expect("a directory");
    for (name, tag) in [("a", "other"), ("b", "wanted"), ("c", "other"), ("d", "wanted")] {
        let text = QUICK.replace("name: quick", &format!("name: drill-{name}\ntags: [{tag}]"));
        std::fs::write(folder.join(format!("{name}.yaml")), text).expect("a scenario");
    }
    let json = runner.path().join("report.json").display().to_string();
    let folder = folder.display().to_string();
    let run = |partition: &str, tag: &str| {
        let args =
            ["run", "--backend", "local", "--report-json", &json, "--tag", tag, "--partition", partition, &folder];
        let output = runner.output(args);
        let names = |report: &serde_json::Value| {
            let drills = report["drills"].as_array().expect("drills").iter();
            drills.map(|drill| drill["name"].as_str().expect("a name").to_owned()).collect::<Vec<_>>()
        };
        let report = runner.report();
        assert_eq!(report["exit_code"].as_i64(), output.status.code().map(i64::from), "{}", said(&output));
        (output.status.code(), names(&report), said(&output))
    };
    assert_eq!(run("slice:1/2", "wanted").1, ["drill-b"]);
    assert_eq!(run("slice:2/2", "wanted").1, ["drill-d"]);
    let (code, names, said) = run("slice:3/3", "wanted");
    assert_eq!((code, names.len()), (Some(0), 0), "{said}");
    assert!(said.contains("part slice:3/3 has no drill: 2 drills are in all parts"), "{said}");
    assert_eq!(runner.report()["outcome"], "passed");
    let (code, _, said) = run("slice:1/3", "nosuch");
    assert_eq!(code, Some(5), "{said}");
    let hashed: Vec<_> = (1..=3).flat_map(|part| run(&format!("hash:{part}/3"), "wanted").1).collect();
    assert_eq!(hashed.iter().collect::<std::collections::BTreeSet<_>>().len(), 2, "{hashed:?}");
}
