//! Where a backup comes from: a primary, or a standby, whose primary has what the standby has not
//! yet, and the archive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Awaited, Context, Finding, StepResult};
use crate::node::{Node, SqlError, apply_delay, is_in_recovery, moment, wait_until};
use crate::pg::Segment;
use crate::repo::Repo;
use crate::steps::protection::archiver::{Archiver, finish_segment, segment_size};
use crate::steps::recovery::upstream::upstream_of;

/// What a backup is taken from.
pub(crate) enum Source {
    /// A primary.
    Primary,
    /// A standby of this primary, where that is known and runs.
    Standby(Option<Arc<Node>>),
}

/// How long a standby is waited for: the backup is one without, too.
const PATIENCE: Duration = Duration::from_secs(20);

impl Source {
    /// What a server is, and whom it gets its WAL from in the end.
    pub(crate) async fn of(cx: &Context<'_>, node: &Arc<Node>) -> Result<Self, Box<Finding>> {
        if !is_in_recovery(&*cx.client(node).await?).await? {
            return Ok(Source::Primary);
        }
        let mut at = node.clone();
        let most = cx.world.outputs().nodes.len();
        for _ in 0..most {
            match upstream_of(cx, &at).await {
                Some((up, _)) => at = up,
                None => break,
            }
        }
        let primary = at.is_up() && at.is_primary().await;
        Ok(Source::Standby(primary.then_some(at)))
    }

    /// Waits until a standby has replayed what its primary had written when the step began: a
    /// backup of it has no more. One that is late on purpose is not waited for.
    pub(crate) async fn catch_up(&self, cx: &mut Context<'_>, node: &Node) -> StepResult {
        let Source::Standby(Some(primary)) = self else { return Ok(()) };
        if apply_delay(&*cx.client(node).await?).await?.is_some() {
            return Ok(());
        }
        if !primary.tablespaces().await?.is_empty() {
            // A recovery begins at the standby's last checkpoint, and would make anew, where they
            // were made, tablespaces since then.
            cx.client(primary).await?.batch_execute("CHECKPOINT").await?;
        }
        let goal = primary.wal_end().await?;
        cx.wait(format!("`{}` to replay what `{}` has written", node.name(), primary.name()));
        let until = cx.deadline.min(Instant::now() + PATIENCE);
        let caught_up = wait_until(until, async |seen| {
            let at = node.wal_end().await?;
            *seen = at.to_string();
            Ok::<_, SqlError>((at >= goal).then_some(()))
        });
        if let Err(at) = caught_up.await? {
            cx.fact("behind", format!("it had replayed up to {at}, and its primary had written up to {goal}"));
            cx.world.warn(format!(
                "`{}` had replayed up to {at} when it was backed up, and its primary `{}` had written up to {goal}: what lies between is \
                 not in the backup",
                node.name(),
                primary.name()
            ));
        }
        Ok(())
    }

    /// Waits until the WAL in which the backup of a standby ends is in the repo: a standby cannot
    /// finish a segment, and a server that is recovered from the backup may stop at its end only
    /// when it reads what comes behind it.
    pub(crate) async fn archived(&self, cx: &mut Context<'_>, node: &Node, repo: &Repo, backup: &str) -> StepResult {
        let Source::Standby(primary) = self else { return Ok(()) };
        let archives = |node: &Node| cx.world.spec(node.name()).archive_to.as_deref() == Some(&repo.name);
        let host = node.host()?.clone();
        let Some(primary) = primary else {
            let end = moment(&*cx.client(node).await?).await?;
            let size = segment_size(&*cx.client(node).await?).await?;
            let segment = Segment::before(end.lsn, end.timeline, size).to_string();
            if repo.holds(host.as_ref(), &segment).await? {
                cx.fact("segment", segment);
                return Ok(());
            }
            cx.fact("archive", "the standby's primary does not answer: WAL comes into the archive when it does");
            cx.world.warn(format!(
                "backup `{backup}` of `{}` ends in segment {segment}, which is not in repo `{}`, and no primary answers that \
                 could finish it: until it is archived a recovery to the end of the backup may fail",
                node.name(),
                repo.name
            ));
            return Ok(());
        };
        let archiving = [&**primary, node].into_iter().find(|node| archives(node));
        let Some(archiving) = archiving else { return Ok(()) };
        let segment = finish_segment(&*cx.client(primary).await?).await?;
        let client = cx.client(archiving).await?;
        cx.awaits(Awaited::Archive, archiving.name());
        let what = format!("segment {segment}, in which the backup ends, in repo `{}`", repo.name);
        let there = cx.until(&what, async |seen| {
            let there = repo.holds(host.as_ref(), &segment.to_string()).await?;
            if !there {
                *seen = Archiver::ask(&client).await?.to_string();
            }
            Ok(there.then_some(()))
        });
        if let Err(finding) = there.await {
            let help = format!(
                "without it a recovery to the end of backup `{backup}`, which is in the repo, may fail: see why it is not archived, and \
                 back up again"
            );
            return Err(finding.note("log", archiving.log_tail().await).help(help));
        }
        cx.fact("segment", segment.to_string());
        Ok(())
    }
}
