//! The files that connections log in with.

use std::path::{Path, PathBuf};

use super::around::ClientEnvironment;
use super::complete::complete;
use crate::pg::conninfo::Conninfo;

impl ClientEnvironment {
    /// The files and directories that nobody may have who has no business with what is secret: the
    /// directory of the secrets, and what these connections log in with.
    pub fn private<'a>(&self, connections: impl Iterator<Item = &'a Conninfo>) -> Vec<PathBuf> {
        // A service may name them. One that is not there is told of when its server is asked.
        let connections = connections.map(|given| complete(given, self).unwrap_or_else(|_| given.clone()));
        let named = connections
            .flat_map(|conninfo| ["passfile", "sslkey", "servicefile"].map(|key| conninfo.get(key).map(PathBuf::from)));
        let around = ["PGPASSFILE", "PGSSLKEY", "PGSERVICEFILE"].map(|name| self.variable(name).map(PathBuf::from));
        let own = [".pgpass", ".postgresql", ".pg_service.conf"].map(|name| self.at_home(name));
        let system = self.variable("PGSYSCONFDIR").map(|dir| Path::new(dir).join("pg_service.conf"));
        let all = named.chain(around).chain(own).chain([system, self.secrets_dir.clone()]);
        all.flatten().collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_service_names_is_private_and_so_is_its_file() {
        let dir = tempfile::tempdir().expect("a directory");
        let services = dir.path().join("services.conf");
        std::fs::write(&services, "[prod]\nhost=h\npassfile=/keys/pass\nsslkey=/keys/key\n").expect("written");
        let private = |given: &str, variables: &[(&str, &Path)]| {
            let variables = variables.iter().map(|(name, path)| ((*name).to_owned(), path.display().to_string()));
            let around = ClientEnvironment { variables: variables.collect(), ..ClientEnvironment::default() };
            around.private([Conninfo::parse(given).expect("a connection string")].iter())
        };
        let all = [Path::new("/keys/pass"), Path::new("/keys/key"), &services];
        let named = private(&format!("service=prod servicefile={}", services.display()), &[]);
        assert_eq!(named, all);
        let around = private("service=prod", &[("PGSERVICEFILE", &services)]);
        assert_eq!(around, all);
        // What is written is private, whether there is such a service or not.
        assert_eq!(private("service=none passfile=/keys/pass", &[("PGSYSCONFDIR", dir.path())])[0], all[0]);
    }
}
