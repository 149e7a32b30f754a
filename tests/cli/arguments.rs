//! The command line when it is used wrongly: a clear message, and the exit code that
//! docs/reports.md promises.

use std::path::Path;

use crate::program::drillyard;

/// A scenario that is right.
const GOOD: &str = "drillyard: 1\nparams: { rows: 5 }\nnodes: { master: {} }\nsteps:\n  - id: state\n    name: a step\n    create_data: { table: items, rows: \"${params.rows}\" }\n  - assert_primary: {}\n";

/// A folder with one good scenario in scenarios/ and an empty folder.
fn folder() -> tempfile::TempDir {
    let dir = tempfile::tempdir().expect("a folder");
    for name in ["scenarios/theme", "empty"] {
        std::fs::create_dir_all(dir.path().join(name)).expect("a folder");
    }
    std::fs::write(dir.path().join("scenarios/theme/good.yaml"), GOOD).expect("a file");
    dir
}

/// Runs the program in `dir`; gives its exit code, and what it wrote to standard error.
fn run(dir: &Path, args: &[&str]) -> (Option<i32>, String) {
    let mut command = drillyard(dir);
    command.env("DRILLYARD_STATE_DIR", dir.join("state")).env("DRILLYARD_CACHE_DIR", dir.join("cache"));
    let output = command.args(args).output().expect("the program runs");
    (output.status.code(), String::from_utf8_lossy(&output.stderr).into_owned())
}

/// Each line of arguments ends with this code, and says this.
fn all(cases: &[(&[&str], i32, &str)]) {
    let dir = folder();
    let mut wrong = String::new();
    for (args, code, message) in cases {
        let (ended, text) = run(dir.path(), args);
        if ended != Some(*code) || !text.contains(message) {
            wrong.push_str(&format!(
                "{args:?} ended with {ended:?}, not {code}, and said: {text}\nexpected: {message}\n\n"
            ));
        }
    }
    assert!(wrong.is_empty(), "\n{wrong}");
}

