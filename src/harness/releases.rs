//! Which release of PostgreSQL a node runs, where the scenario says so.

use super::{Maker, Scope};
use crate::pg::Version;
use crate::source::{Release, Several, Spanned};

/// The `release` of a node as a scenario has it: one, or one of each major version of the drill.
pub type ReleaseField = Spanned<Several<Spanned<Release>>>;

/// The releases that a node runs, one of each major version that the drill is meant for; none where
/// it runs the one that the drill runs on.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Releases(Vec<Spanned<Version>>);

impl Releases {
    /// The one that it runs when the drill runs on this major version.
    pub fn of(&self, major: u32) -> Option<Version> {
        self.iter().map(|release| release.value).find(|release| release.major == major)
    }

    /// All of them, with their places.
    pub fn iter(&self) -> impl Iterator<Item = &Spanned<Version>> {
        self.0.iter()
    }

    /// Whether the scenario says nothing.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}

impl Scope<'_> {
    /// The releases that a node is to run: one of each major version that the drill is meant for.
    pub fn releases(&mut self, written: Option<&ReleaseField>) -> Releases {
        let Some(written) = written else { return Releases::default() };
        let versions = self.versions.clone();
        if versions.is_empty() {
            if !self.more_versions {
                let help =
                    "add `postgres: [15]`, say, to the file: without it a drill runs on the newest version found";
                self.error_help(written.entry, "`release` without `postgres`", "of which major version?", help);
            }
            return Releases::default();
        }
        let mut releases: Vec<Spanned<Version>> = vec![];
        for Spanned { value: Release(version), span, entry } in written.value.0.iter().cloned() {
            if let Some(other) = releases.iter().find(|other| other.value.major == version.major) {
                let title = format!("two releases of PostgreSQL {}", version.major);
                self.error_related(span, title, "the second one", (other.span, "the first one".to_owned()));
            }
            if !versions.iter().any(|one| one.value == version.major) {
                let title = format!("the drill does not run on PostgreSQL {}", version.major);
                let label = format!("{version} is a release of PostgreSQL {}", version.major);
                let listed = versions.iter().map(|one| one.span).reduce(|first, last| first.to(last));
                let listed = (listed.unwrap_or(span), "these are the major versions that it runs on".to_owned());
                self.error_related(span, title, label, listed);
            }
            releases.push(Spanned { value: version, span, entry });
        }
        let lacks = versions.iter().filter(|one| !releases.iter().any(|release| release.value.major == one.value));
        let lacks: Vec<String> = lacks.map(|one| one.value.to_string()).collect();
        // One of another major version is told already.
        if !lacks.is_empty() && releases.iter().all(|one| versions.iter().any(|two| two.value == one.value.major)) {
            let title = format!("no release of PostgreSQL {}", lacks.join(" and "));
            let help = "write one of each: `release: [\"15.18\", \"17.10\"]`, say";
            self.error_help(written.span, title, "the drill runs on it, too", help);
        }
        Releases(releases)
    }

    /// The releases of a server that the step being resolved starts: an error if another one has
    /// made it, since it keeps the one that it was made with.
    pub fn releases_of_new(&mut self, node: &str, written: Option<&ReleaseField>) -> Releases {
        let this = Maker::Step(self.index);
        let made = self.nodes.get(node).filter(|info| info.maker != this).map(|info| info.span);
        if let (Some(written), Some(made)) = (written, made) {
            let title = format!("`{node}` is there already, and keeps its release");
            let related = (made, "it comes from here: write `release` there".to_owned());
            self.error_related(written.entry, title, "not here", related);
            return Releases::default();
        }
        self.releases(written)
    }
}
