//! What a drill will do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::LossOf;
use super::breaks::NamedBreak;
use super::notify::Told;
use super::people::PeoplesPart;
use crate::harness::{
    Effects, InTeam, Kind, Later, Link, NodeId, NodeSpec, Reference, Releases, RepoId, Role, Step, StepId,
};
use crate::host::{Isolation, SmallDisk};
use crate::journal::{Problem, StepHead};
use crate::pg::Version;
use crate::repo::{self, Existing};
use crate::scenario::{Cell, Unset};
use crate::source::{self, Ratio, Regex, Source, Span, Spanned, VersionReq};

/// A repo as the scenario describes it.
#[derive(Debug, Clone)]
pub struct RepoSpec {
    /// What it is.
    pub kind: &'static repo::Kind,
    /// What it is a copy of.
    pub copy_of: Option<RepoId>,
    /// Where it lies, if somebody else fills it.
    pub existing: Option<Existing>,
    /// The same as it is read: by servers that are recovered cold with what they have beside it.
    pub read_as: Vec<Existing>,
    /// What its tool is set to.
    pub settings: repo::Settings,
}

/// What a drill will do.
#[derive(Debug)]
pub struct Plan {
    /// The file.
    pub source: Source,
    /// Its name.
    pub name: String,
    /// What it is about.
    pub about: String,
    /// Its tags.
    pub tags: Vec<String>,
    /// The major versions that it is meant for; none: whichever is the newest at hand.
    pub postgres: Vec<u32>,
    /// The same, with their places.
    pub versions: Vec<Spanned<u32>>,
    /// How long the whole drill may take.
    pub timeout: Duration,
    /// Whether its servers are cut off from the network.
    pub isolation: Isolation,
    /// The repos.
    pub repos: BTreeMap<RepoId, RepoSpec>,
    /// The nodes that are running before the first step.
    pub nodes: BTreeMap<NodeId, NodeSpec>,
    /// The nodes that steps make.
    pub made: Vec<NodeId>,
    /// The steps, those of `all` and `finally` in line.
    pub steps: Vec<PlannedStep>,
    /// Recovery time.
    pub rto: Option<RtoBudget>,
    /// Recovery point.
    pub rpo: Option<RpoBudget>,
    /// What people do in its `team` step, if it has one.
    pub people: Option<PeoplesPart>,
    /// Who is told how it came out.
    pub told: Told,
    /// The ways in which it can be broken on purpose.
    pub breaks: Vec<NamedBreak>,
    /// Where files are looked for.
    pub file_roots: Vec<PathBuf>,
    /// The values of secrets that it uses.
    pub secrets: Vec<String>,
    /// The names of its params.
    pub params: Vec<String>,
    /// Which of the drills of its file it is.
    pub cell: Cell,
    /// Those that need `--set` and have no value: a plan with any is only a part of the drill, and
    /// cannot be run.
    pub unset: Vec<Unset>,
    /// What is no error, and may not be what its author means; nothing of a part of a drill.
    pub warnings: Vec<Problem>,
}

/// While which step an incident happens.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Strike {
    /// The index of that step.
    pub step: usize,
    /// How long after its start; at once if it does not say.
    pub after: Option<Later<source::Duration>>,
    /// Where the scenario says so.
    pub span: Span,
}

/// A step in its place.
#[derive(Debug)]
pub struct PlannedStep {
    /// As reports tell it.
    pub head: StepHead,
    /// What later steps call it.
    pub id: Option<StepId>,
    /// Its kind.
    pub kind: &'static Kind,
    /// What it does.
    pub step: Box<dyn Step>,
    /// What that does to the rest of the drill.
    pub effects: Effects,
    /// The nodes that it makes.
    pub makes: Vec<NodeId>,
    /// Where its action stands.
    pub action: Span,
    /// How long it may take.
    pub deadline: Duration,
    /// The same, where it is known only when the step begins.
    pub within: Option<Spanned<Later<source::Duration>>>,
    /// What its failure must match, where it must fail.
    pub fails: Option<Spanned<Regex>>,
    /// The versions that it is for.
    pub when: Option<VersionReq>,
    /// Whether it is tried again until it holds.
    pub retry: bool,
    /// While which step it happens, if it does not have its own turn.
    pub during: Option<Strike>,
    /// Whether it stands in `finally`.
    pub finally: bool,
    /// Where in a `team` step it stands, if it does.
    pub in_team: Option<InTeam>,
    /// What it refers to.
    pub refers: Vec<Reference>,
}

impl PlannedStep {
    /// How long it may take at most, whatever is known when it begins.
    pub fn longest(&self) -> Duration {
        if self.within.is_some() { Duration::MAX } else { self.deadline }
    }

    /// The nodes that it refers to, and those that it makes.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        let named = self.refers.iter().filter_map(|reference| match reference {
            Reference::Node(node) => Some(node),
            _ => None,
        });
        named.chain(&self.makes)
    }

    /// Whether it stands in `steps` itself, and in no other step.
    pub fn is_top(&self) -> bool {
        !self.finally && self.head.group.is_none() && self.in_team.is_none()
    }

    /// Whether it is a part of an ordinary run, in which nobody recovers by hand.
    pub fn is_in_runs(&self) -> bool {
        self.in_team.is_none_or(|line| line.part.is_in_runs())
    }

    /// Whether it does nothing but check, alone or as a group.
    pub fn is_check(&self) -> bool {
        matches!(self.kind.role, Role::Check | Role::Group)
    }
}

