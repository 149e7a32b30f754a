//! `assert_rows`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, SimpleQueryMessage};

use crate::data::{Comparison, Rest, Wanted, compare};
use crate::harness::{Context, Effects, Finding, NodeField, Output, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::node::Text;
use crate::pg::{TableName, quote_identifier, shown_value};
use crate::source::{Name, Scalar, Spanned, Sql};
use crate::steps::data::sql::shorten;

/// Checks rows.
///
/// ```yaml
/// - assert_rows: { node: master, query: "SELECT count(*) FROM shop.orders WHERE amount < 0", equals: [[0]] }
/// - assert_rows: { node: rescue, table: shop.orders, count: 100000 }
/// - assert_rows: { node: rescue, table: shop.orders, same_as: before }
/// ```
///
/// A query's rows are compared with `equals` in their order: numbers as numbers, everything else as
/// text. `count` is the number of a table's rows. `same_as` is the id of a `snapshot` or
/// `create_data` step, or another node with a table of the same name. Whole tables are compared by
/// a checksum that does not depend on the order of the rows. If it differs, the first rows that
/// differ are named, column by column. A snapshot of more than 2,000 rows can only say in which
/// part of the table they are, and in which columns. Columns must have the same names, in whatever
/// order. `database` is where the table is, if that is not the node's own one.
///
/// It passes if the rows are the same. An assertion over zero rows fails unless it says
/// `allow_empty: true`.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertRows {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// A query.
    #[serde(default)]
    query: Option<Spanned<Sql>>,
    /// Bound as `$1`, `$2` ...
    #[serde(default)]
    args: Vec<Scalar>,
    /// The rows that it should return.
    #[serde(default)]
    equals: Option<Spanned<Vec<Vec<Scalar>>>>,
    /// A table.
    #[serde(default)]
    table: Option<Spanned<TableName>>,
    /// How many rows it should have.
    #[serde(default)]
    count: Option<Spanned<u64>>,
    /// What it should be the same as.
    #[serde(default)]
    same_as: Option<Spanned<Name>>,
    /// The database to look in, also on the node that is `same_as`.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Allows zero rows.
    #[serde(default)]
    allow_empty: bool,
}

impl StepKind for AssertRows {
    type Step = Self;

    const NAME: &'static str = "assert_rows";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Check;

    fn resolve(mut self, scope: &mut Scope<'_>) -> Resolved<Self> {
        self.look_up(scope);
        Some(self)
    }
}

impl AssertRows {
    fn look_up(&mut self, scope: &mut Scope<'_>) {
        self.node.look_up(scope);
        let forms = "`query, equals`, `table, count` or `table, same_as`";
        match (&self.query, &self.table) {
            (Some(query), None) => {
                if self.equals.is_none() {
                    scope.error(query.entry, "`equals` is missing", "which rows should it return?");
                }
                for entry in
                    [self.count.as_ref().map(|c| c.entry), self.same_as.as_ref().map(|s| s.entry)].into_iter().flatten()
                {
                    scope.error_help(entry, "this goes with `table`", "not with a query", format!("one of {forms}"));
                }
            }
            (None, Some(table)) => match (&self.count, &self.same_as) {
                (None, None) => {
                    scope.error_help(
                        table.entry,
                        "`count` or `same_as` is missing",
                        "what should it hold?",
                        format!("one of {forms}"),
                    );
                }
                (Some(_), Some(same_as)) => {
                    scope.error(same_as.entry, "`count` and `same_as` exclude each other", "one of the two");
                }
                _ => {}
            },
            (None, None) => {
                scope.error_help(
                    scope.action,
                    "`query` or `table` is missing",
                    "which rows?",
                    format!("one of {forms}"),
                );
            }
            (Some(_), Some(table)) => {
                scope.error(table.entry, "`query` and `table` exclude each other", "one of the two");
            }
        }
        let empty = match (&self.equals, &self.count) {
            (Some(equals), _) if equals.value.is_empty() => Some(equals.entry),
            (_, Some(count)) if count.value == 0 => Some(count.entry),
            _ => None,
        };
        if let (Some(entry), false) = (empty, self.allow_empty) {
            let help = "if no rows are really what is right, say `allow_empty: true`";
            scope.error_help(entry, "an assertion over zero rows proves nothing", "zero rows", help);
        }
        if let Some(equals) = &self.equals {
            let mut widths = equals.value.iter().map(Vec::len);
            let first = widths.next();
            if first == Some(0) {
                scope.error(equals.entry, "a row without values proves nothing", "which values should it have?");
            } else if let Some(other) = widths.find(|width| Some(*width) != first) {
                let label = format!("the first one has {}, another one has {other}", first.unwrap_or_default());
                scope.error(equals.entry, "the rows of `equals` have different numbers of values", label);
            }
        }
        if let Some(same_as) = &self.same_as {
            if scope.nodes.contains_key(same_as.as_str()) && !scope.ids.contains_key(same_as.as_str()) {
                scope.named_node(same_as);
                if same_as.as_str() == self.node.as_str() {
                    scope.error(
                        same_as.entry,
                        "a table is always the same as itself",
                        "this is the node that is judged",
                    );
                }
            } else {
                scope.step_with(same_as, &[Output::Snapshot, Output::Data]);
            }
        }
    }
}

