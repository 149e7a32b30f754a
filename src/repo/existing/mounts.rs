//! What a host needs of this machine to read an existing repo, where it does not see all of it: a
//! container.

use std::path::{Path, PathBuf};

use super::{Existing, Mounts};

/// Those of a kind whose repos are files where the scenario says.
pub fn named(existing: &Existing) -> Mounts {
    let globs = [&existing.backups, &existing.path, &existing.globals].into_iter().flatten();
    let all = globs.map(|glob| above_wildcards(glob)).chain(existing.wal.iter().map(PathBuf::from));
    all.map(|path| match path.parent() {
        Some(_) => Ok(path),
        None => Err("it would take all of this machine's files".to_owned()),
    })
    .collect()
}

/// Why not, for a kind whose tool is on this machine, with whatever that needs.
pub fn tool_is_here(_: &Existing) -> Mounts {
    Err("its tool reads it with what is on this machine, and is not known to be in an image".to_owned())
}

/// The deepest directory that all paths have in common that match a glob.
fn above_wildcards(glob: &str) -> PathBuf {
    match glob.find(['*', '?', '[']) {
        Some(at) => Path::new(&glob[..glob[..at].rfind('/').map_or(0, |slash| slash.max(1))]).to_owned(),
        None => PathBuf::from(glob),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_glob_matches_is_below_its_wildcards() {
        for (glob, dir) in [("/srv/b/*", "/srv/b"), ("/srv/b*/x", "/srv"), ("/srv/b", "/srv/b"), ("/*", "/")] {
            assert_eq!(above_wildcards(glob), Path::new(dir));
        }
        let of = |backups: &str| Existing {
            backups: Some(backups.to_owned()),
            wal: Some("/srv/wal".to_owned()),
            ..Existing::default()
        };
        assert_eq!(named(&of("/srv/b/*")), Ok(vec!["/srv/b".into(), "/srv/wal".into()]));
        assert!(named(&of("/*")).is_err());
    }
}
