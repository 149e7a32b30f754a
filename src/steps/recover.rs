//! `recover`

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::archive_end::ArchiveEnd;
use super::{By, Context, Finding, Recovered, Role, Scope, Shift, Step, StepKind, StepResult, Then, Until, UntilWord};
use crate::node::{Arrival, Config, Following, Node, Setup, Started, conninfo};
use crate::pg::{Mark, RecoveryTarget, ShutdownMode};
use crate::source::{Name, Spanned};

/// Recovers: a new server from a backup and the archive, or the same server to a later target.
///
/// ```yaml
/// - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
/// - recover: { node: rescue, until: latest, then: promote }        # goes on with the same server
/// - recover: { node: tonight, backup: nightly, until: latest, then: { follow: master } }
/// ```
///
/// With `backup` the node is a new server, restored from that backup; WAL comes from the backup's repo, or from `repo`, which
/// must hold the backup, too. Without, the server of an earlier `recover` that paused or was shut down is stopped, gets the later
/// target and is started again: resuming a paused recovery would end it.
///
/// `until` is `latest`, `end_of_backup`, `{ before: MARK }`, `{ before: MARK, minus: 1s }` (a time), `{ after: MARK }`,
/// `{ mark: MARK }` (a restore point), `{ time: T }`, `{ lsn: L }` or `{ xid: X }`. `by` says how a mark is handed to PostgreSQL:
/// `xid` (the exact one, and the default for marks that are transactions), `lsn` (the default for others), `time` or `name`.
/// `then` is `promote`, `pause`, `shutdown` or `{ follow: NODE }`. With `until: latest` and `pause` or `shutdown` the server is
/// stopped from promoting by `standby.signal`, and is at its target when the archive has no more to give.
///
/// It passes when the log proves that the target was reached and the server is what `then` says. It fails when recovery ended
/// before the target, stopped elsewhere, or silently promoted at a gap.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Recover {
    /// The server to be made, or to go on with.
    node: Spanned<Name>,
    /// The backup that it is restored from.
    #[serde(default)]
    backup: Option<Spanned<Name>>,
    /// The repo that backup and WAL are read from.
    #[serde(default)]
    repo: Option<Spanned<Name>>,
    /// Where it stops.
    until: Spanned<Until>,
    /// How a mark is handed over.
    #[serde(default)]
    by: Option<Spanned<By>>,
    /// What happens there.
    then: Spanned<Then>,
    /// The repo, resolved.
    #[serde(skip)]
    from: Option<String>,
}

impl StepKind for Recover {
    const NAME: &'static str = "recover";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const RECOVERS: bool = true;
}

#[async_trait(?Send)]
impl Step for Recover {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        self.resolve_backup(scope);
        self.resolve_until(scope);
        if let Then::Follow(upstream) = &self.then.value {
            if upstream.value == self.node.value {
                scope.error(upstream.span, "a server cannot follow itself", "name its primary");
            } else {
                scope.named_node(upstream);
            }
        }
    }

    fn makes_node(&self) -> Option<&Spanned<Name>> {
        self.backup.as_ref().map(|_| &self.node)
    }

    fn moved(&self, shift: Shift) -> Option<Box<dyn Step>> {
        let until = self.until.value.moved(shift, self.backup.is_some())?;
        // What is no mark any more is not handed over as one.
        let by = self.by.clone().filter(|_| until.before.is_some() || until.after.is_some());
        Some(Box::new(Recover { until: Spanned { value: until, ..self.until.clone() }, by, ..self.clone() }))
    }

    fn title(&self) -> String {
        let then = match &self.then.value {
            Then::Promote => "promote".to_owned(),
            Then::Pause => "pause".to_owned(),
            Then::Shutdown => "shut down".to_owned(),
            Then::Follow(node) => format!("follow {}", node.value),
        };
        let from = self.backup.as_ref().map(|backup| format!(" from {}", backup.value)).unwrap_or_default();
        format!("recover {}{from} until {}, then {then}", self.node.value, self.until_text())
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let target = self.target(cx)?;
        cx.fact("target", target.to_string());
        self.judge_start(cx, &target)?;
        let started = Instant::now();
        let node = match &self.backup {
            Some(backup) => self.restore(cx, backup).await?,
            None => self.halt(cx).await?,
        };
        if self.backup.is_some() {
            cx.fact("restore_ms", started.elapsed().as_millis() as u64);
        }
        self.replay(cx, &node, &target).await?;
        cx.fact("recovery_ms", started.elapsed().as_millis() as u64);
        let recovered = Recovered::new(&self.until.value, self.by.as_ref().map(|by| by.value), &target, self.named_mark(cx).as_ref());
        cx.yard.state().recovered.insert(self.node.value.to_string(), recovered);
        Ok(())
    }
}

