//! A real firedrill, played in a real browser.

use crate::browser::Browser;
use crate::cli_runner::CliRunner;
use crate::small::deleted_rows;

/// A team step with a hint, and a check that holds from the beginning.
const REST: &str = "
  - id: back
    name: The shelves are empty
    team:
      brief: The shelves are **empty**. Fill them.
      hints: [{ text: There is a backup., costs: 5 }]
      adopt: [rescue]
      judge:
        - name: what was there is back
          assert_rows: { node: rescue, table: items, same_as: rows }
        - name: the accident stays on the live server
          assert_rows: { node: master, table: items, count: 0, allow_empty: true }
      auto: [{ recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote } }]
";

#[test]
fn a_team_plays_a_firedrill_on_the_board_from_the_clock_to_the_verdict() {
    let runner = CliRunner::new();
    let file = runner.write("shelves.yaml", &deleted_rows("shelves", REST)).display().to_string();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let browser = Browser::open(&held.line("board: "));
    browser.wait_for("#phase", "Recovering");
    browser.wait_until("#clock", "a time", |text| text.contains(':') && !text.contains('–'));
    let first = browser.text("#clock");
    browser.wait_until("#clock", "a later time", |text| text > first.as_str());
    browser.wait_for("#left", "left of 5:00");
    browser.wait_for("#brief strong", "empty");
    browser.wait_for("#reach", "data directory of master");

    browser.click("#hints button");
    browser.wait_for("dialog", "Buy hint 1? It costs 5 points.");
    browser.click("dialog .primary");
    browser.wait_for("#hints .text", "There is a backup.");
    browser.write("#note-text", "we restore the backup\u{e007}");
    browser.wait_for("#said", "we restore the backup");
    browser.click("#done");
    browser.wait_for("#standing", "1 of 2 hold: go on");
    browser.click("#give-up");
    browser.click("dialog .primary");

    browser.wait_for("#verdict h2", "Failed");
    browser.wait_for("#verdict .lines p", "the team gave up after");
    browser.wait_for("#verdict [data-state='fails']", "what was there is back");
    browser.wait_for("#verdict [data-state='holds']", "the accident stays on the live server");
    let why = browser.text("#verdict [data-state='fails'] .text");
    assert!(why.contains("rescue"), "what is missing: {why:?}");
    browser.wait_for("#verdict table", "30 of 60");
    browser.wait_for("#verdict .copy", "debrief.html");
    let ended = held.end().with(1, "failed");
    let _ = ended.says(&["-5  hints: 1"]).debriefs(&["we restore the backup", "There is a backup."]);
    // The page outlives the board.
    browser.wait_for("#connection", "This page stays as it is");
    browser.wait_for("#verdict h2", "Failed");
}
