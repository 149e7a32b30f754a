//! Second accidents: what people did that makes things worse. Each is seen in what is there, and
//! not in what they meant.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::harness::{RepoId, World};
use crate::host::Program;
use crate::node::Node;
use crate::pg::TimelineId;
use crate::plan::{Plan, PlannedStep};
use crate::run::Field;

/// What a second accident costs that a drill does not list itself, in points: as much as being
/// twice as late.
pub(super) const COSTS: u32 = 20;

/// What it is called when a copy writes into an archive.
const POLLUTED: &str = "archive polluted by a copy";

/// How long a look at a server or a repo may take.
const PATIENCE: Duration = Duration::from_secs(3);

/// Lists the files of a repo.
const FILES: &str = include_str!("scripts/files.sh");

/// A second accident.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Accident {
    /// What it is called.
    pub name: &'static str,
    /// What was seen.
    pub seen: String,
}

/// A server of the drill's that accepts writes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub(super) struct Primary {
    /// The node.
    pub name: String,
    /// The segment that it writes to.
    pub segment: Option<String>,
    /// The segment that its archive_command fails for, and that command.
    pub refused: Option<(String, String)>,
    /// Whether users have sessions on it.
    pub has_users: bool,
}

impl Primary {
    /// The timeline that it is on.
    fn timeline(&self) -> Option<TimelineId> {
        self.segment.as_deref().and_then(timeline_of)
    }
}

/// The files of the repos, by size, and the servers, as the drill itself left them.
#[derive(Debug, Default)]
pub(super) struct Before {
    repos: BTreeMap<RepoId, BTreeMap<String, u64>>,
    /// WAL that was seen in them.
    came: BTreeMap<RepoId, BTreeSet<String>>,
    /// The servers of the drill that accepted writes then.
    primaries: Vec<Primary>,
    /// The timelines of those, of what was in the repos, and of those that have taken over since.
    timelines: BTreeSet<TimelineId>,
}

/// What a look has shown.
#[derive(Debug, Default)]
pub(super) struct Look {
    /// What has gone wrong.
    pub accidents: Vec<Accident>,
    /// The servers that accept writes now, and did not before.
    pub promoted: Vec<String>,
}

impl Before {
    /// Looks at everything once.
    pub(super) async fn of(field: &Field<'_>) -> Self {
        let mut repos = BTreeMap::new();
        for (id, repo) in &field.world.repos {
            if let Some(files) = files(field.world, &repo.directories()).await {
                repos.insert(id.clone(), files);
            }
        }
        let primaries = primaries(field.world).await;
        let archived = repos.values().flat_map(BTreeMap::keys).filter_map(|path| timeline_of(file_name(path)));
        let timelines = primaries.iter().filter_map(Primary::timeline).chain(archived).collect();
        Before { repos, primaries, timelines, ..Before::default() }
    }

    /// What has gone wrong since, and what has come up. WAL that has come into the repos meanwhile
    /// is missed from then on.
    pub(super) async fn look(&mut self, field: &Field<'_>) -> Look {
        let mut listings = vec![];
        for (id, repo) in &field.world.repos {
            if !field.world.outputs().lost_repos.contains(id)
                && let Some(files) = files(field.world, &repo.directories()).await
            {
                listings.push((id, repo.archive_command(), files));
            }
        }
        // Behind that: what they write in the meantime lies beyond nothing.
        let now = primaries(field.world).await;
        let mut found = vec![];
        for (id, archive_command, files) in listings {
            let Some(before) = self.repos.get(id) else {
                // It could not be read earlier.
                self.repos.insert(id.clone(), files);
                continue;
            };
            let missed = self.came.entry(id.clone()).or_default();
            found.extend(lost(id, before, missed, &files));
            missed.extend(files.keys().filter(|path| is_wal(path)).cloned());
            // Whoever takes over may archive here on a timeline of his own.
            let archives = |name: &str| field.world.spec(name).archive_to.as_ref() == Some(id);
            let own: Vec<&Primary> = now.iter().filter(|primary| archives(&primary.name)).collect();
            self.timelines.extend(own.iter().filter_map(|primary| primary.timeline()));
            found.extend(self.polluted(id, before, &files, &own));
            found.extend(own.iter().find_map(|primary| not_its_own(id, before, &files, primary, &archive_command)));
        }
        found.extend(self.split(&now, field.plan()));
        let is_new = |one: &&Primary| !self.primaries.iter().any(|known| known.name == one.name);
        Look { accidents: found, promoted: now.iter().filter(is_new).map(|one| one.name.clone()).collect() }
    }

