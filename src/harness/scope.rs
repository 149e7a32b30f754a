//! What the names in a scenario mean at each step: checked before anything starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::journal::Problem;
use crate::repo::{Ability, Kind as RepoKind};
use crate::source::{Name, NodeName, RepoName, Source, Span, Spanned, choices, did_you_mean};

use super::{
    Kind, Link, LinkField, MarkKind, NodeId, NodeRef, Output, Reference, RepoId, RepoRef, Role, StepId, StepRef,
};

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
    /// Whether all this is known: of a node whose fields could not be decoded only the name is, and
    /// nothing is held against those who use it.
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
    /// Whether its fields could be decoded.
    pub decoded: bool,
}

/// What is known of a step's id.
#[derive(Debug, Clone)]
pub struct IdInfo {
    /// The step's kind; `None` if that is not certain.
    pub kind: Option<&'static Kind>,
    /// Whether the step could be decoded.
    pub decoded: bool,
    /// Where the id is given.
    pub span: Span,
    /// The step's place in the drill.
    pub index: usize,
    /// The repo of a backup.
    pub repo: Option<RepoId>,
}

/// The names that a step can use, and what is wrong with those that it does use.
pub struct Scope<'a> {
    source: &'a Source,
    /// All nodes, those made later too.
    pub nodes: BTreeMap<NodeId, NodeInfo>,
    /// All repos.
    pub repos: BTreeMap<RepoId, RepoInfo>,
    /// All ids of the file.
    pub ids: BTreeMap<StepId, IdInfo>,
    /// Whether there may be more nodes than these: an unknown one is then no error.
    pub more_nodes: bool,
    /// The same for repos.
    pub more_repos: bool,
    /// The index of the step being resolved.
    pub index: usize,
    /// The id of the step being resolved.
    pub id: Option<StepId>,
    /// Where the action of the step being resolved stands.
    pub action: Span,
    /// Where files are looked for.
    pub file_roots: Vec<PathBuf>,
    /// What the step being resolved refers to.
    pub refers: Vec<Reference>,
    kinds: &'static [Kind],
    /// The transactions of each traffic step, by its id, that may write and have no ledger.
    unchecked: BTreeMap<StepId, Vec<(Span, String)>>,
    /// The traffic steps that an assertion is about.
    pub asserted: BTreeSet<StepId>,
    cut: BTreeSet<Link>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Scope<'a> {
    /// A scope without names; `kinds` are all kinds of steps.
    pub fn new(source: &'a Source, kinds: &'static [Kind], file_roots: Vec<PathBuf>) -> Self {
        Scope {
            source,
            nodes: BTreeMap::new(),
            repos: BTreeMap::new(),
            ids: BTreeMap::new(),
            more_nodes: false,
            more_repos: false,
            index: 0,
            id: None,
            action: Span::default(),
            file_roots,
            refers: vec![],
            kinds,
            unchecked: BTreeMap::new(),
            asserted: BTreeSet::new(),
            cut: BTreeSet::new(),
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

    /// Notes the repo of the backup that the step being resolved takes.
    pub fn backs_up_to(&mut self, repo: Option<RepoId>) {
        if let Some(info) = self.id.as_ref().and_then(|id| self.ids.get_mut(id)) {
            info.repo = repo;
        }
    }

    /// Notes the repo that a node is recovered from.
    pub fn recovers_from(&mut self, node: &str, repo: Option<RepoId>) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.recovers_from = repo;
        }
    }

    /// Notes that a node is a standby from now on.
    pub fn remade(&mut self, node: &str) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.remade = true;
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
            Some(info) => match info.maker {
                Maker::Step(index) if index >= self.index => {
                    let title = format!("node `{}` does not exist yet at this step", name.value);
                    self.error_related(name.span, title, "used here", (info.span, "made here, later".to_owned()));
                    None
                }
                _ => Some(node),
            },
            None if self.more_nodes => None,
            None => {
                let names: Vec<String> = self.nodes.keys().map(ToString::to_string).collect();
                self.unknown(
                    "node",
                    name,
                    &names,
                    "nodes are listed under `nodes:`, or made by a `recover` or `rebuild` step",
                );
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

    /// A file that must be there.
    pub fn file(&mut self, file: &Spanned<String>) {
        self.refers.push(Reference::File(file.value.clone()));
        if !self.file_roots.iter().any(|root| root.join(&file.value).is_file()) {
            let looked: Vec<String> = self.file_roots.iter().map(|root| root.display().to_string()).collect();
            let help = format!("looked in {}", looked.join(", "));
            self.error_help(file.span, format!("there is no file {}", file.value), "not found", help);
        }
    }

    /// A repo.
    pub fn repo(&mut self, name: &Spanned<Name>) -> Option<RepoRef> {
        let repo = RepoRef::written(name);
        self.refers.push(Reference::Repo(repo.id.clone()));
        let decoded = self.repos.get(name.as_str()).map(|info| info.decoded);
        if decoded.is_none() && !self.more_repos {
            let names: Vec<String> = self.repos.keys().map(ToString::to_string).collect();
            self.unknown("repo", name, &names, "repos are listed under `repos:`");
        }
        (decoded == Some(true)).then_some(repo)
    }

    /// A repo, or the only one there is.
    pub fn repo_or_default(&mut self, name: Option<&RepoName>) -> Option<RepoRef> {
        match name {
            Some(name) => self.repo(name),
            None => self.default_repo(),
        }
    }

    /// What is known of a repo that was looked up.
    pub fn repo_info(&self, repo: &RepoId) -> Option<&RepoInfo> {
        self.repos.get(repo)
    }

    /// What the step being resolved asks of a repo; an error if no repo of its kind can. `at` is
    /// where the step names the repo.
    pub fn repo_can(&mut self, repo: &RepoId, ability: Ability, at: Option<Span>) {
        let Some(info) = self.repos.get(repo) else { return };
        let (made, Err(not)) = (info.span, info.kind.can(ability)) else { return };
        let title = format!("a repo of kind `{}` cannot {ability}", not.kind);
        self.error_related(at.unwrap_or(self.action), title, not.why, (made, format!("`{repo}` is one")));
    }

    /// A repo that a server may archive into.
    pub fn archive_to(&mut self, name: &Spanned<Name>) -> Option<RepoRef> {
        let repo = self.repo(name)?;
        if let Some((info, original)) =
            self.repos.get(&repo.id).and_then(|info| Some((info.span, info.copy_of.clone()?)))
        {
            let title = format!("repo `{}` holds only what `sync` has copied", name.value);
            self.error_related(name.span, title, "archive to the original", (info, format!("a copy of `{original}`")));
            return None;
        }
        self.repo_can(&repo, Ability::Archive, repo.span());
        Some(repo)
    }

    /// The repo that the servers above a standby archive to.
    pub fn archive_above(&self, node: &str) -> Option<RepoId> {
        let mut at = self.nodes.get(node)?;
        // As many as there are: nodes that follow each other in a circle are an error of their own.
        for _ in 0..self.nodes.len() {
            if let Some(repo) = &at.archive_to {
                return Some(repo.clone());
            }
            at = self.nodes.get(at.follows.as_ref()?)?;
        }
        None
    }

    /// The only repo there is, for steps that leave theirs out.
    fn default_repo(&mut self) -> Option<RepoRef> {
        if self.more_repos || self.repos.values().any(|info| !info.decoded) {
            return None;
        }
        let originals: Vec<RepoId> =
            self.repos.iter().filter(|(_, info)| info.copy_of.is_none()).map(|(name, _)| name.clone()).collect();
        match originals.as_slice() {
            [one] => Some(RepoRef::left_out(one.clone())),
            [] => {
                let help = "list one at the top of the file: `repos: { onsite: {} }`";
                self.error_help(self.action, "there is no repo", "this step needs one", help);
                None
            }
            many => {
                let names: Vec<&str> = many.iter().map(RepoId::as_str).collect();
                let help = format!("it could be {}: write `repo: {}`", names.join(" or "), names[0]);
                self.error_help(self.action, "`repo` is missing", "which repo?", help);
                None
            }
        }
    }

    /// An earlier step that has left one of these under its id.
    pub fn step_with(&mut self, name: &Spanned<Name>, outputs: &[Output]) -> Option<StepRef> {
        let has = |kind: &Kind| kind.output.is_some_and(|output| outputs.contains(&output));
        let kinds = self.kinds;
        let of = |output: Output| kinds.iter().filter(move |kind| kind.output == Some(output));
        let names: Vec<&str> = outputs.iter().flat_map(|output| of(*output)).map(|kind| kind.name).collect();
        let wanted = names.join(" or ");
        self.step_that(name, &format!("a {wanted} step"), &wanted, has)
    }

    /// Any earlier step with this id.
    pub fn any_step(&mut self, name: &Spanned<Name>) -> Option<StepRef> {
        self.step_that(name, "a step", "", |_| true)
    }

    /// An earlier step that has made a restore point.
    pub fn restore_point(&mut self, name: &Spanned<Name>) -> Option<StepRef> {
        let has = |kind: &Kind| kind.mark == MarkKind::RestorePoint;
        let names: Vec<&str> = self.kinds.iter().filter(|kind| has(kind)).map(|kind| kind.name).collect();
        let wanted = names.join(" or ");
        self.step_that(name, &format!("a {wanted} step"), &wanted, has)
    }

    /// An earlier step that is a mark.
    pub fn mark(&mut self, name: &Spanned<Name>) -> Option<StepRef> {
        if let Some((id, kind)) = self.ids.get(name.as_str()).and_then(|id| Some((id.clone(), id.kind?)))
            && !kind.is_mark()
        {
            let title = format!("`{}` is not a mark", name.value);
            let related = (id.span, format!("it is the id of this {} step", kind.name));
            let others = self.kinds.iter().filter(|kind| kind.is_mark() && kind.role != Role::Incident);
            let others = choices(others.map(|kind| kind.name), "and");
            let label = format!("marks are incidents and {others} steps with an `id`");
            self.error_related(name.span, title, label, related);
            return None;
        }
        self.step_that(name, "a mark", "mark", Kind::is_mark)
    }

    /// What is known of a step that was looked up.
    pub fn step_info(&self, step: &StepId) -> Option<&IdInfo> {
        self.ids.get(step)
    }

    /// An earlier step whose kind is a wanted one; `a_wanted` and `wanted` say which.
    fn step_that(
        &mut self,
        name: &Spanned<Name>,
        a_wanted: &str,
        wanted: &str,
        is_wanted: impl Fn(&Kind) -> bool,
    ) -> Option<StepRef> {
        let step = StepRef::written(name);
        self.refers.push(Reference::Step(step.id.clone()));
        let Some(info) = self.ids.get(name.as_str()).cloned() else {
            let has = |id: &&IdInfo| id.kind.is_some_and(&is_wanted);
            let names: Vec<String> =
                self.ids.iter().filter(|(_, id)| has(id)).map(|(name, _)| name.to_string()).collect();
            let help = match names.is_empty() {
                true if wanted.is_empty() => "no step has an `id`".to_owned(),
                false if wanted.is_empty() => format!("steps with an id: {}", names.join(", ")),
                true => format!("no {wanted} step has an `id`"),
                false => format!("steps of that kind with an id: {}", names.join(", ")),
            };
            self.unknown("step", name, &names, &help);
            return None;
        };
        let kind = info.kind?;
        if !is_wanted(kind) {
            let title = format!("`{}` is not the id of {a_wanted}", name.value);
            let related = (info.span, format!("it is the id of this {} step", kind.name));
            self.error_related(name.span, title, format!("expected {a_wanted}"), related);
            return None;
        }
        if !info.decoded {
            return None;
        }
        if info.index >= self.index {
            let title = format!("step `{}` has not run yet at this step", name.value);
            self.error_related(name.span, title, "used here", (info.span, "made here, later".to_owned()));
            return None;
        }
        Some(step)
    }

    /// The nodes and the repos at a site.
    pub fn site(&mut self, site: &Spanned<Name>) -> (Vec<NodeId>, Vec<RepoId>) {
        self.refers.push(Reference::Site(site.value.to_string()));
        let there = |at: &Option<Spanned<Name>>| at.as_ref().is_some_and(|at| at.value == site.value);
        let nodes: Vec<NodeId> =
            self.nodes.iter().filter(|(_, info)| there(&info.site)).map(|(name, _)| name.clone()).collect();
        let repos: Vec<RepoId> =
            self.repos.iter().filter(|(_, info)| there(&info.site)).map(|(name, _)| name.clone()).collect();
        // Of those that could not be decoded nobody knows where they are.
        let complete = !self.more_nodes && !self.more_repos;
        let decoded = self.nodes.values().all(|info| info.decoded) && self.repos.values().all(|info| info.decoded);
        if nodes.is_empty() && repos.is_empty() && complete && decoded {
            let sites = self.nodes.values().map(|info| &info.site).chain(self.repos.values().map(|info| &info.site));
            let mut names: Vec<String> = sites.flatten().map(|site| site.value.to_string()).collect();
            names.sort();
            names.dedup();
            self.unknown("site", site, &names, "a site is what `site:` says of nodes and repos");
        }
        (nodes, repos)
    }

    /// Two nodes of the drill's own, and what is between them.
    pub fn link(&mut self, pair: &Spanned<LinkField>) -> Option<Link> {
        let LinkField(a, b) = &pair.value;
        let ends = [a, b].map(|name| {
            let node = self.named_node(name)?;
            let info = self.nodes.get(&node.id)?;
            if info.external {
                let title = format!("`{node}` is external: a drill does nothing to its network");
                let declared = (info.span, "external".to_owned());
                self.error_related(name.span, title, "not drillyard's", declared);
                return None;
            }
            Some(node.id)
        });
        if a.value == b.value {
            self.error(pair.entry, "a node has no network to itself", "name two nodes");
            return None;
        }
        let [a, b] = ends;
        Some(Link::new(a?, b?))
    }

    /// Notes that a step cuts the network between two nodes.
    pub fn cuts(&mut self, link: &Link) {
        self.cut.insert(link.clone());
    }

    /// Demands that an earlier step has cut the network between two nodes.
    pub fn earlier_cut(&mut self, link: &Link, span: Span) {
        if !self.cut.contains(link) {
            let (a, b) = link.ends();
            let title = format!("no earlier step cuts the network between `{a}` and `{b}`");
            let help = format!("`cut: {{ between: [{a}, {b}] }}` does");
            self.error_help(span, title, "there is nothing to heal", help);
        }
    }

    /// Adds an error for a name that nothing has.
    pub fn unknown(&mut self, what: &str, name: &Spanned<Name>, names: &[String], help: &str) {
        let label = match did_you_mean(name.as_str(), names.iter().map(String::as_str)) {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("there is no such {what}"),
        };
        self.error_help(name.span, format!("unknown {what} `{}`", name.value), label, help);
    }
}
