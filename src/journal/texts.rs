//! The texts of an event that a scenario, a server or a program has a part in: where a secret could
//! be.
//!
//! Every field is named, so that a new one cannot be forgotten: the program does not compile
//! without it.

use std::collections::BTreeMap;

use super::{
    BreakHead, BreakOutline, BreakVerdict, CommandRun, Event, HintOutline, InjectOutline, NodeOutline, PeopleOutline,
    Place, Placeholder, PlanOutline, Problem, RpoOutline, RtoOutline, Sign, StepHead, StepOutline, TrafficCount,
    TrapOutline,
};

/// Is called for each text.
type Visit<'v> = &'v mut dyn FnMut(&mut String);

impl Problem {
    /// Every text of it but the lines of files that it shows, and the files' names.
    pub(super) fn each_text(&mut self, visit: Visit<'_>) {
        let Problem { title, places, notes, cause: _ } = self;
        visit(title);
        places.iter_mut().for_each(|place| visit(&mut place.label));
        notes.iter_mut().for_each(|note| visit(&mut note.text));
    }
}

impl StepHead {
    fn each_text(&mut self, visit: Visit<'_>) {
        let StepHead {
            index: _,
            id,
            kind: _,
            name,
            line: _,
            fragment: _,
            recovers: _,
            incident: _,
            in_runbook: _,
            group: _,
            team: _,
        } = self;
        id.iter_mut().for_each(&mut *visit);
        visit(name);
    }
}

impl CommandRun {
    fn each_text(&mut self, visit: Visit<'_>) {
        let CommandRun { about, node, language: _, text, form: _, duration_ms: _, checks, placeholders } = self;
        [about, node, text].into_iter().chain(checks).for_each(&mut *visit);
        for Placeholder { name, value, about } in placeholders {
            [name, value, about].into_iter().for_each(&mut *visit);
        }
    }
}

impl BreakVerdict {
    fn each_text(&mut self, visit: Visit<'_>) {
        match self {
            BreakVerdict::Noticed(Sign { by, place, said }) => [by, place, said].into_iter().for_each(visit),
            BreakVerdict::Missed { passed } => passed.iter_mut().for_each(visit),
            BreakVerdict::Ignored { because: text } | BreakVerdict::Errored { why: text } => visit(text),
        }
    }
}

impl PeopleOutline {
    fn each_text(&mut self, visit: Visit<'_>) {
        let PeopleOutline { brief, within_ms: _, auto: _, judge: _, adopt, hints, injects, traps } = self;
        brief.iter_mut().chain(adopt).for_each(&mut *visit);
        for HintOutline { text, costs: _, after_ms: _ } in hints {
            visit(text);
        }
        for InjectOutline { after_ms: _, when: _, say, steps: _ } in injects {
            say.iter_mut().for_each(&mut *visit);
        }
        for TrapOutline { name, when: _, costs: _ } in traps {
            visit(name);
        }
    }
}

impl PlanOutline {
    fn each_text(&mut self, visit: Visit<'_>) {
        let PlanOutline {
            name,
            file,
            about,
            postgres: _,
            timeout_ms: _,
            nodes,
            repos,
            steps,
            people,
            rto,
            rpo,
            breaks,
            checks: _,
        } = self;
        [name, file, about].into_iter().for_each(&mut *visit);
        for NodeOutline { name, follows, archive_to, external: _, releases: _, settings, made_by: _ } in nodes {
            visit(name);
            follows.iter_mut().chain(archive_to).for_each(&mut *visit);
            settings.iter_mut().flat_map(|(name, value)| [name, value]).for_each(&mut *visit);
        }
        for (name, copy_of) in repos {
            visit(name);
            copy_of.iter_mut().for_each(&mut *visit);
        }
        for StepOutline { head, within_ms: _, within, fails, when: _, finally: _, refers, part: _ } in steps {
            head.each_text(visit);
            fails.iter_mut().chain(within).chain(refers).for_each(&mut *visit);
        }
        people.iter_mut().for_each(|people| people.each_text(visit));
        if let Some(RtoOutline { from, to, max_ms: _, of_last: _ }) = rto {
            [from, to].into_iter().for_each(&mut *visit);
        }
        if let Some(RpoOutline { traffic, max_lost: _, max_time_ms: _, only_checked: _ }) = rpo {
            visit(traffic);
        }
        for BreakOutline { name, ignored } in breaks {
            visit(name);
            ignored.iter_mut().for_each(&mut *visit);
        }
    }
}