    /// WAL of another timeline than those of the servers that archive here.
    fn polluted(
        &self,
        id: &RepoId,
        before: &BTreeMap<String, u64>,
        now: &BTreeMap<String, u64>,
        primaries: &[&Primary],
    ) -> Option<Accident> {
        // As long as nothing accepts writes, somebody has yet to take over, on a timeline of its
        // own.
        if primaries.is_empty() {
            return None;
        }
        let foreign = |path: &&String| {
            let timeline = timeline_of(file_name(path));
            timeline.is_some_and(|timeline| !self.timelines.contains(&timeline)) && !before.contains_key(*path)
        };
        let path = now.keys().find(foreign)?;
        let seen = format!("`{path}` came into repo `{id}`: a copy archives into it");
        Some(Accident { name: POLLUTED, seen })
    }

    /// Two servers of one cluster that both accept writes. One that the drill itself stops at a
    /// target and reads from is a copy.
    fn split(&self, now: &[Primary], plan: &Plan) -> Option<Accident> {
        let is_copy = |primary: &&Primary| plan.steps.iter().any(|step| recovers_in_place(step, &primary.name));
        let names: Vec<String> =
            now.iter().filter(|primary| !is_copy(primary)).map(|primary| format!("`{}`", primary.name)).collect();
        // As many as before is what the drill is about.
        if names.len() <= self.primaries.len().max(1) {
            return None;
        }
        Some(Accident { name: "two primaries", seen: format!("{} accept writes at once", names.join(" and ")) })
    }
}

/// Whether a step recovers this node, which is there already, and has it follow nobody.
fn recovers_in_place(step: &PlannedStep, node: &str) -> bool {
    let in_place = step.kind.makes.is_some_and(|makes| makes.with.is_some()) && step.effects.follows.is_none();
    in_place && step.nodes().any(|one| **one == *node) && !step.makes.iter().any(|one| **one == *node)
}

/// WAL that a server on the timeline of the primary has archived: it lies beyond what the primary
/// has written, or in the place of what the primary's archive_command cannot put there.
fn not_its_own(
    id: &RepoId,
    before: &BTreeMap<String, u64>,
    now: &BTreeMap<String, u64>,
    primary: &Primary,
    archive_command: &str,
) -> Option<Accident> {
    let refused = primary.refused.as_ref().filter(|(_, command)| command == archive_command).map(|(name, _)| name);
    let foreign = |path: &&String| {
        let name = file_name(path);
        let timeline = timeline_of(name).filter(|timeline| Some(*timeline) == primary.timeline());
        let Some(segment) = timeline.and_then(|_| name.get(..24)) else { return false };
        let is_refused = refused.is_some_and(|refused| refused == segment);
        (is_refused || Some(segment) > primary.segment.as_deref()) && !before.contains_key(*path)
    };
    let path = now.keys().find(foreign)?;
    let seen =
        format!("`{path}` came into repo `{id}`, and `{}` has not written it: a copy archives into it", primary.name);
    Some(Accident { name: POLLUTED, seen })
}

/// Backups or WAL that were there, or have come since, and are not any more; and backups of which
/// files have another size.
fn lost(
    id: &RepoId,
    before: &BTreeMap<String, u64>,
    came: &BTreeSet<String>,
    now: &BTreeMap<String, u64>,
) -> Vec<Accident> {
    let kept = before.keys().filter(|path| is_wal(path) || in_backup(path));
    let kept: BTreeSet<&String> = kept.chain(came).collect();
    let gone: Vec<&String> = kept.into_iter().filter(|path| !now.contains_key(*path)).collect();
    let is_other = |path: &str, size: &u64| now.get(path).is_some_and(|now| now != size);
    let changed: Vec<&String> = before
        .iter()
        .filter(|(path, size)| in_backup(path) && !is_kept_up(path) && is_other(path, size))
        .map(|(path, _)| path)
        .collect();
    let told = |name, files: &[&String], what: &str| {
        let first = files.first()?;
        let seen = match files {
            [_] => format!("`{first}` {what} repo `{id}`"),
            _ => format!("{} files, such as `{first}`, {what} repo `{id}`", files.len()),
        };
        Some(Accident { name, seen })
    };
    let removed = told("backups or WAL removed", &gone, "gone from");
    removed.into_iter().chain(told("backup overwritten", &changed, "changed in")).collect()
}

