//! docs/reports.md names every field of the reports and of the events, and no others.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use drillyard::journal::{Cause, Ending, Entry, Event, Firedrill, Speaker};
use drillyard::report::FORMATS;
use regex::Regex;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::tables::{column, quoted, section, tables};
use crate::{drillyard, read, said, top};

/// A run in which every event occurs, each with every field that it can have.
pub const EVERY_FIELD: &str = include_str!("every-field.jsonl");

fn reports() -> String {
    read("docs/reports.md")
}

/// The first table under a heading.
fn table(heading: &str) -> Vec<Vec<String>> {
    tables(section(&reports(), heading)).into_iter().next().unwrap_or_else(|| panic!("{heading} has no table"))
}

/// A drill in which every part of a recovery is measured, and work that was lost.
pub const EVERY_PART: &str = r#"{"at":"2026-11-22T14:00:00Z","elapsed_ms":1,"event":"drill_started","drill":0,"name":"a","file":"a.yaml","about":"b","postgres":"17.2","backend":"local","seed":1,"steps":[]}
{"at":"2026-11-22T14:00:00Z","elapsed_ms":2,"event":"step_finished","drill":0,"index":0,"outcome":"passed","started_ms":3,"duration_ms":2,"message":null,"problem":null,"facts":{"restore_ms":4,"restore_bytes":5}}
{"at":"2026-11-22T14:00:00Z","elapsed_ms":3,"event":"budget_judged","drill":0,"budget":{"name":"rpo_time","outcome":"passed","measured_ms":1,"max_ms":2,"measured_lost":null,"max_lost":null,"checked":7,"not_checked":0},"problem":null}"#;

/// A proof.
pub const PROOF: &str = include_str!("../../fixtures/journals/proof.jsonl");

/// The JSON report of these events, and they themselves.
fn written(events: &str) -> (Value, Vec<Value>) {
    let dir = tempfile::tempdir().expect("a directory");
    let entry = |line| serde_json::from_str(line).unwrap_or_else(|e| panic!("{e}: {line}"));
    let entries: Vec<Entry> = events.lines().map(entry).collect();
    let text = |name: &str| {
        let format = FORMATS.iter().find(|format| format.name == name).expect("a format");
        let path = dir.path().join(name);
        let file = std::fs::File::create(&path).expect("a file");
        format.write(&entries, Box::new(file)).expect("it can be written");
        std::fs::read_to_string(&path).expect("it was written")
    };
    let parsed = |text: &str| serde_json::from_str(text).expect("JSON");
    (parsed(&text("json")), text("events").lines().map(parsed).collect())
}

fn keys<'v>(objects: impl IntoIterator<Item = &'v Value>) -> BTreeSet<String> {
    objects.into_iter().flat_map(|object| object.as_object().expect("an object").keys().cloned()).collect()
}

/// The choices of an enum that is written as a word.
fn choices<T: DeserializeOwned>(of: impl Fn(&str) -> String) -> BTreeSet<String> {
    let error = serde_json::from_str::<T>(&of("nothing of the kind")).err().expect("there is no such choice");
    let named = Regex::new("`([a-z_]+)`").expect("a pattern");
    named.captures_iter(&error.to_string()).map(|found| found[1].to_owned()).collect()
}

#[test]
fn every_field_of_the_json_report_is_explained() {
    let (report, _) = written(EVERY_FIELD);
    let drill = &report["drills"][0];
    let list = |name: &str| drill[name].as_array().expect("a list");
    let problem = &drill["steps"][0]["problem"];
    let objects = [
        ("### The run", keys([&report])),
        ("### A drill", keys([drill])),
        ("### A step", keys(list("steps"))),
        ("### A budget", keys(list("budgets"))),
        ("### Traffic", keys(list("traffic"))),
        ("### A problem", keys([problem])),
    ];
    for (heading, keys) in objects {
        let explained = column(&table(heading), 0).iter().map(|name| name.trim_end_matches('?').to_owned()).collect();
        assert_eq!(keys, explained, "{heading}");
    }
    let reports = reports();
    let words = quoted(section(&reports, "### A problem"));
    for key in keys([&problem["places"][0], &problem["notes"][0]]) {
        assert!(words.contains(&key), "`{key}` of a place or a note is not explained");
    }
    assert!(keys([&drill["kept"][0]]).iter().all(|key| quoted(section(&reports, "### A drill")).contains(key)));
}

#[test]
fn every_field_of_a_proof_is_explained() {
    let (report, _) = written(PROOF);
    let drill = report["drills"].as_array().expect("a list").iter().find(|drill| drill["breaks"].is_array());
    let drill = drill.expect("one that was proved");
    let names = |table: &[Vec<String>]| -> BTreeSet<String> {
        column(table, 0).iter().map(|name| name.trim_end_matches('?').to_owned()).collect()
    };
    let proofs = tables(section(&reports(), "## Proofs"));
    for (object, shared, own) in [(&report, "### The run", &proofs[0]), (drill, "### A drill", &proofs[1])] {
        let (keys, known) = (keys([object]), names(&table(shared)));
        assert!(names(own).is_subset(&keys), "{own:?} are in {keys:?}");
        let lacking: Vec<_> = keys.iter().filter(|key| !known.contains(*key) && !names(own).contains(*key)).collect();
        assert!(lacking.is_empty(), "{lacking:?}");
    }
    let words = quoted(section(&reports(), "## Proofs"));
    assert!(keys([&drill["breaks"][0]]).iter().all(|key| words.contains(key)), "{words:?}");
}

