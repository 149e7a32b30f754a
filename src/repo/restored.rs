//! What a restore of a backup makes, as far as that shows where the backup lies.

use super::error::{Result, run};
use super::look::BACKUPS;
use crate::host::{Host, Program};

/// The room that it takes up, and its tablespaces.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Restored {
    /// How many bytes it takes up at least; none where nobody says.
    pub least: Option<u64>,
    /// How many at most, where that is more.
    pub most: Option<u64>,
    /// The numbers of its tablespaces; none where nobody says.
    pub tablespaces: Option<Vec<String>>,
    /// What is not in the backup, although it belongs to it.
    pub lacking: Vec<String>,
    /// What could not be seen, with the reason.
    pub unknown: Vec<String>,
}

impl Restored {
    /// That of a backup of which nobody says what a restore makes.
    pub(super) fn unknown(why: &str) -> Self {
        let unknown = vec![format!("room: {why}"), format!("tablespaces: {why}")];
        Restored { unknown, ..Restored::default() }
    }

    /// That of a backup whose tool knows how large it is restored and which tablespaces it has.
    pub(super) fn known(bytes: Option<u64>, tablespaces: Vec<String>) -> Self {
        let unknown = bytes.is_none().then(|| "room: its tool does not say how large it is restored".to_owned());
        let unknown = unknown.into_iter().collect();
        Restored { least: bytes, tablespaces: Some(tablespaces), unknown, ..Restored::default() }
    }

    /// Reads what `scripts/restored.sh` prints.
    pub(super) fn read(text: &str) -> Self {
        let mut restored = Restored { tablespaces: Some(vec![]), ..Restored::default() };
        for line in text.lines() {
            let (word, rest) = line.split_once(' ').unwrap_or((line, ""));
            let rest = rest.trim().to_owned();
            match word {
                "least" => restored.least = rest.parse().ok(),
                "most" => restored.most = rest.parse().ok(),
                // Each backup of a chain has its own part of it.
                "tablespace" if !restored.tablespaces.iter().flatten().any(|known| *known == rest) => {
                    restored.tablespaces.get_or_insert_default().push(rest);
                }
                "lacks" => restored.lacking.push(rest),
                "unknown" => {
                    if rest.starts_with("tablespaces: ") {
                        restored.tablespaces = None;
                    }
                    restored.unknown.push(rest);
                }
                _ => {}
            }
        }
        restored
    }
}

/// What looks at backups as pg_basebackup writes them.
const RESTORED: &str = concat!(include_str!("scripts/tablespaces.sh"), include_str!("scripts/restored.sh"));

/// That of the last of these directories, each with a backup as pg_basebackup writes it, which goes
/// on from those before it.
pub(super) async fn restored_from(host: &dyn Host, chain: &[String]) -> Result<Restored> {
    restored_within(host, chain, "").await
}

/// The same, of backups whose tablespaces have to lie below the directory `within`, if that is not
/// empty.
pub(super) async fn restored_within(host: &dyn Host, chain: &[String], within: &str) -> Result<Restored> {
    let program = Program::script(RESTORED, chain).env("LC_ALL", "C").env(BACKUPS, within);
    Ok(Restored::read(&run(host, "reading the backup", program).await?.text()))
}

#[cfg(test)]
mod tests {
    use std::path::Path;
    use std::process::Command;

    use super::*;

