//! A workload made ready: statements with names, weights added up, everything wrong with it told before anybody starts.

use super::{Kind, TrafficError, Workload};
use crate::ledger::column;
use crate::ledger::footprint::{Deletes, Footprint, WriteSite, footprints};
use crate::ledger::history::Layout;
use crate::pg::SqlState;
use crate::pg::sql::{UserParameter, first_words, has_client_commands, split_statements, user_sql};

/// What a statement means for the transaction.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Effect {
    /// Nothing to us.
    Plain,
    /// COMMIT, END, PREPARE TRANSACTION.
    Commit,
    /// ROLLBACK, ABORT; not ROLLBACK TO.
    Rollback,
    /// CALL, DO: they may commit inside.
    MayCommit,
}

impl Effect {
    fn of(statement: &str) -> Self {
        let words = first_words(statement, 3);
        let words: Vec<&str> = words.iter().map(String::as_str).collect();
        match words[..] {
            ["commit" | "end", ..] | ["prepare", "transaction", ..] => Effect::Commit,
            ["rollback", "to", ..] | ["rollback", "work" | "transaction", "to"] => Effect::Plain,
            ["rollback" | "abort", ..] => Effect::Rollback,
            ["call" | "do", ..] => Effect::MayCommit,
            _ => Effect::Plain,
        }
    }
}

/// One statement, to be prepared once in each session.
#[derive(Debug)]
pub(crate) struct Statement {
    /// Its number among the statements of all kinds.
    pub(crate) index: usize,
    /// The name of the prepared statement.
    pub(crate) name: String,
    pub(crate) sql: String,
    pub(crate) parameters: Vec<UserParameter>,
    pub(crate) effect: Effect,
    /// The parts of the transaction, a bit for each, that the server's count of this one's rows is about.
    pub(crate) counts: u8,
}

/// A look at the user's rows before a transaction writes over them, see [`super::witness`].
#[derive(Debug)]
pub(crate) struct PrewriteQuery {
    /// Its number among the statements of all kinds.
    pub(crate) index: usize,
    /// The name of the prepared statement.
    pub(crate) name: String,
    pub(crate) sql: String,
    /// How far back the last row lies that is looked at; None for all.
    pub(crate) back: Option<u64>,
}

/// One kind of transaction.
#[derive(Debug)]
pub(crate) struct KindPlan {
    pub(crate) name: String,
    /// For each part that hides what was there before.
    pub(crate) looks: Vec<PrewriteQuery>,
    pub(crate) statements: Vec<Statement>,
    /// The sum of the weights up to and with this one.
    upto: u64,
    pub(crate) tolerate: Vec<SqlState>,
    /// How many statements must be complete before the transaction can have been committed.
    pub(crate) safe: usize,
    /// The parts whose rows the server counts.
    pub(crate) counted: u8,
}

/// What the users do.
#[derive(Debug)]
pub(crate) struct Plan {
    pub(crate) kinds: Vec<KindPlan>,
    total: u64,
    /// How many statements there are in all.
    pub(crate) statements: usize,
    /// What they leave behind.
    pub(crate) layout: Layout,
}

