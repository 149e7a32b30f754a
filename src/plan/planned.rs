//! What a drill will do.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::time::Duration;

use super::LossOf;
use super::breaks::NamedBreak;
use super::notify::Told;
use crate::harness::{Effects, Kind, Link, NodeId, NodeSpec, Reference, RepoId, Role, Step, StepId};
use crate::host::Isolation;
use crate::journal::{Problem, StepHead};
use crate::repo::{self, Existing};
use crate::scenario::Unset;
use crate::source::{Ratio, Regex, Source, Span, Spanned, VersionReq};

/// A repo as the scenario describes it.
#[derive(Debug, Clone)]
pub struct RepoSpec {
    /// What it is.
    pub kind: &'static repo::Kind,
    /// What it is a copy of.
    pub copy_of: Option<RepoId>,
    /// Where it lies, if somebody else fills it.
    pub existing: Option<Existing>,
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
    /// Those that need `--set` and have no value: a plan with any is only a part of the drill, and
    /// cannot be run.
    pub unset: Vec<Unset>,
    /// What is no error, and may not be what its author means.
    pub warnings: Vec<Problem>,
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
    /// The node that it makes.
    pub makes: Option<NodeId>,
    /// Where its action stands.
    pub action: Span,
    /// How long it may take.
    pub deadline: Duration,
    /// What its failure must match, where it must fail.
    pub fails: Option<Spanned<Regex>>,
    /// The versions that it is for.
    pub when: Option<VersionReq>,
    /// Whether it stands in `finally`.
    pub finally: bool,
    /// What it refers to.
    pub refers: Vec<Reference>,
}

impl PlannedStep {
    /// The nodes that it refers to, and the one that it makes.
    pub fn nodes(&self) -> impl Iterator<Item = &NodeId> {
        let named = self.refers.iter().filter_map(|reference| match reference {
            Reference::Node(node) => Some(node),
            _ => None,
        });
        named.chain(&self.makes)
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
        match (&self.existing, self.kind.at_existing()) {
            (Some(existing), Some(at)) => (at.mounts)(existing),
            _ => Ok(vec![]),
        }
    }
}

impl Plan {
    /// Whether drillyard makes none of its servers.
    pub fn only_external(&self) -> bool {
        self.made.is_empty() && self.nodes.values().all(|spec| spec.external.is_some())
    }

    /// The links that a step cuts, each once.
    pub fn cuts(&self) -> Vec<Link> {
        let mut links: Vec<Link> = self.steps.iter().filter_map(|step| step.effects.cuts.clone()).collect();
        links.sort();
        links.dedup();
        links
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
