//! The merge's SQL, made for one table.
//!
//! Names: `m` is [`CHANGES`], with the columns `side`, `k0`, `k1` ... (the key) and `c0`, `c1` ... (the others); `u` is [`CHANGED`], with
//! the key, and for each column that the mistake touched its good value `g3` and its bad one `b3`; `t` is the table itself; `x` are
//! the rows of a [`Case`].

use tokio_postgres::Row;

use super::report::{Cell, Conflict, told, told_gone};
use super::shape::{Column, Shape};
use super::{CHANGED, CHANGES};
use crate::pg::quote_identifier;

/// What the mistake did to a row.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Case {
    /// It changed these columns.
    Changed,
    /// It deleted the row. Where only `good` is known: the row is missing or different now.
    Deleted,
    /// It inserted the row.
    Inserted,
}

/// The statements of one merge.
pub(super) struct Statements<'a> {
    pub(super) shape: &'a Shape,
    /// The columns that the mistake changed in any row, by their place in the shape.
    pub(super) touched: Vec<usize>,
    /// Whether there are rows of `bad`: without, every row of `good` that was loaded is missing or different.
    pub(super) with_bad: bool,
    /// Whether conflicts are decided for `good`.
    pub(super) take: bool,
    /// The foreign keys that would delete or change rows of other tables with a row of this one: conditions on `t`.
    pub(super) references: Vec<String>,
}

/// Whether two expressions for a column have different values: nulls are values here, and `1.0` is not `1.00`.
fn differs(column: &Column, a: &str, b: &str) -> String {
    match column.exact {
        true => format!("({a} is distinct from {b})"),
        // What an update changes that `=` does not see (json, citext, numeric's scale) is a change all the same.
        false => format!("({a}::text collate \"C\" is distinct from {b}::text collate \"C\")"),
    }
}

fn any(conditions: &[String]) -> String {
    if conditions.is_empty() { "false".to_owned() } else { format!("({})", conditions.join(" or ")) }
}

fn selected(expressions: &[String]) -> String {
    expressions.iter().map(|one| format!(", {one}")).collect()
}

