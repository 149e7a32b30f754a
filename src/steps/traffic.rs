//! `traffic`

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, Finding, NodeRef, Role, Scope, Step, StepKind, StepResult, UserPace, Users};
use crate::pg::TableName;
use crate::pg::condition::SqlState;
use crate::source::{Name, Ordered, Spanned, Sql};
use crate::traffic::{Kind, LedgerColumns, LoginSource, Pool, Workload};

/// Starts users in the background and goes on at once.
///
/// ```yaml
/// - id: users
///   traffic:
///     node: master
///     clients: 8
///     transactions:
///       order:
///         weight: 2
///         sql: INSERT INTO shop.orders (client, seq, amount) VALUES ($client, $seq, 42)
///         ledger: { table: shop.orders, client: client, seq: seq }
///         tolerate: [undefined_table]
/// ```
///
/// Every commit that the server acknowledged is kept in a ledger on this side, with its time. One whose acknowledgement never
/// came is in doubt: neither lost nor kept. `$client` and `$seq` together are unique to each transaction of the drill, and
/// `ledger` says in which columns they can be found again. Statements separated by `;` are one transaction. `tolerate` names errors, by condition
/// name or SQLSTATE, that are counted and not raised; any other error of a statement fails the drill. Users who lose their
/// connection try again until they are stopped. With `nodes: [a, b]` they go to whichever accepts writes. `clients` is 4 where it
/// is left out; `rate` is in transactions a second, of all users together.
/// Without it users do as much as they can, but hold back to 1000 a second while a step backs up, recovers, dumps, imports or judges:
/// what is to be measured there is not the load. What the server says is not there or not allowed a user leaves alone for 50 ms.
///
/// The step passes when the users are there; what they did is judged by `assert_traffic`. Users who are never stopped are stopped
/// at the drill's end.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// Servers, of which one accepts writes.
    #[serde(default)]
    nodes: Option<Spanned<Vec<Spanned<Name>>>>,
    /// What the users do, by name.
    transactions: Spanned<Ordered<String, Transaction>>,
    /// How many users.
    #[serde(default)]
    clients: Option<Spanned<u32>>,
    /// Transactions a second.
    #[serde(default)]
    rate: Option<Spanned<f64>>,
}

/// What a user does.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Transaction {
    /// The statements.
    sql: Spanned<Sql>,
    /// How often, against the others. 1 where it is left out.
    #[serde(default)]
    weight: Option<Spanned<u32>>,
    /// Where it can be found again.
    #[serde(default)]
    ledger: Option<Ledger>,
    /// Errors that are counted and not raised.
    #[serde(default)]
    tolerate: Vec<SqlState>,
}

/// Where a transaction can be found again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct Ledger {
    /// The table.
    table: TableName,
    /// The column that holds `$client`.
    client: String,
    /// The column that holds `$seq`.
    seq: String,
}

impl StepKind for Traffic {
    const NAME: &'static str = "traffic";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Act;
    const USERS: UserPace = UserPace::Full;
}

const MOST_CLIENTS: u32 = 1000;

#[async_trait(?Send)]
impl Step for Traffic {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        match &self.nodes {
            None => {
                scope.own_node(&mut self.node);
            }
            Some(nodes) => {
                if let Some(span) = self.node.span() {
                    scope.error(span, "`node` and `nodes` exclude each other", "one of the two");
                }
                if nodes.value.is_empty() {
                    scope.error(nodes.span, "`nodes` is empty", "users need a server to go to");
                }
                for name in &nodes.value {
                    if let Some(info) = scope.named_node(name)
                        && info.external
                    {
                        let title = format!("`{}` is external: a drill only reads from it", name.value);
                        let related = (info.span, "declared external here".to_owned());
                        scope.error_related(name.span, title, "users write", related);
                    }
                }
            }
        }
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`traffic` has no `id`",
                "nothing can stop or judge these users",
                "write `id: users` beside `traffic:`",
            );
        }
        if self.transactions.value.iter().next().is_none() {
            scope.error(self.transactions.span, "`transactions` is empty", "users need something to do");
        }
        if let Some(clients) = &self.clients
            && !(1..=MOST_CLIENTS).contains(&clients.value)
        {
            scope.error(clients.span, format!("clients must be 1 to {MOST_CLIENTS}"), "out of range");
        }
        if let Some(rate) = &self.rate
            && !(rate.value > 0.0 && rate.value.is_finite())
        {
            scope.error(rate.span, "a rate is in transactions a second, above 0", "out of range");
        }
        for (_, transaction) in self.transactions.value.iter() {
            if let Some(weight) = &transaction.weight
                && weight.value == 0
            {
                scope.error(weight.span, "a weight of 0 means never", "leave the transaction out instead");
            }
            let text = transaction.sql.as_str();
            if transaction.ledger.is_some() && !(text.contains("$client") && text.contains("$seq")) {
                scope.error_help(
                    transaction.sql.span,
                    "a transaction with a ledger must write `$client` and `$seq`",
                    "without them it cannot be found again",
                    "such as INSERT INTO t (client, seq) VALUES ($client, $seq)",
                );
            }
        }
    }

    fn title(&self) -> String {
        let clients = self.clients.as_ref().map_or(DEFAULT_CLIENTS, |c| c.value);
        let nodes = match &self.nodes {
            Some(nodes) => nodes.value.iter().map(|n| n.value.to_string()).collect::<Vec<_>>().join(", "),
            None => self.node.to_string(),
        };
        format!("{clients} users on {nodes}")
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let names: Vec<String> = match &self.nodes {
            Some(nodes) => nodes.value.iter().map(|name| name.value.to_string()).collect(),
            None => vec![self.node.as_str().to_owned()],
        };
        let mut logins: Vec<(String, LoginSource)> = Vec::new();
        for name in names {
            let node = cx.yard.node(&name)?;
            logins.push((name, Arc::new(move || node.login())));
        }
        let id = cx.id.unwrap_or_default();
        // `$client` is unique to a user of the whole drill: several traffic steps may write to the same table.
        let earlier: usize = cx.yard.state().users.values().map(|users| users.workload.clients).sum();
        let workload = self.workload(cx.yard.seed, 1 + earlier as u64);
        let pool = Pool::start(id, workload.clone(), logins)
            .map_err(|e| Finding::failed("the users cannot start").at(self.transactions.span).label(e.to_string()))?;
        let users = Arc::new(Users { pool, workload, judged: Mutex::new(None) });
        cx.yard.state().users.insert(id.to_owned(), users);
        Ok(())
    }
}

/// Users where `clients` does not say: as many as a small test needs to have several transactions in flight.
const DEFAULT_CLIENTS: u32 = 4;

impl Traffic {
    fn workload(&self, seed: u64, first_client: u64) -> Workload {
        let kinds = self.transactions.value.iter().map(|(name, transaction)| Kind {
            name: name.value.clone(),
            sql: transaction.sql.as_str().to_owned(),
            weight: transaction.weight.as_ref().map_or(1, |weight| weight.value),
            ledger: transaction.ledger.as_ref().map(|ledger| LedgerColumns {
                table: ledger.table.clone(),
                client: ledger.client.clone(),
                seq: ledger.seq.clone(),
            }),
            tolerate: transaction.tolerate.clone(),
        });
        Workload {
            kinds: kinds.collect(),
            clients: self.clients.as_ref().map_or(DEFAULT_CLIENTS, |c| c.value) as usize,
            first_client,
            rate: self.rate.as_ref().map(|rate| rate.value),
            seed,
        }
    }
}