#[test]
fn every_cause_is_explained() {
    let explained: BTreeSet<String> = column(&tables(section(&reports(), "### A problem"))[1], 0).into_iter().collect();
    assert_eq!(choices::<Cause>(|word| format!("\"{word}\"")), explained);
}

#[test]
fn every_event_is_explained_with_its_fields() {
    let reports = reports();
    let mut of_all = tables(section(&reports, "## Events"));
    let (every, events) = (of_all.remove(0), of_all.remove(0));
    let common: BTreeSet<String> = column(&every, 0).into_iter().collect();
    let explained: BTreeMap<String, Vec<String>> =
        events.iter().map(|row| (quoted(&row[0]).remove(0), quoted(&row[1]))).collect();
    let known = choices::<Event>(|word| format!("{{\"event\":\"{word}\"}}"));
    assert_eq!(known, explained.keys().cloned().collect());
    let mut seen = BTreeSet::new();
    for event in written(EVERY_FIELD).1 {
        let name = event["event"].as_str().expect("its name").to_owned();
        let fields: BTreeSet<String> = keys([&event]).difference(&common).cloned().collect();
        let lacking: Vec<_> = fields.iter().filter(|field| !explained[&name].contains(field)).collect();
        assert!(lacking.is_empty(), "{lacking:?} of `{name}` are not explained");
        seen.insert(name);
    }
    assert_eq!(seen, known, "every-field.jsonl has every event");
}

#[test]
fn everything_that_happens_in_a_firedrill_is_explained() {
    let reports = reports();
    let events = tables(section(&reports, "## Events")).remove(1);
    let row = events.iter().find(|row| row[0] == "`firedrill`").expect("a row");
    let lacking: Vec<String> = choices::<Firedrill>(|word| format!("{{\"what\":\"{word}\"}}"))
        .into_iter()
        .chain(choices::<Ending>(|word| format!("\"{word}\"")))
        .chain(choices::<Speaker>(|word| format!("\"{word}\"")))
        .filter(|word| !quoted(&row[1]).contains(word))
        .collect();
    assert!(lacking.is_empty(), "{lacking:?}");
}

#[test]
fn every_metric_is_explained() {
    let family = Regex::new(r"(?m)^# TYPE (\w+) gauge$").expect("a pattern");
    let format = FORMATS.iter().find(|format| format.name == "metrics").expect("a format");
    let file = tempfile::NamedTempFile::new().expect("a file");
    let mut written = BTreeSet::new();
    for events in [EVERY_FIELD, EVERY_PART, PROOF] {
        let entries: Vec<Entry> = events.lines().map(|line| serde_json::from_str(line).expect("an event")).collect();
        format.write(&entries, Box::new(file.reopen().expect("the file"))).expect("it can be written");
        let text = std::fs::read_to_string(file.path()).expect("it was written");
        written.extend(family.captures_iter(&text).map(|found| found[1].to_owned()));
        file.as_file().set_len(0).expect("an empty file");
    }
    let explained: BTreeSet<String> = table("## Metrics").iter().flat_map(|row| quoted(&row[0])).collect();
    assert_eq!(written, explained);
}

#[test]
fn every_fact_is_named() {
    fn below(dir: &Path, found: &mut BTreeSet<String>) {
        let fact = Regex::new(r#"\bfact\("([a-z_ ]+)"|facts\.insert\("([a-z_ ]+)"\.to_owned\(\)"#).expect("a pattern");
        for entry in std::fs::read_dir(dir).expect("a folder") {
            let path = entry.expect("an entry").path();
            if path.is_dir() {
                below(&path, found);
            } else {
                let text = std::fs::read_to_string(&path).expect("text");
                found.extend(
                    fact.captures_iter(&text)
                        .filter_map(|names| Some(names.get(1).or_else(|| names.get(2))?.as_str().to_owned())),
                );
            }
        }
    }
    let mut facts = BTreeSet::new();
    below(&top().join("src"), &mut facts);
    let reports = reports();
    let named = quoted(section(&reports, "## Facts"));
    let lacking: Vec<_> = facts.iter().filter(|fact| !named.contains(fact)).collect();
    assert!(facts.len() > 50 && lacking.is_empty(), "docs/reports.md does not name {lacking:?}");
}

#[test]
fn the_exit_codes_are_those_of_the_help() {
    let dir = tempfile::tempdir().expect("a directory");
    let help = said(&drillyard(dir.path(), &["--help"]));
    let codes = help.split("Exit codes:").nth(1).expect("the help lists them");
    let code = Regex::new(r"(?m)^  (\d+(?:, \d+)*)  ").expect("a pattern");
    let of_help: Vec<String> = code.captures_iter(codes).map(|found| found[1].to_owned()).collect();
    let table = |file: &str, heading: &str| -> Vec<String> {
        tables(section(&read(file), heading)).swap_remove(0).into_iter().map(|mut row| row.remove(0)).collect()
    };
    assert_eq!(table("docs/reports.md", "## Exit codes"), of_help);
    assert_eq!(table("README.md", "## In CI"), of_help);
}
