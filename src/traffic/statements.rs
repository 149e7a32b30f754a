//! A workload made ready: statements with names, weights added up, everything that is wrong with it
//! reported before anybody starts.

use super::effect::{Effect, has_own_transaction};
use super::workload::{TrafficError, Workload};
use crate::ledger::{Deletes, Footprint, Kind, Layout, Refusal, WriteSite, column, footprints};
use crate::pg::SqlState;
use crate::pg::sql::{UserParameter, UserSql, has_client_commands, split_statements, user_sql};

/// One statement, to be prepared once in each session.
#[derive(Debug)]
pub(super) struct Statement {
    /// Its number among the statements of all kinds.
    pub(super) index: usize,
    /// The name of the prepared statement.
    pub(super) name: String,
    pub(super) sql: String,
    pub(super) parameters: Vec<UserParameter>,
    pub(super) effect: Effect,
    /// The sites of the transaction, a bit for each, that the server's count of this one's rows is
    /// about.
    pub(super) counts: u8,
}

/// A query for the user's rows before a transaction writes over them, see
/// [`PrewriteCheck`](crate::ledger::PrewriteCheck).
#[derive(Debug)]
pub(super) struct PrewriteQuery {
    /// Its number among the statements of all kinds.
    pub(super) index: usize,
    /// The name of the prepared statement.
    pub(super) name: String,
    pub(super) sql: String,
    /// How far back the last row lies that is read; None for all.
    pub(super) back: Option<u64>,
}

/// One kind of transaction.
#[derive(Debug)]
pub(super) struct KindPlan {
    pub(super) name: String,
    /// For each site that hides what was there before.
    pub(super) prewrite: Vec<PrewriteQuery>,
    pub(super) statements: Vec<Statement>,
    /// The sum of the weights up to and with this one.
    upto: u64,
    pub(super) tolerate: Vec<SqlState>,
    /// How many statements must be complete before the transaction can have been committed.
    pub(super) safe: usize,
    /// The sites whose rows the server counts.
    pub(super) counted: u8,
}

/// What the users do.
#[derive(Debug)]
pub(super) struct Plan {
    pub(super) kinds: Vec<KindPlan>,
    total: u64,
    /// How many statements there are in all.
    pub(super) statements: usize,
    /// What they leave behind.
    pub(super) layout: Layout,
}

/// One row if the transaction has written anything at all: only then it has an id.
const WROTE: &str = "\n;SELECT 1 WHERE pg_catalog.pg_current_xact_id_if_assigned() IS NOT NULL";

/// A kind's SQL as it is run.
struct Script {
    sql: UserSql,
    /// How many statements stand before the first of its own.
    before: usize,
    /// The statement that asks whether anything was written, and the sites that this is about.
    asked: Option<(usize, u8)>,
}

impl Plan {
    pub(super) fn new(workload: &Workload) -> Result<Self, TrafficError> {
        if workload.clients == 0 {
            return Err(TrafficError::Nothing("at least one client"));
        }
        if workload.kinds.len() > 256 {
            return Err(TrafficError::TooManyKinds(workload.kinds.len()));
        }
        if let Some(rate) = workload.rate.filter(|rate| !(rate.is_finite() && *rate > 0.0)) {
            return Err(TrafficError::Rate(rate.to_string()));
        }
        let footprints = footprints(&workload.kinds).map_err(|refused| unchecked(workload, refused))?;
        let layout = Layout::new(&workload.kinds, &footprints.sites);
        let mut plan = Plan { kinds: vec![], total: 0, statements: 0, layout };
        for (kind, sites) in workload.kinds.iter().zip(&footprints.sites) {
            plan.add(kind, sites).map_err(|reason| TrafficError::Sql { kind: kind.name.clone(), reason })?;
        }
        if plan.total == 0 {
            return Err(TrafficError::Nothing("at least one transaction with a weight above 0"));
        }
        Ok(plan)
    }

    fn add(&mut self, kind: &Kind, sites: &[WriteSite]) -> Result<(), String> {
        let Script { sql, before, asked } = Script::new(kind, sites)?;
        let counts = |number: usize| match asked {
            Some((at, sites)) if at == number => sites,
            _ => {
                let about = |site: &WriteSite| site.statements.iter().any(|of| of + before == number);
                sites.iter().enumerate().fold(0, |bits, (at, site)| bits | u8::from(about(site)) << at)
            }
        };
        let statements = sql.statements.into_iter().zip(self.statements..).enumerate();
        let statements: Vec<Statement> = statements
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
        let prewrite = self.prewrite(sites);
        self.total += u64::from(kind.weight);
        let safe = statements.iter().position(|s| matches!(s.effect, Effect::Commit | Effect::MayCommit));
        self.kinds.push(KindPlan {
            name: kind.name.clone(),
            prewrite,
            safe: safe.unwrap_or(statements.len()),
            counted: statements.iter().fold(0, |bits, statement| bits | statement.counts),
            statements,
            upto: self.total,
            tolerate: kind.tolerate.clone(),
        });
        Ok(())
    }

