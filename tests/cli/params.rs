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

/// A param that nothing uses is most often one whose name is written in two ways.
#[test]
fn a_param_that_nothing_uses_is_warned_of_once() {
    let runner = CliRunner::new();
    let fragment = "drillyard: 1\nfragment: true\nparams: { table: t, size: 5 }\nsteps:\n  - sql: { node: master, query: SELECT 1 }\n    name: \"${params.table}\"\n";
    runner.write("part.yaml", fragment);
    let drill = "drillyard: 1\nname: day\nparams: { rows: 5, rosw: 6, mode: a, table: t }\nmatrix: { mode: [a, b] }\nnodes: { master: {} }\nsteps:\n  - use: part.yaml\n    with: { table: \"${params.table}\" }\n  - id: data\n    create_data: { node: master, table: t, rows: \"${params.rows}\" }\n  - assert_rows: { node: master, table: t, same_as: data }\n    name: \"as ${params.mode}\"\n";
    runner.write("day.yaml", drill);
    let (code, text) = run(&runner, &["check", "day.yaml"]);
    assert_eq!(code, 0, "{text}");
    for param in ["nothing uses the param `rosw`", "nothing uses the param `size`", "take `size` out of `params`"] {
        assert_eq!(text.matches(param).count(), 1, "{param}: {text}");
    }
    assert_eq!(text.matches("nothing uses").count(), 2, "{text}");
}

/// The line that is told with a failure, as a shell reads it.
fn again(text: &str) -> Vec<String> {
    let line = text.lines().find_map(|line| line.split_once("again: drillyard ")).expect("a line to paste").1;
    let words = std::process::Command::new("sh").args(["-c", &format!("printf '%s\\n' {line}")]).output();
    let words = String::from_utf8(words.expect("a shell").stdout).expect("text");
    words.lines().map(str::to_owned).collect()
}

/// The line to run a failed drill again brings the same drill, on the same servers and with the
/// same limits, whether they were given by options or by variables.
#[test]
fn the_line_to_run_it_again_runs_the_same() {
    let mut runner = CliRunner::new();
    runner.vars.push(("DRILLYARD_BACKEND".to_owned(), "local".to_owned()));
    let drill = "drillyard: 1\nname: day\nparams: { wanted: 1 }\nnodes: { master: {} }\nsteps:\n  - assert_rows: { node: master, query: SELECT 2, equals: \"${params.wanted}\" }\n";
    runner.write("a day.yaml", drill);
    let args = ["run", "--timeout", "2m", "--seed", "7", "--set", "wanted=3", "a day.yaml"];
    let (code, text) = run(&runner, &args);
    assert_eq!(code, 1, "{text}");
    let words = again(&text);
    let wanted = ["run", "--seed", "7", "--backend", "local", "--timeout", "2m", "--set", "wanted=3", "a day.yaml"];
    assert_eq!(words, wanted, "{text}");
    // Pasted into another terminal it comes to the same.
    let elsewhere = CliRunner::new();
    elsewhere.write("a day.yaml", drill);
    let words: Vec<&str> = words.iter().map(String::as_str).collect();
    let (code, second) = run(&elsewhere, &words);
    assert_eq!((code, again(&second)), (1, words.iter().map(|word| (*word).to_owned()).collect()), "{second}");
    assert!(second.contains("chosen with --backend"), "{second}");
}
