//! A table that a server has, read in one transaction, so that everything that is read of it
//! belongs together.

use tokio_postgres::error::SqlState;
use tokio_postgres::types::ToSql;
use tokio_postgres::{Client, Row};

use super::bisect::{Limit, PARTS, Side};
use super::difference::{LONG_VALUE, Line};
use super::held_moment::HeldMoment;
use super::layout::{Layout, Order, Range, Relation, hash};
use super::view::{View, filtered};
use crate::data::error::{DataError, Result};
use crate::data::hash::RowSum;
use crate::pg::{TableName, error_message};

/// Settings under which every server writes the same value as the same text.
pub(crate) const STABLE: &str = "set local timezone = 'UTC'; set local datestyle = 'ISO, YMD'; set local intervalstyle = 'postgres';
    set local extra_float_digits = 1; set local bytea_output = 'hex'; set local lc_monetary = 'C'; set local xmlbinary = 'base64'";

/// And that rows are read as they are: those that a policy hides are an error.
const EXACT: &str = "set local quote_all_identifiers = off; set local row_security = off; set local jit = off";

/// Has names in values written with their schemas.
const NAMES: &str = "set local search_path = pg_catalog";

/// What the server plans with is found as for users: a function in an index or a view may find
/// another one by the search_path. The words of a query are PostgreSQL's own, whatever was put in
/// front of them.
const PATH: &str = "select pg_catalog.set_config('search_path', case pg_catalog.current_setting('search_path') when '' then 'pg_catalog'
    else 'pg_catalog, ' || pg_catalog.current_setting('search_path') end, true)";

/// From how many pages on the places of cuts are taken from a sample.
const LARGE: i64 = 2000;

/// How many pages such a sample has.
const SAMPLE: i64 = 1000;

/// The longest value that is read as it is, in characters; of a longer one its beginning, its
/// length and its hash.
const LONG: usize = 8000;

/// A table in a session that is in a transaction.
pub(in crate::data) struct Table<'a> {
    client: &'a Client,
    name: &'a TableName,
    /// What is seen of it.
    pub relation: Relation,
    /// All the columns that it has.
    whole: Layout,
    /// The columns that are compared, in the first table's order.
    pub columns: Vec<String>,
    /// How many rows were sent by the server.
    pub read: u64,
    /// The longest value that is read as it is, in characters.
    pub long: usize,
}

/// The number of rows of a part, their hashes' sum, and those of each column's values.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(in crate::data) struct Part {
    pub sum: RowSum,
    pub columns: Vec<i128>,
}

