//! What the schema has for editors beyond what a reader of scenarios needs: names to complete,
//! hover texts, skeletons of steps, and rules that no type says.

use serde_json::{Map, Value, json};

use super::keys::USE;
use super::schema_forms;
use crate::harness::{Kind, Role};
use crate::node::RESERVED_SETTINGS;
use crate::pg::{SUPPORTED_MAJORS, is_only_told};
use crate::steps::KINDS;

/// The targets of `until`, of which there is one.
const TARGETS: [&str; 7] = ["before", "after", "mark", "time", "lsn", "xid", "ago"];

/// The column types of `create_data`, as a pattern; what may stand behind them is in [`BEHIND`].
const TYPES: [&str; 28] = [
    "smallint",
    "int2",
    "integer",
    "int",
    "int4",
    "bigint",
    "int8",
    "numeric",
    "decimal",
    "real",
    "float4",
    "double precision",
    "float8",
    "text",
    "varchar",
    "character varying",
    "boolean",
    "bool",
    "uuid",
    "date",
    "timestamp",
    "timestamp without time zone",
    "timestamptz",
    "timestamp with time zone",
    "jsonb",
    "bytea",
    "numeric *\\( *[0-9]+ *(, *[0-9]+ *)?\\)",
    "(varchar|character varying) *\\( *[0-9]+ *\\)",
];

/// What may stand behind a type.
const BEHIND: &str = "( +primary key| +not null)*";

/// Steps that are of no use without an id.
const NEED_AN_ID: [&str; 5] = ["traffic", "backup", "mark", "snapshot", "dump"];

/// A step with exactly one action, of those that `is_meant`.
pub(super) fn one_action(step: &mut Value, is_meant: impl Fn(&Kind) -> bool) {
    let actions: Vec<Value> =
        KINDS.iter().filter(|kind| is_meant(kind)).map(|kind| json!({ "required": [kind.name] })).collect();
    // Nothing but `required`: over whole steps it would break completion.
    step["oneOf"] = json!(actions);
    if let Some(properties) = step["properties"].as_object_mut() {
        properties.retain(|name, _| KINDS.iter().find(|kind| kind.name == name).is_none_or(&is_meant));
    }
}

/// Whether a step of this kind judges, or brings steps that do.
pub(super) fn judges(kind: &Kind) -> bool {
    kind.role == Role::Check || kind.name == USE
}

/// Adds what the types do not say.
pub(super) fn complete(schema: &mut Value) {
    schema["properties"]["postgres"] = json!({
        "type": "array",
        "items": { "type": "integer", "minimum": SUPPORTED_MAJORS.start(), "maximum": SUPPORTED_MAJORS.end() },
        "uniqueItems": true,
        "minItems": 1,
        "description": "Major versions: each is its own run",
    });
    let Some(defs) = schema["$defs"].as_object_mut() else { return };
    let known = settings(&defs["NodeFields"]["properties"]["settings"]);
    defs.insert("Settings".to_owned(), known);
    refer_to_settings(&mut defs["NodeFields"]["properties"]);
    let steps = defs["Step"]["properties"].as_object_mut().into_iter().flat_map(Map::values_mut);
    steps.filter(|step| step["properties"].is_object()).for_each(|step| refer_to_settings(&mut step["properties"]));
    for follow in defs["ThenSpec"]["oneOf"].as_array_mut().into_iter().flatten() {
        if follow["properties"]["follow"].is_object() {
            follow["properties"]["follow"]["description"] = json!("The node that it follows");
        }
    }
    let named = NEED_AN_ID.map(|step| (step.to_owned(), json!(["id"])));
    defs["Step"]["dependentRequired"] = Value::Object(named.into_iter().collect());
    if let Some(point) = defs["UntilSpec"]["anyOf"].as_array_mut().and_then(|forms| forms.last_mut()) {
        point["oneOf"] = json!(TARGETS.map(|target| json!({ "required": [target] })));
        point["dependentRequired"] = json!({ "minus": ["before"] });
    }
    schema_forms::add(defs, &["Step", "Judgement"]);
    let step = &mut defs["Step"]["properties"];
    step["create_data"]["properties"]["columns"]["additionalProperties"] = json!({
        "type": "string",
        "pattern": any_case(&format!("^ *({}){BEHIND} *$|\\$\\{{", TYPES.join("|"))),
        "description": "A type, with `not null` or `primary key` behind it",
    });
    for list in ["all", "team"] {
        let items = if list == "all" { &mut step["all"] } else { &mut step["team"]["properties"]["judge"] };
        items["items"] = json!({ "$ref": "#/$defs/Judgement" });
    }
    let snippets: Vec<Value> = KINDS.iter().map(|kind| snippet(kind, &step[kind.name])).collect();
    defs["Step"]["defaultSnippets"] = json!(snippets);
}

/// Words in any case, but for what follows a backslash.
fn any_case(pattern: &str) -> String {
    let letter = |c: char| format!("[{}{}]", c, c.to_ascii_uppercase());
    pattern.chars().map(|c| if c.is_ascii_lowercase() { letter(c) } else { c.to_string() }).collect()
}

/// The settings of every version as names to complete. A name with a dot is an extension's, and a
/// newer server may know any.
fn settings(settings: &Value) -> Value {
    let value = settings["additionalProperties"].clone();
    let free = |name: &str| !is_only_told(name) && !RESERVED_SETTINGS.contains(&name);
    let names = crate::pg::settings().filter(|(name, ..)| free(name)).map(|(name, first, last)| {
        let versions = match first < last {
            true => format!("PostgreSQL {first} to {last}"),
            false => format!("PostgreSQL {first}"),
        };
        let mut one = value.clone();
        one["description"] = json!(versions);
        (name.to_owned(), one)
    });
    json!({
        "type": settings["type"],
        "properties": Value::Object(names.collect()),
        "patternProperties": { "[.A-Z]": value },
        "additionalProperties": false,
    })
}

/// Has the field `settings`, if there is one, take those.
fn refer_to_settings(fields: &mut Value) {
    let Some(field) = fields.get_mut("settings").filter(|field| field["additionalProperties"].is_object()) else {
        return;
    };
    *field = json!({ "$ref": "#/$defs/Settings", "description": field["description"] });
}

/// A step to begin with: with the fields that it needs.
fn snippet(kind: &Kind, schema: &Value) -> Value {
    let is = |kind: &str| schema["type"] == kind;
    let required = schema["required"].as_array().cloned().unwrap_or_default();
    let fields = required.iter().filter_map(Value::as_str).enumerate();
    let field = |(at, name): (usize, &str)| (name.to_owned(), json!(format!("${{{}:{name}}}", at + 1)));
    let value = match kind.role {
        _ if is("array") => json!(["$1"]),
        _ if is("string") => json!("$1"),
        _ => Value::Object(fields.map(field).collect()),
    };
    let mut body = Map::new();
    if kind.output.is_some() {
        body.insert("id".to_owned(), json!("$0"));
    }
    body.insert(kind.name.to_owned(), value);
    json!({ "label": kind.name, "description": crate::harness::summary(kind), "body": body })
}

/// Hover texts: what editors show as Markdown.
pub(super) fn hover_texts(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(hover_texts);
            // Not a property of that name.
            if let Some(Value::String(text)) = object.get("description").cloned() {
                object.insert("markdownDescription".to_owned(), Value::String(text));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(hover_texts),
        _ => {}
    }
}
