//! A network that goes away and comes back.

use drillyard::board::Tokens;
use drillyard::firedrill::Ask;
use serde_json::json;

use crate::browser::Browser;
use crate::firedrill::Firedrill;

#[test]
fn a_page_comes_back_by_itself_and_catches_up() {
    let mut firedrill = Firedrill::new();
    let browser = Browser::open(&firedrill.team_url());
    browser.wait_for("#phase", "Recovering");
    let addr = firedrill.stop();
    browser.wait_for("#connection", "Connection lost, trying again");
    browser.write("#note-text", "is anybody there?\u{e007}");
    browser.wait_for("#reply", "This did not arrive");
    assert_eq!(browser.eval("return document.querySelector('#note-text').value"), "is anybody there?");
    assert!(firedrill.ask(Ask::Note("meanwhile".to_owned())).ok);
    firedrill.serve(addr);
    browser.wait_for("#said li:first-child", "meanwhile");
    browser.wait_until("#connection", "nothing", str::is_empty);
    browser.click("#note button");
    browser.wait_for("#said li:first-child", "is anybody there?");

    // Likewise if it is the browser that has no network.
    let offline =
        |offline| json!({ "offline": offline, "latency": 0, "downloadThroughput": -1, "uploadThroughput": -1 });
    browser.devtools("Network.enable", json!({}));
    browser.devtools("Network.emulateNetworkConditions", offline(true));
    browser.wait_for("#connection", "Connection lost, trying again");
    assert!(firedrill.ask(Ask::Note("in the tunnel".to_owned())).ok);
    browser.devtools("Network.emulateNetworkConditions", offline(false));
    browser.wait_for("#said li:first-child", "in the tunnel");
    browser.wait_until("#connection", "nothing", str::is_empty);

    // A board with other links says so, and does not let the old ones in.
    let addr = firedrill.stop();
    firedrill.tokens = Tokens::random().expect("random numbers");
    firedrill.serve(addr);
    browser.wait_for("#connection", "This link is no longer valid");
}

#[test]
fn a_page_stays_readable_when_the_board_is_gone_after_the_end() {
    let mut firedrill = Firedrill::new();
    let browser = Browser::open(&firedrill.team_url());
    browser.wait_for("#phase", "Recovering");
    // The board closes right after the end: the last view still arrives.
    firedrill.ask(Ask::GiveUp);
    firedrill.stop();
    browser.wait_for("#connection", "This page stays as it is");
    browser.wait_for("#verdict h2", "Failed");
    browser.wait_for("#verdict .copy", "debrief.html");
    browser.wait_for("#said", "Who keeps the notes?");
}
