//! `assert_backup`

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, Later, ReadsRepo, RepoId, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::repo::{Ability, BackupKind, Verified};
use crate::source::{Duration as Age, Late, RepoName, Size, Span, Spanned};
use crate::steps::judgement::{age, fits_here};
use crate::steps::recovery::backup_choice::{Backup, BackupSpec, Found, looked_at};

/// Checks a backup where it lies, without restoring it: that there is one, how old and how large it
/// is, and what the repo's own tool says of it.
///
/// ```yaml
/// - assert_backup: { repo: onsite, max_age: 26h }
/// - assert_backup: { repo: onsite, backup: newest, max_age: 26h, min_size: 10GB, verify: true }
/// ```
///
/// `backup` is the id of a `backup` step; or, of the backups that the repo has, `newest` (the
/// default), `oldest`, `random`, what the repo calls it, or `{ before: TIME }`. Its age is counted
/// from when it was begun. `kind` is `full`, `incremental` (of PostgreSQL 17, also by Barman, and
/// of pgBackRest) or `differential` (of pgBackRest); if nobody says what it is, that is an error.
/// `min_size` is compared with the bytes that it takes up in the repo. With `verify` the repo's own
/// tool compares it with what was taken: for a directory pg_verifybackup, which reads no tar files,
/// so that those of somebody else's are unpacked for it where a new server would be made; for dumps
/// pg_restore, which reads archives to their ends. It reports what was chosen, what was passed over
/// and why, and the age.
///
/// It passes if there is such a backup, and it is what the fields say. It says nothing of the WAL
/// after the backup: `recover` does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertBackupSpec {
    /// The repo.
    #[serde(default)]
    repo: Option<RepoName>,
    /// The backup: the id of a `backup` step, `newest`, `oldest`, `random`, what the repo calls it,
    /// or `{ before: TIME }`.
    #[serde(default)]
    backup: Option<Spanned<BackupSpec>>,
    /// How old it may be.
    #[serde(default)]
    max_age: Option<Spanned<Late<Age>>>,
    /// How large it has to be at least.
    #[serde(default)]
    min_size: Option<Spanned<Size>>,
    /// What it has to hold: `full`, `incremental` or `differential`.
    #[serde(default)]
    kind: Option<Spanned<BackupKind>>,
    /// Whether the repo's own tool has to find it intact.
    #[serde(default)]
    verify: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertBackup {
    /// The backup.
    backup: Backup,
    /// The repo.
    repo: RepoId,
    /// How old it may be.
    max_age: Option<Spanned<Later<Age>>>,
    /// How large it has to be at least.
    min_size: Option<Spanned<Size>>,
    /// What it has to hold.
    kind: Option<Spanned<BackupKind>>,
    /// Whether the repo's own tool has to find it intact.
    verify: bool,
    /// Where it stands.
    at: Span,
}

impl StepKind for AssertBackupSpec {
    type Step = AssertBackup;

    const NAME: &'static str = "assert_backup";
    const DEADLINE: Duration = Duration::from_secs(600);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "backup backup_taken passed_over age kind bytes verified_by";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertBackup> {
        let max_age = scope.maybe_later(self.max_age);
        let (backup, repo, at) = looked_at(self.backup.as_ref(), self.repo.as_ref(), scope)?;
        if self.verify {
            scope.repo_can(&repo, Ability::Verify, self.repo.as_ref().map(|repo| repo.span));
        }
        let (max_age, min_size, kind, verify) = (max_age?, self.min_size, self.kind, self.verify);
        Some(AssertBackup { backup, repo, max_age, min_size, kind, verify, at })
    }
}

#[async_trait(?Send)]
impl Step for AssertBackup {
    fn title(&self) -> String {
        format!("{} in repo {} is there, and as it should be", self.backup, self.repo)
    }

    fn effects(&self) -> Effects {
        let (repo, newest) = (self.repo.clone(), self.backup.is_newest());
        Effects::reads().reads_repo(ReadsRepo { repo, newest, restores: false, wal: false })
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let found = self.backup.find(cx, &self.repo).await?;
        if let Some(max) = &self.max_age {
            let most = max.value.now(cx, None).await?;
            match age::at_most(found.taken, Timestamp::now(), most.0) {
                Ok(age) => cx.fact("age", age::in_words(age)),
                Err(why) => {
                    return Err(Finding::failed(format!("backup `{}` is too old", found.label))
                        .at(max.entry)
                        .label(why));
                }
            }
        }
        if let Some(kind) = &self.kind {
            is_of_kind(cx, &found, kind).await?;
        }
        if self.verify {
            // A tool of another version takes what it does not know for damage.
            let (_, server) = fits_here::look(cx, &found).await?;
            fits_here::check_version(&found, server.as_ref(), self.at)?;
        }
        let Found { repo, host, label, .. } = found;
        if let Some(min) = &self.min_size {
            cx.wait(format!("the size of `{label}`"));
            let size = repo.size(host.as_ref(), &label).await?;
            cx.fact("bytes", size);
            if size < min.value.0 {
                let title = format!("backup `{label}` is too small");
                return Err(Finding::failed(title).at(min.entry).label(format!("it takes up {size} bytes")));
            }
        }
        if self.verify {
            cx.wait(repo.verify_program());
            if let Verified::Damaged(lines) = repo.verify(host.as_ref(), &label).await? {
                let no_reason = || format!("{} gives no reason", repo.verify_program());
                return Err(Finding::failed(format!("backup `{label}` is not intact"))
                    .at(self.at)
                    .label(lines.first().cloned().unwrap_or_else(no_reason))
                    .note("found", lines.join("\n")));
            }
            cx.fact("verified_by", repo.verify_program());
        }
        Ok(())
    }
}

/// Checks what a backup holds.
async fn is_of_kind(cx: &mut Context<'_>, found: &Found, kind: &Spanned<BackupKind>) -> StepResult {
    let Found { repo, host, label, .. } = found;
    match repo.backup_kind(host.as_ref(), label).await? {
        Some(seen) => {
            cx.fact("kind", seen.to_string());
            match seen == kind.value {
                true => Ok(()),
                false => Err(Finding::failed(format!("backup `{label}` is not {}", kind.value))
                    .at(kind.entry)
                    .label(format!("it is {seen}"))),
            }
        }
        None => Err(Finding::errored(format!("nobody says whether backup `{label}` is {}", kind.value)).at(kind.entry)),
    }
}
