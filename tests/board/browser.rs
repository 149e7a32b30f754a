//! A real browser without a window: Chromium, driven by WebDriver.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use serde_json::{Value, json};

/// How long to wait for what a page is to show.
const PATIENCE: Duration = Duration::from_secs(30);

/// One browser with one page, closed at its end.
pub struct Browser {
    driver: Child,
    session: String,
    /// Where Chromium keeps what it leaves lying about.
    _dir: tempfile::TempDir,
}

impl Browser {
    /// Opens an address.
    pub fn open(url: &str) -> Self {
        let dir = tempfile::tempdir().expect("a directory");
        let mut driver = Command::new("chromedriver");
        driver.arg("--port=0").env("TMPDIR", dir.path()).stdin(Stdio::null()).stdout(Stdio::piped());
        let mut driver = driver.spawn().expect("chromedriver, which ci/test installs");
        let output = BufReader::new(driver.stdout.take().expect("its output"));
        let started = |line: String| line.split("started successfully on port ").nth(1).map(str::to_owned);
        let port = output.lines().map_while(Result::ok).find_map(started).expect("chromedriver's port");
        let mut browser =
            Browser { driver, session: format!("http://127.0.0.1:{}/session", port.trim_end_matches('.')), _dir: dir };
        // Tests run as root, which Chromium's sandbox refuses.
        let args = ["--headless=new", "--no-sandbox", "--disable-dev-shm-usage", "--hide-scrollbars"];
        let options = json!({ "args": args });
        let wanted = json!({ "goog:chromeOptions": options, "goog:loggingPrefs": { "browser": "ALL" } });
        let made = post(&browser.session, &json!({ "capabilities": { "alwaysMatch": wanted } }));
        browser.session = format!("{}/{}", browser.session, made["sessionId"].as_str().expect("a session"));
        browser.go(url);
        browser
    }

    pub fn go(&self, url: &str) {
        post(&format!("{}/url", self.session), &json!({ "url": url }));
    }

    /// What a script returns: `return 1`.
    pub fn eval(&self, script: &str) -> Value {
        post(&format!("{}/execute/sync", self.session), &json!({ "script": script, "args": [] }))
    }

    /// Likewise, of one that calls `arguments[0]` with it.
    pub fn eval_later(&self, script: &str) -> Value {
        post(&format!("{}/execute/async", self.session), &json!({ "script": script, "args": [] }))
    }

    /// The text of what a selector finds, as people read it; empty if there is nothing.
    pub fn text(&self, selector: &str) -> String {
        let script = format!("return document.querySelector({})?.innerText ?? ''", json!(selector));
        self.eval(&script).as_str().unwrap_or_default().to_owned()
    }

    /// Waits until the text of what a selector finds holds a part.
    pub fn wait_for(&self, selector: &str, part: &str) {
        self.wait_until(selector, part, |text| text.contains(part));
    }

    /// Waits until the text of what a selector finds is as it should be.
    pub fn wait_until(&self, selector: &str, expected: &str, holds: impl Fn(&str) -> bool) {
        let since = Instant::now();
        loop {
            let text = self.text(selector);
            if holds(&text) {
                return;
            }
            assert!(since.elapsed() < PATIENCE, "{selector}: expected {expected:?}, last seen: {text:?}");
            std::thread::sleep(Duration::from_millis(50));
        }
    }

    /// Clicks with the mouse, as people do: what is covered or disabled is not clicked.
    pub fn click(&self, selector: &str) {
        post(&format!("{}/click", self.find(selector)), &json!({}));
    }

    /// Types into a field.
    pub fn write(&self, selector: &str, text: &str) {
        post(&format!("{}/value", self.find(selector)), &json!({ "text": text }));
    }

    /// Presses keys where the focus is. `\u{e004}` is Tab, `\u{e007}` Enter, `\u{e00c}` Escape.
    pub fn press(&self, keys: &str) {
        let each = |key: char| ["keyDown", "keyUp"].map(|kind| json!({ "type": kind, "value": key }));
        let actions: Vec<Value> = keys.chars().flat_map(each).collect();
        let body = json!({ "actions": [{ "type": "key", "id": "keyboard", "actions": actions }] });
        post(&format!("{}/actions", self.session), &body);
    }

    /// What the browser wrote to its console since it was asked last: errors of scripts, and what
    /// the page's policy did not let happen.
    pub fn complaints(&self) -> Vec<String> {
        let log = post(&format!("{}/se/log", self.session), &json!({ "type": "browser" }));
        let messages = log.as_array().into_iter().flatten().map(|entry| entry["message"].to_string());
        messages.collect()
    }

    fn find(&self, selector: &str) -> String {
        let found = post(&format!("{}/element", self.session), &json!({ "using": "css selector", "value": selector }));
        let id = found.as_object().and_then(|map| map.values().next()).and_then(Value::as_str).expect("an element");
        format!("{}/element/{id}", self.session)
    }

    /// A command of Chromium's own protocol.
    pub fn devtools(&self, command: &str, params: Value) -> Value {
        post(&format!("{}/goog/cdp/execute", self.session), &json!({ "cmd": command, "params": params }))
    }
}

impl Drop for Browser {
    fn drop(&mut self) {
        // Chromium ends with its session; chromedriver alone would leave it behind.
        let _ = ureq::delete(&self.session).call();
        let _ = self.driver.kill();
        let _ = self.driver.wait();
    }
}

/// What WebDriver answers.
fn post(url: &str, body: &Value) -> Value {
    let request = ureq::post(url).config().http_status_as_error(false).build();
    let mut response = request.header("Content-Type", "application/json").send(body.to_string()).expect("an answer");
    let status = response.status();
    let text = response.body_mut().with_config().limit(64 << 20).read_to_string().expect("text");
    let mut answer: Value = serde_json::from_str(&text).expect("JSON");
    assert!(status.is_success(), "{url}: {}: {}", answer["value"]["error"], answer["value"]["message"]);
    answer["value"].take()
}
