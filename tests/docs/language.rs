//! docs/language.md names every key, step and field that the program knows, and no others.

use std::path::Path;

use drillyard::harness::MarkFact;
use drillyard::scenario::{COMMON_KEYS, FILE_KEYS, schema};
use drillyard::steps::{KINDS, find};
use schemars::SchemaGenerator;
use serde_json::Value;

use crate::tables::{column, quoted, section, tables};
use crate::{read, top};

/// The headings of the tables of steps, and the folder of each.
const WARDS: [(&str, &str); 5] = [
    ("### Data and load", "data"),
    ("### Incidents", "incident"),
    ("### Protection", "protection"),
    ("### Recovery", "recovery"),
    ("### Checks", "judgement"),
];

fn language() -> String {
    read("docs/language.md")
}

/// The first table under a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    tables(section(&language(), heading)).into_iter().next().unwrap_or_else(|| panic!("{heading} has no table"))
}

/// The fields of an object of the schema, `a`, `b?`, in its own order.
fn fields(object: &Value) -> Vec<String> {
    let required: Vec<&str> =
        object["required"].as_array().into_iter().flatten().filter_map(|name| name.as_str()).collect();
    let names = object["properties"].as_object().into_iter().flatten().map(|(name, _)| name.as_str());
    names
        .filter(|name| !name.starts_with('$'))
        .map(|name| if required.contains(&name) { name.to_owned() } else { format!("{name}?") })
        .collect()
}

/// The names alone.
fn names(object: &Value) -> Vec<String> {
    fields(object).iter().map(|name| name.trim_end_matches('?').to_owned()).collect()
}

fn sorted(mut names: Vec<String>) -> Vec<String> {
    names.sort();
    names
}

#[test]
fn every_key_of_a_file_is_explained() {
    let schema = schema();
    let defs = &schema["$defs"];
    assert_eq!(column(&table("## Keys of the file"), 0), FILE_KEYS);
    assert_eq!(sorted(column(&table("### nodes"), 0)), sorted(names(&defs["NodeFields"])));
    assert_eq!(sorted(column(&table("### repos"), 0)), sorted(names(&defs["RepoFields"])));
    let budgets = table("### budgets");
    assert_eq!(column(&budgets, 0), names(&defs["Budgets"]));
    let of_budgets = [names(&defs["Rto"]), names(&defs["Rpo"])].concat();
    assert_eq!(column(&budgets, 1), of_budgets);
    let language = language();
    let prove = section(&language, "### prove");
    for name in names(&defs["Prove"]).into_iter().chain(names(&defs["Ignore"])) {
        assert!(prove.contains(&name), "`{name}` is not under ### prove");
    }
}

#[test]
fn every_key_of_a_step_is_explained() {
    let schema = schema();
    let defs = &schema["$defs"];
    assert_eq!(column(&table("## Steps"), 0), COMMON_KEYS);
    let language = language();
    let of = |heading: &str, at: usize| tables(section(&language, heading)).swap_remove(at);
    assert_eq!(column(&of("### Data and load", 1), 0), names(&defs["Transaction"]));
    let ledger = fields(&defs["Ledger"]).join(", ");
    assert!(section(&language, "### Data and load").contains(&format!("`{{ {ledger} }}`")), "{ledger}");
    let until = column(&of("### Recovery", 1), 0).join(" ");
    for name in names(&defs["UntilSpec"]) {
        assert!(until.contains(&format!("{name}:")), "`{name}` of `until` is not explained");
    }
}

