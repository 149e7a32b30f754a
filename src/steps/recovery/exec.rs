//! `exec`

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Awaited, Context, FILES_VARIABLE, Finding, Later, MarkKind, NodeField, NodeRef, Places, Ran, Recovers, Reference,
    Resolved, Role, Scope, Step, StepKind, StepResult, all_now, variables_now,
};
use crate::host::Program;
use crate::node::Node;
use crate::source::{Late, Ordered, Piece, Regex, Scalar, Shell, Spanned, Word};
use crate::steps::recovery::tablespaces::{mentions_tablespace, standbys_apart};

/// Runs any command on a node's host, as the user that owns the server.
///
/// ```yaml
/// - exec: { node: master, run: [sh, -c, 'test -s "$PGDATA/PG_VERSION"'] }
/// - exec:
///     node: master
///     run: [psql, -XAtc, "SELECT count(*) FROM shop.orders WHERE status = 'paid'"]
///     env: { PGOPTIONS: -c statement_timeout=5s }
/// ```
///
/// `run` is the program and its arguments; no shell interprets them unless it is the program.
/// PostgreSQL's programs come first in PATH. PGHOST, PGPORT, PGUSER, PGDATABASE and PGPASSWORD are
/// set so that `psql` and the like reach the node's server, and PGDATA is its data directory.
///
/// Of `${...}` only what is known when the step runs is put into the words of `run`: what earlier
/// steps left (`${accident.lsn}`), where nodes and repos are (`${nodes.standby.host}`,
/// `${repos.onsite.path}`), as they are reached from this host, and `${files}`, a copy of the
/// files in the scenario's folder. In the text of a program (the word after `-c`, `-e`, `--command`
/// and their like), nothing is: pass values in `env`, or as further words. A command that mentions
/// DRILLYARD_FILES finds the copy by that variable. It is made when it is needed first, without
/// names that begin with a dot, and has at most 200 files and 16 MB.
///
/// ```yaml
/// - exec: { node: master, run: [sh, "${files}/check.sh", "${repos.onsite.path}"] }
/// - id: waldump
///   exec:
///     node: master
///     run: [pg_waldump, -p, "${repos.onsite.path}/wal", -s, "${accident.lsn}", -n, "1"]
///     capture: { record: "desc: (.*)" }
/// - exec: { node: master, run: [sh, -c, 'echo "$RECORD"'], env: { RECORD: "${waldump.record}" } }
/// ```
///
/// `capture` keeps parts of its standard output for later steps, which ask for them as
/// `${ID.NAME}`: what the regular expression matches first, or its group if it has one; it may not
/// have several (`(?:...)` is none).
///
/// The report keeps its standard output and standard error, at most the last 2,000 characters of
/// each.
///
/// With an `id` the step is a mark, if the server answers before or after it.
///
/// The step ends when the command exits. What the command leaves running goes on until the drill
/// ends.
///
/// It passes if the command exits with 0, and everything is found that is to be captured.
/// Otherwise, and if there is no such command, it fails with what the command wrote.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ExecSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The program and its arguments.
    run: Spanned<Vec<Word>>,
    /// Added to its environment.
    #[serde(default)]
    env: Option<Ordered<String, Late<Scalar>>>,
    /// What later steps can ask for: names, each with a regular expression for the standard output.
    #[serde(default)]
    capture: Option<Spanned<Ordered<String, Spanned<Regex>>>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Exec {
    /// The server.
    node: NodeRef,
    /// The program and its arguments.
    run: Spanned<Vec<Later<Shell>>>,
    /// Its name, as it is written.
    name: String,
    /// Added to its environment.
    env: Vec<(String, Later<Scalar>)>,
    /// What is kept of what it writes.
    capture: Vec<(Spanned<String>, Spanned<Regex>)>,
    /// Whether it is told where a copy of the scenario's files is.
    needs_files: bool,
}

impl StepKind for ExecSpec {
    type Step = Exec;

