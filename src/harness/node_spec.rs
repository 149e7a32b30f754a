//! A node as the scenario describes it.

use std::collections::BTreeMap;

use super::{NodeId, NodeSettings, Releases, RepoId};
use crate::node::{Address, Config};
use crate::repo::Repo;
use crate::source::Span;

/// A node as the scenario describes it.
#[derive(Debug, Clone, Default)]
pub struct NodeSpec {
    /// The repo that it archives to.
    pub archive_to: Option<RepoId>,
    /// The node that it follows.
    pub follows: Option<NodeId>,
    /// Lines for postgresql.conf.
    pub settings: Vec<(String, String)>,
    /// Where the name of each of them stands.
    pub setting_places: Vec<Span>,
    /// The names of those that the step gives that starts it.
    pub given: Vec<String>,
    /// The releases that it runs, if it says so.
    pub releases: Releases,
    /// Where its name stands.
    pub place: Span,
    /// How a server is reached that drillyard did not make.
    pub external: Option<Address>,
}

impl NodeSpec {
    /// Its configuration, as far as the scenario says.
    pub fn config(&self, repos: &BTreeMap<RepoId, Repo>) -> Config {
        let repo = self.archive_to.as_ref().and_then(|repo| repos.get(repo));
        let (archiving, settings, given) = (repo.map(Repo::archiving), self.settings.clone(), self.given.clone());
        Config { archiving, settings, given, ..Config::default() }
    }

    /// The same node with more settings, which win over its own.
    pub(super) fn with(mut self, settings: &NodeSettings) -> NodeSpec {
        self.settings.extend(settings.lines.iter().cloned());
        self.setting_places.extend(&settings.places);
        self.given = settings.lines.iter().rev().take(settings.newest).map(|(name, _)| name.clone()).collect();
        self
    }

    /// Whether something of the scenario's own archives its WAL.
    pub(super) fn archives_by_own_command(&self) -> bool {
        let own = |name: &str| ["archive_command", "archive_library"].iter().any(|one| name.eq_ignore_ascii_case(one));
        self.settings.iter().any(|(name, value)| own(name) && !value.is_empty())
    }

    /// The setting that a server's complaint names first, and where it stands.
    pub fn blamed(&self, complaint: &str) -> Option<(&str, Span)> {
        let complaint = complaint.to_lowercase();
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '.';
        let named = |name: &str| {
            let all = complaint.match_indices(name);
            let whole = |at: usize| {
                let before = complaint[..at].chars().next_back();
                let after = complaint[at + name.len()..].chars().next();
                !before.is_some_and(is_word) && !after.is_some_and(|c| is_word(c) && c != '.')
            };
            all.map(|(at, _)| at).find(|at| whole(*at))
        };
        // Of one that is given twice the later one counts.
        let found = self.settings.iter().zip(&self.setting_places).rev();
        let found = found.filter_map(|((name, _), place)| Some((named(&name.to_lowercase())?, name.as_str(), *place)));
        found.min_by_key(|(at, ..)| *at).map(|(_, name, place)| (name, place))
    }

    /// How late it is to apply what it has received, where it is to be late on purpose.
    pub fn delay(&self) -> Option<&str> {
        let delays = self.settings.iter().filter(|(name, _)| name.eq_ignore_ascii_case("recovery_min_apply_delay"));
        let zero = |value: &str| value.trim_matches(|c: char| c.is_alphabetic() || c == ' ') == "0";
        delays.map(|(_, value)| value.as_str()).next_back().filter(|value| !zero(value))
    }
}
