//! However a firedrill ends.

use nix::sys::signal::Signal;

use crate::cli_runner::CliRunner;
use crate::held::Held;
use crate::program::said;

fn small<'a>(runner: &'a CliRunner, limit: &str) -> Held<'a> {
    let file = runner.small();
    let mut held = runner.hold(&["--for", limit, &file]);
    held.wait_said("it has happened: the clock runs");
    held
}

#[test]
fn it_ends_when_time_is_up() {
    let runner = CliRunner::new();
    let ended = small(&runner, "6s").end().with(1, "failed");
    ended.says(&[
        "the time was over after 6",
        "there is no server `rescue` to be checked",
        "checks that hold: 1 of 2",
        "time to recover: not recovered",
    ]);
}

#[test]
fn one_ctrl_c_ends_nothing_and_two_end_it_for_everybody() {
    let runner = CliRunner::new();
    let mut held = small(&runner, "5m");
    held.signal(Signal::SIGINT);
    held.wait_said("Ctrl-C once more within 5 s ends the firedrill for everybody");
    assert!(said(&held.say(&["judge"])).contains("1 of 2 hold: go on"), "{}", held.said());
    held.signal(Signal::SIGINT);
    held.end().with(130, "errored");
}

#[test]
fn a_terminal_that_goes_away_ends_nothing() {
    let runner = CliRunner::new();
    let held = small(&runner, "5m");
    held.signal(Signal::SIGHUP);
    held.ask(&["note", "the facilitator's laptop sleeps"]);
    let team = held.team("copy.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.give_up().with(1, "failed").debriefs(&["the facilitator's laptop sleeps"]);
}

#[test]
fn sigkill_leaves_nothing_of_it_nor_of_what_people_made() {
    let runner = CliRunner::new();
    let mut held = small(&runner, "5m");
    let team = held.team("copy.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.wait_said("a server came up as `rescue`");
    held.signal(Signal::SIGKILL);
    assert_eq!(held.exit_code(), None);
    runner.assert_nothing_left(&held.id, "after SIGKILL");
}
