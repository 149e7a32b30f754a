//! Which backups lie in which repos, as far as earlier steps say.

use super::{RepoId, Scope, StepId};
use crate::repo::Ability;
use crate::source::Span;

impl Scope<'_> {
    /// Notes that the step being resolved damages a backup in a repo, which it names at `at`.
    pub fn damages(&mut self, backup: &StepId, repo: &RepoId, at: Span) {
        self.needs_backup(backup, repo, Some(at));
        self.damaged.insert((backup.clone(), repo.clone()));
    }

    /// Notes that the step being resolved loses WAL of a repo.
    pub fn loses_wal(&mut self, repo: &RepoId) {
        self.without_wal.insert(repo.clone());
    }

    /// The step being resolved recovers to the end of a backup and no further, from a repo whose
    /// WAL may be lost; an error if no repo of its kind can. `at` is where it says so.
    pub fn restores_alone(&mut self, repo: &RepoId, at: Span) {
        if self.without_wal.contains(repo) && !self.must_fail {
            self.repo_can(repo, Ability::RestoreAlone, Some(at));
        }
    }

    /// The step being resolved restores a backup from a repo; an error if no repo of its kind can.
    /// One that is damaged may be another matter. `at` is where the step names backup or repo.
    pub fn restores(&mut self, backup: &StepId, repo: &RepoId, at: Option<Span>) {
        self.needs_backup(backup, repo, at);
        self.repo_can(repo, Ability::Restore, at);
        if self.damaged.contains(&(backup.clone(), repo.clone())) && !self.must_fail {
            self.repo_can(repo, Ability::RestoreDamaged, at);
        }
    }

    /// Notes that the step being resolved removes a backup from a repo.
    pub fn loses_backup(&mut self, backup: &StepId, repo: &RepoId) {
        self.lost_backups.insert((backup.clone(), repo.clone()), self.action);
    }

    /// Notes that the step being resolved brings a copy up to date: backups that it has lost come
    /// back, if the original still has them.
    pub fn syncs(&mut self, repo: &RepoId, original: &RepoId) {
        self.synced.insert(repo.clone(), self.index);
        let lost = std::mem::take(&mut self.lost_backups);
        let stays =
            |(backup, of): &(StepId, RepoId)| of != repo || lost.contains_key(&(backup.clone(), original.clone()));
        self.lost_backups = lost.iter().filter(|(key, _)| stays(key)).map(|(key, at)| (key.clone(), *at)).collect();
    }

    /// Demands that the backup of an earlier step lies in a repo, with all that it goes on from. A
    /// step that has to fail may be about just that. `at` is where the step names backup or repo.
    pub fn needs_backup(&mut self, backup: &StepId, repo: &RepoId, at: Option<Span>) {
        let at = at.unwrap_or(self.action);
        let Some(info) = self.ids.get(backup).cloned() else { return };
        let Some(own) = info.repo.clone().filter(|_| !self.must_fail && !self.repos_by_hand) else { return };
        if own != *repo && !self.is_copy_of(repo, &own) {
            let title = format!("backup `{backup}` is not in repo `{repo}`");
            self.error_related(at, title, "it was not taken there", (info.span, format!("taken to `{own}`")));
        } else if own != *repo && self.all_decoded && self.synced.get(repo).is_none_or(|index| *index < info.index) {
            let title = format!("backup `{backup}` is not in repo `{repo}` at this step");
            let related = (info.span, format!("taken to `{own}`"));
            self.error_related(at, title, "no step has brought it there", related);
            self.help_last(format!("`sync: {{ repo: {repo} }}` does, after the backup"));
        } else if let Some((lost, place)) = self.lost_of(backup, repo) {
            let label = match lost == *backup {
                true => "it is gone".to_owned(),
                false => format!("`{backup}` goes on from it"),
            };
            let title = format!("backup `{lost}` is lost at this step");
            self.error_related(at, title, label, (place, format!("removed from `{repo}`")));
            self.help_last("if the step is to show that, say how it fails: `expect: { fails: ... }`".to_owned());
        }
    }

    /// Whether a repo is a copy of another one; one that could not be decoded may be.
    fn is_copy_of(&self, repo: &RepoId, original: &RepoId) -> bool {
        let info = self.repos.get(repo).filter(|info| info.decoded);
        info.is_none_or(|info| info.copy_of.as_ref() == Some(original))
    }

    /// The backup that an earlier step has removed from a repo: this one, or one that it goes on
    /// from. And where that is said.
    fn lost_of(&self, backup: &StepId, repo: &RepoId) -> Option<(StepId, Span)> {
        let mut at = backup.clone();
        for _ in 0..=self.ids.len() {
            if let Some(place) = self.lost_backups.get(&(at.clone(), repo.clone())) {
                return Some((at, *place));
            }
            at = self.ids.get(&at)?.goes_on_from.clone()?;
        }
        None
    }
}
