//! What people are not to see: what a drill that was drawn would be known by, and what its checks
//! look for; and drills that nobody may play, since a wrong recovery would pass.

use std::time::Duration;

use crate::cli_runner::CliRunner;
use crate::held::shipped;
use crate::left::{PATIENCE, poll};
use crate::pages::{page, press};
use crate::program::said;
use crate::small::deleted_rows;

/// A drill with everything by which it could be known.
const KNOWN_BY: &str = "
  - id: back
    name: The shelves are empty
    within: 44m
    team:
      brief: The shelves are empty. Fill them.
      hints: [{ text: There is a backup., costs: 17 }]
      injects: [{ after: 0s, say: The director is on the phone. }]
      adopt: [rescue]
      judge: [{ assert_rows: { node: rescue, table: items, same_as: rows } }]
      auto: [{ recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote } }]
budgets:
  rto: { from: accident, to: back, max: 43m }
";

#[test]
fn a_drill_that_was_drawn_is_not_known_by_its_limits_hints_and_injects() {
    let runner = CliRunner::new();
    let file = runner.write("known.yaml", &deleted_rows("known", KNOWN_BY)).display().to_string();
    let mut held = runner.hold(&["--surprise", "--delay", "0s..1s", "--for", "5m", &file]);
    let (team, facilitator) = (held.line("board: "), held.line("facilitator: "));
    let has_happened = || match page(&facilitator) {
        seen if seen.contains("\"incident\":{") => Ok(()),
        seen => Err(seen),
    };
    assert_eq!(poll(PATIENCE, has_happened), Ok(()));
    // Long enough for whatever comes by itself.
    std::thread::sleep(Duration::from_secs(3));
    let master = held.host("master");
    assert_eq!(master.run(&["true"]).status.code(), Some(0));
    let slip = said(&master.run(&["psql", "-c", "selec 1"]));
    assert!(slip.contains("syntax error"), "{slip}");
    assert!(press(&facilitator, r#"{"ask":"pause"}"#).contains("a pause would tell them"));
    std::thread::sleep(Duration::from_secs(3));
    let handout = std::fs::read_to_string(held.handout.join("handout.md")).expect("a handout");
    let seen = page(&team) + &held.said() + &handout;
    assert!(seen.contains("\"phase\":\"calm\""), "{seen}");
    for tells in ["44 min", "43 min", "on the phone", "\"costs\":17", "things are gone", "stands still"] {
        assert!(!seen.contains(tells), "{tells}: {seen}");
    }
    let _ = held.say(&["note", "--seen", "the shelves are empty"]);
    held.wait_said("The shelves are empty. Fill them.");
    held.wait_said("The service has to be back within 43 min");
    held.wait_said("The director is on the phone.");
    assert!(page(&team).contains("\"costs\":17"));
    let ended = held.give_up().with(1, "failed");
    let _ = ended.says(&["time to notice"]);
}

/// A drill whose only check takes longer than one that is made unasked may.
const SLOW: &str = "
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - assert_rows: { node: master, query: \"SELECT count(*) FROM items, pg_sleep(6)\", equals: 0 }
";

#[test]
fn what_a_check_looks_for_is_not_seen_and_whoever_ends_it_has_it_judged() {
    let runner = CliRunner::new();
    let file = runner.write("slow.yaml", &deleted_rows("slow", SLOW)).display().to_string();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let facilitator = held.line("facilitator: ");
    let activity = "SELECT count(*), count(*) FILTER (WHERE query LIKE '%pg_' || 'sleep%') FROM pg_stat_activity \
                    WHERE application_name = 'drillyard'";
    std::thread::scope(|scope| {
        let ending = scope.spawn(|| press(&facilitator, r#"{"ask":"end"}"#));
        std::thread::sleep(Duration::from_secs(2));
        let seen = held.host("master").psql(activity);
        assert!(seen.ends_with("|0") && !seen.starts_with("0|"), "{seen}");
        let _ = ending.join();
    });
    held.end().with(0, "passed").says(&["checks that hold: 1 of 1"]);
}

#[test]
fn a_drill_that_expects_a_check_to_fail_is_not_for_people() {
    let runner = CliRunner::new();
    let hasty = shipped("firedrill/orders-are-failing-in-haste");
    let refused = runner.output(["firedrill", "--backend", "local", &hasty]);
    assert_eq!(refused.status.code(), Some(3), "{}", said(&refused));
    assert!(said(&refused).contains("expects a check to fail"), "{}", said(&refused));
}
