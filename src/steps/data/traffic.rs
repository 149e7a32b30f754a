//! `traffic`

use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeId, NodeRef, Output, Resolved, Role, Scope, Step, StepId, StepKind,
    StepResult, UserPace, Users,
};
use crate::journal::Event;
use crate::ledger::{Kind, LedgerColumns, MOST_ROWS, footprints};
use crate::pg::TableName;
use crate::pg::condition::SqlState;
use crate::source::{Name, Ordered, Several, Span, Spanned, Sql};
use crate::steps::data::ledgers::resolve_ledgers;
use crate::steps::data::placeholders::check_users;
use crate::traffic::{LoginSource, Pool, Workload};

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
pub struct TrafficSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// Servers, of which one accepts writes.
    #[serde(default)]
    nodes: Option<Spanned<Vec<Spanned<Name>>>>,
    /// The database that they write to.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// What the users do, by name.
    transactions: Spanned<Ordered<String, Transaction>>,
    /// How many users.
    #[serde(default)]
    #[schemars(extend("minimum" = 1, "maximum" = MOST_CLIENTS))]
    clients: Option<Spanned<u32>>,
    /// Transactions a second.
    #[serde(default)]
    #[schemars(extend("exclusiveMinimum" = 0))]
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
    #[schemars(extend("minimum" = 1))]
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
    #[schemars(extend("minimum" = 1, "maximum" = MOST_ROWS))]
    rows: Option<Spanned<u32>>,
}

/// Whether a transaction can leave so many rows with its mark.
fn is_possible(rows: &u8) -> bool {
    (1..=MOST_ROWS).contains(rows)
}

impl Ledger {
    fn columns(&self) -> LedgerColumns {
        // One that is too many is told by itself.
        let rows = self.rows.as_ref().and_then(|rows| u8::try_from(rows.value).ok()).filter(is_possible);
        LedgerColumns { table: self.table.clone(), client: self.client.clone(), seq: self.seq.clone(), rows }
    }
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Traffic {
    /// The users' name.
    id: StepId,
    /// Servers, of which one accepts writes.
    nodes: Vec<NodeId>,
    /// The database that they write to.
    database: Option<Spanned<String>>,
    /// What the users do.
    kinds: Vec<Kind>,
    /// Where that stands.
    transactions: Span,
    /// Where each of its ledgers stands.
    ledgers: Vec<(LedgerColumns, Span)>,
    /// How many users.
    clients: u32,
    /// Transactions a second.
    rate: Option<f64>,
}

impl StepKind for TrafficSpec {
    type Step = Traffic;

    const NAME: &'static str = "traffic";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const OUTPUT: Option<Output> = Some(Output::Traffic);
    const USERS: UserPace = UserPace::Full;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Traffic> {
        let nodes = self.users_nodes(scope);
        if scope.id.is_none() {
            scope.error_help(
                scope.action,
                "`traffic` has no `id`",
                "nothing can stop or check these users",
                "write `id: users` beside `traffic:`",
            );
        }
        if let Some(clients) = self.clients.as_ref().filter(|clients| !(1..=MOST_CLIENTS).contains(&clients.value)) {
            scope.error(clients.span, format!("clients must be 1 to {MOST_CLIENTS}"), "out of range");
        }
        if let Some(rate) = self.rate.as_ref().filter(|rate| !(rate.value > 0.0 && rate.value.is_finite())) {
            scope.error(rate.span, "a rate is in transactions a second, above 0", "out of range");
        }
        if self.transactions.value.iter().next().is_none() {
            scope.error(self.transactions.span, "`transactions` is empty", "users need something to do");
        }
        for (_, transaction) in self.transactions.value.iter() {
            transaction.check(scope);
        }
        let kinds: Vec<Kind> =
            self.transactions.value.iter().map(|(name, transaction)| transaction.kind(&name.value)).collect();
        self.check_footprints(&kinds, scope);
        let ledgers = self.transactions.value.iter().flat_map(|(_, one)| &one.ledger).flat_map(|ledger| &ledger.0);
        let ledgers = ledgers.map(|ledger| (ledger.value.columns(), ledger.entry)).collect();
        Some(Traffic {
            id: scope.id.clone()?,
            nodes: nodes?,
            database: self.database,
            kinds,
            transactions: self.transactions.span,
            ledgers,
            clients: self.clients.map_or(DEFAULT_CLIENTS, |clients| clients.value),
            rate: self.rate.map(|rate| rate.value),
        })
    }
}

impl TrafficSpec {
    /// The servers that users go to.
    fn users_nodes(&self, scope: &mut Scope<'_>) -> Option<Vec<NodeId>> {
        let Some(nodes) = &self.nodes else { return Some(vec![scope.own_node(&self.node)?.id]) };
        if let Some(span) = self.node.span() {
            scope.error(span, "`node` and `nodes` exclude each other", "one of the two");
        }
        if nodes.value.is_empty() {
            scope.error(nodes.span, "`nodes` is empty", "users need a server to go to");
        }
        let found: Vec<Option<NodeRef>> = nodes.value.iter().map(|name| scope.named_node(name)).collect();
        for node in found.iter().flatten() {
            let external = scope.node_info(node).filter(|info| info.external).map(|info| info.span);
            if let Some(declared) = external {
                let title = format!("`{node}` is external: a drill only reads from it");
                let span = node.span().unwrap_or(scope.action);
                scope.error_related(span, title, "users write", (declared, "declared external here".to_owned()));
            }
        }
        found.into_iter().map(|node| Some(node?.id)).collect()
    }

