//! Rows that the server would refuse: found before it does, all of them, in SQL.
//!
//! Names: [`FINAL`] has the rows as they are to become, with the table's own columns, and [`PLAN`]
//! the key of each row that is written, with what is done to it (`u`, `i` or `d`); [`OBSTACLES`]
//! has a row for each pair of a planned row and what stands in its way.

use super::constraints::{Action, Constraint, Demand, Link};
use super::sql::Statements;
use super::tables::{FINAL, OBSTACLES, PLAN};
use crate::pg::quote_identifier;

/// A key for rows of FINAL, of the table, or of a query over one of them, as `k0`, `k1` ...
fn keys(statements: &Statements<'_>) -> String {
    statements.keys().map(|(at, name)| format!("{name} as k{at}, ")).collect()
}

/// The table that pairs are put into.
pub(super) fn create(statements: &Statements<'_>) -> String {
    let keys = keys(statements);
    let relation = &statements.shape.relation;
    format!(
        "create temp table {OBSTACLES} as select {keys} 0 as place, null::\"char\" as act, null::text[] as shown, null::text[] as other,
            false as planned from {relation} with no data"
    )
}

fn comma(expressions: impl Iterator<Item = String>) -> String {
    expressions.collect::<Vec<_>>().join(", ")
}

fn and(conditions: impl Iterator<Item = String>) -> String {
    conditions.collect::<Vec<_>>().join(" and ")
}

/// Finds the obstacles of one constraint.
pub(super) struct Search<'a> {
    pub(super) statements: &'a Statements<'a>,
    /// The constraint's number.
    pub(super) place: usize,
    pub(super) constraint: &'a Constraint,
    /// Whether rows that refer to one that is deleted go with it.
    pub(super) take: bool,
}

