//! `rewind`

use std::sync::Arc;
use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Finding, MarkKind, NodeRef, NodeSettings, Ran, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::node::{Config, Node, Origin, Resting, Rewind as Rewinding, Rewound, Signal, is_in_recovery, lineage};
use crate::pg::{Lineage, Lsn, Segment, ShutdownMode, TimelineId};
use crate::source::{NodeName, Ordered, Setting};
use crate::steps::recovery::follow::Standby;
use crate::steps::recovery::refusal::not_started;
use crate::steps::recovery::restore::stop;
use crate::steps::recovery::slots::{drop_slot, fresh_slot, slots_for_standbys};
use crate::steps::recovery::tablespaces::{keep_apart, relatives};

/// Makes an old primary the standby of the new one, with pg_rewind.
///
/// ```yaml
/// - rewind: { node: master, to: standby }
/// ```
///
/// The old primary may have crashed or been stopped. If it is still running, on its own since its
/// standby was promoted, it is stopped first (`fast`): pg_rewind needs a server that is not
/// running. What it wrote after the divergence is discarded, and the facts report how many commits
/// that was, and which WAL segments had not been archived. If it is only behind, nothing is
/// discarded. It keeps its own postgresql.conf and postgresql.auto.conf, gets a replication slot on
/// the new primary, and follows it. If it archives, pg_rewind reads from the archive what is
/// missing from its pg_wal. `settings` are lines for its postgresql.conf, which win over both
/// files; they are checked as those of a node are, and the server keeps them.
///
/// It passes if the new primary reports that it streams, and it has everything that was written
/// there before. It fails if `to` is not a primary, if the two have no common history, if pg_rewind
/// fails (its output is reported), and if the server cannot stream afterwards. If pg_rewind fails
/// half-way, only `rebuild` can repair the server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct RewindSpec {
    /// The old primary.
    node: NodeName,
    /// The new one.
    to: NodeName,
    /// Lines for its postgresql.conf.
    #[serde(default)]
    settings: Option<Ordered<String, Setting>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Rewind {
    /// The old primary.
    node: NodeRef,
    /// The new one.
    to: NodeRef,
    /// Lines for its postgresql.conf.
    settings: NodeSettings,
}

impl StepKind for RewindSpec {
    type Step = Rewind;

    const NAME: &'static str = "rewind";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
    const FACTS: &'static str = "rewind_ms diverged_at commits_thrown_away unarchived_segments rewound stopped timeline \
        postgresql_auto_conf streams_from catch_up_ms catch_up_bytes catch_up_mb_per_s missing_segment";
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Rewind> {
        let node = scope.own_named_node(&self.node);
        let to = if self.to.value == self.node.value {
            scope.error(self.to.span, "a server cannot be rewound onto itself", "name the new primary");
            None
        } else {
            scope.own_named_node(&self.to)
        };
        scope.remade(self.node.as_str());
        let settings = scope.settings(self.settings.as_ref(), scope.archives(self.node.as_str()));
        Some(Rewind { node: node?, to: to?, settings })
    }
}

#[async_trait(?Send)]
impl Step for Rewind {
    fn title(&self) -> String {
        format!("rewind {} onto {}", self.node, self.to)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        // What the node had before is no place in the WAL that it has then.
        cx.noted(&self.to.id, async |cx| self.rewind(cx).await).await
    }
}

impl Rewind {
    async fn rewind(&self, cx: &mut Context<'_>) -> StepResult {
        let (node, up) = (cx.world.node(&self.node)?, cx.world.node(&self.to)?);
        let started = Instant::now();
        cx.world.give_settings(&self.node.id, &self.settings);
        node.must_not_be_paused(self.node.entry())?;
        node.boot().await?;
        let source = Source::of(cx, &up).await.map_err(|finding| finding.at(self.to.entry()))?;
        if node.postmaster_runs().await? {
            cx.wait(format!("`{}` to stop", node.name()));
            stop(cx, &node).await?;
            cx.fact("stopped", "it still ran");
        }
        node.went_down("it was stopped to be rewound").await;
        let mut resting = self.rest(&node).await?;
        if resting.crashed_standby {
            node.launch(None, cx.deadline).await.map_err(|error| not_started(error, self.node.entry()))?;
            node.stop(ShutdownMode::Fast, cx.deadline).await?;
            resting = self.rest(&node).await?;
        }
        let fork = source.fork(&resting);
        self.check_history(cx, &node, &up, &source, &resting).await?;
        let relatives = relatives(cx, &node).await?;
        keep_apart(cx, &node, &relatives).await.map_err(|finding| finding.at(self.node.entry()))?;
        cx.world.outputs().recovered.remove(&self.node.id);
        // First the slot: a checkpoint removes WAL that the old master may still need.
        let slot = fresh_slot(cx, &up, node.name()).await?;
        match self.make(cx, &node, &up, (fork, &resting), slot).await {
            Ok(standby) => {
                standby.follow(cx).await?;
                source.prove(cx, &node).await.map_err(|finding| finding.at(self.to.entry()))?;
            }
            Err(finding) => {
                // A slot that nobody uses would hold its server's WAL for ever. The failure is what
                // is told.
                let _ = drop_slot(cx, &up, node.name()).await;
                return Err(finding);
            }
        }
        // The new primary is no standby of the old one any more.
        drop_slot(cx, &node, up.name()).await?;
        slots_for_standbys(cx, &node).await?;
        cx.fact("rewind_ms", started.elapsed().as_millis() as u64);
        Ok(())
    }

