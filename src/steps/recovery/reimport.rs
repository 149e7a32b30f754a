//! `reimport`

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::RolesComparison;
use crate::harness::{
    Brought, Context, Dump, Effects, Finding, MarkKind, NodeField, NodeRef, Output, Ran, Recovers, Resolved, Role,
    Scope, Step, StepKind, StepRef, StepResult,
};
use crate::node::{Node, Purpose, conninfo_of};
use crate::pg::quote_identifier;
use crate::source::{Span, Spanned, StepName};
use crate::steps::data::load::plain_errors;
use crate::steps::judgement::assert_roles::roles;

/// Imports a dump with psql, in one transaction.
///
/// ```yaml
/// - id: imported
///   reimport: { dump: orders, node: master }
/// - reimport: { dump: orders, node: master, database: shop }
/// ```
///
/// It goes into the database that it was dumped from, or into `database`, which has to be there. A
/// dump of a whole database can make it with `create: true`: under the name that it had, with its
/// owner, encoding, locale, settings and grants. Then it must not be there yet, and is dropped
/// again if the import fails.
///
/// A dump of globals makes the roles that are missing, with their memberships and settings. Roles
/// that are there stay as they are, and get the memberships and settings that they lack; if
/// something of the dump contradicts what is there, the step fails and changes nothing.
///
/// It passes if everything is committed. The first error undoes all of it and is reported.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ReimportSpec {
    /// The id of a dump step.
    dump: StepName,
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The database that it goes into, if that is not the one that it was dumped from.
    #[serde(default)]
    database: Option<Spanned<String>>,
    /// Makes the database first, of which the dump is.
    #[serde(default)]
    create: Option<Spanned<bool>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Reimport {
    /// The dump.
    dump: StepRef,
    /// The server.
    node: NodeRef,
    /// The database that it goes into, if that is not the one that it was dumped from.
    database: Option<Spanned<String>>,
    /// Where it says that the database is made first.
    create: Option<Span>,
}

impl StepKind for ReimportSpec {
    type Step = Reimport;

    const NAME: &'static str = "reimport";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Reimport> {
        let (dump, node) = (scope.step_with(&self.dump, &[Output::Dump]), scope.primary(&self.node));
        let create = self.create.filter(|create| create.value).map(|create| create.entry);
        if let (Some(database), Some(_)) = (&self.database, create) {
            let label = "it gets the name that it was dumped under";
            let help = "leave `database` out; or make one with `sql` and import into that";
            scope.error_help(database.entry, "`create` and `database` exclude each other", label, help);
        }
        Some(Reimport { dump: dump?, node: node?, database: self.database, create })
    }
}

#[async_trait(?Send)]
impl Step for Reimport {
    fn title(&self) -> String {
        let into = self.database.as_ref().map(|database| format!("{} on ", database.value)).unwrap_or_default();
        format!("import {} into {into}{}", self.dump, self.node)
    }

    fn effects(&self) -> Effects {
        let dump = Brought::Dump(self.dump.id.clone());
        Effects::writes(&self.node).brings(&self.node, dump, self.database.as_ref())
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        cx.noted(&self.node.id, async |cx| self.import(cx).await).await
    }
}

impl Reimport {
    async fn import(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let dump = cx.world.outputs().dumps.get(&self.dump.id).cloned();
        let dump = dump.ok_or_else(|| Finding::missing(format!("dump `{}` was not made", self.dump)))?;
        self.check_roles(cx, &node, &dump).await?;
        let database = self.database.as_ref().or(dump.database.as_ref());
        match (&dump.itself, database, self.create) {
            (Some(itself), Some(database), Some(_)) => {
                self.make_and_load(cx, &node, &dump, (itself, database)).await?;
            }
            (_, _, Some(create)) => {
                let title = "only a dump of a whole database can make it";
                let help = "`dump: { database: NAME }` makes one; leave `create` out";
                return Err(Finding::failed(title).at(create).label("it is of a part of one").help(help));
            }
            _ => {
                let there = cx.client_in(&node, database).await;
                there.map_err(|finding| match dump.itself {
                    Some(_) => finding.help("`create: true` makes it, as it was"),
                    None => finding,
                })?;
                self.load(cx, &node, &dump, database).await?;
            }
        }
        cx.world.outputs().imported.entry(self.node.id.clone()).or_default().push(dump.node);
        Ok(())
    }

