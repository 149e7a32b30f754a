//! What it costs to add a step, a report or a kind of repo: the file, its `mod` line, and one line
//! where all of them are listed. Each toy is one, compiled in tests alone.

use std::collections::BTreeMap;

use crate::tree::Tree;

/// The rooms that have a toy, and its file.
const TOYS: [(&str, &str); 3] =
    [("steps", "tests/toys/step.rs"), ("report", "tests/toys/report.rs"), ("repo", "tests/toys/repo.rs")];

/// The lines of the program that name a toy, by room; the toys themselves aside.
fn lines(tree: &Tree) -> BTreeMap<String, Vec<String>> {
    let mut found: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let is_word = |line: &str| line.split(|c: char| !c.is_alphanumeric()).any(|word| word == "toy" || word == "toys");
    for file in tree.files.iter().filter(|file| file.path.starts_with("src/")) {
        let named = file.text.lines().map(str::trim).filter(|line| is_word(line));
        found.entry(file.room.clone()).or_default().extend(named.map(str::to_owned));
    }
    found.retain(|_, lines| !lines.is_empty());
    found
}

#[test]
fn a_step_a_report_and_a_kind_of_repo_are_a_file_and_a_line() {
    let tree = Tree::read();
    let found = lines(&tree);
    assert_eq!(found.keys().collect::<Vec<_>>(), ["repo", "report", "steps"], "no other room knows a toy");
    for (room, toy) in TOYS {
        assert!(tree.files.iter().any(|file| file.path == toy), "{toy} is compiled");
        let lines = &found[room];
        assert!(lines.contains(&format!("#[path = \"../../{toy}\"]")), "{lines:#?}");
        assert!(lines.contains(&"mod toy;".to_owned()), "{lines:#?}");
        assert_eq!(lines.len(), 3, "and its line where all are listed: {lines:#?}");
    }
}
