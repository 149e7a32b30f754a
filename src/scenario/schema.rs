//! The JSON Schema of a scenario file, for editors.

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde_json::{Map, Value, json};

use super::during::During;
use super::keys::{FILE_KEYS, FRAGMENT_KEYS, USE, WITH};
use super::limits::Budgets;
use super::model::{Expect, NetworkSpec, NodeFields, Prove, RepoFields, When};
use super::notify::NotifySpec;
use super::schema_editor;
use crate::harness::Role;
use crate::source::{Duration, Name, Ordered, Scalar, WORD};
use crate::steps::KINDS;

/// Where published scenarios find it.
const ID: &str = "https://drillyard.dev/schema/scenario-1.json";

/// The schema of version 1 of the language.
pub fn schema() -> Value {
    let mut generator = SchemaGenerator::default();
    let step = step(&mut generator);
    let mut properties = Map::new();
    for key in FILE_KEYS {
        properties.insert((*key).to_owned(), file_key(key, &mut generator));
    }
    let mut defs: Map<String, Value> = generator.take_definitions(true);
    let mut judgement = step.clone();
    schema_editor::one_action(&mut judgement, schema_editor::judges);
    defs.insert("Judgement".to_owned(), judgement);
    defs.insert("Step".to_owned(), step);
    let mut schema = json!({
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": ID,
        "title": "drillyard scenario, version 1",
        "type": "object",
        "properties": properties,
        "patternProperties": { "^x-": { "description": "Not read: a place for anchors" } },
        "required": ["drillyard", "steps"],
        "additionalProperties": false,
        "if": { "properties": { "fragment": { "const": true } }, "required": ["fragment"] },
        "then": { "propertyNames": { "anyOf": [{ "enum": FRAGMENT_KEYS }, { "pattern": "^x-" }] } },
        "$defs": defs,
    });
    words(&mut schema);
    schema_editor::complete(&mut schema);
    references(&mut schema);
    schema_editor::hover_texts(&mut schema);
    schema
}

/// What a key of the file takes.
fn file_key(key: &str, generator: &mut SchemaGenerator) -> Value {
    let names = |value: Value| json!({ "type": "object", "propertyNames": Name::json_schema(&mut SchemaGenerator::default()), "additionalProperties": value });
    let nullable = |schema: Schema| json!({ "anyOf": [schema, { "type": "null" }] });
    match key {
        "drillyard" => json!({ "const": 1, "description": "The version of the scenario language" }),
        "fragment" => {
            json!({ "type": "boolean", "description": "Whether this is no drill: a file whose steps others bring in with `use`" })
        }
        "name" => {
            json!({ "type": "string", "description": "What reports call the drill; by default the file's name" })
        }
        "about" => json!({ "type": "string", "description": "What the drill is about, in a few sentences" }),
        "tags" => {
            json!({ "type": "array", "items": { "type": "string" }, "description": "Words by which drills are selected: --tag" })
        }
        "postgres" => {
            json!({ "type": "array", "items": { "type": "integer" }, "description": "Major versions: each is its own run" })
        }
        "params" => {
            json!({ "type": "object", "additionalProperties": Scalar::json_schema(generator), "description": "${params.x}; overridden by --set x=..." })
        }
        "matrix" => matrix(generator),
        "exclude" => excluded(generator),
        "timeout" => {
            described(json!(Duration::json_schema(generator)), "The most that the whole drill may take; 15m by default")
        }
        "network" => described(
            json!(NetworkSpec::json_schema(generator)),
            "Whether servers with somebody else's data are cut off from the network; by default where that can be had",
        ),
        "repos" => described(
            names(nullable(generator.subschema_for::<RepoFields>())),
            "Where base backups and WAL are kept, by name",
        ),
        "nodes" => described(
            names(nullable(generator.subschema_for::<NodeFields>())),
            "The servers that run before the first step, by name",
        ),
        "budgets" => described(
            json!(generator.subschema_for::<Budgets>()),
            "The time that recovery may take, and what it may lose",
        ),
        "prove" => described(json!(generator.subschema_for::<Prove>()), "What `drillyard prove` has to know"),
        "notify" => {
            let about = "Whom it tells how it came out: each line one channel, and of which runs";
            json!({ "type": "array", "items": generator.subschema_for::<NotifySpec>(), "description": about })
        }
        "heartbeat" => {
            json!({ "type": "string", "description": "A URL that is called if the drill passed, and only then" })
        }
        "finally" => {
            let about = "Steps that run whatever happened before them";
            json!({ "type": "array", "items": { "$ref": "#/$defs/Step" }, "minItems": 1, "description": about })
        }
        _ => {
            let about = "The steps, one after another";
            json!({ "type": "array", "items": { "$ref": "#/$defs/Step" }, "minItems": 1, "description": about })
        }
    }
}

/// What the matrix takes.
fn matrix(generator: &mut SchemaGenerator) -> Value {
    let values = json!({ "type": "array", "items": Scalar::json_schema(generator), "minItems": 1 });
    json!({ "type": "object", "properties": { "exclude": excluded(generator) }, "additionalProperties": values,
            "description": "Params with lists of values: each combination is a drill of its own" })
}

/// What is left out of it.
fn excluded(generator: &mut SchemaGenerator) -> Value {
    let about = "Combinations of the matrix that are left out: each line the params that it is about";
    json!({ "type": "array", "items": { "type": "object", "additionalProperties": Scalar::json_schema(generator) },
            "description": about })
}

