//! The drills that ship, on Docker. Needs a daemon and images `drillyard/postgres:15` and `:17` (ci/image 15 17), or ones that
//! can be pulled.

use std::path::Path;
use std::process::Command;

use crate::desk::Desk;

fn docker(args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// The drills that do it wrong, and expect acknowledged commits to be lost.
const LOSE: &[&str] = &[
    "dropped-table-by-time",
    "truncated-table-imported",
    "deleted-rows-turned-back",
    "overwritten-turned-back",
    "nobody-took-a-note-by-guess",
];

#[test]
fn docker_the_drills_that_ship_pass_and_leave_nothing() {
    // ci/test leaves out what begins with docker_ where there is no daemon, and says so: here it is a failure.
    assert!(docker(&["version"]).is_some(), "no Docker daemon answers");
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/human-error");
    let files = std::fs::read_dir(&folder).expect("the drills").count();
    let scenarios = folder.display().to_string();
    let desk = Desk::new();
    let run = desk.run(&["--backend", "docker", "--postgres", "15,17", "-j", "2", &scenarios]).passed();
    let drills = run.report["drills"].as_array().expect("drills");
    assert_eq!(drills.len(), 2 * files, "{}", run.said);
    for drill in drills {
        assert_eq!(drill["outcome"], "passed", "{}", run.said);
        assert_eq!(drill["backend"], "docker");
        let lost =
            drill["traffic"].as_array().into_iter().flatten().filter_map(|users| users["lost"].as_u64()).sum::<u64>();
        let wrong = LOSE.contains(&drill["name"].as_str().unwrap_or_default());
        assert_eq!(lost > 0, wrong, "{}", drill["name"]);
    }
    let id = run.report["run"].as_str().expect("a run's id").to_owned();
    for kind in [&["ps", "-aq"][..], &["volume", "ls", "-q"], &["network", "ls", "-q"]] {
        let filter = format!("label=drillyard.run={id}");
        let left = docker(&[kind, &["--filter", &filter]].concat()).expect("docker answers");
        assert_eq!(left, "", "left behind: {kind:?}");
    }
}
