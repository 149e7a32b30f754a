//! Who gets in, and what is taken from whom.

use std::io::{Read, Write};
use std::net::{SocketAddr, TcpStream};

use serde_json::Value;

use crate::browser::Browser;
use crate::firedrill::Firedrill;

/// What the board answers: the status and the whole of it.
fn request(addr: SocketAddr, head: &str, body: &str) -> (u16, String) {
    let mut stream = TcpStream::connect(addr).expect("a connection");
    let host = if head.contains("Host:") { String::new() } else { format!("Host: {addr}\r\n") };
    let head = head.replace('\n', "\r\n");
    let length = body.len();
    write!(stream, "{head}\r\n{host}Connection: close\r\nContent-Length: {length}\r\n\r\n{body}").expect("sent");
    let mut text = String::new();
    stream.read_to_string(&mut text).expect("an answer");
    (text.get(9..12).and_then(|code| code.parse().ok()).unwrap_or_default(), text)
}

/// The cookie that a link leaves in a browser.
fn cookie(addr: SocketAddr, url: &str) -> String {
    let path = url.split(&addr.to_string()).nth(1).expect("a path");
    let (status, text) = request(addr, &format!("GET {path} HTTP/1.1"), "");
    assert_eq!(status, 303, "{text}");
    assert!(text.contains("HttpOnly; SameSite=Lax"), "{text}");
    let value = text.split("set-cookie: ").nth(1).and_then(|rest| rest.split(';').next());
    value.expect("a cookie").to_owned()
}

#[test]
fn a_link_opens_its_own_page_and_no_other() {
    let firedrill = Firedrill::new();
    let addr = firedrill.addr();
    let (team, facilitator) = (firedrill.team_url(), firedrill.facilitator_url());
    let browser = Browser::open(&team.replace("/team/", "/facilitator/"));
    browser.wait_for("main", "This link does not open the board");
    browser.go(&format!("{team}0"));
    browser.wait_for("main", "This link does not open the board");
    browser.go(&format!("http://{addr}/team/"));
    browser.wait_for("main", "This link does not open the board");
    browser.go(&facilitator);
    browser.wait_for("#incident", "DROP TABLE");
    let planted = "const script = document.createElement('script'); script.textContent = 'window.planted = 1'; \
                   document.body.append(script); return window.planted ?? null";
    assert_eq!(browser.eval(planted), Value::Null);
    let complaints = browser.complaints().concat();
    assert!(complaints.contains("Content Security Policy"), "{complaints}");
    // Opened once, the page opens without the link.
    browser.go(&format!("http://{addr}/facilitator/"));
    browser.wait_for("#incident", "DROP TABLE");

    let cookie = cookie(addr, &team);
    let get = |path: &str, head: &str| request(addr, &format!("GET {path} HTTP/1.1\n{head}"), "").0;
    assert_eq!(get("/team/", &format!("Cookie: a=b; {cookie}")), 200);
    for path in ["/facilitator/", "/facilitator/events"] {
        assert_eq!(get(path, &format!("Cookie: {cookie}")), 403, "{path}");
    }
    let renamed = cookie.replace("team", "facilitator");
    assert_eq!(get("/facilitator/", &format!("Cookie: {renamed}")), 403);
    for path in ["/team/", "/team/events"] {
        assert_eq!(get(path, "Accept: */*"), 403, "{path}");
    }
    for path in ["/nothing", "/team", "//team/events", "/%74eam/events", "/assets/../team/events", "/assets/%2e%2e"] {
        assert!([403, 404].contains(&get(path, "Accept: */*")), "{path}");
    }
}

#[test]
fn a_post_needs_the_token_the_page_and_the_role() {
    let firedrill = Firedrill::new();
    let addr = firedrill.addr();
    let cookie = cookie(addr, &firedrill.team_url());
    let post = |head: &str, body: &str| {
        let json = if head.contains("Content-Type") { "" } else { "\nContent-Type: application/json" };
        request(addr, &format!("POST /team/ask HTTP/1.1\nCookie: {cookie}\n{head}{json}"), body)
    };
    let note = r#"{"ask":"note","text":"hello"}"#;
    let here = format!("Origin: http://{addr}");
    let (status, text) = post(&here, note);
    assert!(status == 200 && text.contains(r#""ok":true"#), "{text}");
    for head in
        ["Origin: http://evil.example", "Origin: null", "Sec-Fetch-Site: cross-site", "Sec-Fetch-Site: same-site"]
    {
        assert_eq!(post(head, note).0, 403, "{head}");
    }
    let (status, text) = post("Host: evil.example", note);
    assert!(status == 421 && text.contains("--board NAME:PORT"), "{text}");
    assert_eq!(post("Content-Type: text/plain", note).0, 415);
    let (status, text) = request(addr, "POST /team/ask HTTP/1.1\nContent-Type: application/json", note);
    assert_eq!(status, 403, "{text}");
    for body in
        [r#"{"ask":"pause"}"#, r#"{"ask":"inject","number":1}"#, r#"{"ask":"say","text":"a"}"#, r#"{"ask":"end"}"#]
    {
        let (status, text) = post(&here, body);
        assert!(status == 403 && text.contains("only the facilitator"), "{body}: {text}");
    }
    for body in ["", "[]", r#"{"ask":"drop"}"#, r#"{"ask":"note","text":" "}"#] {
        assert_eq!(post(&here, body).0, 422, "{body}");
    }
    let long = |length: usize| format!(r#"{{"ask":"note","text":"{}"}}"#, "a".repeat(length));
    assert_eq!(post(&here, &long(1000)).0, 200);
    let (status, text) = post(&here, &long(1001));
    assert!(status == 422 && text.contains("1001 characters, and 1000 fit"), "{text}");
    assert_eq!(post(&here, &long(100_000)).0, 413);
    // What cannot be done says why.
    assert_eq!(post(&here, r#"{"ask":"hint","number":7}"#).0, 409);
}

#[test]
fn everything_says_that_nothing_may_come_from_elsewhere_or_be_kept() {
    let firedrill = Firedrill::new();
    let addr = firedrill.addr();
    let cookie = cookie(addr, &firedrill.team_url());
    for path in ["/team/", "/assets/team.js", "/facilitator/", "/nothing"] {
        let (_, text) = request(addr, &format!("GET {path} HTTP/1.1\nCookie: {cookie}"), "");
        for header in [
            "content-security-policy: default-src 'none'",
            "cache-control: no-store",
            "referrer-policy: no-referrer",
            "x-content-type-options: nosniff",
        ] {
            assert!(text.contains(header), "{path} lacks {header}:\n{text}");
        }
    }
}
