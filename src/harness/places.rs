//! What is where in a drill, under the names by which people's commands know it: the placeholders
//! of a runbook that is written, and the variables of one that is run.

use std::sync::Arc;

use super::{Finding, RepoId, World};
use crate::host::{Host, HostError};
use crate::journal::Placeholder;
use crate::node::Node;
use crate::pg::{Mark, RecoveryTarget};

/// The variable with the password of the servers' superuser: its value is told to nobody.
const PASSWORD: &str = "PGPASSWORD";

/// A name of a scenario as the beginning of a variable's: `delayed-1` as `DELAYED_1`.
pub fn as_variable(name: &str) -> String {
    name.chars().map(|c| if c.is_ascii_alphanumeric() { c.to_ascii_uppercase() } else { '_' }).collect()
}

/// The variable for a part of a node: `rescue` and `DATA` make `RESCUE_DATA`.
pub fn variable_of(node: &str, part: &str) -> String {
    format!("{}_{part}", as_variable(node))
}

fn place(name: String, value: impl Into<String>, about: String) -> Placeholder {
    Placeholder { name, value: value.into(), about }
}

/// The variables for commands that are run on the host of `node`, in the order of precedence:
///
/// - `NODE_DATA`, `NODE_LOG`, `NODE_SOCKETS` and `NODE_PORT` of that node itself,
/// - `NODE_HOST` and `NODE_PORT` of each other one, as it is reached from there,
/// - `REPO_REPO`, the directory of each repo, and `SHARED`, the one that all hosts see,
/// - `MARK_XID`, `MARK_LSN` and `MARK_TIME` of each mark, just before it, and `MARK_END_LSN` and
///   `MARK_END_TIME`, just after it.
pub(super) fn places(world: &World, host: &dyn Host, others: &[Arc<dyn Host>]) -> Vec<Placeholder> {
    let (name, paths) = (host.name(), host.paths());
    let own = |part: &str| variable_of(name, part);
    let mut all = vec![
        place(own("DATA"), &paths.data, format!("the data directory of `{name}`")),
        place(own("LOG"), &paths.log, format!("the log file of `{name}`")),
        place(own("SOCKETS"), &paths.sockets, format!("the directory of the socket of `{name}`")),
        place(own("PORT"), Node::PORT, format!("the port of `{name}`")),
    ];
    for other in others.iter().filter(|other| other.name() != name) {
        let (address, port) = other.peer_endpoint(name).host_port();
        let other = other.name();
        all.push(place(
            variable_of(other, "HOST"),
            address,
            format!("the host of `{other}`, or the directory of its socket"),
        ));
        all.push(place(variable_of(other, "PORT"), port.to_string(), format!("the port of `{other}`")));
    }
    for (repo, one) in &world.repos {
        let about = format!("the repo `{repo}`: where backups and WAL are");
        all.push(place(variable_of(repo, "REPO"), &one.place().path, about));
    }
    all.push(place(
        "SHARED".to_owned(),
        &paths.shared,
        "a directory that all hosts see, for files on their way".to_owned(),
    ));
    all.extend(of_marks(world));
    all
}

/// What a person knows who wrote down when something happened.
fn of_marks(world: &World) -> Vec<Placeholder> {
    let mut marks: Vec<Mark> = world.outputs().marks.values().cloned().collect();
    // Where two have the same position, the mistake is the one that is meant.
    marks.sort_by_key(|mark| (!mark.incident, std::cmp::Reverse(mark.before.lsn)));
    let mut all = vec![];
    for mark in marks {
        let id = &mark.id;
        let mut add = |part: &str, value: String, what: &str| {
            all.push(place(variable_of(id, part), value, format!("{what} `{id}`")));
        };
        if let Some(xid) = mark.xid {
            add("XID", xid.to_string(), "the transaction of");
        }
        add("LSN", mark.before.lsn.to_string(), "the WAL position just before");
        add("TIME", time(mark.before.at), "the server's time just before");
        add("END_LSN", mark.after.lsn.to_string(), "the WAL position just after");
        add("END_TIME", time(mark.after.at), "the server's time just after");
    }
    all
}

fn time(at: jiff::Timestamp) -> String {
    let settings = RecoveryTarget::Time { at, inclusive: true }.settings();
    settings.into_iter().next().map(|(_, value)| value).unwrap_or_default()
}

/// The hosts of all servers that are there.
pub fn hosts(world: &World) -> Vec<Arc<dyn Host>> {
    world.outputs().nodes.values().filter_map(|node| node.host().ok().cloned()).collect()
}

