//! The JSON Schema, asked by a validator: every scenario that is right is valid, and of those that
//! are wrong each whose fault a schema can express is not.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;

use drillyard::scenario::schema;
use drillyard::steps::KINDS;
use serde_json::Value;

use super::top;

/// The files that a schema refuses, of these, by their stems; those that are no YAML aside.
fn refused(files: &[PathBuf]) -> BTreeSet<String> {
    let dir = tempfile::tempdir().expect("a directory");
    let schema_file = dir.path().join("schema.json");
    std::fs::write(&schema_file, schema().to_string()).expect("written");
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("linters/bin/check-jsonschema");
    assert!(program.exists(), "there is no {}: ci/test brings it", program.display());
    let mut command = Command::new(program);
    command.args(["--output-format", "json", "--schemafile"]).arg(&schema_file).args(files);
    let output = command.output().expect("it runs");
    let said = String::from_utf8_lossy(&output.stdout);
    let answer: Value = serde_json::from_str(&said).unwrap_or_else(|e| panic!("{e}: {said}"));
    let errors = answer["errors"].as_array().cloned().unwrap_or_default();
    let name = |error: &Value| Some(Path::new(error["filename"].as_str()?).file_stem()?.to_string_lossy().into_owned());
    errors.iter().filter_map(name).collect()
}

/// The scenarios below a folder.
fn scenarios(folder: &str) -> Vec<PathBuf> {
    let mut folders = vec![top().join(folder)];
    let mut files = vec![];
    while let Some(folder) = folders.pop() {
        for entry in std::fs::read_dir(&folder).expect("a folder").map(|entry| entry.expect("an entry").path()) {
            if entry.is_dir() {
                folders.push(entry);
            } else if entry.extension().is_some_and(|extension| extension == "yaml") {
                files.push(entry);
            }
        }
    }
    files.sort();
    files
}

#[test]
fn what_is_right_is_valid_and_what_is_wrong_is_not() {
    let is_drill = |file: &PathBuf| std::fs::read_to_string(file).is_ok_and(|text| text.contains("\nsteps:"));
    let right: Vec<PathBuf> =
        ["scenarios", "tests/verdicts"].map(scenarios).concat().into_iter().filter(is_drill).collect();
    assert!(right.len() > 50, "{}", right.len());
    assert_eq!(refused(&right), BTreeSet::new());
    let wrong = refused(&scenarios("fixtures/bad"));
    insta::assert_snapshot!("refused", wrong.into_iter().collect::<Vec<_>>().join("\n"));
}

/// Steps of `schema-forms.yaml` that others refer to, and that are right.
const RIGHT: [&str; 2] = ["backup", "mark"];

#[test]
fn fields_that_do_not_go_together_are_refused_line_by_line() {
    let text = std::fs::read_to_string(top().join("fixtures/bad/schema-forms.yaml")).expect("a file");
    let (head, steps) = text.split_once("steps:\n").expect("it has steps");
    let dir = tempfile::tempdir().expect("a directory");
    let mut files = vec![];
    for (number, step) in steps.lines().enumerate() {
        let file = dir.path().join(format!("{number}.yaml"));
        std::fs::write(&file, format!("{head}steps:\n{step}\n")).expect("written");
        files.push(file);
    }
    let refused = refused(&files);
    let right = |step: &str| RIGHT.iter().any(|key| step.starts_with(&format!("  - {{ id: {key}, ")));
    let wrong: Vec<&str> = steps
        .lines()
        .enumerate()
        .filter(|(number, step)| refused.contains(&number.to_string()) == right(step))
        .map(|(_, step)| step)
        .collect();
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[test]
fn every_key_has_a_hover_text_and_every_step_a_skeleton() {
    fn walk(value: &Value, path: &str, lacking: &mut Vec<String>) {
        let fields = value["properties"].as_object().filter(|_| value["type"] == "object");
        if let Some(fields) = fields {
            for (name, field) in fields {
                if !field["description"].is_string() || field["markdownDescription"] != field["description"] {
                    lacking.push(format!("{path}/{name}"));
                }
            }
        }
        match value {
            Value::Object(object) => {
                object.iter().for_each(|(name, below)| walk(below, &format!("{path}/{name}"), lacking));
            }
            Value::Array(items) => items.iter().for_each(|below| walk(below, path, lacking)),
            _ => {}
        }
    }
    let schema = schema();
    let mut lacking = vec![];
    walk(&schema, "", &mut lacking);
    assert!(lacking.is_empty(), "{lacking:?}");
    let snippets = schema["$defs"]["Step"]["defaultSnippets"].as_array().cloned().unwrap_or_default();
    let labels: Vec<&str> = snippets.iter().filter_map(|one| one["label"].as_str()).collect();
    assert_eq!(labels, KINDS.iter().map(|kind| kind.name).collect::<Vec<_>>());
    let settings = &schema["$defs"]["Settings"]["properties"];
    assert_eq!(settings["transaction_timeout"]["description"], "PostgreSQL 17 to 18");
}
