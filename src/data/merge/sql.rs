//! The merge's SQL, made for one table.
//!
//! Names: [`GOOD`] and [`BAD`] have the columns `k0`, `k1` ... (the key) and `c0`, `c1` ... (the
//! others); [`CHANGED`] has the key, and for each column that the mistake touched its good value
//! `g3` and its bad one `b3`; `t` is the table itself; `x` are the rows of a [`Case`].

use tokio_postgres::Row;

use super::case::Case;
use super::merged::Conflict;
use super::shape::{Column, Shape};
use super::tables::{BAD, CHANGED, GOOD};
use super::words::{Cell, describe_cell, describe_gone};
use crate::pg::{quote_identifier, shown_value};

/// Up to how many columns that were touched [`CHANGED`] is made: each is there twice, in rows that
/// have to fit into a page.
const NARROW: usize = 60;

/// How many characters of a value are read to be shown.
const SHORT: usize = 8000;

/// The statements of one merge.
pub(super) struct Statements<'a> {
    pub(super) shape: &'a Shape,
    /// The columns that the mistake changed in any row, by their place in the shape.
    pub(super) touched: Vec<usize>,
    /// Whether there are rows of `bad`: without, every row of `good` that was loaded is missing or
    /// different.
    pub(super) with_bad: bool,
    /// Whether conflicts are decided for `good`.
    pub(super) take: bool,
    /// The foreign keys of rows that refer to rows of this one: conditions on `t`.
    pub(super) references: Vec<String>,
}

/// Whether two expressions for a column have different values: nulls are values here, and `1.0` is
/// not `1.00`.
pub(super) fn differs(column: &Column, a: &str, b: &str) -> String {
    match column.exact {
        true => format!("({a} is distinct from {b})"),
        // What an update changes that `=` does not see (json, citext, numeric's scale) is a change
        // all the same.
        false => format!("({} collate \"C\" is distinct from {} collate \"C\")", column.text(a), column.text(b)),
    }
}

pub(super) fn any(conditions: &[String]) -> String {
    if conditions.is_empty() { "false".to_owned() } else { format!("({})", conditions.join(" or ")) }
}

/// An array of texts.
fn texts(expressions: &[String]) -> String {
    format!("array[{}]::text[]", expressions.join(", "))
}

/// How many of these conditions hold.
pub(super) fn number_of(conditions: &[String]) -> String {
    format!("cardinality(array_positions(array[{}]::bool[], true))", conditions.join(", "))
}

/// A column of a case with its place, its good and its bad value.
type Known<'a> = (usize, &'a Column, String, String);

