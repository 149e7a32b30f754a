//! `traffic`

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, NodeField, Output, Resolved, Role, Scope, Step, StepKind, StepResult, UserPace, Users,
};
use crate::journal::Event;
use crate::ledger::{Kind, LedgerColumns, MOST_ROWS, footprints};
use crate::pg::TableName;
use crate::pg::condition::SqlState;
use crate::source::{Name, Ordered, Several, Spanned, Sql};
use crate::traffic::{LoginSource, Pool, Unresolved, Workload, unresolved};

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
/// drillyard keeps a ledger of every commit that the server acknowledged, with its time. A commit
/// whose acknowledgement never came is in doubt: neither lost nor kept. So is one that was
/// committed locally only, because its wait for the synchronous standbys was cancelled. `$client`
/// and `$seq` together are unique to each transaction of the drill, and `ledger` says in which
/// columns they can be found again. Statements separated by `;` are one transaction. `tolerate`
/// lists errors, by condition name or SQLSTATE, that are counted as rejected; any other error of a
/// statement fails the drill.
///
/// What a transaction leaves in the table of its `ledger` is read from its SQL:
///
/// - INSERT: a row of its own, once.
/// - UPDATE of the user's own row (`SET seq = $seq WHERE client = $client`), or an upsert of it
///   (`ON CONFLICT (client) DO UPDATE SET seq = excluded.seq`): each user has one row, 0 or null
///   before the first transaction, which shows the last one that wrote it. Transactions later than
///   the row shows are lost, and so are those that were missing from it when the user wrote it
///   again.
/// - UPDATE that marks a row once (`SET client = $client, seq = $seq WHERE seq IS NULL AND ...`):
///   like an INSERT.
/// - DELETE of the user's earlier rows by their marks (`WHERE client = $client AND seq < $seq`;
///   `seq <= $seq - 10`, `seq = $seq - 1`), which another transaction of the same users inserts:
///   they are gone, and were there until then.
/// - Anything else that does not write to the table by name (a function): a row of its own, once.
///
/// Before such an UPDATE, upsert or DELETE a user reads, in the same round trip, the marks of the
/// rows that it is about to write over. So losses in a failover are reported even if nobody can see
/// them afterwards.
///
/// An INSERT that writes anything but `$client` and `$seq` to the ledger's columns is an error: it
/// could not be found again. What the SQL does not show is tried out: the columns when the users
/// start, and the first transactions of each kind, and some of the later ones, right after their
/// commit. Instead of a column an expression may be given, such as `(data->>'seq')`.
///
/// A transaction that leaves several rows with its mark is there if all of them are, and partial if
/// only some are. Their number is read from its INSERTs, or given: `ledger: { table: lines, client:
/// client, seq: seq, rows: 3 }`.
///
/// Whatever could hide a loss is an error. A transaction that writes to several tables has a list
/// of ledgers, and must be there completely or not at all:
///
/// ```yaml
/// - id: shoppers
///   traffic:
///     node: master
///     transactions:
///       buy:
///         sql: |
///           INSERT INTO shop.orders (client, seq, amount) VALUES ($client, $seq, 42);
///           UPDATE shop.accounts SET seq = $seq, spent = spent + 42 WHERE client = $client
///         ledger:
///           - { table: shop.orders, client: client, seq: seq }
///           - { table: shop.accounts, client: client, seq: seq }
///       forget:
///         sql: DELETE FROM shop.carts WHERE client = $client AND seq < $seq
///         ledger: { table: shop.carts, client: client, seq: seq }
///       fill:
///         sql: INSERT INTO shop.carts (client, seq) VALUES ($client, $seq)
///         ledger: { table: shop.carts, client: client, seq: seq }
/// ```
///
/// An UPDATE that finds no row (`UPDATE 0`) is acknowledged all the same, and is counted
/// separately: there is nothing to look for. Users who lose their connection try again until they
/// are stopped. With `nodes: [a, b]` they go to whichever accepts writes. The default of `clients`
/// is 4. `rate` is in transactions a second, of all users together. Without it users do as much as
/// they can, but at most 1000 transactions a second while a step backs up, recovers, dumps, imports
/// or checks: the drill is not meant to measure the load. After an error that says that something
/// does not exist or is not allowed, a user waits 50 ms.
///
/// The step passes if the users are at work; `assert_traffic` checks what they did. Users who are
/// never stopped are stopped at the end of the drill.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Traffic {
    /// The server.
    #[serde(default)]
    node: NodeField,
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
    /// How often it is chosen, compared with the others. Default: 1.
    #[serde(default)]
    weight: Option<Spanned<u32>>,
    /// Where it can be found again; a list if it writes to several tables.
    #[serde(default)]
    ledger: Option<Several<Spanned<Ledger>>>,
    /// Errors that are counted as rejected.
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
    /// How many rows with its mark a transaction leaves there. Default: as many as its INSERTs say,
    /// or 1.
    #[serde(default)]
    rows: Option<Spanned<u8>>,
}

