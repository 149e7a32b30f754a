//! What the names in a scenario mean at each step: checked before anything starts.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;

use schemars::JsonSchema;
use serde::Deserialize;

use crate::journal::Problem;
use crate::repo::Kind as RepoKind;
use crate::source::{Name, Source, Span, Spanned, did_you_mean};

use crate::harness::Kind;

/// A node, as a step names it. Where it was left out, `resolve` fills it in.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
pub struct NodeRef(Option<Spanned<Name>>);

impl NodeRef {
    /// The node's name; empty before `resolve`.
    pub fn as_str(&self) -> &str {
        self.0.as_ref().map_or("", |name| name.as_str())
    }

    /// Where it was written; `None` where it was filled in.
    pub fn span(&self) -> Option<Span> {
        self.0.as_ref().map(|name| name.entry).filter(|span| span.end > 0)
    }
}

impl std::fmt::Display for NodeRef {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(self.as_str())
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
    pub follows: Option<String>,
    /// The repo that it archives to.
    pub archive_to: Option<String>,
    /// The repo that it was recovered from last.
    pub recovers_from: Option<String>,
    /// Where it is.
    pub site: Option<Spanned<Name>>,
    /// Whether drillyard only looks at it.
    pub external: bool,
    /// Whether an earlier step made a standby of it (`rewind`, `rebuild`), whatever it was at the start.
    pub remade: bool,
    /// Whether all this is known: of a node whose fields could not be decoded only the name is, and nothing is held against
    /// those who use it.
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
    pub copy_of: Option<String>,
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
    /// The repo of a backup, the node of a recover, the tables of a snapshot: what later checks ask for.
    pub detail: Option<String>,
}

/// The names that a step can use, and what is wrong with those that it does use.
pub struct Scope<'a> {
    source: &'a Source,
    /// All nodes, those made later too.
    pub nodes: BTreeMap<String, NodeInfo>,
    /// All repos.
    pub repos: BTreeMap<String, RepoInfo>,
    /// All ids of the file.
    pub ids: BTreeMap<String, IdInfo>,
    /// Whether there may be more nodes than these: an unknown one is then no error.
    pub more_nodes: bool,
    /// The same for repos.
    pub more_repos: bool,
    /// The index of the step being resolved.
    pub index: usize,
    /// The id of the step being resolved.
    pub id: Option<String>,
    /// Where the action of the step being resolved stands.
    pub action: Span,
    /// Where files are looked for.
    pub file_roots: Vec<PathBuf>,
    /// What refers to what, for `plan`.
    pub refers: Vec<String>,
    /// The transactions of each traffic step, by its id, that may write and have no ledger.
    unchecked: BTreeMap<String, Vec<(Span, String)>>,
    /// The traffic steps that an assertion is about.
    pub asserted: BTreeSet<String>,
    cut: BTreeSet<(String, String)>,
    problems: Vec<Problem>,
    warnings: Vec<Problem>,
}

