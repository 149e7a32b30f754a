//! Shell is in files of its own, which shellcheck has nothing to say against.

use std::io::ErrorKind;
use std::path::{Path, PathBuf};
use std::process::Command;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use crate::tree::Tree;

/// Literals of several lines in which a shell would find arguments.
fn shell_in(code: TokenStream, found: &mut Vec<usize>) {
    for token in code {
        match token {
            // `#[doc = "..."]`, which is what a comment becomes.
            TokenTree::Group(group) if group.stream().to_string().starts_with("doc =") => {}
            TokenTree::Group(group) => shell_in(group.stream(), found),
            TokenTree::Literal(literal) => {
                let text = literal.to_string();
                let argument = ["\"$1", "\"$@", "\\\"$1", "\\\"$@"].iter().any(|argument| text.contains(argument));
                if argument && (text.contains('\n') || text.contains("\\n")) {
                    found.push(literal.span().start().line);
                }
            }
            _ => {}
        }
    }
}

/// The places of the program that have shell of several lines in a string.
fn shell(tree: &Tree) -> Vec<String> {
    let each = tree.program().flat_map(|file| {
        let mut lines = vec![];
        shell_in(file.program.to_token_stream(), &mut lines);
        lines.into_iter().map(|line| format!("{}:{line}: a file in scripts/ is the place for this", file.path))
    });
    each.collect()
}

#[test]
fn shell_is_in_files_of_its_own() {
    let found = shell(&Tree::read());
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn shell_in_a_string_is_found() {
    let one = ("src/lib.rs", "mod run;");
    let planted = |text: &str| shell(&Tree::planted(&[one, ("src/run.rs", text)])).len();
    assert_eq!(planted("const A: &str = r#\"cd \"$1\"\nls\"#;"), 1);
    assert_eq!(planted("fn f() { run(\"cd \\\"$1\\\"\\nls\"); }"), 1);
    assert_eq!(planted("const A: &str = r#\"test -s \"$1\"\"#; const B: &str = \"SELECT $1,\n$2\";"), 0);
}

/// The scripts below a folder.
fn scripts(dir: &Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(dir).expect("a folder").map(|entry| entry.expect("an entry").path());
    let (folders, files): (Vec<_>, Vec<_>) = entries.partition(|path| path.is_dir());
    let is_script = |path: &PathBuf| {
        let shebang = || std::fs::read(path).is_ok_and(|text| text.starts_with(b"#!/usr/bin/env bash"));
        path.extension().map_or_else(shebang, |extension| extension == "sh")
    };
    files.into_iter().filter(is_script).chain(folders.iter().flat_map(|dir| scripts(dir))).collect()
}

/// What shellcheck says; None where it is not installed. `ci/test` installs it if it can.
fn shellcheck(scripts: &[PathBuf]) -> Option<String> {
    match Command::new("shellcheck").arg("--format=gcc").args(scripts).output() {
        Ok(output) => Some(String::from_utf8_lossy(&output.stdout).into_owned()),
        Err(error) if error.kind() == ErrorKind::NotFound => None,
        Err(error) => panic!("shellcheck: {error}"),
    }
}

#[test]
fn shellcheck_has_nothing_to_say() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let all: Vec<PathBuf> = ["src", "ci", "docs", "tests"].iter().flat_map(|dir| scripts(&root.join(dir))).collect();
    assert!(all.len() > 20, "{all:?}");
    let said = shellcheck(&all).unwrap_or_default();
    assert!(said.is_empty(), "\n{said}");
}

#[test]
fn shellcheck_finds_what_is_wrong() {
    let dir = tempfile::tempdir().expect("a folder");
    let script = dir.path().join("planted.sh");
    std::fs::write(&script, "#!/bin/sh -eu\nrm -rf $1\n").expect("written");
    assert_eq!(scripts(dir.path()), std::slice::from_ref(&script));
    if let Some(said) = shellcheck(&[script]) {
        assert!(said.contains("SC2086"), "{said}");
    }
}
