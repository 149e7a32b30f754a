//! Looking up marks: whether a step leaves one, what that knows, and whose WAL it is in.

use std::collections::BTreeSet;

use super::{IdInfo, Kind, Maker, MarkFact, MarkKind, NodeId, Reference, RepoId, Scope, StepRef};
use crate::source::{Name, Span, Spanned, choices, did_you_mean};

impl Scope<'_> {
    /// An earlier step that has made a restore point.
    pub fn restore_point(&mut self, name: &Spanned<Name>) -> Option<StepRef> {
        let has = |kind: &Kind| kind.mark == MarkKind::RestorePoint;
        let names: Vec<&str> = self.kinds.iter().filter(|kind| has(kind)).map(|kind| kind.name).collect();
        let wanted = names.join(" or ");
        self.step_that(name, &format!("a {wanted} step"), &wanted, has)
    }

    /// An earlier step that is a mark.
    pub fn mark(&mut self, name: &Spanned<Name>) -> Option<StepRef> {
        if let Some((info, kind)) = self.ids.get(name.as_str()).and_then(|id| Some((id.clone(), id.kind?)))
            && let Some(why) = kind.why_no_mark().or(info.no_mark)
        {
            let title = format!("`{}` is not a mark", name.value);
            let related = (info.span, format!("it is the id of this {} step", kind.name));
            self.error_related(name.span, title, why, related);
            self.help_last("give an `id` to the step that changed something, or put a `mark` step there".to_owned());
            return None;
        }
        self.step_that(name, "a mark", "mark", Kind::is_mark)
    }

    /// Notes that the step being resolved leaves no mark, though others of its kind do.
    pub fn leaves_no_mark(&mut self, why: &'static str) {
        if let Some(info) = self.id.as_ref().and_then(|id| self.ids.get_mut(id)) {
            info.no_mark = Some(why);
        }
    }

    /// Notes whose mark the step is that has been resolved, which refers to these: that of the node
    /// that it is about, if that is one alone.
    pub fn note_whose_mark(&mut self, refers: &[Reference]) {
        let nodes: BTreeSet<&NodeId> = refers
            .iter()
            .filter_map(|reference| match reference {
                Reference::Node(node) => Some(node),
                _ => None,
            })
            .collect();
        let [node] = nodes.into_iter().collect::<Vec<_>>()[..] else { return };
        let node = node.clone();
        if let Some(info) = self.id.as_ref().and_then(|id| self.ids.get_mut(id)) {
            info.node = Some(node);
        }
    }

    /// The nodes whose marks tell when something happened to a repo: those that archive to it, or
    /// to what it is a copy of.
    pub fn archivers(&self, repo: &RepoId) -> Vec<NodeId> {
        let original = self.repo_info(repo).and_then(|info| info.copy_of.as_ref()).unwrap_or(repo);
        let archives = |to: &Option<RepoId>| to.as_ref().is_some_and(|to| to == repo || to == original);
        self.nodes.iter().filter(|(_, info)| archives(&info.archive_to)).map(|(name, _)| name.clone()).collect()
    }

    /// Adds an error where a mark is certainly not in the WAL of a repo: made on another cluster
    /// than all that archive there.
    pub fn mark_is_in_repo(&mut self, mark: &Spanned<Name>, repo: &RepoId) {
        let Some(node) = self.ids.get(mark.as_str()).and_then(|info| info.node.clone()) else { return };
        let Some(own) = self.cluster(&node) else { return };
        let archivers = self.archivers(repo);
        let theirs: Option<BTreeSet<NodeId>> = archivers.iter().map(|node| self.cluster(node)).collect();
        let Some(theirs) = theirs.filter(|theirs| !theirs.is_empty() && !theirs.contains(&own)) else { return };
        let title = format!("`{}` is not in the WAL of repo `{repo}`", mark.value);
        let label = format!("it is a mark of `{node}`");
        let archivers = choices(theirs.iter().map(|node| node.as_str()), "and");
        let made = self.repos.get(repo).map(|info| (info.span, format!("the WAL of {archivers} is there")));
        match made {
            Some(made) => self.error_related(mark.span, title, label, made),
            None => drop(self.error(mark.span, title, label)),
        }
        self.help_last(
            "two clusters have segments of the same name: take a mark of the server that archives there".to_owned(),
        );
    }

    /// The listed primary of whose cluster a node certainly is.
    fn cluster(&self, node: &NodeId) -> Option<NodeId> {
        let mut at = node.clone();
        // As many as there are: nodes that follow each other in a circle are an error of their own.
        for _ in 0..self.nodes.len() {
            let info = self.nodes.get(&at)?;
            if info.maker != Maker::Start || !info.decoded || info.external || info.remade {
                return None;
            }
            match &info.follows {
                Some(upstream) => at = upstream.clone(),
                None => return Some(at),
            }
        }
        None
    }

    /// Whether a step may leave a fact that a value asks for; an error with what it does leave.
    pub(super) fn leaves(&mut self, info: &IdInfo, (step, fact): (&str, &str), at: Span) -> bool {
        let Some(kind) = info.kind.filter(|_| info.decoded) else { return true };
        let all = info.facts();
        if all.contains(&fact) {
            return true;
        }
        let of_mark = MarkFact::ALL.into_iter().find(|one| one.name() == fact);
        let why = of_mark.and_then(|fact| info.no_mark.or(kind.why_no_mark()).or(kind.mark.why_not(fact)));
        let label = match (did_you_mean(fact, all.iter().copied()), why) {
            (_, Some(why)) => why.to_owned(),
            (Some(near), None) => format!("did you mean `${{{step}.{near}}}`?"),
            (None, None) => "no such fact".to_owned(),
        };
        let help = match all.is_empty() {
            true => format!("{} steps leave no facts", kind.name),
            false => format!("{} steps may leave {}", kind.name, choices(all, "and")),
        };
        let place = (info.span, format!("this {} step", kind.name));
        self.error_related(at, format!("step `{step}` leaves no `{fact}`"), label, place);
        self.help_last(help);
        false
    }
}
