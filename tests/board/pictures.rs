//! How the pages look, and whether everybody can use them: pictures in target/board, and axe.

use std::path::{Path, PathBuf};

use drillyard::firedrill::{Ask, FacilitatorView, Phase, RanView, SaidView, Speaker};
use serde_json::{Value, json};

use crate::browser::Browser;
use crate::firedrill::Firedrill;

/// A phone, a laptop and a projector.
const SCREENS: [(u32, u32); 3] = [(400, 860), (1280, 800), (1920, 1080)];

fn target() -> &'static Path {
    Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target")
}

/// The bytes of a base64 text.
fn bytes(text: &str) -> Vec<u8> {
    openssl::base64::decode_block(text).expect("base64")
}

fn picture(browser: &Browser, name: &str) {
    let shot = browser.devtools("Page.captureScreenshot", json!({ "format": "png", "captureBeyondViewport": true }));
    let folder = target().join("board");
    std::fs::create_dir_all(&folder).expect("a folder");
    let path: PathBuf = folder.join(format!("{name}.png"));
    std::fs::write(&path, bytes(shot["data"].as_str().expect("a picture"))).expect("written");
}

/// What axe finds wrong, with the places.
fn accessibility(browser: &Browser) -> Vec<String> {
    let axe = target().join("browser/axe_playwright_python/axe.min.js");
    let axe = std::fs::read_to_string(axe).expect("axe, which ci/test puts into target/browser");
    // The page's policy lets no script of others in; WebDriver's own are no part of the page.
    browser.eval(&axe);
    let found = browser.eval_later("axe.run().then((r) => arguments[0](r.violations), (e) => arguments[0](String(e)))");
    let each = |found: &Value| {
        let nodes: Vec<&Value> = found["nodes"].as_array().into_iter().flatten().map(|node| &node["html"]).collect();
        format!("{} ({}): {nodes:?}", found["help"], found["impact"])
    };
    found.as_array().unwrap_or_else(|| panic!("axe says {found}")).iter().map(each).collect()
}

/// Every screen, light and dark.
fn look(browser: &Browser, name: &str) {
    for (width, height) in SCREENS {
        let screen = json!({ "width": width, "height": height, "deviceScaleFactor": 1, "mobile": width < 600 });
        browser.devtools("Emulation.setDeviceMetricsOverride", screen);
        for scheme in ["light", "dark"] {
            let media = json!({ "features": [{ "name": "prefers-color-scheme", "value": scheme }] });
            browser.devtools("Emulation.setEmulatedMedia", media);
            let wide = browser.eval("return document.documentElement.scrollWidth");
            assert!(wide.as_u64() <= Some(u64::from(width)), "{name} is {wide} wide on a screen of {width}");
            picture(browser, &format!("{name}-{width}-{scheme}"));
            let wrong = accessibility(browser);
            assert!(wrong.is_empty(), "{name}, {width}, {scheme}:\n{}", wrong.join("\n"));
        }
    }
}

#[test]
fn the_pages_are_for_phones_and_projectors_light_and_dark_and_for_everybody() {
    let firedrill = Firedrill::new();
    let team = Browser::open(&firedrill.team_url());
    team.wait_for("#phase", "Recovering");
    look(&team, "team");
    let facilitator = Browser::open(&firedrill.facilitator_url());
    facilitator.wait_for("#phase", "Recovering");
    look(&facilitator, "facilitator");
    firedrill.ask(Ask::Judge);
    firedrill.ask(Ask::Hint(1));
    firedrill.ask(Ask::End);
    team.wait_for("#verdict h2", "Failed");
    look(&team, "over");
}

#[test]
fn the_pages_bear_nothing_at_all_and_far_too_much() {
    let firedrill = Firedrill::new();
    let (team, facilitator) = (Browser::open(&firedrill.team_url()), Browser::open(&firedrill.facilitator_url()));
    firedrill.show(|view| *view = FacilitatorView::default());
    team.wait_for("#phase", "Being prepared");
    team.wait_for("#clock", "–:––");
    facilitator.wait_for("#incident", "Nothing yet");
    look(&team, "empty-team");
    look(&facilitator, "empty-facilitator");
}

#[test]
fn a_long_firedrill_past_its_limit_fits_on_every_screen() {
    let firedrill = Firedrill::new();
    firedrill.show(crowd);
    let (team, facilitator) = (Browser::open(&firedrill.team_url()), Browser::open(&firedrill.facilitator_url()));
    team.wait_for("#left", "over the limit of 45:00");
    team.wait_for("#clock", "1:");
    facilitator.wait_for("#ran li:first-child", "statement 59");
    look(&team, "crowded-team");
    look(&facilitator, "crowded-facilitator");
}

fn crowd(view: &mut FacilitatorView) {
    let long = "0123456789abcdef".repeat(30);
    view.team.phase = Phase::Judging;
    view.clock_ms = Some(4_000_000);
    view.team.clock_ms = view.clock_ms;
    view.team.users = ["users", "the-nightly-import-of-all-the-prices", "reports"]
        .map(|id| drillyard::firedrill::UsersView { id: id.to_owned(), ..view.team.users[0].clone() })
        .into();
    for number in 0..60 {
        let text = format!("{number}: {long}");
        view.team.said.push(SaidView { at: "12:10:00Z".to_owned(), by: Speaker::Team, text });
    }
    view.ran = (0..60)
        .map(|number| RanView {
            at: "12:10:00Z".to_owned(),
            node: "master".to_owned(),
            by: "postgres (psql)".to_owned(),
            text: format!("SELECT '{long}';\n-- statement {number}"),
        })
        .collect();
    view.checks[0].said = format!("{long}\n{long}");
    view.team.servers[0].psql = format!("psql 'host=/{long}'");
    view.drill = long;
}
