//! What a container needs of this machine to read a server of Barman.

use std::path::{Path, PathBuf};

use super::config::Places;
use crate::repo::existing::mounts::{configuration, text_of};
use crate::repo::existing::{Existing, Mounts};

/// Where barman looks for its configuration by itself.
const DEFAULT: [&str; 2] = ["/etc/barman.conf", "/etc/barman/barman.conf"];

/// The configuration, and the directories that it names. What is wrong with it is told where it is
/// read.
pub fn mounts(existing: &Existing) -> Mounts {
    let Some(config) = configuration(existing, DEFAULT)? else { return Ok(vec![]) };
    let mut text = text_of(&config)?;
    let mut paths = vec![config];
    if let Some(more) = more_files(&text).map(PathBuf::from) {
        text.push_str(&texts(&more)?);
        paths.push(more);
    }
    if let Ok(places) = Places::read(&text, existing.server.as_deref().unwrap_or_default()) {
        let Places { backups, meta, wals, incoming, streaming } = places;
        paths.extend([backups, meta, wals, incoming, streaming].map(PathBuf::from));
    }
    Ok(paths)
}

/// The directory with the rest of the configuration.
fn more_files(text: &str) -> Option<&str> {
    let value = |line: &str| -> Option<usize> {
        let rest = line.strip_prefix("configuration_files_directory")?.trim_start();
        Some(line.len() - rest.strip_prefix(['=', ':'])?.trim_start().len())
    };
    text.lines().rev().find_map(|line| Some(line[value(line)?..].trim()))
}

/// What the files in it say; nothing if it is not there.
fn texts(dir: &Path) -> Result<String, String> {
    let entries = match std::fs::read_dir(dir) {
        Err(e) if e.kind() == std::io::ErrorKind::NotFound => return Ok(String::new()),
        entries => entries.map_err(|e| format!("{} cannot be read: {e}", dir.display()))?,
    };
    let files = entries.flatten().map(|entry| entry.path());
    let files = files.filter(|path| path.extension().is_some_and(|ending| ending == "conf"));
    files.map(|path| Ok(format!("\n{}\n", text_of(&path)?))).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_directories_of_a_server_are_found_by_all_of_the_configuration() {
        let dir = tempfile::tempdir().unwrap();
        let (config, more) = (dir.path().join("barman.conf"), dir.path().join("barman.d"));
        std::fs::create_dir(&more).unwrap();
        let line = format!("configuration_files_directory = {}\n", more.display());
        std::fs::write(&config, format!("[barman]\nbarman_home = /srv/barman\n{line}")).unwrap();
        std::fs::write(more.join("main.conf"), "[main]\nwals_directory = /srv/wal\n").unwrap();
        let existing = |server: &str| Existing {
            config: Some(config.display().to_string()),
            server: Some(server.to_owned()),
            ..Existing::default()
        };
        let paths = mounts(&existing("main")).unwrap();
        assert_eq!(paths[..2], [config.clone(), more.clone()]);
        for path in ["/srv/barman/main/base", "/srv/barman/main/meta", "/srv/wal"] {
            assert!(paths.contains(&PathBuf::from(path)), "{paths:?}");
        }
        assert_eq!(mounts(&existing("other")).unwrap(), [config.clone(), more.clone()]);
        // What cannot be read is not taken for empty: a directory is none for root, either.
        std::fs::create_dir(more.join("second.conf")).unwrap();
        let why = mounts(&existing("main")).unwrap_err();
        assert!(why.contains("second.conf cannot be read: "), "{why}");
    }
}
