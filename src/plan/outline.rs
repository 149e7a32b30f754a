//! A plan as the journal tells it.

use std::time::Duration;

use super::{LossOf, PeoplesPart, Plan, PlannedStep};
use crate::harness::{NodeId, NodeSpec, Releases};
use crate::journal::{
    BreakOutline, HintOutline, InjectOutline, NodeOutline, PeopleOutline, PlanOutline, RpoOutline, RtoOutline,
    StepOutline, TrapOutline,
};

impl Plan {
    /// What will happen, in words.
    pub fn outline(&self) -> PlanOutline {
        let id = |index: usize| self.steps.get(index).and_then(|step| step.head.id.clone()).unwrap_or_default();
        let running = self.nodes.iter().map(|(name, spec)| running(name.to_string(), spec));
        let made = self.made.iter().map(|name| self.made(name));
        PlanOutline {
            name: self.name.clone(),
            file: self.source.file().to_owned(),
            about: self.about.clone(),
            postgres: self.postgres.clone(),
            timeout_ms: ms(self.timeout),
            nodes: running.chain(made).collect(),
            repos: self
                .repos
                .iter()
                .map(|(name, repo)| (name.to_string(), repo.copy_of.as_ref().map(ToString::to_string)))
                .collect(),
            steps: self.steps.iter().map(step).collect(),
            people: self.people.as_ref().map(people),
            rto: self.rto.as_ref().map(|rto| RtoOutline {
                from: id(rto.from),
                to: id(rto.to),
                max_ms: ms(rto.max),
                of_last: rto.of_last.as_ref().map(|ratio| ratio.value.to_string()),
            }),
            rpo: self.rpo.as_ref().map(|rpo| RpoOutline {
                traffic: rpo.traffic.to_string(),
                max_lost: rpo.max_lost,
                max_time_ms: rpo.max_time.map(ms),
                only_checked: rpo.of == LossOf::Checked,
            }),
            breaks: self
                .breaks
                .iter()
                .map(|one| BreakOutline { name: one.name.clone(), ignored: one.ignored.clone() })
                .collect(),
            checks: self.judges(),
        }
    }

    fn made(&self, node: &NodeId) -> NodeOutline {
        let made_by = self.steps.iter().find(|step| step.makes.contains(node)).map(|step| step.head.index);
        let (name, settings) = (node.to_string(), vec![]);
        let own = self.releases().find(|(name, _)| *name == node).map(|(_, releases)| in_words(releases));
        let releases = own.unwrap_or_default();
        NodeOutline { name, follows: None, archive_to: None, external: false, releases, settings, made_by }
    }
}

fn running(name: String, spec: &NodeSpec) -> NodeOutline {
    NodeOutline {
        name,
        follows: spec.follows.as_ref().map(ToString::to_string),
        archive_to: spec.archive_to.as_ref().map(ToString::to_string),
        external: spec.external.is_some(),
        releases: in_words(&spec.releases),
        settings: spec.settings.iter().map(|(name, value)| (name.to_string(), value.to_string())).collect(),
        made_by: None,
    }
}

fn in_words(releases: &Releases) -> Vec<String> {
    releases.iter().map(|release| release.value.to_string()).collect()
}

fn step(step: &PlannedStep) -> StepOutline {
    let mut refers: Vec<String> = step.refers.iter().map(ToString::to_string).collect();
    refers.dedup();
    StepOutline {
        head: step.head.clone(),
        within_ms: ms(step.deadline),
        within: step.within.as_ref().map(|within| within.value.to_string()),
        fails: step.fails.as_ref().map(|fails| fails.value.to_string()),
        when: step.when.as_ref().map(ToString::to_string),
        finally: step.finally,
        refers,
        part: step.in_team.map(|line| line.part.to_string()),
    }
}

fn people(people: &PeoplesPart) -> PeopleOutline {
    let hints = people.hints.iter();
    let injects = people.injects.iter();
    let traps = people.traps.iter();
    PeopleOutline {
        brief: people.brief.clone(),
        within_ms: people.within.map(ms),
        auto: people.theirs.clone(),
        judge: people.judge.clone(),
        adopt: people.adopt.iter().map(ToString::to_string).collect(),
        hints: hints
            .map(|hint| HintOutline { text: hint.text.clone(), costs: hint.costs, after_ms: ms(hint.after) })
            .collect(),
        injects: injects
            .map(|inject| InjectOutline {
                after_ms: inject.after.map(ms),
                when: inject.when,
                say: inject.say.clone(),
                steps: inject.steps.clone(),
            })
            .collect(),
        traps: traps.map(|trap| TrapOutline { name: trap.name.clone(), when: trap.when, costs: trap.costs }).collect(),
    }
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
