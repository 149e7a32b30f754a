//! What server a backup is of, by files of its data directory, and whether one can be had here.

use std::collections::BTreeSet;

use super::inherited::{demands, libraries, missing_files, setting};
use crate::host::{Host, HostError, Program};

/// Prints those files, and what the programs here are made for.
const LOOK: &str = include_str!("scripts/server_of_backup.sh");
/// Prints which extensions are not there.
const MISSING_EXTENSIONS: &str = include_str!("scripts/missing_extensions.sh");

/// What the programs have to be made for as the server was: it compares these itself when it starts
/// (`ReadControlFile`).
const MADE_FOR: &[&str] = &[
    "pg_control version number",
    "Catalog version number",
    "Maximum data alignment",
    "Database block size",
    "Blocks per segment of large relation",
    "WAL block size",
    "Maximum length of identifiers",
    "Maximum columns in an index",
    "Maximum size of a TOAST chunk",
    "Size of a large-object chunk",
    "Float8 argument passing",
];

/// The settings that name libraries, and where a name without a path is looked for.
const LOADING: &[(&str, &str)] = &[
    ("shared_preload_libraries", ""),
    ("session_preload_libraries", ""),
    ("local_preload_libraries", "$libdir/plugins/"),
    ("archive_library", ""),
];

/// A difference between a backup's server and the programs here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mismatch {
    /// What differs, as pg_controldata calls it.
    pub what: String,
    /// In the backup.
    pub theirs: String,
    /// Here.
    pub here: String,
}

/// What is known of the server that a backup is of.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct ServerOfBackup {
    /// Its major version.
    pub major: Option<u32>,
    /// That of the programs here.
    pub here: Option<u32>,
    /// Its system identifier.
    pub system: Option<String>,
    /// What pg_controldata says of a control file that is damaged.
    pub damaged: Option<String>,
    /// For what else the programs here are not made.
    pub mismatches: Vec<Mismatch>,
    /// The settings that recovery needs at least so.
    pub demands: Vec<(String, String)>,
    /// The libraries that its configuration loads, each with the setting.
    pub libraries: Vec<(String, String)>,
    /// Those of them that are not here.
    pub missing: BTreeSet<String>,
    /// What could not be read, with the reason.
    pub unknown: Vec<String>,
}

impl ServerOfBackup {
    /// Looks at the files in `dir`. `scratch` is a directory that is made and removed.
    pub async fn look(host: &dyn Host, dir: &str, scratch: &str) -> Result<Self, HostError> {
        let mut server = ServerOfBackup::read(&host.run(Program::script(LOOK, [dir, scratch])).await?.text());
        let libraries = server.libraries.iter().map(|(_, library)| ("library", library.clone()));
        server.missing = missing_files(host, dir, libraries).await?;
        Ok(server)
    }

    fn read(text: &str) -> Self {
        let part = |name: &str, next: &str| {
            let from = text.split_once(&format!("-- {name}\n")).map_or("", |(_, rest)| rest);
            from.split_once(&format!("-- {next}\n")).map_or(from, |(part, _)| part)
        };
        let here = part("here", "pg_control").trim().parse().ok();
        // Before 10 it was two numbers.
        let version = part("PG_VERSION", "here").trim();
        let major: Option<u32> = version.split('.').next().and_then(|major| major.parse().ok());
        let mut server = ServerOfBackup { major, here, ..ServerOfBackup::default() };
        if major.is_none() {
            server.unknown.push("its version: its PG_VERSION is not there".to_owned());
        }
        // pg_controldata reads only those of its own version.
        if major.is_some() && major == here {
            server.read_control(part("pg_control", "programs"), part("programs", "postgresql.conf"));
        }
        server.read_settings(part("postgresql.conf", "postgresql.auto.conf"), part("postgresql.auto.conf", "end"));
        server
    }

    fn read_control(&mut self, control: &str, programs: &str) {
        if control.trim() == "missing" {
            self.unknown.push("the settings that recovery needs: its pg_control is not at hand".to_owned());
            return;
        }
        let value = |text: &str, label: &str| {
            text.lines().find_map(|line| Some(line.strip_prefix(label)?.strip_prefix(':')?.trim().to_owned()))
        };
        let said = |line: &&str| line.starts_with("WARNING") || line.contains("error:");
        let damaged = control.lines().find(said).map(|line| line.trim_start_matches("WARNING: ").to_owned());
        self.demands = demands(control);
        self.system = value(control, "Database system identifier").filter(|_| damaged.is_none());
        self.damaged = damaged.or_else(|| self.demands.is_empty().then(|| "nothing can be read in it".to_owned()));
        for what in MADE_FOR {
            match (value(control, what), value(programs, what)) {
                (Some(theirs), Some(here)) if theirs != here => {
                    self.mismatches.push(Mismatch { what: (*what).to_owned(), theirs, here });
                }
                _ => {}
            }
        }
        if value(programs, MADE_FOR[0]).is_none() {
            self.unknown.push("what the programs here are made for: pg_resetwal does not say so".to_owned());
        }
    }

