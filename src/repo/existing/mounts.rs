//! What a host needs of this machine to read an existing repo, where it does not see all of it: a
//! container.

use std::path::{Path, PathBuf};

use regex::Regex;

use super::{Existing, Mounts, beginning};

/// Those of a kind whose repos are files where the scenario says.
pub fn named(existing: &Existing) -> Mounts {
    let globs = [&existing.backups, &existing.path, &existing.globals].into_iter().flatten();
    let mut paths = vec![];
    for glob in globs {
        paths.extend(read_for(glob)?);
    }
    paths.extend(existing.wal.iter().map(PathBuf::from));
    let mut spaces: Vec<PathBuf> = existing.backups.iter().flat_map(|glob| tablespaces(glob)).collect();
    spaces.retain(|space| !paths.iter().any(|path| space.starts_with(path)));
    paths.extend(spaces);
    match paths.iter().all(|path| path.parent().is_some()) {
        true => Ok(paths),
        false => Err("it would take all of this machine's files".to_owned()),
    }
}

/// Why not, for a kind whose tool is on this machine, with whatever that needs.
pub fn tool_is_here(_: &Existing) -> Mounts {
    Err("its tool reads it with what is on this machine, and is not known to be in an image".to_owned())
}

/// The configuration of a tool, where the scenario says or where the tool looks by itself; none if
/// it is not there.
///
/// # Errors
/// If that cannot be known.
pub fn configuration(existing: &Existing, default: [&str; 2]) -> Result<Option<PathBuf>, String> {
    if let Some(config) = &existing.config {
        return Ok(Some(PathBuf::from(config)));
    }
    for path in default.map(PathBuf::from) {
        if path.try_exists().map_err(|e| format!("{} cannot be read: {e}", path.display()))? {
            return Ok(Some(path));
        }
    }
    Ok(None)
}

/// What a file of a configuration says: one that cannot be read is not empty.
///
/// # Errors
/// Why it cannot be read.
pub fn text_of(config: &Path) -> Result<String, String> {
    std::fs::read_to_string(config).map_err(|e| format!("{} cannot be read: {e}", config.display()))
}

/// What has to be read to find what matches a glob: the directories whose entries its last part
/// chooses from, and no others beside them; or what matches it, if that part has no wildcard.
fn read_for(glob: &str) -> Mounts {
    let wild = |part: &str| part.contains(['*', '?', '[']);
    let dirs = match glob.rsplit_once('/') {
        Some((dirs, last)) if wild(last) => dirs,
        _ => glob,
    };
    let mut found = vec![PathBuf::from("/")];
    for part in dirs.split('/').filter(|part| !part.is_empty()) {
        if wild(part) {
            found = found.iter().flat_map(|dir| matching(dir, part)).collect();
        } else {
            found.iter_mut().for_each(|dir| dir.push(part));
        }
    }
    if wild(dirs) {
        found.retain(|path| path.exists());
        found.sort();
    }
    match found.is_empty() {
        true => Err(format!("nothing matches {dirs}")),
        false => Ok(found),
    }
}

/// Where the tablespaces of the backups are that a glob chooses, by the links in their pg_tblspc.
/// Those that lead elsewhere than to where the backups lie are not followed.
fn tablespaces(glob: &str) -> Vec<PathBuf> {
    let backups = match glob.rsplit_once('/') {
        Some((_, last)) => {
            let dirs = read_for(glob).unwrap_or_default();
            let chosen = |dir: PathBuf| if dir.ends_with(last) { vec![dir] } else { matching(&dir, last) };
            dirs.into_iter().flat_map(chosen).collect()
        }
        None => vec![],
    };
    let links = backups.iter().flat_map(|backup| matching(&backup.join("pg_tblspc"), "*"));
    let within = Path::new(beginning(glob)).canonicalize();
    let is_below =
        |place: &PathBuf| place.canonicalize().is_ok_and(|real| within.as_ref().is_ok_and(|dir| real.starts_with(dir)));
    let mut places: Vec<PathBuf> =
        links.filter_map(|link| link.read_link().ok()).filter(|place| place.is_dir() && is_below(place)).collect();
    places.sort();
    places.dedup();
    places
}