    fn look(dirs: &[&Path]) -> Restored {
        let output = Command::new("sh").args(["-euc", RESTORED, "sh"]).args(dirs).output().expect("sh runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        Restored::read(&String::from_utf8_lossy(&output.stdout))
    }

    fn sh(script: &str, dir: &Path) {
        let output = Command::new("sh").args(["-euc", script]).current_dir(dir).output().expect("sh runs");
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    #[test]
    fn links_and_maps_of_plain_backups_are_followed() {
        let dir = tempfile::tempdir().expect("a directory");
        let all = "mkdir -p a/pg_tblspc s/PG_15_1 empty b/pg_tblspc; echo 15 >a/PG_VERSION; echo 15 >b/PG_VERSION
            head -c 300000 /dev/urandom >s/PG_15_1/1; head -c 100000 /dev/urandom >a/1
            ln -s $PWD/s a/pg_tblspc/1; ln -s $PWD/gone a/pg_tblspc/2; ln -s $PWD/empty a/pg_tblspc/3
            echo '4 /srv/four' >a/tablespace_map; head -c 9000 /dev/urandom >b/1";
        sh(all, dir.path());
        let restored = look(&[&dir.path().join("a")]);
        assert!(restored.least.is_some_and(|bytes| (400_000..700_000).contains(&bytes)), "{restored:?}");
        assert_eq!(restored.tablespaces.as_ref().map(Vec::len), Some(1));
        let lacking = restored.lacking.join("\n");
        assert!(
            lacking.contains("tablespace 2: it links to") && lacking.contains("/gone, which is not there"),
            "{lacking}"
        );
        assert!(
            lacking.contains("tablespace 3: it links to") && lacking.contains("/empty, where nothing of it is"),
            "{lacking}"
        );
        assert!(lacking.contains("tablespace 4, which was in /srv/four"), "{lacking}");
        assert_eq!(restored.lacking.len(), 3, "{lacking}");
        // An incremental one: something between its own bytes and those of all.
        let restored = look(&[&dir.path().join("a"), &dir.path().join("b")]);
        assert!(restored.least < restored.most && restored.least.is_some(), "{restored:?}");
        assert_eq!(restored.lacking.len(), 3);
    }

    #[test]
    fn a_link_that_leads_elsewhere_is_no_tablespace_of_the_backup() {
        let dir = tempfile::tempdir().expect("a directory");
        let all = "mkdir -p b/a/pg_tblspc b/.spaces/1/PG_15_1 live/2/PG_15_1 live/4/PG_15_1 b/.spaces/3/PG_15_1
            echo 15 >b/a/PG_VERSION; for i in 2 4; do head -c 900000 /dev/urandom >live/$i/PG_15_1/1; done
            ln -s ../../.spaces/1 b/a/pg_tblspc/1; ln -s $PWD/live/2 b/a/pg_tblspc/2
            ln -s $PWD/b/.spaces/3 b/a/pg_tblspc/3; echo \"3 $PWD/b/.spaces/3\" >b/a/tablespace_map
            ln -s $PWD/live b/.spaces/live; ln -s $PWD/b/.spaces/live/4 b/a/pg_tblspc/4
            mkdir -p b/a/pg_tblspc/5/PG_15_1";
        sh(all, dir.path());
        let within = dir.path().join("b").display().to_string();
        let mut sh = Command::new("sh");
        sh.args(["-euc", RESTORED, "sh"]).arg(dir.path().join("b/a")).env(BACKUPS, &within);
        let restored = Restored::read(&String::from_utf8_lossy(&sh.output().expect("sh runs").stdout));
        assert_eq!(restored.tablespaces, Some(vec!["1".to_owned(), "5".to_owned()]));
        assert!(restored.least.is_some_and(|bytes| bytes < 500_000), "{restored:?}");
        assert!(restored.unknown.iter().any(|why| why.ends_with("has no backup_manifest, which lists them")));
        let lacking = restored.lacking.join("\n");
        let outside = format!("which is outside of {within}, with which `backups` begins");
        let own = "where its tablespace_map says that the server has it";
        for (oid, to, why) in [(2, "live/2", &*outside), (3, "b/.spaces/3", own), (4, "b/.spaces/live/4", &*outside)] {
            let place = dir.path().join(to).display().to_string();
            let said = format!("its tablespace {oid}: its link leads to {place}, {why}");
            assert!(lacking.contains(&said), "{lacking}");
        }
    }

    #[test]
    fn tar_files_are_as_large_as_their_manifest_says_and_each_tablespace_has_its_own() {
        let dir = tempfile::tempdir().expect("a directory");
        let all = "mkdir t; echo label >backup_label; echo '7 /srv/seven' >tablespace_map; echo '8 /srv/eight' >>tablespace_map
            head -c 5000 /dev/zero >zeros; tar -czf t/base.tar.gz backup_label tablespace_map zeros; tar -cf t/7.tar zeros
            printf '%s\\n' '{ \"PostgreSQL-Backup-Manifest-Version\": 1,' '\"Files\": [' '{ \"Path\": \"zeros\", \"Size\": 5000, \"L\": 1 },' \
            '{ \"Path\": \"tablespace_map\", \"Size\": 28, \"L\": 1 },' '{ \"Path\": \"pg_tblspc/9/PG_15_1/1\", \"Size\": 1000 }' '] }' >t/backup_manifest
            mkdir own; tar -czf own/base.tar.gz zeros";
        sh(all, dir.path());
        let restored = look(&[&dir.path().join("t")]);
        assert_eq!(restored.least, Some(6028));
        assert_eq!(restored.tablespaces, Some(vec!["7".to_owned()]));
        let lacking =
            ["its tablespace 8, which was in /srv/eight: there is no 8.tar", "its tablespace 9: there is no 9.tar"];
        assert_eq!(restored.lacking, lacking);
        // Those of a chain are unpacked beside what is put together of them.
        let chain = look(&[&dir.path().join("t"), &dir.path().join("t")]);
        assert_eq!((chain.least, chain.most), (Some(3 * 6028), Some(4 * 6028)));
        // Somebody else's tar file says nothing in front.
        let restored = look(&[&dir.path().join("own")]);
        assert_eq!((restored.least, &restored.tablespaces), (None, &None));
        assert_eq!(restored.unknown.len(), 2, "{restored:?}");
    }
}
