//! `drillyard list`

use super::args::ListArgs;
use super::files;
use super::out::print_all;
use super::stop::Result;
use crate::journal::{ExitCode, Redactor};

/// Lists drills.
pub fn list(args: ListArgs) -> Result<ExitCode> {
    let loaded = files::load(&files::find(&args.selection.paths)?, &args.selection.set);
    let mut text = String::new();
    let mut invalid = false;
    for one in &loaded {
        match &one.plan {
            Ok(plan) if files::selected(plan, &args.selection) => {
                let tags = if plan.tags.is_empty() { String::new() } else { format!("  [{}]", plan.tags.join(", ")) };
                let versions: Vec<String> = plan.postgres.iter().map(ToString::to_string).collect();
                let versions =
                    if versions.is_empty() { String::new() } else { format!("  PostgreSQL {}", versions.join(", ")) };
                let mut told = format!("{}{tags}{versions}\n    {}\n", plan.name, plan.source.file());
                for line in plan.about.lines() {
                    told.push_str(&format!("    {}\n", line.trim()));
                }
                text.push_str(&Redactor::of(plan.secrets.clone()).text(&told));
            }
            Ok(_) => {}
            Err(problems) => {
                invalid = true;
                let errors = super::check::count_of_errors(problems.len());
                text.push_str(&format!("{}\n    {errors}: drillyard check {0}\n", one.path.display()));
            }
        }
    }
    if text.is_empty() {
        return Err(files::nothing_selected(loaded.len()));
    }
    print_all(&text);
    Ok(if invalid { ExitCode::InvalidScenario } else { ExitCode::Passed })
}