/// The same as variables of a command on the host of `node`, together with those that libpq's
/// programs read for a session on its server.
///
/// # Errors
/// If the node is an external server, which has no host.
pub fn variables(world: &World, node: &Node, others: &[Arc<dyn Host>]) -> Result<Vec<(String, String)>, HostError> {
    let host = node.host()?;
    let own = places(world, host.as_ref(), others).into_iter().map(|place| (place.name, place.value));
    Ok(own.chain(node.session_env()?).collect())
}

/// The variables of a command that makes a server in the place of `node`, from its backup and its
/// archive, under names that are the same in every drill:
///
/// - `DRILLYARD_BACKUP`: the newest base backup, as its repo calls it; of a directory its path,
/// - `DRILLYARD_ARCHIVE`: the directory of the repo that `node` archives into,
/// - `DRILLYARD_RESTORE_COMMAND`: a `restore_command` that reads it,
/// - `DRILLYARD_SCRATCH`: where the new server's data directory may be made, and
///   `DRILLYARD_SCRATCH_PORT`: a port that is free beside the sockets of the original.
///
/// What a drill does not have is left out.
///
/// # Errors
/// If the repo does not answer.
pub async fn handout(
    world: &World,
    node: &str,
    scratch: Option<(&Arc<dyn Host>, u16)>,
) -> Result<Vec<(String, String)>, Box<Finding>> {
    let mut all: Vec<(&str, String)> = vec![];
    if let Some(repo) = repo_of(world, node) {
        let reader = world.reader().await?;
        let reader = scratch.map_or(&reader, |(host, _)| host).clone();
        all.extend(places_of(world, &repo, &reader).await?);
    }
    if let Some((host, port)) = scratch {
        all.push(("DRILLYARD_SCRATCH", host.paths().data.clone()));
        all.push(("DRILLYARD_SCRATCH_PORT", port.to_string()));
    }
    Ok(all.into_iter().map(|(name, value)| (name.to_owned(), value)).collect())
}

/// The repo that a node archives into, or else the first one.
fn repo_of(world: &World, node: &str) -> Option<RepoId> {
    world.spec(node).archive_to.or_else(|| world.repos.keys().next().cloned())
}

/// The same of each other repo than the one that `node` archives into; what each is called, with
/// its repo.
///
/// # Errors
/// If a repo does not answer.
pub async fn other_repos(
    world: &World,
    node: &str,
    host: &Arc<dyn Host>,
) -> Result<Vec<(RepoId, &'static str, String)>, Box<Finding>> {
    let first = repo_of(world, node);
    let mut all = vec![];
    for repo in world.repos.keys().filter(|repo| first.as_ref() != Some(repo)) {
        let places = places_of(world, repo, host).await?.into_iter();
        all.extend(places.map(|(name, value)| (repo.clone(), name, value)));
    }
    Ok(all)
}

/// Where a repo's newest backup and its WAL are, as `host` sees them, by the names of the
/// variables.
///
/// # Errors
/// If the repo is gone, or does not answer.
async fn places_of(
    world: &World,
    repo: &RepoId,
    host: &Arc<dyn Host>,
) -> Result<Vec<(&'static str, String)>, Box<Finding>> {
    let repo = world.repo(repo)?;
    let mut all = vec![];
    let newest = repo.backups(host.as_ref()).await?.into_iter().rfind(|one| one.wrong.is_none());
    if let Some(newest) = newest {
        let found = repo.backup_path(&newest.label).unwrap_or_else(|| newest.label.to_string());
        all.push(("DRILLYARD_BACKUP", found));
    }
    all.push(("DRILLYARD_ARCHIVE", repo.archive_directory()));
    all.push(("DRILLYARD_RESTORE_COMMAND", repo.restore_command_on(host.as_ref()).await?));
    Ok(all)
}

/// What stands for something else in a text.
struct Pattern {
    before: String,
    value: String,
    after: &'static str,
    name: String,
}

