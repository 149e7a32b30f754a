//! The backup that a recovery begins with: that of an earlier step, or one of those that a repo
//! has.

use std::fmt;
use std::sync::Arc;

use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Finding, Output, RepoId, Resolved, Scope, StepRef, if_given};
use crate::host::Host;
use crate::repo::{Ability, Label, Listed, Repo};
use crate::source::{BackupName, Name, RepoName, Span, Spanned, Time};

/// The backup to begin with: the id of a `backup` step; or, of those that the repo has, `newest`,
/// `oldest`, `random`, one by what the repo calls it, or `{ before: TIME }`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct BackupSpec {
    /// The id of a `backup` step; `newest`, `oldest` or `random`; or what the repo calls it.
    #[serde(default, rename = "$word")]
    name: Option<BackupName>,
    /// The newest that was begun before this time: RFC 3339 with an offset.
    #[serde(default)]
    before: Option<Spanned<Time>>,
}

/// The backup that a recovery begins with.
#[derive(Debug, Clone)]
pub(crate) enum Backup {
    /// That of an earlier step.
    Step(StepRef),
    /// One of those that the repo has.
    InRepo(Choice, Span),
}

/// Which of the backups that a repo has.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Choice {
    /// The newest one.
    Newest,
    /// The oldest one.
    Oldest,
    /// Any, by the seed of the run.
    Random,
    /// The newest that was begun before this time.
    Before(Timestamp),
    /// The one that the repo calls so.
    Called(String),
}

impl BackupSpec {
    /// The backup, and the repo that it is in.
    pub(crate) fn resolve(
        &self,
        repo: Option<&RepoName>,
        span: Span,
        scope: &mut Scope<'_>,
    ) -> Resolved<(Backup, RepoId)> {
        let choice = match (&self.name, &self.before) {
            (Some(name), _) => {
                let of = repo.map(|repo| repo.as_str());
                match name.as_name().filter(|name| !scope.may_be_in_a_repo(name.as_str(), of)) {
                    Some(id) => return of_step(&id, repo, span, scope),
                    None => Choice::by_name(&name.value),
                }
            }
            (None, Some(before)) => Choice::Before(before.value.0),
            (None, None) => {
                let help = "the id of a `backup` step, `newest`, `oldest`, `random`, or `{ before: TIME }`";
                scope.error_help(span, "`backup` says nothing", "which backup?", help);
                return None;
            }
        };
        in_repo(choice, repo, span, scope)
    }
}

/// The backup of an earlier step, in its own repo or in a copy of that.
fn of_step(
    id: &Spanned<Name>,
    repo: Option<&RepoName>,
    span: Span,
    scope: &mut Scope<'_>,
) -> Resolved<(Backup, RepoId)> {
    let at = repo.map_or(span, |repo| repo.span);
    let step = scope.step_with(id, &[Output::Backup]);
    let repo = match repo {
        Some(repo) => scope.repo(repo).map(|repo| repo.id),
        None => step.as_ref().and_then(|step| scope.step_info(step)?.repo.clone()),
    };
    let repo = repo.inspect(|repo| match &step {
        Some(step) => scope.restores(&step.id, repo, Some(at)),
        None => scope.repo_can(repo, Ability::Restore, Some(at)),
    });
    repo.zip(step).map(|(repo, step)| (Backup::Step(step), repo))
}

/// The backup that a step looks at, the newest one if it names none; its repo; where it says so.
pub(crate) fn looked_at(
    backup: Option<&Spanned<BackupSpec>>,
    repo: Option<&RepoName>,
    scope: &mut Scope<'_>,
) -> Resolved<(Backup, RepoId, Span)> {
    let at = backup.map_or(scope.action, |backup| backup.span);
    let (backup, repo) = match backup {
        Some(backup) => backup.value.resolve(repo, at, scope)?,
        None => in_repo(Choice::Newest, repo, at, scope)?,
    };
    Some((backup, repo, at))
}

/// One of the backups that a repo has.
fn in_repo(choice: Choice, repo: Option<&RepoName>, span: Span, scope: &mut Scope<'_>) -> Resolved<(Backup, RepoId)> {
    let at = repo.map_or(span, |repo| repo.span);
    let named = if_given(repo, |repo| scope.repo(repo))?;
    let repo = match named {
        Some(repo) => Some(repo.id),
        None => scope.repo_or_default(None).map(|repo| repo.id),
    };
    let repo = repo?;
    scope.repo_can(&repo, Ability::Restore, Some(at));
    scope.repo_can(&repo, Ability::ListBackups, Some(at));
    Some((Backup::InRepo(choice, span), repo))
}