impl Plan {
    pub(crate) fn new(workload: &Workload) -> Result<Self, TrafficError> {
        if workload.clients == 0 {
            return Err(TrafficError::Nothing("at least one client"));
        }
        if workload.kinds.len() > 256 {
            return Err(TrafficError::TooManyKinds(workload.kinds.len()));
        }
        if let Some(rate) = workload.rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(TrafficError::Rate(rate.to_string()));
        }
        let footprints = footprints(&workload.kinds).map_err(|refused| {
            let told = refused
                .into_iter()
                .next()
                .map(|one| (one.kind, format!("cannot be judged: {}; {}", one.title, one.help)));
            let (kind, reason) = told.unwrap_or_default();
            TrafficError::Sql {
                kind: workload.kinds.get(kind).map(|kind| kind.name.clone()).unwrap_or_default(),
                reason,
            }
        })?;
        let layout = Layout::new(&workload.kinds, &footprints.parts);
        let mut plan = Plan { kinds: vec![], total: 0, statements: 0, layout };
        for (kind, parts) in workload.kinds.iter().zip(&footprints.parts) {
            plan.add(kind, parts).map_err(|reason| TrafficError::Sql { kind: kind.name.clone(), reason })?;
        }
        if plan.total == 0 {
            return Err(TrafficError::Nothing("at least one transaction with a weight above 0"));
        }
        Ok(plan)
    }

    fn add(&mut self, kind: &Kind, parts: &[WriteSite]) -> Result<(), String> {
        if has_client_commands(&kind.sql) {
            return Err("holds commands of psql or rows for COPY, which users cannot send".to_owned());
        }
        if kind.sql.contains('\0') {
            return Err("holds a NUL character".to_owned());
        }
        let read = |text: &str| user_sql(text).map_err(|error| format!("cannot be run: {error}"));
        let uncounted = parts.iter().enumerate().filter(|(_, part)| part.statements.is_empty());
        let uncounted = uncounted.filter(|(_, part)| !matches!(part.footprint, Footprint::Deletes(_)));
        let uncounted = uncounted.fold(0, |bits, (at, _)| bits | 1_u8 << at);
        // Where no statement's count of rows tells whether anything was written, the server is asked.
        let asks = uncounted != 0 && !has_own_transaction(&kind.sql);
        let mut text = kind.sql.clone();
        if asks {
            text.push_str(WROTE);
        }
        let several = split_statements(&kind.sql).len() > 1;
        let mut sql = read(&text)?;
        // How many statements stand before the first of its own.
        let mut before = 0;
        if several && !has_own_transaction(&kind.sql) {
            // What is implicitly one transaction is not one to LOCK, SAVEPOINT and their like.
            sql = read(&format!("BEGIN;\n{text}\n;COMMIT"))?;
            before = 1;
        }
        let marks = sql.uses(UserParameter::Client) && sql.uses(UserParameter::Seq);
        if !marks && !kind.ledger.is_empty() {
            return Err(
                "has a ledger but does not write both `$client` and `$seq`: it could not be found again".to_owned()
            );
        }
        let asked_at = sql.statements.len().checked_sub(1 + before).filter(|_| asks);
        let counts = |number: usize| {
            if asked_at == Some(number) {
                return uncounted;
            }
            let about = |part: &WriteSite| part.statements.iter().any(|of| of + before == number);
            parts.iter().enumerate().fold(0, |bits, (at, part)| bits | u8::from(about(part)) << at)
        };
        let statements: Vec<Statement> = sql
            .statements
            .into_iter()
            .zip(self.statements..)
            .enumerate()
            .map(|(number, (statement, index))| Statement {
                index,
                counts: counts(number),
                name: format!("u{index}"),
                effect: Effect::of(&statement.sql),
                sql: statement.sql,
                parameters: statement.parameters,
            })
            .collect();
        if statements.is_empty() {
            return Err("has no statement".to_owned());
        }
        self.statements += statements.len();
        let looks = self.looks(parts);
        self.total += u64::from(kind.weight);
        let safe = statements.iter().position(|s| matches!(s.effect, Effect::Commit | Effect::MayCommit));
        self.kinds.push(KindPlan {
            name: kind.name.clone(),
            looks,
            safe: safe.unwrap_or(statements.len()),
            counted: statements.iter().fold(0, |bits, statement| bits | statement.counts),
            statements,
            upto: self.total,
            tolerate: kind.tolerate.clone(),
        });
        Ok(())
    }

    fn looks(&mut self, parts: &[WriteSite]) -> Vec<PrewriteQuery> {
        let mut looks = vec![];
        for part in parts.iter().filter(|part| part.footprint.hides()) {
            let [client, seq] = [&part.columns.client, &part.columns.seq].map(|name| column(name));
            let (which, back) = match part.footprint {
                Footprint::Deletes(Deletes::UpTo(back)) => (format!(" AND {seq} <= $2"), Some(back)),
                Footprint::Deletes(Deletes::Just(back)) => (format!(" AND {seq} = $2"), Some(back)),
                Footprint::Row | Footprint::Last => (String::new(), None),
            };
            let sql = format!("SELECT {seq}::text FROM {} WHERE {client} = $1{which}", part.columns.table.quoted());
            looks.push(PrewriteQuery { index: self.statements, name: format!("l{}", self.statements), sql, back });
            self.statements += 1;
        }
        looks
    }

    /// Whether a kind is done at all: its weight is not 0.
    pub(crate) fn is_done(&self, kind: usize) -> bool {
        let before = kind.checked_sub(1).map_or(0, |before| self.kinds[before].upto);
        self.kinds[kind].upto > before
    }

    /// The kind that comes next, by its weight.
    pub(crate) fn choose(&self, random: &mut fastrand::Rng) -> usize {
        let at = random.u64(..self.total);
        self.kinds.partition_point(|kind| kind.upto <= at)
    }
}

