//! Where a recovery is to come to, once its backup is known: whether the archive leads there, or a
//! point that is chosen at random.

use crate::harness::{Context, Finding, StepResult};
use crate::pg::{Lsn, TargetTimeline};
use crate::repo::{Archive, Reach};
use crate::source::Span;
use crate::steps::recovery::backup_choice::Found;
use crate::steps::recovery::reachable::Point;
use crate::steps::recovery::start::Chosen;
use crate::steps::recovery::target::Target;

/// What lies in the archive behind a backup.
struct Behind {
    archive: Archive,
    reach: Reach,
    /// Where the backup is consistent.
    end: Lsn,
}

impl Chosen {
    /// The target, once the backup is known: one at random becomes a position in the WAL, and one
    /// that nothing in somebody else's repo leads to fails, before much is restored for nothing.
    /// `at` is where the scenario has it.
    pub(crate) async fn aim(
        &self,
        cx: &mut Context<'_>,
        target: Target,
        timeline: TargetTimeline,
        at: Span,
    ) -> Result<Target, Box<Finding>> {
        match target {
            Target::Random => return self.at_random(cx, timeline).await,
            Target::Time(time) => self.check_window(cx, Point::Time(time, at), timeline).await?,
            Target::Lsn(lsn) | Target::Position(lsn) => self.check_window(cx, Point::Lsn(lsn, at), timeline).await?,
            _ => {}
        }
        Ok(target)
    }

    /// What lies behind the backup; none where nobody says which WAL it needs.
    async fn behind(&self, cx: &mut Context<'_>, timeline: TargetTimeline) -> Result<Option<Behind>, Box<Finding>> {
        let (repo, host, label) = (&self.repo, self.host.as_ref(), &self.label);
        cx.wait(format!("the list of WAL in repo `{}`", repo.name));
        let archive = repo.archive(host).await?;
        let needs = repo.needs(host, label).await?;
        let begin = needs.begin.and_then(|begin| begin.place(&archive));
        let Some(((own, from), end)) = begin.zip(needs.end) else { return Ok(None) };
        let followed = match timeline {
            TargetTimeline::Latest => archive.newest_from(own, from),
            TargetTimeline::Current => own,
            TargetTimeline::Id(timeline) => timeline,
        };
        let reach = archive.reach(from, own, followed);
        Ok(Some(Behind { archive, reach, end }))
    }

    /// A position between the end of the backup and that of the archive. Where nothing lies behind
    /// the backup, it is the backup's end.
    async fn at_random(&self, cx: &mut Context<'_>, timeline: TargetTimeline) -> Result<Target, Box<Finding>> {
        let Some(Behind { archive, reach, end }) = self.behind(cx, timeline).await? else {
            let title = format!("nobody says where the WAL begins and ends that backup `{}` needs", self.label);
            return Err(Finding::errored(title).help("give `until` a time or a position"));
        };
        // The last segment need not be full: a record is sure to begin before it.
        let last = archive.all_segments(&reach).last().map_or(end, |segment| segment.start());
        cx.fact("window", format!("{end} to {}", last.max(end)));
        Ok(match last > end {
            true => Target::Lsn(Lsn(fastrand::Rng::with_seed(cx.world.seed).u64(end.0..last.0))),
            false => Target::EndOfBackup,
        })
    }

    /// Fails for a point outside of what can be recovered from somebody else's repo. What cannot be
    /// told before, recovery itself tells; and of one before the backup more is known.
    async fn check_window(&self, cx: &mut Context<'_>, point: Point, timeline: TargetTimeline) -> StepResult {
        let Some((taken, reaches_from)) = self.began.zip(self.reaches_from) else { return Ok(()) };
        if !self.repo.is_existing() || matches!(point, Point::Time(time, _) if time < taken) {
            return Ok(());
        }
        let Some(Behind { archive, reach, end }) = self.behind(cx, timeline).await? else { return Ok(()) };
        let (repo, host, label) = (self.repo.clone(), self.host.clone(), self.label.clone());
        let found = Found { repo, host, label, taken, reaches_from };
        match point.place(cx, &found, &archive, &reach, end).await {
            Ok(Err(outside)) if !reach.stretches.is_empty() => Err(outside),
            _ => Ok(()),
        }
    }
}
