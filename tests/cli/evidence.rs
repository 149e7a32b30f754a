//! Evidence of real runs, and metrics: what is written, what is found when it is changed, what a
//! run says that cannot write it.

use std::path::Path;
use std::process::{Command, Output};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::Value;

use crate::cli_runner::CliRunner;
use crate::left::{PATIENCE, poll};
use crate::program::said;
use crate::web::{answer, web};

const FILE: &str = "e.intoto.jsonl";
const VERIFY: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/verify-evidence.sh");

/// A directory with a key, as docs/evidence.md makes it.
fn runner() -> CliRunner {
    let runner = CliRunner::new();
    sh(&runner, "openssl genpkey -algorithm ed25519 -out evidence.pem && chmod 600 evidence.pem");
    sh(&runner, "openssl pkey -in evidence.pem -pubout -out evidence.pub.pem");
    runner
}

fn sh(runner: &CliRunner, command: &str) -> String {
    let output = Command::new("sh").args(["-c", command]).current_dir(runner.path()).output().expect("sh runs");
    assert!(output.status.success(), "{command}: {}", said(&output));
    String::from_utf8_lossy(&output.stdout).into_owned()
}

/// A drill that recovers a server, and whose check holds or does not.
fn drill(runner: &CliRunner, holds: bool) {
    let yaml = format!(
        "drillyard: 1\nname: nightly\nabout: A server crashes and comes back.\nbudgets: {{ rto: {{ from: crash, to: back, max: 1m }} }}\n\
         nodes: {{ a: {{}} }}\nsteps:\n  - {{ id: crash, crash: {{ node: a }} }}\n  \
         - {{ id: back, start: {{ node: a }} }}\n  - assert_rows: {{ node: a, query: \"SELECT $1::text\", args: [\"${{secrets.word}}\"], \
         equals: [[{}]] }}\n",
        if holds { "\"${secrets.word}\"" } else { "other" }
    );
    runner.write("nightly.yaml", &yaml);
}

fn run(runner: &CliRunner, more: &[&str]) -> Output {
    let args = ["run", "--backend", "local", "--postgres", "15", "--evidence", FILE, "--evidence-key", "evidence.pem"];
    let mut command = runner.drillyard(args.iter().chain(more));
    command
        .env("DRILLYARD_SECRET_WORD", "verysecret")
        .env("GITHUB_ACTIONS", "true")
        .env("GITHUB_RUN_ID", "77")
        .arg("nightly.yaml");
    command.args(["--github", "never"]).output().expect("drillyard runs")
}

fn statements(runner: &CliRunner) -> Vec<Value> {
    let text = std::fs::read_to_string(runner.path().join(FILE)).expect("the file");
    let statement = |line| {
        let envelope: Value = serde_json::from_str(line).expect("an envelope");
        let payload = envelope["payload"].as_str().expect("a payload");
        serde_json::from_slice(&openssl::base64::decode_block(payload).expect("base64")).expect("a statement")
    };
    text.lines().map(statement).collect()
}

/// What drillyard and the script say of a file: the exit codes and the lines.
fn verified(runner: &CliRunner, text: &str, key: &str, last: Option<&str>) -> [(Option<i32>, Vec<String>); 2] {
    let path = runner.write("changed.jsonl", text).display().to_string();
    let last_option = last.map(|last| ["--last", last]);
    let own = runner.output(["evidence", "verify", &path, "--key", key].iter().chain(last_option.iter().flatten()));
    let script =
        Command::new("sh").args([VERIFY, &path, key]).args(last).current_dir(runner.path()).output().expect("sh runs");
    let line = |line: &str| line.strip_prefix(&format!("{path}:")).map(|line| line.trim().to_owned());
    [own, script].map(|output| (output.status.code(), said(&output).lines().filter_map(line).collect()))
}

