//! A connection string completed as libpq completes it: what it says itself comes first, then its
//! service, then the environment, then defaults (manual, 34.1, 34.15 to 34.17).

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::around::ClientEnvironment;
use super::files::CertificateFiles;
use super::passfile::{Passfile, Whom};
use super::service;
use super::tls::Tls;
use crate::host::HostError;
use crate::pg::conninfo::{Conninfo, ConninfoError, KEYS, SslMode};

/// A way to a server, complete.
pub(super) struct Way {
    /// What is said of each key, from whichever place.
    pub conninfo: Conninfo,
    /// The role.
    pub user: String,
    /// The database.
    pub database: String,
    /// The hosts, in order; at least one.
    pub targets: Vec<Target>,
    /// How far connections are encrypted.
    pub ssl: SslMode,
    /// The files that this takes.
    pub files: CertificateFiles,
    /// How TLS is spoken, if it may be.
    pub tls: Tls,
    /// What may help whoever gets no session.
    pub hint: Option<String>,
}

/// A host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Target {
    /// Its name, or a directory of sockets.
    pub host: String,
    /// Its address, if its name is not to be looked up.
    pub address: Option<String>,
    /// Its port.
    pub port: u16,
    /// The role's password there.
    pub password: Option<String>,
    /// The same for replication.
    pub replication: Option<String>,
}

impl Target {
    /// Whether it is a directory of sockets.
    pub(super) fn is_socket(&self) -> bool {
        self.address.is_none() && self.host.starts_with('/')
    }
}

/// Where the sockets are by default: as Debian builds PostgreSQL, and as it builds itself.
const SOCKETS: [&str; 2] = ["/var/run/postgresql", "/tmp"];

impl Way {
    /// Completes what a scenario says.
    pub(super) fn find(given: &Conninfo, around: &Arc<ClientEnvironment>) -> Result<Self, HostError> {
        let conninfo = complete(given, around)?;
        conninfo.check().map_err(|e| wrong(&e))?;
        let user = conninfo.get("user").unwrap_or(&around.user).to_owned();
        let database = conninfo.get("dbname").unwrap_or(&user).to_owned();
        let passfile = conninfo.get("passfile").map(PathBuf::from).or_else(|| around.at_home(".pgpass"));
        let passfile = passfile.map(Passfile::read);
        let targets = targets(&conninfo, &database, &user, passfile.as_ref())?;
        let ssl = conninfo.ssl_mode().map_err(|e| wrong(&e))?;
        let files = CertificateFiles::find(&conninfo, around, ssl);
        let tls = match ssl == SslMode::Disable || targets.iter().all(Target::is_socket) {
            true => Tls::none(),
            false => Tls::new(&conninfo, ssl, &files)?,
        };
        let hint = hint(&targets, conninfo.get("password"), passfile.as_ref());
        Ok(Way { conninfo, user, database, targets, ssl, files, tls, hint })
    }

    /// What has to be kept out of every output.
    pub(super) fn secrets(&self) -> Vec<String> {
        let known = self.conninfo.secrets().map(str::to_owned);
        let each = self.targets.iter().flat_map(|target| [&target.password, &target.replication]).flatten().cloned();
        known.chain(each).collect()
    }
}

/// A connection string with what its service and the environment add.
pub(super) fn complete(given: &Conninfo, around: &ClientEnvironment) -> Result<Conninfo, HostError> {
    let mut conninfo = given.clone();
    service::fill(&mut conninfo, around)?;
    for key in KEYS {
        if let Some(value) = key.variable.and_then(|name| around.variable(name)) {
            conninfo.fill(key.name, value).map_err(|e| wrong(&e))?;
        }
    }
    Ok(conninfo)
}

/// What is wrong with a connection string when all is known.
fn wrong(error: &ConninfoError) -> HostError {
    let text = HostError::new(format!("with what its service and the environment add: {}", error.message));
    match &error.help {
        Some(help) => text.help(help),
        None => text,
    }
}

/// The hosts, each with its own password.
fn targets(
    conninfo: &Conninfo,
    database: &str,
    user: &str,
    passfile: Option<&Passfile>,
) -> Result<Vec<Target>, HostError> {
    let (hosts, addresses) = (conninfo.hosts(), conninfo.addresses());
    let ports = conninfo.ports().map_err(|e| wrong(&e))?;
    let count = hosts.len().max(addresses.len()).max(1);
    let differ = |what: &str, other: usize| HostError::new(format!("{count} hosts and {other} {what}"));
    if !hosts.is_empty() && !addresses.is_empty() && hosts.len() != addresses.len() {
        return Err(differ("addresses (`hostaddr`)", hosts.len().min(addresses.len())));
    }
    if ports.len() > 1 && ports.len() != count {
        return Err(differ("ports", ports.len()).help("one port for all, or one for each"));
    }
    let sockets = SOCKETS.into_iter().find(|dir| Path::new(dir).is_dir()).unwrap_or("localhost");
    let said = |all: &[&str], at: usize| all.get(at).map(|one| one.trim().to_owned()).filter(|one| !one.is_empty());
    let one = |at: usize| {
        let address = said(&addresses, at);
        let host = said(&hosts, at).or_else(|| address.clone()).unwrap_or_else(|| sockets.to_owned());
        let port = ports.get(at).or(ports.first()).copied().unwrap_or(5432);
        // The directory that is libpq's default is called `localhost` in a password file.
        let called = if SOCKETS.contains(&host.as_str()) { "localhost" } else { host.as_str() };
        let kept = |database| passfile?.find(&Whom { host: called, port, database, user }).map(str::to_owned);
        let given = conninfo.get("password").map(str::to_owned);
        let password = given.clone().or_else(|| kept(database));
        // A standby asks for the database `replication`.
        let replication = given.or_else(|| kept("replication")).or_else(|| password.clone());
        Target { host, address, port, password, replication }
    };
    Ok((0..count).map(one).collect())
}

/// What the password file has to do with a session that is refused.
fn hint(targets: &[Target], given: Option<&str>, passfile: Option<&Passfile>) -> Option<String> {
    let file = passfile.filter(|_| given.is_none())?;
    let known = targets.iter().any(|target| target.password.is_some());
    match (&file.unused, known) {
        (Some(why), _) => Some(why.clone()),
        (None, true) => Some(format!("the password is from {}", file.path.display())),
        (None, false) => Some(format!("no line of {} fits", file.path.display())).filter(|_| file.path.exists()),
    }
}