    fn prewrite(&mut self, sites: &[WriteSite]) -> Vec<PrewriteQuery> {
        let mut queries = vec![];
        for site in sites.iter().filter(|site| site.footprint.hides()) {
            let [client, seq] = [&site.columns.client, &site.columns.seq].map(|name| column(name));
            let (which, back) = match site.footprint {
                Footprint::Deletes(Deletes::UpTo(back)) => (format!(" AND {seq} <= $2"), Some(back)),
                Footprint::Deletes(Deletes::Just(back)) => (format!(" AND {seq} = $2"), Some(back)),
                Footprint::Row | Footprint::Last => (String::new(), None),
            };
            let sql = format!("SELECT {seq}::text FROM {} WHERE {client} = $1{which}", site.columns.table.quoted());
            queries.push(PrewriteQuery { index: self.statements, name: format!("l{}", self.statements), sql, back });
            self.statements += 1;
        }
        queries
    }

    /// Whether a kind is done at all: its weight is not 0.
    pub(super) fn is_done(&self, kind: usize) -> bool {
        let before = kind.checked_sub(1).map_or(0, |before| self.kinds[before].upto);
        self.kinds[kind].upto > before
    }

    /// The kind that comes next, by its weight.
    pub(super) fn choose(&self, random: &mut fastrand::Rng) -> usize {
        let at = random.u64(..self.total);
        self.kinds.partition_point(|kind| kind.upto <= at)
    }
}

impl Script {
    fn new(kind: &Kind, sites: &[WriteSite]) -> Result<Self, String> {
        if has_client_commands(&kind.sql) {
            return Err("holds commands of psql or rows for COPY, which users cannot send".to_owned());
        }
        if kind.sql.contains('\0') {
            return Err("holds a NUL character".to_owned());
        }
        let uncounted = sites.iter().enumerate().filter(|(_, site)| site.statements.is_empty());
        let uncounted = uncounted.filter(|(_, site)| !matches!(site.footprint, Footprint::Deletes(_)));
        let uncounted = uncounted.fold(0, |bits, (at, _)| bits | 1_u8 << at);
        let own_transaction = has_own_transaction(&kind.sql);
        // If no statement's count of rows says whether anything was written, the server is asked.
        let asks = uncounted != 0 && !own_transaction;
        let mut text = kind.sql.clone();
        if asks {
            text.push_str(WROTE);
        }
        let mut before = 0;
        if split_statements(&kind.sql).len() > 1 && !own_transaction {
            // What is implicitly one transaction is not one to LOCK, SAVEPOINT and their like.
            text = format!("BEGIN;\n{text}\n;COMMIT");
            before = 1;
        }
        let sql = user_sql(&text).map_err(|error| format!("cannot be run: {error}"))?;
        let marks = sql.uses(UserParameter::Client) && sql.uses(UserParameter::Seq);
        if !marks && !kind.ledger.is_empty() {
            return Err(
                "has a ledger but does not write both `$client` and `$seq`: it could not be found again".to_owned()
            );
        }
        let asked = sql.statements.len().checked_sub(1 + before).filter(|_| asks).map(|at| (at, uncounted));
        Ok(Script { sql, before, asked })
    }
}

/// The error for kinds whose ledger could not show a loss.
fn unchecked(workload: &Workload, refused: Vec<Refusal>) -> TrafficError {
    let first = refused.into_iter().next();
    let first = first.map(|one| (one.kind, format!("cannot be checked: {}; {}", one.title, one.help)));
    let (kind, reason) = first.unwrap_or_default();
    TrafficError::Sql { kind: workload.kinds.get(kind).map(|kind| kind.name.clone()).unwrap_or_default(), reason }
}

#[cfg(test)]
mod tests {
    use super::*;

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
            attended: false,
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
    fn what_no_user_can_do_is_reported_before_the_start() {
        let refused = |sql: &str, ledger: bool| {
            let columns = crate::ledger::LedgerColumns {
                table: crate::pg::TableName { schema: None, name: "t".into() },
                client: "client".into(),
                seq: "seq".into(),
                rows: None,
            };
            let ledger = if ledger { vec![columns] } else { vec![] };
            let kind = Kind { name: "order".into(), sql: sql.into(), weight: 1, ledger, tolerate: vec![] };
            let workload =
                Workload { kinds: vec![kind], clients: 1, first_client: 1, rate: None, attended: false, seed: 1 };
            Plan::new(&workload).map(|_| ()).map_err(|error| error.to_string())
        };
        assert_eq!(refused("INSERT INTO t VALUES ($client, $seq)", true), Ok(()));
        for (sql, ledger, site) in [
            ("INSERT INTO t VALUES ($client)", true, "could not be found again"),
            ("UPDATE t SET client = $client, seq = $seq", true, "cannot be checked: this UPDATE writes over"),
            ("-- nothing", false, "no statement"),
            ("COPY t FROM stdin", false, "psql"),
            ("SELECT $1", false, "`$1` is no parameter"),
        ] {
            let text = refused(sql, ledger).unwrap_err();
            assert!(text.starts_with("transaction `order` ") && text.contains(site), "{text}");
        }
    }
}
