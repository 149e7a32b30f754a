//! What a data directory brings along: the settings that its WAL demands, and its
//! postgresql.auto.conf, which wins over postgresql.conf and was written for another server, or for
//! another life of this one.

use std::collections::BTreeSet;

use crate::host::{Host, HostError, Program};

use super::config::{Config, RESERVED, Setup, Signal, harmless};
use super::server::Node;

/// Whose postgresql.auto.conf lies in a data directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Origin {
    /// The server's own.
    Own,
    /// Another server's, whose data were copied: the scenario's `settings` for this one win over
    /// it.
    Copied,
}

/// What became of the lines of a postgresql.auto.conf.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct AutoConf {
    /// The settings that stay as they were.
    pub kept: Vec<String>,
    /// The settings that were taken out, each with the reason.
    pub left_out: Vec<(String, String)>,
}

/// Prints the control file, a line to know it by, and postgresql.auto.conf.
const LOOK: &str = include_str!("scripts/auto_conf.sh");
/// The line between the two.
const DIVIDER: &str = "-- postgresql.auto.conf";

/// Prints which files and libraries are not there.
const MISSING: &str = include_str!("scripts/missing_files.sh");

/// What is reported about a setting that drillyard needs for itself.
const OURS: &str = "drillyard sets it itself";

/// Settings besides [`RESERVED`] by which a copy would harm something, or could not be driven.
const HARMFUL: &[(&str, &str)] = &[
    ("archive_mode", OURS),
    ("archive_command", OURS),
    ("archive_library", OURS),
    ("archive_cleanup_command", "it would remove files of the archive that the drill tests"),
    ("recovery_end_command", "it would be run on a server that it was not written for"),
    ("promote_trigger_file", "the file is another server's"),
    ("recovery_target_timeline", OURS),
    ("hot_standby", "a server in recovery has to answer"),
    ("log_timezone", OURS),
    ("unix_socket_group", OURS),
    ("synchronous_standby_names", "commits would wait for the standbys of another server"),
];

/// The settings that a standby needs at least as its primary has them (manual, 27.4.3
/// "Administrator's Overview"), and how pg_controldata calls them.
const DEMANDED: &[(&str, &str)] = &[
    ("max_connections", "max_connections"),
    ("max_worker_processes", "max_worker_processes"),
    ("max_wal_senders", "max_wal_senders"),
    ("max_prepared_transactions", "max_prepared_xacts"),
    ("max_locks_per_transaction", "max_locks_per_xact"),
];

/// Whether a standby needs a setting at least as its primary has it.
pub fn is_demanded(setting: &str) -> bool {
    DEMANDED.iter().any(|(name, _)| name.eq_ignore_ascii_case(setting))
}

/// What the control file of a cluster that initdb has just made demands: the defaults (manual,
/// 20.3.1, 20.4.6, 20.6.1, 20.12).
const OF_A_NEW_CLUSTER: &[(&str, u64)] = &[
    ("max_connections", 100),
    ("max_worker_processes", 8),
    ("max_wal_senders", 10),
    ("max_prepared_transactions", 0),
    ("max_locks_per_transaction", 64),
];

/// Whether a standby that begins as a new cluster would not start with this setting, since it is
/// lower than what that one demands.
pub fn is_below_a_new_cluster(setting: &str, value: &str) -> bool {
    let of_new = OF_A_NEW_CLUSTER.iter().find(|(name, _)| name.eq_ignore_ascii_case(setting));
    of_new.zip(value.trim().parse().ok()).is_some_and(|((_, demanded), value): (_, u64)| value < *demanded)
}

