//! A point that is chosen at random, between the end of a backup and that of the archive.

use crate::harness::{Context, Finding};
use crate::pg::{Lsn, TargetTimeline};
use crate::steps::recovery::start::Chosen;
use crate::steps::recovery::target::Target;

impl Chosen {
    /// The target, once the backup is known: one at random becomes a position in the WAL. Where
    /// nothing lies behind the backup, it is the backup's end.
    pub(crate) async fn aim(
        &self,
        cx: &mut Context<'_>,
        target: Target,
        timeline: TargetTimeline,
    ) -> Result<Target, Box<Finding>> {
        if target != Target::Random {
            return Ok(target);
        }
        let (repo, host, label) = (&self.repo, self.host.as_ref(), &self.label);
        cx.wait(format!("the list of WAL in repo `{}`", repo.name));
        let archive = repo.archive(host).await?;
        let needs = repo.needs(host, label).await?;
        let begin = needs.begin.and_then(|begin| begin.place(&archive));
        let Some(((own, from), end)) = begin.zip(needs.end) else {
            let title = format!("nobody says where the WAL begins and ends that backup `{label}` needs");
            return Err(Finding::errored(title).help("give `until` a time or a position"));
        };
        let followed = match timeline {
            TargetTimeline::Latest => archive.newest_from(own, from),
            TargetTimeline::Current => own,
            TargetTimeline::Id(timeline) => timeline,
        };
        let reach = archive.reach(from, own, followed);
        // The last segment need not be full: a record is sure to begin before it.
        let last = archive.all_segments(&reach).last().map_or(end, |segment| segment.start());
        cx.fact("window", format!("{end} to {}", last.max(end)));
        Ok(match last > end {
            true => Target::Lsn(Lsn(fastrand::Rng::with_seed(cx.world.seed).u64(end.0..last.0))),
            false => Target::EndOfBackup,
        })
    }
}
