//! Where a backup comes from: a primary, or a standby, whose primary has what the standby has not
//! yet, and the archive.

use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::harness::{Context, Finding, StepResult};
use crate::node::{Node, SqlError, apply_delay, is_in_recovery, wait_until};
use crate::repo::Repo;
use crate::steps::protection::archiver::finish_segment;
use crate::steps::recovery::upstream::upstream_of;

/// What a backup is taken from.
pub(crate) enum Source {
    /// A primary.
    Primary,
    /// A standby of this primary, where that is known and runs.
    Standby(Option<Arc<Node>>),
}

/// How long a standby, or an archive, is waited for: the backup is one without, too.
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
        }
        Ok(())
    }

    /// Waits until the WAL in which the backup of a standby ends is in the repo: a standby cannot
    /// finish a segment.
    pub(crate) async fn archived(&self, cx: &mut Context<'_>, node: &Node, repo: &Repo) -> StepResult {
        let Source::Standby(primary) = self else { return Ok(()) };
        let archives = |node: &Node| cx.world.spec(node.name()).archive_to.as_deref() == Some(&repo.name);
        let Some(primary) = primary else {
            cx.fact("archive", "the standby's primary does not answer: WAL comes into the archive when it does");
            return Ok(());
        };
        if !archives(primary) && !archives(node) {
            return Ok(());
        }
        let segment = finish_segment(&*cx.client(primary).await?).await?;
        cx.wait(format!("segment {segment} in repo `{}`", repo.name));
        let host = node.host()?.clone();
        let until = cx.deadline.min(Instant::now() + PATIENCE);
        let there = wait_until(until, async |_| {
            let there = repo.holds(host.as_ref(), &segment.to_string()).await?;
            Ok::<_, crate::repo::RepoError>(there.then_some(()))
        });
        match there.await? {
            Ok(()) => cx.fact("segment", segment.to_string()),
            Err(_) => {
                cx.fact("archive", format!("segment {segment}, in which the backup ends, is not in the archive yet"))
            }
        }
        Ok(())
    }
}
