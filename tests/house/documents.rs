//! What stands in comments, and which documents the files of the project name.

use std::collections::BTreeMap;
use std::path::Path;

use crate::exceptions::{self, LONG_COMMENTS};
use crate::tree::{below, relative};

/// Where lines of comments end.
const COLUMNS: usize = 100;

/// Documents that a user makes, and that examples name.
const MADE_BY_USERS: &[&str] =
    &["r.md", "report.md", "summary.md", "proof.md", "restore.md", "handout.md", "debrief.md"];

/// All texts of the project, by their paths.
fn texts() -> BTreeMap<String, String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut texts = BTreeMap::new();
    for entry in std::fs::read_dir(root).expect("the project") {
        let path = entry.expect("an entry").path();
        let name = path.file_name().expect("a name").to_string_lossy().into_owned();
        let paths = match path.is_dir() {
            // What git and cargo keep, and what is nobody's text.
            true if name.starts_with('.') || name == "target" => vec![],
            true => below(&path),
            false => vec![path],
        };
        for path in paths {
            if let Ok(text) = std::fs::read_to_string(&path) {
                texts.insert(relative(root, &path), text);
            }
        }
    }
    texts
}

/// The documents that are named and are not there, and files beside the project.
fn missing_documents(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let part_of_a_name = |c: char| c.is_alphanumeric() || "._-/".contains(c);
    let mut missing = BTreeMap::new();
    for (path, text) in texts {
        let dir = Path::new(path).parent().expect("a folder");
        for (at, line) in text.lines().enumerate() {
            for word in line.split(|c| !part_of_a_name(c)) {
                let word = word.trim_matches(|c: char| !c.is_alphanumeric());
                let there = || {
                    let there = |path: &Path| texts.contains_key(&*path.to_string_lossy());
                    there(Path::new(word)) || there(&dir.join(word)) || there(&Path::new("docs").join(word))
                };
                let document = word.ends_with(".md") && !MADE_BY_USERS.contains(&word) && !there();
                if document || word.contains(concat!("shared", "/yardstick")) {
                    missing
                        .insert(path.clone(), format!("(line {}) names {word}, which is not in the project", at + 1));
                }
            }
        }
    }
    missing
}

#[test]
fn no_file_names_a_document_outside_of_the_project() {
    exceptions::compare(&missing_documents(&texts()), &[]);
}

#[test]
fn a_document_outside_of_the_project_is_found() {
    let there = ["README.md", "docs/reports.md", "src/lib.rs"].map(|path| (path.to_owned(), String::new()));
    let found = |text: &str| {
        let mut texts = BTreeMap::from(there.clone());
        texts.insert("src/lib.rs".to_owned(), text.to_owned());
        !missing_documents(&texts).is_empty()
    };
    // Put together here, since this file is looked through, too.
    let (house, beside) = (["HOUSE", ".md"].concat(), ["../shared", "/yardstick/by-hand.sh"].concat());
    assert!(found(&format!("// See {house}, last page.")));
    assert!(found(&format!("\n// ({house}).")));
    assert!(found(&format!("read(\"{beside}\")")));
    assert!(!found("// README.md, [reports](docs/reports.md#json), reports.md, `--report-markdown r.md`"));
}

/// Lines of comments in Rust and in shell that are too long, by the path of their file. A table, an
/// example in a fence and a word that is too long by itself cannot be wrapped.
fn long_comments(texts: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let mut found = BTreeMap::new();
    for (path, text) in texts {
        let sign = match path {
            path if path.ends_with(".rs") => "//",
            path if path.ends_with(".sh") || path.starts_with("ci/") => "#",
            _ => continue,
        };
        let mut fenced = false;
        for (at, line) in text.lines().enumerate() {
            let Some(comment) = line.trim_start().strip_prefix(sign) else {
                fenced = false;
                continue;
            };
            let comment = comment.trim_start_matches(['/', '!']).trim();
            if comment.starts_with("```") {
                fenced = !fenced;
            }
            let exempt = fenced || comment.starts_with('|') || !comment.contains(' ');
            if line.chars().count() > COLUMNS && !exempt {
                found
                    .entry(path.clone())
                    .or_insert_with(|| format!("(line {}) has comments beyond column {COLUMNS}", at + 1));
            }
        }
    }
    found
}

#[test]
fn comments_end_at_100_columns() {
    exceptions::compare_below(&long_comments(&texts()), LONG_COMMENTS);
}

#[test]
fn a_long_comment_is_found() {
    let found =
        |path: &str, text: &str| !long_comments(&BTreeMap::from([(path.to_owned(), text.to_owned())])).is_empty();
    let long = "word ".repeat(20);
    assert!(found("src/lib.rs", &format!("// {long}.")));
    assert!(found("src/lib.rs", &format!("fn f() {{}}\n    /// {long}.")));
    assert!(found("src/lib.rs", &format!("//! {long}.")));
    assert!(found("ci/test", &format!("# {long}.")));
    assert!(found("src/lib.rs", &format!("/// ```\n/// x\n/// ```\n/// {long}.")));
    assert!(!found("src/lib.rs", &format!("// {}", "word ".repeat(19))));
    assert!(!found("src/lib.rs", &format!("/// ```\n/// {long}.\n/// ```")));
    assert!(!found("src/lib.rs", &format!("/// | {long} |")));
    assert!(!found("src/lib.rs", &format!("// https://{}", "x".repeat(100))));
    assert!(!found("src/lib.rs", &format!("let text = \"{long}\";")));
}