    /// Fails where roles that are there are not those of the dump.
    async fn check_roles(&self, cx: &Context<'_>, node: &Node, dump: &Dump) -> StepResult {
        let Some(dumped) = &dump.roles else { return Ok(()) };
        let lines = RolesComparison::in_the_way(dumped, &roles(cx, node).await?);
        if lines.is_empty() {
            return Ok(());
        }
        Err(Finding::failed(format!("`{}` has other roles of these names; nothing was changed", self.node))
            .at(self.dump.span())
            .label(format!(
                "{} as in the dump",
                if lines.len() == 1 { "1 thing is not" } else { "some things are not" }
            ))
            .note("diff", lines.join("\n"))
            .help("make them the same first: `sql: { query: ALTER ROLE ... }`"))
    }

    /// Makes the database and fills it: all or nothing.
    async fn make_and_load(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        dump: &Dump,
        (itself, database): (&str, &Spanned<String>),
    ) -> StepResult {
        let client = cx.client(node).await?;
        let there = "SELECT FROM pg_database WHERE datname = $1::text";
        if client.query_opt(there, &[&database.value]).await?.is_some() {
            return Err(Finding::failed(format!("database `{}` is there already on `{}`", database.value, self.node))
                .at(self.create.or(self.dump.span()))
                .label("so it cannot be made")
                .help("leave `create` out to import into it, or drop it first"));
        }
        let done = match self.make(cx, node, itself).await {
            Ok(()) => self.load(cx, node, dump, Some(database)).await,
            Err(finding) => Err(finding),
        };
        if done.is_err() {
            let drop = format!("DROP DATABASE IF EXISTS {} WITH (FORCE)", quote_identifier(database));
            client.batch_execute(&drop).await?;
        }
        done
    }

    /// Makes the database.
    async fn make(&self, cx: &mut Context<'_>, node: &Node, itself: &str) -> StepResult {
        cx.wait("the database to be made");
        let psql = node.client_program("psql", Purpose::Own)?;
        let psql = psql.with_args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-f", itself]);
        let output = node.host()?.run(psql.clone()).await?;
        if output.success() {
            cx.ran(Ran::program(node, "make the database", &psql));
            return Ok(());
        }
        let (first, said) = plain_errors(&output.stderr);
        let finding = Finding::failed(format!("the database could not be made on `{}`", self.node));
        let finding = finding.at(self.create.or(self.dump.span())).label(&first).note("said", said);
        Err(match first.as_str() {
            first if first.contains("role") && first.contains("does not exist") => finding.help(GLOBALS),
            _ => finding,
        })
    }

    /// Runs the dump's files, all or nothing.
    async fn load(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        dump: &Dump,
        database: Option<&Spanned<String>>,
    ) -> StepResult {
        cx.wait("psql");
        let psql = node.client_program("psql", Purpose::Own)?;
        let psql = psql.with_args(["-X", "-q", "-v", "ON_ERROR_STOP=1", "-1"]);
        let psql = psql.with_args(dump.files.iter().flat_map(|file| ["-f", file]));
        let psql = match database {
            Some(database) => psql.with_args(["--dbname".to_owned(), conninfo_of(database)]),
            None => psql,
        };
        let began = Instant::now();
        let output = node.host()?.run(psql.clone()).await?;
        if output.success() {
            let what = format!("import `{}` into `{}`, all or nothing", self.dump, node.name());
            cx.ran(Ran::program(node, what, &psql).took(began.elapsed()));
            return Ok(());
        }
        let (first, said) = plain_errors(&output.stderr);
        let finding = Finding::failed(format!("the import into `{}` was undone", self.node))
            .at(self.dump.span())
            .label(&first)
            .note("said", said);
        Err(match first.as_str() {
            first if first.contains("already exists") => {
                finding.help("what the dump brings is there already: import into a server that has lost it")
            }
            first if first.starts_with("role ") && first.ends_with("does not exist") => finding.help(GLOBALS),
            _ => finding,
        })
    }
}

/// What to do where a role is missing.
const GLOBALS: &str = "import the roles first: `dump: { globals: true }`, and `reimport` of that";
