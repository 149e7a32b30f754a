//! What the server's own settings may change in a session, and what they may not.
//!
//! Production sets timeouts, roles, formats and more in postgresql.conf, by ALTER DATABASE and by
//! ALTER ROLE. They are meant for applications, and must not change what a drill comes to. The
//! options that a session begins with win over all three.

use crate::pg::Version;

/// Whose session it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Purpose {
    /// A question or a deed of drillyard's own: nothing that the server sets changes what comes of
    /// it, except where names without a schema are looked for (`search_path`).
    Own,
    /// Data is loaded. Nothing stands in its way, and its text means the same everywhere; what is
    /// made belongs to whom the server would let it belong.
    Load,
    /// A user's SQL: all settings of the server hold.
    User,
}

/// Nothing ends a session or a statement but the step's own deadline, and everything may be
/// written.
const UNHINDERED: &[(&str, &str)] = &[
    ("statement_timeout", "0"),
    ("lock_timeout", "0"),
    ("idle_in_transaction_session_timeout", "0"),
    ("default_transaction_read_only", "off"),
    ("default_transaction_deferrable", "off"),
    // Serializable is an error on a standby, and fails for what others do meanwhile.
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("array_nulls", "on"),
    ("exit_on_error", "off"),
    ("xmloption", "content"),
];

/// Values are written in one way, and questions get whole answers.
const PLAIN: &[(&str, &str)] = &[
    ("role", "none"),
    // The order of day and month is left as it is: literals of the scenario may count on it.
    ("datestyle", "ISO"),
    ("intervalstyle", "postgres"),
    ("timezone", "UTC"),
    ("extra_float_digits", "1"),
    ("bytea_output", "hex"),
    ("lc_monetary", "C"),
    ("xmlbinary", "base64"),
    ("quote_all_identifiers", "off"),
    ("transform_null_equals", "off"),
    ("temp_tablespaces", ""),
    // Any other value lets an index leave out rows at random.
    ("gin_fuzzy_search_limit", "0"),
];

/// The same for what only a superuser may set.
const PRIVILEGED: &[(&str, &str)] = &[
    ("session_replication_role", "origin"),
    // Damage is seen, and not passed over.
    ("zero_damaged_pages", "off"),
    ("ignore_checksum_failure", "off"),
    ("temp_file_limit", "-1"),
];

/// No library is loaded into a session: production's may write, or may not be installed here. A
/// role, a database and postgresql.conf can name some, which a session's options win over.
const NO_LIBRARIES: (&str, &str) = ("local_preload_libraries", "");
/// The same for the setting that only a superuser may set.
const NO_LIBRARIES_OF_SUPERUSERS: (&str, &str) = ("session_preload_libraries", "");
/// Somebody else's event triggers do not run, whatever a role sets. Before 17 they are disabled.
const NO_EVENT_TRIGGERS: (&str, &str) = ("event_triggers", "off");

/// On a server that drillyard did not make nothing is written, and nothing goes on for long when
/// nobody waits for it. A step sets the timeout of its statements to the time that it has left.
const EXTERNAL: &[(&str, &str)] = &[
    ("statement_timeout", "15min"),
    ("lock_timeout", "10s"),
    ("idle_in_transaction_session_timeout", "15min"),
    ("default_transaction_read_only", "on"),
    ("default_transaction_deferrable", "off"),
    ("default_transaction_isolation", "read committed"),
    ("standard_conforming_strings", "on"),
    ("exit_on_error", "off"),
];

/// With this a server's log has nothing of a session's statements, nor of their errors, and
/// `pg_stat_activity` not what it runs.
pub(super) const UNLOGGED: &str = "-c log_statement=none -c log_min_duration_statement=-1 \
    -c log_min_messages=fatal -c log_min_error_statement=panic -c track_activities=off";

