//! `drillyard explain`

use schemars::SchemaGenerator;

use super::out::print_all;
use super::stop::{Result, Stop};
use crate::harness::{Kind, manual, summary};
use crate::journal::ExitCode;
use crate::scenario::{NOT_BUILT, today};
use crate::source::{WORD, did_you_mean};
use crate::steps::{self, KINDS};

/// Prints a step's manual page, or all of them in a line each.
pub fn explain(step: Option<&str>) -> Result<ExitCode> {
    let Some(name) = step else {
        print_all(&all());
        return Ok(ExitCode::Passed);
    };
    if let Some(kind) = steps::find(name) {
        print_all(&page(kind));
        return Ok(ExitCode::Passed);
    }
    if NOT_BUILT.contains(&name) {
        let stop = Stop::usage(format!("`{name}` is in the language, and not built yet in this version"));
        return Err(match today(name) {
            Some(help) => stop.help(help),
            None => stop,
        });
    }
    let stop = Stop::usage(format!("there is no step `{name}`"));
    Err(match did_you_mean(name, KINDS.iter().map(|kind| kind.name)) {
        Some(near) => stop.help(format!("did you mean `{near}`?")),
        None => stop.help("`drillyard explain` lists them"),
    })
}

fn all() -> String {
    let width = KINDS.iter().map(|kind| kind.name.len()).max().unwrap_or_default();
    let lines = KINDS.iter().map(|kind| format!("{:width$}  {}\n", kind.name, summary(kind)));
    let mut text: String = lines.collect();
    text.push_str(&format!("\nin the language and not built yet: {}\n", NOT_BUILT.join(", ")));
    text
}

fn page(kind: &Kind) -> String {
    let mut text = format!("{}\n\n{}\n", kind.name, manual(kind));
    let schema = (kind.schema)(&mut SchemaGenerator::default());
    let Some(fields) = schema.get("properties").and_then(|properties| properties.as_object()) else { return text };
    let required: Vec<&str> = schema
        .get("required")
        .and_then(|list| list.as_array())
        .into_iter()
        .flatten()
        .filter_map(|name| name.as_str())
        .collect();
    let rows: Vec<(String, String)> = fields
        .iter()
        .filter(|(name, _)| *name != WORD)
        .map(|(name, field)| {
            let name = if required.contains(&name.as_str()) { name.clone() } else { format!("{name}?") };
            let about = field.get("description").and_then(|text| text.as_str()).unwrap_or_default();
            (name, about.split("\n\n").next().unwrap_or_default().replace('\n', " "))
        })
        .collect();
    if rows.is_empty() {
        return text;
    }
    let width = rows.iter().map(|(name, _)| name.len()).max().unwrap_or_default();
    text.push_str("\nFields (? may be left out):\n");
    for (name, about) in rows {
        text.push_str(&format!("  {name:width$}  {about}\n"));
    }
    let seconds = humantime::format_duration(kind.deadline);
    text.push_str(&format!("\nDeadline where `within` does not say: {seconds}\n"));
    text
}
