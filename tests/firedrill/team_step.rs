//! What a `team` step has that other drills do not: hints, injects, traps, servers to be adopted.

use std::time::Duration;

use crate::cli_runner::CliRunner;
use crate::left::{PATIENCE, poll};
use crate::program::said;
use crate::small::deleted_rows;

/// A team step with everything.
const EVERYTHING: &str = "
  - id: back
    name: The shelves are empty
    within: 5m
    team:
      brief: The shelves are empty. Fill them.
      hints:
        - { text: There is a backup., costs: 5 }
        - { after: 4m, text: It is too late., costs: 10 }
      injects:
        - { after: 1s, say: The director is on the phone. }
        - when: { node: master, log: someone is at work }
          steps:
            - sql: { node: master, query: CREATE TABLE put_in AS SELECT 1 }
      adopt: [rescue]
      judge:
        - assert_rows: { node: rescue, table: items, same_as: rows }
        - assert_primary: { node: rescue }
      auto:
        - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
      traps:
        - { name: the evidence is gone, when: { node: master, log: DROP TABLE items }, costs: 15 }
";

#[test]
fn hints_injects_traps_and_adopted_servers() {
    let runner = CliRunner::new();
    let file = runner.write("everything.yaml", &deleted_rows("everything", EVERYTHING)).display().to_string();
    let mut held = runner.hold(&[&file]);
    assert!(held.said().contains("The shelves are empty. Fill them."), "{}", held.said());
    held.wait_said("it has happened: the clock runs");
    assert!(held.ask(&["hint"]).contains("hint 1 (5 points): There is a backup."));
    assert!(held.ask(&["hint", "--number", "1"]).contains("hint 1, bought before: There is a backup."));
    let late = held.say(&["hint"]);
    assert_eq!(late.status.code(), Some(1), "{}", said(&late));
    assert!(said(&late).contains("hint 2 can be bought in 2"), "{}", said(&late));
    held.wait_said("The director is on the phone.");
    let team = held.team("trapped.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    let sprung = held.wait_for("second_accident", |event| event["name"] == "the evidence is gone");
    assert_eq!(sprung["costs"], 15, "{sprung}");
    held.wait_for("injected", |event| event["number"] == 2);
    // What was put in is there: users would meet it.
    let master = held.host("master");
    let there = poll(PATIENCE, || match master.psql("SELECT count(*) FROM put_in") {
        said if said == "1" => Ok(()),
        said => {
            std::thread::sleep(Duration::from_millis(200));
            Err(said)
        }
    });
    assert_eq!(there, Ok(()));
    let team = held.team("copy-before.sh");
    assert_eq!(team.status.code(), Some(0), "{}", said(&team));
    let ended = held.end().with(0, "passed").says(&[
        "a server came up as `rescue`",
        "-5  hints: 1",
        "-15  second accident: the evidence is gone",
        "checks that hold: 2 of 2",
    ]);
    let _ = ended.debriefs(&["There is a backup.", "The director is on the phone.", "the evidence is gone"]);
}