impl Statements<'_> {
    fn columns(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.shape.columns.iter().enumerate()
    }

    fn touched(&self) -> impl Iterator<Item = (usize, &Column)> {
        self.columns().filter(|(at, _)| self.touched.contains(at))
    }

    fn keys(&self) -> impl Iterator<Item = (usize, String)> {
        self.shape.key.iter().map(|column| quote_identifier(&column.name)).enumerate()
    }

    /// The table in `into`, by its column's place.
    fn t(&self, at: usize) -> String {
        format!("t.{}", quote_identifier(&self.shape.columns[at].name))
    }

    fn same_key(&self, a: &str, b: &str) -> String {
        self.keys().map(|(at, _)| format!("{a}.k{at} = {b}.k{at}")).collect::<Vec<_>>().join(" and ")
    }

    fn key_in_table(&self, a: &str) -> String {
        self.keys().map(|(at, name)| format!("t.{name} = {a}.k{at}")).collect::<Vec<_>>().join(" and ")
    }

    /// A table for the rows that differ.
    pub(super) fn create_changes(&self) -> String {
        let keys = self.keys().map(|(at, name)| format!("{name} as k{at}"));
        let columns = self.columns().map(|(at, column)| format!("{} as c{at}", quote_identifier(&column.name)));
        let all: Vec<String> = keys.chain(columns).collect();
        let relation = &self.shape.relation;
        format!(
            "create temp table {CHANGES} as select null::\"char\" as side{} from {relation} with no data",
            selected(&all)
        )
    }

    fn side(side: char) -> String {
        format!("(select * from pg_temp.{CHANGES} where side = '{side}')")
    }

    /// How many rows the mistake changed, deleted and inserted; and for each column whether it was changed in any row.
    pub(super) fn survey(&self) -> String {
        let both = "g.side is not null and b.side is not null";
        let changed: Vec<String> =
            self.columns().map(|(at, c)| differs(c, &format!("g.c{at}"), &format!("b.c{at}"))).collect();
        let touched: Vec<String> =
            changed.iter().map(|c| format!("coalesce(bool_or({both} and {c}), false)")).collect();
        format!(
            "select count(*) filter (where {both} and {}), count(*) filter (where b.side is null), count(*) filter (where g.side is null), \
             array[{}]::bool[] from {} g full join {} b on {}",
            any(&changed),
            touched.join(", "),
            Self::side('g'),
            Self::side('b'),
            self.same_key("g", "b"),
        )
    }

    /// The rows that the mistake changed, with the columns that it touched.
    pub(super) fn create_changed(&self) -> String {
        let keys = self.keys().map(|(at, _)| format!("g.k{at}"));
        let values = self.touched().map(|(at, _)| format!("g.c{at} as g{at}, b.c{at} as b{at}"));
        let all: Vec<String> = keys.chain(values).collect();
        let changed: Vec<String> =
            self.touched().map(|(at, c)| differs(c, &format!("g.c{at}"), &format!("b.c{at}"))).collect();
        format!(
            "create temp table {CHANGED} as select {} from {} g join {} b on {} where {}",
            all.join(", "),
            Self::side('g'),
            Self::side('b'),
            self.same_key("g", "b"),
            any(&changed),
        )
    }

    /// The rows of a case, under this name.
    fn rows(&self, case: Case, alias: &str) -> String {
        let (own, other) = match case {
            Case::Changed => return format!("pg_temp.{CHANGED} {alias}"),
            Case::Deleted => ('g', 'b'),
            Case::Inserted => ('b', 'g'),
        };
        if !self.with_bad {
            return format!("{} {alias}", Self::side(own));
        }
        let partner =
            format!("select from pg_temp.{CHANGES} z where z.side = '{other}' and {}", self.same_key("y", "z"));
        format!("(select y.* from pg_temp.{CHANGES} y where y.side = '{own}' and not exists ({partner})) {alias}")
    }

    /// The columns of a case with their good and their bad value; what is not known is null.
    fn cells(&self, case: Case) -> Vec<(usize, &Column, String, String)> {
        let none = "null::text".to_owned();
        match case {
            Case::Changed => self.touched().map(|(at, c)| (at, c, format!("x.g{at}"), format!("x.b{at}"))).collect(),
            Case::Deleted => self.columns().map(|(at, c)| (at, c, format!("x.c{at}"), none.clone())).collect(),
            Case::Inserted => self.columns().map(|(at, c)| (at, c, none.clone(), format!("x.c{at}"))).collect(),
        }
    }

    /// For each column of a case: whether it can be put right, is right already, or is in conflict.
    fn states(&self, case: Case) -> Vec<[String; 3]> {
        let no = || "false".to_owned();
        let state = |(at, column, good, bad): (usize, &Column, String, String)| {
            let now = self.t(at);
            let (is_bad, is_good) = (differs(column, &now, &bad), differs(column, &now, &good));
            match case {
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
            }
        };
        self.cells(case).into_iter().map(state).collect()
    }

    /// Whether each cell of a case gets its good value.
    fn changes(&self, case: Case) -> Vec<String> {
        let change = |[right, _, conflict]: [String; 3]| match (case, self.take) {
            (Case::Changed, true) => format!("({right} or {conflict})"),
            (Case::Changed, false) => right,
            (_, true) => conflict,
            (_, false) => "false".to_owned(),
        };
        self.states(case).into_iter().map(change).collect()
    }

    /// Whether users have changed the row as well as the mistake.
    fn in_conflict(&self, case: Case) -> String {
        let mut conditions: Vec<String> = self.states(case).into_iter().map(|[_, _, conflict]| conflict).collect();
        if case == Case::Inserted {
            conditions.extend(self.references.clone());
        }
        any(&conditions)
    }

    /// Counts a case, in this order: rows that are gone from `into`; rows to be updated or deleted; rows in conflict; cells to be put
    /// right; cells in conflict; rows in which nothing is left to do.
    pub(super) fn count(&self, case: Case) -> String {
        let states = self.states(case);
        let here = "t.tableoid is not null";
        let cells = |which: usize| {
            let each = states.iter().map(|state| format!("count(*) filter (where {here} and {})", state[which]));
            each.chain(["0".to_owned()]).collect::<Vec<_>>().join(" + ")
        };
        let conflict = self.in_conflict(case);
        let (rows, conflicts) = match case {
            Case::Inserted if self.take => ("true".to_owned(), cells(2)),
            Case::Inserted => (format!("not {conflict}"), cells(2)),
            _ => (any(&self.changes(case)), cells(2)),
        };
        // A row that nobody has changed, and that is referred to, is a conflict too.
        let referred = match case {
            Case::Inserted => {
                let differ = any(&states.iter().map(|state| state[2].clone()).collect::<Vec<_>>());
                format!(" + count(*) filter (where {here} and not {differ} and {})", any(&self.references))
            }
            _ => String::new(),
        };
        let right = any(&states.iter().map(|state| state[0].clone()).collect::<Vec<_>>());
        let done = if case == Case::Inserted { "false".to_owned() } else { format!("not {right} and not {conflict}") };
        format!(
            "select count(*) filter (where not ({here})), count(*) filter (where {here} and {rows}), \
             count(*) filter (where {here} and {conflict}), ({})::bigint, ({conflicts}{referred})::bigint, \
             count(*) filter (where {here} and {done}) from {} left join {} t on {}",
            cells(0),
            self.rows(case, "x"),
            self.shape.relation,
            self.key_in_table("x"),
        )
    }

    /// The first rows in conflict: the key's values; whether the row is gone; whether it is referred to; then for each cell whether it is
    /// in conflict, and its good, its bad and its present value.
    pub(super) fn conflicts(&self, case: Case, limit: usize) -> String {
        let short = |expression: &str| format!("left({expression}::text, 60)");
        let keys: Vec<String> = self.keys().map(|(at, _)| format!("x.k{at}::text")).collect();
        let states = self.states(case);
        let cells = self.cells(case);
        let shown: Vec<String> = cells
            .iter()
            .zip(&states)
            .map(|((at, _, good, bad), state)| {
                format!("coalesce({}, false), {}, {}, {}", state[2], short(good), short(bad), short(&self.t(*at)))
            })
            .collect();
        let referenced = if case == Case::Inserted { any(&self.references) } else { "false".to_owned() };
        // Whatever the mistake deleted and is gone is put back; whatever it inserted and is gone is right already.
        let gone = if case == Case::Changed { "t.tableoid is null" } else { "false" };
        let order: Vec<String> = self.keys().map(|(at, _)| format!("x.k{at}")).collect();
        format!(
            "select {}, t.tableoid is null, t.tableoid is not null and {referenced}{} from {} left join {} t on {} \
             where {gone} or (t.tableoid is not null and {}) order by {} limit {limit}",
            keys.join(", "),
            selected(&shown),
            self.rows(case, "x"),
            self.shape.relation,
            self.key_in_table("x"),
            self.in_conflict(case),
            order.join(", "),
        )
    }

    /// The conflicts in a row of [`Statements::conflicts`].
    pub(super) fn told(&self, case: Case, row: &Row) -> Vec<Conflict> {
        let text = |at: usize| row.get::<_, Option<&str>>(at);
        let keys = self.shape.key.iter().enumerate();
        let key: Vec<String> =
            keys.map(|(at, column)| format!("{} {}", column.name, text(at).unwrap_or_default())).collect();
        let conflict = |what| Conflict { key: key.join(", "), what };
        let first = key.len() + 2;
        let (gone, referenced): (bool, bool) = (row.get(first - 2), row.get(first - 1));
        let cells = self.cells(case);
        let cells = cells.iter().enumerate().map(|(at, (_, column, ..))| {
            let at = first + 4 * at;
            (
                row.get::<_, bool>(at),
                Cell { column: &column.name, good: text(at + 1), bad: text(at + 2), now: text(at + 3) },
            )
        });
        if gone {
            let cells: Vec<Cell<'_>> = cells.map(|(_, cell)| cell).collect();
            return vec![conflict(told_gone(&cells))];
        }
        let told: Vec<Conflict> =
            cells.filter(|(differs, _)| *differs).map(|(_, cell)| conflict(told(case, self.with_bad, &cell))).collect();
        match told.is_empty() && referenced {
            true => vec![conflict("the mistake inserted the row, and rows of other tables refer to it now".to_owned())],
            false => told,
        }
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

    /// Puts whole rows back that are not there: those that the mistake deleted or, to decide a conflict, those that it changed and
    /// users have deleted since.
    pub(super) fn insert(&self, case: Case) -> String {
        let keys = self.keys().map(|(at, _)| format!("k{at}"));
        let columns = self.columns().map(|(at, _)| format!("c{at}"));
        let all: Vec<String> = keys.chain(columns).map(|name| format!("g.{name}")).collect();
        let from = match case {
            Case::Changed => {
                format!("{} g join {} on {}", Self::side('g'), self.rows(case, "x"), self.same_key("g", "x"))
            }
            _ => self.rows(case, "g"),
        };
        let relation = &self.shape.relation;
        format!(
            "insert into {relation} ({}) overriding system value select {} from {from} where not exists (select from {relation} t where {})",
            self.shape.names().join(", "),
            all.join(", "),
            self.key_in_table("g"),
        )
    }

    /// Removes the rows that the mistake inserted.
    pub(super) fn delete(&self) -> String {
        let only = if self.take { String::new() } else { format!(" and not {}", self.in_conflict(Case::Inserted)) };
        let rows = self.rows(Case::Inserted, "x");
        format!("delete from {} t using {rows} where {}{only}", self.shape.relation, self.key_in_table("x"))
    }
}
