//! `assert_recoverable`

use std::time::Duration;

use async_trait::async_trait;
use jiff::Timestamp;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, Later, ReadsRepo, RepoId, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::pg::{Segment, SystemId};
use crate::repo::{Ability, Archive, Foreign, Reach, Repo, RepoError};
use crate::source::{Duration as Age, Late, RepoName, Span, Spanned};
use crate::steps::judgement::expected_time::{self, Work};
use crate::steps::judgement::point::{PointSpec, Target};
use crate::steps::judgement::{age, fetched_wal, fits_here};
use crate::steps::recovery::backup_choice::{Backup, BackupSpec, Found, looked_at};
use crate::steps::recovery::reachable::{self, Point};

/// Checks whether a backup can be recovered to the end of the archive, without restoring it: in
/// seconds, so that it can run every hour.
///
/// ```yaml
/// - assert_recoverable: { repo: onsite }
/// - assert_recoverable: { repo: onsite, max_age: 1h }
/// - assert_recoverable: { repo: onsite, backup: oldest }
/// - assert_recoverable: { repo: onsite, until: { lsn: 0/3000028 } }
/// ```
///
/// `backup` is the id of a `backup` step; or, of the backups that the repo has, `newest` (the
/// default), `oldest`, `random`, what the repo calls it, or `{ before: TIME }`. It looks at the
/// list of backups, at the names and sizes of the archived WAL, at the histories of timelines, and
/// at the room where a new server would be made. It reports the backup and what was passed over,
/// the window that can be recovered (`from` when the backup was finished, or, where nobody says
/// that, begun; `to` the end of the WAL in the archive), the number of WAL segments in it, the
/// `bytes` of the backup, and the `room` for it.
///
/// It passes if all the WAL from the backup to the newest in the archive is there, whole and on one
/// line of timelines, and if there is room for the backup. It fails with the segment that is
/// missing or too short, the timeline that the newest WAL is on, or the bytes that are lacking. The
/// first and the last segment that are needed are fetched as a server has them fetched, and read:
/// so a key that does not open them is noticed, and WAL of another server. Where WAL lies in plain
/// files, that is looked at for each.
///
/// With `until` it is not the end of the archive that has to be reached, but `{ lsn: L }` or `{
/// time: T }`. A time lies in the window if the backup was finished before it, and if a transaction
/// was committed at that time or later: that is looked for in the newest WAL, with pg_waldump, and
/// reported as `last_commit`. PostgreSQL does not come to a later time, either. A point outside of
/// the window fails, with the window.
///
/// With `max_age` an archive that has stopped is noticed: the last commit in the newest WAL must
/// not be older, unless the backup was finished since, and all the WAL that it needs has been
/// archived. A production that commits nothing for so long fails, too, or it cannot be told if no
/// commit is in the newest 8 segments: a job that writes a row now and then helps.
///
/// The `bytes` are those in the repo, packed as they are there; `restored_bytes` are those that a
/// restore takes up, with which the room is compared: by the files themselves, by the sizes in a
/// backup_manifest, or by what the tool says. Of packed WAL it is seen that it is there, and not
/// whether it is whole.
///
/// The `tablespaces` of the backup are looked for: the directories that the links of a data
/// directory lead to, tar files by its tablespace_map, those that Barman or pgBackRest lists. One
/// that is not there fails. Where the repo does not say which there are, they are not checked.
///
/// Of a repo of kind `dump` it looks at the dumps in the place of WAL: that pg_restore here, which
/// may be older than the pg_dump there, reads the table of contents of each archive, and that texts
/// which are not packed are whole.
///
/// It also looks at what server the backup is of, by its pg_control and its configuration files, as
/// far as the repo gives them without a restore: a directory and Barman do, also in tar files;
/// pgBackRest does unless they lie in an encrypted bundle; WAL-G and commands do not. The version,
/// and what else a server compares when it starts (catalog version, block size), must be those of
/// the programs here, and the libraries that `shared_preload_libraries` and the like name must be
/// on this machine. A configuration outside of the data directory, as Debian has it, is in no
/// backup. The values of `max_connections` and its kind that recovery needs are reported as
/// `settings`. Extensions are in the catalogs; of dumps they are known, and must be installed here.
/// Of other backups they are those that the server has now, if the drill has it as an external node
/// (by its system identifier).
///
/// `estimate` is how long a restore and the replay of the WAL would take, as far as can be told by
/// a recovery from the same repo earlier in the drill, or else by a part of the backup, at most 64
/// MB, that is copied to where a new server would be made and removed. What could not be checked is
/// reported as `not_checked`, with the reason, and does not fail.
///
/// It does not read what is in all the other files: whether a backup restores, and what is in it
/// then, only `recover` shows.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertRecoverableSpec {
    /// The repo.
    #[serde(default)]
    repo: Option<RepoName>,
    /// The backup: the id of a `backup` step, `newest`, `oldest`, `random`, what the repo calls it,
    /// or `{ before: TIME }`.
    #[serde(default)]
    backup: Option<Spanned<BackupSpec>>,
    /// The point that has to be reached: `{ lsn: L }` or `{ time: T }`; the end of the archive if
    /// it is left out.
    #[serde(default)]
    until: Option<Spanned<PointSpec>>,
    /// The most that the last commit in the archive may be old.
    #[serde(default)]
    max_age: Option<Spanned<Late<Age>>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertRecoverable {
    /// The backup.
    backup: Backup,
    /// The repo.
    repo: RepoId,
    /// Whether a recovery from there applies WAL.
    wal: bool,
    /// The point that has to be reached.
    until: Target,
    /// The most that the last commit may be old.
    max_age: Option<Spanned<Later<Age>>>,
    /// Where it stands.
    at: Span,
}

