//! How long a recovery would take here: an estimate, by what was measured on this machine.

use std::time::Duration;

use super::age;
use crate::harness::{Context, Finding, Rates, RepoId};
use crate::repo::{ServerFiles, copy_sample};
use crate::source::Size;
use crate::steps::recovery::backup_choice::Found;

/// What a recovery would have to do.
pub(crate) struct Work {
    /// The bytes of the backup in its repo.
    pub backup: u64,
    /// The bytes of WAL that are replayed.
    pub wal: u64,
}

/// Reports it: by a recovery from this repo earlier in the drill, or else by a part of the backup
/// that is copied to where a new server would be made. Not reported if there is neither.
///
/// # Returns
/// What is not known.
pub(crate) async fn tell(
    cx: &mut Context<'_>,
    id: &RepoId,
    found: &Found,
    files: &ServerFiles,
    work: &Work,
) -> Result<Option<String>, Box<Finding>> {
    let Found { repo, host, .. } = found;
    let host = host.as_ref();
    let rates = cx.world.outputs().rates.get(id).cloned();
    if let Some(rates) = rates
        && let Ok(restored) = repo.size(host, &rates.label).await
    {
        let (words, time) = by_recovery(&rates, restored, work);
        cx.fact("estimate", words);
        cx.fact("estimated_ms", time.as_millis() as u64);
        return Ok(None);
    }
    let ServerFiles::Whole(dir) = files else {
        let why = "no recovery from this repo has run in this drill, and its files cannot be copied as they are";
        return Ok(Some(format!("the time to expect: {why}")));
    };
    cx.wait(format!("a part of backup `{}` to be copied", found.label));
    let Some((words, time)) = by_sample(copy_sample(host, dir, &repo.name).await?, work) else {
        return Ok(Some("the time to expect: nothing of the backup could be copied".to_owned()));
    };
    cx.fact("estimate", words);
    cx.fact("estimated_ms", time.as_millis() as u64);
    Ok(None)
}

/// Scales what a recovery took; `restored` is the size of its backup in the repo.
fn by_recovery(rates: &Rates, restored: u64, work: &Work) -> (String, Duration) {
    let restore = scaled(rates.restore, work.backup, restored);
    let replay = rates.replay.filter(|(bytes, _)| *bytes > 0).map(|(bytes, took)| scaled(took, work.wal, bytes));
    let wal = match replay {
        Some(replay) => format!(", and {} to replay {} of WAL", in_words(replay), Size(work.wal).rounded()),
        None => more_wal(work),
    };
    let words = format!("about {} to restore it{wal} (an estimate, from a recovery in this drill)", in_words(restore));
    (words, restore + replay.unwrap_or_default())
}

/// Scales what the copy of a part took.
fn by_sample((bytes, took): (u64, Duration), work: &Work) -> Option<(String, Duration)> {
    let restore = (bytes > 0).then(|| scaled(took, work.backup, bytes))?;
    let from = Size(bytes).rounded();
    let words =
        format!("about {} to restore it{} (an estimate, from {from} copied here)", in_words(restore), more_wal(work));
    Some((words, restore))
}

/// What comes on top of a restore.
fn more_wal(work: &Work) -> String {
    match work.wal {
        0 => String::new(),
        wal => format!(", and the replay of up to {} of WAL, which was not measured", Size(wal).rounded()),
    }
}

fn scaled(took: Duration, bytes: u64, of: u64) -> Duration {
    let seconds = took.as_secs_f64() * bytes as f64 / of.max(1) as f64;
    Duration::try_from_secs_f64(seconds).unwrap_or(Duration::MAX)
}

/// To the second, or better where it is shorter.
fn in_words(time: Duration) -> String {
    match time.as_secs() {
        0..10 => format!("{:.1}s", time.as_secs_f64()),
        _ => age::in_words(time),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::repo::Label;

    #[test]
    fn a_time_is_scaled_by_bytes_and_says_that_it_is_an_estimate() {
        let (mb, second) = (1u64 << 20, Duration::from_secs(1));
        let work = Work { backup: 6400 * mb, wal: 320 * mb };
        let (words, time) = by_sample((64 * mb, second), &work).expect("something was copied");
        let wal = "and the replay of up to 320 MB of WAL, which was not measured";
        assert_eq!(words, format!("about 1m 40s to restore it, {wal} (an estimate, from 64 MB copied here)"));
        assert_eq!(time, second * 100);
        assert_eq!(by_sample((0, second), &work), None);
        let rates = Rates { label: Label::new("a"), restore: second * 5, replay: Some((32 * mb, second / 2)) };
        let (words, time) = by_recovery(&rates, 3200 * mb, &work);
        let whole =
            "about 10s to restore it, and 5.0s to replay 320 MB of WAL (an estimate, from a recovery in this drill)";
        assert_eq!((words.as_str(), time), (whole, second * 15));
        let (words, _) = by_recovery(&Rates { replay: None, ..rates }, 3200 * mb, &Work { wal: 0, ..work });
        assert_eq!(words, "about 10s to restore it (an estimate, from a recovery in this drill)");
    }
}