impl<'a> Table<'a> {
    /// Begins a transaction and looks up what is seen of the table. The session must not be in one;
    /// [`Table::close`] ends it, after an error too.
    pub async fn open(client: &'a Client, name: &'a TableName, view: &View) -> Result<Table<'a>> {
        Table::open_at(client, name, view, None).await
    }

    /// The same, as all of it was at a moment that another session holds, if one is named.
    pub async fn open_at(
        client: &'a Client,
        name: &'a TableName,
        view: &View,
        moment: Option<&HeldMoment>,
    ) -> Result<Table<'a>> {
        let doing = format!("reading {name}");
        let moment = moment.map(HeldMoment::taken_over).unwrap_or_default();
        let begin = format!("begin isolation level repeatable read read only; {moment}{STABLE}");
        client.batch_execute(&begin).await.map_err(DataError::while_doing(&doing))?;
        // Looked up by the session's own search_path.
        let mut relation = Relation::read(client, name).await?;
        let path = if relation.names { NAMES } else { PATH };
        client.batch_execute(&format!("{EXACT}; {path}")).await.map_err(DataError::while_doing(&doing))?;
        let seen = view.layout(&relation.layout, name)?;
        let whole = std::mem::replace(&mut relation.layout, seen);
        relation.sql = view.rows(&relation, name);
        if view.filter.is_some() {
            relation.sampled = false;
            readable(client, name, &relation.sql).await?;
        }
        let columns = relation.layout.names();
        Ok(Table { client, name, relation, whole, columns, read: 0, long: LONG })
    }

    /// Ends the transaction that [`Table::open`] has begun, or tried to.
    pub async fn close(client: &Client) {
        // If the session is lost there is nothing to end, and the first error is the one to report.
        let _ = client.batch_execute("rollback").await;
    }

    /// The number of all rows and their sum.
    pub async fn sum(&mut self) -> Result<RowSum> {
        let all = [Range::default()];
        let sums = self.sums(&Order::Hash(self.columns.clone()), &all, &[]).await?;
        Ok(sums.first().copied().unwrap_or_default())
    }

    /// Whether it has such a column, compared or not.
    pub(super) fn has(&self, column: &str) -> bool {
        self.whole.names().iter().any(|name| name == column)
    }

    /// How many bytes the texts of all rows have, about.
    pub async fn size(&mut self) -> Result<u64> {
        let text = self.relation.row_text(&self.columns);
        let query = format!("select coalesce(sum(length({text})), 0)::bigint from {} as r", self.relation.sql);
        let rows = self.query(&query).await?;
        let size: i64 = rows.first().map_or(Ok(0), |row| self.get(row, 0))?;
        Ok(size.cast_unsigned())
    }

    /// A column that neither this table nor the other one has, whose sums these are.
    pub fn unknown(&self, column: &str) -> DataError {
        DataError::NoColumn { table: self.name.clone(), column: column.to_owned() }
    }

    /// Those of these rows, as SQL that stands behind SELECT and FROM, that satisfy a condition: by
    /// their numbers, which are in their column `row`. `texts` are the parameters.
    pub async fn pick(&mut self, rows: &str, filter: &str, texts: &[Vec<Option<String>>]) -> Result<Vec<i64>> {
        let params: Vec<&(dyn ToSql + Sync)> = texts.iter().map(|text| text as &(dyn ToSql + Sync)).collect();
        let query = format!("select drillyard_row from {} as r", filtered(rows, filter, self.name));
        let rows = self.client.query(&query, &params).await;
        let rows = rows.map_err(|error| DataError::Filter { table: self.name.clone(), why: error_message(&error) })?;
        self.read += rows.len() as u64;
        rows.iter().map(|row| self.get(row, 0)).collect()
    }

    /// The sums of all parts that the cuts make, with those of the columns, in one scan.
    pub async fn parts(&mut self, order: &Order, cuts: &[Vec<String>]) -> Result<Vec<Part>> {
        self.add_up(order, &[Range::default()], cuts, true).await
    }

    async fn add_up(
        &mut self,
        order: &Order,
        ranges: &[Range],
        cuts: &[Vec<String>],
        by_column: bool,
    ) -> Result<Vec<Part>> {
        let mut hashes = vec![hash(&self.relation.row_text(&self.columns))];
        if by_column {
            hashes.extend(self.columns.iter().map(|name| hash(&self.relation.column_text(name))));
        }
        let listed = |term: &dyn Fn((usize, &String)) -> String| {
            hashes.iter().enumerate().map(term).collect::<Vec<_>>().join(", ")
        };
        let sums = listed(&|(at, _)| format!("coalesce(sum(h{at}), 0)::text"));
        let terms = listed(&|(at, hash)| format!("{hash} as h{at}"));
        let nothing = listed(&|_| "0::bigint".to_owned());
        // Of a union the planner does not know how many parts there will be: of the key alone it
        // expects one for each value, and would use one process. The second half has no rows and is
        // left out of the plan.
        let relation = &self.relation.sql;
        let query = format!(
            "select s.part, count(*), {sums} from (
                select {} as part, {terms} from {relation} as r where {}
                union all select 0, {nothing} from {relation} as r where false) s group by s.part",
            order.part(&self.relation, cuts),
            order.within(&self.relation, ranges),
        );
        let rows = self.query(&query).await?;
        let mut parts = vec![Part::default(); cuts.len() + 1];
        for row in rows {
            let number = |at: usize| -> Result<i128> {
                let text: String = self.get(&row, at)?;
                text.parse().map_err(|_| self.unreadable(&text))
            };
            // What has no place in the order, since its key is null, is in no range, and is not
            // asked for.
            let at = self.get::<Option<i32>>(&row, 0)?.unwrap_or_default();
            let part = parts.get_mut(usize::try_from(at).unwrap_or_default());
            let part = part.ok_or_else(|| self.unreadable(&at.to_string()))?;
            part.sum = RowSum { rows: self.get::<i64>(&row, 1)?.cast_unsigned(), sum: number(2)? };
            part.columns = (0..hashes.len() - 1).map(|at| number(at + 3)).collect::<Result<_>>()?;
        }
        Ok(parts)
    }

    /// The keys at which each of the ranges, of which only a sample may be looked at, is divided.
    async fn cut(&mut self, order: &Order, ranges: &[Range], sample: &str) -> Result<Vec<Vec<Vec<String>>>> {
        let bounds: Vec<Vec<String>> = ranges.iter().skip(1).filter_map(|range| range.from.clone()).collect();
        let expressions = order.expressions(&self.relation);
        let names: Vec<String> = (0..expressions.len()).map(|at| format!("k{at}")).collect();
        let named: Vec<String> = expressions.iter().zip(&names).map(|(e, name)| format!("{e} as {name}")).collect();
        let texts: Vec<String> = names.iter().map(|name| format!("{name}::text")).collect();
        let part = order.part(&self.relation, &bounds);
        let query = format!(
            "select part, {} from (
                select {part} as part, {}, row_number() over (partition by {part} order by {}) as n, count(*) over (partition by {part}) as c
                from {} as r{sample} where {}) s
             where (n - 1) % ((c + {PARTS} - 1) / {PARTS}) = 0 and n > 1 order by part, n",
            texts.join(", "),
            named.join(", "),
            expressions.join(", "),
            self.relation.sql,
            order.within(&self.relation, ranges),
        );
        let mut cuts = vec![Vec::new(); ranges.len()];
        for row in self.query(&query).await? {
            let at = usize::try_from(self.get::<i32>(&row, 0)?).unwrap_or_default();
            let cut = (1..=texts.len()).map(|at| self.get(&row, at)).collect::<Result<Vec<String>>>()?;
            cuts.get_mut(at).ok_or_else(|| self.unreadable(&at.to_string()))?.push(cut);
        }
        Ok(cuts)
    }

    pub(super) async fn query(&mut self, query: &str) -> Result<Vec<Row>> {
        let rows = self.client.query(query, &[]).await.map_err(|error| match error.code() {
            Some(code) if *code == SqlState::UNDEFINED_TABLE => DataError::Missing { table: self.name.clone() },
            _ => DataError::while_doing(self.doing())(error),
        })?;
        self.read += rows.len() as u64;
        Ok(rows)
    }

    pub(super) fn get<'r, T: tokio_postgres::types::FromSql<'r>>(&self, row: &'r Row, at: usize) -> Result<T> {
        row.try_get(at).map_err(DataError::while_doing(self.doing()))
    }

    fn doing(&self) -> String {
        format!("comparing the rows of {}", self.name)
    }

    pub(super) fn unreadable(&self, what: &str) -> DataError {
        DataError::Answer { doing: self.doing(), what: what.to_owned() }
    }
}

