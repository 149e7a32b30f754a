//! Looking up the repos, the steps, the files and the sites that a step refers to.

use std::path::Path;

use super::{
    IdInfo, Kind, Link, LinkField, NodeId, Output, Reference, RepoId, RepoInfo, RepoRef, Scope, StepId, StepRef,
};
use crate::journal::{Place, Problem};
use crate::repo::Ability;
use crate::source::{Name, RepoName, Source, Span, Spanned, did_you_mean};

/// The words by which a backup is chosen of those that a repo has.
pub const CHOICES: [&str; 3] = ["newest", "oldest", "random"];

impl Scope<'_> {
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
        if let Some(existing) = info.existing.filter(|_| ability.changes()) {
            return self.only_read(repo, at.unwrap_or(self.action), existing);
        }
        let can = match info.existing {
            Some(_) => info.kind.can_if_existing(ability),
            None => info.kind.can(ability),
        };
        if let Some(by) = info.lacks.iter().find(|by| by.ability == ability).copied() {
            let (title, made) = (format!("repo `{repo}` cannot {ability}"), info.span);
            let label = format!("it has no `{}`: {}", by.key, by.help);
            return self.error_related(at.unwrap_or(self.action), title, label, (made, "made here".to_owned()));
        }
        let (made, Err(not)) = (info.span, can) else { return };
        let title = format!("a repo of kind `{}` cannot {ability}", not.kind);
        self.error_related(at.unwrap_or(self.action), title, not.why, (made, format!("`{repo}` is one")));
    }

    /// Whether a backup of this name may lie in `repo`, or in some repo if none is named, before
    /// the drill begins: then it need not be the id of a step.
    pub fn may_be_in_a_repo(&self, backup: &str, repo: Option<&str>) -> bool {
        if self.ids.contains_key(backup) {
            return false;
        }
        let has = |info: &RepoInfo| info.decoded.then_some(info.existing.is_some());
        let certain = match repo {
            Some(name) => self.repos.get(name).map_or((!self.more_repos).then_some(false), has),
            // Which one is meant is told later.
            None => {
                let none = !self.more_repos && self.repos.values().all(|info| has(info) == Some(false));
                none.then_some(false)
            }
        };
        // Where nobody knows, a name that is nearly that of a step is more likely misspelt.
        let is_near = || did_you_mean(backup, self.ids.keys().map(StepId::as_str)).is_some();
        CHOICES.contains(&backup) || certain.unwrap_or_else(|| !is_near())
    }

    /// Tells of a step, or a setting, that would change a repo of somebody else.
    fn only_read(&mut self, repo: &RepoId, at: Span, existing: Span) {
        let title = format!("repo `{repo}` is only read from");
        self.error_related(at, title, "this would change it", (existing, "somebody else's".to_owned()));
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
        if let Some(existing) = self.repos.get(&repo.id).and_then(|info| info.existing) {
            self.only_read(&repo.id, name.span, existing);
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

    /// Whether a name that may be that of a step or of a node is the node's: a step comes first.
    pub fn is_node(&self, name: &Name) -> bool {
        !self.ids.contains_key(name.as_str()) && self.nodes.contains_key(name.as_str())
    }

    /// What is known of a step that was looked up.
    pub fn step_info(&self, step: &StepId) -> Option<&IdInfo> {
        self.ids.get(step)
    }

    /// Tells that there is no step with this id, unless there are steps whose ids nobody knows.
    pub fn unknown_step(&mut self, name: &Spanned<Name>, names: &[String], help: &str) {
        if !self.more_ids {
            self.unknown("step", name, names, help);
        }
    }

    /// An earlier step whose kind is a wanted one; `a_wanted` and `wanted` say which.
    pub(super) fn step_that(
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
            self.unknown_step(name, &names, &help);
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
        if !self.is_in_reach("step", name, info.in_team, info.span) {
            return None;
        }
        if self.at_work == Some(info.index) {
            let title = format!("step `{}` is still at work when this happens", name.value);
            self.error_related(name.span, title, "it has left nothing yet", (info.span, "at work then".to_owned()));
            return None;
        }
        if info.index >= self.index {
            let title = format!("step `{}` has not run yet at this step", name.value);
            self.error_related(name.span, title, "used here", (info.span, "made here, later".to_owned()));
            return None;
        }
        self.runs_here(name, info.index, info.span).then_some(step)
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

    /// A file that must be there, and is read now.
    pub fn read_file(&mut self, file: &Spanned<String>) -> Option<Source> {
        self.file(file);
        let path = self.file_roots.iter().map(|root| root.join(&file.value)).find(|path| path.is_file())?;
        match std::fs::read_to_string(&path) {
            Ok(text) => {
                // As people name it who name the scenario so.
                let beside = Path::new(self.source.file()).with_file_name(&file.value);
                let shown = if beside.is_file() { beside } else { path };
                Some(Source::new(shown.display().to_string(), text))
            }
            Err(error) => {
                let title = format!("{} cannot be read", path.display());
                self.error(file.span, title, error.to_string());
                None
            }
        }
    }

    /// Where in a value of the file a key of its own stands, as in `host=...`.
    pub fn key_within(&self, span: Span, key: &str) -> Option<Span> {
        let at = self.source.text().get(span.start..span.end)?.find(&format!("{key}="))?;
        Some(Span { start: span.start + at, end: span.start + at + key.len() })
    }

    /// Where in a value of the file a piece of its text stands, as a word of its own if it is one
    /// somewhere; the value itself where its escapes hide it.
    pub fn within(&self, span: Span, piece: &str) -> Span {
        let text = self.source.text().get(span.start..span.end).unwrap_or_default();
        let goes_on = |at: &usize| text[at + piece.len()..].starts_with(|c: char| c.is_alphanumeric() || c == '_');
        let mut all = text.match_indices(piece).map(|(at, _)| at);
        let found = all.clone().find(|at| !goes_on(at)).or(all.next());
        found.map_or(span, |at| Span { start: span.start + at, end: span.start + at + piece.len() })
    }

    /// Adds an error at a place in another file, which the scenario names at `span`.
    pub fn error_elsewhere(&mut self, span: Span, title: impl Into<String>, place: Place) -> &mut Problem {
        let named = self.source.place(span, "named here");
        self.problems.push(Problem::new(title).at(place).at(named));
        let last = self.problems.len() - 1;
        &mut self.problems[last]
    }
}