/// Whether a file is WAL that stays where it is: Barman takes it from elsewhere.
fn is_wal(path: &str) -> bool {
    let on_its_way = path.split('/').any(|part| matches!(part, "incoming" | "streaming"));
    !on_its_way && timeline_of(file_name(path)).is_some()
}

/// Whether the tool writes this file anew as it goes on: what it knows of its backups.
fn is_kept_up(path: &str) -> bool {
    file_name(path).starts_with("backup.info")
}

/// Whether a file belongs to a base backup.
fn in_backup(path: &str) -> bool {
    ["backups/", "backup/", "base/", "basebackups"]
        .iter()
        .any(|dir| path.starts_with(dir) || path.contains(&format!("/{dir}")))
}

/// The last part of a path.
fn file_name(path: &str) -> &str {
    path.rsplit('/').next().unwrap_or(path)
}

/// The timeline of a file of WAL, or of a timeline's history, by the first eight digits of its
/// name; tools add more to it.
fn timeline_of(name: &str) -> Option<TimelineId> {
    let digits = name.get(..8).filter(|digits| digits.bytes().all(|b| b.is_ascii_hexdigit()))?;
    let segment = name.get(..24).is_some_and(|name| name.bytes().all(|b| b.is_ascii_hexdigit()));
    let history = name[8..].starts_with(".history");
    (segment || history).then(|| u32::from_str_radix(digits, 16).ok().map(TimelineId)).flatten()
}

async fn files(world: &World, directories: &[String]) -> Option<BTreeMap<String, u64>> {
    let host = world.reader().await.ok()?;
    let mut files = BTreeMap::new();
    for directory in directories {
        let listed = tokio::time::timeout(PATIENCE, host.run(Program::script(FILES, [directory]))).await.ok()?;
        let output = listed.ok().filter(crate::host::Output::success)?;
        files.extend(output.text().lines().filter_map(|line| {
            let (size, path) = line.split_once(' ')?;
            Some((path.to_owned(), size.parse().ok()?))
        }));
    }
    Some(files)
}

/// What a server says of itself, and of the last segment that archive_command could not archive.
const PRIMARY: &str = "
    SELECT pg_is_in_recovery(), CASE WHEN NOT pg_is_in_recovery() THEN pg_walfile_name(pg_current_wal_lsn()) END,
        EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'drillyard users'),
        CASE WHEN last_failed_time > coalesce(last_archived_time, '-infinity') THEN last_failed_wal END,
        current_setting('archive_command')
    FROM pg_stat_archiver";

/// The servers that the scenario lists and that accept writes now. What people made themselves is a
/// copy, and nobody's primary.
pub(super) async fn primaries(world: &World) -> Vec<Primary> {
    let nodes: Vec<_> = world.outputs().nodes.values().cloned().collect();
    let listed = nodes.iter().filter(|node| is_listed(world, node) && node.is_up());
    let asked = listed.map(|node| {
        tokio::time::timeout(PATIENCE, async {
            let client = node.connect().await.ok()?;
            let row = client.query_one(PRIMARY, &[]).await.ok()?;
            let (in_recovery, has_users): (bool, bool) = (row.get(0), row.get(2));
            let segment: Option<String> = row.get(1);
            let refused = row.get::<_, Option<String>>(3).map(|refused| (refused, row.get(4)));
            (!in_recovery).then(|| Primary { name: node.name().to_owned(), segment, refused, has_users })
        })
    });
    // One that is stopped in its tracks answers nobody.
    futures_util::future::join_all(asked).await.into_iter().filter_map(|answer| answer.ok().flatten()).collect()
}