impl Node {
    /// What this server, which does not run, is set up with; and what becomes of its
    /// postgresql.auto.conf.
    pub async fn set_up(
        &self,
        config: &Config,
        signal: Option<Signal>,
        origin: Origin,
    ) -> Result<(Setup, AutoConf), HostError> {
        let host = self.host()?;
        let data = &host.paths().data;
        let look = Program::script(LOOK, [data, DIVIDER]).env("LC_ALL", "C");
        let text = host.run(look).await?.text();
        let (control, auto) = text.split_once(&format!("{DIVIDER}\n")).unwrap_or((&text, ""));
        let demands = demands(control);
        let missing = missing_files(host.as_ref(), data, needs(auto)).await?;
        let rules = Rules {
            scenario: config
                .settings
                .iter()
                .map(|(name, _)| name.as_str())
                .filter(|name| origin == Origin::Copied || config.given.iter().any(|given| given == name))
                .collect(),
            recovers: config.following.is_none() || origin == Origin::Copied,
            demands: &demands,
            missing: &missing,
        };
        let (auto, done) = rules.apply(auto);
        let config = Config { demands, ..config.clone() };
        let mut setup = config.setup(host.as_ref(), signal);
        if origin == Origin::Copied {
            // Whatever the other server's postgresql.conf says of files elsewhere. An empty name of
            // the last one is a file that cannot be written, and an error in the log.
            let run = &host.paths().sockets;
            setup
                .lines
                .push_str(&format!("hba_file = '{data}/pg_hba.conf'\nexternal_pid_file = '{run}/postmaster.pid'\n"));
        }
        if self.of_others {
            setup.lines.push_str(&harmless(self.version()));
        }
        setup.auto = (!done.left_out.is_empty()).then_some(auto);
        Ok((setup, done))
    }
}

/// Those of files and libraries that are not on a host: `needs` are pairs of kind and name, of a
/// server whose data are in `dir`.
pub(super) async fn missing_files(
    host: &dyn Host,
    dir: &str,
    needs: impl IntoIterator<Item = (&str, String)>,
) -> Result<BTreeSet<String>, HostError> {
    let pairs: Vec<String> = needs.into_iter().flat_map(|(kind, name)| [kind.to_owned(), name]).collect();
    if pairs.is_empty() {
        return Ok(BTreeSet::new());
    }
    let args = std::iter::once(dir.to_owned()).chain(pairs);
    Ok(host.run(Program::script(MISSING, args)).await?.text().lines().map(str::to_owned).collect())
}

/// The settings that the WAL demands, by what pg_controldata prints.
pub(super) fn demands(control: &str) -> Vec<(String, String)> {
    let value = |label: &str| {
        let label = format!("{label} setting:");
        control.lines().find_map(|line| Some(line.strip_prefix(&label)?.trim().to_owned()))
    };
    let numbers = DEMANDED.iter().filter_map(|(name, label)| Some(((*name).to_owned(), value(label)?)));
    // A server that decoded its WAL goes on doing so.
    let level = value("wal_level").filter(|level| level == "logical").map(|level| ("wal_level".to_owned(), level));
    numbers.chain(level).collect()
}

/// A setting of a line as ALTER SYSTEM writes it, or as people do.
pub(super) fn setting(line: &str) -> Option<(String, String)> {
    let line = line.trim();
    let end = line.find(|c: char| !c.is_ascii_alphanumeric() && !matches!(c, '_' | '.' | '$'))?;
    let (name, rest) = line.split_at(end);
    let rest = rest.trim_start();
    let value = rest.strip_prefix('=').unwrap_or(rest).trim();
    let value = match value.strip_prefix('\'') {
        Some(quoted) => quoted.rsplit_once('\'').map_or(quoted, |(value, _)| value).replace("''", "'"),
        None => value.split('#').next().unwrap_or_default().trim().to_owned(),
    };
    (!name.is_empty()).then(|| (name.to_ascii_lowercase(), value))
}

/// Whether a boolean is on, as PostgreSQL reads it.
fn is_on(value: &str) -> bool {
    matches!(value.to_ascii_lowercase().as_str(), "on" | "true" | "yes" | "1" | "t" | "y" | "tr" | "tru" | "ye")
}

/// The names of a list of libraries.
pub(super) fn libraries(value: &str) -> impl Iterator<Item = String> {
    value.split(',').map(|name| name.trim().trim_matches('"').to_owned()).filter(|name| !name.is_empty())
}