/// The WAL that a recovery applies.
#[derive(Debug, Default)]
struct Wal {
    /// How much it is.
    bytes: u64,
    /// Whose it is, where that was read.
    system: Option<SystemId>,
}

impl StepKind for AssertRecoverableSpec {
    type Step = AssertRecoverable;

    const NAME: &'static str = "assert_recoverable";
    const DEADLINE: Duration = Duration::from_secs(120);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "backup backup_taken passed_over from to first_segment last_segment segments last_commit bytes \
        restored_bytes room tablespaces settings libraries extensions estimate estimated_ms not_checked";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertRecoverable> {
        let (backup, repo, at) = looked_at(self.backup.as_ref(), self.repo.as_ref(), scope)?;
        scope.repo_can(&repo, Ability::List, self.repo.as_ref().map(|repo| repo.span));
        let wal = scope.repo_info(&repo).is_none_or(|info| info.kind.can(Ability::Replay).is_ok());
        let until = match &self.until {
            Some(until) => until.value.resolve(until, scope),
            None => Some(Target::End),
        };
        let until_at = self.until.as_ref().map(|until| (until.entry, "until"));
        let max_age_at = self.max_age.as_ref().map(|max| (max.entry, "max_age"));
        for (entry, key) in until_at.into_iter().chain(max_age_at).filter(|_| !wal) {
            let help = "leave it out: what is in the backup is all that there is";
            scope.error_help(entry, format!("`{key}` needs WAL"), "a recovery from this repo applies none", help);
        }
        let max_age = scope.maybe_later(self.max_age);
        Some(AssertRecoverable { backup, repo, wal, until: until?, max_age: max_age?, at })
    }
}

#[async_trait(?Send)]
impl Step for AssertRecoverable {
    fn title(&self) -> String {
        let until = if self.wal { format!(" to {}", self.until) } else { String::new() };
        format!("{} in repo {} can be recovered{until}", self.backup, self.repo)
    }

    fn effects(&self) -> Effects {
        let (repo, newest) = (self.repo.clone(), self.backup.is_newest());
        Effects::reads().reads_repo(ReadsRepo { repo, newest, restores: false, wal: self.wal })
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let until = self.until.now(cx).await?;
        let found = self.backup.find(cx, &self.repo).await?;
        let (files, server) = fits_here::look(cx, &found).await?;
        fits_here::check_version(&found, server.as_ref(), self.at)?;
        let mut unknown = Vec::new();
        let wal = match self.wal {
            true => self.check_wal(cx, &found, &until, &mut unknown).await?,
            false => {
                cx.fact("from", found.taken.to_string());
                Wal::default()
            }
        };
        let backup = found.repo.size(found.host.as_ref(), &found.label).await?;
        cx.fact("bytes", backup);
        fits_here::check_files(cx, &found, self.wal.then_some(backup), self.at, &mut unknown).await?;
        fits_here::check(cx, &found, (&files, server.as_ref()), wal.system, self.at, &mut unknown).await?;
        let work = Work { backup, wal: wal.bytes };
        unknown.extend(expected_time::tell(cx, &self.repo, &found, &files, &work).await?);
        if !unknown.is_empty() {
            cx.fact("not_checked", unknown.join("; "));
        }
        Ok(())
    }
}