/// The names in a map that has a version for each.
fn each_name(releases: &mut BTreeMap<String, String>, visit: Visit<'_>) {
    let named = |(mut node, release): (String, String)| {
        visit(&mut node);
        (node, release)
    };
    *releases = std::mem::take(releases).into_iter().map(named).collect();
}

impl Event {
    fn each_text_of_start(&mut self, visit: Visit<'_>) {
        let Event::DrillStarted {
            drill: _,
            name,
            file,
            about,
            postgres: _,
            backend: _,
            seed: _,
            settings,
            releases,
            steps,
        } = self
        else {
            return;
        };
        each_name(releases, visit);
        [name, file, about].into_iter().chain(settings).for_each(&mut *visit);
        steps.iter_mut().for_each(|step| step.each_text(visit));
    }

    /// Every text but the lines of files, and the names and values of facts.
    pub(super) fn each_text(&mut self, visit: Visit<'_>) {
        match self {
            Event::RunStarted { run: _, version: _, command: _, drills: _, backend: _, backend_reason, seed: _ } => {
                visit(backend_reason);
            }
            Event::DrillStarted { .. } => self.each_text_of_start(visit),
            Event::ToolFound { drill: _, name, version } => [name, version].into_iter().for_each(visit),
            Event::NodeReady { drill: _, node: text, duration_ms: _ }
            | Event::StepWaiting { drill: _, index: _, waiting_for: text }
            | Event::Warned { drill: _, message: text } => visit(text),
            Event::CommandRun { drill: _, index: _, command } => command.each_text(visit),
            Event::StepFinished {
                drill: _,
                index: _,
                outcome: _,
                started_ms: _,
                duration_ms: _,
                message,
                problem,
                facts: _,
            } => told(message, problem, visit),
            Event::TrafficRate { drill: _, count, per_second: _ } | Event::TrafficFinished { drill: _, count } => {
                // The others are numbers, and the server's own codes.
                let TrafficCount { id, .. } = count;
                visit(id);
            }
            Event::BudgetJudged { drill: _, budget: _, problem } => told(&mut None, problem, visit),
            Event::NodeKept { drill: _, node, shell } => kept(node, shell, visit),
            Event::Firedrill { drill: _, what } => what.each_text(visit),
            Event::DrillFinished { drill: _, outcome: _, duration_ms: _, message, problem, again, kept: _ } => {
                told(message, problem, visit);
                visit(again);
            }
            Event::ProofStarted { drill: _, name, file, breaks } => {
                [name, file].into_iter().for_each(&mut *visit);
                for BreakHead { name, step: _, remedy } in breaks {
                    [name, remedy].into_iter().for_each(&mut *visit);
                }
            }
            Event::BreakTried { drill: _, name, verdict } => {
                visit(name);
                verdict.each_text(visit);
            }
            Event::PlanMade { plan } => plan.each_text(visit),
            Event::CleanedUp { left, duration_ms: _ } => left.iter_mut().for_each(visit),
            Event::StepStarted { drill: _, index: _, started_ms: _ }
            | Event::DrillTrend { drill: _, runs: _ }
            | Event::ProofFinished { drill: _, outcome: _, duration_ms: _ }
            | Event::RunFinished { outcome: _, exit_code: _, duration_ms: _ } => {}
        }
    }

    /// The lines of files that its problems show.
    pub(super) fn places(&mut self) -> impl Iterator<Item = &mut Place> {
        let problem = match self {
            Event::StepFinished { problem, .. }
            | Event::BudgetJudged { problem, .. }
            | Event::DrillFinished { problem, .. } => problem.as_mut(),
            _ => None,
        };
        problem.into_iter().flat_map(|problem| &mut problem.places)
    }
}

fn told(message: &mut Option<String>, problem: &mut Option<Problem>, visit: Visit<'_>) {
    message.iter_mut().for_each(&mut *visit);
    problem.iter_mut().for_each(|problem| problem.each_text(visit));
}

/// The command that opens a session on a kept server: what is before the node's name is to be
/// copied, and drillyard's own.
fn kept(node: &mut String, shell: &mut String, visit: Visit<'_>) {
    if let Some(command) = shell.strip_suffix(node.as_str()).map(str::to_owned) {
        visit(node);
        *shell = command + node;
    } else {
        [node, shell].into_iter().for_each(visit);
    }
}
