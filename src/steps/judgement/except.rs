//! What of a table is compared, and which differences are meant.

use std::collections::BTreeSet;

use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::data::{Chosen, Comparison, Rest, RowDifference, STABLE, View};
use crate::harness::{Finding, Scope};
use crate::pg::sql::not_closed;
use crate::pg::{ColumnName, shown_value};
use crate::source::{Scalar, Several, Span, Spanned, Sql};
use crate::steps::data::placeholders::{Given, check as check_placeholders};
use crate::steps::data::values::is_same;
use crate::steps::judgement::query_rows::{Answer, answer, uncheckable};

/// Differences that are meant.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExceptSpec {
    /// Columns whose values may differ.
    #[serde(default)]
    columns: Option<Spanned<Several<Spanned<ColumnName>>>>,
    /// The keys of rows that may differ, be missing or be there: `[[17], [18]]`.
    #[serde(default)]
    keys: Option<Spanned<Vec<Spanned<Several<Scalar>>>>>,
    /// A query, on the node that is checked, that returns the keys of such rows.
    #[serde(default)]
    rows: Option<Spanned<Sql>>,
}

/// What of a table is compared, as the fields of a step say.
#[derive(Debug, Clone, Default)]
pub(crate) struct NarrowFields {
    pub filter: Option<Spanned<Sql>>,
    pub columns: Option<Spanned<Several<Spanned<ColumnName>>>>,
    pub except: Option<Spanned<ExceptSpec>>,
}

/// What of a table is compared, and which differences are meant.
#[derive(Debug, Clone, Default)]
pub(crate) struct Narrowed {
    /// The condition for rows.
    pub filter: Option<Spanned<Sql>>,
    /// The columns that are named, those that are compared or those that are not.
    columns: Vec<Spanned<ColumnName>>,
    /// Where the differences that are meant stand, if there are any.
    except: Option<Except>,
    /// What of the table is compared.
    pub view: View,
}

/// Differences that are meant.
#[derive(Debug, Clone)]
struct Except {
    at: Span,
    keys: Vec<Spanned<Several<Scalar>>>,
    rows: Option<Spanned<Sql>>,
}

impl NarrowFields {
    /// Where what goes with `same_as` alone stands.
    pub fn of_comparison(&self) -> Vec<(Span, &'static str)> {
        let columns = self.columns.as_ref().map(|columns| (columns.entry, "columns"));
        columns.into_iter().chain(self.except.as_ref().map(|except| (except.entry, "except"))).collect()
    }

    /// What they say.
    pub fn resolve(self, scope: &mut Scope<'_>) -> Narrowed {
        check_filter(self.filter.as_ref(), scope);
        let only = self.columns.map(|columns| named(columns, scope));
        let mut except = self.except.map(|except| (except.entry, except.value));
        let but =
            except.as_mut().and_then(|(_, except)| except.columns.take()).map(|but| (but.entry, named(but, scope)));
        if let (Some(_), Some((entry, _))) = (&only, &but) {
            let label = "what is not among `columns` is not compared anyway";
            scope.error(*entry, "`columns` and `columns` of `except` exclude each other", label);
        }
        let names = |columns: &[Spanned<ColumnName>]| columns.iter().map(|one| one.value.as_str().to_owned()).collect();
        let chosen = match (&only, &but) {
            (Some(only), _) => Chosen::Only(names(only)),
            (None, Some((_, but))) => Chosen::But(names(but)),
            (None, None) => Chosen::All,
        };
        let has_columns = but.is_some();
        let except = except.map(|(at, except)| {
            let says = except.keys.is_some() || except.rows.is_some() || has_columns;
            if let Some(rows) = &except.rows {
                check_placeholders(scope, rows, Given::NOTHING);
            }
            let keys = except.keys.map(|keys| check_keys(keys, scope)).unwrap_or_default();
            if !says {
                let help = "`{ columns: [updated_at] }`, `{ keys: [[17]] }` or `{ rows: SELECT id FROM ... }`";
                scope.error_help(at, "`except` names no difference", "which ones are meant?", help);
            }
            Except { at, keys, rows: except.rows }
        });
        let by_key = except.as_ref().is_some_and(|except| except.rows.is_some() || !except.keys.is_empty());
        let filter = self.filter.as_ref().map(|filter| filter.as_str().to_owned());
        let columns = only.or(but.map(|(_, but)| but)).unwrap_or_default();
        Narrowed { filter: self.filter, columns, except, view: View { filter, columns: chosen, by_key } }
    }
}