impl AssertRecoverable {
    /// Checks that the WAL goes on without a gap from the backup to the newest in the archive.
    async fn check_wal(
        &self,
        cx: &mut Context<'_>,
        found: &Found,
        until: &Point,
        unknown: &mut Vec<String>,
    ) -> Result<Wal, Box<Finding>> {
        let Found { repo, host, label, reaches_from, .. } = found;
        cx.wait(format!("the list of WAL in repo `{}`", repo.name));
        let archive = repo.archive(host.as_ref()).await?;
        let needs = repo.needs(host.as_ref(), label).await?;
        let fails = |label: String| Finding::failed(title_of_failure(until, repo)).at(self.at).label(label);
        let Some((timeline, from)) = needs.begin.and_then(|begin| begin.place(&archive)) else {
            return Err(match archive.is_empty() {
                true => fails("there is no WAL in it".to_owned()),
                false => Finding::errored(format!("nobody says where the WAL begins that backup `{label}` needs")),
            });
        };
        let newest = archive.newest_from(timeline, from);
        let reach = archive.reach(from, timeline, newest);
        let Some((first, last)) = archive.segments_of(&reach) else {
            return Err(fails(format!("segment {} is missing, in which backup `{label}` begins", reach.missing))
                .note("archive", archive.summary()));
        };
        cx.fact("from", reaches_from.to_string());
        cx.fact("to", reachable::end(&reach).to_string());
        cx.fact("first_segment", first);
        cx.fact("last_segment", last.clone());
        cx.fact("segments", archive.all_segments(&reach).len());
        let ends = needs.end.unwrap_or(from);
        // pg_basebackup brings along the WAL that its backup needs; no tool does.
        if repo.program.is_some() && reachable::end(&reach) < ends {
            let short =
                format!("its WAL ends at {}, and backup `{label}` needs it up to {ends}", reachable::end(&reach));
            return Err(fails(short).help("a recovery cannot become consistent before that"));
        }
        self.check_mark(cx, found, &archive, &reach).await?;
        let needed = until.check(cx, found, &archive, &reach, ends).await?;
        if let (true, Some((next, end))) = (*until == Point::End, &reach.beyond) {
            let gap = format!("segment {} is missing; {next} to {end} lie behind it", reach.missing);
            return Err(fails(gap).help("what was committed from there on can only be had from another archive"));
        }
        let segments: Vec<Segment> =
            archive.all_segments(&reach).into_iter().filter(|segment| segment.start() < needed).collect();
        if let Some(why) = archive.unusable(&segments) {
            return Err(fails(why));
        }
        let stray = archive.newest().filter(|segment| !archive.all_segments(&reach).contains(segment));
        if let (Point::End, Some(segment)) = (until, stray) {
            return Err(fails(format!(
                "the newest segment is {segment}, on timeline {}, and a recovery would end with {last}, on timeline {newest}",
                segment.timeline()
            )));
        }
        let system = fetched_wal::fetched(cx, found, &segments, unknown, fails).await?;
        // With the WAL to its end there, the archive has worked since the backup was finished.
        let archived = needs.end.filter(|end| reachable::end(&reach) >= *end).map(|_| *reaches_from);
        self.check_age(cx, found, (&archive, &reach), archived).await?;
        Ok(Wal { bytes: segments.len() as u64 * archive.segment_size().unwrap_or_default(), system })
    }

    /// Fails if the position is a mark's, and what lies there in the archive is other WAL.
    async fn check_mark(&self, cx: &Context<'_>, found: &Found, archive: &Archive, reach: &Reach) -> StepResult {
        let (Some(mark), Point::Lsn(place, at)) = (self.until.mark(cx), self.until.now(cx).await?) else {
            return Ok(());
        };
        let holds = |segment: &Segment| segment.start() < place && place <= segment.end();
        let segment = archive.all_segments(reach).into_iter().find(holds);
        let followed = reach.stretches.last().map(|stretch| stretch.timeline);
        let history =
            followed.filter(|timeline| archive.has_history(*timeline)).map(|timeline| archive.history(timeline));
        let whose = (&mark.lineage, place);
        let foreign = match found.repo.foreign(found.host.as_ref(), segment, history.as_ref(), whose).await {
            // Where nobody can read them, that is told as not checked.
            Err(RepoError::Unknown(_)) => None,
            foreign => foreign?,
        };
        let label = match foreign {
            None => return Ok(()),
            Some(Foreign::Timeline(timeline)) => format!(
                "it is on timeline {}, and a recovery would come there on timeline {timeline}",
                mark.lineage.history.at(place)
            ),
            Some(Foreign::Cluster(system)) => format!("it is of another cluster: what is there is of cluster {system}"),
        };
        Err(Finding::failed(format!("`{}` is not in the WAL of repo `{}`", mark.id, found.repo.name))
            .at(at)
            .label(label))
    }

    /// Checks that the archive has not stopped.
    async fn check_age(
        &self,
        cx: &mut Context<'_>,
        found: &Found,
        (archive, reach): (&Archive, &Reach),
        archived: Option<Timestamp>,
    ) -> StepResult {
        let Some(max) = &self.max_age else { return Ok(()) };
        let most = max.value.now(cx, None).await?;
        let (what, last) = match (reachable::last_commit(cx, found, archive, reach).await, archived) {
            (Ok(last), archived) if archived.is_none_or(|archived| archived <= last) => ("its last commit", last),
            (_, Some(archived)) => ("the backup whose WAL is there", archived),
            (last, None) => ("its last commit", last.map_err(|finding| finding.at(max.entry))?),
        };
        match age::at_most(last, Timestamp::now(), most.0) {
            Ok(_) => Ok(()),
            Err(why) => Err(Finding::failed(format!("the WAL in repo `{}` is too old", found.repo.name))
                .at(max.entry)
                .label(format!("{what}: {why}"))
                .help("is archiving at work on the server? `pg_stat_archiver` says when it failed last")),
        }
    }
}

fn title_of_failure(until: &Point, repo: &Repo) -> String {
    match until {
        Point::End => format!("repo `{}` cannot be recovered to its newest WAL", repo.name),
        point => format!("repo `{}` cannot be recovered to {point}", repo.name),
    }
}