/// The same schema with what it is for.
fn described(mut schema: Value, about: &str) -> Value {
    schema["description"] = json!(about);
    schema
}

/// A step: the common keys and one action. All of them are properties of one object, since a
/// `oneOf` over whole actions breaks completion in editors.
fn step(generator: &mut SchemaGenerator) -> Value {
    let mut properties = Map::new();
    let id =
        described(json!(Name::json_schema(generator)), "What later steps call it; with an id some steps are marks");
    properties.insert("id".to_owned(), id);
    properties.insert("name".to_owned(), json!({ "type": "string", "description": "What reports call it" }));
    let within = described(json!(Duration::json_schema(generator)), "The step's deadline");
    properties.insert("within".to_owned(), within);
    let expect = described(json!(generator.subschema_for::<Expect>()), "That it must fail, and how");
    properties.insert("expect".to_owned(), expect);
    let when = described(json!(generator.subschema_for::<When>()), "On which versions it runs");
    properties.insert("when".to_owned(), when);
    let retry = "Of an assertion: it is tried again until it holds, or until `within` has run out";
    properties.insert("retry".to_owned(), json!({ "type": "boolean", "description": retry }));
    let during = described(json!(generator.subschema_for::<During>()), "Of an incident: while which step it happens");
    properties.insert("during".to_owned(), during);
    let with = "The params of the fragment that `use` names; those with a default may be left out";
    let with = described(json!(Ordered::<String, Scalar>::json_schema(generator)), with);
    properties.insert(WITH.to_owned(), with);
    for kind in KINDS {
        let value = match kind.role {
            Role::Group => {
                let judges: Vec<&str> = KINDS.iter().filter(|k| k.role == Role::Check).map(|k| k.name).collect();
                json!({ "type": "array", "items": { "$ref": "#/$defs/Step" }, "minItems": 1,
                        "description": format!("Runs every one of these checks: {}", judges.join(", ")) })
            }
            _ => json!((kind.schema)(generator)),
        };
        properties.insert(kind.name.to_owned(), value);
    }
    let mut step = json!({
        "type": "object",
        "description": "One action, and any of the common keys",
        "properties": properties,
        "additionalProperties": false,
        "dependentRequired": { WITH: [USE] },
    });
    schema_editor::one_action(&mut step, |_| true);
    step
}

/// Where a number or a boolean is expected, a reference may stand: `rows: "${params.rows}"`. An
/// editor must not underline it.
fn references(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            object.values_mut().for_each(references);
            let plain = |name: &str| matches!(name, "integer" | "number" | "boolean" | "null");
            let only_plain = match object.get("type") {
                Some(Value::String(name)) => plain(name) && name != "null",
                Some(Value::Array(names)) => names.iter().all(|name| name.as_str().is_some_and(plain)),
                _ => false,
            };
            if only_plain {
                let description = object.shift_remove("description");
                let value = Value::Object(std::mem::take(object));
                object.extend(description.map(|text| ("description".to_owned(), text)));
                object.insert("anyOf".to_owned(), json!([value, { "type": "string", "pattern": REFERENCE }]));
            }
        }
        Value::Array(items) => items.iter_mut().for_each(references),
        _ => {}
    }
}

/// A text that is a reference.
const REFERENCE: &str = r"^\$\{.*\}$";

/// Where a single word may stand in the place of a map, says so: the field for it is nothing that
/// people write.
fn words(schema: &mut Value) {
    match schema {
        Value::Object(object) => {
            let word = object.get_mut("properties").and_then(Value::as_object_mut).and_then(|p| p.shift_remove(WORD));
            if let Some(word) = word {
                let description = object.shift_remove("description");
                let map = Value::Object(std::mem::take(object));
                object.extend(description.map(|text| ("description".to_owned(), text)));
                object.insert("anyOf".to_owned(), json!([word, map]));
            }
            object.values_mut().for_each(words);
        }
        Value::Array(items) => items.iter_mut().for_each(words),
        _ => {}
    }
}

/// That the schema is one of an object, and knows every step: what editors need.
#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_in_the_schema_with_its_manual_page() {
        let schema = schema();
        for kind in KINDS {
            let step = &schema["$defs"]["Step"]["properties"][kind.name];
            assert!(step["description"].as_str().is_some_and(|text| !text.is_empty()), "{}", kind.name);
        }
        assert!(!schema.to_string().contains(WORD));
    }

    #[test]
    fn a_reference_may_stand_for_a_number_or_a_boolean() {
        let schema = schema();
        let fields = |step: &str| schema["$defs"]["Step"]["properties"][step]["properties"].clone();
        let reference = json!({ "type": "string", "pattern": REFERENCE });
        for field in [&fields("create_data")["rows"], &fields("drop_table")["cascade"], &fields("traffic")["rate"]] {
            assert_eq!(field["anyOf"][1], reference, "{field}");
            assert!(field["description"].is_string(), "{field}");
        }
        assert_eq!(schema["$defs"]["Rpo"]["properties"]["max_lost"]["anyOf"][1], reference);
        assert_eq!(schema["properties"]["postgres"]["items"]["anyOf"][1], reference);
        assert_eq!(schema["properties"]["drillyard"]["const"], 1);
    }
}
