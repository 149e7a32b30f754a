//! A plan as people read it: what a drill needs, its steps, its budgets, and the ways in which a
//! proof breaks it.

use std::fmt::Write;

use crate::journal::{NodeOutline, PlanOutline, RpoOutline, StepOutline};

use super::text::{duration, one_line, thousands, visible};

/// The plan as text.
pub(super) fn text(plan: &PlanOutline) -> String {
    let mut text = format!("{}  ({})\n", one_line(&plan.name), one_line(&plan.file));
    if !plan.about.is_empty() {
        let _ = writeln!(text, "  {}", visible(&plan.about).replace('\n', "\n  "));
    }
    text.push_str("\nneeds\n");
    needs(&mut text, plan);
    for finally in [false, true] {
        let mut steps = plan.steps.iter().filter(|step| step.finally == finally).peekable();
        if steps.peek().is_some() {
            text.push_str(if finally { "\nfinally\n" } else { "\nsteps\n" });
        }
        steps.for_each(|one| step(&mut text, one));
    }
    if plan.rto.is_some() || plan.rpo.is_some() {
        text.push_str("\nbudgets\n");
    }
    if let Some(rto) = &plan.rto {
        let (from, to) = (one_line(&rto.from), one_line(&rto.to));
        let last = rto.of_last.as_ref().map(|ratio| format!(", and {ratio} times what the last passes took"));
        let most = duration(rto.max_ms);
        let _ = writeln!(text, "  rto  from {from} to {to}: at most {most}{}", last.unwrap_or_default());
    }
    if let Some(rpo) = &plan.rpo {
        loss(&mut text, rpo);
    }
    if !plan.breaks.is_empty() {
        text.push_str("\nbreaks, for `drillyard prove`\n");
    }
    for one in &plan.breaks {
        let ignored = one.ignored.as_ref().map(|because| format!("  (ignored: {})", one_line(because)));
        let _ = writeln!(text, "  {}{}", one_line(&one.name), ignored.unwrap_or_default());
    }
    if !plan.checks {
        text.push_str("\nThis drill checks nothing: it will fail.\n");
    }
    text
}

fn needs(text: &mut String, plan: &PlanOutline) {
    let versions: Vec<String> = plan.postgres.iter().map(ToString::to_string).collect();
    let versions = match versions.is_empty() {
        true => "the newest installed version".to_owned(),
        false => format!("{}, each in a run of its own", versions.join(", ")),
    };
    // A String takes every write.
    let _ = writeln!(text, "  PostgreSQL {versions}; at most {} in all", duration(plan.timeout_ms));
    for node in &plan.nodes {
        let line = format!("  node {}  {}", one_line(&node.name), about(node));
        let _ = writeln!(text, "{}", line.trim_end());
    }
    for (repo, copy_of) in &plan.repos {
        let about = copy_of.as_ref().map(|original| format!("  a copy of {}", one_line(original))).unwrap_or_default();
        let _ = writeln!(text, "  repo {}{about}", one_line(repo));
    }
}

fn about(node: &NodeOutline) -> String {
    let made = node.made_by.map(|step| format!("made by step {step}"));
    let follows = node.follows.as_ref().map(|up| format!("follows {up}"));
    let archives = node.archive_to.as_ref().map(|repo| format!("archives to {repo}"));
    let external = node.external.then(|| "external: only read from".to_owned());
    let settings = node.settings.iter().map(|(name, value)| format!("{name} = {value}"));
    let all: Vec<String> = [made, follows, archives, external].into_iter().flatten().chain(settings).collect();
    one_line(&all.join(", "))
}

fn step(text: &mut String, step: &StepOutline) {
    let head = &step.head;
    let indent = if head.group.is_some() { "    " } else { "  " };
    let id = head.id.as_ref().map(|id| format!("[{}] ", one_line(id))).unwrap_or_default();
    let (name, deadline) = (one_line(&head.name), duration(step.within_ms));
    let _ = write!(text, "{indent}{:>2}  {id}{name} ({}, line {}, within {deadline}", head.index, head.kind, head.line);
    if let Some(fails) = &step.fails {
        let _ = write!(text, ", must fail with /{}/", one_line(fails));
    }
    if let Some(when) = &step.when {
        let _ = write!(text, ", only on PostgreSQL {when}");
    }
    text.push_str(")\n");
    if !step.refers.is_empty() {
        let _ = writeln!(text, "{indent}      refers to {}", one_line(&step.refers.join(", ")));
    }
}

fn loss(text: &mut String, rpo: &RpoOutline) {
    let lost = rpo.max_lost.map(|lost| format!("{} transactions lost", thousands(lost)));
    let time = rpo.max_time_ms.map(|time| format!("{} of work", duration(time)));
    let most: Vec<String> = lost.into_iter().chain(time).collect();
    let of = if rpo.only_checked { ", of those that can be checked" } else { "" };
    let _ = writeln!(text, "  rpo  of {}: at most {}{of}", one_line(&rpo.traffic), most.join(", "));
}
