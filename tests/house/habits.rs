//! What only some rooms may do or name.

use std::collections::BTreeMap;

use proc_macro2::{TokenStream, TokenTree};
use quote::ToTokens;

use crate::exceptions::{self, BACKENDS};
use crate::tree::{File, Tree};

/// A word of code, comments and documentation aside: an identifier, a literal, a sign.
struct Word {
    text: String,
    line: usize,
    kind: Kind,
}

#[derive(PartialEq, Eq)]
enum Kind {
    Name,
    Literal,
    Sign,
}

fn words(code: TokenStream) -> Vec<Word> {
    fn walk(code: TokenStream, words: &mut Vec<Word>) {
        let tokens: Vec<TokenTree> = code.into_iter().collect();
        let mut at = 0;
        while let Some(token) = tokens.get(at) {
            at += 1;
            let line = token.span().start().line;
            match token {
                // `#[doc = "..."]`, which is what a comment becomes.
                TokenTree::Group(group) if group.stream().to_string().starts_with("doc =") => {}
                TokenTree::Group(group) => walk(group.stream(), words),
                TokenTree::Ident(name) => words.push(Word { text: name.to_string(), line, kind: Kind::Name }),
                TokenTree::Literal(text) => words.push(Word { text: text.to_string(), line, kind: Kind::Literal }),
                TokenTree::Punct(sign) => words.push(Word { text: sign.to_string(), line, kind: Kind::Sign }),
            }
        }
    }
    let mut all = vec![];
    walk(code, &mut all);
    all
}

/// Where the program, outside of tests and of `rooms`, has these words one after the other.
fn outside(tree: &Tree, rooms: &[&str], phrases: &[&[&str]]) -> Vec<String> {
    places(tree, |room| !rooms.contains(&room), phrases)
}

/// Where the program, outside of tests, has these words one after the other in some rooms.
fn places(tree: &Tree, is_in: impl Fn(&str) -> bool, phrases: &[&[&str]]) -> Vec<String> {
    let mut found = vec![];
    for file in tree.program().filter(|file| is_in(&file.room)) {
        let words = words(file.program.to_token_stream());
        for (at, word) in words.iter().enumerate() {
            let here = |phrase: &&&[&str]| {
                phrase.iter().enumerate().all(|(n, text)| words.get(at + n).is_some_and(|word| word.text == *text))
            };
            if let Some(phrase) = phrases.iter().find(here) {
                found.push(format!("{}:{}: {} must not: {}", file.path, word.line, file.room, phrase.concat()));
            }
        }
    }
    found
}

const READS_THE_ENVIRONMENT: &[&[&str]] = &[
    &["env", ":", ":", "var"],
    &["env", ":", ":", "vars"],
    &["env", ":", ":", "var_os"],
    &["env", ":", ":", "vars_os"],
    &["option_env", "!"],
];

const PRINTS: &[&[&str]] = &[
    &["print", "!"],
    &["println", "!"],
    &["eprint", "!"],
    &["eprintln", "!"],
    &["dbg", "!"],
    &["io", ":", ":", "stdout"],
    &["io", ":", ":", "stderr"],
    &["stdout", "("],
    &["Term", ":", ":"],
];

const ALLOWS: &[&[&str]] = &[&["#", "allow"], &["#", "!", "allow"], &["unsafe"]];

/// What waits, or asks the system for anything.
const IMPURE: &[&[&str]] = &[
    &["async"],
    &["await"],
    &["tokio"],
    &["tokio_postgres"],
    &["std", ":", ":", "fs"],
    &["std", ":", ":", "net"],
    &["std", ":", ":", "process"],
    &["std", ":", ":", "thread"],
    &["Instant"],
];