impl Recover {
    fn resolve_backup(&mut self, scope: &mut Scope<'_>) {
        let name = self.node.as_str();
        let existing = scope.nodes.get(name).cloned();
        match (&self.backup, existing) {
            (Some(backup), existing) => {
                if let Some(info) = existing
                    && info.maker != super::Maker::Step(scope.index)
                    && info.decoded
                {
                    let title = format!("node `{name}` exists already");
                    let label = "`recover` with a `backup` makes a new server";
                    scope.error_related(self.node.span, title, label, (info.span, "made here".to_owned()));
                }
                if let Some(made) = scope.step(backup, &["backup"]) {
                    self.from = made.detail;
                }
            }
            (None, None) if scope.more_nodes => {}
            (None, None) => {
                scope.error_help(
                    self.node.span,
                    format!("node `{name}` does not exist, and there is no `backup` to make it from"),
                    "restored from what?",
                    "add `backup: ID` with the id of a `backup` step",
                );
            }
            (None, Some(info)) => {
                if scope.named_node(&self.node).is_some() && info.maker == super::Maker::Start {
                    let title = format!("node `{name}` is not in recovery");
                    let label = "only a server made by `recover` can go on recovering";
                    scope.error_related(self.node.span, title, label, (info.span, "listed here".to_owned()));
                }
                self.from = info.recovers_from;
            }
        }
        if let Some(repo) = &self.repo
            && scope.repo(repo).is_some()
        {
            self.from = Some(repo.value.to_string());
        }
        scope.recovers_from(self.node.as_str(), self.from.clone());
    }

    fn resolve_until(&mut self, scope: &mut Scope<'_>) {
        let until = &self.until.value;
        let given = [
            until.word.as_ref().map(|w| w.span),
            until.before.as_ref().map(|m| m.entry),
            until.after.as_ref().map(|m| m.entry),
            until.mark.as_ref().map(|m| m.entry),
            until.time.as_ref().map(|t| t.entry),
            until.lsn.as_ref().map(|l| l.entry),
            until.xid.as_ref().map(|x| x.entry),
        ];
        let given: Vec<_> = given.into_iter().flatten().collect();
        match given.as_slice() {
            [_] => {}
            [] => scope.error_help(
                self.until.span,
                "`until` has no target",
                "until when?",
                "`latest`, `end_of_backup`, or one of `{ before, after, mark, time, lsn, xid }`",
            ),
            [_, second, ..] => {
                scope.error(*second, "`until` takes one target", "this is the second one");
            }
        }
        for mark in [&until.before, &until.after].into_iter().flatten() {
            scope.mark(mark);
        }
        if let Some(mark) = &until.mark {
            scope.step(mark, &["mark"]);
        }
        if let Some(lsn) = &until.lsn
            && lsn.value.parse::<crate::pg::Lsn>().is_err()
        {
            let help = "write it as PostgreSQL prints it, such as `0/3000028`";
            scope.error_help(lsn.span, format!("`{}` is not an LSN", lsn.value), "not a position in the WAL", help);
        }
        if let Some(minus) = &until.minus {
            if until.before.is_none() && !given.is_empty() {
                scope.error(minus.entry, "`minus` goes with `before`", "earlier than which mark?");
            }
            if let Some(by) = self.by.as_ref().filter(|by| by.value != By::Time) {
                scope.error(by.entry, "`minus` makes the target a time", "leave `by` out, or write `by: time`");
            }
        }
        if let Some(by) = &self.by {
            self.resolve_by(scope, by);
        }
        if let (Some(word), Then::Pause | Then::Shutdown) = (&until.word, &self.then.value)
            && word.value == UntilWord::EndOfBackup
            && self.backup.is_none()
        {
            scope.error(word.span, "`end_of_backup` needs a `backup`", "this server is past it");
        }
    }

