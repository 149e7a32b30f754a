//! The options by which a repository of somebody else's is read.

use crate::repo::settings::{Adjustable, Value};

/// Where a repository is, by whose leave it is read, and how quickly: nothing of it makes a command
/// that reads write, lock, or run another program.
pub(super) const ADJUSTABLE: Adjustable = Adjustable {
    options: &[
        ("buffer-size", Value::Size),
        ("compress-level-network", Value::Number(-5, 12)),
        ("io-timeout", Value::Number(1, 3600)),
        ("job-retry", Value::Number(0, 9)),
        ("process-max", Value::Number(1, 999)),
        ("protocol-timeout", Value::Number(1, 604_800)),
        ("repo#-azure-account", Value::Text),
        ("repo#-azure-container", Value::Text),
        ("repo#-azure-endpoint", Value::Text),
        ("repo#-azure-key", Value::Text),
        ("repo#-azure-key-type", Value::OneOf(&["shared", "sas", "auto"])),
        ("repo#-azure-uri-style", Value::OneOf(&["host", "path"])),
        ("repo#-cipher-pass", Value::Text),
        ("repo#-cipher-type", Value::OneOf(&["none", "aes-256-cbc"])),
        ("repo#-gcs-bucket", Value::Text),
        ("repo#-gcs-endpoint", Value::Text),
        ("repo#-gcs-key", Value::Text),
        ("repo#-gcs-key-type", Value::OneOf(&["auto", "service", "token"])),
        ("repo#-host", Value::Text),
        ("repo#-host-ca-file", Value::Text),
        ("repo#-host-ca-path", Value::Text),
        ("repo#-host-cert-file", Value::Text),
        ("repo#-host-config", Value::Text),
        ("repo#-host-key-file", Value::Text),
        ("repo#-host-port", Value::Number(1, 65535)),
        ("repo#-host-type", Value::OneOf(&["ssh", "tls"])),
        ("repo#-host-user", Value::Text),
        ("repo#-path", Value::Text),
        ("repo#-s3-bucket", Value::Text),
        ("repo#-s3-endpoint", Value::Text),
        ("repo#-s3-key", Value::Text),
        ("repo#-s3-key-secret", Value::Text),
        ("repo#-s3-key-type", Value::OneOf(&["shared", "auto", "web-id"])),
        ("repo#-s3-region", Value::Text),
        ("repo#-s3-role", Value::Text),
        ("repo#-s3-token", Value::Text),
        ("repo#-s3-uri-style", Value::OneOf(&["host", "path"])),
        ("repo#-storage-ca-file", Value::Text),
        ("repo#-storage-ca-path", Value::Text),
        ("repo#-storage-host", Value::Text),
        ("repo#-storage-port", Value::Number(1, 65535)),
        ("repo#-storage-verify-tls", Value::Switch),
        ("repo#-type", Value::OneOf(&["posix", "cifs", "s3", "azure", "gcs"])),
        ("sck-keep-alive", Value::Switch),
        ("tcp-keep-alive-count", Value::Number(1, 32)),
        ("tcp-keep-alive-idle", Value::Number(1, 3600)),
        ("tcp-keep-alive-interval", Value::Number(1, 900)),
    ],
    own: &[
        "archive-",
        "config",
        "delta",
        "exec-id",
        "force",
        "link-",
        "lock-path",
        "log-",
        "pg",
        "recovery-option",
        "set",
        "spool-path",
        "stanza",
        "tablespace-map",
        "target",
        "type",
    ],
    ..Adjustable::NOTHING
};

/// The variable of the environment in which pgbackrest looks for an option: secrets are not allowed
/// on its command line.
pub(super) fn variable(option: &str) -> String {
    format!("PGBACKREST_{}", option.replace('-', "_").to_uppercase())
}
