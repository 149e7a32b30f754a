//! `runbook`

mod failed_line;
mod markdown;
mod written_for;

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use self::failed_line::Failed;
use self::markdown::{Block, Markdown, Runner, line_span};
use crate::harness::{
    Awaited, Context, Finding, Later, Maker, Makes, MarkKind, NodeField, NodeId, NodeRef, Ran, Recovers, Reference,
    Resolved, Role, Scope, Step, StepKind, StepResult, handout, hosts, variables, variables_now,
};
use crate::host::{Host, Output, Program};
use crate::node::{Node, ServerState};
use crate::source::{Late, Name, Ordered, Scalar, Several, Source, Span, Spanned};
use crate::steps::recovery::exec::shortened;

/// Runs the commands of a runbook of your own: the fenced blocks of a Markdown file, as the drill's
/// recovery.
///
/// ```yaml
/// - id: restored
///   runbook: { file: fixtures/dropped-table.md, node: master, makes: restored }
/// - runbook:
///     file: fixtures/dropped-table.md
///     node: master
///     makes: [restored, rehearsed]
///     vars: { TABLE: shop.orders }
/// ```
///
/// Blocks that are tagged `sh` are run by `sh`, those tagged `bash` by `bash`; both end with the
/// first command that fails, and at a variable that is not set (`set -eu`). A pipe has the status
/// of its last command in `sh`, and fails with any of them in `bash` (`pipefail`). `psql` among
/// them ends with the first statement that fails, also of a here-document, unless it is given `-v
/// ON_ERROR_STOP=0`. Blocks tagged `sql` are run by `psql` with `ON_ERROR_STOP`, and have to end a
/// transaction that they begin. Others (`console`, `text`, no tag), and those with the word `skip`
/// after their tag, are not run, and the report says which those are. Each block is a shell of its
/// own: variables that it sets are gone in the next one.
///
/// Blocks are run in the order of the file, on the host of `node`, as the user that owns the
/// server. The first line of a block may name another node, and another database:
/// ` ```sh node=restored `, ` ```sql node=master database=shop `.
///
/// `makes` names servers that the commands make, one or a list. The data directory of `restored` is
/// `$RESTORED_DATA`, and that of the first one `$DRILLYARD_SCRATCH`, too. Once a server runs there
/// it is a node like others: its port and its socket are read from its postmaster.pid, and its log
/// is the file that `pg_ctl -l` was given.
///
/// The environment of a command has, besides `vars`:
///
/// - `PGHOST`, `PGPORT`, `PGUSER`, `PGDATABASE` and `PGPASSWORD` for the server of its node, and
///   `PGDATA`;
/// - `DRILLYARD_BACKUP`, the newest base backup (in a repo of kind `directory` its path, elsewhere
///   what the repo calls it), `DRILLYARD_ARCHIVE`, the directory that `node` archives into, and
///   `DRILLYARD_RESTORE_COMMAND`, a restore_command that reads it;
/// - `DRILLYARD_SCRATCH` and `DRILLYARD_SCRATCH_PORT` for the first server of `makes`: a base
///   backup has its original's postgresql.conf, so start it with `pg_ctl -o "-p
///   $DRILLYARD_SCRATCH_PORT"`;
/// - what a runbook that `drillyard runbook` has written calls its placeholders: `NODE_DATA`,
///   `NODE_LOG`, `NODE_SOCKETS` and `NODE_PORT` of the block's node, `NODE_HOST` and `NODE_PORT` of
///   others, `REPO_REPO` of repos, `MARK_XID`, `MARK_TIME` and `MARK_LSN` of marks.
///
/// In `sql` blocks, `vars` are psql's variables, too: `:'TABLE'`.
///
/// With an `id` the step is a mark.
///
/// It passes if every command exits with 0, and if a server runs in each data directory that
/// `makes` names. Otherwise it fails, and shows the line of the file whose command failed, what it
/// wrote, and the server's log.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RunbookSpec {
    /// The Markdown file.
    file: Spanned<String>,
    /// The server that it is about.
    #[serde(default)]
    node: NodeField,
    /// The servers that its commands make.
    #[serde(default)]
    makes: Option<Several<Spanned<Name>>>,
    /// Added to the environment of its commands.
    #[serde(default)]
    vars: Option<Ordered<String, Late<Scalar>>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Runbook {
    /// The Markdown file, as the scenario has it.
    file: Spanned<String>,
    /// Its text, to show lines of.
    text: Source,
    /// The server that it is about.
    node: NodeRef,
    /// The servers that it makes, and where the scenario names them.
    makes: Vec<(NodeId, Span)>,
    /// Added to the environment of its commands.
    vars: Vec<(String, Later<Scalar>)>,
    /// The blocks that are run.
    blocks: Vec<Block>,
    /// Those that are not, in words.
    others: Vec<String>,
}