#[test]
fn a_quarter_of_runs_is_verified_and_every_change_is_found() {
    let runner = runner();
    let secret = "webhook=http://me:verysecret@127.0.0.1:1/";
    for (holds, more, code) in [(true, &[][..], 0), (false, &["--notify", secret], 1), (true, &[], 0)] {
        drill(&runner, holds);
        let output = run(&runner, &[more, &["--metrics", "drills.prom"]].concat());
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
    }
    let told = statements(&runner);
    let outcomes: Vec<_> =
        told.iter().map(|one| one["predicate"]["run"]["outcome"].as_str().unwrap_or_default()).collect();
    assert_eq!(outcomes, ["passed", "failed", "passed"]);
    let first = &told[0]["predicate"];
    assert_eq!(
        (&first["trigger"]["ci"]["name"], &first["trigger"]["ci"]["variables"]["GITHUB_RUN_ID"]),
        (&"GitHub Actions".into(), &"77".into())
    );
    assert_eq!(first["drills"][0]["objectives"][0]["allowed"], 60_000);
    assert!(first["drills"][0]["objectives"][0]["measured"].is_u64(), "{first:#}");
    assert!(first["tools"].to_string().contains("\"PostgreSQL\",\"version\":\"15."), "{}", first["tools"]);
    // The scenario and the recording are those that are named.
    let own = |one: &Value, at: usize| one["subject"][at]["digest"]["sha256"].as_str().unwrap_or_default().to_owned();
    assert_eq!(sh(&runner, "sha256sum nightly.yaml").split(' ').next().unwrap_or_default(), own(&told[2], 0));
    let id = told[2]["predicate"]["run"]["id"].as_str().expect("an id");
    let bytes = &told[2]["subject"][1]["annotations"]["bytes"];
    let recorded = sh(&runner, &format!("head -c {bytes} state/runs/{id}/events.jsonl | sha256sum"));
    assert_eq!(recorded.split(' ').next().unwrap_or_default(), own(&told[2], 1));
    assert!(!told.iter().any(|one| one.to_string().contains("verysecret")), "{told:?}");

    let text = std::fs::read_to_string(runner.path().join(FILE)).expect("the file");
    let lines: Vec<&str> = text.lines().collect();
    let of = |lines: &[&str]| lines.iter().map(|line| format!("{line}\n")).collect::<String>();
    let key = "evidence.pub.pem";
    let digest = sh(&runner, &format!("tail -n 1 {FILE} | tr -d '\\n' | sha256sum"))
        .split(' ')
        .next()
        .unwrap_or_default()
        .to_owned();
    for (code, found) in verified(&runner, &text, key, Some(&digest)) {
        assert_eq!(code, Some(0), "{found:?}");
    }
    let changed = lines[1].replacen("\"sig\":\"", "\"sig\":\"A", 1).replacen("==\"}", "=\"}", 1);
    let flipped = lines[1].replacen("\"payload\":\"eyJfd", "\"payload\":\"eyJfe", 1);
    sh(&runner, "openssl genpkey -algorithm ed25519 | openssl pkey -pubout -out other.pem");
    for (what, text, key, line) in [
        ("a changed signature", of(&[lines[0], &changed, lines[2]]), key, "2: "),
        ("a changed byte", of(&[lines[0], &flipped, lines[2]]), key, "2: its signature is not that of its content"),
        ("a removed run", of(&[lines[0], lines[2]]), key, "2: it is statement number 3"),
        ("runs in another order", of(&[lines[1], lines[0], lines[2]]), key, "1: it is statement number 2"),
        ("a run twice", of(&[lines[0], lines[0]]), key, "2: it is statement number 1 where number 2 should be"),
        ("a cut tail", of(&lines[..2]), key, "the statement "),
        ("half a line", text[..text.len() - 9].to_owned(), key, "3: "),
        ("something else", of(&[lines[0], "milk", lines[1], lines[2]]), key, "2: it is no signed statement"),
        ("another key", text.clone(), "other.pem", "1: it was signed with another key"),
        ("nothing", String::new(), key, "1: there is no statement: "),
    ] {
        for (code, found) in verified(&runner, &text, key, Some(&digest)) {
            assert_eq!(code, Some(1), "{what}: {found:?}");
            assert!(found[0].starts_with(line), "{what}: {found:?}");
        }
    }
    page(&runner);
    metrics(&runner);
}

