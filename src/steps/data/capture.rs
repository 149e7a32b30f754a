//! Values that a scenario keeps from what a session returns: `capture`.

use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use serde_json::Value;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::harness::{Context, Finding, Scope, StepResult};
use crate::pg::{error_message, quote_identifier};
use crate::source::{Ordered, SEVERAL, Scalar, Span, Spanned, Sql, choices};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::data::values::Params;

/// What is captured: columns of the one row that the last query returns, or what queries of their
/// own return, by name.
#[derive(Debug, Clone)]
pub enum Capture {
    /// Columns, by their names.
    Columns(Vec<Spanned<String>>),
    /// Queries that return one value.
    Queries(Ordered<String, Spanned<Sql>>),
}

impl<'de> Deserialize<'de> for Capture {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ListOrMap;
        impl<'de> Visitor<'de> for ListOrMap {
            type Value = Capture;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of columns, or a map of names to queries")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Capture, D::Error> {
                Ordered::deserialize(deserializer).map(Capture::Queries)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Capture, A::Error> {
                let mut columns = vec![];
                while let Some(column) = list.next_element()? {
                    columns.push(column);
                }
                Ok(Capture::Columns(columns))
            }
        }
        deserializer.deserialize_newtype_struct(SEVERAL, ListOrMap)
    }
}

impl JsonSchema for Capture {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Capture".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let query = generator.subschema_for::<Sql>();
        json_schema!({ "anyOf": [
            { "type": "array", "items": { "type": "string" }, "minItems": 1 },
            { "type": "object", "additionalProperties": query, "minProperties": 1 },
        ] })
    }
}

/// A result of a text of SQL: its columns, and its rows as text.
#[derive(Debug, Default)]
pub(crate) struct Rows {
    pub columns: Vec<String>,
    pub rows: Vec<Vec<Option<String>>>,
}

impl Rows {
    /// The last result among what a session has answered; none if no query returned rows.
    pub(crate) fn last(messages: Vec<SimpleQueryMessage>) -> Option<Rows> {
        let mut last: Option<Rows> = None;
        for message in messages {
            match message {
                SimpleQueryMessage::RowDescription(columns) => {
                    let columns = columns.iter().map(|column| column.name().to_owned()).collect();
                    last = Some(Rows { columns, rows: vec![] });
                }
                SimpleQueryMessage::Row(row) => {
                    let values = (0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect();
                    last.get_or_insert_default().rows.push(values);
                }
                _ => {}
            }
        }
        last
    }

    /// The rows that a statement with parameters returns, as text.
    pub(crate) async fn of_statement(
        session: &Client,
        text: &str,
        args: &[Scalar],
    ) -> Result<Rows, tokio_postgres::Error> {
        let columns: Vec<String> =
            session.prepare(text).await?.columns().iter().map(|column| column.name().to_owned()).collect();
        let names: Vec<String> = (1..=columns.len()).map(|n| quote_identifier(&format!("c{n}"))).collect();
        let texts: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        let text = text.trim().trim_end_matches(';');
        // As a part of a query, so that its values come as the server writes them.
        let wrapped = format!("WITH q({}) AS (\n{text}\n) SELECT {} FROM q", names.join(", "), texts.join(", "));
        let rows = session.query(&wrapped, &Params::of(args).all()).await?;
        let rows = rows.iter().map(|row| (0..columns.len()).map(|i| row.get(i)).collect()).collect();
        Ok(Rows { columns, rows })
    }

    /// Its one row.
    fn one(&self, at: Span) -> Result<&[Option<String>], Box<Finding>> {
        let label = match self.rows.as_slice() {
            [row] => return Ok(row),
            [] => "it returned no row".to_owned(),
            rows => format!("it returned {} rows", rows.len()),
        };
        Err(Finding::failed("a value is captured from one row").at(at).label(label))
    }
}

impl Capture {
    /// Checks it, and notes the names for later steps; `entry` is where it stands.
    pub(crate) fn resolve(&self, scope: &mut Scope<'_>, entry: Span) {
        let names: Vec<(String, Span)> = match self {
            Capture::Columns(columns) => columns.iter().map(|name| (name.value.clone(), name.span)).collect(),
            Capture::Queries(queries) => queries.iter().map(|(name, _)| (name.value.clone(), name.span)).collect(),
        };
        if names.is_empty() {
            let help = "a list of columns, or a map of names to queries";
            scope.error_help(entry, "`capture` captures nothing", "which values?", help);
        }
        if let Capture::Queries(queries) = self {
            queries.iter().for_each(|(_, query)| check_placeholders(scope, query, Given::NOTHING));
        }
        scope.captures(names);
    }

    /// Whether it is of the rows that the step's own SQL returns.
    pub(crate) fn is_of_columns(&self) -> bool {
        matches!(self, Capture::Columns(_))
    }

    /// Keeps the columns of the last result of the step's SQL, which stands at `sql`.
    pub(crate) fn keep_columns(&self, cx: &mut Context<'_>, sql: Span, last: Option<&Rows>) -> StepResult {
        let Capture::Columns(columns) = self else { return Ok(()) };
        let none = || Finding::failed("a value is captured from one row").at(sql).label("no query in it returns rows");
        let last = last.ok_or_else(none)?;
        let row = last.one(sql)?;
        for column in columns {
            let mut found = last.columns.iter().zip(row).filter(|(name, _)| **name == column.value);
            let (Some((_, value)), None) = (found.next(), found.next()) else {
                let there = last.columns.iter().filter(|name| **name == column.value).count();
                let title = match there {
                    0 => format!("the query returns no column `{}`", column.value),
                    several => format!("the query returns {several} columns `{}`", column.value),
                };
                let label = format!("it returns {}", choices(last.columns.iter().map(String::as_str), "and"));
                return Err(Finding::failed(title).at(column.span).label(label));
            };
            cx.capture(column, as_value(value.as_deref()))?;
        }
        Ok(())
    }

    /// Asks the queries, and keeps what they return.
    pub(crate) async fn ask(&self, cx: &mut Context<'_>, client: &Client) -> StepResult {
        let Capture::Queries(queries) = self else { return Ok(()) };
        for (name, query) in queries {
            let title = format!("`{}` cannot be captured", name.value);
            let answer = client.simple_query(query.as_str()).await;
            let answer = answer.map_err(|error| Finding::failed(&title).at(query.span).label(error_message(&error)))?;
            let wrong = |label: String| Finding::failed(&title).at(query.span).label(label);
            let rows = Rows::last(answer).ok_or_else(|| wrong("it returns no rows: it is no SELECT".to_owned()))?;
            let [value] = rows.one(query.span)? else {
                return Err(wrong(format!("it returns {} columns, and one is wanted", rows.columns.len())));
            };
            cx.capture(name, as_value(value.as_deref()))?;
        }
        Ok(())
    }
}

fn as_value(text: Option<&str>) -> Value {
    text.map_or(Value::Null, Value::from)
}
