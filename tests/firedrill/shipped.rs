//! Drills that ship, played without a word changed in them.

use std::path::PathBuf;

use drillyard::plan::{people, resolve};
use drillyard::scenario::{Values, load};
use drillyard::source::Source;

use crate::cli_runner::CliRunner;
use crate::held::shipped;
use crate::program::said;
use crate::scenarios;

/// A drill, and the team that recovers in it.
const PLAYED: &[(&str, &str)] = &[
    ("failover/promote-standby-synchronous", "promote.sh"),
    ("failover/promote-standby", "failover.sh"),
    ("human-error/truncated-table", "truncated.sh"),
    ("disaster/site-lost", "offsite.sh"),
    ("firedrill/orders-are-failing", "good.sh"),
    ("backup/nightly-restore", "standby.sh"),
];

fn played(drill: &str, team: &str) {
    let runner = CliRunner::new();
    let mut held = runner.hold(&["--for", "5m", &shipped(drill)]);
    held.wait_said(": the clock runs");
    // It is answered when the drill has done its part.
    let _ = held.say(&["judge"]);
    let team = held.team(team);
    assert_eq!(team.status.code(), Some(0), "{drill}: {}\n{}", said(&team), held.said());
    let ended = held.end().with(0, "passed").says(&["everything holds after", "second accidents: none seen"]);
    assert!(ended.points() >= 90, "{}", ended.said);
}

#[test]
fn each_kind_of_drill_can_be_recovered_by_people() {
    // Two at once: each has a server or three, and mostly waits.
    std::thread::scope(|scope| {
        for half in PLAYED.chunks(PLAYED.len().div_ceil(2)) {
            scope.spawn(move || half.iter().for_each(|(drill, team)| played(drill, team)));
        }
    });
}

/// The drills that people can play and that need nothing from outside.
fn playable() -> Vec<PathBuf> {
    let is_playable = |path: &PathBuf| {
        let text = std::fs::read_to_string(path).unwrap_or_default();
        let plan = load(Source::new(path.display().to_string(), &text), Values::none(), &[]).and_then(resolve);
        plan.is_ok_and(|plan| plan.unset.is_empty() && people(&plan).is_ok())
    };
    scenarios::below("scenarios").into_iter().filter(is_playable).collect()
}

/// How many of them are left out for each that is played: all of them take a quarter of an hour.
const EVERY: usize = 6;

#[test]
fn others_come_up_hand_out_judge_and_end() {
    let all = playable();
    assert!(all.len() > 35, "{all:?}");
    for path in all.iter().skip(1).step_by(EVERY) {
        let file = path.display().to_string();
        let runner = CliRunner::new();
        let mut held = runner.hold(&["--for", "5m", &file]);
        held.wait_said(": the clock runs");
        for name in ["env", "handout.md", "pg_service.conf", ".pgpass"] {
            assert!(held.handout.join(name).is_file(), "{file}: no {name}");
        }
        let judged = said(&held.say(&["judge"]));
        assert!(judged.contains(" hold"), "{file}: {judged}\n{}", held.said());
        let ended = held.give_up().says(&["the team gave up after", "score: ", "debrief: "]);
        assert!(matches!(ended.code, Some(0 | 1)), "{file}: {:?}\n{}", ended.code, ended.said);
    }
}
