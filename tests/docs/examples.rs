//! What ci/examples shows is right: the program takes each command line, and whoever reads a file
//! takes the file.

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use regex::Regex;
use serde_yaml::Value;

use crate::program::said;
use crate::{drillyard, read, top};

/// The files, with their names below ci/examples.
fn examples() -> Vec<(String, String)> {
    fn of(dir: &Path) -> Vec<PathBuf> {
        let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
        entries.flat_map(|path| if path.is_dir() { of(&path) } else { vec![path] }).collect()
    }
    let dir = top().join("ci/examples");
    let mut all: Vec<(String, String)> = of(&dir)
        .iter()
        .map(|path| (path.strip_prefix(&dir).expect("below it").display().to_string(), read(path)))
        .collect();
    all.sort();
    all
}

/// A program that ci/test installs.
fn linter(program: &str, args: &[&str], file: &Path) -> Output {
    let path = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("linters/bin").join(program);
    assert!(path.exists(), "there is no {}: ci/test brings it", path.display());
    Command::new(path).args(args).arg(file).output().expect("it runs")
}

fn example(file: &str) -> PathBuf {
    top().join("ci/examples").join(file)
}

/// The command lines in a file: as shells have them, and as the arguments of a container.
fn commands(text: &str) -> Vec<String> {
    let joined = text.replace("\\\n", " ");
    let line =
        Regex::new(r"drillyard(?::\d+)? ((?:run|runs|check|prove|list|doctor|clean) [^|;&>)`\n]*)").expect("a pattern");
    let mut found: Vec<String> = line.captures_iter(&joined).map(|found| found[1].trim().to_owned()).collect();
    if let Ok(document) = serde_yaml::from_str::<Value>(text) {
        found.extend(arguments(&document));
    }
    found
}

/// The lists called `args`, wherever they are.
fn arguments(value: &Value) -> Vec<String> {
    match value {
        Value::Mapping(map) => {
            let own = map
                .get("args")
                .and_then(Value::as_sequence)
                .map(|args| args.iter().filter_map(Value::as_str).collect::<Vec<_>>().join(" "));
            own.into_iter().chain(map.values().flat_map(arguments)).collect()
        }
        Value::Sequence(all) => all.iter().flat_map(arguments).collect(),
        _ => vec![],
    }
}

#[test]
fn the_program_takes_each_command_line() {
    let dir = tempfile::tempdir().expect("a directory");
    let mut taken = 0;
    for (file, text) in examples() {
        for command in commands(&text) {
            let words: Vec<&str> = command.split_whitespace().map(|word| word.trim_matches('"')).collect();
            let output = drillyard(dir.path(), &[&words[..], &["--help"]].concat());
            // Of an unknown subcommand's help there is that of the one above it.
            let understood = output.status.success() && !said(&output).contains("Usage: drillyard runs [");
            assert!(understood, "{file}: {command}: {}", said(&output));
            taken += 1;
        }
    }
    assert!(taken >= 9, "only {taken} command lines are found");
    let wrong = drillyard(dir.path(), &["run", "--heartbeats", "env:BEAT_URL", "last-night.yaml", "--help"]);
    assert!(!wrong.status.success(), "an option that there is not is taken");
}

#[test]
fn each_schedule_raises_an_alarm_when_it_falls_silent() {
    let schedules =
        ["crontab", "github-actions.yml", "gitlab-ci.yml", "kubernetes-cronjob.yaml", "systemd/drillyard.service"];
    for file in schedules {
        let commands = commands(&read(example(file)));
        assert!(commands.iter().any(|one| one.contains(" --heartbeat env:BEAT_URL")), "{file}: {commands:?}");
        assert!(commands.iter().any(|one| one.contains(" --notify ")), "{file}: {commands:?}");
    }
    for file in ["crontab", "systemd/drillyard-stale.service"] {
        assert!(commands(&read(example(file))).contains(&"runs stale --max-age 26h last-night".to_owned()), "{file}");
    }
    let readme = read(example("README.md"));
    for (file, _) in examples().iter().filter(|(file, _)| file != "README.md") {
        let shown = file.split('/').next().unwrap_or(file);
        assert!(readme.contains(&format!("]({shown})")), "README.md says nothing of {file}");
    }
}

#[test]
fn whoever_reads_a_file_takes_it() {
    let cron_job = top().join("fixtures/kubernetes-cronjob.json").display().to_string();
    for (args, file, wrong) in [
        (["--builtin-schema", "vendor.github-workflows"], "github-actions.yml", ["runs-on:", "run-on:"]),
        (["--builtin-schema", "vendor.gitlab-ci"], "gitlab-ci.yml", ["script:", "skript:"]),
        (["--schemafile", &cron_job], "kubernetes-cronjob.yaml", ["restartPolicy:", "restartPolice:"]),
    ] {
        let output = linter("check-jsonschema", &args, &example(file));
        assert!(output.status.success(), "{file}: {}", said(&output));
        // It would be noticed.
        let dir = tempfile::tempdir().expect("a directory");
        let spoiled = dir.path().join(file);
        std::fs::write(&spoiled, read(example(file)).replace(wrong[0], wrong[1])).expect("written");
        assert!(!linter("check-jsonschema", &args, &spoiled).status.success(), "{file} with {}", wrong[1]);
    }
    let output = linter("hadolint", &[], &example("Dockerfile"));
    assert!(output.status.success(), "Dockerfile: {}", said(&output));
}

#[test]
fn systemd_takes_the_units() {
    let dir = tempfile::tempdir().expect("a directory");
    let program = env!("CARGO_BIN_EXE_drillyard");
    let mut units = vec![];
    for (file, text) in examples() {
        let Some(unit) = file.strip_prefix("systemd/") else { continue };
        let path = dir.path().join(unit);
        std::fs::write(&path, text.replace("/usr/local/bin/drillyard", program)).expect("written");
        units.push(path);
    }
    assert_eq!(units.len(), 5);
    let verify = || Command::new("systemd-analyze").arg("verify").args(&units).output();
    let output = verify().expect("there is no systemd-analyze: ci/test brings it");
    assert!(output.status.success() && said(&output).trim().is_empty(), "{}", said(&output));
    let timer = units.iter().find(|unit| unit.ends_with("drillyard.timer")).expect("a timer");
    std::fs::write(timer, "[Timer]\nOnCalendar=*-*-* 25:17\n").expect("written");
    assert!(!said(&verify().expect("it runs")).trim().is_empty(), "an hour that there is not is taken");
}

#[test]
fn the_dashboard_shows_metrics_that_there_are() {
    let dashboard: serde_json::Value = serde_json::from_str(&read(example("grafana.json"))).expect("JSON");
    let panels = dashboard["panels"].as_array().expect("panels");
    let queries: Vec<&str> = panels
        .iter()
        .flat_map(|panel| panel["targets"].as_array().expect("queries"))
        .map(|target| target["expr"].as_str().expect("a query"))
        .collect();
    assert!(queries[0].starts_with("time() - drillyard_last_pass_timestamp_seconds"), "{queries:?}");
    let described = read("docs/reports.md");
    let metric = Regex::new(r"drillyard_\w+").expect("a pattern");
    let all = metric.find_iter(&dashboard.to_string()).map(|found| found.as_str().to_owned()).collect::<Vec<_>>();
    assert!(all.len() > 8);
    let unknown: Vec<&String> = all.iter().filter(|name| !described.contains(&format!("`{name}`"))).collect();
    assert!(unknown.is_empty(), "not in docs/reports.md: {unknown:?}");
}
