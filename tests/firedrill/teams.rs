//! Teams of every kind, on the drill that it all began with.

use crate::cli_runner::CliRunner;
use crate::held::{Held, shipped};
use crate::program::said;

/// Somebody has dropped a table, and users go on.
fn dropped_table(runner: &CliRunner) -> Held<'_> {
    let mut held = runner.hold(&["--for", "5m", &shipped("human-error/dropped-table")]);
    held.wait_said("it has happened: the clock runs");
    // It is answered when lunch is over.
    assert!(said(&held.say(&["judge"])).contains("hold: go on"), "{}", held.said());
    held
}

#[test]
fn a_good_team_passes_with_all_points() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let team = held.team("good.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    let ended = held.end().with(0, "passed");
    let ended =
        ended.says(&["PASS", "everything holds after", "a server came up as `scratch`", "second accidents: none seen"]);
    assert!(ended.points() >= 95, "{}", ended.said);
    let ended = ended.debriefs(&[
        "# Debrief: dropped-table passed",
        "the orders are gone",
        "| mark | \\`accident\\`: the wrong terminal window, LSN 0/",
        "SELECT count(\\*) FROM shop.orders",
    ]);
    let drill = &ended.report["drills"][0];
    assert_eq!((&drill["outcome"], &drill["name"]), (&"passed".into(), &"dropped-table".into()));
    assert_eq!(drill["traffic"][0]["lost"], 0, "{}", ended.said);
    let budgets: Vec<&str> =
        drill["budgets"].as_array().expect("budgets").iter().filter_map(|one| one["outcome"].as_str()).collect();
    assert_eq!(budgets, ["passed", "passed"], "{}", ended.said);
}

#[test]
fn a_hasty_team_is_told_to_go_on_and_the_debrief_what_is_missing() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let team = held.team("hasty.sh");
    assert_eq!(team.status.code(), Some(1), "{}", said(&team));
    assert!(said(&team).ends_with("3 of 4 hold: go on\n"), "{}", said(&team));
    let ended =
        held.give_up().with(1, "failed").says(&["the team gave up after", "checks that hold: 3 of 4", "not recovered"]);
    let missing = ["foreign key", "view shop.open_orders", "orders_client_status", "publication shop_orders"];
    ended.debriefs(&missing);
}

#[test]
fn a_team_that_leaves_users_without_service_is_not_done() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let team = held.team("read-only.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.end().with(0, "passed").says(&["everything holds after"]);
}

#[test]
fn a_team_that_finds_a_way_of_its_own_is_right() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let team = held.team("by-hand.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    let ended = held.end().with(0, "passed").says(&["everything holds after", "second accidents: none seen"]);
    assert!(ended.points() >= 95, "{}", ended.said);
}

#[test]
fn a_team_that_makes_it_worse_is_told_by_how_much() {
    let runner = CliRunner::new();
    let mut held = dropped_table(&runner);
    let team = held.team("worse.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    for accident in ["two primaries", "archive polluted by a copy", "backups or WAL removed"] {
        let seen = held.wait_for("second_accident", |event| event["name"] == accident);
        assert_eq!(seen["costs"], 20, "{seen}");
    }
    let accidents = [
        "-20  second accident: two primaries",
        "-20  second accident: archive polluted by a copy",
        "-20  second accident: backups or WAL removed",
        "-20  second accident: write on the wrong server",
    ];
    let ended = held.give_up().with(1, "failed").says(&accidents);
    let seen = [
        "master\\` and \\`standby\\` accept writes at once",
        "came into repo \\`onsite\\`",
        "PG\\_VERSION",
        "while users were on",
    ];
    let ended = ended.debriefs(&seen);
    assert_eq!(ended.points(), 0, "{}", ended.said);
}

#[test]
fn a_team_that_gives_up_is_judged_as_it_stands() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let ended = held.give_up().with(1, "failed");
    let ended = ended.says(&["the team gave up after", "checks that hold: 1 of 4", "time to notice: not seen"]);
    ended.debriefs(&["the team gave up", "## The way that the drill knows", "1. dump shop.orders of rescue"]);
}

#[test]
fn an_archive_that_people_remove_hangs_nothing_and_is_told() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let team = held.team("razes.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    let ended =
        held.end().with(0, "passed").says(&["everything holds after", "second accident: backups or WAL removed"]);
    assert_eq!(ended.points(), 80, "{}", ended.said);
}

#[test]
fn people_may_break_what_they_like_and_still_be_right() {
    let runner = CliRunner::new();
    let held = dropped_table(&runner);
    let team = held.team("breaks.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.end().with(0, "passed").says(&["everything holds after"]);
}
