//! `assert_same`

use std::borrow::Cow;
use std::fmt;
use std::time::Duration;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::{self, Deserialize, Deserializer, SeqAccess, Visitor};
use tokio_postgres::Client;
use tokio_postgres::error::SqlState;

use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::{Node, SqlError, TAKES_SESSIONS, is_in_recovery};
use crate::pg::{TableName, error_message};
use crate::source::{NodeName, RoleName, SEVERAL, Spanned};
use crate::steps::judgement::copied::{Database, Verdict};
use crate::steps::judgement::query_rows::first_of;

/// Checks whether a copy that follows a server has the same rows as that server, which goes on
/// meanwhile.
///
/// ```yaml
/// - assert_same: { node: standby, as: master }
/// - assert_same: { node: standby, as: master, tables: [shop.orders, shop.items], database: shop }
/// ```
///
/// `node` is a standby of `as`, which may be an external server: that is only read. `tables` are
/// those to compare, in `database` or the node's own one; `all`, which is the default, is every
/// table and materialized view of every database that the role may read there, and the large
/// objects. With `role` both
/// are read as that role is allowed to (`SET ROLE`), and as the one that drillyard logs in as if it
/// is left out.
///
/// Each table of the live server is read as of one moment, and that of the copy when it has
/// replayed all that was committed by then. Tables are compared as by `assert_rows`: the servers
/// add up hashes, and only rows that differ are read. Those were written in between, or they are
/// wrong; so they are looked at again, in the same way. A row is wrong if both have the same
/// versions of it (by its place on disk and the transaction that wrote it) as before, and still
/// differ. A row that is written each time that it is looked at is reported as not compared. On the
/// live server a transaction is open as long as a table is read, as with pg_dump.
///
/// It reports the `databases`, the `tables`, the `rows`, how many rows it `looked_again` at, the
/// live server's `lsn` then, and what was `not_compared`: what the role may not read, unlogged
/// tables, which no standby has.
///
/// It passes if no row is wrong. It fails with the rows that are, by their keys; if the copy lacks
/// a table, or does not catch up in time; and if nothing was compared: no table, or no row unless
/// it says `allow_empty: true`. A copy that was promoted cannot be compared, since what the live
/// server had then is gone: that is an error. Compare it before, or by `assert_rows` with `about`.
#[derive(Debug, Clone, serde::Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertSameSpec {
    /// The copy.
    #[serde(default)]
    node: NodeField,
    /// The server that it follows.
    #[serde(rename = "as")]
    live: NodeName,
    /// The tables: a list, or `all`.
    #[serde(default)]
    tables: Option<Spanned<Tables>>,
    /// The only database to look in.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// The role as which both are read.
    #[serde(default)]
    role: Option<Spanned<RoleName>>,
    /// Allows zero rows.
    #[serde(default)]
    allow_empty: bool,
}

/// Which tables are compared.
#[derive(Debug, Clone)]
pub enum Tables {
    /// Every one that may be read.
    All,
    /// These.
    Listed(Vec<Spanned<TableName>>),
}

impl<'de> Deserialize<'de> for Tables {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AllOrList;
        impl<'de> Visitor<'de> for AllOrList {
            type Value = Tables;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`all`, or a list of tables")
            }

            fn visit_newtype_struct<D: Deserializer<'de>>(self, deserializer: D) -> Result<Tables, D::Error> {
                match String::deserialize(deserializer)?.as_str() {
                    "all" => Ok(Tables::All),
                    other => Err(de::Error::custom(format!(
                        "`{other}` is neither `all` nor a list\nhelp: write `[{other}]` for this one table"
                    ))),
                }
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Tables, A::Error> {
                let mut tables = vec![];
                while let Some(table) = list.next_element()? {
                    tables.push(table);
                }
                Ok(Tables::Listed(tables))
            }
        }
        deserializer.deserialize_newtype_struct(SEVERAL, AllOrList)
    }
}

impl JsonSchema for Tables {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "Tables".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        let table = generator.subschema_for::<TableName>();
        schemars::json_schema!({ "anyOf": [{ "const": "all" }, { "type": "array", "items": table, "minItems": 1 }] })
    }
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertSame {
    /// The copy.
    node: NodeRef,
    /// The server that it follows.
    live: NodeRef,
    /// The tables; every one if there are none.
    tables: Option<Vec<Spanned<TableName>>>,
    /// The only database to look in.
    database: Option<Spanned<String>>,
    /// The role as which both are read.
    role: Option<Spanned<RoleName>>,
    /// Zero rows are right, too.
    allow_empty: bool,
}

impl StepKind for AssertSameSpec {
    type Step = AssertSame;

