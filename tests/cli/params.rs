//! Params that have no default: a drill with one needs `--set`.

use crate::cli_runner::CliRunner;
use crate::program::said;

const DRILL: &str = "drillyard: 1\nname: night\nabout: A night.\nparams:\n  prod:\n  rows: 5\nnodes:\n  prod: { external: { url: \"${params.prod}\" } }\n  master: {}\nsteps:\n  - id: data\n    create_data: { node: master, table: t, rows: \"${params.rows}\" }\n  - assert_rows: { node: prod, table: t, same_as: data }\n";

/// Runs the program; its exit code and what it said.
fn run(runner: &CliRunner, args: &[&str]) -> (i32, String) {
    let output = runner.output(args);
    (output.status.code().unwrap_or(-1), said(&output))
}

#[test]
fn a_drill_that_needs_a_value_is_right_and_is_not_run_without() {
    let runner = CliRunner::new();
    std::fs::create_dir(runner.path().join("night")).expect("a folder");
    runner.write("night/night.yaml", DRILL);
    let says = |args: &[&str], code: i32, parts: &[&str]| {
        let (ended, text) = run(&runner, args);
        assert_eq!(ended, code, "{args:?}: {text}");
        for part in parts {
            assert!(text.contains(part), "{args:?} does not say {part}: {text}");
        }
    };
    let file = "night/night.yaml";
    says(&["check", file], 0, &["night.yaml needs --set prod=...", "1 scenario checked: no errors"]);
    says(&["check", "night", "--set", "prod=host=db"], 0, &["1 scenario checked: no errors"]);
    says(&["check", file, "--set", "prod=hots=db"], 3, &["libpq knows no `hots`: did you mean `host`?"]);
    let wanted =
        ["the param `prod` has no value", "night.yaml:5:3", "it has no default", "give it one: --set prod=..."];
    for command in ["run", "prove", "plan"] {
        says(&[command, file], 3, &wanted);
    }
    says(&["run", "night"], 5, &["night: needs `--set prod=...`"]);
    says(&["run", "night/*.yaml"], 5, &["night: needs `--set prod=...`"]);
    says(&["list", "night"], 0, &["needs --set prod=..."]);
    says(&["plan", file, "--set", "prod=service=x"], 0, &["external: only read from"]);
    // What is wrong beside it is told all the same.
    let wrong = DRILL.replace("same_as: data", "same_as: date").replace("table: t, rows", "tabel: t, rows");
    runner.write("night/night.yaml", &wrong);
    says(&["check", "night"], 3, &["`tabel`", "`date`"]);
    runner.write("night/night.yaml", &DRILL.replace("node: master, table", "node: \"${params.prod}\", tabel"));
    says(&["check", "night"], 3, &["`tabel`", "1 invalid"]);
}
