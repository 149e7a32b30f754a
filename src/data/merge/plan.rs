//! The merge as a plan: each row as it is to become.

use tokio_postgres::Client;

use super::case::Case;
use super::constraints::Constraint;
use super::error::MergeError;
use super::live::Live;
use super::obstacles;
use super::side::OnConflict;
use super::sql::{Statements, any, differs};
use super::tables::{FINAL, PLAN};
use crate::pg::quote_identifier;

/// A plan, in temporary tables.
pub(super) struct Plan<'a> {
    pub(super) live: &'a Live<'a>,
    /// The server as it was just after the mistake, if it is known.
    pub(super) bad: Option<&'a Client>,
    pub(super) statements: &'a Statements<'a>,
    pub(super) constraints: &'a [Constraint],
    pub(super) on_conflict: OnConflict,
    pub(super) cases: Vec<Case>,
}

/// What is being done while it is made.
pub(super) const PLANNING: &str = "looking for rows that the server would refuse";

impl<'a> Plan<'a> {
    /// Creates its tables, and writes down in them what the merge is to do.
    pub(super) async fn create(self) -> Result<Plan<'a>, MergeError> {
        let statements = self.statements;
        let shape = statements.shape;
        let relation = &shape.relation;
        let keys: String = statements.keys().map(|(at, name)| format!("{name} as k{at}, ")).collect();
        let nullable: Vec<String> =
            shape.not_null().map(|column| format!("alter {} drop not null", quote_identifier(&column.name))).collect();
        let nullable = match nullable.is_empty() {
            true => String::new(),
            false => format!("alter table pg_temp.{FINAL} {};", nullable.join(", ")),
        };
        let create = format!(
            "create temp table {PLAN} as select {keys} null::\"char\" as act, false as moved from {relation} with no data;
            create temp table {FINAL} (like {relation} including generated); {nullable} {}",
            obstacles::create(statements)
        );
        self.live.batch(PLANNING, &create).await?;
        for case in &self.cases {
            for statement in self.fill(*case) {
                self.execute(&statement).await?;
            }
        }
        let names = |of: &str| {
            let keys = statements.keys().map(|(at, name)| if of == PLAN { format!("k{at}") } else { name });
            keys.collect::<Vec<_>>().join(", ")
        };
        let index = format!(
            "create index on pg_temp.{PLAN} ({}); create index on pg_temp.{FINAL} ({}); analyze pg_temp.{PLAN}; analyze pg_temp.{FINAL}",
            names(PLAN),
            names(FINAL)
        );
        self.live.batch(PLANNING, &index).await?;
        Ok(self)
    }

    pub(super) async fn execute(&self, statement: &str) -> Result<u64, MergeError> {
        self.live.execute(PLANNING, statement).await
    }

    pub(super) async fn number(&self, query: &str) -> Result<u64, MergeError> {
        Ok(self.live.row(PLANNING, query).await?.get::<_, i64>(0).cast_unsigned())
    }

    /// The statements that write a case down.
    fn fill(&self, case: Case) -> Vec<String> {
        let s = self.statements;
        let (relation, names) = (&s.shape.relation, s.shape.names());
        let keys = |alias: &str| s.keys().map(|(at, _)| format!("{alias}.k{at}")).collect::<Vec<_>>().join(", ");
        let rows = s.rows(case, "x");
        let here = s.key_in_table("x");
        if case == Case::Inserted {
            let only = if s.take { String::new() } else { format!(" and not {}", s.in_conflict(case)) };
            return vec![format!(
                "insert into pg_temp.{PLAN} select {}, 'd', false from {rows} join {relation} t on {here}{only}",
                keys("x")
            )];
        }
        let changes = s.changes(case);
        let cells = s.cells(case);
        let value = |name: &String| {
            let cell = cells.iter().zip(&changes).find(|((_, column, ..), _)| quote_identifier(&column.name) == *name);
            match cell {
                Some(((_, _, good, _), change)) => format!("case when {change} then {good} else t.{name} end"),
                None => format!("t.{name}"),
            }
        };
        let values: Vec<String> = names.iter().map(value).collect();
        let changed = any(&changes);
        let names = names.join(", ");
        let mut all = vec![
            format!(
                "insert into pg_temp.{PLAN} select {}, 'u', false from {rows} join {relation} t on {here} where {changed}",
                keys("x")
            ),
            format!(
                "insert into pg_temp.{FINAL}({names}) select {} from {rows} join {relation} t on {here} where {changed}",
                values.join(", ")
            ),
        ];
        if case == Case::Deleted || s.take {
            let good = s.good_rows(case);
            let stored = s.shape.stored_names().join(", ");
            let keys = s.keys().map(|(at, _)| format!("k{at}")).collect::<Vec<_>>().join(", ");
            all.push(format!("insert into pg_temp.{PLAN} select {keys}, 'i', false from ({good}) q({stored})"));
            all.push(format!("insert into pg_temp.{FINAL}({names}) {good}"));
        }
        all
    }

    pub(super) fn f(&self, at: usize) -> String {
        format!("f.{}", quote_identifier(&self.statements.shape.columns[at].name))
    }

    /// For each column whether a row is to have another value than it has.
    pub(super) fn differences(&self) -> Vec<String> {
        let s = self.statements;
        s.columns().map(|(at, column)| differs(column, &self.f(at), &s.t(at))).collect()
    }

    pub(super) fn same_key(&self) -> String {
        self.statements.keys().map(|(_, name)| format!("t.{name} = f.{name}")).collect::<Vec<_>>().join(" and ")
    }

    pub(super) fn planned(&self) -> String {
        self.statements.keys().map(|(at, name)| format!("p.k{at} = f.{name}")).collect::<Vec<_>>().join(" and ")
    }
}
