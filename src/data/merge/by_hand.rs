//! What a merge does, for somebody who does it by hand: the same statements, in one psql.

use super::case::Case;
use super::guards::Triggers;
use super::merged::ByHand;
use super::side::OnConflict;
use super::sql::{Statements, any, differs};
use super::tables::{BAD, GOOD, SHOWN};

impl ByHand {
    pub(super) fn of(did: &Statements<'_>, triggers: &Triggers, on_conflict: OnConflict) -> Self {
        let shape = did.shape;
        // What is always generated no UPDATE can set.
        let all = did.columns().filter(|(_, column)| !column.identity).map(|(at, _)| at).collect();
        let statements = Statements { touched: all, references: did.references.clone(), ..*did };
        let cases: &[Case] =
            if did.with_bad { &[Case::Inserted, Case::Changed, Case::Deleted] } else { &[Case::Deleted] };
        let mut steps = vec![match did.with_bad {
            true if statements.is_narrow() => statements.create_changed(),
            true => statements.pair_by_pair(),
            false => statements.leave_out_same(),
        }];
        steps.push(format!("begin;\nlock table {} in share row exclusive mode", shape.relation));
        steps.push("-- what both the mistake and users have changed".to_owned());
        for case in cases {
            let both = statements.both_changed(*case);
            steps.push(format!("select x.*, t.* {both} limit {SHOWN}"));
            if on_conflict == OnConflict::Fail {
                steps.push(format!(
                    "do $$ begin\n  if exists (select {both}) then\n    \
                     raise exception 'users have changed what the mistake has changed';\n  end if;\nend $$"
                ));
            }
        }
        steps.push(triggers.off().to_owned());
        for case in cases {
            match case {
                Case::Inserted => steps.push(statements.delete()),
                Case::Changed => steps.push(statements.update(*case)),
                Case::Deleted => {}
            }
        }
        steps.extend(statements.take.then(|| statements.update(Case::Deleted)));
        steps.extend((statements.take && did.with_bad).then(|| statements.insert(Case::Changed)));
        steps.push(statements.insert(Case::Deleted));
        steps.push(format!("set constraints all immediate;\n{}", triggers.on()));
        steps.push("commit".to_owned());
        ByHand {
            rows: format!("select {} from {}", shape.names().join(", "), shape.relation),
            tables: script(&[statements.create_sides()]),
            good: GOOD,
            bad: BAD,
            merge: script(&steps),
        }
    }
}

/// Statements, each on lines of its own.
fn script(statements: &[String]) -> String {
    let lines = statements.iter().map(|statement| statement.trim().trim_end_matches(';'));
    let ended = lines.filter(|line| !line.is_empty()).map(|line| match line.starts_with("--") {
        true => format!("{line}\n"),
        false => format!("{line};\n"),
    });
    ended.collect()
}

impl Statements<'_> {
    /// The rows `x` of a case, with what `t` of them is there, that users have changed, too.
    fn both_changed(&self, case: Case) -> String {
        // What the mistake deleted and is gone comes back; what it inserted and is gone is right.
        let gone = if case == Case::Changed { "t.tableoid is null or " } else { "" };
        format!(
            "from {} left join {} t on {} where {gone}t.tableoid is not null and {}",
            self.rows(case, "x"),
            self.shape.relation,
            self.key_in_table("x"),
            self.in_conflict(case),
        )
    }

    /// Leaves the rows of `good` out that are the same in the table.
    fn leave_out_same(&self) -> String {
        let cells = self.cells(Case::Deleted);
        let differ: Vec<String> =
            cells.iter().map(|(at, column, good, _)| differs(column, &self.t(*at), good)).collect();
        let (relation, key) = (&self.shape.relation, self.key_in_table("x"));
        format!("delete from pg_temp.{GOOD} x using {relation} t where {key} and not {}", any(&differ))
    }
}
