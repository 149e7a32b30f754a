//! What is written to postgresql.conf and pg_hba.conf.

use crate::host::{Endpoint, Host};
use crate::pg::{RecoveryTarget, TargetTimeline, Version, quote_literal};

use super::cluster::{DATABASE, SUPERUSER};

/// The configuration of a server that drillyard makes, in the order in which it is written: later
/// lines win.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// Where the node archives to; without, `archive_mode` is off.
    pub archiving: Option<Archiving>,
    /// `restore_command` if it reads from an archive.
    pub restore_command: Option<String>,
    /// The server that it streams from.
    pub following: Option<Following>,
    /// Where recovery stops, and what happens there (`recovery_target_action`).
    pub recovery: Option<(RecoveryTarget, &'static str)>,
    /// What the WAL that it replays demands: `max_connections` and the like at least as its primary
    /// has them.
    pub demands: Vec<(String, String)>,
    /// Which timeline that recovery follows.
    pub timeline: TargetTimeline,
    /// Whether the log has to show how a recovery goes, whatever was set:
    /// [`Node::own_log_settings`](super::Node::own_log_settings) gives the server its own settings
    /// back.
    pub recovery_log: bool,
    /// The scenario's `settings`.
    pub settings: Vec<(String, String)>,
    /// The names of those settings that win over a postgresql.auto.conf of the server's own, too:
    /// the step that starts it gives them.
    pub given: Vec<String>,
    /// Whether it applies what it streams at once, whatever delay its settings ask for.
    pub at_once: bool,
}

/// How a server archives its WAL.
#[derive(Debug, Clone)]
pub struct Archiving {
    /// `archive_command`.
    pub command: String,
    /// What comes before an archive_command of the scenario's own: it tells where the repo is.
    pub environment: String,
    /// The directory that it writes to.
    pub directory: String,
}

/// The upstream of a standby.
#[derive(Debug, Clone)]
pub struct Following {
    /// `primary_conninfo`.
    pub conninfo: String,
    /// `primary_slot_name`.
    pub slot: Option<String>,
}

/// The file that makes a server start in recovery.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Signal {
    /// `standby.signal`: it goes on with streaming where the archive ends.
    Standby,
    /// `recovery.signal`: recovery ends at its target, or where the archive ends.
    Recovery,
}

impl Signal {
    /// The file's name.
    pub fn file(self) -> &'static str {
        match self {
            Signal::Standby => "standby.signal",
            Signal::Recovery => "recovery.signal",
        }
    }
}

/// How a server is set up before it starts.
#[derive(Debug, Clone, Default)]
pub struct Setup {
    /// Appended to postgresql.conf; pg_hba.conf is the host's.
    pub lines: String,
    /// The file that it starts recovery by, if it is to recover.
    pub signal: Option<Signal>,
    /// A directory on the host that has to be there.
    pub directory: Option<String>,
    /// Its postgresql.auto.conf, if it cannot stay as it is.
    pub auto: Option<String>,
}

impl Config {
    /// What a server on `host` is set up with.
    pub fn setup(&self, host: &dyn Host, signal: Option<Signal>) -> Setup {
        let directory = self.archiving.as_ref().map(|archiving| archiving.directory.clone());
        Setup { lines: self.lines(host), signal, directory, auto: None }
    }

