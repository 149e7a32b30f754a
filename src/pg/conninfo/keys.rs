//! The keys of libpq's connection strings (manual, 34.1.2), and what is done with each here.

/// A key that libpq knows.
#[derive(Debug)]
pub struct Key {
    /// As it is written.
    pub name: &'static str,
    /// The environment variable that stands for it where it is left out (manual, 34.15).
    pub variable: Option<&'static str>,
    /// What is done with it.
    pub use_: Use,
}

/// What is done with a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Use {
    /// It means what it means to libpq, in drillyard's sessions and in `primary_conninfo`.
    Both,
    /// The same, in drillyard's sessions alone, or on the way to what goes into both.
    Sessions,
    /// It is left out: it makes no difference to what a drill does, or is drillyard's own.
    Nothing,
    /// It would have to be kept to, and is not.
    Refused,
}

const fn key(name: &'static str, variable: Option<&'static str>, use_: Use) -> Key {
    Key { name, variable, use_ }
}

/// All of them, in the order in which `primary_conninfo` is written.
pub static KEYS: &[Key] = &[
    key("service", Some("PGSERVICE"), Use::Sessions),
    key("servicefile", None, Use::Sessions),
    key("passfile", Some("PGPASSFILE"), Use::Sessions),
    key("host", Some("PGHOST"), Use::Both),
    key("hostaddr", Some("PGHOSTADDR"), Use::Both),
    key("port", Some("PGPORT"), Use::Both),
    key("user", Some("PGUSER"), Use::Both),
    key("password", Some("PGPASSWORD"), Use::Both),
    key("dbname", Some("PGDATABASE"), Use::Sessions),
    key("options", Some("PGOPTIONS"), Use::Both),
    key("connect_timeout", Some("PGCONNECT_TIMEOUT"), Use::Both),
    key("keepalives", None, Use::Both),
    key("keepalives_idle", None, Use::Both),
    key("keepalives_interval", None, Use::Both),
    key("keepalives_count", None, Use::Both),
    key("tcp_user_timeout", None, Use::Both),
    key("target_session_attrs", Some("PGTARGETSESSIONATTRS"), Use::Both),
    // Which of several hosts is tried first: servers before 16 do not know the word.
    key("load_balance_hosts", Some("PGLOADBALANCEHOSTS"), Use::Sessions),
    key("channel_binding", Some("PGCHANNELBINDING"), Use::Both),
    key("sslmode", Some("PGSSLMODE"), Use::Both),
    key("sslnegotiation", Some("PGSSLNEGOTIATION"), Use::Both),
    key("sslrootcert", Some("PGSSLROOTCERT"), Use::Both),
    key("sslcert", Some("PGSSLCERT"), Use::Both),
    key("sslkey", Some("PGSSLKEY"), Use::Both),
    key("sslpassword", None, Use::Both),
    key("sslcrl", Some("PGSSLCRL"), Use::Both),
    key("sslcrldir", Some("PGSSLCRLDIR"), Use::Both),
    key("sslsni", Some("PGSSLSNI"), Use::Both),
    key("ssl_min_protocol_version", Some("PGSSLMINPROTOCOLVERSION"), Use::Both),
    key("ssl_max_protocol_version", Some("PGSSLMAXPROTOCOLVERSION"), Use::Both),
    key("application_name", Some("PGAPPNAME"), Use::Nothing),
    key("fallback_application_name", None, Use::Nothing),
    key("client_encoding", Some("PGCLIENTENCODING"), Use::Nothing),
    key("sslcompression", Some("PGSSLCOMPRESSION"), Use::Nothing),
    key("sslkeylogfile", None, Use::Nothing),
    key("krbsrvname", Some("PGKRBSRVNAME"), Use::Nothing),
    key("gsslib", Some("PGGSSLIB"), Use::Nothing),
    key("gssdelegation", Some("PGGSSDELEGATION"), Use::Nothing),
    key("min_protocol_version", Some("PGMINPROTOCOLVERSION"), Use::Nothing),
    key("max_protocol_version", Some("PGMAXPROTOCOLVERSION"), Use::Nothing),
    key("authtype", None, Use::Nothing),
    key("tty", None, Use::Nothing),
    // Sessions are not encrypted by GSSAPI: one who demands it is told.
    key("gssencmode", Some("PGGSSENCMODE"), Use::Nothing),
    key("sslcertmode", Some("PGSSLCERTMODE"), Use::Refused),
    key("require_auth", Some("PGREQUIREAUTH"), Use::Refused),
    key("requirepeer", Some("PGREQUIREPEER"), Use::Refused),
    key("replication", None, Use::Refused),
    key("scram_client_key", None, Use::Refused),
    key("scram_server_key", None, Use::Refused),
    key("oauth_issuer", None, Use::Refused),
    key("oauth_client_id", None, Use::Refused),
    key("oauth_client_secret", None, Use::Refused),
    key("oauth_scope", None, Use::Refused),
];

/// The key of this name.
pub fn find(name: &str) -> Option<&'static Key> {
    KEYS.iter().find(|key| key.name == name)
}