    fn rebuild(&self) -> String {
        format!("rebuild it: `rebuild: {{ node: {}, follows: {} }}`", self.node, self.to)
    }

    /// pg_rewind before 17 takes a tablespace within the data directory for a link. It is there
    /// because servers share a file system: that says nothing of the drill.
    fn cannot_copy(&self, node: &Node, finding: &Finding) -> Box<Finding> {
        let own = node.host().ok().and_then(|host| host.own_file_system());
        let own = own.map(|how| format!(" Or give each server a file system of its own: {how}, without `in_place`"));

        Finding::errored(format!("pg_rewind does not know the tablespaces in place of `{}`", self.to))
            .at(self.node.entry())
            .label(&finding.label)
            .help(format!("PostgreSQL 17 does.{}", own.unwrap_or_default()))
    }

    /// Runs pg_rewind.
    async fn make(
        &self,
        cx: &mut Context<'_>,
        node: &Arc<Node>,
        up: &Arc<Node>,
        (fork, resting): (Option<(Lsn, TimelineId)>, &Resting),
        slot: Option<String>,
    ) -> Result<Standby, Box<Finding>> {
        if up.version().major < 16 {
            // Before 16 pg_rewind goes by the control file, which knows the new timeline from the
            // next checkpoint on.
            cx.client(up).await?.batch_execute("CHECKPOINT").await?;
            cx.ran(Ran::sql(up, "have the new timeline written to the control file", "CHECKPOINT"));
        }
        let spec = cx.world.spec(node.name());
        let repo = spec.archive_to.as_ref().and_then(|repo| cx.world.repos.get(repo));
        let rewinding = Rewinding {
            source: up,
            fork,
            segment_size: resting.segment_size,
            restore_command: repo.map(|repo| repo.restore_command()),
        };
        // pg_rewind would link a tablespace that is new to this server to the new primary's own
        // directory. Its WAL is replayed afterwards, and links it to where that was made.
        node.make_room(&up.tablespaces().await?).await?;
        cx.wait("pg_rewind");
        let began = Instant::now();
        let (rewound, program) = node.rewind(&rewinding).await?;
        if let Err(finding) = self.tell(cx, node, resting, &rewound) {
            let in_place = rewound.said.contains("pg_tblspc/") && up.has_some_in_place().await?;
            return Err(if in_place { self.cannot_copy(node, &finding) } else { finding });
        }
        let what = format!("rewind `{}` onto `{}`", node.name(), up.name());
        cx.ran(Ran::program(node, what, &program).took(began.elapsed()));
        let config = Config { following: Some(up.followed_by(node, slot).await?), ..spec.config(&cx.world.repos) };
        let (node, up, at) = (node.clone(), up.clone(), self.to.entry());
        Ok(Standby { node, up, config, signal: Signal::Standby, origin: Origin::Own, archive: None, at })
    }

    async fn rest(&self, node: &Node) -> Result<Resting, Box<Finding>> {
        node.rest().await?.map_err(|why| {
            Finding::failed(format!("`{}` has nothing to be rewound", node.name()))
                .at(self.node.entry())
                .label(why)
                .help(self.rebuild())
        })
    }

    /// Compares the two servers' WAL where they must have it in common. pg_rewind goes by the
    /// numbers of the timelines, and two servers that were promoted beside each other both begin
    /// the same one.
    async fn check_history(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        up: &Node,
        source: &Source,
        resting: &Resting,
    ) -> StepResult {
        if source.lineage.system != resting.system {
            return Err(Finding::failed(format!("`{}` and `{}` are two clusters", node.name(), up.name()))
                .at(self.node.entry())
                .label(format!("initdb gave them the identifiers {} and {}", resting.system, source.lineage.system))
                .help(self.rebuild()));
        }
        let Some(window) = source.window(resting) else { return Ok(()) };
        let segment = window.segment(resting.timeline, resting.segment_size);
        let Some(own) = node.wal_sum(&segment, window.offset(resting.segment_size), window.length).await? else {
            return Ok(());
        };
        let theirs: Vec<String> =
            source.lineage(resting.timeline).map(|timeline| window.segment(timeline, resting.segment_size)).collect();
        let query = "SELECT md5(pg_read_binary_file('pg_wal/' || name, $2, $3, true)) FROM unnest($1::text[]) name";
        let (offset, length) = (window.offset(resting.segment_size).cast_signed(), window.length.cast_signed());
        let rows = cx.client(up).await?.query(query, &[&theirs, &offset, &length]).await?;
        let sums: Vec<String> = rows.iter().filter_map(|row| row.get(0)).collect();
        if sums.is_empty() || sums.contains(&own) {
            return Ok(());
        }
        let (node, up) = (node.name(), up.name());
        Err(Finding::failed(format!("`{node}` and `{up}` have no common history"))
            .at(self.node.entry())
            .label(format!("their WAL is not the same at {}, on timeline {}", window.start, resting.timeline))
            .help(format!(
                "the number of the timeline may be the same: two servers promoted beside each other both begin it. {}",
                self.rebuild()
            )))
    }

