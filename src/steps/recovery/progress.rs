//! How much WAL a server has replayed of what it is to replay: told while it does so, and in the
//! end.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::harness::{Context, Rates, RepoId, Teller};
use crate::node::{Node, ServerState};
use crate::pg::Lsn;
use crate::repo::Label;
use crate::source::Size;

/// How often a server is asked.
const EVERY: Duration = Duration::from_secs(1);

/// A server that replays WAL.
pub(crate) struct Progress<'a> {
    teller: Teller<'a>,
    what: String,
    /// Where it begins, once that was read.
    from: Option<Lsn>,
    to: Lsn,
    began: Instant,
    next: Instant,
}

impl<'a> Progress<'a> {
    /// That of a server that is to come to `to`; `what` is what its step waits for.
    pub(crate) fn new(cx: &Context<'a>, what: &str, to: Lsn) -> Self {
        let now = Instant::now();
        Progress { teller: cx.teller(), what: what.to_owned(), from: None, to, began: now, next: now + EVERY }
    }

    /// Asks how far the server is, once a second, and tells it.
    pub(crate) async fn look(&mut self, node: &Node) {
        let now = Instant::now();
        if now < self.next {
            return;
        }
        if let Some((done, all)) = self.replayed(node).await {
            self.teller.tell(format!("{}: {}", self.what, in_words(done, all, now - self.began)));
        }
        self.next = Instant::now() + EVERY;
    }

    /// How many bytes it has replayed, and of how many.
    async fn replayed(&mut self, node: &Node) -> Option<(u64, u64)> {
        let from = match self.from {
            Some(from) => from,
            None => *self.from.insert(node.control_file().await.ok().flatten()?.checkpoint),
        };
        let at = stands_at(node).await.filter(|at| *at > from)?;
        let all = self.to.0.checked_sub(from.0)?;
        Some(((at.0 - from.0).min(all), all))
    }
}

/// How far a server in recovery is: it says so itself once it answers; before, its control file
/// does, which is as new as its last restartpoint.
async fn stands_at(node: &Node) -> Option<Lsn> {
    if node.server_state() == ServerState::Up
        && let Ok(client) = node.client().await
    {
        let row = client.query_opt("SELECT pg_last_wal_replay_lsn()::text", &[]).await.ok().flatten()?;
        return row.get::<_, Option<&str>>(0)?.parse().ok();
    }
    Some(node.control_file().await.ok().flatten()?.min_recovery?.0)
}

fn in_words(done: u64, all: u64, passed: Duration) -> String {
    let words = format!("{} of {} of WAL replayed", Size(done).rounded(), Size(all).rounded());
    let left = passed.as_secs_f64() * (all - done) as f64 / done.max(1) as f64;
    match Duration::try_from_secs_f64(left.round()) {
        Ok(left) if !left.is_zero() => format!("{words}, about {} left", humantime::format_duration(left)),
        _ => words,
    }
}

/// A part of a recovery that is over, by its size and its time: reports both and the rate under
/// `name`, as `replay_ms`, `replay_bytes`, `replay_mb_per_s`.
pub(crate) fn tell_part(cx: &mut Context<'_>, name: &str, bytes: Option<u64>, took: Duration) {
    cx.fact(&format!("{name}_ms"), took.as_millis() as u64);
    let Some(bytes) = bytes else { return };
    cx.fact(&format!("{name}_bytes"), bytes);
    if let Some(rate) = rate(bytes, took) {
        cx.fact(&format!("{name}_mb_per_s"), (rate * 10.0).round() / 10.0);
    }
}

/// Megabytes (1024² bytes) a second; none where the time is too short to tell.
fn rate(bytes: u64, took: Duration) -> Option<f64> {
    const SHORT: Duration = Duration::from_millis(10);
    (took >= SHORT && bytes > 0).then(|| bytes as f64 / f64::from(1 << 20) / took.as_secs_f64())
}

/// Reports how long a larger database would take, by the rates of the parts that were told.
pub(crate) fn tell_estimate(cx: &mut Context<'_>) {
    if let Some(words) = part(cx, "restore").and_then(|restored| estimate(restored, applied(cx))) {
        cx.fact("estimate", words);
    }
}

/// Keeps the rates of the parts that were told, for later steps that look at this repo.
pub(crate) fn keep_rates(cx: &mut Context<'_>, repo: &RepoId, label: &Label) {
    let Some(restore) = cx.facts.get("restore_ms").and_then(Value::as_u64) else { return };
    let restore = Duration::from_millis(restore);
    let rates = Rates { label: label.clone(), restore, replay: applied(cx) };
    cx.world.outputs().rates.insert(repo.clone(), rates);
}

/// The bytes and the time of a part that was told.
fn part(cx: &Context<'_>, name: &str) -> Option<(u64, Duration)> {
    let number = |what: &str| cx.facts.get(&format!("{name}_{what}"))?.as_u64();
    Some((number("bytes")?, Duration::from_millis(number("ms")?)))
}

/// Those of the WAL.
fn applied(cx: &Context<'_>) -> Option<(u64, Duration)> {
    part(cx, "replay").or_else(|| part(cx, "catch_up"))
}

/// How long a larger database would take at the rates of a restore and a replay, each for a
/// terabyte. None where so little was done that it says nothing of what a larger one would take.
fn estimate(restored: (u64, Duration), replayed: Option<(u64, Duration)>) -> Option<String> {
    /// Below it, programs that start take more of the time than bytes do.
    const LEAST: u64 = 256 << 20;
    let of = |(bytes, took): (u64, Duration)| {
        let seconds = f64::from(1 << 20) / rate(bytes, took).filter(|_| bytes >= LEAST)?;
        let minutes = Duration::try_from_secs_f64((seconds / 60.0).ceil() * 60.0).ok()?;
        Some(humantime::format_duration(minutes).to_string())
    };
    let replay = replayed.and_then(of).map(|time| format!("; {time} for 1 TB of WAL")).unwrap_or_default();
    let size = Size(restored.0).rounded();
    Some(format!("{} to restore 1 TB{replay} (an estimate, from the {size} of this one)", of(restored)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn progress_is_told_in_bytes_and_with_what_is_left() {
        let (mb, second) = (1 << 20, Duration::from_secs(1));
        assert_eq!(in_words(30_000 * mb, 120_000 * mb, second * 60), "29 GB of 117 GB of WAL replayed, about 3m left");
        assert_eq!(in_words(120 * mb, 120 * mb, second), "120 MB of 120 MB of WAL replayed");
        assert_eq!(in_words(0, 0, second), "0 B of 0 B of WAL replayed");
    }

    #[test]
    fn an_estimate_is_made_of_enough_only_and_says_that_it_is_one() {
        let (gb, second) = (1u64 << 30, Duration::from_secs(1));
        let long = "2h 51m to restore 1 TB; 1h 26m for 1 TB of WAL (an estimate, from the 1024 MB of this one)";
        assert_eq!(estimate((gb, second * 10), Some((gb, second * 5))).as_deref(), Some(long));
        let short = "2h 51m to restore 1 TB (an estimate, from the 1024 MB of this one)";
        assert_eq!(estimate((gb, second * 10), Some((1000, second))).as_deref(), Some(short));
        assert_eq!(estimate((1000, second), Some((gb, second))), None);
    }
}