/// The entries of a directory that a part of a glob chooses, as a shell has it.
fn matching(dir: &Path, part: &str) -> Vec<PathBuf> {
    let mut pattern = regex::escape(part).replace(r"\*", ".*").replace(r"\?", ".");
    pattern = pattern.replace(r"\[!", "[^").replace(r"\[", "[").replace(r"\]", "]").replace(r"\-", "-");
    let Ok(pattern) = Regex::new(&format!("^(?s:{pattern})$")) else { return vec![] };
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let chosen = entries.filter(|entry| {
        let name = entry.file_name().to_string_lossy().into_owned();
        (part.starts_with('.') || !name.starts_with('.')) && pattern.is_match(&name)
    });
    chosen.map(|entry| entry.path()).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_glob_takes_the_directories_that_it_chooses_from() {
        for (glob, dir) in [("/srv/b/*", "/srv/b"), ("/srv/b", "/srv/b"), ("/srv/b/mon*", "/srv/b"), ("/*", "/")] {
            assert_eq!(read_for(glob), Ok(vec![PathBuf::from(dir)]), "{glob}");
        }
        let of = |backups: &str| Existing {
            backups: Some(backups.to_owned()),
            wal: Some("/srv/wal".to_owned()),
            ..Existing::default()
        };
        assert_eq!(named(&of("/srv/b/*")), Ok(vec!["/srv/b".into(), "/srv/wal".into()]));
        assert!(named(&of("/*")).is_err());
    }

    #[test]
    fn tablespaces_that_lie_where_the_backups_do_are_taken_along() {
        let dir = tempfile::tempdir().unwrap();
        let (backups, live) = (dir.path().join("b"), dir.path().join("live"));
        let space = backups.join("spaces/monday");
        std::fs::create_dir_all(&space).unwrap();
        std::fs::create_dir_all(&live).unwrap();
        for (name, place) in [("monday", &space), ("tuesday", &backups.join("gone")), ("wednesday", &live)] {
            let base = backups.join(name).join("base");
            std::fs::create_dir_all(base.join("pg_tblspc")).unwrap();
            std::os::unix::fs::symlink(place, base.join("pg_tblspc/16384")).unwrap();
        }
        let of = |glob: &str| Existing { backups: Some(format!("{}{glob}", backups.display())), ..Existing::default() };
        for (glob, count) in [("/*/base", 4), ("/mon*/base", 2)] {
            let paths = named(&of(glob)).unwrap();
            assert_eq!((paths.len(), paths.last()), (count, Some(&space)), "{glob}");
        }
        for name in ["tuesday", "wednesday"] {
            let base = backups.join(name).join("base");
            assert_eq!(named(&of(&format!("/[{}]{}/base", &name[..1], &name[1..]))), Ok(vec![base]));
        }
        // What is mounted anyway has them in it.
        assert_eq!(named(&of("/*")), Ok(vec![backups]));
    }

    #[test]
    fn what_lies_beside_what_matches_is_left_out() {
        let dir = tempfile::tempdir().unwrap();
        for name in ["one/base/x", "two/base", "three/other", ".hidden/base", "a-b/base"] {
            std::fs::create_dir_all(dir.path().join(name)).unwrap();
        }
        let shown = |glob: &str| {
            let paths = read_for(&format!("{}/{glob}", dir.path().display()))?;
            let names = paths.iter().map(|path| path.strip_prefix(dir.path()).expect("below").display().to_string());
            Ok::<_, String>(names.collect::<Vec<_>>().join(" "))
        };
        let all = [
            ("*/base", "a-b/base one/base two/base"),
            ("*/base/*", "a-b/base one/base two/base"),
            ("[!o]*/base", "a-b/base two/base"),
            ("t?o/base", "two/base"),
            ("[a-b]-b/base", "a-b/base"),
            (".h*/base", ".hidden/base"),
        ];
        for (glob, paths) in all {
            assert_eq!(shown(glob).as_deref(), Ok(paths), "{glob}");
        }
        assert!(shown("*/none/*").unwrap_err().starts_with("nothing matches "));
    }
}