/// How many differing rows are shown.
const SHOWN: usize = 10;

#[async_trait(?Send)]
impl Step for AssertRows {
    fn title(&self) -> String {
        match (&self.query, &self.table, &self.count, &self.same_as) {
            (Some(query), ..) => format!("{} on {}", shorten(query.as_str()), self.node),
            (_, Some(table), Some(count), _) => format!("{} rows in {} on {}", count.value, table.value, self.node),
            (_, Some(table), _, Some(same)) => format!("{} on {} same as {}", table.value, self.node, same.value),
            _ => "rows".to_owned(),
        }
    }

    fn effects(&self) -> Effects {
        Effects::anything()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(self.node.as_str())?;
        let client = cx.client_in(&node, self.database.as_ref()).await?;
        match (&self.query, &self.table, &self.count, &self.same_as) {
            (Some(query), ..) => self.judge_query(cx, &client, query).await,
            (_, Some(table), Some(count), _) => self.judge_count(cx, &client, table, count).await,
            (_, Some(table), _, Some(same_as)) => self.judge_same(cx, &client, table, same_as).await,
            _ => Err(Finding::errored("there is nothing to judge")),
        }
    }
}

/// What a query has returned.
struct Answer {
    /// How many columns its rows have; none where it has no result at all.
    columns: Option<usize>,
    /// The rows, as text.
    rows: Vec<Vec<Option<String>>>,
}

impl AssertRows {
    async fn judge_query(&self, cx: &mut Context<'_>, client: &Client, query: &Spanned<Sql>) -> StepResult {
        let rows = self.rows(client, query.as_str()).await.map_err(|error| {
            let finding: Box<Finding> = error.into();
            let said = finding.title.clone();
            let mut finding = finding.at(query.span).label(said);
            finding.title = "the query cannot be judged".to_owned();
            finding
        })?;
        let Answer { columns, rows } = rows;
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
        let Some(equals) = &self.equals else { return Err(Finding::errored("`equals` is missing")) };
        let same = rows.len() == equals.value.len()
            && rows.iter().zip(&equals.value).all(|(row, wanted)| {
                row.len() == wanted.len()
                    && row.iter().zip(wanted).all(|(value, wanted)| is_same(value.as_deref(), wanted))
            });
        if same {
            return Ok(());
        }
        let wanted: Vec<Vec<Option<String>>> =
            equals.value.iter().map(|row| row.iter().map(Scalar::nullable_text).collect()).collect();
        Err(Finding::failed("the rows are not those expected")
            .at(equals.entry)
            .label(format!("the query returned {}", counted(rows.len())))
            .note("expected", shown(&wanted))
            .note("actual", shown(&rows)))
    }