/// The options of a session on a server of the drill, as the startup packet and PGOPTIONS take
/// them. With data `of_others` nothing that their owner set up for sessions runs, a user's either.
pub(super) fn options(purpose: Purpose, version: Version, superuser: bool, of_others: bool) -> String {
    let mut all: Vec<(&str, &str)> = vec![];
    if purpose != Purpose::User {
        all.extend(UNHINDERED);
        all.extend(newer_timeouts(version));
    }
    if of_others || purpose != Purpose::User {
        all.push(NO_LIBRARIES);
        all.extend(superuser.then_some(NO_LIBRARIES_OF_SUPERUSERS));
    }
    if of_others && superuser && version.major >= 17 {
        all.push(NO_EVENT_TRIGGERS);
    }
    if purpose == Purpose::Own {
        all.extend(PLAIN);
    }
    if superuser {
        // Errors are read by drillyard and by people of any country.
        all.push(("lc_messages", "C"));
        if purpose != Purpose::User {
            all.extend(PRIVILEGED);
        }
    }
    written(&all)
}

/// The options of a session on an external server.
pub(super) fn external_options(version: Version) -> String {
    let mut all: Vec<(&str, &str)> = EXTERNAL.to_vec();
    all.extend(newer_timeouts(version));
    // Whoever may log in may do what that role may, and no more.
    all.extend(PLAIN.iter().filter(|(name, _)| *name != "role"));
    written(&all)
}

/// The option with which a session begins as another role.
pub(super) fn as_role(role: &str) -> String {
    written(&[("role", role)])
}

/// A server that does not know a setting refuses the session. Of one whose version is not known yet
/// nothing is asked.
fn newer_timeouts(version: Version) -> impl Iterator<Item = (&'static str, &'static str)> {
    let since = [(14, ("idle_session_timeout", "0")), (17, ("transaction_timeout", "0"))];
    since.into_iter().filter(move |(major, _)| version.major >= *major).map(|(_, setting)| setting)
}

/// `-c name=value` for each; spaces and backslashes are escaped by a backslash (manual, 34.1.2,
/// `options`).
fn written(settings: &[(&str, &str)]) -> String {
    let escaped = |value: &str| value.replace('\\', "\\\\").replace(' ', "\\ ");
    let each = settings.iter().map(|(name, value)| format!("-c {name}={}", escaped(value)));
    each.collect::<Vec<_>>().join(" ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn options_are_those_that_the_version_knows() {
        let of = |major| options(Purpose::Own, Version { major, minor: 0 }, true, false);
        assert!(!of(13).contains("idle_session_timeout") && of(14).contains("-c idle_session_timeout=0"));
        assert!(!of(16).contains("transaction_timeout") && of(17).contains("-c transaction_timeout=0"));
        assert!(of(13).contains(r"-c default_transaction_isolation=read\ committed -c"));
    }

    #[test]
    fn users_have_the_servers_settings() {
        let version = Version { major: 17, minor: 0 };
        assert_eq!(options(Purpose::User, version, false, false), "");
        assert_eq!(options(Purpose::User, version, true, false), "-c lc_messages=C");
        assert!(!options(Purpose::Load, version, true, false).contains("-c role"));
        assert!(!options(Purpose::Own, version, false, false).contains("session_replication_role"));
    }

    #[test]
    fn what_others_set_up_for_sessions_does_not_run() {
        let of = |major, superuser| options(Purpose::User, Version { major, minor: 0 }, superuser, true);
        assert_eq!(of(15, false), "-c local_preload_libraries=");
        assert!(of(15, true).contains("-c session_preload_libraries= ") && !of(15, true).contains("event_triggers"));
        assert!(of(17, true).contains("-c event_triggers=off"));
    }

    #[test]
    fn external_servers_are_only_read() {
        let options = external_options(Version { major: 0, minor: 0 });
        assert!(options.contains("-c default_transaction_read_only=on") && options.contains("-c lock_timeout=10s"));
        assert!(!options.contains("role") && !options.contains("transaction_timeout=0"));
    }
}