impl Backup {
    /// The step that took it.
    pub(crate) fn step(&self) -> Option<&StepRef> {
        match self {
            Backup::Step(step) => Some(step),
            Backup::InRepo(..) => None,
        }
    }

    /// Whether it is the newest one that a repo has.
    pub(crate) fn is_newest(&self) -> bool {
        matches!(self, Backup::InRepo(Choice::Newest, _))
    }
}

/// A backup that is there and whole, and where it was found.
pub(crate) struct Found {
    /// The repo.
    pub repo: Repo,
    /// A host from which the repo can be read.
    pub host: Arc<dyn Host>,
    /// What the repo calls the backup.
    pub label: Label,
    /// When it was begun.
    pub taken: Timestamp,
    /// The earliest time that can be recovered from it.
    pub reaches_from: Timestamp,
}

impl Backup {
    /// Looks for the backup in a repo, without restoring it.
    pub(crate) async fn find(&self, cx: &mut Context<'_>, repo: &RepoId) -> Result<Found, Box<Finding>> {
        let repo = cx.world.repo(repo)?.clone();
        let host = cx.world.reader().await?;
        self.find_from(cx, repo, host).await
    }

    /// The same from this host.
    pub(crate) async fn find_from(
        &self,
        cx: &mut Context<'_>,
        repo: Repo,
        host: Arc<dyn Host>,
    ) -> Result<Found, Box<Finding>> {
        let listed = match self {
            Backup::InRepo(choice, at) => {
                Wanted { choice, until: None, at: *at }.choose(cx, host.as_ref(), &repo).await?
            }
            Backup::Step(step) => {
                let label = cx.world.label(step);
                let listed = repo.backups(host.as_ref()).await?.into_iter().find(|one| one.label == label);
                listed.ok_or_else(|| {
                    let title = format!("backup `{step}` is not in repo `{}`", repo.name);
                    Finding::failed(title).at(step.span()).label("the repo has none that is called so")
                })?
            }
        };
        let (taken, reaches_from) = (listed.taken, listed.reaches_from());
        match (listed.wrong, self.step()) {
            (Some(wrong), Some(step)) => {
                Err(Finding::failed(format!("backup `{step}` cannot be restored")).at(step.span()).label(wrong))
            }
            _ => Ok(Found { repo, host, label: listed.label, taken, reaches_from }),
        }
    }
}

impl Choice {
    fn by_name(name: &str) -> Self {
        match name {
            "newest" => Choice::Newest,
            "oldest" => Choice::Oldest,
            "random" => Choice::Random,
            other => Choice::Called(other.to_owned()),
        }
    }

    /// The one of these backups, the oldest first.
    fn of<'a>(&self, whole: &[&'a Listed], seed: u64) -> Option<&'a Listed> {
        let is = |name: &str, label: &str| label == name || label.ends_with(&format!("/{name}"));
        match self {
            Choice::Newest => whole.last().copied(),
            Choice::Oldest => whole.first().copied(),
            Choice::Random if whole.is_empty() => None,
            Choice::Random => Some(whole[fastrand::Rng::with_seed(seed).usize(..whole.len())]),
            Choice::Before(time) => whole.iter().rfind(|one| one.taken < *time).copied(),
            Choice::Called(name) => whole.iter().rfind(|one| is(name, one.label.as_str())).copied(),
        }
    }
}

/// A backup that a repo is asked for.
pub(crate) struct Wanted<'a> {
    /// Which one.
    pub choice: &'a Choice,
    /// The time that is to be recovered to: what was begun later, or was still running then, is
    /// passed over by whoever takes the newest one, or any.
    pub until: Option<Timestamp>,
    /// Where the scenario asks for it.
    pub at: Span,
}

