//! What the names in a scenario mean at each step: checked before anything starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::journal::Problem;
use crate::repo::{ByKey, Kind as RepoKind};
use crate::source::{Name, NodeName, Source, Span, Spanned, VersionReq, did_you_mean};

use super::{Cold, IdInfo, InTeam, Kind, Link, NodeId, NodeRef, Reference, RepoId, RunsOn, StepId};

/// A node as a step's fields name it, or leave it out.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct NodeField(Option<NodeName>);

impl NodeField {
    /// Where it is written; `None` if it was left out.
    pub fn span(&self) -> Option<Span> {
        self.0.as_ref().map(|name| name.entry).filter(|span| span.end > 0)
    }
}

/// Who makes a node.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Maker {
    /// It is listed under `nodes`: running before the first step.
    Start,
    /// A `recover` or `rebuild` step, by its index.
    Step(usize),
    /// The people of a `team` step, by its index, and nobody in their place.
    People {
        /// The index of the team step.
        team: usize,
        /// Whether the step has an `auto`, which does not make it: an ordinary run is without it.
        auto: bool,
    },
}

/// What is known of a node.
#[derive(Debug, Clone)]
pub struct NodeInfo {
    /// Where its name is given.
    pub span: Span,
    /// Who makes it.
    pub maker: Maker,
    /// The node that it follows.
    pub follows: Option<NodeId>,
    /// The repo that it archives to.
    pub archive_to: Option<RepoId>,
    /// The repo that it was recovered from last.
    pub recovers_from: Option<RepoId>,
    /// Where it is.
    pub site: Option<Spanned<Name>>,
    /// Whether drillyard only looks at it.
    pub external: bool,
    /// Whether an earlier step made a standby of it (`rewind`, `rebuild`), whatever it was at the
    /// start.
    pub remade: bool,
    /// Whether an earlier step may have made a primary of it (`promote`, `recover`), whatever it
    /// was at the start.
    pub promoted: bool,
    /// Where in a `team` step it is made, if it is.
    pub in_team: Option<InTeam>,
    /// Whether all this is known; else only the name is, and nothing is held against its users.
    pub decoded: bool,
}

/// What is known of a repo.
#[derive(Debug, Clone)]
pub struct RepoInfo {
    /// Where its name is given.
    pub span: Span,
    /// What it is.
    pub kind: &'static RepoKind,
    /// The repo that it is a copy of.
    pub copy_of: Option<RepoId>,
    /// Where it is.
    pub site: Option<Spanned<Name>>,
    /// Where it says that somebody else fills it: it is only read from.
    pub existing: Option<Span>,
    /// What it does not hold, and a cold recovery from it needs.
    pub beside: &'static [&'static str],
    /// What it cannot do since it does not say how.
    pub lacks: Vec<ByKey>,
    /// Whether its fields could be decoded.
    pub decoded: bool,
}