    fn resolve_by(&self, scope: &mut Scope<'_>, by: &Spanned<By>) {
        let until = &self.until.value;
        let Some(mark) = until.before.as_ref().or(until.after.as_ref()).or(until.mark.as_ref()) else {
            scope.error(by.entry, "`by` says how a mark is handed over", "there is no mark in `until`");
            return;
        };
        let Some(info) = scope.ids.get(mark.as_str()).cloned() else { return };
        if info.kind.is_empty() {
            return;
        }
        let transaction = !matches!(info.kind.as_str(), "mark" | "backup");
        let wrong = match by.value {
            By::Name if info.kind != "mark" => "only `mark` steps make a restore point with a name",
            By::Xid if !transaction => "this step is no transaction: use `lsn` or `time`",
            By::Xid | By::Lsn | By::Time if until.mark.is_some() => {
                "`{ mark: ... }` is a restore point, found by its name: use `before` or `after`"
            }
            _ => return,
        };
        let title = format!("`{}` cannot be handed over so", mark.value);
        scope.error_related(by.span, title, wrong, (info.span, format!("a {} step", info.kind)));
    }

    fn until_text(&self) -> String {
        let until = &self.until.value;
        let minus = until.minus.as_ref().map(|m| format!(" minus {}", m.value)).unwrap_or_default();
        match until {
            Until { word: Some(word), .. } if word.value == UntilWord::Latest => "latest".to_owned(),
            Until { word: Some(_), .. } => "end of backup".to_owned(),
            Until { before: Some(mark), .. } => format!("before {}{minus}", mark.value),
            Until { after: Some(mark), .. } => format!("after {}", mark.value),
            Until { mark: Some(mark), .. } => format!("restore point {}", mark.value),
            Until { time: Some(time), .. } => format!("{}", time.value),
            Until { lsn: Some(lsn), .. } => format!("LSN {}", lsn.value),
            Until { xid: Some(xid), .. } => format!("transaction {}", xid.value),
            _ => "?".to_owned(),
        }
    }

    /// The target as PostgreSQL takes it.
    fn target(&self, cx: &Context<'_>) -> Result<RecoveryTarget, Box<Finding>> {
        let until = &self.until.value;
        let by = self.by.as_ref().map(|by| by.value);
        if let Some(name) = &until.before {
            let mark = cx.yard.mark(name.as_str())?;
            let by = until.minus.as_ref().map(|_| By::Time).or(by);
            let minus = until.minus.as_ref().map(|m| m.value.0).unwrap_or_default();
            return Ok(match resolve(by, &mark) {
                By::Time => RecoveryTarget::Time { at: earlier(mark.before.at, minus)?, inclusive: false },
                By::Xid => RecoveryTarget::Xid { xid: transaction(&mark, name)?, inclusive: false },
                By::Lsn => RecoveryTarget::Lsn { lsn: mark.before.lsn, inclusive: false },
                By::Name => RecoveryTarget::Name(mark.id),
            });
        }
        if let Some(name) = &until.after {
            let mark = cx.yard.mark(name.as_str())?;
            return Ok(match resolve(by, &mark) {
                By::Time => RecoveryTarget::Time { at: mark.after.at, inclusive: true },
                By::Xid => RecoveryTarget::Xid { xid: transaction(&mark, name)?, inclusive: true },
                // The first record that begins at the mark's end is the first that does not belong to it.
                By::Lsn => RecoveryTarget::Lsn { lsn: mark.after.lsn, inclusive: false },
                By::Name => RecoveryTarget::Name(mark.id),
            });
        }
        Ok(match until {
            Until { word: Some(word), .. } if word.value == UntilWord::EndOfBackup => RecoveryTarget::EndOfBackup,
            Until { mark: Some(mark), .. } => RecoveryTarget::Name(mark.value.to_string()),
            Until { time: Some(time), .. } => RecoveryTarget::Time { at: time.value.0, inclusive: true },
            Until { lsn: Some(lsn), .. } => {
                let position = lsn.value.parse().map_err(|e| Finding::errored(format!("{e}")).at(lsn.span))?;
                RecoveryTarget::Lsn { lsn: position, inclusive: true }
            }
            Until { xid: Some(xid), .. } => RecoveryTarget::Xid { xid: crate::pg::Xid(xid.value), inclusive: true },
            _ => RecoveryTarget::Latest,
        })
    }