/// Whether a setting is a list of libraries that are loaded when a server or a session starts.
fn loads(name: &str) -> bool {
    matches!(name, "shared_preload_libraries" | "session_preload_libraries" | "local_preload_libraries")
}

/// What has to be there for the settings of a postgresql.auto.conf: its kind, and its name.
fn needs(auto: &str) -> Vec<(&'static str, String)> {
    let all: Vec<(String, String)> = auto.lines().filter_map(setting).collect();
    let value = |wanted: &str| all.iter().rev().find(|(name, _)| name == wanted).map(|(_, value)| value.clone());
    let mut needs: Vec<_> = all
        .iter()
        .filter(|(name, _)| loads(name))
        .flat_map(|(_, value)| libraries(value).map(|name| ("library", name)))
        .collect();
    if value("ssl").is_some_and(|value| is_on(&value)) {
        needs.push(("file", value("ssl_cert_file").unwrap_or_else(|| "server.crt".to_owned())));
        needs.push(("file", value("ssl_key_file").unwrap_or_else(|| "server.key".to_owned())));
        let others = ["ssl_ca_file", "ssl_crl_file", "ssl_dh_params_file"].into_iter().filter_map(value);
        needs.extend(others.filter(|file| !file.is_empty()).map(|file| ("file", file)));
    }
    needs
}

/// By what the lines of a postgresql.auto.conf are taken out.
struct Rules<'a> {
    scenario: Vec<&'a str>,
    /// Whether a delay would only hold up what is to be done now.
    recovers: bool,
    demands: &'a [(String, String)],
    missing: &'a BTreeSet<String>,
}

impl Rules<'_> {
    /// The text with what cannot stay as comments.
    fn apply(&self, auto: &str) -> (String, AutoConf) {
        let (mut text, mut done) = (String::new(), AutoConf::default());
        // Only the last line of a name counts, and its missing files are all those of a setting.
        let ssl = needs(auto).into_iter().find(|(kind, name)| *kind == "file" && self.missing.contains(name));
        for line in auto.lines() {
            let found = setting(line);
            let why = found.as_ref().and_then(|(name, value)| match name.as_str() {
                "ssl" => ssl.as_ref().map(|(_, file)| format!("{file} is not there")),
                _ => self.why_not(name, value),
            });
            match (found, why) {
                (Some((name, _)), Some(why)) => {
                    text.push_str(&format!("# left out by drillyard: {line}\n"));
                    done.left_out.push((name, why));
                }
                (found, _) => {
                    text.push_str(line);
                    text.push('\n');
                    done.kept.extend(found.map(|(name, _)| name));
                }
            }
        }
        (text, done)
    }

    /// Why a line cannot stay.
    fn why_not(&self, name: &str, value: &str) -> Option<String> {
        if RESERVED.contains(&name) {
            return Some(OURS.to_owned());
        }
        if let Some((_, why)) = HARMFUL.iter().find(|(harmful, _)| *harmful == name) {
            return Some((*why).to_owned());
        }
        if self.scenario.iter().any(|set| set.eq_ignore_ascii_case(name)) {
            return Some("the scenario's `settings` say otherwise".to_owned());
        }
        if let Some((_, least)) = self.demands.iter().find(|(demanded, _)| demanded == name) {
            let low = value.parse::<u64>().ok().zip(least.parse::<u64>().ok()).is_some_and(|(is, least)| is < least);
            return low.then(|| format!("{value} is less than the {least} of the server that wrote its WAL"));
        }
        if loads(name) {
            let lacks = libraries(value).find(|library| self.missing.contains(library));
            return lacks.map(|library| format!("there is no library {library} here"));
        }
        match name {
            "recovery_min_apply_delay" if self.recovers => Some("it would hold up the recovery".to_owned()),
            "log_min_messages" if matches!(value.to_ascii_lowercase().as_str(), "fatal" | "panic") => {
                Some("drillyard reads the log".to_owned())
            }
            _ => None,
        }
    }
}

