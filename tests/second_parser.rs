//! Every scenario reads the same in another YAML parser: what people's editors and tools make of a
//! file is what drillyard does.

#[path = "common/scenarios.rs"]
mod scenarios;

use std::path::Path;

use drillyard::scenario::{Node, Style, Value, parse};
use drillyard::source::{ScalarKind, Source};
use serde_yaml::Value as Yaml;

/// A tree of ours as a plain value.
fn plain(node: &Node) -> Yaml {
    match &node.value {
        Value::Seq(items) => Yaml::Sequence(items.iter().map(plain).collect()),
        Value::Map(entries) => {
            Yaml::Mapping(entries.iter().map(|entry| (plain(&entry.key), plain(&entry.value))).collect())
        }
        Value::Scalar { text, style: Style::Plain } => match ScalarKind::of_plain(text) {
            ScalarKind::Null => Yaml::Null,
            ScalarKind::Bool => Yaml::Bool(text.eq_ignore_ascii_case("true")),
            ScalarKind::Integer => text.parse::<i64>().map_or_else(|_| Yaml::String(text.clone()), Yaml::from),
            ScalarKind::Float => text.parse::<f64>().map_or_else(|_| Yaml::String(text.clone()), Yaml::from),
            ScalarKind::Text => Yaml::String(text.clone()),
        },
        Value::Scalar { text, .. } => Yaml::String(text.clone()),
    }
}

#[test]
fn every_scenario_reads_the_same_in_serde_yaml() {
    let project = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut files = vec![project.join("src/cli/new.yaml")];
    files.extend(scenarios::below("scenarios"));
    let shipped = files.len();
    assert!(shipped > 1, "no scenarios are shipped");
    files.extend(scenarios::below("fixtures"));
    let mut compared = 0;
    for (index, file) in files.iter().enumerate() {
        // Those of fixtures/bad that are not even text are none of YAML's business.
        let Ok(text) = std::fs::read_to_string(file) else {
            assert!(index >= shipped, "{} is not text", file.display());
            continue;
        };
        let ours = parse(&Source::new(file.display().to_string(), text.as_str()));
        match ours.root {
            Some(root) if ours.problems.is_empty() => {
                let theirs: Yaml = serde_yaml::from_str(&text).unwrap_or_else(|e| panic!("{}: {e}", file.display()));
                assert_eq!(plain(&root), theirs, "{}", file.display());
                compared += 1;
            }
            _ => assert!(index >= shipped, "{}: {:?}", file.display(), ours.problems),
        }
    }
    assert!(compared > shipped, "{compared} of {}", files.len());
}