impl Statements<'_> {
    pub(super) fn columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.shape.columns.iter().enumerate()
    }

    fn touched(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns().filter(|(at, _)| self.touched.contains(at))
    }

    pub(super) fn keys(&self) -> impl Iterator<Item = (usize, String)> {
        self.shape.key.iter().map(|column| quote_identifier(&column.name)).enumerate()
    }

    /// The table in `into`, by its column's place.
    pub(super) fn t(&self, at: usize) -> String {
        format!("t.{}", quote_identifier(&self.shape.columns[at].name))
    }

    pub(super) fn same_key(&self, a: &str, b: &str) -> String {
        self.keys().map(|(at, _)| format!("{a}.k{at} = {b}.k{at}")).collect::<Vec<_>>().join(" and ")
    }

    pub(super) fn key_in_table(&self, a: &str) -> String {
        self.key_in("t", a)
    }

    /// That a row of the table, under a name, has the key of another one.
    pub(super) fn key_in(&self, table: &str, a: &str) -> String {
        self.keys().map(|(at, name)| format!("{table}.{name} = {a}.k{at}")).collect::<Vec<_>>().join(" and ")
    }

    /// Tables for the rows that differ.
    pub(super) fn create_sides(&self) -> String {
        let names = self.shape.names().into_iter().zip(self.shape.stored_names());
        let all: Vec<String> = names.map(|(name, stored)| format!("{name} as {stored}")).collect();
        let (all, relation) = (all.join(", "), &self.shape.relation);
        let create = |table: &str| format!("create temp table {table} as select {all} from {relation} with no data");
        format!("{}; {}", create(GOOD), create(BAD))
    }

    /// A column of the rows of `good` or `bad` that are called `alias`.
    fn of(&self, alias: &str, at: usize) -> String {
        format!("{alias}.{}", self.shape.stored(at))
    }

    /// Whether there is a table of the rows that the mistake changed.
    pub(super) fn is_narrow(&self) -> bool {
        self.touched.len() <= NARROW
    }

    /// How many rows the mistake changed, deleted and inserted; and for each column whether it was
    /// changed in any row.
    pub(super) fn survey(&self) -> String {
        let changed: Vec<String> =
            self.columns().map(|(at, c)| differs(c, &self.of("g", at), &self.of("b", at))).collect();
        let touched =
            (1..=changed.len()).map(|at| format!("coalesce(bool_or(s.both_there and s.changed[{at}]), false)"));
        // Two tables can have more columns than a row: nothing is aggregated but what is computed
        // of each pair.
        format!(
            "select count(*) filter (where s.both_there and true = any (s.changed)), count(*) filter (where s.deleted), \
             count(*) filter (where s.inserted), array[{}]::bool[] from (
                select g.tableoid is not null and b.tableoid is not null as both_there, b.tableoid is null as deleted, \
                    g.tableoid is null as inserted, array[{}]::bool[] as changed
                from pg_temp.{GOOD} g full join pg_temp.{BAD} b on {} offset 0) s",
            touched.collect::<Vec<_>>().join(", "),
            changed.join(", "),
            self.same_key("g", "b"),
        )
    }

    /// Settings under which no pair of rows is kept, which could have more columns than a row can:
    /// for a merge that has no table of the rows that the mistake changed.
    pub(super) fn pair_by_pair(&self) -> String {
        let keys = self.keys().map(|(at, _)| format!("k{at}")).collect::<Vec<_>>().join(", ");
        format!(
            "create index on pg_temp.{GOOD} ({keys}); create index on pg_temp.{BAD} ({keys}); set enable_hashjoin = off;
            set enable_mergejoin = off; set enable_material = off"
        )
    }

    /// The rows that the mistake changed, with the columns that it touched.
    pub(super) fn create_changed(&self) -> String {
        let keys = self.keys().map(|(at, _)| format!("g.k{at}"));
        let values =
            self.touched().map(|(at, _)| format!("{} as g{at}, {} as b{at}", self.of("g", at), self.of("b", at)));
        let all: Vec<String> = keys.chain(values).collect();
        let (all, changed) = (all.join(", "), self.changed("g", "b"));
        format!("create temp table {CHANGED} as select {all} from {changed}")
    }

    /// The pairs of rows that the mistake changed.
    fn changed(&self, good: &str, bad: &str) -> String {
        let changed: Vec<String> =
            self.touched().map(|(at, c)| differs(c, &self.of(good, at), &self.of(bad, at))).collect();
        let (same_key, changed) = (self.same_key(good, bad), any(&changed));
        format!("pg_temp.{GOOD} {good} join pg_temp.{BAD} {bad} on {same_key} and {changed}")
    }

    /// The rows of a case, under this name.
    pub(super) fn rows(&self, case: Case, alias: &str) -> String {
        let (own, other) = match case {
            Case::Changed if self.is_narrow() => return format!("pg_temp.{CHANGED} {alias}"),
            Case::Changed => return self.changed(alias, "xb"),
            Case::Deleted => (GOOD, BAD),
            Case::Inserted => (BAD, GOOD),
        };
        if !self.with_bad {
            return format!("pg_temp.{own} {alias}");
        }
        let partner = format!("select from pg_temp.{other} z where {}", self.same_key("y", "z"));
        format!("(select y.* from pg_temp.{own} y where not exists ({partner})) {alias}")
    }

    /// The columns of a case with their good and their bad value; what is not known is null.
    pub(super) fn cells(&self, case: Case) -> Vec<Known<'_>> {
        let none = "null::text".to_owned();
        match case {
            Case::Changed if self.is_narrow() => {
                self.touched().map(|(at, c)| (at, c, format!("x.g{at}"), format!("x.b{at}"))).collect()
            }
            Case::Changed => self.touched().map(|(at, c)| (at, c, self.of("x", at), self.of("xb", at))).collect(),
            Case::Deleted => self.columns().map(|(at, c)| (at, c, self.of("x", at), none.clone())).collect(),
            Case::Inserted => self.columns().map(|(at, c)| (at, c, none.clone(), self.of("x", at))).collect(),
        }
    }

    /// For each column of a case: whether it can be restored, is right already, or is in conflict.
    fn states(&self, case: Case) -> Vec<[String; 3]> {
        let no = || "false".to_owned();
        let state = |(at, column, good, bad): (usize, &Column, String, String)| {
            let now = self.t(at);
            let (is_bad, is_good) = (differs(column, &now, &bad), differs(column, &now, &good));
            let [right, done, conflict] = match case {
                Case::Changed => {
                    let touched = differs(column, &good, &bad);
                    [
                        format!("({touched} and not {is_bad})"),
                        format!("({touched} and not {is_good})"),
                        format!("({touched} and {is_bad} and {is_good})"),
                    ]
                }
                // The whole row is put back or removed, or is not what it was.
                Case::Deleted => [no(), format!("(not {is_good})"), is_good],
                Case::Inserted => [no(), no(), is_bad],
            };
            // What every write touches stays as users have it.
            [right, done, if column.ignored { no() } else { conflict }]
        };
        self.cells(case).into_iter().map(state).collect()
    }

    /// Whether each cell of a case gets its good value.
    pub(super) fn changes(&self, case: Case) -> Vec<String> {
        let change = |[right, _, conflict]: [String; 3]| match (case, self.take) {
            (Case::Changed, true) => format!("({right} or {conflict})"),
            (Case::Changed, false) => right,
            (_, true) => conflict,
            (_, false) => "false".to_owned(),
        };
        self.states(case).into_iter().map(change).collect()
    }

    /// Whether users have changed the row as well as the mistake.
    pub(super) fn in_conflict(&self, case: Case) -> String {
        let mut conditions: Vec<String> = self.states(case).into_iter().map(|[_, _, conflict]| conflict).collect();
        if case == Case::Inserted {
            conditions.extend(self.references.clone());
        }
        any(&conditions)
    }

    /// Counts a case, in this order: rows that are gone from `into`; rows to be updated or deleted;
    /// rows in conflict; cells to be put right; cells in conflict; rows in which nothing is left to
    /// do.
    pub(super) fn count(&self, case: Case) -> String {
        let states = self.states(case);
        let here = "t.tableoid is not null";
        let cells = |which: usize| {
            let each: Vec<String> = states.iter().map(|state| format!("({here} and {})", state[which])).collect();
            number_of(&each)
        };
        let conflict = self.in_conflict(case);
        let rows = match case {
            Case::Inserted if self.take => "true".to_owned(),
            Case::Inserted => format!("not {conflict}"),
            _ => any(&self.changes(case)),
        };
        // A row that nobody has changed, and that is referred to, is a conflict too.
        let referred = match case {
            Case::Inserted => {
                let differ = any(&states.iter().map(|state| state[2].clone()).collect::<Vec<_>>());
                format!("{here} and not {differ} and {}", any(&self.references))
            }
            _ => "false".to_owned(),
        };
        let right = any(&states.iter().map(|state| state[0].clone()).collect::<Vec<_>>());
        let done = if case == Case::Inserted { "false".to_owned() } else { format!("not {right} and not {conflict}") };
        format!(
            "select count(*) filter (where not s.here), count(*) filter (where s.here and s.rows), \
             count(*) filter (where s.here and s.conflict), coalesce(sum(s.cells), 0)::bigint, \
             (coalesce(sum(s.conflicts), 0) + count(*) filter (where s.referred))::bigint, count(*) filter (where s.here and s.done) from (
                select {here} as here, {rows} as rows, {conflict} as conflict, {} as cells, {} as conflicts, {referred} as referred, \
                    {done} as done
                from {} left join {} t on {} offset 0) s",
            cells(0),
            cells(2),
            self.rows(case, "x"),
            self.shape.relation,
            self.key_in_table("x"),
        )
    }

    /// The first rows in conflict: the key's values; whether the row is gone; whether it is
    /// referred to; then of all cells whether they are in conflict, and their good, their bad and
    /// their present values.
    pub(super) fn conflicts(&self, case: Case, limit: usize) -> String {
        let states = self.states(case);
        let cells = self.cells(case);
        let flags: Vec<String> = states.iter().map(|state| format!("coalesce({}, false)", state[2])).collect();
        // Of cells that are not in conflict nothing is shown, unless the whole row is gone.
        let side = |which: &dyn Fn(&Known<'_>) -> String| {
            let each = cells.iter().zip(&flags).map(|(cell, flag)| {
                let value = which(cell);
                // What is not known has no type of its own.
                let text = if value == "null::text" { value } else { cell.1.text(&value) };
                format!("case when t.tableoid is null or {flag} then left({text}, {SHORT}) end")
            });
            texts(&each.collect::<Vec<_>>())
        };
        let (good, bad) = (side(&|cell| cell.2.clone()), side(&|cell| cell.3.clone()));
        let now = side(&|(at, ..)| self.t(*at));
        let referenced = if case == Case::Inserted { any(&self.references) } else { "false".to_owned() };
        // Whatever the mistake deleted and is gone is put back; whatever it inserted and is gone is
        // right already.
        let gone = if case == Case::Changed { "t.tableoid is null" } else { "false" };
        let order: Vec<String> = self.keys().map(|(at, _)| format!("x.k{at}")).collect();
        format!(
            "select s.keys, s.gone, s.referenced, s.flags, s.good, s.bad, s.now from (
                select {} as keys, t.tableoid is null as gone, t.tableoid is not null and {referenced} as referenced, \
                    array[{}]::bool[] as flags, {good} as good, {bad} as bad, {now} as now, {} \
                from {} left join {} t on {} \
                where {gone} or (t.tableoid is not null and {}) offset 0) s order by {} limit {limit}",
            self.key_texts("x"),
            flags.join(", "),
            order.iter().enumerate().map(|(at, key)| format!("{key} as o{at}")).collect::<Vec<_>>().join(", "),
            self.rows(case, "x"),
            self.shape.relation,
            self.key_in_table("x"),
            self.in_conflict(case),
            (0..order.len()).map(|at| format!("s.o{at}")).collect::<Vec<_>>().join(", "),
        )
    }

    /// The conflicts in a row of [`Statements::conflicts`].
    pub(super) fn conflicts_in(&self, case: Case, row: &Row) -> Vec<Conflict> {
        let conflict = |what| Conflict { key: self.shown_key(&row.get::<_, Vec<Option<&str>>>(0)), what };
        let (gone, referenced): (bool, bool) = (row.get(1), row.get(2));
        let flags: Vec<bool> = row.get(3);
        let [good, bad, now] = [4, 5, 6].map(|at| row.get::<_, Vec<Option<&str>>>(at));
        let cells = self.cells(case);
        let cells = cells.iter().enumerate().map(|(at, (_, column, ..))| {
            (flags[at], Cell { column: &column.name, good: good[at], bad: bad[at], now: now[at] })
        });
        if gone {
            let cells: Vec<Cell<'_>> = cells.map(|(_, cell)| cell).collect();
            return vec![conflict(describe_gone(&cells))];
        }
        let found: Vec<Conflict> = cells
            .filter(|(differs, _)| *differs)
            .map(|(_, cell)| conflict(describe_cell(case, self.with_bad, &cell)))
            .collect();
        match found.is_empty() && referenced {
            true => vec![conflict("the mistake inserted the row, and rows of other tables refer to it now".to_owned())],
            false => found,
        }
    }

    /// The key's values as an array of texts.
    pub(super) fn key_texts(&self, alias: &str) -> String {
        let keys = self.shape.key.iter().enumerate().map(|(at, column)| column.text(&format!("{alias}.k{at}")));
        texts(&keys.collect::<Vec<_>>())
    }

    /// A row as it is called: `id 17`.
    pub(super) fn shown_key(&self, values: &[Option<&str>]) -> String {
        let keys = self.shape.key.iter().zip(values);
        let shown = keys.map(|(column, value)| format!("{} {}", column.name, shown_value(*value)));
        shown.collect::<Vec<_>>().join(", ")
    }

    /// Puts the good values back, in rows that are there.
    pub(super) fn update(&self, case: Case) -> String {
        let changes = self.changes(case);
        let set = self.cells(case).into_iter().zip(&changes).map(|((at, column, good, _), change)| {
            format!("{} = case when {change} then {good} else {} end", quote_identifier(&column.name), self.t(at))
        });
        format!(
            "update {} t set {} from {} where {} and {}",
            self.shape.relation,
            set.collect::<Vec<_>>().join(", "),
            self.rows(case, "x"),
            self.key_in_table("x"),
            any(&changes),
        )
    }

    /// Puts whole rows back that are not there: those that the mistake deleted or, to decide a
    /// conflict, those that it changed and users have deleted since.
    pub(super) fn insert(&self, case: Case) -> String {
        let relation = &self.shape.relation;
        let names = self.shape.names().join(", ");
        format!("insert into {relation} ({names}) overriding system value {}", self.good_rows(case))
    }

    /// Whole rows of `good` that are not there.
    pub(super) fn good_rows(&self, case: Case) -> String {
        let all: Vec<String> = self.shape.stored_names().into_iter().map(|name| format!("g.{name}")).collect();
        let from = match case {
            Case::Changed => {
                format!("pg_temp.{GOOD} g join {} on {}", self.rows(case, "x"), self.same_key("g", "x"))
            }
            _ => self.rows(case, "g"),
        };
        let (all, relation, key) = (all.join(", "), &self.shape.relation, self.key_in_table("g"));
        format!("select {all} from {from} where not exists (select from {relation} t where {key})")
    }

    /// Removes the rows that the mistake inserted.
    pub(super) fn delete(&self) -> String {
        let only = if self.take { String::new() } else { format!(" and not {}", self.in_conflict(Case::Inserted)) };
        let rows = self.rows(Case::Inserted, "x");
        format!("delete from {} t using {rows} where {}{only}", self.shape.relation, self.key_in_table("x"))
    }
}