impl AutoConf {
    /// In words: `kept: work_mem; left out: archive_mode (drillyard sets it itself)`. None if there
    /// was nothing in it.
    pub fn in_words(&self) -> Option<String> {
        let kept = (!self.kept.is_empty()).then(|| format!("kept: {}", self.kept.join(", ")));
        let left_out: Vec<String> = self.left_out.iter().map(|(name, why)| format!("{name} ({why})")).collect();
        let left_out = (!left_out.is_empty()).then(|| format!("left out: {}", left_out.join(", ")));
        let parts: Vec<String> = kept.into_iter().chain(left_out).collect();
        (!parts.is_empty()).then(|| parts.join("; "))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_would_do_harm_are_taken_out_and_the_others_stay() {
        let auto = "# Do not edit this file manually!
max_connections = '300'
max_wal_senders = '2'
archive_command = 'cp %p /it''s/%f'
synchronous_standby_names = '*'
work_mem = '7MB'
maintenance_work_mem = '99MB'
ssl = 'on'
shared_preload_libraries = 'pg_stat_statements, nowhere'
primary_conninfo = 'host=old password=geheim'
log_min_messages = 'panic'
recovery_min_apply_delay = '1h'
";
        let demands = [("max_connections", "100"), ("max_wal_senders", "10")];
        let demands = demands.map(|(name, value)| (name.to_owned(), value.to_owned()));
        let missing = ["nowhere", "server.key"].map(str::to_owned).into();
        let rules = Rules { scenario: vec!["Work_Mem"], recovers: true, demands: &demands, missing: &missing };
        let (text, done) = rules.apply(auto);
        assert_eq!(done.kept, ["max_connections", "maintenance_work_mem"]);
        let left_out: Vec<&str> = done.left_out.iter().map(|(name, _)| name.as_str()).collect();
        assert_eq!(
            left_out,
            [
                "max_wal_senders",
                "archive_command",
                "synchronous_standby_names",
                "work_mem",
                "ssl",
                "shared_preload_libraries",
                "primary_conninfo",
                "log_min_messages",
                "recovery_min_apply_delay"
            ]
        );
        assert!(
            text.starts_with(
                "# Do not edit this file manually!\nmax_connections = '300'\n# left out by drillyard: max_wal"
            ),
            "{text}"
        );
        assert_eq!(text.lines().count(), auto.lines().count());
        let words = done.in_words().expect("something was there");
        assert!(words.contains("max_wal_senders (2 is less than the 10 of the server that wrote its WAL)"), "{words}");
        assert!(!words.contains("geheim"), "{words}");
        assert_eq!(AutoConf::default().in_words(), None);
    }

    #[test]
    fn what_has_to_be_there_is_known() {
        let auto = "ssl = on\nssl_cert_file = '/etc/ssl/a.crt'\nlocal_preload_libraries = 'x, \"y z\"'\n";
        let needs: Vec<String> = needs(auto).into_iter().map(|(kind, name)| format!("{kind} {name}")).collect();
        assert_eq!(needs, ["library x", "library y z", "file /etc/ssl/a.crt", "file server.key"]);
        assert!(super::needs("ssl = off\n").is_empty());
    }

    #[test]
    fn demands_are_read_from_the_control_file() {
        let control = "wal_level setting:                    logical
max_connections setting:              300
max_prepared_xacts setting:           5
";
        let demands: Vec<String> =
            demands(control).into_iter().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(demands, ["max_connections=300", "max_prepared_transactions=5", "wal_level=logical"]);
        assert!(super::demands("").is_empty());
    }

    #[test]
    fn settings_are_read_however_they_are_written() {
        let read = |line: &str| setting(line).map(|(name, value)| format!("{name}|{value}"));
        assert_eq!(read("  Work_Mem = 5MB # more").as_deref(), Some("work_mem|5MB"));
        assert_eq!(read("a.b 'it''s'").as_deref(), Some("a.b|it's"));
        assert_eq!(read("# work_mem = 1"), None);
        assert_eq!(read(""), None);
    }
}