/// The page of those runs: failed, and repaired by the next.
fn page(runner: &CliRunner) {
    let args =
        ["evidence", "report", FILE, "--key", "evidence.pub.pem", "--since", "2026-01-01", "--format", "markdown"];
    let output = runner.output(args);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let page = said(&output);
    let told = statements(runner);
    let id = |at: usize| told[at]["predicate"]["run"]["id"].as_str().expect("an id").to_owned();
    let failed = page.lines().find(|line| line.contains(&format!("| {} | **failed**", id(1)))).expect("the failure");
    assert!(
        failed.contains("the rows are not those expected") && failed.contains(&format!("run {}", id(2))),
        "{failed}"
    );
    assert!(page.contains("| nightly (PostgreSQL 15, local) | passed |"), "{page}");
    assert!(page.contains("Whether every acknowledged commit is there, exactly once"), "{page}");
    assert!(!page.contains("verysecret"));
    let later =
        ["evidence", "report", FILE, "--key", "evidence.pub.pem", "--since", "2099-01-01", "--until", "2099-02-01"];
    let page = said(&runner.output(later));
    assert!(page.contains("no drill was carried out") || page.contains("1 was not run in this time"), "{page}");
    runner.write("none.jsonl", "");
    let args = ["evidence", "report", FILE, "none.jsonl", "--key", "evidence.pub.pem", "--since", "2026-01-01"];
    let none = runner.output(args);
    assert_eq!(none.status.code(), Some(1), "{}", said(&none));
    let told = "The evidence is not as it was signed";
    assert!(said(&none).contains(told) && said(&none).contains("none.jsonl, line 1: there is no statement"));
    let wrong = runner.output(["evidence", "report", FILE, "--key", "evidence.pem", "--since", "yesterday"]);
    assert_eq!(wrong.status.code(), Some(2));
    let wrong = runner.output(["evidence", "report", FILE, "--key", "evidence.pem", "--since", "2026-01-01"]);
    assert!(wrong.status.code() == Some(2) && said(&wrong).contains("it is a private key"), "{}", said(&wrong));
}

/// The metrics of those runs, as Prometheus' own parsers read them: of the text format, and of
/// OpenMetrics.
fn metrics(runner: &CliRunner) {
    let python = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("moto/bin/python");
    let script = runner.write(
        "parse.py",
        "import json\nfrom prometheus_client import parser, openmetrics\nimport prometheus_client.openmetrics.parser\n\
         text = open('drills.prom').read()\n\
         read = lambda all: sorted([s.name, sorted(s.labels.items()), s.value] for m in all for s in m.samples)\n\
         old, new = [read(p.text_string_to_metric_families(text)) for p in (parser, openmetrics.parser)]\n\
         assert old == new and old, (old, new)\n\
         print(json.dumps({n + ''.join(v for k, v in l if k in ('outcome', 'part')): v for n, l, v in old}))\n",
    );
    let output = Command::new(&python).arg(script).current_dir(runner.path()).output();
    let output = output.unwrap_or_else(|e| panic!("{}: {e}; ci/test puts it there", python.display()));
    assert!(output.status.success(), "{}", said(&output));
    let read: Value = serde_json::from_slice(&output.stdout).expect("JSON");
    let number = |name: &str| read[name].as_f64().unwrap_or_else(|| panic!("{name} in {read:#}"));
    assert_eq!((number("drillyard_outcomepassed"), number("drillyard_outcomefailed")), (1.0, 0.0));
    assert!(number("drillyard_last_pass_timestamp_seconds") > 1.7e9);
    assert!(number("drillyard_rto_seconds") < number("drillyard_rto_limit_seconds"));
    assert!(number("drillyard_part_secondsrecovery") > 0.0);
}

