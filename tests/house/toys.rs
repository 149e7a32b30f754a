//! What it costs to add a step, a report or a kind of repo: the file, its `mod` line, and one line
//! where all of them are listed. Each toy is one, compiled in tests alone.

use std::path::Path;

/// The lines of the program that name a toy, by file: those of its `mod`, and its line in the
/// registry.
fn places(toy: &str) -> Vec<String> {
    fn below(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                below(&path, found);
            } else if path.extension().is_some_and(|extension| extension == "rs") {
                let text = std::fs::read_to_string(&path).expect("text");
                let lines: Vec<&str> = text.lines().map(str::trim).filter(|line| line.contains("toy")).collect();
                found.extend(lines.iter().map(|line| format!("{}: {line}", path.display())));
            }
        }
    }
    let room = match toy {
        "step" => "steps",
        other => other,
    };
    let src = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut found = vec![];
    below(&src, &mut found);
    found.retain(|line| line.contains(&format!("src/{room}/")));
    found
}

#[test]
fn a_step_a_report_and_a_kind_of_repo_are_a_file_and_a_line() {
    for toy in ["step", "report", "repo"] {
        let file = format!("tests/toys/{toy}.rs");
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join(&file).is_file(), "{file}");
        let found = places(toy);
        let is =
            |what: fn(&str) -> bool| found.iter().filter(|line| what(line.rsplit(": ").next().unwrap_or(""))).count();
        assert_eq!(is(|line| line.starts_with("#[path")), 1, "{found:#?}");
        assert_eq!(is(|line| line == "mod toy;"), 1, "{found:#?}");
        assert_eq!(found.len(), 3, "and its line where all are listed: {found:#?}");
    }
}

#[test]
fn no_other_room_knows_a_toy() {
    let all = ["step", "report", "repo"].map(|toy| places(toy).len()).iter().sum::<usize>();
    let output = std::process::Command::new("grep")
        .args(["-rnw", "--include=*.rs", "toy", "src"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .expect("grep");
    let text = String::from_utf8_lossy(&output.stdout).into_owned();
    assert_eq!(text.lines().filter(|line| !line.contains("tests/toys")).count() + 3, all, "{text}");
}
