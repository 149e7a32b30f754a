//! Repos that are there already, filled by somebody else: a drill reads what is in them, and
//! nothing of them is ever written, locked, expired or archived into.

mod backup;
mod directory;

pub use directory::ExistingDirectory;

/// Where an existing repo lies, as the scenario says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Existing {
    /// Its name in the scenario.
    pub name: String,
    /// Where its base backups are: an absolute path with `*`, `?` and `[...]` as in a shell.
    pub backups: String,
    /// The directory of its WAL; none if there is no archive.
    pub wal: Option<String>,
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
    fn a_path_is_one_word_for_a_shell_and_for_the_server() {
        assert_eq!(unusable("/srv/backup/2026-11-29", false), None);
        assert_eq!(unusable("/srv/*/base", true), None);
        for wrong in ["backup", "/srv/*/wal", "/my backup", "/it's", "/%f", ""] {
            assert!(unusable(wrong, false).is_some(), "{wrong}");
        }
    }
}
