//! A plan as people read it: what a drill needs, its steps, its budgets, and the ways in which a
//! proof breaks it.

use std::fmt::Write;
use std::path::Path;

use crate::journal::{NodeOutline, PeopleOutline, PlanOutline, RpoOutline, StepHead, StepOutline};

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
        let mut before = None;
        for one in steps {
            let fragment = one.head.fragment.as_ref();
            if let Some(fragment) = fragment.filter(|_| fragment != before) {
                let _ = writeln!(text, "  -- {}, {}", one_line(&fragment.file), one_line(&fragment.to_string()));
            }
            before = fragment;
            step(&mut text, one);
        }
    }
    if let Some(people) = &plan.people {
        peoples_part(&mut text, people);
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
    let release = (!node.releases.is_empty()).then(|| format!("PostgreSQL {}", node.releases.join(", ")));
    let all: Vec<String> = [made, release, follows, archives, external].into_iter().flatten().chain(settings).collect();
    one_line(&all.join(", "))
}

fn step(text: &mut String, step: &StepOutline) {
    let head = &step.head;
    let depth = usize::from(head.group.is_some()) + usize::from(head.team.is_some());
    let indent = "  ".repeat(1 + depth);
    let id = head.id.as_ref().map(|id| format!("[{}] ", one_line(id))).unwrap_or_default();
    let name = one_line(&head.name);
    let deadline = step.within.as_ref().map_or_else(|| duration(step.within_ms), |within| one_line(within));
    let part = step.part.as_ref().map(|part| format!("{part}: ")).unwrap_or_default();
    let _ = write!(
        text,
        "{indent}{:>2}  {part}{id}{name} ({}, {}, within {deadline}",
        head.index,
        head.kind,
        one_line(&place(head))
    );
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

/// Where a step stands: its line, behind the name of a fragment whose folder is told before.
fn place(head: &StepHead) -> String {
    let name = |file: &str| Path::new(file).file_name().map(|name| name.to_string_lossy().into_owned());
    match head.fragment.as_ref().and_then(|fragment| name(&fragment.file)) {
        Some(name) => format!("{name}:{}", head.line),
        None => head.place(),
    }
}

/// What people do in a firedrill, and what comes in between.
fn peoples_part(text: &mut String, people: &PeopleOutline) {
    text.push_str("\npeople, in `drillyard firedrill`\n");
    let mut line = |name: &str, about: String| {
        let about = about.lines().collect::<Vec<_>>().join("\n            ");
        let _ = writeln!(text, "  {name:8}  {}", about.replace("            \n", "\n"));
    };
    if let Some(brief) = &people.brief {
        line("brief", visible(brief));
    }
    line("done", format!("when {} hold, checked again and again", steps(&people.judge)));
    if let Some(within) = people.within_ms {
        line("within", duration(within));
    }
    match people.auto.as_slice() {
        [] => line("auto", "none: only people can play this drill".to_owned()),
        auto => line("auto", format!("{} in their place in an ordinary run", steps(auto))),
    }
    if !people.adopt.is_empty() {
        line("adopt", one_line(&people.adopt.join(", ")));
    }
    for (number, hint) in people.hints.iter().enumerate() {
        let after = if hint.after_ms > 0 { format!(", after {}", duration(hint.after_ms)) } else { String::new() };
        line(&format!("hint {}", number + 1), format!("{} points{after}: {}", hint.costs, visible(&hint.text)));
    }
    for (number, inject) in people.injects.iter().enumerate() {
        let after = inject.after_ms.map(|after| format!("after {}", duration(after)));
        let when = inject.when.map(|when| format!("when step {when} passes"));
        let mut about = after.or(when).unwrap_or_default();
        if let Some(say) = &inject.say {
            about.push_str(&format!(": \"{}\"", visible(say)));
        }
        if !inject.steps.is_empty() {
            about.push_str(&format!(": {}", steps(&inject.steps)));
        }
        line(&format!("inject {}", number + 1), about);
    }
    for (number, trap) in people.traps.iter().enumerate() {
        let about = format!("{} points, when step {} passes: {}", trap.costs, trap.when, one_line(&trap.name));
        line(&format!("trap {}", number + 1), about);
    }
}

/// `step 9`, `steps 9, 10 and 11`.
fn steps(indices: &[usize]) -> String {
    match indices {
        [one] => format!("step {one}"),
        [rest @ .., last] => {
            let rest: Vec<String> = rest.iter().map(ToString::to_string).collect();
            format!("steps {} and {last}", rest.join(", "))
        }
        [] => "no step".to_owned(),
    }
}

fn loss(text: &mut String, rpo: &RpoOutline) {
    let lost = rpo.max_lost.map(|lost| format!("{} transactions lost", thousands(lost)));
    let time = rpo.max_time_ms.map(|time| format!("{} of work", duration(time)));
    let most: Vec<String> = lost.into_iter().chain(time).collect();
    let of = if rpo.only_checked { ", of those that can be checked" } else { "" };
    let _ = writeln!(text, "  rpo  of {}: at most {}{of}", one_line(&rpo.traffic), most.join(", "));
}