/// Whether a server is one of the drill's own, that people did not make.
pub(super) fn is_listed(world: &World, node: &Node) -> bool {
    !node.is_external() && !node.is_found() && world.specs.contains_key(node.name())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_of_wal_tell_their_timeline() {
        for name in [
            "00000002000000000000000A",
            "00000002.history",
            "00000002000000000000000A.gz",
            "00000002000000000000000A-ab12.gz",
        ] {
            assert_eq!(timeline_of(name), Some(TimelineId(2)), "{name}");
        }
        for name in ["00000002", "archive.info", "base", "backup_label", "0000000g.history"] {
            assert_eq!(timeline_of(name), None, "{name}");
        }
    }

    fn files(list: &[(&str, u64)]) -> BTreeMap<String, u64> {
        list.iter().map(|(path, size)| ((*path).to_owned(), *size)).collect()
    }

    #[test]
    fn what_was_there_and_is_not_is_told() {
        let before = files(&[
            ("backups/nightly/PG_VERSION", 3),
            ("backups/nightly/base/1", 8),
            ("wal/000000010000000000000001", 16),
            ("main/incoming/000000010000000000000002", 16),
            ("backup/main/backup.info", 9),
        ]);
        let came = BTreeSet::from(["wal/000000010000000000000003".to_owned()]);
        let told = |changes: &[(&str, Option<u64>)]| {
            let mut now = before.clone();
            now.extend(came.iter().map(|path| (path.clone(), 16)));
            for (path, size) in changes {
                match size {
                    Some(size) => now.insert((*path).to_owned(), *size),
                    None => now.remove(*path),
                };
            }
            let found = lost(&RepoId::from("onsite"), &before, &came, &now);
            found.into_iter().map(|found| found.name).collect::<Vec<_>>()
        };
        let (removed, overwritten) = ("backups or WAL removed", "backup overwritten");
        let innocent = [
            ("wal/x", Some(1)),
            ("main/incoming/000000010000000000000002", None),
            ("backup/main/backup.info", Some(10)),
            ("backups/tonight/PG_VERSION", Some(3)),
        ];
        assert!(told(&innocent).is_empty());
        assert_eq!(told(&[("backups/nightly/PG_VERSION", Some(4))]), [overwritten]);
        assert_eq!(told(&[("wal/000000010000000000000001", None)]), [removed]);
        assert_eq!(told(&[("wal/000000010000000000000003", None)]), [removed]);
        let both = [("backups/nightly/PG_VERSION", None), ("backups/nightly/base/1", Some(9))];
        assert_eq!(told(&both), [removed, overwritten]);
    }

    #[test]
    fn a_timeline_that_no_primary_was_ever_on_is_a_copys() {
        let primary = Primary { name: "master".to_owned(), segment: None, refused: None, has_users: true };
        // Two took over since, one after the other.
        let look = Before { timelines: [1, 2, 3].map(TimelineId).into(), ..Before::default() };
        let told = |path: &str, primaries: &[&Primary]| {
            let now = files(&[("wal/000000020000000000000004", 16), (path, 16)]);
            look.polluted(&RepoId::from("onsite"), &BTreeMap::new(), &now, primaries).map(|found| found.name)
        };
        assert_eq!(told("wal/00000003.history", &[&primary]), None);
        assert_eq!(told("wal/00000004.history", &[&primary]), Some(POLLUTED));
        assert_eq!(told("wal/00000004.history", &[]), None, "somebody has yet to take over");
    }

    #[test]
    fn what_a_copy_archives_on_the_primarys_timeline_is_told() {
        let before = files(&[("wal/000000010000000000000003", 16)]);
        let now = files(&[("wal/000000010000000000000003", 16), ("wal/000000010000000000000004", 16)]);
        let told = |segment: &str, refused: Option<(&str, &str)>| {
            let primary = Primary {
                name: "master".to_owned(),
                segment: Some(segment.to_owned()),
                refused: refused.map(|(name, command)| (name.to_owned(), command.to_owned())),
                has_users: true,
            };
            not_its_own(&RepoId::from("onsite"), &before, &now, &primary, "cp").map(|found| found.name)
        };
        assert_eq!(told("000000010000000000000005", None), None);
        assert_eq!(told("000000010000000000000004", None), None);
        assert_eq!(told("000000010000000000000003", None), Some(POLLUTED));
        assert_eq!(told("000000010000000000000005", Some(("000000010000000000000004", "cp"))), Some(POLLUTED));
        // It fails for a reason of its own.
        assert_eq!(told("000000010000000000000005", Some(("000000010000000000000004", "false"))), None);
    }
}