/// The names that a step can use, and what is wrong with those that it does use.
pub struct Scope<'a> {
    pub(super) source: &'a Source,
    /// All nodes, those made later too.
    pub nodes: BTreeMap<NodeId, NodeInfo>,
    /// The nodes that are recovered cold.
    pub cold: BTreeMap<NodeId, Cold>,
    /// All repos.
    pub repos: BTreeMap<RepoId, RepoInfo>,
    /// All ids of the file.
    pub ids: BTreeMap<StepId, IdInfo>,
    /// Whether there may be more ids than these: an unknown one is then no error.
    pub more_ids: bool,
    /// The major versions that the drill is meant for, if it says so.
    pub versions: Vec<Spanned<u32>>,
    /// Whether it may say so, and could not be read.
    pub more_versions: bool,
    /// The versions that the step being resolved is for.
    pub when: Option<VersionReq>,
    /// The versions that all steps are for.
    pub runs_on: RunsOn,
    /// The index of the step that is at work while the step being resolved happens, if one is.
    pub at_work: Option<usize>,
    /// Whether there may be more nodes than these: an unknown one is then no error.
    pub more_nodes: bool,
    /// The same for repos.
    pub more_repos: bool,
    /// The index of the step being resolved.
    pub index: usize,
    /// Where in a `team` step the step being resolved stands, if it does.
    pub in_team: Option<InTeam>,
    /// The id of the step being resolved.
    pub id: Option<StepId>,
    /// Where the action of the step being resolved stands.
    pub action: Span,
    /// Whether the step being resolved has to fail.
    pub must_fail: bool,
    /// Where files are looked for.
    pub file_roots: Vec<PathBuf>,
    /// What the step being resolved refers to.
    pub refers: Vec<Reference>,
    pub(super) kinds: &'static [Kind],
    /// The transactions of each traffic step, by its id, that may write and have no ledger.
    unchecked: BTreeMap<StepId, Vec<(Span, String)>>,
    /// The traffic steps that an assertion is about.
    pub asserted: BTreeSet<StepId>,
    pub(super) cut: BTreeSet<Link>,
    /// The backups that an earlier step damages, and in which repo.
    pub(super) damaged: BTreeSet<(StepId, RepoId)>,
    /// The repos whose WAL an earlier step loses.
    pub(super) without_wal: BTreeSet<RepoId>,
    /// The backups that an earlier step has removed from a repo, and where.
    pub(super) lost_backups: BTreeMap<(StepId, RepoId), Span>,
    /// The copies that an earlier step has brought up to date, and the index of the last one.
    pub(super) synced: BTreeMap<RepoId, usize>,
    /// Whether an earlier step may have copied anything between repos by hand.
    pub(super) repos_by_hand: bool,
    /// Whether all steps could be decoded: else nobody knows what the others do.
    pub all_decoded: bool,
    pub(super) problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Scope<'a> {
    /// A scope without names; `kinds` are all kinds of steps.
    pub fn new(source: &'a Source, kinds: &'static [Kind], file_roots: Vec<PathBuf>) -> Self {
        Scope {
            source,
            nodes: BTreeMap::new(),
            cold: BTreeMap::new(),
            repos: BTreeMap::new(),
            ids: BTreeMap::new(),
            more_ids: false,
            versions: vec![],
            more_versions: false,
            when: None,
            runs_on: RunsOn::default(),
            at_work: None,
            more_nodes: false,
            more_repos: false,
            index: 0,
            in_team: None,
            id: None,
            action: Span::default(),
            must_fail: false,
            file_roots,
            refers: vec![],
            kinds,
            unchecked: BTreeMap::new(),
            asserted: BTreeSet::new(),
            cut: BTreeSet::new(),
            damaged: BTreeSet::new(),
            without_wal: BTreeSet::new(),
            lost_backups: BTreeMap::new(),
            synced: BTreeMap::new(),
            repos_by_hand: false,
            all_decoded: true,
            problems: vec![],
            warnings: vec![],
        }
    }

    /// The errors and the warnings found so far.
    pub fn into_problems(self) -> (Vec<Problem>, Vec<Problem>) {
        (self.problems, self.warnings)
    }

    /// Adds a warning: the drill can run, and may not show what its author means it to.
    pub fn warn(&mut self, span: Span, title: impl Into<String>, label: impl Into<String>, help: impl Into<String>) {
        self.warnings.push(Problem::new(title).at(self.source.place(span, label)).help(help));
    }

    /// Notes a transaction of the step being resolved that nobody can look for later.
    pub fn note_unchecked(&mut self, span: Span, transaction: &str) {
        let Some(id) = self.id.clone() else { return };
        self.unchecked.entry(id).or_default().push((span, transaction.to_owned()));
    }

    /// Warns of the transactions that nobody can look for, where an assertion or a budget is about
    /// them. `budgeted` is the traffic step that a budget of loss is about, all of it.
    pub fn warn_of_unchecked(&mut self, budgeted: Option<&StepId>) {
        for (traffic, transactions) in std::mem::take(&mut self.unchecked) {
            let label = match budgeted == Some(&traffic) {
                true => "counted as not checked, on which the `rpo` budget fails",
                false if self.asserted.contains(&traffic) => "counted as not checked",
                false => continue,
            };
            for (span, transaction) in transactions {
                let title =
                    format!("transaction `{transaction}` has no `ledger`: whether it is lost cannot be checked");
                let help = "give it a `ledger`; a budget that is about the others alone says `of: checked`";
                self.warn(span, title, label, help);
            }
        }
    }

    /// Adds an error at a place.
    pub fn error(&mut self, span: Span, title: impl Into<String>, label: impl Into<String>) -> &mut Problem {
        self.problems.push(Problem::new(title).at(self.source.place(span, label)));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }

    /// Adds an error with a remark.
    pub fn error_help(
        &mut self,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
        help: impl Into<String>,
    ) {
        let problem = self.error(span, title, label);
        *problem = problem.clone().help(help);
    }

    /// Adds an error with a related place.
    pub fn error_related(
        &mut self,
        span: Span,
        title: impl Into<String>,
        label: impl Into<String>,
        related: (Span, String),
    ) {
        let place = self.source.place(related.0, related.1);
        let problem = self.error(span, title, label);
        *problem = problem.clone().at(place);
    }

    /// Notes to which repo the step being resolved takes a backup, and that which it goes on from.
    pub fn backs_up(&mut self, repo: Option<RepoId>, goes_on_from: Option<StepId>) {
        if let Some(info) = self.id.as_ref().and_then(|id| self.ids.get_mut(id)) {
            (info.repo, info.goes_on_from) = (repo, goes_on_from);
        }
    }

    /// Notes the repo that a node is recovered from.
    pub fn recovers_from(&mut self, node: &str, repo: Option<RepoId>) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.recovers_from = repo;
        }
    }

    /// Notes the repo that a node archives to from now on.
    pub fn archives_to(&mut self, node: &str, repo: Option<RepoId>) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.archive_to = repo;
        }
    }

    /// A node that exists at this step.
    pub fn node(&mut self, field: &NodeField) -> Option<NodeRef> {
        match &field.0 {
            Some(name) => self.named_node(name),
            None => self.default_node(),
        }
    }

    /// A node that drillyard made, to which the step may write.
    pub fn own_node(&mut self, field: &NodeField) -> Option<NodeRef> {
        let node = self.node(field)?;
        self.own(node)
    }

    /// The same for a name that cannot be left out.
    pub fn own_named_node(&mut self, name: &Spanned<Name>) -> Option<NodeRef> {
        let node = self.named_node(name)?;
        self.own(node)
    }

    fn own(&mut self, node: NodeRef) -> Option<NodeRef> {
        let declared = self.nodes.get(&node.id).filter(|info| info.external).map(|info| info.span);
        let Some(declared) = declared else { return Some(node) };
        self.error_related(
            node.entry().unwrap_or(self.action),
            format!("`{node}` is external: a drill only reads from it"),
            "this step would write there, or needs its host",
            (declared, "declared external here".to_owned()),
        );
        None
    }

    /// What is known of a node that was looked up.
    pub fn node_info(&self, node: &NodeId) -> Option<&NodeInfo> {
        self.nodes.get(node)
    }

    /// A node that exists at this step, by a name that cannot be left out.
    pub fn named_node(&mut self, name: &Spanned<Name>) -> Option<NodeRef> {
        let node = NodeRef::written(name);
        self.refers.push(Reference::Node(node.id.clone()));
        match self.nodes.get(name.as_str()).cloned() {
            Some(info) if !info.decoded => None,
            Some(info) => (self.is_made(name, &info) && self.is_made_here(name, info.span)).then_some(node),
            None if self.more_nodes => None,
            None => {
                let names: Vec<String> = self.nodes.keys().map(ToString::to_string).collect();
                let help = "nodes are listed under `nodes:`, or made by a `recover` or `rebuild` step";
                self.unknown("node", name, &names, help);
                None
            }
        }
    }

    fn default_node(&mut self) -> Option<NodeRef> {
        if self.more_nodes || self.nodes.values().any(|info| !info.decoded && info.maker == Maker::Start) {
            return None;
        }
        let declared = self.nodes.iter().filter(|(_, info)| info.maker == Maker::Start);
        let could_be: Vec<NodeId> = declared
            .filter(|(_, info)| info.follows.is_none() && !info.external)
            .map(|(name, _)| name.clone())
            .collect();
        match could_be.as_slice() {
            [one] => {
                self.refers.push(Reference::Node(one.clone()));
                Some(NodeRef::left_out(one.clone()))
            }
            [] => {
                self.error_help(
                    self.action,
                    "`node` is missing",
                    "on which node?",
                    "there is no node under `nodes:` that it could be: list one, or name one",
                );
                None
            }
            many => {
                let names: Vec<&str> = many.iter().map(NodeId::as_str).collect();
                let help = format!("it could be {}: write `node: {}`", names.join(" or "), names[0]);
                self.error_help(self.action, "`node` is missing", "on which node?", help);
                None
            }
        }
    }

    /// Adds an error for a name that nothing has.
    pub fn unknown(&mut self, what: &str, name: &Spanned<Name>, names: &[String], help: &str) {
        let in_fragment = || names.iter().map(String::as_str).find(|id| id.ends_with(&format!(".{}", name.value)));
        let label = match did_you_mean(name.as_str(), names.iter().map(String::as_str)).or_else(in_fragment) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is no such {what}"),
        };
        self.error_help(name.span, format!("unknown {what} `{}`", name.value), label, help);
    }
}