#[test]
fn every_step_is_in_its_wards_table_with_its_fields_and_its_deadline() {
    let language = language();
    let mut told = vec![];
    for (heading, ward) in WARDS {
        for row in tables(section(&language, heading)).swap_remove(0) {
            let name = quoted(&row[0]).remove(0);
            let page = format!("src/steps/{ward}/{name}.rs");
            assert!(row[0].contains(&format!("](../{page})")), "{heading}: `{name}` does not lead to {page}");
            assert!(top().join(&page).is_file(), "there is no {page}");
            told.push((name, row));
        }
    }
    assert_eq!(
        sorted(told.iter().map(|(name, _)| name.clone()).collect()),
        sorted(KINDS.iter().map(|kind| kind.name.to_owned()).collect())
    );
    for kind in KINDS {
        let (_, row) = told.iter().find(|(name, _)| name == kind.name).expect("it is there");
        assert_eq!(row[0].contains("**M**"), kind.is_mark(), "{}: is it a mark?", kind.name);
        let object = Value::from((kind.schema)(&mut SchemaGenerator::default()));
        if object.get("properties").is_some_and(|fields| fields.as_object().is_some_and(|fields| !fields.is_empty())) {
            assert_eq!(sorted(quoted(&row[1])), sorted(fields(&object)), "the fields of `{}`", kind.name);
        }
        let deadline = humantime::parse_duration(&row[3]).expect("a duration");
        assert_eq!(deadline, kind.deadline, "the deadline of `{}`", kind.name);
    }
}

#[test]
fn the_index_leads_to_every_drill_that_ships() {
    fn below(dir: &Path, found: &mut Vec<String>) {
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            match path.is_dir() {
                // Fragments are no drills.
                true if path.ends_with("scenarios/lib") => {}
                true => below(&path, found),
                false => found.extend(path.file_stem().map(|stem| stem.to_string_lossy().into_owned())),
            }
        }
    }
    let mut drills = vec![];
    below(&top().join("scenarios"), &mut drills);
    let language = language();
    let index = section(&language, "## I want to ...");
    let named = |drill: &str| index.contains(&format!("[{drill}](../scenarios/"));
    // Its counterpart, which does the same the wrong way, has a longer name.
    let is_counterpart = |drill: &str| {
        let others = drills.iter().filter(|other| named(other));
        others.into_iter().any(|other| drill.strip_prefix(other.as_str()).is_some_and(|rest| rest.starts_with('-')))
    };
    let lacking: Vec<_> = drills.iter().filter(|drill| !named(drill) && !is_counterpart(drill)).collect();
    assert!(drills.len() > 40 && lacking.is_empty(), "docs/language.md does not lead to {lacking:?}");
}

#[test]
fn every_kind_that_changes_something_is_a_mark() {
    let none = KINDS.iter().filter(|kind| !kind.is_mark() && !kind.name.starts_with("assert_"));
    let none = none.map(|kind| kind.name.to_owned()).collect();
    assert_eq!(sorted(none), ["all", "dump", "snapshot", "team", "use", "wait_for"]);
    for kind in KINDS {
        assert_eq!(kind.why_no_mark().is_some(), !kind.is_mark(), "{}: why is it no mark?", kind.name);
    }
}

#[test]
fn a_mark_leaves_what_its_kind_knows_and_nothing_else() {
    let kind = |name: &str| find(name).expect("a kind");
    let of_mark = |name: &str| {
        MarkFact::ALL.map(MarkFact::name).into_iter().filter(|fact| kind(name).leaves(fact)).collect::<Vec<_>>()
    };
    for name in ["backup", "mark", "drop_database", "create_data", "fill_disk", "reimport", "rebuild", "promote"] {
        assert_eq!(of_mark(name), ["before", "lsn", "timeline", "at"], "{name}");
    }
    for name in ["sql", "drop_table", "find_in_wal"] {
        assert_eq!(of_mark(name), ["before", "lsn", "timeline", "at", "xid"], "{name}");
    }
    // Where it stopped, and at whose commit.
    assert_eq!(of_mark("recover"), ["lsn", "timeline", "at", "xid"]);
    assert!(of_mark("snapshot").is_empty() && of_mark("assert_rows").is_empty());
    // Each once.
    assert_eq!(kind("promote").facts(), ["timeline", "lsn", "before", "at"]);
}