/// A condition stands alone.
fn check_filter(filter: Option<&Spanned<Sql>>, scope: &mut Scope<'_>) {
    let Some(filter) = filter else { return };
    check_placeholders(scope, filter, Given::NOTHING);
    let text = filter.as_str().trim();
    if text.is_empty() {
        scope.error(filter.span, "`where` is empty", "which rows?");
    } else if text.get(..5).is_some_and(|word| word.eq_ignore_ascii_case("where")) && text[5..].starts_with([' ', '\n'])
    {
        scope.error_help(
            filter.span,
            "`where` is a condition",
            "without the word WHERE",
            format!("`{}`", text[5..].trim()),
        );
    } else if let Some(why) = not_closed(text) {
        scope.error_help(
            filter.span,
            "`where` is no condition by itself",
            why,
            "it is put between parentheses: one expression, which opens all that it closes",
        );
    }
}

/// Columns, each once.
fn named(columns: Spanned<Several<Spanned<ColumnName>>>, scope: &mut Scope<'_>) -> Vec<Spanned<ColumnName>> {
    let list = columns.value.0;
    if list.is_empty() {
        scope.error(columns.entry, "`columns` is empty", "which columns?");
    }
    for (at, column) in list.iter().enumerate() {
        if list[..at].iter().any(|other| other.value == column.value) {
            scope.error(column.span, format!("column {} is named twice", column.value), "once is enough");
        }
    }
    list
}

/// Keys, all with the same number of values.
fn check_keys(keys: Spanned<Vec<Spanned<Several<Scalar>>>>, scope: &mut Scope<'_>) -> Vec<Spanned<Several<Scalar>>> {
    let width = keys.value.first().map_or(0, |key| key.value.0.len());
    if keys.value.is_empty() || width == 0 {
        scope.error_help(keys.entry, "`keys` is empty", "which rows?", "a list of keys: `[[17], [18]]`");
    }
    if let Some(other) = keys.value.iter().find(|key| key.value.0.len() != width) {
        let label = format!("the first key has {}, this one {}", values(width), other.value.0.len());
        scope.error(other.span, "the keys have different numbers of values", label);
    }
    keys.value
}

fn values(count: usize) -> String {
    if count == 1 { "1 value".to_owned() } else { format!("{count} values") }
}

fn rows(count: u64) -> String {
    if count == 1 { "1 row".to_owned() } else { format!("{count} rows") }
}

/// The keys of rows that may differ, on a server.
#[derive(Debug, Default)]
pub(crate) struct Meant {
    /// Those that a query has returned.
    queried: BTreeSet<Vec<Option<String>>>,
    /// How many keys there are.
    pub count: usize,
}

impl Narrowed {
    /// The keys of rows that may differ; `client` is a session on the node that is checked.
    pub async fn meant(&self, client: &Client) -> Result<Meant, Box<Finding>> {
        let Some(except) = &self.except else { return Ok(Meant::default()) };
        let mut queried = BTreeSet::new();
        if let Some(query) = &except.rows {
            // Under the settings under which the table's own values are read.
            client.batch_execute(&format!("begin read only; {STABLE}")).await?;
            let asked = answer(client, query.as_str(), &[]).await;
            client.batch_execute("rollback").await?;
            let Answer { columns, rows } = asked.map_err(|error| uncheckable(error, query.span, ""))?;
            if columns.is_none() {
                return Err(Finding::failed("`rows` of `except` is no query of keys")
                    .at(query.span)
                    .label("it is no SELECT"));
            }
            queried.extend(rows);
        }
        let count = queried.len() + except.keys.len();
        Ok(Meant { queried, count })
    }

    /// Where something that the server does not know is named.
    pub fn place_of(&self, column: &str) -> Option<Span> {
        self.columns.iter().find(|named| named.value.as_str() == column).map(|named| named.span)
    }

    /// Takes the rows that may differ out of what was found, and judges the rest: how many rows
    /// that were meant differ. Without keys all that differs is told as ever.
    pub fn judge(&self, compared: &Comparison, meant: &Meant) -> Result<u64, Box<Finding>> {
        let Some(except) = &self.except else { return Ok(0) };
        let mut differing = 0;
        if self.view.by_key {
            differing = self.judge_rows(except, compared, meant)?;
        }
        if let Some(idle) = compared.idle.first() {
            let rows = if self.view.by_key { "all rows that both have" } else { "all rows" };
            let label = format!("{idle} is the same in {rows}: take it out of `except`");
            return Err(unmet(self.place_of(idle).unwrap_or(except.at), label));
        }
        Ok(differing)
    }