    /// The mark that the target is given by; the backup's where the target is its end.
    fn named_mark(&self, cx: &Context<'_>) -> Option<Mark> {
        let until = &self.until.value;
        let named = until.before.as_ref().or(until.after.as_ref()).or(until.mark.as_ref());
        let ends = until.word.as_ref().is_some_and(|word| word.value == UntilWord::EndOfBackup);
        let name = named.or(self.backup.as_ref().filter(|_| ends))?;
        cx.yard.state().marks.get(name.as_str()).cloned()
    }

    /// Fails for a target that lies before the backup. PostgreSQL would not always say so: with a time it may stop at the backup's
    /// end, with all that was committed between the target and the backup.
    fn judge_start(&self, cx: &Context<'_>, target: &RecoveryTarget) -> StepResult {
        let Some(backup) = &self.backup else { return Ok(()) };
        let Some(taken) = cx.yard.state().marks.get(backup.as_str()).cloned() else { return Ok(()) };
        let began = taken.before.at;
        let label = match (target, self.named_mark(cx)) {
            (RecoveryTarget::Time { at, .. }, _) if *at < began => {
                format!("this is {at}, and `{}` was begun at {began}", backup.value)
            }
            (_, Some(mark)) if mark.after.seen <= taken.before.seen => {
                format!("`{}` was over before `{}` was begun", mark.id, backup.value)
            }
            _ => return Ok(()),
        };
        Err(Finding::failed("the recovery target lies before the backup's end")
            .at(self.until.entry)
            .label(label)
            .help("take an older backup, or a later target: a backup cannot be unrolled"))
    }

    /// Restores the backup onto the new node's host.
    async fn restore(&self, cx: &mut Context<'_>, backup: &Spanned<Name>) -> Result<Arc<Node>, Box<Finding>> {
        let repo = cx.yard.repo(self.from.as_deref().unwrap_or_default())?;
        let host = cx.yard.lab.host(self.node.as_str()).await?;
        let node = Arc::new(Node::on(host.clone(), cx.yard.lab.version(), &cx.yard.password));
        let path = repo.backup(backup.as_str());
        cx.wait(format!("the restore of {} from repo `{}`", backup.value, repo.name));
        let script = r#"[ -d "$1" ] || { echo "there is no backup at $1" >&2; exit 1; }
rm -rf "$2"
# The WAL of a backup is filled up with zeros; not every cp can leave them out.
cp -a --sparse=always "$1" "$2" 2>/dev/null || { rm -rf "$2"; cp -a "$1" "$2"; }
chmod 700 "$2""#;
        let output = host.run(crate::host::Program::script(script, [path, host.paths().data.clone()])).await?;
        if !output.success() {
            return Err(Finding::failed(format!("backup `{}` cannot be restored from repo `{}`", backup.value, repo.name))
                .at(backup.span)
                .label(output.stderr.trim()));
        }
        cx.yard.state().nodes.insert(self.node.value.to_string(), node.clone());
        Ok(node)
    }