impl Ledger {
    fn columns(&self) -> LedgerColumns {
        let rows = self.rows.as_ref().map(|rows| rows.value);
        LedgerColumns { table: self.table.clone(), client: self.client.clone(), seq: self.seq.clone(), rows }
    }
}

impl StepKind for Traffic {
    type Step = Self;

    const NAME: &'static str = "traffic";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Act;
    const OUTPUT: Option<Output> = Some(Output::Traffic);
    const USERS: UserPace = UserPace::Full;

    fn resolve(mut self, scope: &mut Scope<'_>) -> Resolved<Self> {
        self.look_up(scope);
        Some(self)
    }
}

impl Traffic {
    fn look_up(&mut self, scope: &mut Scope<'_>) {
        match &self.nodes {
            None => {
                self.node.look_up_own(scope);
            }
            Some(nodes) => {
                if let Some(span) = self.node.span() {
                    scope.error(span, "`node` and `nodes` exclude each other", "one of the two");
                }
                if nodes.value.is_empty() {
                    scope.error(nodes.span, "`nodes` is empty", "users need a server to go to");
                }
                for name in &nodes.value {
                    if let Some(node) = scope.named_node(name)
                        && let Some(info) = scope.node_info(&node).filter(|info| info.external)
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
            let ledgers = transaction.ledger.iter().flat_map(|ledger| &ledger.0);
            for rows in ledgers.filter_map(|ledger| ledger.value.rows.as_ref()) {
                if !(1..=MOST_ROWS).contains(&rows.value) {
                    scope.error(rows.span, format!("`rows` must be 1 to {MOST_ROWS}"), "out of range");
                }
            }
            let text = transaction.sql.as_str();
            if transaction.ledger.as_ref().is_some_and(|ledger| ledger.0.is_empty()) {
                scope.error(
                    transaction.sql.span,
                    "`ledger` is an empty list",
                    "leave it out, or say where it can be found again",
                );
            }
            if transaction.ledger.is_some() && !(text.contains("$client") && text.contains("$seq")) {
                scope.error_help(
                    transaction.sql.span,
                    "a transaction with a ledger must write `$client` and `$seq`",
                    "without them it cannot be found again",
                    "such as INSERT INTO t (client, seq) VALUES ($client, $seq)",
                );
            }
        }
        for (kind, (name, _)) in self.kinds().iter().zip(self.transactions.value.iter()) {
            if kind.rolls_itself_back() {
                let title = format!("transaction `{}` rolls itself back", name.value);
                let help = "leave the ROLLBACK out, or write ROLLBACK TO a savepoint";
                scope.warn(name.span, title, "none of it is ever acknowledged", help);
            } else if kind.is_unchecked() {
                scope.note_unchecked(name.span, &name.value);
            }
        }
        // What could not be judged is told before anybody starts.
        for refused in footprints(&self.kinds()).err().unwrap_or_default() {
            let Some((_, transaction)) = self.transactions.value.0.get(refused.kind) else { continue };
            // Without both there is an error already.
            if !["$client", "$seq"].iter().all(|mark| transaction.sql.as_str().contains(mark)) {
                continue;
            }
            let ledger = transaction.ledger.as_ref().and_then(|ledger| ledger.0.get(refused.ledger));
            let span = ledger.map_or(transaction.sql.span, |ledger| ledger.entry);
            scope.error_help(span, refused.title, "so it cannot be checked here", refused.help);
        }
    }
}

const MOST_CLIENTS: u32 = 1000;

/// How long a server has to say which columns it has.
const ANSWERS: Duration = Duration::from_secs(3);

#[async_trait(?Send)]
impl Step for Traffic {
    fn title(&self) -> String {
        let clients = self.clients.as_ref().map_or(DEFAULT_CLIENTS, |c| c.value);
        let nodes = match &self.nodes {
            Some(nodes) => nodes.value.iter().map(|n| n.value.to_string()).collect::<Vec<_>>().join(", "),
            None => self.node.to_string(),
        };
        format!("{clients} users on {nodes}")
    }

    fn effects(&self) -> Effects {
        Effects::anything()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let names: Vec<String> = match &self.nodes {
            Some(nodes) => nodes.value.iter().map(|name| name.value.to_string()).collect(),
            None => vec![self.node.as_str().to_owned()],
        };
        let mut logins: Vec<(String, LoginSource)> = Vec::new();
        for name in names.clone() {
            let node = cx.world.node(&name)?;
            logins.push((name, Arc::new(move || node.login())));
        }
        let id = cx.id.ok_or_else(|| Finding::errored("`traffic` has no `id`"))?;
        // `$client` is unique to a user of the whole drill: several traffic steps may write to the same table.
        let earlier: usize = cx.world.outputs().users.values().map(|users| users.workload.clients).sum();
        let workload = self.workload(cx.world.seed, 1 + earlier as u64);
        for message in footprints(&workload.kinds).map(|footprints| footprints.remarks).unwrap_or_default() {
            cx.world
                .journal
                .write(Event::Warned { drill: Some(cx.world.drill), message: format!("traffic `{id}`: {message}") });
        }
        self.resolve_ledgers(cx, &names).await?;
        let pool = Pool::start(id, workload.clone(), logins)
            .map_err(|e| Finding::failed("the users cannot start").at(self.transactions.span).label(e.to_string()))?;
        let users = Arc::new(Users {
            pool,
            workload,
            nodes: names.iter().map(|name| name.as_str().into()).collect(),
            judged: Mutex::new(None),
            measured: Mutex::new(None),
        });
        cx.world.outputs().users.insert(id.clone(), users);
        Ok(())
    }
}

/// Users where `clients` does not say: as many as a small test needs to have several transactions in flight.
const DEFAULT_CLIENTS: u32 = 4;

impl Traffic {
    /// The ledgers' columns are there, as far as a server can be asked now.
    async fn resolve_ledgers(&self, cx: &Context<'_>, names: &[String]) -> StepResult {
        for name in names {
            let node = cx.world.node(name)?;
            if !node.is_up() {
                continue;
            }
            // One that does not answer is what users may be there to meet.
            let Ok(Ok(client)) = tokio::time::timeout(ANSWERS, node.client()).await else { continue };
            for ledger in self.transactions.value.iter().flat_map(|(_, one)| &one.ledger).flat_map(|ledger| &ledger.0) {
                let found = tokio::time::timeout(ANSWERS, unresolved(&ledger.value.columns(), &client)).await;
                if let Ok(Some(Unresolved { title, label, help })) = found {
                    return Err(Finding::failed(title).at(ledger.entry).label(label).help(help));
                }
            }
            return Ok(());
        }
        Ok(())
    }

    fn kinds(&self) -> Vec<Kind> {
        let kinds = self.transactions.value.iter().map(|(name, transaction)| Kind {
            name: name.value.clone(),
            sql: transaction.sql.as_str().to_owned(),
            weight: transaction.weight.as_ref().map_or(1, |weight| weight.value),
            ledger: transaction
                .ledger
                .iter()
                .flat_map(|ledger| &ledger.0)
                .map(|ledger| ledger.value.columns())
                .collect(),
            tolerate: transaction.tolerate.clone(),
        });
        kinds.collect()
    }

    fn workload(&self, seed: u64, first_client: u64) -> Workload {
        Workload {
            kinds: self.kinds(),
            clients: self.clients.as_ref().map_or(DEFAULT_CLIENTS, |c| c.value) as usize,
            first_client,
            rate: self.rate.as_ref().map(|rate| rate.value),
            seed,
        }
    }
}
