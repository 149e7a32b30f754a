//! A drill that nobody knows, until its end.

use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli_runner::CliRunner;
use crate::held::Held;
use crate::left::{PATIENCE, poll};
use crate::pages::page;
use crate::program::said;

/// What stands in everything that would give a drill away.
const SECRET: &str = "quagga";

/// A drill whose name, file, tags, texts and ids all have the secret in them.
fn drill(number: usize) -> String {
    format!(
        "
drillyard: 1
name: {SECRET}-{number}
about: The {SECRET} eats rows.
tags: [{SECRET}]
repos: {{ onsite: {{}} }}
nodes: {{ master: {{ archive_to: onsite }} }}
steps:
  - id: {SECRET}_rows
    name: the {SECRET} is fed
    create_data: {{ node: master, table: items, rows: {number}0 }}
  - id: nightly
    backup: {{ node: master, repo: onsite }}
  - id: {SECRET}_accident
    name: the {SECRET} eats
    overwrite: {{ node: master, query: DELETE FROM items }}
  - name: the {SECRET} gives back
    recover: {{ node: rescue, backup: nightly, until: {{ before: {SECRET}_accident }}, then: promote }}
  - name: the {SECRET} has given back
    assert_rows: {{ node: rescue, table: items, same_as: {SECRET}_rows }}
"
    )
}

/// Where the secret is in a file below a folder, or in a name.
fn leaks(folder: &Path) -> Vec<String> {
    let mut found = vec![];
    for entry in std::fs::read_dir(folder).into_iter().flatten().flatten() {
        let path = entry.path();
        if path.file_name().is_some_and(|name| name.to_string_lossy().contains(SECRET)) {
            found.push(format!("the name of {}", path.display()));
        }
        // A socket, or a file that has gone, has no text.
        match path.is_dir() && !path.is_symlink() {
            true => found.extend(leaks(&path)),
            false if contains(&std::fs::read(&path).unwrap_or_default()) => found.push(path.display().to_string()),
            false => {}
        }
    }
    found
}

fn contains(bytes: &[u8]) -> bool {
    bytes.windows(SECRET.len()).any(|window| window == SECRET.as_bytes())
}

/// Processes whose command line or environment has the secret in it.
fn processes() -> Vec<String> {
    let told = |pid: &i32| {
        ["cmdline", "environ"]
            .iter()
            .any(|file| contains(&std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default()))
    };
    crate::left::all_processes().into_iter().filter(told).map(|pid| format!("process {pid}")).collect()
}

#[test]
fn nothing_gives_the_drill_away_before_the_end_and_everything_is_told_then() {
    let runner = CliRunner::new();
    let folder = runner.path().join("drills");
    std::fs::create_dir(&folder).expect("a folder");
    for number in 1..=4 {
        std::fs::write(folder.join(format!("{SECRET}-{number}.yaml")), drill(number)).expect("written");
    }
    let folder = folder.display().to_string();
    let held = runner.hold(&["--surprise", "--delay", "1s..2s", "--for", "5m", &folder]);
    let board = page(&held.line("board: "));
    assert!(board.contains("data:") && !board.contains(SECRET), "{board}");
    let look = || {
        let show = said(&runner.output(["runs", "show", &held.id]));
        let all = said(&runner.output(["runs"]));
        let hinted = [show, all, held.said()].into_iter().filter(|text| text.contains(SECRET));
        let mut found: Vec<String> = hinted.collect();
        found.extend(
            [runner.work(), runner.path().join("state"), held.handout.clone()].iter().flat_map(|dir| leaks(dir)),
        );
        let written = ["said", "events", "report.json", "debrief.md"].map(|name| runner.path().join(name));
        let tells = |path: &&PathBuf| contains(&std::fs::read(path).unwrap_or_default());
        found.extend(written.iter().filter(tells).map(|path| path.display().to_string()));
        found.extend(processes());
        found
    };
    assert_eq!(look(), Vec::<String>::new(), "before the incident");
    assert_eq!(held.say(&["judge"]).status.code(), Some(1), "nobody is told whether something has happened");
    // What happens is not told; users would see it. Nobody gives up who sees nothing wrong.
    let gives_up = |held: &Held<'_>| {
        let _ = held.say(&["note", "--seen", "rows are gone"]);
        held.say(&["done", "--give-up"])
    };
    let given_up = poll(PATIENCE, || match gives_up(&held) {
        output if output.status.success() => Ok(()),
        output => {
            assert_eq!(look(), Vec::<String>::new(), "while it is held");
            std::thread::sleep(Duration::from_millis(300));
            Err(said(&output))
        }
    });
    assert_eq!(given_up, Ok(()));
    let ended = held.end();
    assert_eq!(ended.code, Some(1), "{}", ended.said);
    let drawn = ended.report["drills"][0]["name"].as_str().expect("a name").to_owned();
    assert!(drawn.starts_with(SECRET), "{drawn}");
    let seed = ended.report["drills"][0]["seed"].to_string();
    let _ = ended.says(&[&drawn, &format!("seed: {seed}")]).debriefs(&[&drawn, "eats", &seed]);
    assert!(said(&runner.output(["runs"])).contains(&drawn), "{}", said(&runner.output(["runs"])));

    // Whoever knows the seed draws the same drill.
    let held = runner.hold(&["--surprise", "--seed", &seed, &folder]);
    let given_up = poll(PATIENCE, || if gives_up(&held).status.success() { Ok(()) } else { Err(()) });
    assert_eq!(given_up, Ok(()));
    assert_eq!(held.end().report["drills"][0]["name"], drawn.as_str());
}

#[test]
fn what_people_have_at_hand_before_it_says_nothing_of_what_has_happened() {
    let runner = CliRunner::new();
    let file = runner.write("drill.yaml", &drill(1)).display().to_string();
    let mut held = runner.hold(&["--surprise", "--board", "off", "--delay", "5s..6s", "--for", "5m", &file]);
    let master = held.host("master");
    // A query that is always made, a backup laid ready, and a facilitator who wants to know.
    let routine = "SELECT count(*) >= 0 FROM items";
    assert_eq!(master.psql(routine), "t");
    let _ = held.ask(&["scratch", "mine"]);
    let copied = held.host("mine").run(&["sh", "-c", "cp -a \"$DRILLYARD_BACKUP/.\" \"$DRILLYARD_SCRATCH\""]);
    assert!(copied.status.success(), "{}", said(&copied));
    held.types("pause");
    held.wait_said("they do not know that something has happened: a pause would tell them");
    assert!(!held.said().contains("what happened: "), "it was too early: {}", held.said());

    let struck = poll(PATIENCE, || {
        held.types("status");
        std::thread::sleep(Duration::from_millis(300));
        if held.said().contains("what happened: ") { Ok(()) } else { Err(held.said()) }
    });
    assert_eq!(struck, Ok(()));
    // Longer than it takes until all has been looked at.
    for _ in 0..7 {
        assert_eq!(master.psql(routine), "t");
        std::thread::sleep(Duration::from_secs(1));
    }
    assert!(said(&held.say(&["judge"])).contains("there is nothing to judge"), "{}", held.said());
    master.psql("SELECT count(*) FROM items");
    let noticed = poll(PATIENCE, || match said(&held.say(&["judge"])) {
        said if said.contains("0 of 1 hold") => Ok(()),
        said => Err(said),
    });
    assert_eq!(noticed, Ok(()));
    let _ = held.give_up().with(1, "failed");
}