    /// Reports what pg_rewind did; fails where it failed.
    fn tell(&self, cx: &mut Context<'_>, node: &Node, resting: &Resting, rewound: &Rewound) -> StepResult {
        if rewound.status != 0 {
            let mut finding = Finding::failed(format!("pg_rewind failed (exit status {})", rewound.status))
                .at(self.node.entry())
                .label(rewound.reason())
                .note("said", &rewound.said);
            if let Some(why) = rewound.remedy() {
                finding = finding.help(format!("{why} on `{}`", node.name()));
            }
            return Err(finding.help(self.rebuild()));
        }
        match rewound.diverged {
            Some(at) => {
                cx.fact("diverged_at", at.to_string());
                match rewound.commits {
                    Some(commits) => cx.fact("commits_thrown_away", commits),
                    None => cx.fact("commits_thrown_away", "unknown: their WAL was not in pg_wal any more"),
                }
                if !resting.unarchived.is_empty() {
                    cx.fact("unarchived_segments", resting.unarchived.join(" "));
                }
            }
            None => cx.fact("rewound", "not needed: it was only behind"),
        }
        Ok(())
    }
}

/// What the new primary says of itself.
struct Source {
    lineage: Lineage,
}

impl Source {
    async fn of(cx: &Context<'_>, up: &Node) -> Result<Self, Box<Finding>> {
        let client = cx.client(up).await?;
        if is_in_recovery(&client).await? {
            return Err(Finding::failed(format!("`{}` is in recovery", up.name()))
                .label("only a primary can be followed so")
                .help(format!("make one of it first: `promote: {{ node: {} }}`", up.name())));
        }
        Ok(Source { lineage: lineage(&client).await? })
    }

    /// Fails where the server that follows this one now is another cluster's, or on other
    /// timelines.
    async fn prove(&self, cx: &mut Context<'_>, node: &Node) -> StepResult {
        let own = lineage(&*cx.client(node).await?).await?;
        cx.fact("timeline", own.history.timeline.0);
        let label = match own.history.parted(&self.lineage.history) {
            _ if own.system != self.lineage.system => {
                format!("its cluster has the identifier {}, and not {}", own.system, self.lineage.system)
            }
            None => return Ok(()),
            Some(parting) => format!(
                "it is on timeline {}, and the primary on timeline {}: they diverge at {}",
                own.history.timeline, self.lineage.history.timeline, parting.at
            ),
        };
        Err(Finding::failed(format!("`{}` does not have the new primary's history", node.name())).label(label))
    }

    /// Where its history left the timeline of the old master.
    fn fork(&self, resting: &Resting) -> Option<(Lsn, TimelineId)> {
        let switch = self.lineage.history.switches.iter().find(|switch| switch.timeline == resting.timeline)?;
        Some((switch.at, switch.timeline))
    }

    /// Its timelines, from that one on.
    fn lineage(&self, from: TimelineId) -> impl Iterator<Item = TimelineId> {
        let all =
            self.lineage.history.switches.iter().map(|switch| switch.timeline).chain([self.lineage.history.timeline]);
        all.skip_while(move |timeline| *timeline != from)
    }

    /// Some WAL that both must have, if they have a common history: what comes just before they
    /// parted, or the old master's last checkpoint where it is only behind.
    fn window(&self, resting: &Resting) -> Option<Window> {
        const PAGE: u64 = 8192;
        const RECORD: u64 = 64;
        self.lineage(resting.timeline).next()?;
        let size = resting.segment_size;
        match self.fork(resting) {
            Some((at, _)) if resting.checkpoint >= at => {
                let segment = at.0.saturating_sub(1) / size * size;
                let start = at.0.saturating_sub(PAGE).max(segment);
                Some(Window { start: Lsn(start), length: at.0 - start })
            }
            _ => {
                let at = resting.checkpoint;
                Some(Window { start: at, length: RECORD.min(size - at.0 % size) })
            }
        }
    }
}

/// A piece of WAL that lies in one segment.
struct Window {
    start: Lsn,
    length: u64,
}

impl Window {
    fn segment(&self, timeline: TimelineId, segment_size: u64) -> String {
        Segment::at(self.start, timeline, segment_size).to_string()
    }

    fn offset(&self, segment_size: u64) -> u64 {
        self.start.0 % segment_size
    }
}
