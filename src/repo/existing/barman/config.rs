//! What the configuration of Barman says of where a server's backups lie.

use std::collections::BTreeMap;

/// The options of a section, by their names in lower case.
type Section = BTreeMap<String, String>;

/// Where the backups and the WAL of one of barman's servers lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Places {
    /// A directory for each backup.
    pub(super) backups: String,
    /// What newer versions of barman know of the backups.
    pub(super) meta: String,
    /// Catalogued WAL.
    pub(super) wals: String,
    /// WAL that has come, and waits for barman.
    pub(super) incoming: String,
    /// The same, of a server that streams it.
    pub(super) streaming: String,
}

impl Places {
    /// Where the backups of `server` lie, by the text of all configuration files in turn.
    ///
    /// # Errors
    /// Why they cannot be found.
    pub(super) fn read(text: &str, server: &str) -> Result<Self, String> {
        let sections = sections(text);
        let global = sections.get(GLOBAL).cloned().unwrap_or_default();
        let Some(own) = sections.get(server).filter(|_| server != GLOBAL) else {
            let known: Vec<&str> = sections.keys().map(String::as_str).filter(|name| *name != GLOBAL).collect();
            let known = if known.is_empty() { "none".to_owned() } else { known.join(", ") };
            return Err(format!("barman's configuration has no server `{server}`; it has {known}"));
        };
        if own.get("custom_decompression_filter").or(global.get("custom_decompression_filter")).is_some() {
            return Err("its WAL is packed by a filter of its own (`custom_decompression_filter`), which is not read"
                .to_owned());
        }
        let option = |name: &str| own.get(name).or_else(|| global.get(name)).cloned();
        let mut known = Section::from([("name".to_owned(), server.to_owned())]);
        for (name, default) in PLACES {
            let said = option(name).or_else(|| (!default.is_empty()).then(|| (*default).to_owned()));
            let Some(said) = said else { return Err(format!("barman's configuration has no `{name}`")) };
            let path = filled_in(&said, &known);
            if !path.starts_with('/') || path.contains("%(") {
                return Err(format!("`{name} = {said}` of barman's configuration cannot be read"));
            }
            known.insert((*name).to_owned(), path);
        }
        let place = |name: &str| known.get(name).cloned().unwrap_or_default();
        Ok(Places {
            backups: place("basebackups_directory"),
            meta: format!("{}/meta", place("backup_directory")),
            wals: place("wals_directory"),
            incoming: place("incoming_wals_directory"),
            streaming: place("streaming_wals_directory"),
        })
    }
}

/// The section with what goes for all servers.
const GLOBAL: &str = "barman";

/// The options that say where things are, and their defaults (manual, barman.conf).
const PLACES: &[(&str, &str)] = &[
    ("barman_home", ""),
    ("backup_directory", "%(barman_home)s/%(name)s"),
    ("basebackups_directory", "%(backup_directory)s/base"),
    ("wals_directory", "%(backup_directory)s/wals"),
    ("incoming_wals_directory", "%(backup_directory)s/incoming"),
    ("streaming_wals_directory", "%(backup_directory)s/streaming"),
];

/// A value with `%(name)s` in the place of which other options stand.
fn filled_in(value: &str, known: &Section) -> String {
    let known = known.iter().fold(value.to_owned(), |text, (name, value)| text.replace(&format!("%({name})s"), value));
    known.trim_end_matches('/').to_owned()
}

/// The sections of an INI file, as Python reads it.
fn sections(text: &str) -> BTreeMap<String, Section> {
    let mut sections: BTreeMap<String, Section> = BTreeMap::new();
    let mut at = None;
    for line in text.lines() {
        let line = line.trim_end();
        if line.trim_start().starts_with(['#', ';']) {
            continue;
        }
        if let Some(name) = line.strip_prefix('[').and_then(|rest| rest.split_once(']')) {
            sections.entry(name.0.to_owned()).or_default();
            at = Some(name.0.to_owned());
        } else if let (Some(section), Some((name, value))) = (&at, line.split_once(['=', ':'])) {
            let value = value.trim();
            let quoted = ['"', '\''].iter().find_map(|quote| value.strip_prefix(*quote)?.strip_suffix(*quote));
            let value = quoted.unwrap_or(value).to_owned();
            sections.entry(section.clone()).or_default().insert(name.trim().to_lowercase(), value);
        }
    }
    sections
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "; comment\n[barman]\nbarman_home = /srv/barman/\nconfiguration_files_directory = /etc/barman.d\n\
        [hr]\nBackup_Directory: '/mnt/%(name)s'\nwals_directory = %(backup_directory)s/wal\n# [no]\n[prod]\n";

    #[test]
    fn places_follow_from_what_is_said_and_from_the_defaults() {
        let prod = Places::read(TEXT, "prod").expect("places");
        assert_eq!(prod.backups, "/srv/barman/prod/base");
        assert_eq!(prod.meta, "/srv/barman/prod/meta");
        assert_eq!(prod.streaming, "/srv/barman/prod/streaming");
        let hr = Places::read(TEXT, "hr").expect("places");
        assert_eq!((hr.backups.as_str(), hr.wals.as_str()), ("/mnt/hr/base", "/mnt/hr/wal"));
    }

    #[test]
    fn what_cannot_be_read_is_said() {
        let said = |text: &str, server| Places::read(text, server).expect_err("no places");
        assert_eq!(said(TEXT, "prd"), "barman's configuration has no server `prd`; it has hr, prod");
        assert_eq!(said(TEXT, "barman"), "barman's configuration has no server `barman`; it has hr, prod");
        assert_eq!(said("[x]\n", "x"), "barman's configuration has no `barman_home`");
        let strange = said("[x]\nbarman_home = %(elsewhere)s\n", "x");
        assert_eq!(strange, "`barman_home = %(elsewhere)s` of barman's configuration cannot be read");
        let packed = said("[barman]\nbarman_home = /b\n[x]\ncustom_decompression_filter = mine -d\n", "x");
        assert!(packed.contains("a filter of its own"), "{packed}");
    }
}