    /// The last word on a setting counts, and postgresql.auto.conf has it.
    fn read_settings(&mut self, conf: &str, auto: &str) {
        if conf.trim() == "missing" {
            self.unknown.push("libraries of its postgresql.conf, which is not in the backup".to_owned());
        }
        let all: Vec<(String, String)> = conf.lines().chain(auto.lines()).filter_map(setting).collect();
        if all.iter().any(|(name, _)| name.starts_with("include")) {
            self.unknown.push("what its postgresql.conf includes".to_owned());
        }
        for (name, place) in LOADING {
            let value = all.iter().rev().find(|(set, _)| set == name).map_or("", |(_, value)| value.as_str());
            for library in libraries(value) {
                let library = if library.contains('/') { library } else { format!("{place}{library}") };
                self.libraries.push(((*name).to_owned(), library));
            }
        }
    }
}

/// Which of these extensions are not installed on a host.
pub async fn missing_extensions(host: &dyn Host, extensions: &[String]) -> Result<Vec<String>, HostError> {
    let text = host.run(Program::script(MISSING_EXTENSIONS, extensions)).await?.text();
    Ok(text.lines().map(str::to_owned).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    const PROGRAMS: &str = "Guessed pg_control values:\n\npg_control version number:            1300\n\
        Catalog version number:               202209061\nDatabase block size:                  8192\n";

    fn read(version: &str, control: &str, conf: &str, auto: &str) -> ServerOfBackup {
        ServerOfBackup::read(&format!(
            "-- PG_VERSION\n{version}\n\n-- here\n15\n-- pg_control\n{control}\n-- programs\n{PROGRAMS}\
             -- postgresql.conf\n{conf}\n-- postgresql.auto.conf\n{auto}\n-- end\n"
        ))
    }

    #[test]
    fn what_a_server_needs_is_read_and_compared_with_what_is_here() {
        let control = "pg_control version number:            1300\nCatalog version number:               202209061\n\
            Database block size:                  16384\nmax_connections setting:              300\n";
        let conf = "shared_preload_libraries = 'old'\narchive_library = ''\ninclude_dir 'conf.d'\n";
        let server = read(
            "15",
            control,
            conf,
            "shared_preload_libraries = 'pg_cron, auto_explain'\nlocal_preload_libraries = 'x'\n",
        );
        assert_eq!((server.major, server.here, &server.damaged), (Some(15), Some(15), &None));
        let mismatch = Mismatch { what: "Database block size".into(), theirs: "16384".into(), here: "8192".into() };
        assert_eq!(server.mismatches, [mismatch]);
        assert_eq!(server.demands, [("max_connections".to_owned(), "300".to_owned())]);
        let libraries: Vec<&str> = server.libraries.iter().map(|(_, library)| library.as_str()).collect();
        assert_eq!(libraries, ["pg_cron", "auto_explain", "$libdir/plugins/x"]);
        assert_eq!(server.unknown, ["what its postgresql.conf includes"]);
    }

    #[test]
    fn what_cannot_be_read_is_not_held_to_be_well() {
        let damaged = "WARNING: Calculated CRC checksum does not match value stored in file.\nEither ...\n\
            pg_control version number:            0\nmax_connections setting:              0\n";
        assert!(read("15", damaged, "", "").damaged.is_some_and(|said| said.starts_with("Calculated CRC")));
        assert!(read("15", "pg_controldata: error: could not read file", "", "").damaged.is_some());
        // Another version's is not even looked at.
        let older = read("14", damaged, "", "");
        assert_eq!((older.major, older.damaged, older.mismatches), (Some(14), None, vec![]));
        assert_eq!(read("9.6", damaged, "", "").major, Some(9));
        let nothing = read("missing", "missing", "missing", "missing");
        assert_eq!((nothing.major, nothing.unknown.len()), (None, 2));
        assert_eq!(read("15", "missing", "missing", "missing").unknown.len(), 2);
    }
}