    /// The lines to be appended to a postgresql.conf.
    ///
    /// Those for recovery are always all written, if only as empty: a backup brings its origin's
    /// configuration along.
    pub fn lines(&self, host: &dyn Host) -> String {
        let mut lines = vec!["# written by drillyard".to_owned()];
        let mut set = |name: &str, value: &str| lines.push(format!("{name} = {}", quote_setting(value)));
        for (name, value) in DEFAULTS {
            set(name, value);
        }
        match &self.archiving {
            Some(archiving) => {
                set("archive_mode", "on");
                set("archive_command", &archiving.command);
            }
            None => set("archive_mode", "off"),
        }
        // A backup brings its origin's along: commits on a copy would wait for standbys that are
        // not its own.
        set("synchronous_standby_names", "");
        for (name, value) in self.demands.iter().chain(&self.settings) {
            match &self.archiving {
                Some(archiving) if name.eq_ignore_ascii_case("archive_command") && !value.is_empty() => {
                    set(name, &format!("{}{value}", archiving.environment));
                }
                _ => set(name, value),
            }
        }
        // After the scenario's: without these the server cannot live on its host, or would harm
        // something.
        for (name, value) in host.settings() {
            set(&name, &value);
        }
        set("restore_command", self.restore_command.as_deref().unwrap_or_default());
        set("primary_conninfo", self.following.as_ref().map_or("", |up| &up.conninfo));
        set("primary_slot_name", self.following.as_ref().and_then(|up| up.slot.as_deref()).unwrap_or_default());
        for name in ["", "_time", "_xid", "_lsn", "_name"] {
            set(&format!("recovery_target{name}"), "");
        }
        set("recovery_target_inclusive", "on");
        set("recovery_target_timeline", &self.timeline.to_string());
        if let Some((target, action)) = &self.recovery {
            for (name, value) in target.settings() {
                set(name, &value);
            }
            set("recovery_target_action", action);
        }
        if self.at_once || self.following.is_none() {
            // A delay is for standbys: a recovery to a target would only be held up by it.
            set(DELAY, "0");
        }
        if self.recovery_log {
            lines.push(LOG_BEGINS.to_owned());
            lines.extend(RECOVERY_LOG.iter().map(|(name, value)| format!("{name} = {}", quote_setting(value))));
            lines.push(LOG_ENDS.to_owned());
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// How late a standby applies what it has received, on purpose.
pub(super) const DELAY: &str = "recovery_min_apply_delay";

/// Settings that every server gets, unless the scenario says otherwise.
pub(super) const DEFAULTS: &[(&str, &str)] = &[
    // No incident here loses the page cache.
    ("fsync", "off"),
    ("wal_level", "replica"),
    // A new segment is 16 MB of holes and not of zeros: they are neither written nor copied.
    ("wal_init_zero", "off"),
    ("password_encryption", "scram-sha-256"),
    // The log is read by drillyard and by people of any country.
    ("lc_messages", "C"),
    ("log_line_prefix", "%m [%p] "),
    ("log_timezone", "UTC"),
    ("logging_collector", "off"),
    ("log_destination", "stderr"),
    // From 60 s: after a network was cut, or a host has died, both sides believe in the connection
    // for as long.
    ("wal_sender_timeout", "5s"),
    ("wal_receiver_timeout", "5s"),
    // From 5 s: a standby that asks too early should not wait long for its next try.
    ("wal_retrieve_retry_interval", "100ms"),
];

/// The settings by which a copy of a production server reaches nothing of production, beside those
/// of all servers here (no archiving, no standbys, no libraries):
/// - A copy has its original's subscriptions, enabled; once promoted it would take its changes from
///   the publisher, by the original's slot (manual, 31.2 "Subscription").
/// - Event triggers would run, those at login when drillyard connects (from 17; before that a copy
///   that takes writes has them disabled, [`super::Node::disable_event_triggers`]).
pub(super) fn harmless(version: Version) -> String {
    let mut lines = "max_logical_replication_workers = 0\n".to_owned();
    if version.major >= 17 {
        lines.push_str("event_triggers = off\n");
    }
    lines
}

/// What a log must be like that a recovery is read from. The rest of what could hide it is
/// reserved.
pub(super) const RECOVERY_LOG: &[(&str, &str)] = &[("log_min_messages", "warning"), ("log_error_verbosity", "default")];
/// The lines around [`RECOVERY_LOG`] in postgresql.conf.
pub(super) const LOG_BEGINS: &str = "# drillyard: only while it recovers";
pub(super) const LOG_ENDS: &str = "# drillyard: from here on again";

/// The settings that drillyard needs for itself; a scenario that sets one is refused.
pub const RESERVED: &[&str] = &[
    "listen_addresses",
    "port",
    "unix_socket_directories",
    "unix_socket_permissions",
    "data_directory",
    "hba_file",
    "ident_file",
    "config_file",
    "external_pid_file",
    "logging_collector",
    "log_destination",
    "lc_messages",
    "log_line_prefix",
    "restore_command",
    "primary_conninfo",
    "primary_slot_name",
    "recovery_target",
    "recovery_target_time",
    "recovery_target_xid",
    "recovery_target_lsn",
    "recovery_target_name",
    "recovery_target_inclusive",
    "recovery_target_action",
    "recovery_target_timeline",
    "dynamic_shared_memory_type",
];

/// A value for postgresql.conf: in single quotes, with `'` doubled, and `\` and ends of lines
/// escaped (manual, 20.1.2).
pub fn quote_setting(value: &str) -> String {
    let escaped = value.replace('\\', "\\\\").replace('\'', "''");
    format!("'{}'", escaped.replace('\n', "\\n").replace('\r', "\\r"))
}

/// A libpq connection string without the password; `application_name` is what `pg_stat_replication`
/// will show.
pub(super) fn peer_conninfo(endpoint: &Endpoint, application_name: &str) -> String {
    let (host, port) = endpoint.host_port();
    let (host, application_name) = (quote_conninfo(&host), quote_conninfo(application_name));
    format!("host={host} port={port} user={SUPERUSER} dbname={DATABASE} application_name={application_name}")
}

/// The same with a secret, if there is any, for `primary_conninfo`.
pub(super) fn with_secret(conninfo: &str, key: &str, secret: &str) -> String {
    match secret {
        "" => conninfo.to_owned(),
        secret => format!("{conninfo} {key}={}", quote_conninfo(secret)),
    }
}

/// How PostgreSQL's own programs are told which database to connect to, whatever its name is.
pub fn conninfo_of(database: &str) -> String {
    format!("dbname={}", quote_conninfo(database))
}

/// A value for a connection string (manual, 34.1.1.1).
pub(super) fn quote_conninfo(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "\\'"))
}

/// A name for a replication slot: slots have lower-case letters, digits and `_` only.
pub fn slot_name(node: &str) -> String {
    node.to_lowercase().replace('-', "_")
}

/// `SELECT pg_create_physical_replication_slot(...)` that reserves WAL at once.
pub fn create_slot(node: &str) -> String {
    format!("SELECT pg_create_physical_replication_slot({}, true)", quote_literal(&slot_name(node)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_quoted_as_postgresql_conf_wants_it() {
        assert_eq!(quote_setting(r"it's C:\x"), r"'it''s C:\\x'");
        let endpoint = Endpoint::Tcp { host: "h".to_owned(), port: 1 };
        let conninfo = peer_conninfo(&endpoint, "n");
        assert_eq!(conninfo, "host='h' port=1 user=postgres dbname=postgres application_name='n'");
        assert_eq!(with_secret(&conninfo, "password", r"p'\"), format!(r"{conninfo} password='p\'\\'"));
        assert_eq!(with_secret(&conninfo, "password", ""), conninfo);
        assert_eq!(quote_setting("a\nfsync = on"), r"'a\nfsync = on'");
    }
}
