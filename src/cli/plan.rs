//! `drillyard plan`
#![expect(clippy::print_stdout, reason = "printing is what this room is for")]

use super::args::PlanArgs;
use super::{Result, Stop, files};
use crate::journal::{ExitCode, Redactor};
use crate::plan::{LossOf, Plan};

/// Shows what would happen.
pub fn plan(args: PlanArgs) -> Result<ExitCode> {
    let files = files::find(std::slice::from_ref(&args.path))?;
    if files.len() > 1 {
        return Err(Stop::usage(format!("`{}` is {} scenarios, and a plan is of one", args.path, files.len())));
    }
    if files.is_empty() {
        return Err(files::nothing_selected(0));
    }
    let mut loaded = files::load(&files, &args.set);
    files::check_set(&args.set, &loaded)?;
    let Some(one) = loaded.pop() else { return Err(Stop::usage("no scenario")) };
    let plan = one.plan.map_err(|problems| Stop { problems, code: ExitCode::InvalidScenario })?;
    super::print_all(&Redactor::of(plan.secrets.clone()).text(&shown(&plan)));
    if !plan.judges() {
        println!("\nThis drill checks nothing: it will fail.");
    }
    Ok(ExitCode::Passed)
}

fn shown(plan: &Plan) -> String {
    let mut text = format!("{}  ({})\n", plan.name, plan.source.file());
    if !plan.about.is_empty() {
        text.push_str(&format!("  {}\n", plan.about.replace('\n', "\n  ")));
    }
    text.push_str("\nneeds\n");
    let versions: Vec<String> = plan.postgres.iter().map(ToString::to_string).collect();
    let versions = if versions.is_empty() {
        "the newest at hand".to_owned()
    } else {
        format!("{}, each its own run", versions.join(", "))
    };
    text.push_str(&format!("  PostgreSQL {versions}; at most {} in all\n", humantime::format_duration(plan.timeout)));
    for (name, spec) in &plan.nodes {
        let mut about = vec![];
        if let Some(up) = &spec.follows {
            about.push(format!("follows {up}"));
        }
        if let Some(repo) = &spec.archive_to {
            about.push(format!("archives to {repo}"));
        }
        if spec.external.is_some() {
            about.push("external: only read from".to_owned());
        }
        about.extend(spec.settings.iter().map(|(name, value)| format!("{name} = {value}")));
        text.push_str(format!("  node {name}  {}\n", about.join(", ")).trim_end());
        text.push('\n');
    }
    for name in &plan.made {
        let maker = plan.steps.iter().find(|step| step.makes.as_ref() == Some(name));
        let maker = maker.map(|step| format!("made by step {}", step.head.index)).unwrap_or_default();
        text.push_str(&format!("  node {name}  {maker}\n"));
    }
    for (name, repo) in &plan.repos {
        let about = repo.copy_of.as_ref().map(|original| format!("  a copy of {original}")).unwrap_or_default();
        text.push_str(&format!("  repo {name}{about}\n"));
    }
    for finally in [false, true] {
        let mut steps = plan.steps.iter().filter(|step| step.finally == finally).peekable();
        if steps.peek().is_some() {
            text.push_str(if finally { "\nfinally\n" } else { "\nsteps\n" });
        }
        for step in steps {
            let indent = if step.group.is_some() { "    " } else { "  " };
            let id = step.head.id.as_ref().map(|id| format!("[{id}] ")).unwrap_or_default();
            let deadline = humantime::format_duration(step.deadline);
            text.push_str(&format!(
                "{indent}{:>2}  {id}{} ({}, line {}, within {deadline}",
                step.head.index, step.head.name, step.head.kind, step.head.line
            ));
            if let Some(fails) = &step.fails {
                text.push_str(&format!(", must fail with /{}/", fails.value));
            }
            if let Some(when) = &step.when {
                text.push_str(&format!(", only on PostgreSQL {when}"));
            }
            text.push_str(")\n");
            if !step.refers.is_empty() {
                let mut refers: Vec<String> = step.refers.iter().map(ToString::to_string).collect();
                refers.dedup();
                text.push_str(&format!("{indent}      refers to {}\n", refers.join(", ")));
            }
        }
    }
    if plan.rto.is_some() || plan.rpo.is_some() {
        text.push_str("\nbudgets\n");
    }
    if let Some(rto) = &plan.rto {
        let step = |index: usize| plan.steps[index].head.id.clone().unwrap_or_default();
        let max = humantime::format_duration(rto.max);
        text.push_str(&format!("  rto  from {} to {}: at most {max}\n", step(rto.from), step(rto.to)));
    }
    if let Some(rpo) = &plan.rpo {
        let lost = rpo.max_lost.map(|lost| format!("{lost} lost"));
        let time = rpo.max_time.map(|time| format!("{} of work", humantime::format_duration(time)));
        let most: Vec<String> = lost.into_iter().chain(time).collect();
        let of = if rpo.of == LossOf::Checked { ", of what can be checked" } else { "" };
        text.push_str(&format!("  rpo  of {}: at most {}{of}\n", rpo.traffic, most.join(", ")));
    }
    text
}