impl StepKind for RunbookSpec {
    type Step = Runbook;

    const NAME: &'static str = "runbook";
    const DEADLINE: Duration = Duration::from_secs(900);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "blocks not_run";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;
    const MAKES: Option<Makes> = Some(Makes { field: "makes", with: None });

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Runbook> {
        let node = scope.own_node(&self.node);
        scope.by_hand();
        let makes = self.makes(scope);
        self.check_vars(scope);
        let text = scope.read_file(&self.file)?;
        let found = Markdown::read(text.text());
        for wrong in &found.wrong {
            let place = text.place(line_span(&text, wrong.line), &wrong.label);
            scope.error_elsewhere(self.file.span, &wrong.title, place);
        }
        if found.blocks.is_empty() && found.wrong.is_empty() {
            let help = "blocks that begin with ```sh, ```bash or ```sql are run";
            scope.error_help(self.file.span, format!("{} has no commands", text.file()), "nothing to run", help);
        }
        let nodes_are_known = self.check_nodes(scope, &text, &found.blocks, &makes);
        let fits = written_for::fits(scope, self.file.span, &text, &found.blocks);
        if found.blocks.is_empty() || !found.wrong.is_empty() || !nodes_are_known || !fits {
            return None;
        }
        for (made, _) in &makes {
            scope.promoted(made);
        }
        let vars = scope.variables(self.vars)?;
        let others = found.others.iter().map(|(line, tag)| format!("line {line} ({tag})")).collect();
        Some(Runbook { file: self.file, text, node: node?, makes, vars, blocks: found.blocks, others })
    }
}

impl RunbookSpec {
    /// The servers that it makes. One that is there already is none.
    fn makes(&self, scope: &mut Scope<'_>) -> Vec<(NodeId, Span)> {
        let mut makes = vec![];
        for name in self.makes.iter().flat_map(|names| &names.0) {
            let id = NodeId::from(&name.value);
            if let Some(info) = scope.nodes.get(&id).cloned()
                && info.maker != Maker::Step(scope.index)
                && info.decoded
            {
                let title = format!("node `{id}` exists already");
                let label = "`makes` names servers that are not there before";
                scope.error_related(name.span, title, label, (info.span, "made here".to_owned()));
            }
            makes.push((id, name.span));
        }
        makes
    }

    /// Names that a shell takes for variables, and that are not the server's own.
    fn check_vars(&self, scope: &mut Scope<'_>) {
        for (name, _) in self.vars.iter().flatten() {
            let is_word = name.value.chars().all(|c| c.is_ascii_alphanumeric() || c == '_');
            if !is_word || name.value.starts_with(|c: char| !c.is_ascii_alphabetic() && c != '_') {
                let help = "letters, digits and `_`, and no digit at the beginning";
                scope.error_help(
                    name.span,
                    format!("`{}` is not the name of a variable", name.value),
                    "a shell would not take it",
                    help,
                );
            }
        }
    }

