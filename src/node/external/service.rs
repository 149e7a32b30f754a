//! Connection service files (manual, 34.17).

use std::path::{Path, PathBuf};

use super::around::ClientEnvironment;
use crate::host::HostError;
use crate::pg::conninfo::Conninfo;

/// Where libpq's builds look for the file of the whole system: Debian's, Red Hat's, one's own.
const SYSTEM: [&str; 3] = ["/etc/postgresql-common", "/etc/sysconfig/pgsql", "/usr/local/pgsql/etc"];
const FILE: &str = "pg_service.conf";

/// Fills what `conninfo` leaves out with what the service that it names says.
pub(super) fn fill(conninfo: &mut Conninfo, around: &ClientEnvironment) -> Result<(), HostError> {
    let Some(service) = conninfo.get("service").or_else(|| around.variable("PGSERVICE")).map(str::to_owned) else {
        return Ok(());
    };
    let own = conninfo.get("servicefile").or_else(|| around.variable("PGSERVICEFILE")).map(PathBuf::from);
    let own = own.or_else(|| around.at_home(".pg_service.conf"));
    let system: Vec<PathBuf> = match around.variable("PGSYSCONFDIR") {
        Some(dir) => vec![Path::new(dir).join(FILE)],
        None => SYSTEM.iter().map(|dir| Path::new(dir).join(FILE)).collect(),
    };
    let mut looked_at: Vec<String> = vec![];
    for path in own.into_iter().chain(system) {
        let text = match std::fs::read_to_string(&path) {
            Ok(text) => text,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                looked_at.push(format!("{} (not there)", path.display()));
                continue;
            }
            Err(error) => {
                return Err(HostError::new(format!("the service file {} cannot be read: {error}", path.display())));
            }
        };
        if take(&text, &service, conninfo).map_err(|wrong| at(&path, &wrong))? {
            return Ok(());
        }
        looked_at.push(path.display().to_string());
    }
    Err(HostError::new(format!("there is no service `{service}`"))
        .help(format!("write a section [{service}] into ~/.pg_service.conf; looked at: {}", looked_at.join(", "))))
}

fn at(path: &Path, wrong: &Wrong) -> HostError {
    HostError::new(format!("{}:{}: {}", path.display(), wrong.line, wrong.message))
}

/// What is wrong with a service file, and in which line.
#[derive(Debug, PartialEq)]
struct Wrong {
    line: usize,
    message: String,
}

/// Takes what the section of a service says; whether there is one.
fn take(text: &str, service: &str, into: &mut Conninfo) -> Result<bool, Wrong> {
    let mut found = false;
    for (index, line) in text.lines().enumerate() {
        let wrong = |message: String| Wrong { line: index + 1, message };
        let line = line.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        if let Some(section) = line.strip_prefix('[') {
            if found {
                break;
            }
            found = section.strip_prefix(service).is_some_and(|rest| rest.starts_with(']'));
            continue;
        }
        if !found {
            continue;
        }
        if line.starts_with("ldap") {
            return Err(wrong("drillyard does not ask an LDAP server for a service".to_owned()));
        }
        let (name, value) = line.split_once('=').ok_or_else(|| wrong("this is no `key=value`".to_owned()))?;
        if matches!(name, "service" | "servicefile") {
            return Err(wrong("a service cannot name another one".to_owned()));
        }
        into.fill(name, value).map_err(|error| wrong(error.message))?;
    }
    Ok(found)
}

#[cfg(test)]
mod tests {
    use super::*;

    const FILE: &str = "# ours\n[a]\nhost=a\n\n[prod]\nhost=h\nport=6\n# no\nuser=u\nhost=later\n[b]\nhost=b\n";

    fn of(service: &str, given: &str, text: &str) -> Result<(bool, Vec<Option<String>>), Wrong> {
        let mut conninfo = Conninfo::parse(given).unwrap_or_default();
        let found = take(text, service, &mut conninfo)?;
        Ok((found, ["host", "port", "user"].map(|name| conninfo.get(name).map(str::to_owned)).to_vec()))
    }

    #[test]
    fn what_the_string_says_wins_and_then_the_first_line() {
        let some = |text: &str| Some(text.to_owned());
        assert_eq!(of("prod", "port=7", FILE), Ok((true, vec![some("h"), some("7"), some("u")])));
        assert_eq!(of("pro", "", FILE), Ok((false, vec![None, None, None])));
        let wrong = |line, message: &str| Err(Wrong { line, message: message.to_owned() });
        assert_eq!(of("x", "", "[x]\nservice=y"), wrong(2, "a service cannot name another one"));
        assert_eq!(of("x", "", "[x]\nhots=y"), wrong(2, "libpq knows no `hots`: did you mean `host`?"));
        assert_eq!(of("x", "", "[x]\nhost"), wrong(2, "this is no `key=value`"));
        assert_eq!(of("y", "", "[x]\nhots=y\n[y]\nhost=h").map(|(found, _)| found), Ok(true));
    }
}
