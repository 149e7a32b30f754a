//! Which room may import from which.

use crate::names::{Modules, Use};
use crate::tree::Tree;

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
    &["firedrill"],
    &["board"],
    &["cli"],
];

/// What `ledger` knows: what users did and what a server has of it is compared without either.
const LEDGER_KNOWS: &[&str] = &["pg"];

/// What `report` knows.
const REPORT_KNOWS: &[&str] = &["journal", "pg"];

/// What `notify` knows: what came out, and whom a scenario tells.
const NOTIFY_KNOWS: &[&str] = &["journal", "report", "scenario"];

/// What `history` knows: what came out, and the way to a server that keeps it.
const HISTORY_KNOWS: &[&str] = &["journal", "node", "pg", "report"];
/// What `evidence` knows: what came out, and which kinds of checks there are.
const EVIDENCE_KNOWS: &[&str] = &["harness", "journal", "report", "steps"];

fn rank(room: &str) -> Option<usize> {
    ORDER.iter().position(|rooms| rooms.contains(&room))
}

/// Whether code in `room` may import from `other`.
fn may_know(room: &str, other: &str) -> bool {
    match (room, other) {
        // The crate itself only lists the rooms.
        ("lib", _) => true,
        _ if room == other => true,
        // The server of the tests beside the code, which knows no room.
        (_, "testing") => true,
        ("ledger", other) => LEDGER_KNOWS.contains(&other),
        ("report", other) => REPORT_KNOWS.contains(&other),
        ("notify", other) => NOTIFY_KNOWS.contains(&other),
        ("history", other) => HISTORY_KNOWS.contains(&other),
        ("evidence", other) => EVIDENCE_KNOWS.contains(&other),
        // Those who feed them and choose the formats.
        ("cli", "evidence" | "history" | "report" | "notify") => true,
        _ => rank(room).zip(rank(other)).is_some_and(|(room, other)| other < room),
    }
}

/// The imports that go the wrong way, those of tests beside the code included.
fn wrong_ways(tree: &Tree) -> Vec<String> {
    let mut wrong = vec![];
    for (file, references) in Modules::whole(tree).references() {
        for reference in references {
            let Some(other) = reference.name.first().filter(|other| !may_know(&file.room, other)) else { continue };
            let name = reference.name.join("::");
            wrong.push(format!("{}:{}: {} must not know {other}: {name}", file.path, reference.line, file.room));
        }
    }
    wrong
}

#[test]
fn rooms_import_in_one_direction() {
    let tree = Tree::read();
    for file in tree.files.iter().filter(|file| file.path.starts_with("src/")) {
        let known =
            matches!(file.room.as_str(), "evidence" | "history" | "lib" | "main" | "notify" | "report" | "testing")
                || rank(&file.room).is_some();
        assert!(known, "{}: {} is not in the order of the rooms", file.path, file.room);
    }
    let wrong = wrong_ways(&tree);
    assert!(wrong.is_empty(), "\n{}", wrong.join("\n"));
}

#[test]
fn an_import_in_the_wrong_direction_is_found() {
    let found = |text: &str| {
        let files = [("src/lib.rs", "pub mod node; pub mod cli; pub mod pg;"), ("src/node/mod.rs", text)];
        wrong_ways(&Tree::planted(&files))
    };
    let wrong = ["src/node/mod.rs:1: node must not know cli: cli::run"];
    assert_eq!(found("use crate::cli::run;"), wrong);
    assert_eq!(found("use crate::{pg::Lsn, cli::run};"), wrong);
    assert_eq!(found("use super::cli::run;"), wrong);
    assert_eq!(found("fn f() { crate::cli::run(); }"), wrong);
    assert_eq!(found("fn f() { use crate::cli::run; }"), wrong);
    assert_eq!(found("fn f() { println!(\"{}\", crate::cli::run()); }"), wrong);
    assert_eq!(found("#[cfg(test)] mod tests { use crate::cli::run; }"), wrong);
    assert!(found("use other_crate::cli; use crate::pg::Lsn; fn f() { cli::run(); x.cli.run(); }").is_empty());
    assert!(
        !may_know("pg", "journal")
            && !may_know("ledger", "data")
            && !may_know("ledger", "source")
            && !may_know("report", "steps")
    );
    assert!(may_know("cli", "report") && may_know("steps", "node") && !may_know("run", "report"));
}

#[test]
fn the_reader_of_names_knows_imports_from_code() {
    let tree = Tree::planted(&[
        ("src/lib.rs", "mod run;"),
        ("src/run/mod.rs", "mod drill; pub use drill::Drill; fn f() { Drill::new() }"),
        ("src/run/drill.rs", "pub struct Drill;"),
    ]);
    let modules = Modules::program(&tree);
    let references = modules.references();
    let of = |path: &str| references.iter().find(|(file, _)| file.path == path).map(|(_, all)| all).expect("a file");
    let kinds: Vec<Use> = of("src/run/mod.rs").iter().map(|reference| reference.kind).collect();
    assert_eq!(kinds, [Use::ReExport, Use::Code, Use::Code]);
    let owner = modules.owner(&of("src/run/mod.rs")[0].name).expect("an owner");
    assert_eq!(owner.path, "src/run/drill.rs");
}