    /// Stops the server that is to go on, after making sure that it can.
    async fn halt(&self, cx: &mut Context<'_>) -> Result<Arc<Node>, Box<Finding>> {
        let node = cx.yard.node(self.node.as_str())?;
        if node.is_up() {
            let client = cx.client(&node).await?;
            let row = client.query_one("SELECT pg_is_in_recovery()", &[]).await?;
            if !row.get::<_, bool>(0) {
                return Err(Finding::failed(format!("`{}` cannot go on: it is a primary already", self.node.value))
                    .at(self.node.span)
                    .label("it was promoted")
                    .help("let the earlier `recover` end with `then: pause` or `then: shutdown`"));
            }
        }
        node.stop(ShutdownMode::Fast, cx.deadline).await?;
        Ok(node)
    }

    /// Starts the server with its target and follows it there.
    async fn replay(&self, cx: &mut Context<'_>, node: &Arc<Node>, target: &RecoveryTarget) -> StepResult {
        let repo = cx.yard.repo(self.from.as_deref().unwrap_or_default())?;
        // Without a target a recovery always promotes in the end: a server that must not is kept a standby.
        let endless = *target == RecoveryTarget::Latest && !matches!(self.then.value, Then::Promote);
        let mut config = Config { restore_command: Some(repo.restore_command()), ..Config::default() };
        // Looked up before: the archive may grow while the server recovers.
        let archive = match target {
            RecoveryTarget::Latest => Some(ArchiveEnd::read(node, repo).await?),
            _ => None,
        };
        if let (Then::Follow(upstream), true) = (&self.then.value, endless) {
            config.following = Some(self.following(cx, upstream).await?);
            self.start(cx, node, &config, "standby.signal").await?;
            return self.follows(cx, node, upstream).await;
        }
        let action = match &self.then.value {
            Then::Promote => "promote",
            Then::Shutdown => "shutdown",
            Then::Pause | Then::Follow(_) => "pause",
        };
        let signal = if endless { "standby.signal" } else { "recovery.signal" };
        if !endless {
            config.recovery = Some((target.clone(), action));
        }
        let started = self.start(cx, node, &config, signal).await?;
        match (&self.then.value, endless) {
            (Then::Promote, _) => self.promoted(cx, node).await?,
            (_, true) => self.quiet(cx, node).await?,
            (Then::Shutdown, false) => self.shut_down(cx, node, started).await?,
            (Then::Pause | Then::Follow(_), false) => self.paused(cx, node).await?,
        }
        let arrival = Arrival::read(&node.log_from(node.log_start()).await?);
        arrival.tell(&mut cx.facts);
        arrival.reached(target).map_err(|wrong| {
            let mut finding = Finding::failed("recovery did not come out at its target").at(self.until.entry).label(wrong);
            if let Some(trouble) = &arrival.wal_trouble {
                finding = finding.note("log", trouble);
            }
            finding
        })?;
        if let Some(archive) = archive
            && let Some(end) = self.end_segment(cx, node, &arrival).await?
        {
            archive.judge(repo, &end, &arrival).map_err(|finding| finding.at(self.until.entry))?;
        }
        match &self.then.value {
            Then::Shutdown if endless => Ok(node.stop(ShutdownMode::Fast, cx.deadline).await?),
            Then::Follow(upstream) => {
                node.stop(ShutdownMode::Fast, cx.deadline).await?;
                config.recovery = None;
                config.following = Some(self.following(cx, upstream).await?);
                self.start(cx, node, &config, "standby.signal").await?;
                self.follows(cx, node, upstream).await
            }
            _ => Ok(()),
        }
    }

    async fn start(
        &self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        config: &Config,
        signal: &'static str,
    ) -> Result<Started, Box<Finding>> {
        let host = node.host()?.clone();
        cx.wait("recovery");
        let shuts_down = config.recovery.as_ref().is_some_and(|(_, action)| *action == "shutdown");
        let setup = Setup { lines: config.lines(host.as_ref()), signal: Some(signal), directory: None };
        // A session that is opened while the server shuts down would only leave complaints in its log.
        let started = match shuts_down {
            true => node.launch(Some(&setup), cx.deadline).await,
            false => node.start(Some(&setup), cx.deadline).await,
        };
        started.map_err(|error| {
            let mut finding: Box<Finding> = error.into();
            if finding.outcome == crate::journal::Outcome::Failed {
                if let Some(help) = remedy(&finding.title) {
                    finding = finding.help(help);
                }
                finding.at = Some(self.until.entry);
            }
            finding
        })
    }