    /// Looks up the nodes that blocks name. Whether all are there.
    fn check_nodes(&self, scope: &mut Scope<'_>, text: &Source, blocks: &[Block], makes: &[(NodeId, Span)]) -> bool {
        let mut known = true;
        for block in blocks {
            let Some(name) = &block.node else { continue };
            let id = NodeId::from(name.as_str());
            let info = scope.nodes.get(&id).cloned();
            let is_made = makes.iter().any(|(made, _)| *made == id);
            let is_there =
                info.as_ref().is_some_and(|info| !matches!(info.maker, Maker::Step(at) if at >= scope.index));
            let external = info.as_ref().is_some_and(|info| info.external);
            if (is_made || is_there) && !external {
                scope.refers.push(Reference::Node(id));
                continue;
            }
            if scope.more_nodes && info.is_none() {
                continue;
            }
            known = false;
            let (title, label) = match info {
                Some(_) if external => {
                    (format!("`{name}` is external: a drill only reads from it"), "it has no host".to_owned())
                }
                Some(_) => {
                    (format!("node `{name}` does not exist yet at this step"), "a later step makes it".to_owned())
                }
                None => {
                    let names = scope.nodes.keys().map(NodeId::as_str);
                    let near = crate::source::did_you_mean(name, names);
                    let label =
                        near.map_or("there is no such node".to_owned(), |near| format!("did you mean `{near}`?"));
                    (format!("unknown node `{name}`"), label)
                }
            };
            let place = text.place(line_span(text, block.line - 1), label);
            let problem = scope.error_elsewhere(self.file.span, title, place);
            *problem = problem.clone().help("a server that the runbook makes is named by `makes`");
        }
        known
    }
}

#[async_trait(?Send)]
impl Step for Runbook {
    fn title(&self) -> String {
        format!("recover {} by {}", self.node, self.file.value)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        match cx.id {
            // Whatever it does: its place in the WAL is known.
            Some(_) => cx.inject(&node, async |cx| self.recover(cx).await).await,
            None => self.recover(cx).await,
        }
    }
}

/// What all blocks are given.
struct Given {
    /// Their environment, beside that of their node.
    env: Vec<(String, String)>,
    /// The hosts of the servers that they make.
    scratch: BTreeMap<NodeId, Arc<dyn Host>>,
}

impl Runbook {
    async fn recover(&self, cx: &mut Context<'_>) -> StepResult {
        let mut scratch: BTreeMap<NodeId, Arc<dyn Host>> = BTreeMap::new();
        for (made, _) in &self.makes {
            scratch.insert(made.clone(), cx.world.lab.host(made).await?);
        }
        let first = self.makes.first().and_then(|(made, _)| scratch.get(made));
        let number = u16::try_from(cx.world.outputs().nodes.len()).unwrap_or_default();
        let first = first.map(|host| (host, host.scratch_port(number)));
        let env = handout(cx.world, &self.node, first).await?;
        let given = Given { env, scratch };
        cx.fact("blocks", self.blocks.len());
        if !self.others.is_empty() {
            cx.fact("not_run", self.others.join(", "));
        }
        for (number, block) in self.blocks.iter().enumerate() {
            let node = self.node_of(cx, block, &given.scratch).await?;
            cx.wait(format!("the commands at {}:{}", self.text.file(), block.line));
            self.run_block(cx, &node, block, (number, &given)).await?;
        }
        self.look(cx).await?;
        for (made, at) in &self.makes {
            let Some(node) = found(cx, &given.scratch[made]).await? else { return Err(self.nothing_made(made, *at)) };
            cx.world.outputs().nodes.insert(made.clone(), node);
        }
        Ok(())
    }

    /// The server that a block is about. One that is being made may not run yet.
    async fn node_of(
        &self,
        cx: &Context<'_>,
        block: &Block,
        scratch: &BTreeMap<NodeId, Arc<dyn Host>>,
    ) -> Result<Arc<Node>, Box<Finding>> {
        let Some(host) = block.node.as_deref().and_then(|name| scratch.get(name)) else {
            return cx.world.node(block.node.as_deref().unwrap_or(&self.node));
        };
        let found = found(cx, host).await?;
        Ok(found.unwrap_or_else(|| Arc::new(Node::on(host.clone(), &cx.world.password))))
    }

