//! Tablespaces: directories outside of PGDATA. A copy of a server has them in places of its own,
//! beside its PGDATA: what lies in the original's is never written.

use std::collections::BTreeMap;

use super::server::Node;
use super::sql_error::SqlError;
use crate::host::{Host, HostError, Output, Program};

/// A tablespace with a directory outside of PGDATA.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Tablespace {
    /// Its number, which is the name of its link in `pg_tblspc`.
    pub oid: u32,
    /// The directory.
    pub location: String,
}

impl Tablespace {
    /// The option by which pg_basebackup puts it below `places`.
    pub fn mapping(&self, places: &str) -> String {
        let escaped = |path: &str| path.replace('=', "\\=");
        format!("--tablespace-mapping={}={}", escaped(&self.location), escaped(&format!("{places}/{}", self.oid)))
    }
}

/// Where a server that was copied has its tablespaces: beside its PGDATA.
pub fn own_tablespaces(data: &str) -> String {
    format!("{data}-tablespaces")
}

/// Prints the tablespaces of a data directory.
const LINKS: &str = include_str!("scripts/tablespace_links.sh");

/// Prints the tablespaces in place of a data directory.
const IN_PLACE: &str = include_str!("scripts/tablespaces_in_place.sh");

/// Lets a server have tablespaces in place.
const ALLOW_IN_PLACE: &str = include_str!("scripts/allow_in_place.sh");

/// Makes directories for tablespaces.
const MAKE_ROOM: &str = include_str!("scripts/make_tablespaces.sh");

/// Prints what identifies directories on their machine.
const SEE: &str = include_str!("scripts/identify_directories.sh");

/// A tablespace's directory, as a host sees it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Linked {
    /// The tablespace.
    pub space: Tablespace,
    /// What identifies the directory on the machine.
    pub identity: String,
}

impl Node {
    /// The tablespaces that this server, which runs, has outside of PGDATA.
    pub async fn tablespaces(&self) -> Result<Vec<Tablespace>, SqlError> {
        // One that was made in place has a path within PGDATA.
        let query =
            "SELECT oid, location FROM (SELECT oid, pg_tablespace_location(oid) AS location FROM pg_tablespace) t
                     WHERE location LIKE '/%' ORDER BY oid";
        let rows = self.client().await?.query(query, &[]).await?;
        Ok(rows.iter().map(|row| Tablespace { oid: row.get(0), location: row.get(1) }).collect())
    }

    /// The tablespaces in this server's data directory, whether it runs or not.
    pub async fn places(&self) -> Result<Vec<Linked>, HostError> {
        self.places_seen_by(self.host()?.as_ref()).await
    }

    /// The same, as another host sees them that shares the file system: for one that is frozen.
    pub async fn places_seen_by(&self, host: &dyn Host) -> Result<Vec<Linked>, HostError> {
        let output = host.run(Program::script(LINKS, [&self.host()?.paths().data])).await?;
        let text = self.said("look at", output)?;
        let place = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (oid, identity, location) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
            let space = Tablespace { oid, location: location.to_owned() };
            Some(Linked { space, identity: identity.to_owned() })
        };
        Ok(text.lines().filter_map(place).collect())
    }

    /// Whether this server has tablespaces within its data directory, whether it runs or not.
    pub async fn has_some_in_place(&self) -> Result<bool, HostError> {
        let host = self.host()?;
        let output = host.run(Program::script(IN_PLACE, [&host.paths().data])).await?;
        Ok(!self.said("look at", output)?.is_empty())
    }

    /// Lets this server, which does not run, have tablespaces within its data directory: it does
    /// not start otherwise once it has some.
    pub async fn allow_in_place(&self) -> Result<(), HostError> {
        let host = self.host()?;
        let output = host.run(Program::script(ALLOW_IN_PLACE, [&host.paths().data])).await?;
        self.said("allow", output).map(drop)
    }

    /// Gives this server, which does not run, directories of its own for tablespaces that it is
    /// about to get.
    pub async fn make_room(&self, spaces: &[Tablespace]) -> Result<(), HostError> {
        if spaces.is_empty() {
            return Ok(());
        }
        let data = self.host()?.paths().data.clone();
        let args =
            [data.clone(), own_tablespaces(&data)].into_iter().chain(spaces.iter().map(|one| one.oid.to_string()));
        let output = self.host()?.run(Program::script(MAKE_ROOM, args)).await?;
        self.said("make directories for", output).map(drop)
    }

    /// What a script has printed about this server's tablespaces. One that failed has not told all.
    fn said(&self, purpose: &str, output: Output) -> Result<String, HostError> {
        match output.success() {
            true => Ok(output.text()),
            false => Err(HostError::new(format!(
                "cannot {purpose} the tablespaces of `{}`: {}",
                self.name(),
                output.stderr.trim()
            ))),
        }
    }

    /// What identifies directories on this server's host, by their paths. One that is not there is
    /// made if that can be done.
    pub async fn see(&self, dirs: &[&str]) -> Result<BTreeMap<String, String>, HostError> {
        see(self.host()?.as_ref(), dirs).await
    }
}

/// What identifies directories on a host, by their paths. One that is not there is made if that can
/// be done.
pub async fn see(host: &dyn Host, dirs: &[&str]) -> Result<BTreeMap<String, String>, HostError> {
    let text = host.run(Program::script(SEE, dirs.iter().copied())).await?.text();
    let seen = dirs.iter().zip(text.lines()).filter(|(_, identity)| *identity != "none");
    Ok(seen.map(|(dir, identity)| ((*dir).to_owned(), identity.to_owned())).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What a script prints about a data directory.
    fn printed(script: &str, data: &std::path::Path) -> String {
        let output = std::process::Command::new("sh").args(["-euc", script, "sh"]).arg(data).output().expect("a shell");
        assert!(output.status.success(), "{output:?}");
        String::from_utf8(output.stdout).expect("text")
    }

    #[test]
    fn a_configuration_that_is_gone_is_not_made_again() {
        let dir = tempfile::tempdir().expect("a directory");
        let conf = dir.path().join("postgresql.conf");
        printed(ALLOW_IN_PLACE, dir.path());
        assert!(!conf.exists());
        std::fs::write(&conf, "port = 5432").expect("written");
        printed(ALLOW_IN_PLACE, dir.path());
        printed(ALLOW_IN_PLACE, dir.path());
        let text = std::fs::read_to_string(&conf).expect("it is there");
        assert_eq!(text, "port = 5432\nallow_in_place_tablespaces = on\n");
    }

    #[test]
    fn what_is_not_there_has_no_tablespaces() {
        let dir = tempfile::tempdir().expect("a directory");
        assert_eq!([IN_PLACE, LINKS].map(|script| printed(script, dir.path())), ["", ""]);
        std::fs::create_dir_all(dir.path().join("pg_tblspc/16385")).expect("made");
        assert!(printed(IN_PLACE, dir.path()).ends_with("/pg_tblspc/16385\n"));
        assert_eq!(printed(LINKS, dir.path()), "");
    }

    #[test]
    fn a_mapping_is_escaped() {
        let space = Tablespace { oid: 16385, location: "/srv/a=b".to_owned() };
        assert_eq!(space.mapping("/new"), r"--tablespace-mapping=/srv/a\=b=/new/16385");
    }
}
