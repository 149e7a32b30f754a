//! In containers a team works through `drillyard shell`.

use nix::sys::signal::{Signal, kill};

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::resumed::{kept, kill_terminal, wait_gone, wait_resumed, with};

#[test]
fn docker_a_team_recovers_in_a_container() {
    let runner = CliRunner::new();
    let file = runner.small();
    let mut held = runner.hold_on("docker", &["--postgres", "15", "--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let team = held.team("container.sh");
    assert_eq!(team.status.code(), Some(0), "{}\n{}", said(&team), held.said());
    let ended = held.end().with(0, "passed").says(&["a server came up as `rescue`", "everything holds after"]);
    let _ = ended.debriefs(&["SELECT count(\\*) FROM items"]);
}

#[test]
fn docker_one_whose_terminal_is_killed_is_taken_up_again_and_its_servers_are_judged_after_the_end() {
    let runner = CliRunner::new();
    let mut held = kept(&runner, "docker", "always");
    let keeper = held.keeper();
    kill_terminal(&mut held);
    with(&held.say(&["judge"]), 1, &["1 of 2 hold: go on"]);
    let mut following = held.follow();
    let team = held.team("container.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    assert_eq!(following.wait().expect("its end").code(), Some(0));
    let followed = std::fs::read_to_string(runner.path().join("followed")).expect("text");
    assert!(followed.contains("it is over: passed"), "{followed}");

    with(&held.say(&["judge"]), 0, &["all 2 hold"]);
    let delete = ["psql", "-c", "DELETE FROM items WHERE id = 7"];
    let rescue = format!("{}/rescue", held.id);
    with(&runner.output(["shell", &rescue, "--"].iter().chain(&delete)), 0, &["DELETE 1"]);
    with(&held.say(&["judge"]), 1, &["1 of 2 hold:\n  items on rescue same as rows: "]);
    with(&held.resume(), 0, &["it is over: passed"]);
    with(&runner.output(["clean", &held.id]), 0, &[&format!("removed run {}", held.id)]);
    runner.assert_nothing_left(&held.id, "after clean");
    wait_gone(keeper);
}

#[test]
fn docker_servers_outlive_the_keeper_too() {
    let runner = CliRunner::new();
    let mut held = kept(&runner, "docker", "on-failure");
    kill(held.keeper(), Signal::SIGKILL).expect("a signal");
    assert_eq!(held.exit_code(), Some(4), "{}", held.said());
    let master = format!("{}/master", held.id);
    with(&wait_resumed(&held), 4, &["cannot be taken up again", &format!("drillyard shell {master}")]);
    with(&runner.output(["shell", &master, "--", "psql", "-Atc", "SELECT 'still here'"]), 0, &["still here"]);
    with(&runner.output(["clean", &held.id]), 0, &[&format!("removed run {}", held.id)]);
    runner.assert_nothing_left(&held.id, "after clean");
}
