//! What is written to postgresql.conf and pg_hba.conf.

use crate::host::{Endpoint, Host};
use crate::pg::{RecoveryTarget, quote_literal};

use super::{DATABASE, SUPERUSER};

/// The configuration of a server that drillyard makes, in the order in which it is written: later lines win.
#[derive(Debug, Clone, Default)]
pub struct Config {
    /// `archive_command` where the node archives; otherwise `archive_mode` is off.
    pub archive_command: Option<String>,
    /// `restore_command` where it reads from an archive.
    pub restore_command: Option<String>,
    /// The server that it streams from.
    pub following: Option<Following>,
    /// Where recovery stops, and what happens there (`recovery_target_action`).
    pub recovery: Option<(RecoveryTarget, &'static str)>,
    /// The scenario's `settings`.
    pub settings: Vec<(String, String)>,
}

/// The upstream of a standby.
#[derive(Debug, Clone)]
pub struct Following {
    /// `primary_conninfo`.
    pub conninfo: String,
    /// `primary_slot_name`.
    pub slot: Option<String>,
}

impl Config {
    /// The lines to be appended to a postgresql.conf.
    ///
    /// Those for recovery are always all written, if only as empty: a backup brings its origin's configuration along.
    pub fn lines(&self, host: &dyn Host) -> String {
        let mut lines = vec!["# written by drillyard".to_owned()];
        let mut set = |name: &str, value: &str| lines.push(format!("{name} = {}", quote_setting(value)));
        for (name, value) in DEFAULTS {
            set(name, value);
        }
        match &self.archive_command {
            Some(command) => {
                set("archive_mode", "on");
                set("archive_command", command);
            }
            None => set("archive_mode", "off"),
        }
        for (name, value) in &self.settings {
            set(name, value);
        }
        // After the scenario's: without these the server cannot live on its host, or would harm something.
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
        set("recovery_target_timeline", "latest");
        if let Some((target, action)) = &self.recovery {
            for (name, value) in target.settings() {
                set(name, &value);
            }
            set("recovery_target_action", action);
        }
        lines.push(String::new());
        lines.join("\n")
    }
}

/// Settings that every server gets, unless the scenario says otherwise.
const DEFAULTS: &[(&str, &str)] = &[
    // No incident here loses the page cache (LAB.md).
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
    // From 60 s: after a network was cut, or a host has died, both sides believe in the connection for as long (LAB.md).
    ("wal_sender_timeout", "5s"),
    ("wal_receiver_timeout", "5s"),
    // From 5 s: a standby that asks too early should not wait long for its next try.
    ("wal_retrieve_retry_interval", "100ms"),
];

/// The settings that drillyard needs for itself; a scenario that sets one is told so.
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
    "dynamic_shared_memory_type",
];

/// A value for postgresql.conf: in single quotes, with `'` doubled and `\` escaped (manual, 20.1.2).
fn quote_setting(value: &str) -> String {
    format!("'{}'", value.replace('\\', "\\\\").replace('\'', "''"))
}

/// A libpq connection string; `application_name` is what `pg_stat_replication` will show.
pub fn conninfo(endpoint: &Endpoint, password: &str, application_name: &str) -> String {
    let (host, port) = endpoint.host_port();
    let value = |text: &str| format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"));
    format!(
        "host={} port={port} user={SUPERUSER} dbname={DATABASE} password={} application_name={}",
        value(&host),
        value(password),
        value(application_name)
    )
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
        assert!(conninfo(&endpoint, r"p'\", "n").contains(r"password='p\'\\'"));
    }
}