#[test]
fn the_ledger_is_pure() {
    let found = places(&Tree::read(), |room| room == "ledger", IMPURE);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn only_the_command_line_reads_the_environment() {
    let found = outside(&Tree::read(), &["cli"], READS_THE_ENVIRONMENT);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn only_reports_and_the_command_line_print() {
    let found = outside(&Tree::read(), &["cli", "report"], PRINTS);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn nothing_is_allowed_and_nothing_is_unsafe() {
    let found = outside(&Tree::read(), &[], ALLOWS);
    assert!(found.is_empty(), "\n{}", found.join("\n"));
}

#[test]
fn a_room_that_prints_reads_the_environment_or_allows_is_found() {
    let found = |text: &str, phrases: &[&[&str]]| {
        let files = [("src/lib.rs", "mod node; mod cli;"), ("src/node.rs", text), ("src/cli.rs", text)];
        outside(&Tree::planted(&files), &["cli"], phrases)
    };
    let one = |text: &str, phrases| found(text, phrases).len() == 1;
    assert!(one("fn f() { println!(\"{x}\") }", PRINTS));
    assert!(one("fn f() { let mut out = std::io::stdout(); }", PRINTS));
    assert!(one("use std::io::stderr;", PRINTS));
    assert!(one("fn f() { std::env::var(\"PATH\"); }", READS_THE_ENVIRONMENT));
    assert!(one("fn f() { std::env::var_os(\"PATH\"); }", READS_THE_ENVIRONMENT));
    assert!(one("#[allow(dead_code)] fn f() {}", ALLOWS));
    assert!(one("#![allow(dead_code)]", ALLOWS));
    assert!(one("fn f() { unsafe { g() } }", ALLOWS));
    assert!(found("/// println!\nfn f() { command.stdout(Stdio::null()); } // println!", PRINTS).is_empty());
    assert!(found("#[cfg(test)] mod tests { fn f() { println!() } }", PRINTS).is_empty());
    assert!(found("fn f() { std::env::temp_dir(); std::env::args(); }", READS_THE_ENVIRONMENT).is_empty());
}

/// Where a backend is named outside of `host` and of the one place that chooses: a name of which
/// `docker` or `local` is a word, or a text that speaks of Docker.
fn backends(tree: &Tree) -> BTreeMap<String, String> {
    let free = |file: &&File| file.room != "host" && file.path != "src/cli/backend.rs";
    let mut found = BTreeMap::new();
    for file in tree.program().filter(free) {
        if let Some(word) = words(file.program.to_token_stream()).iter().find(|word| names_a_backend(word)) {
            found.insert(file.path.clone(), format!("(line {}) names a backend: {}", word.line, word.text));
        }
    }
    found
}

fn names_a_backend(word: &Word) -> bool {
    // std's own names.
    const OTHERS: &[&str] = &["local_addr", "LocalSet", "spawn_local", "thread_local"];
    match word.kind {
        Kind::Sign => false,
        Kind::Literal => word.text.to_lowercase().contains("docker") || word.text == "\"local\"",
        Kind::Name => {
            let parts = camel(&word.text);
            let named = parts.iter().any(|part| part == "docker" || part == "local");
            named && !OTHERS.contains(&word.text.as_str())
        }
    }
}

/// The words of a name: `DockerLab`, `docker_lab`.
fn camel(name: &str) -> Vec<String> {
    let mut words = vec![String::new()];
    let mut before = '_';
    for letter in name.chars() {
        if letter == '_' || (letter.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if letter != '_' {
            words.last_mut().expect("a word").extend(letter.to_lowercase());
        }
        before = letter;
    }
    words
}

#[test]
fn only_host_names_backends() {
    exceptions::compare(&backends(&Tree::read()), BACKENDS);
}

#[test]
fn a_room_that_names_a_backend_is_found() {
    let found = |text: &str| {
        let files = [("src/lib.rs", "mod node; mod host;"), ("src/node.rs", text), ("src/host.rs", text)];
        backends(&Tree::planted(&files)).into_keys().collect::<Vec<_>>()
    };
    for text in [
        "use crate::host::docker;",
        "fn f() { BackendKind::Local }",
        "struct DockerNode;",
        "const DOCKER_HOST: u8 = 1;",
        "fn f() { g(\"ask Docker\") }",
        "fn f() { name == \"local\" }",
    ] {
        assert_eq!(found(text), ["src/node.rs"], "{text}");
    }
    assert!(found("/// Docker.\nfn f() { locale(\"set local x\"); socket.local_addr() }").is_empty());
}
