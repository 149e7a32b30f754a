//! Drills with repos of another kind than they say.

use std::path::Path;

use crate::cli_runner::CliRunner;
use crate::program::said;

/// A drill about a damaged backup, which a directory gives back as it is.
const DAMAGED: &str = "
drillyard: 1
name: damaged
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - id: nightly
    backup: { node: master }
  - corrupt: { repo: onsite, backup: nightly, file: PG_VERSION }
  - recover: { node: rescue, backup: nightly, until: latest, then: promote }
  - assert_primary: { node: rescue }
";

/// A drill that any kind can do, and that fails.
const FAILS: &str = "
drillyard: 1
name: fails
params: { wanted: 2 }
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - assert_rows: { node: master, query: SELECT 1, equals: [[\"${params.wanted}\"]] }
";

#[test]
fn what_a_kind_cannot_do_is_skipped_and_told() {
    let runner = CliRunner::new();
    let (damaged, fails) = (runner.write("damaged.yaml", DAMAGED), runner.write("fails.yaml", FAILS));
    let args = ["run", "--backend", "local", "--repos", "pgbackrest"].map(Path::new);
    let output = runner.output(args.into_iter().chain([damaged.as_path(), &fails]));
    let said = said(&output);
    assert_eq!(output.status.code(), Some(1), "{said}");
    for part in [
        "SKIP",
        "damaged: a repo of kind `pgbackrest` cannot restore a damaged backup: pgbackrest compares every file",
        "again: drillyard run --seed 1 --backend local --repos pgbackrest ",
        "0 passed, 1 failed, 0 errored, 1 skipped",
    ] {
        assert!(said.contains(part), "not said: {part}\n{said}");
    }
}

#[test]
fn a_drill_alone_that_a_kind_cannot_do_is_nothing_to_run() {
    let runner = CliRunner::new();
    let damaged = runner.write("damaged.yaml", DAMAGED);
    let args = ["run", "--backend", "local", "--repos", "pgbackrest"].map(Path::new);
    let output = runner.output(args.into_iter().chain([damaged.as_path()]));
    let said = said(&output);
    assert_eq!(output.status.code(), Some(5), "{said}");
    assert!(said.contains("cannot restore a damaged backup"), "{said}");
}

#[test]
fn an_unknown_kind_is_told_with_those_that_there_are() {
    let output = CliRunner::new().output(["run", "--repos", "pgbackrst"]);
    let said = said(&output);
    assert_eq!(output.status.code(), Some(2), "{said}");
    assert!(said.contains("directory") && said.contains("'pgbackrest'"), "{said}");
}

/// A PATH with everything but one program in it.
fn path_without(runner: &CliRunner, program: &str) -> String {
    let dir = runner.path().join("bin");
    std::fs::create_dir(&dir).expect("a directory");
    let path = std::env::var_os("PATH").expect("a PATH");
    for entry in std::env::split_paths(&path).filter_map(|dir| std::fs::read_dir(dir).ok()).flatten() {
        let entry = entry.expect("an entry");
        if entry.file_name() != program {
            // The first of a name wins, as in a PATH.
            let _ = std::os::unix::fs::symlink(entry.path(), dir.join(entry.file_name()));
        }
    }
    dir.display().to_string()
}

#[test]
fn a_missing_tool_is_told_before_anything_starts() {
    let mut runner = CliRunner::new();
    let path = path_without(&runner, "pgbackrest");
    runner.vars.push(("PATH".to_owned(), path));
    let fails = runner.write("fails.yaml", FAILS);
    let args = ["run", "--backend", "local", "--repos", "pgbackrest"].map(Path::new);
    let output = runner.output(args.into_iter().chain([fails.as_path()]));
    let text = said(&output);
    assert_eq!(output.status.code(), Some(4), "{text}");
    for part in ["repo `onsite` needs pgbackrest, which is not installed", "apt-get install pgbackrest"] {
        assert!(text.contains(part), "not said: {part}\n{text}");
    }
    let doctor = said(&runner.output(["doctor"]));
    assert!(doctor.contains("missing  pgbackrest, for repos of kind `pgbackrest` on this machine"), "{doctor}");
}
