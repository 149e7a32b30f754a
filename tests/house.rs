//! The rules of the house that a compiler does not know: which room may import from which, who may print, and who may read the
//! environment.

use std::path::{Path, PathBuf};

/// The rooms, each knowing only those before it. Rooms of one line do not know each other.
const ORDER: &[&[&str]] = &[
    &["pg"],
    &["journal"],
    &["source"],
    &["ledger"],
    &["data"],
    &["host"],
    &["node"],
    &["repo", "traffic"],
    &["harness"],
    &["steps"],
    &["scenario"],
    &["plan"],
    &["run"],
    &["prove"],
    &["cli"],
];

/// What `report` knows.
const REPORT_KNOWS: &[&str] = &["journal", "pg"];

/// A file of the program: its room, its path, and its lines of code with their numbers, comments aside.
type File = (String, PathBuf, Vec<(usize, String)>);

/// Every file of the program.
fn files() -> Vec<File> {
    fn below(dir: &Path, files: &mut Vec<PathBuf>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                true => below(&path, files),
                false if path.extension().is_some_and(|extension| extension == "rs") => files.push(path),
                false => {}
            }
        }
    }
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut paths = vec![];
    below(&src, &mut paths);
    paths.sort();
    let read = |path: PathBuf| {
        let inside = path.strip_prefix(&src).expect("below src");
        let first = inside.components().next().expect("a component").as_os_str().to_string_lossy().into_owned();
        let room = first.trim_end_matches(".rs").to_owned();
        let text = std::fs::read_to_string(&path).expect("text");
        let code = text.lines().enumerate().map(|(at, line)| (at + 1, line.to_owned()));
        let code = code.filter(|(_, line)| !line.trim_start().starts_with("//")).collect();
        (room, path, code)
    };
    paths.into_iter().map(read).collect()
}

fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&room))
}

/// Whether code in `room` may import from `other`.
fn may_know(room: &str, other: &str) -> bool {
    match (room, other) {
        // The crate itself, and the program, which only calls `cli`.
        ("lib" | "main", _) => true,
        _ if room == other => true,
        ("report", other) => REPORT_KNOWS.contains(&other),
        // Those who feed it and choose the formats.
        ("cli", "report") => true,
        _ => rank(room).zip(rank(other)).is_some_and(|(room, other)| other < room),
    }
}

/// The rooms that a line of code names: `crate::pg::Lsn`, `use crate::{pg, journal}`.
fn named(line: &str) -> Vec<String> {
    let mut rooms = vec![];
    for (at, _) in line.match_indices("crate::") {
        // `$crate::` is the same crate; `my_crate::` is another one.
        if line[..at].ends_with(|c: char| c.is_alphanumeric() || c == '_') {
            continue;
        }
        let rest = &line[at + "crate::".len()..];
        let word = |text: &str| text.chars().take_while(|c| c.is_alphanumeric() || *c == '_').collect::<String>();
        match rest.strip_prefix('{') {
            Some(list) => rooms.extend(list.split(',').map(|one| word(one.trim())).filter(|one| !one.is_empty())),
            None => rooms.push(word(rest)),
        }
    }
    rooms
}

#[test]
fn rooms_import_in_one_direction() {
    let mut wrong = vec![];
    for (room, path, code) in files() {
        assert!(
            matches!(room.as_str(), "lib" | "main" | "report") || rank(&room).is_some(),
            "{room} is not in the order"
        );
        for (line, text) in code {
            for other in named(&text).iter().filter(|other| !may_know(&room, other)) {
                wrong.push(format!("{}:{line}: {room} must not know {other}: {}", path.display(), text.trim()));
            }
        }
    }
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn the_reader_of_imports_sees_them() {
    assert_eq!(named("use crate::pg::Lsn;"), ["pg"]);
    assert_eq!(named("use crate::{pg, journal::Event};"), ["pg", "journal"]);
    assert_eq!(named("let x = crate::node::sql(crate::cli::f());"), ["node", "cli"]);
    assert!(named("use other_crate::pg;").is_empty());
    assert!(!may_know("pg", "journal") && !may_know("ledger", "data") && !may_know("report", "steps"));
    assert!(may_know("cli", "report") && may_know("steps", "node") && !may_know("run", "report"));
}

/// Whether a file holds nothing but tests, which may ask for the servers to be tested with, and show what they measured.
fn is_test(path: &Path) -> bool {
    let stem = path.file_stem().map(|stem| stem.to_string_lossy().into_owned()).unwrap_or_default();
    stem == "tests" || stem == "testing" || stem.ends_with("_tests")
}

/// The lines that hold one of `words`, outside of these rooms and of tests.
fn outside(rooms: &[&str], words: &[&str]) -> Vec<String> {
    let mut found = vec![];
    for (room, path, code) in files() {
        if rooms.contains(&room.as_str()) || is_test(&path) {
            continue;
        }
        for (line, text) in code.iter().filter(|(_, text)| words.iter().any(|word| text.contains(word))) {
            found.push(format!("{}:{line}: {room}: {}", path.display(), text.trim()));
        }
    }
    found
}

#[test]
fn only_the_command_line_reads_the_environment() {
    let found = outside(&["cli"], &["env::var", "env::vars", "option_env!"]);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn only_reports_and_the_command_line_print() {
    let found = outside(&["cli", "report"], &["println!", "print!(", "eprint", "io::stdout()", "io::stderr()", "dbg!"]);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn nothing_is_allowed_without_a_reason() {
    let found = outside(&[], &["#[allow", "#![allow"]);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
    let unsafe_code = outside(&[], &["unsafe {", "unsafe fn"]);
    assert!(unsafe_code.is_empty(), "\n{}", unsafe_code.join("\n"));
}