impl<'a> Scope<'a> {
    /// A scope without names.
    pub fn new(source: &'a Source, file_roots: Vec<PathBuf>) -> Self {
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

    /// Warns of the transactions that nobody can look for, where an assertion or a budget is about them. `budgeted` is the traffic step
    /// that a budget of loss is about, all of it.
    pub fn warn_of_unchecked(&mut self, budgeted: Option<&str>) {
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

    /// Notes what later checks ask of the step being resolved: the repo of a backup.
    pub fn detail(&mut self, detail: Option<String>) {
        if let Some(info) = self.id.as_ref().and_then(|id| self.ids.get_mut(id)) {
            info.detail = detail;
        }
    }

    /// Notes the repo that a node is recovered from.
    pub fn recovers_from(&mut self, node: &str, repo: Option<String>) {
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
    pub fn archives_to(&mut self, node: &str, repo: Option<String>) {
        if let Some(info) = self.nodes.get_mut(node) {
            info.archive_to = repo;
        }
    }

    /// A node that exists at this step.
    pub fn node(&mut self, node: &mut NodeRef) -> Option<NodeInfo> {
        if node.0.is_none() {
            node.0 = Some(self.default_node()?);
        }
        let name = node.0.clone()?;
        self.named_node(&name)
    }

    /// A node that drillyard made, to which the step may write.
    pub fn own_node(&mut self, node: &mut NodeRef) -> Option<NodeInfo> {
        let info = self.node(node)?;
        self.own(info, node.as_str(), node.span().unwrap_or(self.action))
    }

    /// The same for a name that cannot be left out.
    pub fn own_named_node(&mut self, name: &Spanned<Name>) -> Option<NodeInfo> {
        let info = self.named_node(name)?;
        self.own(info, name.as_str(), name.entry)
    }

    fn own(&mut self, info: NodeInfo, name: &str, span: Span) -> Option<NodeInfo> {
        if info.external {
            self.error_related(
                span,
                format!("`{name}` is external: a drill only reads from it"),
                "this step would write there, or needs its host",
                (info.span, "declared external here".to_owned()),
            );
            return None;
        }
        Some(info)
    }

    /// A node that exists at this step, by a name that cannot be left out.
    pub fn named_node(&mut self, name: &Spanned<Name>) -> Option<NodeInfo> {
        self.refers.push(format!("node {}", name.value));
        match self.nodes.get(name.as_str()).cloned() {
            Some(info) if !info.decoded => None,
            Some(info) => match info.maker {
                Maker::Step(index) if index >= self.index => {
                    let title = format!("node `{}` does not exist yet at this step", name.value);
                    self.error_related(name.span, title, "used here", (info.span, "made here, later".to_owned()));
                    None
                }
                _ => Some(info),
            },
            None if self.more_nodes => None,
            None => {
                let names: Vec<String> = self.nodes.keys().cloned().collect();
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

    fn default_node(&mut self) -> Option<Spanned<Name>> {
        if self.more_nodes || self.nodes.values().any(|info| !info.decoded && info.maker == Maker::Start) {
            return None;
        }
        let declared = self.nodes.iter().filter(|(_, info)| info.maker == Maker::Start);
        let could_be: Vec<String> = declared
            .filter(|(_, info)| info.follows.is_none() && !info.external)
            .map(|(name, _)| name.clone())
            .collect();
        match could_be.as_slice() {
            [one] => {
                let value = Name::new(one).ok()?;
                Some(Spanned { value, span: Span::default(), entry: Span::default() })
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
                let help = format!("it could be {}: write `node: {}`", many.join(" or "), many[0]);
                self.error_help(self.action, "`node` is missing", "on which node?", help);
                None
            }
        }
    }

    /// A file that must be there.
    pub fn file(&mut self, file: &Spanned<String>) {
        self.refers.push(format!("file {}", file.value));
        if !self.file_roots.iter().any(|root| root.join(&file.value).is_file()) {
            let looked: Vec<String> = self.file_roots.iter().map(|root| root.display().to_string()).collect();
            let help = format!("looked in {}", looked.join(", "));
            self.error_help(file.span, format!("there is no file {}", file.value), "not found", help);
        }
    }

    /// A repo.
    pub fn repo(&mut self, name: &Spanned<Name>) -> Option<RepoInfo> {
        self.refers.push(format!("repo {}", name.value));
        let found = self.repos.get(name.as_str()).cloned();
        if found.is_none() && !self.more_repos {
            let names: Vec<String> = self.repos.keys().cloned().collect();
            self.unknown("repo", name, &names, "repos are listed under `repos:`");
        }
        found.filter(|info| info.decoded)
    }

    /// A repo that a server may archive into.
    pub fn archive_to(&mut self, name: &Spanned<Name>) {
        if let Some(info) = self.repo(name)
            && let Some(original) = info.copy_of
        {
            let title = format!("repo `{}` holds only what `sync` has copied", name.value);
            let related = (info.span, format!("a copy of `{original}`"));
            self.error_related(name.span, title, "archive to the original", related);
        }
    }

    /// The repo that the servers above a standby archive to.
    pub fn archive_above(&self, node: &str) -> Option<String> {
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
    pub fn default_repo(&mut self) -> Option<Name> {
        if self.more_repos || self.repos.values().any(|info| !info.decoded) {
            return None;
        }
        let originals: Vec<String> =
            self.repos.iter().filter(|(_, info)| info.copy_of.is_none()).map(|(name, _)| name.clone()).collect();
        match originals.as_slice() {
            [one] => Name::new(one).ok(),
            [] => {
                let help = "list one at the top of the file: `repos: { onsite: {} }`";
                self.error_help(self.action, "there is no repo", "this step needs one", help);
                None
            }
            many => {
                let help = format!("it could be {}: write `repo: {}`", many.join(" or "), many[0]);
                self.error_help(self.action, "`repo` is missing", "which repo?", help);
                None
            }
        }
    }

    /// The id of an earlier step of one of these kinds.
    pub fn step(&mut self, name: &Spanned<Name>, kinds: &[&str]) -> Option<IdInfo> {
        let wanted = kinds.join(" or ");
        self.step_that(name, &format!("a {wanted} step"), &wanted, |kind| kinds.contains(&kind.name))
    }

    /// The id of any earlier step.
    pub fn any_step(&mut self, name: &Spanned<Name>) -> Option<IdInfo> {
        self.step_that(name, "a step", "", |_| true)
    }

    /// The id of an earlier step that is a mark.
    pub fn mark(&mut self, name: &Spanned<Name>) -> Option<IdInfo> {
        if let Some((id, kind)) = self.ids.get(name.as_str()).and_then(|id| Some((id.clone(), id.kind?)))
            && !kind.role.is_mark()
        {
            let title = format!("`{}` is not a mark", name.value);
            let related = (id.span, format!("it is the id of this {} step", kind.name));
            let label = "marks are incidents and `sql`, `exec`, `backup`, `promote`, `mark` and `find_in_wal` steps with an `id`";
            self.error_related(name.span, title, label, related);
            return None;
        }
        self.step_that(name, "a mark", "mark", |kind| kind.role.is_mark())
    }

    /// The id of an earlier step whose kind is a wanted one; `a_wanted` and `wanted` say which.
    fn step_that(
        &mut self,
        name: &Spanned<Name>,
        a_wanted: &str,
        wanted: &str,
        is_wanted: impl Fn(&Kind) -> bool,
    ) -> Option<IdInfo> {
        self.refers.push(format!("step {}", name.value));
        let Some(info) = self.ids.get(name.as_str()).cloned() else {
            let has = |id: &&IdInfo| id.kind.is_some_and(&is_wanted);
            let names: Vec<String> = self.ids.iter().filter(|(_, id)| has(id)).map(|(n, _)| n.clone()).collect();
            let help = match names.is_empty() {
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
        Some(info)
    }

    /// The nodes and the repos at a site.
    pub fn site(&mut self, site: &Spanned<Name>) -> (Vec<String>, Vec<String>) {
        self.refers.push(format!("site {}", site.value));
        let there = |at: &Option<Spanned<Name>>| at.as_ref().is_some_and(|at| at.value == site.value);
        let nodes: Vec<String> =
            self.nodes.iter().filter(|(_, info)| there(&info.site)).map(|(name, _)| name.clone()).collect();
        let repos: Vec<String> =
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

    /// Notes that a step cuts the network between two nodes.
    pub fn cuts(&mut self, pair: (String, String)) {
        self.cut.insert(pair);
    }

    /// Two nodes that an earlier step has cut off from each other.
    pub fn earlier_cut(&mut self, pair: &Spanned<crate::harness::Link>) {
        if !self.cut.contains(&pair.value.key()) {
            let (a, b) = pair.value.names();
            let title = format!("no earlier step cuts the network between `{a}` and `{b}`");
            let help = format!("`cut: {{ between: [{a}, {b}] }}` does");
            self.error_help(pair.span, title, "there is nothing to heal", help);
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
