//! A firedrill from its first minute to its verdict, on both pages.

use drillyard::firedrill::Ask;

use crate::browser::Browser;
use crate::firedrill::Firedrill;

#[test]
fn a_team_reads_the_clock_buys_a_hint_writes_a_note_and_sees_the_verdict() {
    let firedrill = Firedrill::new();
    let browser = Browser::open(&firedrill.team_url());
    browser.wait_for("#phase", "Recovering");
    let address = browser.eval("return location.href");
    assert_eq!(address, format!("http://{}/team/", firedrill.addr()), "no token stays in the address");

    // The clock goes on by itself.
    browser.wait_until("#clock", "a time", |text| text.contains(':') && !text.contains('–'));
    let first = browser.text("#clock");
    browser.wait_until("#clock", "a later time", |text| text > first.as_str());
    browser.wait_for("#left", "left of 45:00");
    browser.wait_for("#users", "412");
    browser.wait_for("#users", "42P01 undefined_table");
    assert!(
        browser.eval("return document.querySelector('svg .refused').getBBox().width > 100").as_bool() == Some(true)
    );

    // What is Markdown is shown as such, and the rest is text.
    browser.wait_for("#brief h3", "Orders are failing");
    browser.wait_for("#brief li em", "meanwhile");
    browser.wait_for("#brief pre code", "SELECT count(*) FROM shop.orders;");
    browser.wait_for("#brief p code", "psql service=master");
    browser.wait_for("#brief", "<img src=x");
    assert_eq!(browser.eval("return document.images.length"), 0);

    hint(&browser);
    browser.write("#note-text", "<b>dump</b> of \"orders\" taken\u{e007}");
    browser.wait_for("#said li:first-child", "<b>dump</b> of \"orders\" taken");
    browser.wait_for("#reply", "done");
    assert_eq!(browser.eval("return document.querySelector('#note-text').value"), "");
    browser.click("#seen");
    browser.wait_for("#said li:first-child", "We see it");

    browser.click("#done");
    browser.wait_for("#standing", "3 of 5 hold: go on");
    let all = browser.text("body");
    for secret in ["dropped-table", "DROP TABLE", "accident", "polluted"] {
        assert!(!all.contains(secret), "{secret}: {all}");
    }
    browser.click("#done");
    browser.wait_for("#verdict h2", "Passed");
    browser.wait_for("#verdict table", "38 of 40");
    browser.wait_for("#verdict table", "−5");
    browser.wait_for("#verdict tfoot", "83");
    browser.wait_for("#verdict .copy", "debrief.html");
    for button in ["#seen", "#done", "#give-up"] {
        assert_eq!(browser.eval(&format!("return document.querySelector('{button}').disabled")), true, "{button}");
    }
    assert_eq!(browser.complaints(), [""; 0]);
}

/// By keyboard alone, and not before one is sure.
fn hint(browser: &Browser) {
    browser.wait_for("#hints li:nth-child(2)", "Opens in 10:00");
    assert_eq!(browser.eval("return document.querySelector('#hints li:nth-child(2) button').disabled"), true);
    let buy = "#hints li:first-child button";
    browser.eval(&format!("document.querySelector('{buy}').focus()"));
    browser.press("\u{e007}");
    browser.wait_for("dialog", "Buy hint 1? It costs 5 points.");
    browser.press("\u{e00c}");
    browser.wait_until("dialog", "nothing", str::is_empty);
    assert_eq!(browser.text("#hints .text"), "");
    assert_eq!(browser.eval(&format!("return document.activeElement === document.querySelector('{buy}')")), true);
    browser.press("\u{e007}");
    browser.wait_for("dialog", "Buy hint 1?");
    // The first button is the one that changes nothing.
    browser.press("\u{e004}\u{e007}");
    browser.wait_for("#hints li:first-child .text", "Which tables are there?");
    assert_eq!(browser.eval(&format!("return document.querySelector('{buy}')")), serde_json::Value::Null);
}

#[test]
fn a_team_that_gives_up_is_asked_once_more() {
    let firedrill = Firedrill::new();
    let browser = Browser::open(&firedrill.team_url());
    browser.wait_for("#phase", "Recovering");
    browser.click("#give-up");
    browser.wait_for("dialog", "Give up?");
    browser.click("dialog .primary");
    browser.wait_for("#verdict h2", "Failed");
    browser.wait_for("#phase", "Over");
}

#[test]
fn a_line_is_copied_by_its_button() {
    let firedrill = Firedrill::new();
    let browser = Browser::open(&firedrill.team_url());
    browser.wait_for("#reach", "master: psql");
    let origin = format!("http://{}", firedrill.addr());
    let permissions = ["clipboardReadWrite", "clipboardSanitizedWrite"];
    browser.devtools("Browser.grantPermissions", serde_json::json!({ "origin": origin, "permissions": permissions }));
    browser.click("button[aria-label='Copy: master: psql']");
    browser.wait_for("button[aria-label='Copy: master: psql']", "Copied");
    let copied =
        browser.eval_later("navigator.clipboard.readText().then(arguments[0], (e) => arguments[0](String(e)))");
    assert_eq!(copied, "psql service=master");
}

#[test]
fn a_facilitator_sees_what_happened_pauses_injects_speaks_and_ends_it() {
    let firedrill = Firedrill::new();
    let team = Browser::open(&firedrill.team_url());
    let browser = Browser::open(&firedrill.facilitator_url());
    browser.wait_for("#incident", "DROP TABLE shop.orders CASCADE (line 47)");
    browser.wait_for("#drill", "dropped-table");
    browser.wait_for("#marks", "0/5A1C3F0");
    browser.wait_for("#checks li:first-child", "does not hold");
    browser.wait_for("#checks li:nth-child(3)", "holds");
    browser.wait_for("#traps", "000000010000000000000007 was overwritten");
    browser.wait_for("#ran li:first-child", "pg_ctl -D");
    browser.wait_for("#reach ~ *, .reach .copy", "/team/");

    browser.click("#pause");
    browser.wait_for("#phase", "The clock is paused");
    team.wait_for("#phase", "The clock is paused");
    // It stands for longer than it takes to go on by one.
    let stands = team.text("#clock");
    std::thread::sleep(std::time::Duration::from_millis(1500));
    assert_eq!(team.text("#clock"), stands);
    browser.click("#resume");
    team.wait_until("#clock", "a later time", |text| text > stands.as_str());

    browser.click("#injects li:first-child button");
    browser.click("dialog .primary");
    browser.wait_for("#injects li:first-child", "came 12:07:11Z");
    team.wait_for("#said li:first-child", "The CEO asks");
    browser.write("#say-text", "Ten minutes left");
    browser.click("#say button");
    team.wait_for("#said li:first-child", "Ten minutes left");
    browser.click("#judge");
    browser.wait_for("#standing", "3 of 5 hold");
    // What others do shows, too.
    assert!(firedrill.ask(Ask::Note("by terminal".to_owned())).ok);
    browser.wait_for("#said li:first-child", "by terminal");
    browser.click("#end");
    browser.click("dialog .primary");
    browser.wait_for("#verdict h2", "Failed");
    team.wait_for("#verdict h2", "Failed");
    assert_eq!(browser.complaints(), [""; 0]);
}