    /// Runs the commands of a block.
    async fn run_block(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        block: &Block,
        (number, given): (usize, &Given),
    ) -> StepResult {
        let (host, vars) = (node.host()?, variables_now(cx, &self.vars, node).await?);
        let ending = if block.runner == Runner::Psql { "sql" } else { "sh" };
        let file = format!("{}/runbook-{}-{}.{ending}", host.paths().shared, cx.index, number + 1);
        host.write(&file, block.text.as_bytes()).await?;
        let mut others = hosts(cx.world);
        others.extend(given.scratch.values().cloned());
        let mut program = match block.runner {
            Runner::Sh => Program::script(RUN_BLOCK, ["sh", &file]),
            Runner::Bash => Program::script(RUN_BLOCK, ["bash", &file]),
            Runner::Psql => {
                let vars = vars.iter().flat_map(|(name, value)| ["-v".to_owned(), format!("{name}={value}")]);
                Program::new("psql", ["-X", "-v", "ON_ERROR_STOP=1"]).with_args(vars).with_args(["-f", &file])
            }
        };
        program.env.extend(variables(cx.world, node, &others)?);
        program.env.push(("PGDATA".to_owned(), host.paths().data.clone()));
        program.env.extend(given.env.iter().cloned());
        if let Some(database) = &block.database {
            program = program.env("PGDATABASE", database.clone());
        }
        program.env.extend(vars.clone());
        cx.awaits(Awaited::Command, node.name());
        cx.commanded(node.name());
        let began = Instant::now();
        let output = host.run(program).await;
        cx.commanded(node.name());
        let output = output?;
        if !output.success() {
            return Err(self.failed(cx, node, block, &output).await);
        }
        let about = format!("the commands at {}:{}", self.text.file(), block.line);
        let text = block.by_hand(&vars);
        let ran = match block.runner {
            Runner::Psql => Ran::sql(node, about, &text),
            Runner::Sh | Runner::Bash => Ran::commands(node, about, &text).given(&vars, &self.file.value),
        };
        cx.ran(ran.took(began.elapsed()));
        Ok(())
    }

    /// What is said of a command that failed.
    async fn failed(&self, cx: &Context<'_>, node: &Node, block: &Block, output: &Output) -> Box<Finding> {
        let Failed { line, said } = Failed::find(block, &output.stderr);
        let said = said.trim();
        let label = match said.lines().find(|line| line.contains("ERROR:") || line.contains("FATAL:")) {
            Some(error) => error.split_once(": ERROR:").map_or(error.trim(), |(_, error)| error.trim()).to_owned(),
            None => format!("exit status {}", output.status),
        };
        let place = self.text.place(line_span(&self.text, block.line + line), label);
        let log = if node.host().is_ok_and(|host| host.is_on()) { node.log_tail().await } else { String::new() };
        let _ = self.look(cx).await;
        Finding::failed(format!("a command of the runbook failed on `{}`", node.name()))
            .elsewhere(place)
            .at(self.file.entry)
            .label("run by this step")
            .note("said", shortened(said))
            .note("output", shortened(output.text().trim()))
            .note("log", log)
    }

    fn nothing_made(&self, made: &NodeId, at: Span) -> Box<Finding> {
        let variable = crate::harness::variable_of(made, "DATA");
        Finding::failed(format!("no server runs in the data directory of `{made}`"))
            .at(at)
            .label(format!("{} was to make it", self.text.file()))
            .help(format!(
                "the runbook has to make a server in ${variable}, start it, and wait until it accepts connections"
            ))
    }

    /// Looks whether the servers run that were there before: the commands may have stopped or
    /// started them.
    async fn look(&self, cx: &Context<'_>) -> StepResult {
        let nodes: Vec<Arc<Node>> = cx.world.outputs().nodes.values().cloned().collect();
        for node in nodes {
            let is_on = node.host().is_ok_and(|host| host.is_on());
            if !is_on || node.server_state() == ServerState::Frozen {
                continue;
            }
            match (node.is_up(), node.postmaster_runs().await?) {
                (true, false) => node.went_down("the runbook has stopped it").await,
                (false, true) => node.set_server_state(ServerState::Up),
                _ => {}
            }
        }
        Ok(())
    }
}

/// Runs the commands of a block.
const RUN_BLOCK: &str = include_str!("scripts/run_block.sh");

/// The server that runs on a host that was empty.
async fn found(cx: &Context<'_>, host: &Arc<dyn Host>) -> Result<Option<Arc<Node>>, Box<Finding>> {
    let found = Node::found(host.clone(), &cx.world.password).await?;
    Ok(found.map(Arc::new))
}
