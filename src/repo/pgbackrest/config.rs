//! What the configuration of a repository of pgBackRest says.

use crate::repo::settings::{Adjustable, Value};

/// The stanza, where the scenario names none.
pub(super) const STANZA: &str = "main";

/// What is set, besides where things are, unless the scenario sets it.
///
/// A backup brings the WAL along that it needs and is a few files, nothing is tried again after 15
/// s, and nothing expires by itself: what has gone, a step of the drill has removed.
pub(super) const OPTIONS: &[(&str, &str)] = &[
    ("archive-copy", "y"),
    ("compress-type", "lz4"),
    ("job-retry", "0"),
    ("log-level-file", "off"),
    ("log-timestamp", "n"),
    ("process-max", "4"),
    ("repo1-bundle", "y"),
    ("repo1-retention-full", "9999999"),
];

/// What a scenario may set: what is kept and how. Where it is kept, and by whose leave, is the
/// lab's.
pub(super) const ADJUSTABLE: Adjustable = Adjustable {
    stanza: true,
    options: &[
        ("archive-header-check", Value::Switch),
        ("archive-push-queue-max", Value::Size),
        ("archive-timeout", Value::Number(1, 86400)),
        ("buffer-size", Value::Size),
        ("checksum-page", Value::Switch),
        ("compress-level", Value::Number(-7, 22)),
        ("compress-type", Value::OneOf(&["none", "bz2", "gz", "lz4", "zst"])),
        ("db-timeout", Value::Number(1, 604_800)),
        ("expire-auto", Value::Switch),
        ("io-timeout", Value::Number(1, 3600)),
        ("job-retry", Value::Number(0, 9)),
        ("manifest-save-threshold", Value::Size),
        ("process-max", Value::Number(1, 999)),
        ("repo1-bundle", Value::Switch),
        ("repo1-bundle-limit", Value::Size),
        ("repo1-bundle-size", Value::Size),
        ("repo1-cipher-pass", Value::Text),
        ("repo1-cipher-type", Value::OneOf(&["none", "aes-256-cbc"])),
        ("repo1-hardlink", Value::Switch),
        ("repo1-retention-archive", Value::Number(1, 9_999_999)),
        ("repo1-retention-archive-type", Value::OneOf(&["full", "diff", "incr"])),
        ("repo1-retention-full", Value::Number(1, 9_999_999)),
        ("repo1-retention-full-type", Value::OneOf(&["count", "time"])),
        ("resume", Value::Switch),
        ("stop-auto", Value::Switch),
    ],
    own: &[
        "archive-async",
        "archive-check",
        "archive-copy",
        "archive-mode",
        "backup-standby",
        "cmd",
        "config",
        "delta",
        "exec-id",
        "lock-path",
        "log-",
        "pg",
        "repo1-azure",
        "repo1-block",
        "repo1-gcs",
        "repo1-host",
        "repo1-path",
        "repo1-s3",
        "repo1-sftp",
        "repo1-storage",
        "repo1-type",
        "repo2",
        "set",
        "spool-path",
        "stanza",
        "start-fast",
        "tablespace-map",
        "target",
        "tls-",
        "type",
    ],
    together: &[("repo1-cipher-type", "repo1-cipher-pass")],
    needs: &[],
    takes: &[],
};