    const NAME: &'static str = "exec";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const FACTS: &'static str = "status output stderr";
    const RECOVERS: Recovers = Recovers::BehindIncident;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Exec> {
        let node = scope.own_node(&self.node);
        scope.may_promote();
        let name = self.run.value.first().map(|word| word.as_written().to_owned()).unwrap_or_default();
        if name.trim().is_empty() {
            let help = "a list: the program and its arguments, such as `[psql, -c, VACUUM]`";
            scope.error_help(self.run.span, "`run` is empty", "run what?", help);
        }
        let capture = self.capture.map(|capture| {
            if capture.value.is_empty() {
                let help = "a map of names to regular expressions: `capture: { lag: \"lag=([0-9]+)\" }`";
                scope.error_help(capture.entry, "`capture` captures nothing", "which values?", help);
            }
            for (_, pattern) in capture.value.iter().filter(|(_, pattern)| pattern.value.captures_len() > 2) {
                let help = "leave one pair of parentheses, and write the others `(?:...)`";
                scope.error_help(pattern.span, "a value is captured by one group", "these are several", help);
            }
            scope.captures(capture.value.iter().map(|(name, _)| (name.value.clone(), name.span)));
            capture.value.0
        });
        let mentions = |text: &str| text.contains(FILES_VARIABLE);
        let needs_files = self.run.value.iter().any(|word| mentions(word.as_written()))
            || self.env.iter().flatten().any(|(_, value)| mentions(&value.to_string()));
        let Spanned { value, span, entry } = self.run;
        let run = words(value, scope);
        let env = scope.variables(self.env);
        if scope.refers.iter().any(|one| matches!(one, Reference::Repo(_))) {
            scope.by_hand();
        }
        let run = Spanned { value: run?, span, entry };
        Some(Exec { node: node?, run, name, env: env?, capture: capture.unwrap_or_default(), needs_files })
    }
}

/// The words of a command, each reference in them looked up. In the text of a program nothing is
/// substituted: it would be run.
fn words(all: Vec<Word>, scope: &mut Scope<'_>) -> Resolved<Vec<Later<Shell>>> {
    let mut text = ProgramText::default();
    let mut found = vec![];
    for word in all {
        let is_text = text.is_in(word.as_written());
        found.push(match word.0 {
            Late::Made(pieces) if is_text => {
                let ours = pieces.pieces.iter().find_map(|piece| match piece {
                    Piece::Reference(reference, span) if scope.knows(reference) => Some((reference, *span)),
                    _ => None,
                });
                match ours {
                    Some((reference, span)) => {
                        let title = format!("`${{{reference}}}` is not substituted in the text of a program");
                        let help = "pass it in `env`, or as a further word: `[sh, -c, 'echo \"$1\"', sh, \"${...}\"]`";
                        scope.error_help(span, title, "whatever it is would be run", help);
                        None
                    }
                    // The program's own business.
                    None => Some(Later::Known(Shell(pieces.text))),
                }
            }
            word => scope.later(word, Places::OfHost),
        });
    }
    found.into_iter().collect()
}

/// Shells, of which `-c` may stand among other flags: `-ce`, `-euc`.
const SHELLS: &[&str] = &["sh", "bash", "dash", "ash", "ksh", "zsh", "busybox"];

/// Where the text of a program may stand in the words of a command.
#[derive(Default)]
struct ProgramText {
    program: Option<String>,
    follows: bool,
}

impl ProgramText {
    /// Whether the next word is, or holds, the text of a program: what follows `-c`, `-e`,
    /// `--command` and their like, other flags in between passed over; `-cSELECT ...` of psql.
    fn is_in(&mut self, word: &str) -> bool {
        let Some(program) = &self.program else {
            self.program = Some(word.rsplit('/').next().unwrap_or_default().to_owned());
            return false;
        };
        let flags = word.strip_prefix('-').filter(|flags| !flags.is_empty());
        let Some(flags) = flags else { return std::mem::take(&mut self.follows) };
        let short = flags.bytes().all(|flag| flag.is_ascii_alphabetic());
        let of_shell = SHELLS.contains(&program.as_str()) && short && flags.contains('c');
        let long = ["-command", "-eval", "-execute", "-expression"];
        self.follows |=
            of_shell || matches!(flags, "e" | "E") || short && flags.ends_with('c') || long.contains(&flags);
        let joined = |name: &&str| flags.strip_prefix(*name).is_some_and(|rest| rest.starts_with('='));
        long.iter().any(joined) || (program == "psql" && flags.starts_with('c') && flags.len() > 1)
    }
}

