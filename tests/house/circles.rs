//! Files that import from each other.
//!
//! A name that is imported from a `mod.rs` that re-exports it is the defining file's. So a `mod.rs`
//! that only declares its children and re-exports what they define is in no circle; one that
//! defines what its children use, and uses them, is.

use std::collections::{BTreeMap, BTreeSet};

use crate::exceptions::{self, CIRCLES};
use crate::names::{Modules, Use};
use crate::tree::Tree;

/// What each file uses of which others: the names, for the message.
type Graph = BTreeMap<String, BTreeMap<String, BTreeSet<String>>>;

fn graph(tree: &Tree) -> Graph {
    let modules = Modules::program(tree);
    let mut graph = Graph::new();
    for (file, references) in modules.references() {
        for reference in references.iter().filter(|reference| reference.kind != Use::ReExport) {
            let Some(owner) = modules.owner(&reference.name).filter(|owner| owner.path != file.path) else { continue };
            let name = modules.item(&reference.name).to_owned();
            graph.entry(file.path.clone()).or_default().entry(owner.path.clone()).or_default().insert(name);
        }
    }
    graph
}

/// Whom a file reaches along the imports.
fn reached<'a>(graph: &'a Graph, from: &'a str) -> BTreeSet<&'a str> {
    let mut reached = BTreeSet::new();
    let mut open = vec![from];
    while let Some(file) = open.pop() {
        for next in graph.get(file).into_iter().flat_map(BTreeMap::keys) {
            if reached.insert(next.as_str()) {
                open.push(next);
            }
        }
    }
    reached
}

/// The files that are part of a circle, each with whom in that circle it imports from.
fn circles(tree: &Tree) -> BTreeMap<String, String> {
    let graph = graph(tree);
    let reached: BTreeMap<&str, BTreeSet<&str>> =
        graph.keys().map(|file| (file.as_str(), reached(&graph, file))).collect();
    let mut found = BTreeMap::new();
    for (file, imports) in &graph {
        let back = |other: &str| reached.get(other).is_some_and(|reached| reached.contains(file.as_str()));
        let names = |names: &BTreeSet<String>| names.iter().map(String::as_str).collect::<Vec<_>>().join(", ");
        let circle = imports.iter().filter(|(other, _)| back(other));
        let circle: Vec<String> = circle.map(|(other, uses)| format!("{other} ({})", names(uses))).collect();
        if !circle.is_empty() {
            found.insert(file.clone(), format!("is in a circle with {}", circle.join(", ")));
        }
    }
    found
}

#[test]
fn files_do_not_import_in_circles() {
    exceptions::compare(&circles(&Tree::read()), CIRCLES);
}

/// The circles of a room whose `mod.rs` and files these are.
fn planted(files: &[(&str, &str)]) -> Vec<String> {
    let files: Vec<(String, &str)> = files.iter().map(|(name, text)| (format!("src/run/{name}.rs"), *text)).collect();
    let mut all = vec![("src/lib.rs", "pub mod run;")];
    all.extend(files.iter().map(|(path, text)| (path.as_str(), *text)));
    circles(&Tree::planted(&all)).into_keys().map(|path| path.replace("src/run/", "").replace(".rs", "")).collect()
}

#[test]
fn a_circle_is_found_however_the_names_come() {
    let both = ["a", "b"];
    let found = |b: &str| {
        let parent = "mod a; mod b; pub use a::A; pub use b::*;";
        planted(&[("mod", parent), ("a", "use super::B; pub struct A(B);"), ("b", b)])
    };
    assert_eq!(found("use super::a::A; pub struct B;"), both);
    assert_eq!(found("use super::A; pub struct B;"), both);
    assert_eq!(found("use crate::run::A; pub struct B;"), both);
    assert_eq!(found("use crate::run::{self, A as Other}; pub struct B;"), both);
    assert_eq!(found("pub struct B; fn f() { super::A::new() }"), both);
    assert_eq!(found("pub struct B; fn f() { log!(\"{}\", crate::run::a::A); }"), both);
    assert!(
        found("pub struct B; pub struct A; fn f(a: A) {} #[cfg(test)] mod tests { use super::super::A; }").is_empty()
    );
}

#[test]
fn a_circle_of_three_is_found() {
    let files = [
        ("mod", "mod a; mod b; mod c;"),
        ("a", "use super::b::B; pub struct A;"),
        ("b", "use super::c::C; pub struct B;"),
    ];
    let closed = [&files[..], &[("c", "use super::a::A; pub struct C;")]].concat();
    assert_eq!(planted(&closed), ["a", "b", "c"]);
    let open = [&files[..], &[("c", "pub struct C;")]].concat();
    assert!(planted(&open).is_empty());
}

#[test]
fn a_parent_is_in_a_circle_if_it_defines_what_its_child_uses_and_uses_the_child() {
    let child = ("a", "use super::Shared; pub struct A(Shared);");
    assert!(planted(&[("mod", "mod a; pub use a::A; pub struct Shared;"), child]).is_empty());
    let found = planted(&[("mod", "mod a; pub use a::A; pub struct Shared; fn f() { A::new() }"), child]);
    assert_eq!(found, ["a", "mod"]);
    let found = planted(&[("mod", "mod a; pub struct Shared; fn f() { a::A::new() }"), child]);
    assert_eq!(found, ["a", "mod"]);
}
