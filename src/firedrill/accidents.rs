//! Second accidents: what people did that makes things worse. Each is seen in what is there, and
//! not in what they meant.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::harness::{RepoId, World};
use crate::host::Program;
use crate::node::Node;
use crate::pg::TimelineId;
use crate::run::Field;

/// What a second accident costs that a drill does not list itself, in points: as much as being
/// twice as late.
pub(super) const COSTS: u32 = 20;

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
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Primary {
    /// The node.
    pub name: String,
    /// The timeline that it is on.
    pub timeline: Option<TimelineId>,
    /// Whether users have sessions on it.
    pub has_users: bool,
}

/// The files of the repos, by size, and the servers, as the drill itself left them.
#[derive(Debug, Default)]
pub(super) struct Before {
    repos: BTreeMap<RepoId, BTreeMap<String, u64>>,
    /// The servers of the drill that accepted writes then.
    primaries: Vec<Primary>,
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
        Before { repos, primaries: primaries(field.world).await }
    }

    /// What has gone wrong since, and what has come up.
    pub(super) async fn look(&self, field: &Field<'_>) -> Look {
        let mut found = vec![];
        let now = primaries(field.world).await;
        for (id, before) in &self.repos {
            if field.world.outputs().lost_repos.contains(id) {
                continue;
            }
            let Some(repo) = field.world.repos.get(id) else { continue };
            let Some(files) = files(field.world, &repo.directories()).await else { continue };
            found.extend(lost(id, before, &files));
            // Whoever takes over may archive here on a timeline of his own.
            let archives = |name: &str| field.world.spec(name).archive_to.as_ref() == Some(id);
            let own = now.iter().filter(|primary| archives(&primary.name));
            let timelines: Vec<TimelineId> = own.filter_map(|primary| primary.timeline).collect();
            found.extend(self.polluted(id, before, &files, &timelines));
        }
        found.extend(self.split(&now));
        let is_new = |one: &&Primary| !self.primaries.iter().any(|known| known.name == one.name);
        Look { accidents: found, promoted: now.iter().filter(is_new).map(|one| one.name.clone()).collect() }
    }

    /// WAL of another timeline than those of the servers that archive here.
    fn polluted(
        &self,
        id: &RepoId,
        before: &BTreeMap<String, u64>,
        now: &BTreeMap<String, u64>,
        timelines: &[TimelineId],
    ) -> Option<Accident> {
        // Where nothing accepted writes any more, somebody has to take over, on a timeline of its
        // own.
        let of_before: Vec<TimelineId> = self.primaries.iter().filter_map(|primary| primary.timeline).collect();
        if of_before.is_empty() || timelines.is_empty() {
            return None;
        }
        let foreign = |path: &&String| {
            let timeline = path.rsplit('/').next().and_then(timeline_of);
            let known = |timeline| of_before.contains(&timeline) || timelines.contains(&timeline);
            timeline.is_some_and(|timeline| !known(timeline)) && !before.contains_key(*path)
        };
        let path = now.keys().find(foreign)?;
        let seen = format!("`{path}` came into repo `{id}`: a copy archives into it");
        Some(Accident { name: "archive polluted by a copy", seen })
    }

    /// Two servers of one cluster that both accept writes.
    fn split(&self, now: &[Primary]) -> Option<Accident> {
        // As many as before is what the drill is about.
        if now.len() <= self.primaries.len().max(1) {
            return None;
        }
        let names: Vec<String> = now.iter().map(|primary| format!("`{}`", primary.name)).collect();
        Some(Accident { name: "two primaries", seen: format!("{} accept writes at once", names.join(" and ")) })
    }
}

/// Backups or WAL that were there and are not any more, or have another size.
fn lost(id: &RepoId, before: &BTreeMap<String, u64>, now: &BTreeMap<String, u64>) -> Option<Accident> {
    let is_kept = |path: &str| timeline_of(path.rsplit('/').next().unwrap_or_default()).is_some() || in_backup(path);
    let gone: Vec<&String> = before.keys().filter(|path| is_kept(path) && !now.contains_key(*path)).collect();
    let changed =
        before.iter().filter(|(path, size)| in_backup(path) && now.get(*path).is_some_and(|now| now != *size)).count();
    let first = gone.first().map(|path| format!(", such as `{path}`")).unwrap_or_default();
    match (gone.len(), changed) {
        (0, 0) => None,
        (0, _) => Some(Accident {
            name: "backup overwritten",
            seen: format!("{changed} files of a backup in repo `{id}` have changed"),
        }),
        (gone, _) => Some(Accident {
            name: "backups or WAL removed",
            seen: format!("{gone} files are gone from repo `{id}`{first}"),
        }),
    }
}

/// Whether a file belongs to a base backup.
fn in_backup(path: &str) -> bool {
    ["backups/", "backup/", "base/", "basebackups"]
        .iter()
        .any(|dir| path.starts_with(dir) || path.contains(&format!("/{dir}")))
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

/// The servers that the scenario lists and that accept writes now. What people made themselves is a
/// copy, and nobody's primary.
pub(super) async fn primaries(world: &World) -> Vec<Primary> {
    let nodes: Vec<_> = world.outputs().nodes.values().cloned().collect();
    let listed = nodes.iter().filter(|node| is_listed(world, node) && node.is_up());
    let asked = listed.map(|node| {
        tokio::time::timeout(PATIENCE, async {
            let client = node.connect().await.ok()?;
            let query = "SELECT pg_is_in_recovery(), CASE WHEN NOT pg_is_in_recovery() \
                     THEN ('x' || substr(pg_walfile_name(pg_current_wal_lsn()), 1, 8))::bit(32)::int END, \
                     EXISTS (SELECT FROM pg_stat_activity WHERE application_name = 'drillyard users')";
            let row = client.query_one(query, &[]).await.ok()?;
            let timeline = row.get::<_, Option<i32>>(1).map(|timeline| TimelineId(timeline.cast_unsigned()));
            let (in_recovery, has_users): (bool, bool) = (row.get(0), row.get(2));
            (!in_recovery).then(|| Primary { name: node.name().to_owned(), timeline, has_users })
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

    #[test]
    fn what_was_there_and_is_not_is_told() {
        let files = |list: &[(&str, u64)]| list.iter().map(|(path, size)| ((*path).to_owned(), *size)).collect();
        let before = files(&[("backups/nightly/PG_VERSION", 3), ("wal/000000010000000000000001", 16)]);
        let told = |now: &[(&str, u64)]| lost(&RepoId::from("onsite"), &before, &files(now)).map(|found| found.name);
        assert_eq!(
            told(&[("backups/nightly/PG_VERSION", 3), ("wal/000000010000000000000001", 16), ("wal/x", 1)]),
            None
        );
        assert_eq!(
            told(&[("backups/nightly/PG_VERSION", 4), ("wal/000000010000000000000001", 16)]),
            Some("backup overwritten")
        );
        assert_eq!(told(&[("backups/nightly/PG_VERSION", 3)]), Some("backups or WAL removed"));
    }
}
