//! What somebody may have meant by a word or a value that the language does not have: the way out,
//! and not a step in a circle.

use schemars::SchemaGenerator;

use super::node::{Node, Value};
use crate::harness::Kind;
use crate::steps;

/// Words that people know from elsewhere for what a step of the language does: the step, and how it
/// is written.
const STEPS: &[(&[&str], &str)] = &[
    (&["restore", "pitr", "recovery"], "`recover: { node: NEW, backup: ID, until: ..., then: promote }`"),
    (&["failover", "switchover", "fail_over"], "`promote: { node: STANDBY }`, after an incident such as `kill_host`"),
    (
        &["sleep", "wait", "delay"],
        "`wait_for`: until something is true, such as `wait_for: { traffic: users, acked: 1000 }`; a drill does not sleep",
    ),
    (&["import", "pg_restore", "load_dump"], "`reimport: { dump: ID, node: NODE }`"),
    (&["pg_dump", "export"], "`dump: { node: NODE, tables: [...] }`"),
    (&["start_traffic", "load", "users", "workload", "pgbench"], "`traffic: { transactions: ... }`"),
    (&["basebackup", "base_backup", "pg_basebackup"], "`backup: { node: NODE }`, with an `id`"),
    (&["delete_rows", "delete", "update", "update_rows", "modify"], "`overwrite: { query: ... }`"),
    (&["query", "execute", "psql", "run_sql"], "`sql: { query: ... }`"),
    (&["shell", "run", "command", "script", "bash"], "`exec: { run: [PROGRAM, ARGUMENT, ...] }`"),
    (&["kill", "kill_server", "sigkill", "kill_node"], "`crash: { node: NODE }`, or `kill_host`"),
    (&["partition", "disconnect", "network_cut"], "`cut: { between: [A, B] }`"),
    (&["freeze", "suspend", "hang"], "`pause: { node: NODE }`"),
    (&["resume", "unfreeze", "thaw", "unsuspend", "continue"], "`unpause: { node: NODE }`"),
    (&["reconnect", "uncut", "rejoin", "unpartition", "heal_network"], "`heal: { between: [A, B] }`"),
    (
        &["empty_disk", "clear_disk", "unfill_disk", "clean_disk", "make_room"],
        "`free_disk: { node: NODE }`, or `{ repo: REPO }`, after a `fill_disk` there",
    ),
    (
        &["repair_archive", "fix_archive", "unbreak_archive", "heal_archive"],
        "`mend_archive: { node: NODE }`, after a `break_archive` there",
    ),
    (&["boot", "power_on", "start_host", "start_node", "start_server"], "`start: { node: NODE }`"),
    (&["restore_point", "savepoint", "label"], "`mark: { node: NODE }`, with an `id`"),
    (&["pg_rewind"], "`rewind: { node: OLD, to: NEW }`"),
    (&["assert", "check", "expect_rows", "verify"], "`assert_rows`; `drillyard explain` lists the other assertions"),
];

/// How the step that is called `name` elsewhere is written here.
pub(super) fn step(name: &str) -> Option<&'static str> {
    let name = name.to_lowercase().replace('-', "_");
    STEPS.iter().find(|(words, _)| words.contains(&name.as_str())).map(|(_, step)| *step)
}

/// What to write in the place of the value of `key`, which is not of the form that is expected
/// there.
pub(super) fn value(key: &str, node: &Node, expected: &str) -> Option<String> {
    let list = expected.starts_with("a list");
    match (&node.value, key) {
        (Value::Map(_), "stop_traffic") => {
            let id = node.get("traffic").and_then(|entry| entry.value.text()).unwrap_or("ID");
            Some(format!("write `stop_traffic: {id}`"))
        }
        (Value::Map(entries), "equals") if list => {
            let row: Vec<&str> = entries.iter().filter_map(|entry| entry.value.text()).collect();
            Some(format!("rows are lists of values, without names: write `[[{}]]`", row.join(", ")))
        }
        (Value::Scalar { text, .. }, "equals") if list && is_short(text) => {
            Some(format!("a list of rows, each a list of values: write `[[{text}]]`"))
        }
        (Value::Scalar { text, .. }, "run") if list && is_short(text) => Some(format!("write `{}`", argv(text))),
        (Value::Scalar { text, .. }, "until") => until(text),
        (Value::Scalar { .. }, "during") => Some("write `{ step: ID }`, with the `id` of the step".to_owned()),
        (Value::Scalar { text, .. }, _) if !list && is_short(text) => as_field(steps::find(key)?, text),
        _ => None,
    }
}

/// What the number `10k` is in digits.
pub(super) fn digits(text: &str) -> Option<String> {
    let (number, zeros) = match text.trim().to_lowercase() {
        text if text.ends_with('k') => (text[..text.len() - 1].to_owned(), "000"),
        text if text.ends_with('m') => (text[..text.len() - 1].to_owned(), "000000"),
        _ => return None,
    };
    let plain = !number.is_empty() && number.bytes().all(|byte| byte.is_ascii_digit());
    plain.then(|| format!("{number}{zeros}"))
}

fn is_short(text: &str) -> bool {
    !text.is_empty() && text.lines().count() == 1 && text.len() < 100
}