#[test]
fn paths_that_are_not_there_are_wrong_usage() {
    all(&[
        (&["run", "nofile.yaml"], 2, "there is no file or folder `nofile.yaml`"),
        (&["check", "nofile.yaml"], 2, "there is no file or folder `nofile.yaml`"),
        (&["plan", "nofile.yaml"], 2, "there is no file or folder `nofile.yaml`"),
        (&["list", "nofile.yaml"], 2, "there is no file or folder `nofile.yaml`"),
        (&["run", "good"], 2, "did you mean `scenarios/theme/good.yaml`?"),
    ]);
    let dir = tempfile::tempdir().expect("a folder");
    let (code, text) = run(dir.path(), &["check"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("there is no folder `scenarios` here") && text.contains("drillyard new NAME"), "{text}");
}

#[test]
fn nothing_to_do_has_its_own_exit_code() {
    all(&[
        (&["run", "empty"], 5, "there are no scenarios there"),
        (&["check", "empty"], 5, "there are no scenarios there"),
        (&["list", "empty"], 5, "there are no scenarios there"),
        (&["plan", "empty"], 5, "there are no scenarios there"),
        (&["check", "no*.yaml"], 5, "there are no scenarios there"),
        (&["check", "--tag", "nosuch"], 5, "no scenario was selected"),
        (&["run", "--filter", "nosuch"], 5, "no scenario was selected"),
        // A part may be empty, but not all of them together.
        (&["run", "--partition", "slice:2/2"], 0, ""),
        (&["run", "--filter", "nosuch", "--partition", "slice:2/2"], 5, "no scenario was selected"),
    ]);
}

#[test]
fn values_of_options_are_checked() {
    all(&[
        (&["check", "--set", "rows"], 2, "write NAME=VALUE"),
        (&["check", "--set", "=5"], 2, "write NAME=VALUE"),
        (&["check", "--set", "row=5"], 2, "--set row: no scenario has this param"),
        (&["check", "--set", "row=5"], 2, "params are `rows`"),
        (&["run", "--partition", "1/4"], 2, "write slice:1/4 or hash:1/4"),
        (&["run", "--partition", "slice:5/4"], 2, "write slice:1/4 or hash:1/4"),
        (&["run", "--postgres", "new"], 2, "write major versions, as in 15,17"),
        (&["run", "--postgres", "9"], 2, "major versions are 13 to"),
        (&["run", "--timeout", "5"], 2, "write `5s` for seconds"),
        (&["run", "--jobs", "0"], 2, "write a number from 1, or `auto`"),
        (&["run", "--break", "stat"], 2, "did you mean `state`?"),
        (&["run", "--break", "17"], 2, "no step has this id or number"),
        (&["run", "--backend", "local", "--pg-bin", "nosuch"], 2, "there is no such directory"),
        (&["check", "--backend", "cloud"], 2, "possible values: auto, docker, local"),
        (&["frob"], 2, "unrecognized subcommand"),
    ]);
}

#[test]
fn a_param_that_does_not_fit_is_an_error_of_the_scenario() {
    all(&[
        (&["check", "--set", "rows=many"], 3, "expected a whole number, found `${params.rows}`, which is `many`"),
        (&["check", "--set", "rows=7"], 0, ""),
    ]);
}

#[test]
fn what_is_asked_for_and_is_not_there_is_told() {
    all(&[
        (&["explain", "nosuch"], 2, "`drillyard explain` lists them"),
        (&["explain", "drop_tabel"], 2, "did you mean `drop_table`?"),
        (&["new", "a b"], 2, "cannot name a drill"),
        (&["new", "other", "--from", "nosuch"], 2, "there is no drill `nosuch`"),
        (&["runs", "show", "nosuch"], 2, "there is no run `nosuch`"),
        (&["shell", "nosuch"], 2, "there is no kept node `nosuch`"),
    ]);
}

#[test]
fn a_new_scenario_is_right_and_replaces_nothing() {
    let dir = folder();
    assert_eq!(run(dir.path(), &["new", "mine"]), (Some(0), String::new()));
    let file = dir.path().join("scenarios/mine.yaml");
    assert_eq!(run(dir.path(), &["check", "scenarios/mine.yaml"]), (Some(0), String::new()));
    std::fs::write(&file, "# work of a day").expect("a file");
    let (code, text) = run(dir.path(), &["new", "mine"]);
    assert_eq!(code, Some(2));
    assert!(text.contains("`scenarios/mine.yaml` is there already"), "{text}");
    assert_eq!(std::fs::read_to_string(&file).expect("the file"), "# work of a day");
    assert_eq!(run(dir.path(), &["new", "copy", "--from", "good"]).0, Some(0));
    let copy = std::fs::read_to_string(dir.path().join("scenarios/copy.yaml")).expect("the copy");
    assert!(copy.contains("\nname: copy\n"), "{copy}");
    assert!(copy.contains("\n    name: a step\n"), "{copy}");
}

#[test]
fn the_drills_that_ship_are_there_outside_of_a_checkout() {
    let dir = tempfile::tempdir().expect("a folder");
    let output = drillyard(dir.path()).args(["list", "--shipped"]).output().expect("the program runs");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(text.contains("dropped-table") && text.contains("human-error/dropped-table.yaml"), "{text}");
    assert_eq!(run(dir.path(), &["new", "mine", "--from", "dropped-table"]).0, Some(0));
    // What it loads comes along.
    assert_eq!(run(dir.path(), &["check", "mine.yaml"]), (Some(0), String::new()));
    // So do the fragments that it uses; a folder is read without them.
    assert_eq!(run(dir.path(), &["new", "second", "--from", "truncated-table"]).0, Some(0));
    assert!(dir.path().join("lib/shop.yaml").is_file() && dir.path().join("lib/old-orders.yaml").is_file());
    let output = drillyard(dir.path()).args(["check", "."]).output().expect("the program runs");
    assert_eq!(String::from_utf8_lossy(&output.stdout), "2 scenarios checked: no errors\n");
    let (code, text) = run(dir.path(), &["run", "lib/shop.yaml"]);
    assert!(code == Some(3) && text.contains("this file is a fragment, and no drill"), "{text}");
    // What it has no value for is named.
    let output = drillyard(dir.path()).args(["new", "third", "--from", "nightly/last-night"]).output();
    let text = String::from_utf8_lossy(&output.expect("the program runs").stdout).into_owned();
    let told = "run it: drillyard run third.yaml --set prod=... --set backups=... --set wal=...\n";
    assert!(text.ends_with(told), "{text}");
    let (code, text) = run(dir.path(), &["new", "other", "--from", "dropped-tabel"]);
    assert!(code == Some(2) && text.contains("list --shipped"), "{text}");
}

#[test]
fn keys_are_explained_as_steps_are() {
    let dir = folder();
    for (key, expected) in
        [("nodes", "archive_to?"), ("recover.until", "before?"), ("expect", "fails"), ("wait_for", "acked")]
    {
        let output = drillyard(dir.path()).args(["explain", key]).output().expect("the program runs");
        let text = String::from_utf8_lossy(&output.stdout).into_owned();
        assert!(output.status.success() && text.contains(expected), "{key}: {text}");
    }
    all(&[
        (&["explain", "recover.untill"], 2, "there is no step or key"),
        (&["explain", "nods"], 2, "did you mean `nodes`?"),
    ]);
}