    const NAME: &'static str = "assert_same";
    const DEADLINE: Duration = Duration::from_secs(1800);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "databases tables rows looked_again lsn not_compared";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertSame> {
        let (node, live) = (scope.node(&self.node), scope.named_node(&self.live));
        if let (Some(node), Some(live)) = (&node, &live)
            && node.id == live.id
        {
            scope.error(self.live.entry, "a server is always the same as itself", "this is the node that is checked");
        }
        let AssertSameSpec { tables, database, role, allow_empty, .. } = self;
        let tables = match tables {
            Some(Spanned { value: Tables::Listed(tables), span, .. }) => {
                if tables.is_empty() {
                    scope.error(span, "`tables` is empty", "which tables?");
                }
                Some(tables)
            }
            _ => None,
        };
        Some(AssertSame { node: node?, live: live?, tables, database, role, allow_empty })
    }
}

/// How many lines are shown.
const SHOWN: usize = 20;
/// How many things that were not compared a warning tells.
const WARNED: usize = 5;

#[async_trait(?Send)]
impl Step for AssertSame {
    fn title(&self) -> String {
        format!("{} has the same rows as {}", self.node, self.live)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (node, live) = (cx.world.node(&self.node)?, cx.world.node(&self.live)?);
        self.is_copy(cx, &node, &live).await?;
        let mut verdict = Verdict::default();
        let names = self.databases(cx, &live, &mut verdict).await?;
        for name in &names {
            self.compare(cx, (&node, &live), name.as_deref(), &mut verdict).await?;
        }
        cx.fact("databases", names.len());
        cx.fact("tables", verdict.tables);
        cx.fact("rows", verdict.rows);
        cx.fact("looked_again", verdict.looked_again);
        cx.fact("lsn", verdict.lsn.to_string());
        if !verdict.not_compared.is_empty() {
            cx.fact("not_compared", verdict.not_compared.clone());
        }
        self.warn(cx, &verdict);
        self.judge(verdict)
    }
}

impl AssertSame {
    /// Checks that the node is a standby, of the same cluster.
    async fn is_copy(&self, cx: &Context<'_>, node: &Node, live: &Node) -> StepResult {
        let (copy, original) = (cx.client(node).await?, cx.client(live).await?);
        if !is_in_recovery(&copy).await? {
            return Err(Finding::errored(format!("`{}` does not follow `{}` any more", self.node, self.live))
                .at(self.node.entry())
                .label("it is no standby: what the other server had when it was promoted is gone")
                .help(format!(
                    "compare it before it is promoted, or numbers of both: `assert_rows: {{ ..., about: {{ node: {}, within: 1% }} }}`",
                    self.live
                )));
        }
        let system = "SELECT system_identifier::text FROM pg_control_system()";
        let (mine, theirs) = (copy.query_one(system, &[]).await?, original.query_one(system, &[]).await?);
        let (mine, theirs): (String, String) = (mine.get(0), theirs.get(0));
        match mine == theirs {
            true => Ok(()),
            false => Err(Finding::failed(format!("`{}` is no copy of `{}`", self.node, self.live))
                .at(self.node.entry())
                .label(format!("its system identifier is {mine}, and that of the other server {theirs}"))),
        }
    }

    /// The databases to compare; none stands for the node's own one.
    async fn databases(
        &self,
        cx: &Context<'_>,
        live: &Node,
        verdict: &mut Verdict,
    ) -> Result<Vec<Option<String>>, Box<Finding>> {
        if self.tables.is_some() || self.database.is_some() {
            return Ok(vec![self.database.as_ref().map(|database| database.value.clone())]);
        }
        let query = format!(
            "SELECT datname::text, has_database_privilege(oid, 'CONNECT') FROM pg_database
             WHERE {TAKES_SESSIONS} AND NOT datistemplate ORDER BY datname"
        );
        let mut databases = vec![];
        for row in cx.client(live).await?.query(&query, &[]).await? {
            let name: String = row.get(0);
            match row.get(1) {
                true => databases.push(Some(name)),
                false => verdict.not_compared.push(format!("database {name}: no privilege to connect to it")),
            }
        }
        Ok(databases)
    }

    /// Compares the tables of a database.
    async fn compare(
        &self,
        cx: &mut Context<'_>,
        (node, live): (&Node, &Node),
        name: Option<&str>,
        verdict: &mut Verdict,
    ) -> StepResult {
        let named = name.map(|name| {
            let span = self.database.as_ref().map(|database| database.span).or(self.live.entry()).unwrap_or_default();
            Spanned { value: name.to_owned(), span, entry: span }
        });
        // Of every database there may be some that let only others in.
        if let (Some(name), None) = (name, &self.database)
            && let Err(SqlError::Postgres(error)) = live.connect_to(name).await
            && matches!(
                error.code(),
                Some(&(SqlState::INVALID_AUTHORIZATION_SPECIFICATION | SqlState::INVALID_PASSWORD))
            )
        {
            verdict.not_compared.push(format!("database {name}: {}", error_message(&error)));
            return Ok(());
        }
        let on_live = cx.client_as(live, named.as_ref(), self.role.as_ref()).await?;
        let on_copy = cx.client_as(node, named.as_ref(), self.role.as_ref()).await?;
        let place = name.map(|name| format!(" in database `{name}`")).unwrap_or_default();
        let tables = match &self.tables {
            Some(tables) => tables.iter().map(|table| table.value.clone()).collect(),
            None => {
                let mut tables = readable(&on_live, &place, verdict).await?;
                if has_large_objects(&on_live).await? || has_large_objects(&on_copy).await? {
                    tables.extend(large_objects(&on_live, &place, verdict).await?);
                }
                tables
            }
        };
        let database = Database { live: (live, on_live), copy: (node, on_copy), place };
        database.compare(cx, &tables, verdict).await.map_err(|finding| finding.at(self.node.entry()))
    }