/// A step whose only field stands in the place of all of them.
fn as_field(kind: &Kind, text: &str) -> Option<String> {
    let field = match kind.name {
        "sql" | "overwrite" => "query",
        "create_data" if text.ends_with(".sql") => "file",
        "drop_table" | "truncate_table" => "table",
        "dump" => "tables",
        "reimport" => "dump",
        "exec" => "run",
        "sync" => "repo",
        "lose_site" => "site",
        "wait_archived" => "through",
        "assert_traffic" => "traffic",
        // Nothing can be said with one field.
        "create_data" | "wait_for" | "assert_rows" | "assert_log" | "find_in_wal" => return None,
        _ => "node",
    };
    let schema = (kind.schema)(&mut SchemaGenerator::default());
    let mut required = schema.get("required").and_then(|list| list.as_array()).into_iter().flatten();
    if !required.all(|one| one == field) {
        return None;
    }
    let flow = text.contains([',', '{', '}', '[', ']', '#']) || text.contains(": ");
    let quoted = if flow { format!("\"{}\"", text.replace('"', "\\\"")) } else { text.to_owned() };
    let value = match field {
        "run" => argv(text),
        "tables" => format!("[{quoted}]"),
        _ => quoted,
    };
    Some(format!("write `{}: {{ {field}: {value} }}`", kind.name))
}

/// A command line as a list of its words; through a shell where it needs one.
fn argv(line: &str) -> String {
    let plain = |word: &str| {
        !word.is_empty() && word.chars().all(|c| c.is_alphanumeric() || "-_./=+".contains(c)) && !is_yaml_word(word)
    };
    let quoted = |word: &str| if plain(word) { word.to_owned() } else { format!("'{}'", word.replace('\'', "''")) };
    match words(line) {
        Some(words) if !words.is_empty() => {
            format!("[{}]", words.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(", "))
        }
        _ => format!("[sh, -c, {}]", quoted(line)),
    }
}

/// What YAML reads as something else than text.
fn is_yaml_word(word: &str) -> bool {
    matches!(word.to_lowercase().as_str(), "true" | "false" | "null" | "yes" | "no" | "on" | "off" | "~")
        || word.parse::<f64>().is_ok()
}

/// The words of a command line; none where only a shell understands it.
fn words(line: &str) -> Option<Vec<String>> {
    let (mut words, mut word, mut quote) = (vec![], None::<String>, None);
    for c in line.chars() {
        match (quote, c) {
            (Some(open), _) if c == open => quote = None,
            (Some('"'), '$' | '`' | '\\') => return None,
            (Some(_), _) => word.get_or_insert_default().push(c),
            (None, '\'' | '"') => {
                quote = Some(c);
                word.get_or_insert_default();
            }
            (None, '|' | '&' | ';' | '<' | '>' | '$' | '`' | '*' | '?' | '(' | ')' | '\\' | '~') => return None,
            (None, _) if c.is_whitespace() => words.extend(word.take()),
            (None, _) => word.get_or_insert_default().push(c),
        }
    }
    words.extend(word);
    quote.is_none().then_some(words)
}

/// A target that was written as a text.
fn until(text: &str) -> Option<String> {
    let text = text.trim();
    let (first, rest) = text.split_once(char::is_whitespace).unwrap_or((text, ""));
    let is_time = text.len() > 9 && text.as_bytes()[..4].iter().all(u8::is_ascii_digit);
    match first {
        "before" | "after" | "mark" | "lsn" | "xid" | "time" if !rest.is_empty() => {
            Some(format!("write `{{ {first}: {} }}`", rest.trim()))
        }
        _ if is_time => Some(format!("write `{{ time: {} }}`, with an offset such as `Z`", text.replacen(' ', "T", 1))),
        _ if text.parse::<crate::pg::Lsn>().is_ok() => Some(format!("write `{{ lsn: {text} }}`")),
        "now" | "end" | "newest" | "last" => Some("write `latest`".to_owned()),
        _ if rest.is_empty() && first.starts_with(|c: char| c.is_alphabetic()) => Some(format!(
            "`latest` and `end_of_backup` stand alone; for the step `{text}` write `{{ before: {text} }}` or `{{ after: {text} }}`"
        )),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn command_lines_become_lists() {
        assert_eq!(argv("psql -c VACUUM"), "[psql, -c, VACUUM]");
        assert_eq!(argv("psql -c 'SELECT 1'"), "[psql, -c, 'SELECT 1']");
        assert_eq!(argv("pgbench -T 10"), "[pgbench, -T, '10']");
        assert_eq!(argv("pg_dump x | psql y"), "[sh, -c, 'pg_dump x | psql y']");
        assert_eq!(argv("echo 'it''s"), "[sh, -c, 'echo ''it''''s']");
    }

    #[test]
    fn targets_become_maps() {
        assert_eq!(until("before accident").as_deref(), Some("write `{ before: accident }`"));
        assert_eq!(until("0/3000028").as_deref(), Some("write `{ lsn: 0/3000028 }`"));
        assert!(until("2026-11-01 10:00:00").is_some_and(|help| help.contains("{ time: 2026-11-01T10:00:00 }")));
        assert!(until("accident").is_some_and(|help| help.contains("{ before: accident }")));
    }

    #[test]
    fn numbers_are_written_out() {
        assert_eq!(digits("10k").as_deref(), Some("10000"));
        assert_eq!(digits("2M").as_deref(), Some("2000000"));
        assert_eq!(digits("k"), None);
        assert_eq!(digits("1.5k"), None);
    }

    #[test]
    fn words_from_elsewhere_lead_to_steps() {
        for (words, step) in STEPS {
            for word in *words {
                assert!(steps::find(word).is_none(), "{word} is a step itself");
            }
            let named = step.trim_start_matches('`').split(|c: char| c != '_' && !c.is_alphanumeric()).next();
            assert!(named.is_some_and(|name| steps::find(name).is_some()), "{step}");
        }
    }
}