impl Wanted<'_> {
    /// Chooses, and reports what was chosen and what was passed over.
    pub(crate) async fn choose(
        &self,
        cx: &mut Context<'_>,
        host: &dyn Host,
        repo: &Repo,
    ) -> Result<Listed, Box<Finding>> {
        let listed = repo.backups(host).await.map_err(|error| match error.said() {
            Some(said) => Finding::failed(format!("the backups in repo `{}` cannot be listed", repo.name)).label(said),
            None => error.into(),
        })?;
        let (whole, broken): (Vec<&Listed>, Vec<&Listed>) = listed.iter().partition(|one| one.wrong.is_none());
        let until = self.until.filter(|_| matches!(self.choice, Choice::Newest | Choice::Random));
        let early: Vec<&Listed> =
            whole.iter().filter(|one| until.is_none_or(|until| one.reaches_from() < until)).copied().collect();
        let chosen = self.choice.of(&early, cx.world.seed);
        let wrong = |one: &&Listed| Some(format!("{}: {}", one.label, one.wrong.as_ref()?));
        let mut passed_over: Vec<String> = broken.iter().filter_map(wrong).collect();
        let Some(chosen) = chosen else {
            let label = match (whole.len(), self.choice) {
                (0, _) => "there is none that can be restored".to_owned(),
                (_, Choice::Called(name)) => format!("none is called `{name}`"),
                (_, Choice::Before(time)) => format!("none was begun before {time}"),
                (_, _) => match until {
                    Some(until) => format!("none was finished before the recovery target, {until}"),
                    None => "there is none".to_owned(),
                },
            };
            let there: Vec<String> = whole.iter().map(|one| dated(one, until)).chain(passed_over).collect();
            let finding = Finding::failed(format!("repo `{}` has no such backup", repo.name)).at(self.at).label(label);
            let read_at = repo.place().read_at.clone().unwrap_or_default();
            return Err(finding.note("there", there.join("; ")).note("read at", read_at));
        };
        // Somebody takes the newest one for last night's.
        let newer = |one: &&&Listed| *self.choice == Choice::Newest && one.age() > chosen.age();
        for why in broken.iter().filter(newer).filter_map(wrong) {
            cx.world.warn(format!("a newer backup in repo `{}` was passed over: {why}", repo.name));
        }
        passed_over.extend(whole.iter().filter(|one| **one != chosen).map(|one| dated(one, until)));
        cx.fact("backup", chosen.label.to_string());
        cx.fact("backup_taken", chosen.taken.to_string());
        if !passed_over.is_empty() {
            cx.fact("passed_over", passed_over.join("; "));
        }
        Ok(chosen.clone())
    }
}

/// A backup and its time; and how long it ran, if it was still running at the time that is to be
/// recovered to.
fn dated(one: &Listed, until: Option<Timestamp>) -> String {
    match one.ended.zip(until) {
        Some((ended, until)) if one.taken < until && ended >= until => {
            format!("{} ({}): it was still running at the target, until {ended}", one.label, one.taken)
        }
        _ => format!("{} ({})", one.label, one.taken),
    }
}

impl fmt::Display for Backup {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Backup::Step(step) => step.fmt(f),
            Backup::InRepo(choice, _) => choice.fmt(f),
        }
    }
}

impl fmt::Display for Choice {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Choice::Newest => f.write_str("the newest backup"),
            Choice::Oldest => f.write_str("the oldest backup"),
            Choice::Random => f.write_str("a backup chosen at random"),
            Choice::Before(time) => write!(f, "the newest backup before {time}"),
            Choice::Called(name) => f.write_str(name),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_is_chosen_by_age_name_or_chance() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let listed = ["/b/a", "/b/b", "/b/c"].iter().zip(1..);
        let listed: Vec<Listed> = listed
            .map(|(label, n)| Listed { label: Label::new(*label), taken: at(n), ended: None, wrong: None })
            .collect();
        let whole: Vec<&Listed> = listed.iter().collect();
        let chosen = |choice: Choice| choice.of(&whole, 7).map(|one| one.label.to_string());
        assert_eq!(chosen(Choice::Newest).as_deref(), Some("/b/c"));
        assert_eq!(chosen(Choice::Oldest).as_deref(), Some("/b/a"));
        assert_eq!(chosen(Choice::Before(at(3))).as_deref(), Some("/b/b"));
        assert_eq!(chosen(Choice::Before(at(1))), None);
        assert_eq!(chosen(Choice::Called("b".to_owned())).as_deref(), Some("/b/b"));
        assert_eq!(chosen(Choice::Called("d".to_owned())), None);
        assert!(chosen(Choice::Random).is_some() && chosen(Choice::Random) == chosen(Choice::Random));
        assert_eq!(Choice::Random.of(&[], 7), None);
    }

    #[test]
    fn one_that_was_running_at_the_target_says_so() {
        let at = |second| Timestamp::from_second(second).expect("in range");
        let listed = Listed { label: Label::new("b"), taken: at(0), ended: Some(at(60)), wrong: None };
        let begun = "b (1970-01-01T00:00:00Z)";
        assert_eq!(
            dated(&listed, Some(at(60))),
            format!("{begun}: it was still running at the target, until 1970-01-01T00:01:00Z")
        );
        assert_eq!([dated(&listed, Some(at(61))), dated(&listed, Some(at(0))), dated(&listed, None)], [begun; 3]);
    }
}
