//! The rows of a query, compared with those that are expected.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{Deserialize, Deserializer, SeqAccess, Visitor};
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::harness::{Context, Finding, Later, Places, Resolved, Scope, StepResult, all_now};
use crate::pg::{quote_identifier, shown_value};
use crate::source::{Late, SEVERAL, Scalar, Span, Spanned, Sql};
use crate::steps::data::values::{Params, is_same};

/// How many rows are shown.
const SHOWN: usize = 10;

/// The rows that a query should return: a list of lists, or one value.
#[derive(Debug, Clone)]
pub struct Equals(pub(crate) Vec<Vec<Late<Scalar>>>);

impl<'de> Deserialize<'de> for Equals {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrRows;
        impl<'de> Visitor<'de> for OneOrRows {
            type Value = Equals;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a list of rows, or one value")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Equals, D::Error> {
                Late::deserialize(deserializer).map(|value| Equals(vec![vec![value]]))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Equals, A::Error> {
                let mut rows = vec![];
                while let Some(row) = list.next_element()? {
                    rows.push(row);
                }
                Ok(Equals(rows))
            }
        }
        deserializer.deserialize_newtype_struct(SEVERAL, OneOrRows)
    }
}

impl JsonSchema for Equals {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Equals".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let value = generator.subschema_for::<Scalar>();
        schemars::json_schema!({ "anyOf": [value, { "type": "array", "items": { "type": "array", "items": value } }] })
    }
}

/// What a query has returned.
pub(crate) struct Answer {
    /// How many columns its rows have; none where it has no result at all.
    pub columns: Option<usize>,
    /// The rows, as text.
    pub rows: Vec<Vec<Option<String>>>,
}

/// Checks that a query returns these rows.
pub(crate) async fn check_query(
    cx: &mut Context<'_>,
    client: &Client,
    query: &Spanned<Sql>,
    args: &[Scalar],
    equals: &Spanned<Vec<Vec<Scalar>>>,
) -> StepResult {
    let answer = answer(client, query.as_str(), args).await;
    let Answer { columns, rows } = answer.map_err(|error| uncheckable(error, query.span, ""))?;
    let wanted_rows = &equals.value;
    let nothing = |label: &str| {
        let finding = Finding::failed("a query without a result proves nothing").at(query.span).label(label);
        finding.help("write a SELECT of the values that are to be compared with `equals`")
    };
    match columns {
        None => return Err(nothing("it returns no rows: it is no SELECT")),
        Some(0) => return Err(nothing("its rows have no columns")),
        Some(_) => {}
    }
    cx.fact("rows", rows.len());
    let same = rows.len() == wanted_rows.len()
        && rows.iter().zip(wanted_rows).all(|(row, wanted)| {
            row.len() == wanted.len() && row.iter().zip(wanted).all(|(value, wanted)| is_same(value.as_deref(), wanted))
        });
    if same {
        return Ok(());
    }
    let wanted: Vec<Vec<Option<String>>> =
        wanted_rows.iter().map(|row| row.iter().map(Scalar::nullable_text).collect()).collect();
    Err(Finding::failed("the rows are not those expected")
        .at(equals.entry)
        .label(format!("the query returned {}", counted(rows.len())))
        .note("expected", shown(&wanted))
        .note("actual", shown(&rows)))
}

/// What a server says of a query that it does not run.
pub(crate) fn uncheckable(error: tokio_postgres::Error, query: Span, place: &str) -> Box<Finding> {
    Box::<Finding>::from(error).at(query).titled(format!("the query cannot be checked{place}"))
}

/// The query's rows as text.
pub(crate) async fn answer(client: &Client, query: &str, args: &[Scalar]) -> Result<Answer, tokio_postgres::Error> {
    if args.is_empty() {
        let mut answer = Answer { columns: None, rows: vec![] };
        for message in client.simple_query(query).await? {
            match message {
                SimpleQueryMessage::RowDescription(columns) => answer.columns = Some(columns.len()),
                SimpleQueryMessage::Row(row) => {
                    answer.rows.push((0..row.len()).map(|i| row.get(i).map(str::to_owned)).collect());
                }
                _ => {}
            }
        }
        return Ok(answer);
    }
    let columns = client.prepare(query).await?.columns().len();
    let names: Vec<String> = (1..=columns).map(|n| quote_identifier(&format!("c{n}"))).collect();
    let texts: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
    if columns == 0 {
        return Ok(Answer { columns: Some(0), rows: vec![] });
    }
    let query = query.trim().trim_end_matches(';');
    let wrapped = format!("SELECT {} FROM (\n{query}\n) AS q({})", texts.join(", "), names.join(", "));
    let rows = client.query(&wrapped, &Params::of(args).all()).await?;
    let rows = rows.iter().map(|row| (0..columns).map(|i| row.get(i)).collect()).collect();
    Ok(Answer { columns: Some(columns), rows })
}

/// So many rows, in words.
pub(crate) fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

fn shown(rows: &[Vec<Option<String>>]) -> String {
    let line = |row: &Vec<Option<String>>| {
        let values: Vec<String> = row.iter().map(|value| shown_value(value.as_deref())).collect();
        format!("[{}]", values.join(", "))
    };
    if rows.is_empty() { "no rows".to_owned() } else { first_of(rows.iter().map(line), SHOWN) }
}

/// The first lines, and how many more there are.
pub(crate) fn first_of(mut lines: impl ExactSizeIterator<Item = String>, most: usize) -> String {
    let mut shown: Vec<String> = lines.by_ref().take(most).collect();
    if lines.len() > 0 {
        shown.push(format!("... and {} more", lines.len()));
    }
    shown.join("\n")
}

/// The rows that a query should return, as they are now. What an earlier step has not found proves
/// nothing.
pub(crate) async fn equals_now(
    cx: &Context<'_>,
    equals: &Spanned<Vec<Vec<Later<Scalar>>>>,
    allow_empty: bool,
) -> Result<Spanned<Vec<Vec<Scalar>>>, Box<Finding>> {
    let mut rows = vec![];
    for row in &equals.value {
        let values = all_now(cx, row, None).await?;
        let is_nothing = |(value, now): &(&Later<Scalar>, &Scalar)| value.known().is_none() && **now == Scalar::Null;
        if let Some((value, _)) = row.iter().zip(&values).find(is_nothing).filter(|_| !allow_empty) {
            let finding = Finding::errored(format!("`{value}` is NULL")).at(equals.entry);
            let help = "if NULL is really what is right, say `allow_empty: true`";
            return Err(finding.label("a comparison with nothing proves nothing").help(help));
        }
        rows.push(values);
    }
    Ok(Spanned { value: rows, span: equals.span, entry: equals.entry })
}

/// The rows that a query should return, each reference in them looked up.
pub(crate) fn resolved(equals: Spanned<Equals>, scope: &mut Scope<'_>) -> Resolved<Spanned<Vec<Vec<Later<Scalar>>>>> {
    let Spanned { value, span, entry } = equals;
    let rows: Vec<_> = value.0.into_iter().map(|row| scope.all_later(row, Places::Nowhere)).collect();
    Some(Spanned { value: rows.into_iter().collect::<Resolved<_>>()?, span, entry })
}