    /// Tells what there is on the live server and was not compared, since it may not be read.
    fn warn(&self, cx: &Context<'_>, verdict: &Verdict) {
        let has_rows = |line: &&String| !line.ends_with(UNLOGGED) && !line.ends_with(NEVER_FILLED);
        let lines: Vec<String> = verdict.not_compared.iter().filter(has_rows).cloned().collect();
        if !lines.is_empty() && verdict.tables > 0 {
            let first = first_of(lines.iter().cloned(), WARNED).replace('\n', "; ");
            cx.world.warn(format!(
                "`{}` and `{}` were compared in {} tables, but not in: {first}",
                self.node, self.live, verdict.tables
            ));
        }
    }

    fn judge(&self, verdict: Verdict) -> StepResult {
        let lines = verdict.wrong;
        if let Some(first) = lines.first() {
            return Err(Finding::failed(format!("`{}` has not the same rows as `{}`", self.node, self.live))
                .at(self.live.entry())
                .label(first.clone())
                .note("diff", first_of(lines.iter().cloned(), SHOWN)));
        }
        let nothing = |label: String| {
            let finding = Finding::failed("an assertion over nothing proves nothing").at(self.live.entry());
            finding.label(label).note("not compared", verdict.not_compared.join("\n"))
        };
        match (verdict.tables, verdict.rows) {
            (0, _) => Err(nothing("no table was compared".to_owned())),
            (tables, 0) if !self.allow_empty => Err(nothing(format!("all of {tables} tables are empty"))
                .help("if no rows are really what is right, say `allow_empty: true`")),
            _ => Ok(()),
        }
    }
}

/// Why there is nothing to compare in a table.
const UNLOGGED: &str = "unlogged, so that no standby has it";
const NEVER_FILLED: &str = "it was never filled";

/// The tables of a session's database that it may read. Partitions are read with their table.
async fn readable(client: &Client, place: &str, verdict: &mut Verdict) -> Result<Vec<TableName>, Box<Finding>> {
    let query = "SELECT n.nspname::text, c.relname::text,
               CASE WHEN c.relpersistence = 'u' THEN $1
                    WHEN NOT has_schema_privilege(n.oid, 'USAGE') OR NOT has_table_privilege(c.oid, 'SELECT')
                    THEN 'no privilege to read it'
                    WHEN row_security_active(c.oid) THEN 'a policy hides rows of it'
                    WHEN NOT c.relispopulated THEN $2 END
        FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace
        WHERE c.relkind IN ('r', 'p', 'm') AND NOT c.relispartition AND c.relpersistence <> 't'
            AND n.nspname NOT IN ('pg_catalog', 'information_schema') AND n.nspname !~ '^pg_(toast|temp)'
        ORDER BY 1, 2";
    let mut tables = vec![];
    for row in client.query(query, &[&UNLOGGED, &NEVER_FILLED]).await? {
        let table = TableName { schema: Some(row.get(0)), name: row.get(1) };
        match row.get::<_, Option<String>>(2) {
            Some(why) => verdict.not_compared.push(format!("{table}{place}: {why}")),
            None => tables.push(table),
        }
    }
    Ok(tables)
}

async fn has_large_objects(client: &Client) -> Result<bool, Box<Finding>> {
    let query = "SELECT EXISTS (SELECT FROM pg_catalog.pg_largeobject_metadata)";
    Ok(client.query_one(query, &[]).await?.get(0))
}

/// The tables of the catalog that large objects are in, if the session may read them.
async fn large_objects(client: &Client, place: &str, verdict: &mut Verdict) -> Result<Vec<TableName>, Box<Finding>> {
    let table = |name: &str| TableName { schema: Some("pg_catalog".to_owned()), name: name.to_owned() };
    let query = "SELECT has_table_privilege('pg_catalog.pg_largeobject', 'SELECT')";
    if client.query_one(query, &[]).await?.get(0) {
        return Ok(vec![table("pg_largeobject_metadata"), table("pg_largeobject")]);
    }
    verdict.not_compared.push(format!("contents of large objects{place}: no privilege to read pg_largeobject"));
    Ok(vec![table("pg_largeobject_metadata")])
}
