//! Repos that are there already, filled by somebody else: a drill reads what is in them, and
//! nothing of them is ever written, locked, expired or archived into.

mod backup;
mod barman;
mod directory;
mod mounts;

pub use barman::{ExistingBarman, mounts as of_barman};
pub use directory::ExistingDirectory;
pub use mounts::{configuration, named, text_of, tool_is_here};

use std::fmt;
use std::path::PathBuf;
use std::sync::Arc;

use super::settings::Commands;
use super::storage::{Place, Storage};

/// Where an existing repo lies, as the scenario says: the keys that its kind takes.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Existing {
    /// Its name in the scenario.
    pub name: String,
    /// `backups`: where its base backups are, an absolute path with `*`, `?` and `[...]` as in a
    /// shell.
    pub backups: Option<String>,
    /// `wal`: the directory of its WAL; none if there is no archive.
    pub wal: Option<String>,
    /// `path`: what its dumps match, an absolute path with `*`, `?` and `[...]` as in a shell.
    pub path: Option<String>,
    /// `globals`: what the dumps of its roles match, if they are not beside those of databases.
    pub globals: Option<String>,
    /// `stanza`: the name under which the tool knows the server.
    pub stanza: Option<String>,
    /// `config`: the tool's configuration file; none for the tool's own default.
    pub config: Option<String>,
    /// `repo`: which of the tool's repositories, by its number; none for whichever the tool takes.
    pub repo: Option<u32>,
    /// `options`: of the tool, by their names, in order.
    pub options: Vec<(String, String)>,
    /// `server`: which of the tool's servers.
    pub server: Option<String>,
    /// A directory of the drill's own, for what is needed to read it.
    pub own: String,
    /// The commands that read it, and their environment.
    pub commands: Commands,
}

impl Existing {
    /// The same for a server that is recovered cold: with the configuration that is among its
    /// secrets, if one is, and not with production's.
    pub fn cold(&self, secrets: &[(String, String)]) -> Self {
        let config = secrets.iter().find(|(name, _)| name == "config").map(|(_, file)| file.clone());
        Existing { config, ..self.clone() }
    }

    /// The place of its repo: what the drill itself needs of it is at `path`.
    pub fn place(&self, path: impl Into<String>) -> Place {
        let (name, read_at) = (self.name.clone(), Some(self.read_at()));
        Place { name, path: path.into(), read_at, ..Place::default() }
    }

    /// What the scenario says of where it is, by the keys.
    fn read_at(&self) -> String {
        let repo = self.repo.map(|number| number.to_string());
        let keys = [
            ("stanza", &self.stanza),
            ("server", &self.server),
            ("repo", &repo),
            ("config", &self.config),
            ("backups", &self.backups),
            ("path", &self.path),
        ];
        let given = keys.into_iter().filter_map(|(key, value)| Some(format!("{key} `{}`", value.as_ref()?)));
        given.collect::<Vec<_>>().join(", ")
    }
}

/// The directory in which all lies that a glob can choose: what comes before its first part with a
/// wildcard.
pub fn beginning(glob: &str) -> &str {
    match glob.find(['*', '?', '[']) {
        None => glob,
        Some(at) => glob[..at].rsplit_once('/').map(|(dir, _)| dir).filter(|dir| !dir.is_empty()).unwrap_or("/"),
    }
}

/// Files and directories of this machine that are read; or why that is not enough.
pub type Mounts = Result<Vec<PathBuf>, String>;

/// How a kind reads what somebody else fills.
#[derive(Clone, Copy)]
pub struct AtExisting {
    /// The keys that it needs.
    pub needs: &'static [&'static str],
    /// The keys that it takes besides.
    pub takes: &'static [&'static str],
    /// Makes the repo.
    pub at: fn(&Existing) -> Arc<dyn Storage>,
    /// What a container needs of this machine to read it.
    pub mounts: fn(&Existing) -> Mounts,
}

impl fmt::Debug for AtExisting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("AtExisting").field("needs", &self.needs).field("takes", &self.takes).finish_non_exhaustive()
    }
}

/// Why a path of an existing repo cannot be used, if it cannot: it becomes a part of
/// restore_command, where the server and a shell read it.
pub fn unusable(path: &str, wildcards: bool) -> Option<&'static str> {
    let plain = |c: char| c.is_ascii_alphanumeric() || "/._-+@:,=~".contains(c) || (wildcards && "*?[]".contains(c));
    if !path.starts_with('/') {
        return Some("it has to be absolute");
    }
    (!path.chars().all(plain))
        .then_some("it may have letters, digits and `/ . _ - + @ : , = ~` in it, and no spaces or quotes")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_lie_below_what_comes_before_the_first_wildcard() {
        let all =
            [("/srv/b/*", "/srv/b"), ("/srv/*/base", "/srv"), ("/srv/b/mon[12]", "/srv/b"), ("/*", "/"), ("/b", "/b")];
        for (glob, dir) in all {
            assert_eq!(beginning(glob), dir, "{glob}");
        }
    }

    #[test]
    fn a_path_is_one_word_for_a_shell_and_for_the_server() {
        assert_eq!(unusable("/srv/backup/2026-11-29", false), None);
        assert_eq!(unusable("/srv/*/base", true), None);
        for wrong in ["backup", "/srv/*/wal", "/my backup", "/it's", "/%f", ""] {
            assert!(unusable(wrong, false).is_some(), "{wrong}");
        }
    }
}
