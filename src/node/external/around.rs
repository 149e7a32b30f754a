//! What libpq looks at beside a connection string.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

/// The environment of whoever runs drillyard, as far as libpq would look at it.
#[derive(Default)]
pub struct ClientEnvironment {
    /// The variables whose names begin with `PG`.
    pub variables: BTreeMap<String, String>,
    /// The home directory.
    pub home: Option<PathBuf>,
    /// The operating system's user.
    pub user: String,
    /// Where secrets lie in files of their own.
    pub secrets_dir: Option<PathBuf>,
}

impl ClientEnvironment {
    /// A variable's value; nothing if it is empty.
    pub(super) fn variable(&self, name: &str) -> Option<&str> {
        self.variables.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// A file below the home directory.
    pub(super) fn at_home(&self, name: &str) -> Option<PathBuf> {
        self.home.as_deref().map(|home| home.join(name))
    }

    /// A file of libpq's own directory, `~/.postgresql`, if it is there.
    pub(super) fn default_file(&self, name: &str) -> Option<PathBuf> {
        self.at_home(&format!(".postgresql/{name}")).filter(|path| Path::exists(path))
    }
}