    /// The query's rows as text.
    async fn rows(&self, client: &Client, query: &str) -> Result<Answer, tokio_postgres::Error> {
        if self.args.is_empty() {
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
        let args: Vec<Text> = self.args.iter().map(|arg| Text(arg.nullable_text())).collect();
        let params: Vec<&(dyn ToSql + Sync)> = args.iter().map(|arg| arg as &(dyn ToSql + Sync)).collect();
        let rows = client.query(&wrapped, &params).await?;
        let rows = rows.iter().map(|row| (0..columns).map(|i| row.get(i)).collect()).collect();
        Ok(Answer { columns: Some(columns), rows })
    }

    async fn judge_count(
        &self,
        cx: &mut Context<'_>,
        client: &Client,
        table: &Spanned<TableName>,
        count: &Spanned<u64>,
    ) -> StepResult {
        let row = client.query_one(&format!("SELECT count(*) FROM {}", table.quoted()), &[]).await;
        let rows = row.map_err(|error| missing(error.into(), table))?.get::<_, i64>(0).cast_unsigned();
        cx.fact("rows", rows);
        match rows == count.value {
            true => Ok(()),
            false => Err(Finding::failed(format!("{} has not the expected number of rows", table.value))
                .at(count.entry)
                .label(format!("it has {rows}"))),
        }
    }

    async fn judge_same(
        &self,
        cx: &mut Context<'_>,
        client: &Client,
        table: &Spanned<TableName>,
        same_as: &Spanned<Name>,
    ) -> StepResult {
        let id = same_as.as_str();
        let from_data = cx.world.outputs().generated.get(id).cloned();
        let from_snapshot = cx.world.outputs().snapshots.get(id).cloned();
        let other;
        let wanted = match (&from_data, &from_snapshot) {
            (Some((generator, sum)), _) => Wanted::Generated(generator, *sum),
            (_, Some(snapshot)) => {
                let named = snapshot.rows.iter().find(|(name, _)| name.quoted() == table.quoted());
                let found = named.or(snapshot.rows.first().filter(|_| snapshot.rows.len() == 1));
                Wanted::RowsSnapshot(found.map(|(_, remembered)| &**remembered).ok_or_else(|| {
                    Finding::errored(format!("snapshot `{id}` has no rows of {}", table.value)).at(same_as.span)
                })?)
            }
            _ => {
                other = cx.client_in(&*cx.world.node(id)?, self.database.as_ref()).await?;
                Wanted::Server(&other)
            }
        };
        let compared = compare(wanted, client, &table.value, SHOWN).await;
        let compared = compared.map_err(|e| Finding::failed(e.to_string()).at(table.span))?;
        if compared.columns.is_empty() {
            cx.fact("rows", compared.second);
        }
        if !compared.same {
            if let Rest::Exactly(rows) | Rest::AtLeast(rows) = compared.rest
                && rows > 0
            {
                cx.fact("differing", rows);
            }
            let finding = Finding::failed(format!("{} is not the same as `{id}`", table.value));
            return Err(finding
                .at(same_as.entry)
                .label(self.difference(id, &compared))
                .note("diff", compared.to_string()));
        }
        if compared.second == 0 && !self.allow_empty {
            return Err(Finding::failed("an assertion over zero rows proves nothing")
                .at(same_as.entry)
                .label("both are empty")
                .help("if no rows are really what is right, say `allow_empty: true`"));
        }
        Ok(())
    }

    /// What is different, in a few words.
    fn difference(&self, id: &str, compared: &Comparison) -> String {
        let (wanted, now) = (counted(compared.first as usize), counted(compared.second as usize));
        match compared {
            _ if !compared.columns.is_empty() => "the columns are not the same".to_owned(),
            _ if compared.first == compared.second => format!("both have {now}, with different content"),
            _ => format!("`{id}` has {wanted}, `{}` has {now}", self.node),
        }
    }
}

fn missing(finding: Box<Finding>, table: &Spanned<TableName>) -> Box<Finding> {
    let said = finding.title.clone();
    let mut finding = finding.at(table.span).label(said);
    finding.title = format!("{} cannot be read", table.value);
    finding
}

/// Whether a value from the server is the wanted one: by its text, numbers as numbers, booleans as `t` and `f`.
pub(crate) fn is_same(value: Option<&str>, wanted: &Scalar) -> bool {
    match (value, wanted) {
        (None, Scalar::Null) => true,
        (None, _) | (_, Scalar::Null) => false,
        (Some(value), Scalar::Bool(yes)) => value == if *yes { "t" } else { "f" } || value == yes.to_string(),
        (Some(value), Scalar::Integer(_) | Scalar::Float(_)) => {
            let wanted = wanted.text();
            value == wanted || is_same_number(value, &wanted)
        }
        (Some(value), Scalar::Text(text)) => value == text,
    }
}

/// Compares decimal numbers by their digits, so that nothing is rounded: `1.50` is `1.5`.
fn is_same_number(a: &str, b: &str) -> bool {
    fn plain(text: &str) -> Option<(bool, &str, &str)> {
        let (negative, digits) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (whole, fraction) = digits.split_once('.').unwrap_or((digits, ""));
        let all_digits = |part: &str| part.bytes().all(|b| b.is_ascii_digit());
        let (whole, fraction_trimmed) = (whole.trim_start_matches('0'), fraction.trim_end_matches('0'));
        let fits = !digits.is_empty() && all_digits(whole) && all_digits(fraction);
        let zero = whole.is_empty() && fraction_trimmed.is_empty();
        fits.then_some((negative && !zero, whole, fraction_trimmed))
    }
    match (plain(a), plain(b)) {
        (Some(a), Some(b)) => a == b,
        _ => matches!((a.parse::<f64>(), b.parse::<f64>()), (Ok(a), Ok(b)) if a == b),
    }
}

fn counted(rows: usize) -> String {
    if rows == 1 { "1 row".to_owned() } else { format!("{rows} rows") }
}

fn shown(rows: &[Vec<Option<String>>]) -> String {
    let line = |row: &Vec<Option<String>>| {
        let values: Vec<String> = row.iter().map(|value| shown_value(value.as_deref())).collect();
        format!("[{}]", values.join(", "))
    };
    let mut lines: Vec<String> = rows.iter().take(SHOWN).map(line).collect();
    if rows.len() > SHOWN {
        lines.push(format!("... and {} more", rows.len() - SHOWN));
    }
    if lines.is_empty() { "no rows".to_owned() } else { lines.join("\n") }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_people_mean_them() {
        assert!(is_same(Some("1.50"), &Scalar::Float("1.5".to_owned())));
        assert!(is_same(Some("-0.0"), &Scalar::Integer(0)));
        assert!(is_same(Some("t"), &Scalar::Bool(true)));
        assert!(is_same(None, &Scalar::Null));
        assert!(!is_same(Some(""), &Scalar::Null));
        assert!(!is_same(Some("f"), &Scalar::Bool(true)));
        assert!(!is_same(Some("10"), &Scalar::Integer(1)));
        assert!(!is_same(Some("12345678901234567891"), &Scalar::Float("12345678901234567890".to_owned())));
        assert!(!is_same(Some("1.5"), &Scalar::Text("1.50".to_owned())));
    }
}
