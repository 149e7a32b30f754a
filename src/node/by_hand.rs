//! What drillyard does to a server in ways of its own, as commands for `sh` that do the same: for
//! runbooks.

use super::config::{DEFAULTS, RECOVERY_LOG, Setup};
use super::inherited::{AutoConf, Origin};
use crate::host::{escape_here, quote_word};
use crate::pg::ShutdownMode;

/// Settings that a server has for the lab's sake alone, beside those by which its log is read.
const OF_THE_LAB: &[&str] = &["unix_socket_permissions", "dynamic_shared_memory_type", "hba_file", "external_pid_file"];

/// Settings that are also written where they are empty: what a copied configuration says would do
/// harm.
const ALSO_EMPTY: &[&str] = &["synchronous_standby_names"];

/// Configures a server, which does not run, in the data directory `data`. What is the lab's own is
/// left out.
pub fn configure(data: &str, setup: &Setup, auto_conf: &AutoConf, origin: Origin) -> String {
    let mut settings: Vec<(&str, &str)> = vec![];
    for (name, line) in setup.lines.lines().filter_map(|line| Some((line.split_once(" = ")?.0, line))) {
        // Later lines win.
        settings.retain(|(earlier, _)| *earlier != name);
        settings.push((name, line));
    }
    let is_of_the_lab = |name: &str| {
        let logged = DEFAULTS.iter().chain(RECOVERY_LOG).any(|(own, _)| *own == name);
        (logged && name != "wal_level") || OF_THE_LAB.contains(&name)
    };
    // A target of an earlier recovery would stand beside the new one.
    let may_be_empty =
        |name: &str| ALSO_EMPTY.contains(&name) || origin == Origin::Own && name.starts_with("recovery_target");
    let is_told =
        |(name, line): &&(&str, &str)| !is_of_the_lab(name) && (!line.ends_with(" = ''") || may_be_empty(name));
    let lines: String = settings.iter().filter(is_told).map(|(_, line)| format!("{}\n", escape_here(line))).collect();
    let file = |name: &str| quote_word(&format!("{data}/{name}"));
    let mut text = format!("cat >>{} <<EOF\n{lines}EOF", file("postgresql.conf"));
    if !auto_conf.left_out.is_empty() {
        let names: Vec<&str> = auto_conf.left_out.iter().map(|(name, _)| name.as_str()).collect();
        let expression = format!("/^({})[ =]/d", names.join("|"));
        text.push_str(&format!("\nsed -i -E '{expression}' {}", file("postgresql.auto.conf")));
    }
    text.push_str(&format!("\nrm -f {} {}", file("standby.signal"), file("recovery.signal")));
    if let Some(signal) = setup.signal {
        text.push_str(&format!("\ntouch {}", file(signal.file())));
    }
    text
}

/// Starts a server that logs to `log`, and waits until it accepts connections.
pub fn start(data: &str, log: &str) -> String {
    format!("pg_ctl -D {} -l {} -w start", quote_word(data), quote_word(log))
}

/// The same, without waiting: it will shut itself down.
pub fn start_to_end(data: &str, log: &str) -> String {
    let (data, log) = (quote_word(data), quote_word(log));
    format!("pg_ctl -D {data} -l {log} -W start\nsleep 1\nwhile pg_ctl -D {data} status >/dev/null; do sleep 0.2; done")
}

/// Waits until a query on the server returns true.
pub fn wait_until_true(query: &str) -> String {
    format!("until [ \"$(psql -XAtqc {})\" = t ]; do sleep 0.2; done", quote_word(query))
}

/// Stops a server.
pub fn stop(data: &str, mode: ShutdownMode) -> String {
    format!("pg_ctl -D {} -m {mode} -w stop", quote_word(data))
}

/// Stops the server in `data` if it runs, and removes its data directory and its tablespaces in
/// `places`.
pub fn clear(data: &str, places: &str) -> String {
    let (data, places) = (quote_word(data), quote_word(places));
    format!(
        "if pg_ctl -D {data} status >/dev/null; then\n  pg_ctl -D {data} -m immediate -w stop\nfi\nrm -rf {data} {places}"
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::node::Signal;

    #[test]
    fn settings_of_the_lab_are_left_out() {
        let lines = "# written by drillyard\nfsync = 'off'\narchive_mode = 'off'\nsynchronous_standby_names = ''\n\
                     restore_command = 'cp /wal/%f \"$PWD\"'\nprimary_conninfo = ''\nrecovery_target_xid = ''\n\
                     recovery_target_xid = '7'\nlog_min_messages = 'warning'\n";
        let setup = Setup { lines: lines.to_owned(), signal: Some(Signal::Recovery), ..Setup::default() };
        let left_out = vec![("archive_command".to_owned(), "why".to_owned())];
        let auto_conf = AutoConf { left_out, ..AutoConf::default() };
        let text = configure("/data", &setup, &auto_conf, Origin::Copied);
        assert_eq!(
            text,
            "cat >>\"/data/postgresql.conf\" <<EOF\narchive_mode = 'off'\nsynchronous_standby_names = ''\n\
             restore_command = 'cp /wal/%f \"\\$PWD\"'\nrecovery_target_xid = '7'\nEOF\n\
             sed -i -E '/^(archive_command)[ =]/d' \"/data/postgresql.auto.conf\"\n\
             rm -f \"/data/standby.signal\" \"/data/recovery.signal\"\ntouch \"/data/recovery.signal\""
        );
        let own = configure("/data", &setup, &AutoConf::default(), Origin::Own);
        assert!(!own.contains("primary_conninfo") && !own.contains("sed"), "{own}");
    }
}