/// A budget of time.
#[derive(Debug, Clone)]
pub struct RtoBudget {
    /// The index of the step at whose start the clock starts.
    pub from: usize,
    /// The index of the step at whose end it stops.
    pub to: usize,
    /// The most that it may show.
    pub max: Duration,
    /// How many times what the newest runs took that passed, if it is compared.
    pub of_last: Option<Spanned<Ratio>>,
    /// Where the budget stands.
    pub span: Span,
}

/// A budget of loss.
#[derive(Debug, Clone)]
pub struct RpoBudget {
    /// The id of the traffic step.
    pub traffic: StepId,
    /// The most transactions that may be lost.
    pub max_lost: Option<u64>,
    /// The most work that may be lost, as a time.
    pub max_time: Option<Duration>,
    /// Which transactions it is about.
    pub of: LossOf,
    /// Where the budget stands.
    pub span: Span,
}

impl RepoSpec {
    /// What a container needs of this machine to read it, if somebody else fills it.
    ///
    /// # Errors
    /// Why a container cannot read it.
    pub fn mounts(&self) -> Result<Vec<PathBuf>, String> {
        let Some(at) = self.kind.at_existing() else { return Ok(vec![]) };
        let all: Vec<Vec<PathBuf>> = self.read_as.iter().map(at.mounts).collect::<Result<_, String>>()?;
        Ok(all.concat())
    }
}

impl Plan {
    /// Whether drillyard makes none of its servers.
    pub fn only_external(&self) -> bool {
        self.made.is_empty() && self.nodes.values().all(|spec| spec.external.is_some())
    }

    /// The steps of an ordinary run, one after another: without those of `finally`, the lines of an
    /// `all`, and what of a `team` step is for people alone. In the place of a `team` step are its
    /// lines.
    pub fn course(&self) -> Vec<&PlannedStep> {
        let steps = self.steps.iter().filter(|step| !step.finally && step.head.group.is_none());
        steps.filter(|step| step.is_in_runs() && step.kind.role != Role::Team).collect()
    }

    /// Why it cannot be run without people, if it cannot.
    pub fn only_for_people(&self) -> Option<Problem> {
        let people = self.people.as_ref().filter(|people| people.theirs.is_empty())?;
        let team = self.steps.get(people.begins)?;
        let place = self.source.place(team.action, "it has no `auto`: nobody would recover anything");
        let help = format!(
            "play it with `drillyard firedrill {}`, or add `auto` with the steps of a recovery",
            self.source.file()
        );
        Some(Problem::new("only people can play this drill").at(place).help(help))
    }

    /// The incidents that happen while a step is at work.
    pub fn during(&self, step: &PlannedStep) -> Vec<&PlannedStep> {
        let index = step.head.index;
        self.steps.iter().filter(|one| one.during.as_ref().is_some_and(|during| during.step == index)).collect()
    }

    /// The index of the step in whose turn a step is run: its own, unless it happens meanwhile.
    pub fn turn(&self, index: usize) -> usize {
        let during = self.steps.get(index).and_then(|step| step.during.as_ref());
        during.map_or(index, |during| during.step)
    }

    /// The links that a step cuts, each once.
    pub fn cuts(&self) -> Vec<Link> {
        let mut links: Vec<Link> = self.steps.iter().filter_map(|step| step.effects.cuts.clone()).collect();
        links.sort();
        links.dedup();
        links
    }

    /// The nodes whose clocks steps set, each once.
    pub fn clocks(&self) -> Vec<String> {
        let mut clocks: Vec<String> =
            self.steps.iter().filter_map(|step| step.effects.clock.as_ref()).map(ToString::to_string).collect();
        clocks.sort();
        clocks.dedup();
        clocks
    }

    /// The release that a node runs when the drill runs on this major version, if the scenario says
    /// so.
    pub fn release(&self, node: &str, major: u32) -> Option<Version> {
        self.releases().find(|(name, _)| name.as_str() == node)?.1.of(major)
    }

    /// The nodes with a release of their own, and which one.
    pub fn releases(&self) -> impl Iterator<Item = (&NodeId, &Releases)> {
        let listed = self.nodes.iter().map(|(name, spec)| (name, &spec.releases));
        let made = self.steps.iter().filter_map(|step| step.effects.releases.as_ref());
        listed.filter(|(_, releases)| !releases.is_empty()).chain(made.map(|(name, releases)| (name, releases)))
    }

    /// The disks that steps fill, each once, as large as the largest of these steps wants it.
    pub fn disks(&self) -> Vec<SmallDisk> {
        let mut disks: Vec<SmallDisk> = self.steps.iter().filter_map(|step| step.effects.fills.clone()).collect();
        disks.sort_by(|a, b| (&a.of, b.size).cmp(&(&b.of, a.size)));
        disks.dedup_by(|a, b| a.of == b.of);
        disks
    }

    /// What it needs to be run, as it is written on a command line: `--set prod=...`.
    pub fn needs(&self) -> Option<String> {
        let all: Vec<String> = self.unset.iter().map(|unset| format!("--set {}=...", unset.name)).collect();
        (!all.is_empty()).then(|| all.join(" "))
    }

    /// Whether anything in it judges.
    pub fn judges(&self) -> bool {
        self.rto.is_some()
            || self.rpo.is_some()
            || self.steps.iter().any(|step| step.kind.role == Role::Check || step.fails.is_some())
    }
}