impl Kind {
    /// Whether its SQL ends with a ROLLBACK of all of it, and commits nothing before.
    pub fn rolls_itself_back(&self) -> bool {
        let effects = split_statements(&self.sql).into_iter().map(Effect::of).filter(|effect| *effect != Effect::Plain);
        let effects: Vec<Effect> = effects.collect();
        !effects.is_empty() && effects.iter().all(|effect| *effect == Effect::Rollback)
    }
}

/// One row where the transaction has written anything at all: only then it has an id.
const WROTE: &str = "\n;SELECT 1 WHERE pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL";

/// Whether any of the statements begins or ends a transaction.
fn has_own_transaction(text: &str) -> bool {
    split_statements(text).iter().any(|statement| {
        let words = first_words(statement, 1);
        Effect::of(statement) != Effect::Plain || words.first().is_some_and(|word| word == "begin" || word == "start")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_statements_that_end_the_transaction_count_as_such() {
        for (sql, effect) in [
            ("COMMIT", Effect::Commit),
            ("end transaction", Effect::Commit),
            ("ROLLBACK", Effect::Rollback),
            ("rollback to savepoint a", Effect::Plain),
            ("ROLLBACK WORK TO a", Effect::Plain),
            ("/* COMMIT */ SELECT 1", Effect::Plain),
            ("CALL p()", Effect::MayCommit),
        ] {
            assert_eq!(Effect::of(sql), effect, "{sql}");
        }
    }

    #[test]
    fn kinds_are_chosen_by_weight() {
        let kind = |name: &str, weight| Kind {
            name: name.into(),
            sql: "SELECT 1".into(),
            weight,
            ledger: vec![],
            tolerate: vec![],
        };
        let workload = Workload {
            kinds: vec![kind("a", 2), kind("never", 0), kind("b", 1)],
            clients: 1,
            first_client: 1,
            rate: None,
            seed: 1,
        };
        let Ok(plan) = Plan::new(&workload) else { panic!("no plan") };
        let mut random = fastrand::Rng::with_seed(7);
        let mut counts = [0; 3];
        (0..3000).for_each(|_| counts[plan.choose(&mut random)] += 1);
        assert_eq!(counts[1], 0);
        assert!((1800..2200).contains(&counts[0]), "{counts:?}");
    }

    #[test]
    fn what_no_user_can_do_is_told_before_the_start() {
        let told = |sql: &str, ledger: bool| {
            let columns = crate::ledger::LedgerColumns {
                table: crate::pg::TableName { schema: None, name: "t".into() },
                client: "client".into(),
                seq: "seq".into(),
                rows: None,
            };
            let ledger = if ledger { vec![columns] } else { vec![] };
            let kind = Kind { name: "order".into(), sql: sql.into(), weight: 1, ledger, tolerate: vec![] };
            let workload = Workload { kinds: vec![kind], clients: 1, first_client: 1, rate: None, seed: 1 };
            Plan::new(&workload).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(told("INSERT INTO t VALUES ($client, $seq)", true), Ok(()));
        for (sql, ledger, part) in [
            ("INSERT INTO t VALUES ($client)", true, "could not be found again"),
            ("UPDATE t SET client = $client, seq = $seq", true, "cannot be judged: this UPDATE writes over"),
            ("-- nothing", false, "no statement"),
            ("COPY t FROM stdin", false, "psql"),
            ("SELECT $1", false, "`$1` is no parameter"),
        ] {
            let text = told(sql, ledger).unwrap_err();
            assert!(text.starts_with("transaction `order` ") && text.contains(part), "{text}");
        }
    }
}
