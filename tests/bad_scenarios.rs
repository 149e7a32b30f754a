//! What `drillyard check` says of scenarios that are wrong: word for word, as someone reads it at
//! three in the morning.
//!
//! Every file of fixtures/bad has its snapshot beside it. Snapshots are reviewed like code: the
//! caret under the exact token, "did you mean" where something is near, and what to do.

#[path = "common/program.rs"]
mod program;

use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use program::{drillyard, said};

const PROJECT: &str = env!("CARGO_MANIFEST_DIR");

/// A secret that some of the files use: its value must not be in any message.
const SECRET: &str = "hunter2";

fn fixtures() -> Vec<PathBuf> {
    let dir = Path::new(PROJECT).join("fixtures/bad");
    let entries = std::fs::read_dir(&dir).expect("fixtures/bad can be read");
    let mut files: Vec<PathBuf> = entries.map(|entry| entry.expect("an entry").path()).collect();
    files.sort();
    files
}

fn stem(file: &Path) -> String {
    file.file_stem().expect("a name").to_string_lossy().into_owned()
}

fn snapshot(name: &str, text: &str) {
    let mut settings = insta::Settings::clone_current();
    settings.set_snapshot_path("../fixtures/bad");
    settings.set_prepend_module_to_snapshot(false);
    settings.set_omit_expression(true);
    // Where this checkout is, and what is above it.
    settings.add_filter(r"looked in .*", "looked in [FOLDERS]");
    settings.bind(|| insta::assert_snapshot!(name, text));
}

/// What is wrong, as standard error says it before the program ends with this code.
fn errors(output: &Output, code: i32) -> String {
    assert_eq!(output.status.code(), Some(code), "{}", said(output));
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn every_bad_file_is_told_what_is_wrong_with_it() {
    let files: Vec<PathBuf> =
        fixtures().into_iter().filter(|file| file.extension().is_some_and(|e| e == "yaml")).collect();
    assert!(files.len() >= 40, "{}", files.len());
    for file in files {
        let shown = format!("fixtures/bad/{}.yaml", stem(&file));
        let mut command = drillyard(Path::new(PROJECT));
        command.args(["check", &shown]).env("DRILLYARD_SECRET_PASSWORD", SECRET).env_remove("NO_SUCH_URL");
        let output = command.output().expect("the program runs");
        let text = errors(&output, 3);
        assert!(!text.contains(SECRET), "{shown}: {text}");
        snapshot(&stem(&file), &text);
    }
}

#[test]
fn every_snapshot_is_of_a_file() {
    for snapshot in fixtures().into_iter().filter(|file| file.extension().is_some_and(|e| e == "snap")) {
        let named = stem(&snapshot);
        let generated = GENERATED.contains(&named.as_str());
        assert!(generated || snapshot.with_extension("yaml").is_file(), "{} has no file", snapshot.display());
    }
}

/// Snapshots of what the tests make themselves.
const GENERATED: &[&str] =
    &["several-files", "version-not-available", "deep-brackets", "deep-lines", "alias-bomb", "too-large", "long-line"];

#[test]
fn several_bad_files_are_told_in_one_go() {
    let mut command = drillyard(Path::new(PROJECT));
    command.args(["check", "scenarios", "fixtures/bad/unknown-step.yaml", "fixtures/bad/empty.yaml"]);
    let output = command.output().expect("the program runs");
    let text = errors(&output, 3);
    let counted = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(counted.trim_end().ends_with("scenarios checked: 2 invalid"), "{counted}");
    snapshot("several-files", &text);
}

#[test]
fn a_byte_order_mark_is_no_error() {
    let dir = tempfile::tempdir().expect("a folder");
    let text = "\u{feff}drillyard: 1\nnodes: { master: {} }\nsteps:\n  - assert_primary: {}\n";
    std::fs::write(dir.path().join("bom.yaml"), text).expect("a file");
    let output = drillyard(dir.path()).args(["check", "bom.yaml"]).output().expect("the program runs");
    assert_eq!(errors(&output, 0), "");
}

#[test]
fn a_version_that_is_not_available_is_reported_with_its_place() {
    let dir = tempfile::tempdir().expect("a folder");
    // No machine has this one: it is the last that drillyard knows, and not released.
    let text = "drillyard: 1\npostgres: [19]\nnodes: { master: {} }\nsteps:\n  - assert_primary: {}\n";
    std::fs::write(dir.path().join("new.yaml"), text).expect("a file");
    let mut command = drillyard(dir.path());
    command.args(["check", "--backend", "local", "--pg-bin", ".", "new.yaml"]);
    command.env("DRILLYARD_CACHE_DIR", dir.path().join("cache"));
    let text = errors(&command.output().expect("the program runs"), 4);
    if text.contains("there is no PostgreSQL on this machine") {
        return;
    }
    let mut settings = insta::Settings::clone_current();
    settings.add_filter(r"\^\^ .* (is|are) available", "^^ [VERSIONS] available");
    settings.bind(|| snapshot("version-not-available", &text));
}

/// Checks a file with this text, in at most 320 MB of addresses, of which the program of a test
/// build takes up half by itself.
fn check_large(name: &str, text: &[u8]) {
    let dir = tempfile::tempdir().expect("a folder");
    let file = format!("{name}.yaml");
    std::fs::write(dir.path().join(&file), text).expect("a file");
    let mut command = Command::new("sh");
    command.current_dir(dir.path()).env("NO_COLOR", "1");
    // The time is only so that a program that hangs does not hold up the tests for ever.
    command.args([
        "-c",
        "ulimit -v 327680; exec timeout 60 \"$0\" check \"$1\"",
        env!("CARGO_BIN_EXE_drillyard"),
        &file,
    ]);
    let text = errors(&command.output().expect("sh runs"), 3);
    snapshot(name, &text);
}

#[test]
fn what_would_cost_too_much_is_refused_before_it_does() {
    let levels = 100_000;
    check_large("deep-brackets", format!("drillyard: 1\nsteps: {}\n", "[\n".repeat(levels)).as_bytes());
    let lines: String = (0..1000).map(|level| format!("{}- \n", " ".repeat(level))).collect();
    check_large("deep-lines", lines.as_bytes());
    let mut bomb = "drillyard: 1\nparams:\n  a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n".to_owned();
    for n in 1..20 {
        let aliases = vec![format!("*a{}", n - 1); 10].join(", ");
        bomb.push_str(&format!("  a{n}: &a{n} [{aliases}]\n"));
    }
    check_large("alias-bomb", bomb.as_bytes());
    check_large("too-large", &b"# fifty megabytes\n- x\n".repeat(50_000_000 / 22));
    check_large("long-line", "[".repeat(levels).as_bytes());
}
