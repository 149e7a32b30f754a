//! Tablespaces: directories outside of PGDATA. A copy of a server has them in places of its own,
//! beside its PGDATA: what lies in the original's is never written.

use std::collections::BTreeMap;

use super::server::Node;
use super::sql_error::SqlError;
use crate::host::{HostError, Program};

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
        let host = self.host()?;
        let text = host.run(Program::script(LINKS, [&host.paths().data])).await?.text();
        let place = |line: &str| {
            let mut words = line.splitn(3, ' ');
            let (oid, identity, location) = (words.next()?.parse().ok()?, words.next()?, words.next()?);
            let space = Tablespace { oid, location: location.to_owned() };
            Some(Linked { space, identity: identity.to_owned() })
        };
        Ok(text.lines().filter_map(place).collect())
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
        match output.success() {
            true => Ok(()),
            false => Err(HostError::new(format!(
                "cannot make directories for the tablespaces of `{}`: {}",
                self.name(),
                output.stderr.trim()
            ))),
        }
    }

    /// What identifies directories on this server's host, by their paths. One that is not there is
    /// made if that can be done.
    pub async fn see(&self, dirs: &[&str]) -> Result<BTreeMap<String, String>, HostError> {
        let text = self.host()?.run(Program::script(SEE, dirs.iter().copied())).await?.text();
        let seen = dirs.iter().zip(text.lines()).filter(|(_, identity)| *identity != "none");
        Ok(seen.map(|(dir, identity)| ((*dir).to_owned(), identity.to_owned())).collect())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_mapping_is_escaped() {
        let space = Tablespace { oid: 16385, location: "/srv/a=b".to_owned() };
        assert_eq!(space.mapping("/new"), r"--tablespace-mapping=/srv/a\=b=/new/16385");
    }
}