impl Search<'_> {
    fn plan_keys(&self) -> String {
        comma(self.statements.keys().map(|(at, _)| format!("x.k{at}")))
    }

    /// A statement for each way in which the constraint can be violated.
    pub(super) fn inserts(&self) -> Vec<String> {
        let Search { place, .. } = self;
        let columns = comma(self.statements.keys().map(|(at, _)| format!("k{at}")));
        let queries = match &self.constraint.demand {
            Demand::Alone { .. } => vec![self.taken()],
            Demand::Parent(link) => vec![self.without_parent(link)],
            Demand::Child { link, on_delete, on_update } => vec![
                if self.take && !matches!(on_delete, Action::Refuse { .. }) {
                    None
                } else {
                    Some(self.deleted(link, *on_delete))
                },
                Some(self.changed(link, *on_update)),
            ]
            .into_iter()
            .flatten()
            .collect(),
            Demand::Check(expression) => vec![self.refused(expression)],
        };
        let insert = |query: String| {
            format!(
                "insert into pg_temp.{OBSTACLES}({columns}, place, act, shown, other, planned) {}",
                query.replace("{place}", &place.to_string())
            )
        };
        queries.into_iter().map(insert).collect()
    }

    /// Rows of a relation with the key and these expressions, as `e0`, `e1` ...
    fn rows(&self, relation: &str, expressions: &[String], predicate: Option<&str>) -> String {
        let expressions = comma(expressions.iter().enumerate().map(|(at, e)| format!("{e} as e{at}")));
        let predicate = predicate.unwrap_or("true");
        format!("(select {} {expressions} from {relation} where {predicate})", keys(self.statements))
    }

    /// Rows as they are to become.
    fn planned(&self, expressions: &[String], predicate: Option<&str>) -> String {
        let rows = self.rows(&format!("pg_temp.{FINAL}"), expressions, predicate);
        let same = self.statements.same_key("f", "p");
        format!("(select f.*, p.act, p.moved from {rows} f join pg_temp.{PLAN} p on {same})")
    }

    /// Rows as they are now.
    fn live(&self, expressions: &[String], predicate: Option<&str>) -> String {
        self.rows(&self.statements.shape.relation, expressions, predicate)
    }

    /// Rows as they are now, of which none is written.
    fn left_alone(&self, expressions: &[String], predicate: Option<&str>) -> String {
        let same = self.statements.same_key("l", "p");
        let live = self.live(expressions, predicate);
        format!("(select l.* from {live} l where not exists (select from pg_temp.{PLAN} p where {same}))")
    }

    /// That the row `x` has these values already.
    fn has_them(&self, expressions: &[String], predicate: Option<&str>) -> String {
        let same = self.statements.same_key("o", "x");
        // By their texts: not every type has `=`.
        let equal = and((0..expressions.len())
            .map(|at| format!("o.e{at}::text collate \"C\" is not distinct from x.e{at}::text collate \"C\"")));
        format!("exists (select from {} o where {same} and {equal})", self.live(expressions, predicate))
    }

    fn values(&self, alias: &str, number: usize) -> String {
        format!("array[{}]::text[]", comma((0..number).map(|at| format!("{alias}.e{at}::text"))))
    }

    /// How `x` and `y` are compared by a unique index or an exclusion constraint.
    fn collide(operators: &[String], nulls_too: bool) -> String {
        and(operators.iter().enumerate().map(|(at, operator)| match nulls_too {
            true => format!("x.e{at} is not distinct from y.e{at}"),
            false => format!("x.e{at} {operator} y.e{at}"),
        }))
    }

    /// Another row has the value, or is to get it.
    fn taken(&self) -> String {
        let Demand::Alone { expressions, operators, predicate, nulls_too, .. } = &self.constraint.demand else {
            return String::new();
        };
        let predicate = predicate.as_deref();
        let all = comma(
            self.statements
                .keys()
                .map(|(at, _)| format!("k{at}"))
                .chain((0..expressions.len()).map(|at| format!("e{at}"))),
        );
        let (planned, left) = (self.planned(expressions, predicate), self.left_alone(expressions, predicate));
        format!(
            "select {}, {{place}}, x.act, {}, {}, y.planned from {planned} x
                join (select {all}, true as planned from {planned} z union all select {all}, false from {left} z) y
                on {} and not ({})
            where x.act = 'i' or not {}",
            self.plan_keys(),
            self.values("x", expressions.len()),
            self.statements.key_texts("y"),
            Self::collide(operators, *nulls_too),
            self.statements.same_key("x", "y"),
            self.has_them(expressions, predicate),
        )
    }

    /// Marks the rows between which values are exchanged, or handed on: the server, which looks at
    /// one row after the other, would refuse that.
    pub(super) fn mark_moved(&self) -> Option<String> {
        let Demand::Alone { expressions, operators, predicate, nulls_too, at_once: true, .. } = &self.constraint.demand
        else {
            return None;
        };
        let predicate = predicate.as_deref();
        let (planned, live) = (self.planned(expressions, predicate), self.live(expressions, predicate));
        let pairs = format!(
            "select {{side}} from {planned} x join {live} y on {} and not ({}) join pg_temp.{PLAN} q on {} and q.act = 'u'
            where x.act = 'u' and not {}",
            Self::collide(operators, *nulls_too),
            self.statements.same_key("x", "y"),
            self.statements.same_key("q", "y"),
            self.has_them(expressions, predicate),
        );
        let side = |alias: &str| {
            pairs.replace("{side}", &comma(self.statements.keys().map(|(at, _)| format!("{alias}.k{at}"))))
        };
        let own = comma(self.statements.keys().map(|(at, _)| format!("p.k{at}")));
        Some(format!(
            "update pg_temp.{PLAN} p set moved = true where ({own}) in ({} union all {})",
            side("x"),
            side("y")
        ))
    }

    fn quoted(columns: &[String]) -> Vec<String> {
        columns.iter().map(|column| quote_identifier(column)).collect()
    }

    /// The row that it refers to is not there.
    fn without_parent(&self, link: &Link) -> String {
        let own = Self::quoted(&self.constraint.columns);
        let all = and((0..own.len()).map(|at| format!("x.e{at} is not null")));
        let rows = self.referring(link);
        let equal = and(link.operators.iter().enumerate().map(|(at, operator)| format!("r.e{at} {operator} x.e{at}")));
        format!(
            "select {}, {{place}}, x.act, {}, null::text[], false from {} x
            where {all} and not exists (select from {rows} r where {equal}) and (x.act = 'i' or not {})",
            self.plan_keys(),
            self.values("x", own.len()),
            self.planned(&own, None),
            self.has_them(&own, None),
        )
    }

    /// Rows that refer to others, after the merge.
    fn referring(&self, link: &Link) -> String {
        let theirs = Self::quoted(&link.columns);
        match link.own {
            true => {
                let e = comma((0..theirs.len()).map(|at| format!("e{at}")));
                let (planned, left) = (self.planned(&theirs, None), self.left_alone(&theirs, None));
                format!("(select {e} from {planned} z union all select {e} from {left} z)")
            }
            false => {
                let e = comma(theirs.iter().enumerate().map(|(at, name)| format!("{name} as e{at}")));
                format!("(select {e} from {})", link.table)
            }
        }
    }

    /// Rows refer to one that is deleted.
    fn deleted(&self, link: &Link, action: Action) -> String {
        let own = Self::quoted(&self.constraint.columns);
        let equal = and(link.operators.iter().enumerate().map(|(at, operator)| format!("x.e{at} {operator} r.e{at}")));
        let (live, same) = (self.live(&own, None), self.statements.same_key("x", "p"));
        format!(
            "select {}, {{place}}, p.act, {}, null::text[], false from {live} x join pg_temp.{PLAN} p on {same} and p.act = 'd'
            where exists (select from {} r where {equal}) and not {}",
            self.plan_keys(),
            self.values("x", own.len()),
            self.referring(link),
            self.replaced(&own, link, action),
        )
    }

    /// Rows refer to values that are changed.
    fn changed(&self, link: &Link, action: Action) -> String {
        let own = Self::quoted(&self.constraint.columns);
        let equal = and(link.operators.iter().enumerate().map(|(at, operator)| format!("x.e{at} {operator} r.e{at}")));
        let texts = |alias: &str| comma((0..own.len()).map(|at| format!("{alias}.e{at}::text collate \"C\"")));
        // What is changed by a cascade follows, unless the row is removed and put back in the place
        // of an update.
        let only = if action == Action::Cascade { "n.moved" } else { "true" };
        format!(
            "select {}, {{place}}, n.act, {}, null::text[], false from {} x join {} n on {} and n.act = 'u' and {only}
                and row({}) is distinct from row({})
            where exists (select from {} r where {equal}) and not {}",
            self.plan_keys(),
            self.values("x", own.len()),
            self.live(&own, None),
            self.planned(&own, None),
            self.statements.same_key("x", "n"),
            texts("x"),
            texts("n"),
            self.referring(link),
            self.replaced(&own, link, action),
        )
    }

    /// That another row has the values of `x` afterwards, which is enough for NO ACTION.
    fn replaced(&self, own: &[String], link: &Link, action: Action) -> String {
        if action != (Action::Refuse { at_once: false }) {
            return "false".to_owned();
        }
        let equal = and(link.operators.iter().enumerate().map(|(at, _)| format!("z.e{at} = x.e{at}")));
        format!("exists (select from {} z where {equal})", self.planned(own, None))
    }

    /// The row does not satisfy a check.
    fn refused(&self, expression: &str) -> String {
        let own = Self::quoted(&self.constraint.columns);
        let planned = self.planned(&own, Some(&format!("({expression}) is false")));
        format!(
            "select {}, {{place}}, x.act, {}, null::text[], false from {planned} x",
            self.plan_keys(),
            self.values("x", own.len())
        )
    }
}