#[async_trait(?Send)]
impl Step for Exec {
    fn title(&self) -> String {
        format!("run {} on {}", self.name, self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let host = node.host()?;
        node.must_be_on(self.node.span())?;
        let words = all_now(cx, &self.run.value, Some(&node)).await?;
        // By a shell, which tells a program that is not there from a host that does not work.
        let mut program = Program::script(r#"exec "$@""#, words.iter().map(|word| word.0.clone()));
        program.env = node.session_env()?;
        program.env.push(("PGDATA".to_owned(), host.paths().data.clone()));
        if self.needs_files {
            let copied = cx.world.files_on(&node).await?;
            copied.must_have("").map_err(|finding| finding.at(self.run.span))?;
            program = program.env(FILES_VARIABLE, copied.dir);
        }
        program.env.extend(variables_now(cx, &self.env, &node).await?);
        cx.wait(format!("`{}`", self.name));
        match cx.id {
            // Whatever it does: its place in the WAL is known.
            Some(_) => cx.inject(&node, async |cx| self.outcome(cx, &node, program, &words).await).await,
            None => self.outcome(cx, &node, program, &words).await,
        }
    }
}

impl Exec {
    /// Runs the program, and reports what came of it.
    async fn outcome(&self, cx: &mut Context<'_>, node: &Node, program: Program, words: &[Shell]) -> StepResult {
        let name = &self.name;
        cx.awaits(Awaited::Command, node.name());
        cx.commanded(node.name());
        let began = Instant::now();
        let output = node.host()?.run(program.clone()).await;
        cx.commanded(node.name());
        let output = output?;
        cx.fact("status", output.status);
        let said = output.text();
        if !said.trim().is_empty() {
            cx.fact("output", shortened(said.trim()));
        }
        let complaints = output.stderr.trim();
        if !complaints.is_empty() {
            cx.fact("stderr", shortened(complaints));
        }
        if output.success() {
            cx.ran(Ran::program(node, format!("run `{name}`"), &program).took(began.elapsed()));
            if words.iter().any(|word| mentions_tablespace(&word.0)) {
                standbys_apart(cx, node).await?;
            }
            return self.keep(cx, &said);
        }
        Err(Finding::failed(format!("`{name}` failed (exit status {})", output.status))
            .at(self.run.entry)
            .label(format!("ended with {}", output.status))
            .note("said", shortened(complaints))
            .note("output", shortened(said.trim())))
    }

    /// Captures what it has written.
    fn keep(&self, cx: &mut Context<'_>, said: &str) -> StepResult {
        for (name, pattern) in &self.capture {
            let found = pattern.value.captures(said);
            // The first group, if the pattern has one.
            let group = usize::from(pattern.value.captures_len() > 1);
            let Some(value) = found.as_ref().and_then(|found| found.get(group)) else {
                let title = format!("`{}` is not in what `{}` wrote", name.value, self.name);
                let finding = Finding::failed(title).at(pattern.span).label("this matches nothing there");
                let output = if said.trim().is_empty() { "nothing" } else { said.trim() };
                return Err(finding.note("output", shortened(output)));
            };
            cx.capture(name, value.as_str().into())?;
        }
        Ok(())
    }
}

/// As much of an output as a report has room for: its end, where programs say what went wrong.
pub(crate) fn shortened(text: &str) -> String {
    const MOST: usize = 2000;
    let from = text.len().saturating_sub(MOST);
    let from = (from..text.len()).find(|at| text.is_char_boundary(*at)).unwrap_or(text.len());
    if from == 0 { text.to_owned() } else { format!("... {}", &text[from..]) }
}
