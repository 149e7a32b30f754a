//! Which fields go together: what `resolve` of a step demands and no type says, for editors.

use serde_json::{Map, Value, json};

use super::keys::{COMMON_KEYS, GO_WITH_USE, USE, WITH};
use crate::harness::{Kind, Role};
use crate::steps::KINDS;

/// What is demanded of the fields of a map.
enum Rule {
    /// Exactly one of these is there.
    One(&'static [&'static str]),
    /// At least one of these is there.
    Any(&'static [&'static str]),
    /// The field is not there beside any of these.
    Without(&'static str, &'static [&'static str]),
    /// The field is there only beside one of these.
    With(&'static str, &'static [&'static str]),
}
use Rule::{Any, One, With, Without};

/// The rules of a step, or of a definition.
const RULES: &[(&str, &[Rule])] = &[
    (
        "assert_rows",
        &[
            One(&["query", "table"]),
            Without("query", &["count", "same_as", "where", "columns", "except"]),
            Without("table", &["args", "equals"]),
            Without("equals", BOUNDS),
            Without("count", &["same_as"]),
            Without("count", BOUNDS),
            Without("same_as", BOUNDS),
            Without("between", &["at_least", "at_most"]),
            With("columns", &["same_as"]),
            With("except", &["same_as"]),
        ],
    ),
    ("AboutSpec", &[One(&["value", "node"])]),
    ("assert_intact", &[Without("backup", &["node"]), With("repo", &["backup"])]),
    ("assert_log", &[Any(&["has", "lacks"])]),
    ("snapshot", &[Any(&["tables", "roles"])]),
    (
        "sql",
        &[
            Any(&["query", "file", "capture"]),
            Without("query", &["file"]),
            With("format", &["query"]),
            With("args", &["query", "file"]),
        ],
    ),
    (
        "create_data",
        &[
            One(&["table", "file"]),
            Without("file", &["rows", "columns"]),
            With("table", &["rows"]),
            With("rows", &["table"]),
            With("columns", &["table"]),
        ],
    ),
    ("traffic", &[Without("node", &["nodes"])]),
    (
        "wait_for",
        &[
            One(&["traffic", "query", "log"]),
            With("traffic", &["acked"]),
            With("acked", &["traffic"]),
            With("query", &["equals"]),
            With("equals", &["query"]),
            With("database", &["query"]),
            With("role", &["query"]),
            Without("query", &["since"]),
            Without("traffic", &["node"]),
        ],
    ),
    (
        "corrupt",
        &[
            One(&["table", "index", "wal", "backup"]),
            With("node", IN_SERVER),
            With("database", IN_SERVER),
            With("repo", &["wal", "backup"]),
            With("how", &["wal"]),
            With("toast", &["table"]),
            With("file", &["backup"]),
        ],
    ),
    ("fill_disk", &[Without("repo", &["node", "what"])]),
    ("free_disk", &[Without("repo", &["node", "what"])]),
    ("set_clock", &[One(&["back", "ahead"])]),
    (
        "dump",
        &[
            Any(&["tables", "schemas", "database", "globals"]),
            Without("tables", &["schemas"]),
            With("dependents", &["tables", "schemas"]),
        ],
    ),
    ("find_in_wal", &[One(&["dropped", "truncated", "changed"])]),
    ("reconcile", &[One(&["table", "tables"])]),
    ("MistakeSpec", &[One(&["xids", "query", "between"])]),
    ("External", &[One(&["url", "service"])]),
];

/// What a number may be, beside what it should be.
const BOUNDS: &[&str] = &["at_least", "at_most", "between", "about"];

/// What is damaged in a server.
const IN_SERVER: &[&str] = &["table", "index"];

/// Adds the rules to the definitions, and to each of `steps`, which are definitions of a step.
pub(super) fn add(defs: &mut Map<String, Value>, steps: &[&str]) {
    for (of, rules) in RULES {
        let rules: Value = rules.iter().flat_map(Rule::schemas).collect();
        if let Some(fields) = defs.get_mut(*of) {
            fields["allOf"] = rules;
            continue;
        }
        for step in steps {
            if let Some(fields) = defs[*step]["properties"].get_mut(*of) {
                fields["allOf"] = rules.clone();
            }
        }
    }
    let beside_use = COMMON_KEYS.iter().filter(|key| !GO_WITH_USE.contains(key));
    let mut common: Vec<Value> = beside_use.map(|key| json!({ "not": requires(&[USE, key]) })).collect();
    common.push(only_with("retry", |kind| kind.role == Role::Check));
    common.push(only_with("during", |kind| kind.role == Role::Incident));
    for step in steps {
        defs[*step]["dependentRequired"][WITH] = json!([USE]);
        defs[*step]["allOf"] = json!(common);
    }
}

/// A common key that only some kinds of steps have.
fn only_with(key: &str, is_meant: impl Fn(&Kind) -> bool) -> Value {
    let kinds: Vec<Value> = KINDS.iter().filter(|kind| is_meant(kind)).map(|kind| requires(&[kind.name])).collect();
    json!({ "if": requires(&[key]), "then": { "anyOf": kinds } })
}

fn requires(fields: &[&str]) -> Value {
    json!({ "required": fields })
}

impl Rule {
    /// As schemas, all of which have to hold. They have nothing but `required` in them: whole
    /// fields in there would break completion.
    fn schemas(&self) -> Vec<Value> {
        let each = |fields: &[&str]| fields.iter().map(|field| requires(&[field])).collect::<Vec<_>>();
        match self {
            One(fields) => vec![json!({ "oneOf": each(fields) })],
            Any(fields) => vec![json!({ "anyOf": each(fields) })],
            Without(field, others) => others.iter().map(|other| json!({ "not": requires(&[field, other]) })).collect(),
            With(field, others) => vec![json!({ "if": requires(&[field]), "then": { "anyOf": each(others) } })],
        }
    }
}