#[test]
fn runs_that_do_not_begin_or_are_interrupted_leave_evidence_and_what_cannot_sign_starts_nothing() {
    let runner = runner();
    drill(&runner, true);
    // Nothing starts with a key or a file that is of no use.
    sh(&runner, "openssl genpkey -algorithm RSA -out rsa.pem 2>/dev/null && chmod 600 rsa.pem");
    for (file, key, words) in [
        (FILE, "rsa.pem", "it is an RSA key, and evidence is signed with ed25519"),
        (FILE, "evidence.pub.pem", "it is a public key"),
        (FILE, "nightly.yaml", "it is no private key in PEM"),
        ("/dev/full", "evidence.pem", "it is no file"),
        ("nightly.yaml", "evidence.pem", "its last line is no signed statement"),
    ] {
        let output =
            runner.output(["run", "--backend", "local", "--evidence", file, "--evidence-key", key, "nightly.yaml"]);
        assert_eq!(output.status.code(), Some(2), "{key}: {}", said(&output));
        assert!(said(&output).contains(words), "{key}: {}", said(&output));
    }
    assert!(!runner.path().join("state/runs").exists() && !runner.path().join(FILE).exists());
    let output = runner.output(["run", "--evidence", FILE, "nightly.yaml"]);
    assert!(output.status.code() == Some(2) && said(&output).contains("--evidence-key"), "{}", said(&output));

    // No such version; an invalid scenario; a run that is ended from outside.
    let args = [
        "run",
        "--backend",
        "local",
        "--postgres",
        "13",
        "--evidence",
        FILE,
        "--evidence-key",
        "evidence.pem",
        "nightly.yaml",
    ];
    let output = runner.drillyard(args).env("DRILLYARD_SECRET_WORD", "verysecret").output().expect("drillyard runs");
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    runner.write("nightly.yaml", "drillyard: 1\nsteps: [ { crush: { node: a } } ]\n");
    let good = runner
        .write("good.yaml", "drillyard: 1\nname: good\nnodes: { a: {} }\nsteps: [ { assert_primary: { node: a } } ]\n");
    let good = good.display().to_string();
    assert_eq!(run(&runner, &[&good]).status.code(), Some(3));
    // What has failed cannot be known.
    let (url, requests) = web(|_, _| answer("200 OK"));
    let history = runner.write("history.db", &"no database\n".repeat(100)).display().to_string();
    let hook = format!("webhook={url}/hook");
    let output = run(&runner, &["--last-failed", "--history", &history, "--notify", &hook, &good]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let requests = requests.lock().expect("not poisoned").clone();
    let [(_, message)] = requests.as_slice() else { panic!("{requests:?}") };
    assert!(message.contains("the history cannot be read"), "{message}");
    // A wrong command line needs no statement, and the next one misses none.
    let args =
        ["run", "--backend", "local", "--postgres", "99", "--evidence", FILE, "--evidence-key", "evidence.pem", &good];
    let output = runner.output(args);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    runner.write("nightly.yaml", "drillyard: 1\nname: slow\nnodes: { a: {} }\nsteps:\n  - exec: { node: a, run: [sleep, '60'] }\n  - assert_primary: { node: a }\n");
    let args = [
        "run",
        "--backend",
        "local",
        "-v",
        "--evidence",
        FILE,
        "--evidence-key",
        "evidence.pem",
        "--events",
        "events",
        "nightly.yaml",
    ];
    let mut child = runner.drillyard(args).spawn().expect("drillyard starts");
    let events = runner.path().join("events");
    let begun = poll(PATIENCE, || match std::fs::read_to_string(&events).unwrap_or_default() {
        text if text.contains("step_started") => Ok(()),
        text => Err(text),
    });
    assert_eq!(begun, Ok(()));
    kill(Pid::from_raw(child.id().cast_signed()), Signal::SIGTERM).expect("a signal");
    let ended = poll(PATIENCE, || child.try_wait().expect("a child").ok_or("it hangs"));
    assert_eq!(ended.expect("in time").code(), Some(143));

    let told = statements(&runner);
    let of = |field: &str| told.iter().map(|one| one["predicate"]["run"][field].clone()).collect::<Vec<_>>();
    assert_eq!(of("exit_code"), [4, 3, 4, 143].map(Value::from));
    assert_eq!(of("outcome"), ["errored"; 4].map(Value::from));
    assert_eq!(of("selected"), [1, 2, 2, 1].map(Value::from));
    assert_eq!(of("seed"), [1; 4].map(Value::from));
    assert!(told.iter().all(|one| one["predicate"]["unsigned"] == Value::Array(vec![])), "{told:#?}");
    for (at, why) in ["", "nightly.yaml is invalid", "the history cannot be read", "SIGTERM"].into_iter().enumerate() {
        assert!(told[at]["predicate"]["run"]["why"].to_string().contains(why), "{:#}", told[at]);
    }
    assert!(told[3]["predicate"]["drills"][0]["not_tested"].to_string().contains("not run"), "{:#}", told[3]);
    let verified = runner.output(["evidence", "verify", FILE, "--key", "evidence.pub.pem"]);
    assert_eq!(verified.status.code(), Some(0), "{}", said(&verified));
}

#[test]
fn evidence_that_cannot_be_written_loses_no_verdict() {
    let runner = runner();
    for (check, code) in [("assert_primary", 6), ("assert_in_recovery", 1)] {
        std::fs::create_dir_all(runner.path().join("gone")).expect("a folder");
        // The folder goes away while the drill is at work.
        let yaml = format!(
            "drillyard: 1\nname: vanishing\nnodes: {{ a: {{}} }}\nsteps:\n  - exec: {{ node: a, run: [rm, -r, {0}/gone] }}\n  - {check}: {{ node: a }}\n",
            runner.path().display()
        );
        runner.write("nightly.yaml", &yaml);
        sh(&runner, "chmod 777 . gone");
        let args = [
            "run",
            "--backend",
            "local",
            "--evidence",
            "gone/e.jsonl",
            "--evidence-key",
            "evidence.pem",
            "--report-json",
            "r.json",
            "nightly.yaml",
        ];
        let output = runner.output(args);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(
            said(&output).contains("there is no evidence of this run: gone/e.jsonl cannot be written"),
            "{}",
            said(&output)
        );
        let report: Value = serde_json::from_str(&sh(&runner, "cat r.json")).expect("JSON");
        assert_eq!(report["exit_code"], code);
        assert!(report["warnings"].to_string().contains("there is no evidence of this run"), "{report:#}");
    }
}

/// Each file that was read is a subject with a digest of its own, whatever it is a part of.
#[test]
fn every_fragment_is_a_subject_as_sha256sum_has_it() {
    let runner = runner();
    let part = "\u{feff}drillyard: 1\nfragment: true\nsteps:\n  - assert_primary: { node: a }\n";
    runner.write("part.yaml", part);
    let twice = "matrix: { n: [1, 2] }\nparams: { n: 1 }";
    let steps = "steps:\n  - use: part.yaml\n  - use: part.yaml\n";
    runner.write("nightly.yaml", &format!("drillyard: 1\nname: nightly\n{twice}\nnodes: {{ a: {{}} }}\n{steps}"));
    let output = run(&runner, &[]);
    assert_eq!(output.status.code(), Some(0), "{}", said(&output));
    let told = statements(&runner).remove(0);
    let subjects = told["subject"].as_array().expect("subjects");
    let sums: String = subjects
        .iter()
        .filter(|one| one["name"] != "events.jsonl")
        .map(|one| {
            format!(
                "{}  {}\n",
                one["digest"]["sha256"].as_str().expect("a digest"),
                one["name"].as_str().expect("a name")
            )
        })
        .collect();
    runner.write("sums", &sums);
    assert_eq!(sh(&runner, "sha256sum -c sums").lines().count(), 2, "{sums}");
    let drill = &told["predicate"]["drills"][0];
    assert_eq!(drill["sha256"], subjects[0]["digest"]["sha256"]);
    let fragments = drill["fragments"].as_object().expect("fragments");
    assert_eq!(fragments.values().collect::<Vec<_>>(), [&subjects[1]["digest"]["sha256"]]);
}