    async fn following(&self, cx: &Context<'_>, upstream: &Spanned<Name>) -> Result<Following, Box<Finding>> {
        let up = cx.yard.node(upstream.as_str())?;
        let conninfo = match up.external_conninfo(self.node.as_str()) {
            Some(conninfo) => conninfo,
            None => conninfo(&up.host()?.peer_endpoint(self.node.as_str()), up.password(), self.node.as_str()),
        };
        Ok(Following { conninfo, slot: None })
    }

    /// The segment that replay ended in. None where nobody knows the timeline.
    async fn end_segment(
        &self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        arrival: &Arrival,
    ) -> Result<Option<String>, Box<Finding>> {
        let restored = arrival.segments.as_ref().and_then(|(_, last)| u32::from_str_radix(last.get(..8)?, 16).ok());
        let taken = self.backup.as_ref().and_then(|backup| cx.yard.mark(backup.as_str()).ok());
        let Some(timeline) = restored.or(taken.map(|mark| mark.after.timeline.0)) else { return Ok(None) };
        let client = cx.client(node).await?;
        let row = client
            .query_one(
                "SELECT pg_last_wal_replay_lsn()::text,
                        (SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size')",
                &[],
            )
            .await?;
        // A primary knows no replay any more, but its log does.
        let replayed = arrival.redo_end.clone().or(row.get(0));
        let end = replayed.and_then(|text| text.parse::<crate::pg::Lsn>().ok());
        Ok(end.map(|end| end.segment(crate::pg::TimelineId(timeline), row.get::<_, i64>(1).cast_unsigned())))
    }

    /// Waits until the server is a primary.
    async fn promoted(&self, cx: &mut Context<'_>, node: &Arc<Node>) -> StepResult {
        self.watch(cx, node, "the end of recovery", "SELECT NOT pg_is_in_recovery()").await?;
        let client = cx.client(node).await?;
        let now = crate::node::moment(&client).await?;
        cx.fact("timeline", now.timeline.0);
        cx.fact("lsn", now.lsn.to_string());
        Ok(())
    }

    /// Waits until recovery has paused at its target.
    async fn paused(&self, cx: &mut Context<'_>, node: &Arc<Node>) -> StepResult {
        let paused = match node.version().major {
            0..14 => "SELECT pg_is_wal_replay_paused()",
            _ => "SELECT pg_get_wal_replay_pause_state() = 'paused'",
        };
        self.watch(cx, node, "the pause at the target", paused).await?;
        self.tell_position(cx, node).await
    }

    /// Waits until a standby without a primary has nothing more to replay, and holds it there.
    async fn quiet(&self, cx: &mut Context<'_>, node: &Arc<Node>) -> StepResult {
        // The startup process waits so after it has asked the archive in vain (manual, 27.2, "Wait Events of Type Timeout").
        let idle = "SELECT wait_event = 'RecoveryRetrieveRetryInterval' FROM pg_stat_activity WHERE backend_type = 'startup'";
        self.watch(cx, node, "the end of the archive", idle).await?;
        cx.client(node).await?.batch_execute("SELECT pg_wal_replay_pause()").await?;
        self.tell_position(cx, node).await
    }

    async fn tell_position(&self, cx: &mut Context<'_>, node: &Arc<Node>) -> StepResult {
        let row = cx.client(node).await?.query_one("SELECT pg_last_wal_replay_lsn()::text", &[]).await?;
        if let Some(lsn) = row.get::<_, Option<String>>(0) {
            cx.fact("lsn", lsn);
        }
        Ok(())
    }

    /// Waits until the server has shut itself down.
    async fn shut_down(&self, cx: &mut Context<'_>, node: &Arc<Node>, started: Started) -> StepResult {
        if started == Started::ShutDown {
            return Ok(());
        }
        let node = node.clone();
        cx.until("the shutdown at the target", async |seen| {
            "still running".clone_into(seen);
            Ok((!node.postmaster_runs().await?).then_some(()))
        })
        .await
        .map_err(|finding| finding.at(self.then.entry))?;
        node.went_down("it shut down at its recovery target").await;
        Ok(())
    }

    /// Waits until the primary says that this standby streams.
    async fn follows(&self, cx: &mut Context<'_>, node: &Arc<Node>, upstream: &Spanned<Name>) -> StepResult {
        let what = format!("`{}` to stream from `{}`", self.node.value, upstream.value);
        let streaming = "SELECT status = 'streaming' FROM pg_stat_wal_receiver";
        let done = self.watch(cx, node, &what, streaming).await;
        done.map_err(|finding| finding.at(self.then.entry))
    }

    /// Waits until a query on the recovering server says true; the server may go away while it recovers.
    async fn watch(&self, cx: &mut Context<'_>, node: &Arc<Node>, what: &str, query: &str) -> StepResult {
        let mut next_look = Instant::now() + Duration::from_millis(200);
        let done = cx.until(what, async |seen| {
            match node.client().await {
                Ok(client) => match client.query_opt(query, &[]).await {
                    Ok(row) if row.as_ref().and_then(|row| row.get::<_, Option<bool>>(0)) == Some(true) => {
                        return Ok(Some(()));
                    }
                    Ok(_) => "still recovering".clone_into(seen),
                    Err(error) => *seen = crate::node::sql_problem(&error),
                },
                Err(error) => *seen = error.to_string(),
            }
            if Instant::now() >= next_look {
                next_look = Instant::now() + Duration::from_millis(200);
                if !node.postmaster_runs().await? {
                    let log = node.log_tail().await;
                    let reason = crate::node::log_reason(&log).unwrap_or_else(|| "its log gives no reason".to_owned());
                    let mut finding = Finding::failed(format!("the server on `{}` ended during recovery", node.name()));
                    if let Some(help) = remedy(&reason) {
                        finding = finding.help(help);
                    }
                    return Err(finding.label(reason).note("log", log));
                }
            }
            Ok(None)
        });
        match done.await {
            Ok(()) => Ok(()),
            Err(finding) => {
                let finding = if finding.at.is_none() { finding.at(self.until.entry) } else { finding };
                Err(if finding.notes.is_empty() { finding.note("log", node.log_tail().await) } else { finding })
            }
        }
    }
}

/// What a mark is handed over by where the scenario does not say.
fn resolve(by: Option<By>, mark: &Mark) -> By {
    by.unwrap_or(if mark.xid.is_some() { By::Xid } else { By::Lsn })
}

fn transaction(mark: &Mark, name: &Spanned<Name>) -> Result<crate::pg::Xid, Box<Finding>> {
    mark.xid.ok_or_else(|| {
        Finding::failed(format!("mark `{}` wrote nothing, and so has no transaction id", name.value))
            .at(name.span)
            .help("hand it over as a position: `by: lsn`")
    })
}

fn earlier(at: jiff::Timestamp, minus: Duration) -> Result<jiff::Timestamp, Box<Finding>> {
    at.checked_sub(minus).map_err(|e| Finding::errored(format!("the target time is out of range: {e}")))
}

/// What can be done about a recovery that ended with a well-known FATAL error.
fn remedy(reason: &str) -> Option<&'static str> {
    [
        (
            "recovery ended before configured recovery target was reached",
            "the archive ends before the target, or has a gap: is everything archived (`wait_archived`)? A target time needs a \
             commit after it",
        ),
        (
            "requested recovery stop point is before consistent recovery point",
            "the target lies before the backup's end: take an older backup, or a later target",
        ),
        (
            "could not locate required checkpoint record",
            "the WAL that the backup begins with is neither in it nor in the archive",
        ),
        (
            "is not a child of this server's history",
            "the archive holds another timeline: something recovered has archived into it",
        ),
        ("insufficient parameter settings", "give the node at least its primary's max_connections and the like"),
    ]
    .into_iter()
    .find_map(|(sign, help)| reason.contains(sign).then_some(help))
}
