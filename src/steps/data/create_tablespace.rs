//! `create_tablespace`

use std::sync::Arc;
use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::Node;
use crate::pg::{error_message, quote_identifier, quote_literal};
use crate::source::{Ordered, RoleName, Setting, Spanned, choices, did_you_mean};
use crate::steps::recovery::tablespaces::{relatives, shares_files};
use crate::steps::recovery::upstream::upstream_of;

/// Makes a tablespace, in a directory of the node's own.
///
/// ```yaml
/// - create_tablespace: { node: master, name: fast }
/// - create_tablespace: { node: master, name: archive, owner: clerk, options: { random_page_cost: 1.1 } }
/// - sql: { node: master, query: CREATE TABLE notes (id int) TABLESPACE fast }
/// ```
///
/// The directory lies beside PGDATA on the node's host, and goes with the lab. Backups bring
/// tablespaces along, and whatever is restored from one has them in places of its own.
///
/// The WAL has CREATE TABLESPACE with its path, and standbys replay it as it is. On Docker each of
/// them has a file system of its own, and gets the directory. On local processes both servers would
/// use the same one: where another server of the same cluster is there, running or not, the
/// tablespace is made in place, within PGDATA (`allow_in_place_tablespaces`), and the fact
/// `location` says so. `in_place: true` does that
/// everywhere; a drill that recovers from a backup which is older than the tablespace needs it on
/// local processes.
///
/// With an `id` the step is a mark, by its LSN. It passes if the tablespace is there, and fails if
/// the server refuses.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTablespaceSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// Its name, as the server will have it.
    name: Spanned<String>,
    /// Whose it is. Default: drillyard's own role.
    #[serde(default)]
    owner: Option<Spanned<RoleName>>,
    /// Costs and prefetching, such as `random_page_cost`.
    #[serde(default)]
    options: Option<Ordered<String, Setting>>,
    /// Makes it within PGDATA.
    #[serde(default)]
    in_place: bool,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct CreateTablespace {
    /// The server.
    node: NodeRef,
    /// Its name.
    name: Spanned<String>,
    /// Whose it is.
    owner: Option<Spanned<RoleName>>,
    /// Its options.
    options: Vec<(String, String)>,
    /// Whether it is made within PGDATA in any case.
    in_place: bool,
}

/// What a tablespace can be given (manual, CREATE TABLESPACE).
const OPTIONS: [&str; 4] =
    ["seq_page_cost", "random_page_cost", "effective_io_concurrency", "maintenance_io_concurrency"];

impl StepKind for CreateTablespaceSpec {
    type Step = CreateTablespace;

    const NAME: &'static str = "create_tablespace";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const FACTS: &'static str = "location";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<CreateTablespace> {
        let node = scope.primary(&self.node);
        if self.name.value.starts_with("pg_") {
            let label = "names that begin with `pg_` are the server's own";
            scope.error(self.name.span, format!("a tablespace cannot be called `{}`", self.name.value), label);
        }
        let mut options = vec![];
        for (name, value) in self.options.iter().flatten() {
            if !OPTIONS.contains(&name.value.as_str()) {
                let label = match did_you_mean(&name.value, OPTIONS) {
                    Some(near) => format!("did you mean `{near}`?"),
                    None => format!("there are {}", choices(OPTIONS, "and")),
                };
                scope.error(name.span, format!("a tablespace has no option `{}`", name.value), label);
            }
            options.push((name.value.clone(), value.0.clone()));
        }
        let (name, owner, in_place) = (self.name, self.owner, self.in_place);
        Some(CreateTablespace { node: node?, name, owner, options, in_place })
    }
}

#[async_trait(?Send)]
impl Step for CreateTablespace {
    fn title(&self) -> String {
        format!("create tablespace {} on {}", self.name.value, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::writes(&self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let standbys = standbys_of(cx, &node).await?;
        let dir = if self.in_place { None } else { self.place(cx, &node).await? };
        if dir.is_none() {
            // On standbys, too, and in what is restored from a backup: without it a server that
            // finds such a directory when it has become consistent does not start. One that does
            // not run now gets it before it does.
            for server in standbys.iter().chain([&node]) {
                let client = cx.client(server).await?;
                client.batch_execute("ALTER SYSTEM SET allow_in_place_tablespaces = on").await?;
                client.batch_execute("SELECT pg_reload_conf()").await?;
            }
        }
        let statement = self.statement(dir.as_deref().unwrap_or_default());
        let in_place = dir.is_none();
        cx.marked(&node, async |client, _| {
            if in_place {
                client.batch_execute("SET allow_in_place_tablespaces = on").await?;
            }
            client.batch_execute(&statement).await.map_err(|error| {
                Finding::failed(format!("tablespace {} was not made on `{}`", self.name.value, self.node))
                    .at(self.name.span)
                    .label(error_message(&error))
            })?;
            Ok(None)
        })
        .await?;
        cx.fact("location", dir.unwrap_or_else(|| "in place, within PGDATA".to_owned()));
        Ok(())
    }
}

/// The servers that follow a node, at whatever distance.
async fn standbys_of(cx: &Context<'_>, node: &Arc<Node>) -> Result<Vec<Arc<Node>>, Box<Finding>> {
    let all: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
    let mut upstreams = vec![];
    for other in all.iter().filter(|other| other.name() != node.name() && other.is_up() && !other.is_external()) {
        if let Some((upstream, _)) = upstream_of(cx, other).await {
            upstreams.push((other.clone(), upstream.name().to_owned()));
        }
    }
    let mut found: Vec<Arc<Node>> = vec![];
    while let Some((next, _)) = upstreams.iter().find(|(other, upstream)| {
        let known = |name: &str| name == node.name() || found.iter().any(|one| one.name() == name);
        known(upstream) && !known(other.name())
    }) {
        found.push(next.clone());
    }
    Ok(found)
}

impl CreateTablespace {
    fn statement(&self, dir: &str) -> String {
        let owner = self.owner.as_ref().map(|owner| format!(" OWNER {}", quote_identifier(owner.value.as_str())));
        let options = self.options.iter().map(|(name, value)| format!("{name} = {}", quote_literal(value)));
        let options = options.collect::<Vec<_>>().join(", ");
        let with = if options.is_empty() { String::new() } else { format!(" WITH ({options})") };
        let (name, owner) = (quote_identifier(&self.name), owner.unwrap_or_default());
        format!("CREATE TABLESPACE {name}{owner} LOCATION {}{with}", quote_literal(dir))
    }

    /// A directory of the node's own, which is there, on the hosts of all that may replay its WAL,
    /// too; none where one of them would have the same one.
    async fn place(&self, cx: &Context<'_>, node: &Node) -> Result<Option<String>, Box<Finding>> {
        let plain = |c: char| if c.is_ascii_alphanumeric() || c == '-' { c } else { '_' };
        let data = &node.host()?.paths().data;
        let beside = data.rsplit_once('/').map_or("", |(parent, _)| parent);
        let (index, name) = (cx.index, self.name.chars().map(plain).collect::<String>());
        let dir = format!("{beside}/tablespaces/{index}-{name}");
        let own = made(node, &dir).await?;
        for other in relatives(cx, node).await? {
            let is_same = match other.host()?.is_on() {
                true => made(&other, &dir).await? == own,
                false => shares_files(&other),
            };
            if is_same {
                return Ok(None);
            }
        }
        Ok(Some(dir))
    }
}

/// What identifies a directory, which is made if it is not there.
async fn made(node: &Node, dir: &str) -> Result<Option<String>, Box<Finding>> {
    node.see(&[dir]).await?;
    Ok(node.see(&[dir]).await?.remove(dir))
}
