//! What libpq would look at beside a connection string.

use std::path::PathBuf;

use nix::unistd::{Uid, User};

use super::dirs;
use crate::node::ClientEnvironment;

/// Looks at the environment as libpq does.
pub fn around() -> ClientEnvironment {
    // Whoever has no name has none to log in by either.
    let own = User::from_uid(Uid::effective()).ok().flatten();
    let home = std::env::var_os("HOME").filter(|home| !home.is_empty()).map(PathBuf::from);
    // What is no UTF-8 cannot be a part of a connection string here.
    let variables = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    let variables = variables.filter(|(name, _)| name.starts_with("PG"));
    ClientEnvironment {
        variables: variables.filter_map(|(name, value)| Some((name, value.into_string().ok()?))).collect(),
        home: home.or_else(|| own.as_ref().map(|user| user.dir.clone())),
        user: own.map(|user| user.name).unwrap_or_default(),
        secrets_dir: dirs::secrets(),
    }
}
