//! A disk of the machine that runs full while people are at work.

use std::path::PathBuf;

use crate::cli_runner::CliRunner;
use crate::ends::SMALL;
use crate::program::said;
use crate::small_fs::Small;

#[test]
fn people_are_told_of_a_full_disk_and_can_go_on_when_there_is_space() {
    let mut runner = CliRunner::new();
    let small = Small::mount(runner.path().join("f"), "300m");
    runner.vars.push(("TMPDIR".to_owned(), small.0.display().to_string()));
    let file = runner.write("small.yaml", SMALL).display().to_string();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let filler: PathBuf = small.0.join("filler");
    // As large as the disk: the rest does not fit.
    let _ = std::fs::write(&filler, vec![1; 300 << 20]);
    held.wait_said("the disk is full: ");
    // It answers all the same.
    held.ask(&["note", "we have filled the disk"]);
    let judged = said(&held.say(&["judge"]));
    assert!(judged.contains("of 2 hold: go on"), "{judged}");
    std::fs::remove_file(&filler).expect("removed");
    held.wait_said("there is space again on the disk at ");
    let team = held.team("copy.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    held.wait_said("a server came up as `rescue`");
    held.give_up().with(1, "failed").says(&["checks that hold: 1 of 2"]).debriefs(&["the disk is full"]);
}