/// Fails if a condition is none.
async fn readable(client: &Client, table: &TableName, rows: &str) -> Result<()> {
    let wrong = |why: String| DataError::Filter { table: table.clone(), why };
    let prepared = client.prepare(&format!("select from {rows} as r")).await;
    match prepared.map_err(|error| wrong(error_message(&error)))?.params().is_empty() {
        true => Ok(()),
        false => Err(wrong("`$1` stands for nothing in it".to_owned())),
    }
}

/// A value as it comes in an array.
fn value(read: String) -> Option<String> {
    match read.split_at_checked(1)? {
        (">", short) => Some(format!("{LONG_VALUE}{short}")),
        (_, text) => Some(text.to_owned()),
    }
}

impl Side for Table<'_> {
    async fn cuts(&mut self, order: &Order, ranges: &[Range]) -> Result<Vec<Vec<Vec<String>>>> {
        if ranges == [Range::default()] && self.relation.sampled && self.relation.pages > LARGE {
            let percent = 100.0 * SAMPLE as f64 / self.relation.pages as f64;
            let cuts = self.cut(order, ranges, &format!(" tablesample system ({percent}) repeatable (1)")).await?;
            // The pages may have been empty ones.
            if cuts.iter().any(|cuts| !cuts.is_empty()) {
                return Ok(cuts);
            }
        }
        self.cut(order, ranges, "").await
    }

    async fn sums(&mut self, order: &Order, ranges: &[Range], cuts: &[Vec<String>]) -> Result<Vec<RowSum>> {
        let parts = self.add_up(order, ranges, cuts, false).await?;
        Ok(parts.into_iter().map(|part| part.sum).collect())
    }

    async fn lines(&mut self, order: &Order, ranges: &[Range], limit: Limit) -> Result<Vec<Line>> {
        let expressions = order.expressions(&self.relation);
        let keys: Vec<String> = (0..expressions.len()).map(|at| format!("k{at}")).collect();
        let key = expressions.iter().zip(&keys).map(|(e, name)| format!("{e} as {name}"));
        let long = self.long;
        // All values in one array, since a table can have as many columns as a query, and a query
        // over it twice as many; each with a sign before it that sorts as `Line` does: nothing is
        // null, `=` a value, `>` a long one in short.
        let values = self.columns.iter().map(|column| {
            let text = self.relation.value_text(column);
            let short = format!(
                "'>' || length({text}) || ' characters, hash ' || to_hex({}) || ' ' || left({text}, 40)",
                hash(&text)
            );
            format!("coalesce(case when length({text}) > {long} then {short} else '=' || {text} end, '') collate \"C\"")
        });
        let values = format!("array[{}]::text[] as v", values.collect::<Vec<_>>().join(", "));
        let inner: Vec<String> = key.chain([values]).collect();
        // Not by their bare names, which would be those of the texts.
        let groups: Vec<String> =
            keys.iter().map(String::as_str).chain(["v"]).map(|name| format!("s.{name}")).collect();
        let texts = keys.iter().map(|name| format!("s.{name}::text")).chain(["s.v".to_owned()]);
        let nulls_first = groups.iter().map(|name| format!("{name} nulls first"));
        let (rows, limit) = match limit {
            Limit::Rows(rows) => (format!(" order by {} limit {rows}", keys.join(", ")), rows),
            Limit::Lines(lines) => (String::new(), lines),
        };
        let query = format!(
            "select {}, count(*) from (select {} from {} as r where {}{rows}) s group by {} order by {} limit {limit}",
            texts.collect::<Vec<_>>().join(", "),
            inner.join(", "),
            self.relation.sql,
            order.within(&self.relation, ranges),
            groups.join(", "),
            nulls_first.collect::<Vec<_>>().join(", "),
        );
        let rows = self.query(&query).await?;
        let line = |row: &Row| {
            Ok(Line {
                at: (0..keys.len()).map(|at| self.get(row, at)).collect::<Result<_>>()?,
                values: self.get::<Vec<String>>(row, keys.len())?.into_iter().map(value).collect(),
                count: self.get::<i64>(row, groups.len())?.cast_unsigned(),
            })
        };
        rows.iter().map(line).collect()
    }
}

/// Counts the rows of a table, its partitions' too, and sums their hashes, in the server.
///
/// The session must not be in a transaction.
pub async fn row_sum(client: &Client, table: &TableName) -> Result<RowSum> {
    let sum = match Table::open(client, table, &View::default()).await {
        Ok(mut table) => table.sum().await,
        Err(error) => Err(error),
    };
    Table::close(client).await;
    sum
}