/// Puts placeholders into a command for `sh`: each value that stands where it can be known by its
/// name. Returns those that are in it then.
pub(super) fn put_in(text: &str, places: &[Placeholder], password: &str) -> (String, Vec<Placeholder>) {
    let mut patterns = vec![];
    let mut add = |before: &str, value: &str, after: &'static str, name: &str| {
        if !value.is_empty() {
            patterns.push(Pattern { before: before.to_owned(), value: value.to_owned(), after, name: name.to_owned() });
        }
    };
    add("", password, "", PASSWORD);
    for Placeholder { name, value, .. } in places {
        let is_number = value.bytes().all(|byte| byte.is_ascii_digit());
        if let Some(node) = name.strip_suffix("_PORT") {
            // Of the node itself it is a setting, of another one a part of where it is.
            add("\nport = '", value, "'", name);
            if let Some(host) = places.iter().find(|place| place.name == format!("{node}_HOST")) {
                add(&format!("host='${}' port=", host.name), value, " ", name);
                // Within a setting.
                add(&format!("host=''${}'' port=", host.name), value, " ", name);
            }
        } else if is_number {
            add("recovery_target_xid = '", value, "'", name);
        } else {
            add("", value, "", name);
        }
    }
    add("user=", crate::node::SUPERUSER, " ", "PGUSER");
    add("dbname=", crate::node::DATABASE, " ", "PGDATABASE");
    // What is a part of another one comes after it; ports go by the host before them.
    patterns.sort_by_key(|pattern| (!pattern.before.is_empty(), std::cmp::Reverse(pattern.value.len())));
    let mut text = text.to_owned();
    let mut used: Vec<String> = vec![];
    for Pattern { before, value, after, name } in &patterns {
        let found = replace(&text, (before, value, after), name);
        if found != text {
            used.push(name.clone());
            text = found;
        }
    }
    let mut found: Vec<Placeholder> = places.iter().filter(|place| used.contains(&place.name)).cloned().collect();
    let libpq = [
        (PASSWORD, String::new(), "the password of the servers' superuser"),
        ("PGUSER", crate::node::SUPERUSER.to_owned(), "the user of replication connections"),
        ("PGDATABASE", crate::node::DATABASE.to_owned(), "the database of connections"),
    ];
    let libpq = libpq.into_iter().filter(|(name, ..)| used.iter().any(|used| used == name));
    found.extend(libpq.map(|(name, value, about)| place(name.to_owned(), value, about.to_owned())));
    (text, found)
}

/// Replaces a value, wherever it stands between these two, by a variable.
fn replace(text: &str, (before, value, after): (&str, &str, &str), name: &str) -> String {
    let sought = format!("{before}{value}{after}");
    let mut replaced = String::new();
    let mut rest = text;
    while let Some(at) = rest.find(&sought) {
        let (head, tail) = (&rest[..at], &rest[at + before.len() + value.len()..]);
        replaced.push_str(head);
        replaced.push_str(before);
        let goes_on = tail.starts_with(|c: char| c.is_ascii_alphanumeric() || c == '_');
        replaced.push_str(&if goes_on { format!("${{{name}}}") } else { format!("${name}") });
        rest = tail;
    }
    replaced.push_str(rest);
    replaced
}

#[cfg(test)]
mod tests {
    use super::*;

    fn known(pairs: &[(&str, &str)]) -> Vec<Placeholder> {
        pairs.iter().map(|(name, value)| place((*name).to_owned(), *value, String::new())).collect()
    }

    #[test]
    fn values_become_variables() {
        let places = known(&[
            ("RESCUE_DATA", "/lab/rescue/data"),
            ("RESCUE_PORT", "5432"),
            ("MASTER_HOST", "/lab/master/run"),
            ("MASTER_PORT", "5432"),
            ("ACCIDENT_XID", "739"),
        ]);
        let text = "cp \"/lab/rescue/data\" \"/lab/rescue/data_old\" 5432 739\nport = '5432'\n\
                    primary_conninfo = 'host=''x'''\nhost='/lab/master/run' port=5432 user=postgres password='geheim'\n\
                    recovery_target_xid = '739'\n";
        let (text, used) = put_in(text, &places, "geheim");
        assert_eq!(
            text,
            "cp \"$RESCUE_DATA\" \"${RESCUE_DATA}_old\" 5432 739\nport = '$RESCUE_PORT'\n\
             primary_conninfo = 'host=''x'''\nhost='$MASTER_HOST' port=$MASTER_PORT user=$PGUSER password='$PGPASSWORD'\n\
             recovery_target_xid = '$ACCIDENT_XID'\n"
        );
        let names: Vec<&str> = used.iter().map(|place| place.name.as_str()).collect();
        let all = ["RESCUE_DATA", "RESCUE_PORT", "MASTER_HOST", "MASTER_PORT", "ACCIDENT_XID", "PGPASSWORD", "PGUSER"];
        assert_eq!(names, all);
        assert!(used.iter().all(|place| place.value != "geheim"));
    }
}