    fn judge_rows(&self, except: &Except, compared: &Comparison, meant: &Meant) -> Result<u64, Box<Finding>> {
        let widths = except.keys.first().map(|key| (key.value.0.len(), key.span));
        let queried = meant.queried.first().map(Vec::len).zip(except.rows.as_ref().map(|rows| rows.span));
        for difference in compared.differences.iter().take(1) {
            let has = difference.values.len();
            if has == 0 {
                let help =
                    "compare the rows that should be the same: `where: CONDITION`, or `columns` with all of a key";
                let label = "the table has no key, or `columns` leaves it out";
                return Err(Finding::failed("rows cannot be told apart").at(except.at).label(label).help(help));
            }
            if let Some((given, span)) = widths.into_iter().chain(queried).find(|(given, _)| *given != has) {
                let label = format!("{} given, the table's key has {}", values(given), values(has));
                return Err(Finding::failed("this is no key of the table").at(span).label(label));
            }
        }
        let is_listed = |row: &&RowDifference| except.keys.iter().any(|key| is_key(row, &key.value));
        let is_meant = |row: &&RowDifference| meant.queried.contains(&row.values) || is_listed(row);
        let (own, outside): (Vec<&RowDifference>, Vec<_>) = compared.differences.iter().partition(is_meant);
        let differing: u64 = own.iter().map(|row| row.rows).sum();
        if !outside.is_empty() {
            return Err(self.outside(except, &outside, compared, (differing, meant.count)));
        }
        if compared.rest != Rest::Exactly(differing) {
            let title = "more rows differ than could be told apart";
            return Err(Finding::errored(title).at(except.at).label("nobody can say whether all of them are meant"));
        }
        if let Some(idle) = except.keys.iter().find(|key| !own.iter().any(|row| is_key(row, &key.value))) {
            let key: Vec<String> =
                idle.value.0.iter().map(|value| shown_value(value.nullable_text().as_deref())).collect();
            let label = format!("key ({}) is the same in both: take it out of `except`", key.join(", "));
            return Err(unmet(idle.span, label));
        }
        match &except.rows {
            Some(query) if !own.iter().any(|row| meant.queried.contains(&row.values)) => {
                let returned = rows(meant.queried.len() as u64);
                Err(unmet(query.span, format!("it returned {returned}, none of which differs")))
            }
            _ => Ok(differing),
        }
    }

    /// Rows differ that are not meant; `meant` rows that are differ, too, of those that were read.
    fn outside(
        &self,
        except: &Except,
        outside: &[&RowDifference],
        compared: &Comparison,
        (meant, keys): (u64, usize),
    ) -> Box<Finding> {
        const SHOWN: usize = 10;
        let read: u64 = compared.differences.iter().map(|row| row.rows).sum();
        let own = outside.iter().map(|row| row.rows).sum::<u64>();
        // Whoever has not read all rows that differ does not know which of the others are named.
        let (count, all_read) = match compared.rest {
            Rest::Exactly(all) | Rest::AtLeast(all) if all > read => {
                (all.saturating_sub(meant.max(keys as u64)).max(own), false)
            }
            Rest::Exactly(_) => (own, true),
            Rest::AtLeast(_) => (own, false),
        };
        let least = if all_read { "" } else { "at least " };
        let verb = if count == 1 { "differs" } else { "differ" };
        let named = match (all_read, meant) {
            (true, _) => format!("{} that it names", rows(meant)),
            (false, 0) => format!("none that it names is among the first {read}"),
            (false, _) => format!("at least {} that it names", rows(meant)),
        };
        let mut lines: Vec<String> = outside.iter().take(SHOWN).map(ToString::to_string).collect();
        let shown = outside.iter().take(SHOWN).map(|row| row.rows).sum::<u64>();
        if count > shown {
            lines.push(format!("... and {least}{} more", count - shown));
        }
        Finding::failed("more differs than is meant")
            .at(except.at)
            .label(format!("{least}{} {verb} that it does not name; {named}", rows(count)))
            .note("diff", lines.join("\n"))
    }
}

/// Whether a row has this key.
fn is_key(row: &RowDifference, key: &Several<Scalar>) -> bool {
    row.values.len() == key.0.len()
        && row.values.iter().zip(&key.0).all(|(value, wanted)| is_same(value.as_deref(), wanted))
}

/// An exception that does not occur.
fn unmet(at: Span, label: String) -> Box<Finding> {
    Finding::failed("a difference that is meant does not occur").at(at).label(label)
}