    /// Whether each transaction can be found again by its ledger. What could hide a loss is an
    /// error before anybody starts.
    fn check_footprints(&self, kinds: &[Kind], scope: &mut Scope<'_>) {
        for (kind, (name, _)) in kinds.iter().zip(self.transactions.value.iter()) {
            if kind.rolls_itself_back() {
                let title = format!("transaction `{}` rolls itself back", name.value);
                let help = "leave the ROLLBACK out, or write ROLLBACK TO a savepoint";
                scope.warn(name.span, title, "none of it is ever acknowledged", help);
            } else if kind.is_unchecked() {
                scope.note_unchecked(name.span, &name.value);
            }
        }
        for refused in footprints(kinds).err().unwrap_or_default() {
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

impl Transaction {
    /// Checks what can be checked without a server.
    fn check(&self, scope: &mut Scope<'_>) {
        if let Some(weight) = self.weight.as_ref().filter(|weight| weight.value == 0) {
            scope.error(weight.span, "a weight of 0 means never", "leave the transaction out instead");
        }
        check_users(scope, &self.sql);
        let Some(ledger) = &self.ledger else { return };
        for rows in ledger.0.iter().filter_map(|ledger| ledger.value.rows.as_ref()) {
            if !u8::try_from(rows.value).is_ok_and(|rows| is_possible(&rows)) {
                scope.error(rows.span, format!("`rows` must be 1 to {MOST_ROWS}"), "out of range");
            }
        }
        if ledger.0.is_empty() {
            scope.error(self.sql.span, "`ledger` is an empty list", "leave it out, or say where it can be found again");
        }
        if !["$client", "$seq"].iter().all(|mark| self.sql.as_str().contains(mark)) {
            scope.error_help(
                self.sql.span,
                "a transaction with a ledger must write `$client` and `$seq`",
                "without them it cannot be found again",
                "such as INSERT INTO t (client, seq) VALUES ($client, $seq), or UPDATE t SET seq = $seq WHERE client = $client",
            );
        }
    }

    /// As users take it.
    fn kind(&self, name: &str) -> Kind {
        let ledgers = self.ledger.iter().flat_map(|ledger| &ledger.0);
        Kind {
            name: name.to_owned(),
            sql: self.sql.as_str().to_owned(),
            weight: self.weight.as_ref().map_or(1, |weight| weight.value),
            ledger: ledgers.map(|ledger| ledger.value.columns()).collect(),
            tolerate: self.tolerate.clone(),
        }
    }
}

/// Users if `clients` does not say: as many as a small test needs to have several transactions in
/// flight.
const DEFAULT_CLIENTS: u32 = 4;

/// How many transactions a second users without a rate do while people work on the servers, who may
/// take an hour: at full speed they would fill the disk.
const ATTENDED_RATE: f64 = 500.0;

const MOST_CLIENTS: u32 = 1000;

#[async_trait(?Send)]
impl Step for Traffic {
    fn title(&self) -> String {
        let nodes: Vec<&str> = self.nodes.iter().map(NodeId::as_str).collect();
        format!("{} users on {}", self.clients, nodes.join(", "))
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        match cx.primary_of(&self.nodes).await {
            Some(node) => cx.noted(&node, async |cx| self.start(cx).await).await,
            None => self.start(cx).await,
        }
    }
}

impl Traffic {
    async fn start(&self, cx: &mut Context<'_>) -> StepResult {
        let mut logins: Vec<(String, LoginSource)> = Vec::new();
        for name in &self.nodes {
            let node = cx.world.node(name)?;
            let database = self.database.as_deref().cloned();
            logins.push((name.to_string(), Arc::new(move || node.login_to(database.as_deref()))));
        }
        // `$client` is unique to a user of the whole drill: several traffic steps may write to the
        // same table.
        let earlier: usize = cx.world.outputs().users.values().map(|users| users.workload.clients).sum();
        let workload = Workload {
            kinds: self.kinds.clone(),
            clients: self.clients as usize,
            first_client: 1 + earlier as u64,
            rate: self.rate.or(cx.world.attended.then_some(ATTENDED_RATE)),
            attended: cx.world.attended,
            seed: cx.world.seed,
        };
        let (drill, id) = (Some(cx.world.drill), &self.id);
        for remark in footprints(&workload.kinds).map(|footprints| footprints.remarks).unwrap_or_default() {
            cx.world.journal.write(Event::Warned { drill, message: format!("traffic `{id}`: {remark}") });
        }
        let (nodes, database) = (&self.nodes, self.database.as_ref());
        resolve_ledgers(cx, nodes, database, &self.ledgers).await?;
        let pool = Pool::start(id, workload.clone(), logins)
            .map_err(|e| Finding::failed("the users cannot start").at(self.transactions).label(e.to_string()))?;
        let (judged, measured) = (Mutex::new(None), Mutex::new(None));
        let users = Arc::new(Users {
            pool,
            workload,
            nodes: self.nodes.clone(),
            database: self.database.clone(),
            judged,
            measured,
        });
        cx.world.outputs().users.insert(id.clone(), users);
        Ok(())
    }
}
