//! `drillyard list`

use super::args::ListArgs;
use super::out::print_all;
use super::stop::Result;
use super::{files, shipped};
use crate::host::as_word;
use crate::journal::{ExitCode, Redactor};
use crate::scenario::{Values, load};
use crate::source::Source;

/// Lists drills.
pub fn list(args: ListArgs) -> Result<ExitCode> {
    if args.shipped {
        return shipped_drills(&args);
    }
    let loaded = files::load(
        &files::find(&args.selection.paths)?,
        files::Reading { set: &args.selection.set, ..Default::default() },
    );
    let mut text = String::new();
    let mut invalid = false;
    for one in &loaded {
        match &one.plan {
            Ok(plan) if files::selected(plan, &args.selection) => {
                let needs = plan.needs().map(|needs| format!("    needs {needs}\n")).unwrap_or_default();
                let entry = entry(&plan.name, &plan.tags, &plan.postgres, plan.source.file(), &plan.about) + &needs;
                text.push_str(&Redactor::of(plan.secrets.clone()).text(&entry));
            }
            Ok(_) => {}
            Err(problems) => {
                invalid = true;
                let errors = super::check::count_of_errors(problems.len());
                let path = one.path.to_string_lossy();
                text.push_str(&format!("{path}\n    {errors}: drillyard check {}\n", as_word(&path)));
            }
        }
    }
    if text.is_empty() {
        return Err(files::nothing_selected(loaded.len()));
    }
    print_all(&text);
    Ok(if invalid { ExitCode::InvalidScenario } else { ExitCode::Passed })
}

/// A drill in the list.
fn entry(name: &str, tags: &[String], versions: &[u32], file: &str, about: &str) -> String {
    let tags = if tags.is_empty() { String::new() } else { format!("  [{}]", tags.join(", ")) };
    let versions: Vec<String> = versions.iter().map(ToString::to_string).collect();
    let versions = if versions.is_empty() { String::new() } else { format!("  PostgreSQL {}", versions.join(", ")) };
    let mut text = format!("{name}{tags}{versions}\n    {file}\n");
    for line in about.lines() {
        text.push_str(&format!("    {}\n", line.trim()));
    }
    text
}

/// Lists the drills that are in the program. Their names are those of their files, by which
/// `new --from` knows them.
fn shipped_drills(args: &ListArgs) -> Result<ExitCode> {
    let mut text = String::new();
    let all = shipped::all();
    for one in &all {
        let source = Source::new(one.path.to_string_lossy(), one.text);
        let Ok(scenario) = load(source, Values::none(), &[]) else { continue };
        if files::is_selected(one.name(), &scenario.tags, &args.selection) {
            let versions: Vec<u32> =
                scenario.postgres.iter().flat_map(|list| &list.value).map(|one| one.value).collect();
            text.push_str(&entry(one.name(), &scenario.tags, &versions, &one.path.to_string_lossy(), &scenario.about));
        }
    }
    if text.is_empty() {
        return Err(files::nothing_selected(all.len()));
    }
    print_all(&text);
    Ok(ExitCode::Passed)
}
