//! docs/evidence.md names every field of a statement, and no others.

use std::collections::BTreeSet;

use drillyard::evidence::{Ci, Circumstances, Link, Position, Selected, Statement, Trigger, Unsigned, statement};
use drillyard::journal::Entry;
use drillyard::report::RunRecord;
use serde_json::Value;

use crate::read;
use crate::reports::{EVERY_FIELD, EVERY_PART, PROOF};
use crate::tables::{quoted, section, tables};

/// A statement of a run in which everything occurs.
fn everything() -> Value {
    let mut record = RunRecord::default();
    let check = r#"{"at":"2026-11-22T14:00:00Z","elapsed_ms":1,"event":"drill_started","drill":0,"name":"a","file":"a.yaml","about":"b","postgres":"17.2","backend":"local","seed":1,"steps":[{"index":0,"id":"users","kind":"assert_rows","name":"rows","line":3,"recovers":true}]}"#;
    for line in EVERY_FIELD.lines().chain(PROOF.lines()).chain(EVERY_PART.lines().skip(1)).chain([check]) {
        let entry: Entry = serde_json::from_str(line).expect("an event");
        record.hear(&entry);
    }
    let selected = vec![
        Selected {
            name: "a".to_owned(),
            file: "a.yaml".to_owned(),
            sha256: Some("0".repeat(64)),
            fragments: [("lib.yaml".to_owned(), "1".repeat(64))].into(),
        },
        Selected { name: "z".to_owned(), file: "z.yaml".to_owned(), sha256: None, fragments: Default::default() },
    ];
    let ci = Some(Ci { name: "systemd".to_owned(), variables: [("A".to_owned(), "b".to_owned())].into() });
    let trigger = Trigger { ci, ..Trigger::default() };
    let recording = Some(("0".repeat(64), 12));
    let circumstances = Circumstances { trigger, selected, recording, why: vec!["no Docker".to_owned()] };
    let missing = Some(Link { number: 3, digest: "0".repeat(64) });
    let unsigned = vec![Unsigned { started: jiff::Timestamp::UNIX_EPOCH, files: vec!["a.yaml".to_owned()] }];
    let position = Position { number: 2, previous: Some("0".repeat(64)), missing, unsigned };
    serde_json::to_value(statement(&record, &circumstances, position)).expect("JSON")
}

#[test]
fn every_field_of_a_statement_is_explained() {
    let document = read("docs/evidence.md");
    let told = everything();
    let said = &told["predicate"];
    let drill = &said["drills"][0];
    let objects = [
        ("### The statement", &told),
        ("### The predicate", said),
        ("### The run", &said["run"]),
        ("### The trigger", &said["trigger"]),
        ("### A drill", drill),
        ("### A recovery", &drill["recoveries"][0]),
        ("### An objective", &drill["objectives"][0]),
        ("### A check", &drill["checks"][0]),
    ];
    for (heading, object) in objects {
        let written: BTreeSet<String> = object.as_object().expect("an object").keys().cloned().collect();
        let rows = tables(section(&document, heading)).swap_remove(0);
        let explained: BTreeSet<String> = rows.iter().flat_map(|row| quoted(&row[0])).collect();
        assert_eq!(written, explained, "{heading}");
    }
    let within = [
        ("### The statement", &told["subject"][0]),
        ("### The predicate", &said["missing"]),
        ("### The predicate", &said["unsigned"][0]),
        ("### The predicate", &said["tools"][0]),
        ("### The predicate", &said["not_tested"][0]),
        ("### The trigger", &said["trigger"]["ci"]),
        ("### A recovery", &drill["recoveries"][0]["attained"]),
    ];
    let proof = said["drills"].as_array().expect("a list").iter().find(|drill| drill["proof"].is_object());
    for (heading, object) in within.into_iter().chain(proof.map(|drill| ("### A drill", &drill["proof"]))) {
        let words = quoted(section(&document, heading));
        for key in object.as_object().unwrap_or_else(|| panic!("{heading} has one: {object}")).keys() {
            assert!(words.contains(key), "`{key}` is not explained under {heading}");
        }
    }
    assert!(proof.is_some());
    let again: Statement = serde_json::from_value(told).expect("what was written can be read");
    assert!(again.is_known());
}
