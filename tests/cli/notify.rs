//! People are told how a run came out: servers on this machine speak the protocols of chats and of
//! mail.

use std::io::{BufRead, BufReader, Write};
use std::net::TcpListener;
use std::process::{Command, Stdio};
use std::sync::{Arc, Mutex};

use serde_json::Value;

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::web::{Requests, answer, web};

/// A mail server that takes every mail, or refuses its recipients.
fn smtp(refuses: bool) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("smtp://{}", listener.local_addr().expect("an address"));
    let mails = Arc::new(Mutex::new(vec![]));
    let kept = mails.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let mut reader = BufReader::new(&stream);
            let say = |text: &str| (&stream).write_all(format!("{text}\r\n").as_bytes());
            let _ = say("220 test ESMTP");
            let mut line = String::new();
            while reader.read_line(&mut line).is_ok_and(|count| count > 0) {
                let word = line.trim().to_uppercase();
                let _ = match word.get(..4).unwrap_or_default() {
                    "RCPT" if refuses => say("550 no such user here"),
                    "DATA" => {
                        let _ = say("354 go on");
                        let mut mail = String::new();
                        while !mail.ends_with("\r\n.\r\n") && reader.read_line(&mut mail).is_ok_and(|count| count > 0) {
                        }
                        kept.lock().expect("not poisoned").push(mail);
                        say("250 taken")
                    }
                    "QUIT" => say("221 bye"),
                    _ => say("250 ok"),
                };
                line.clear();
            }
        }
    });
    (url, mails)
}

fn drill(runner: &CliRunner, holds: bool, head: &str) -> String {
    let budget = "budgets: { rto: { from: crash, to: back, max: 1m } }";
    let yaml = format!(
        "drillyard: 1\nname: nightly\n{budget}\n{head}nodes: {{ a: {{}} }}\nsteps:\n  - {{ id: crash, crash: {{ node: a }} }}\n  \
         - {{ id: back, start: {{ node: a }} }}\n  - assert_rows: {{ node: a, query: SELECT 1, equals: [[{}]] }}\n",
        if holds { 1 } else { 2 }
    );
    runner.write("nightly.yaml", &yaml).display().to_string()
}

fn json(requests: &Requests, path: &str) -> Vec<Value> {
    let all = requests.lock().expect("not poisoned");
    all.iter()
        .filter(|(other, _)| other == path)
        .map(|(_, body)| serde_json::from_str(body).unwrap_or_default())
        .collect()
}

#[test]
fn everybody_is_told_what_failed_what_passed_and_what_passed_again() {
    let (url, requests) = web(|_, _| answer("200 OK"));
    let (mail, mails) = smtp(false);
    let head = format!(
        "notify:\n  - {{ slack: \"{url}/slack/verysecret\" }}\n  - {{ teams: {url}/teams, on: [failed] }}\n  - {{ mattermost: {url}/mattermost, \
         on: [recovered] }}\n  - {{ email: {{ smtp: \"{mail}\", from: drills@example.com, to: [dba@example.com, \"Ops <ops@example.com>\"] }}, on: [failed] \
         }}\nheartbeat: {url}/beat\n"
    );
    let mut runner = CliRunner::new();
    runner.vars.push(("HOOK".to_owned(), format!("{url}/hook")));
    for (holds, code) in [(true, 0), (false, 1), (true, 0)] {
        let path = drill(&runner, holds, &head);
        let args = ["run", "--backend", "local", "--notify", "webhook=env:HOOK", "--report-md", "report.md", &path];
        let output = runner.output(args);
        assert_eq!(output.status.code(), Some(code), "{}", said(&output));
        assert!(!said(&output).contains("verysecret"), "{}", said(&output));
    }
    let slack = json(&requests, "/slack/verysecret");
    let attachment = |at: usize| &slack[at]["attachments"][0];
    let texts: Vec<&str> = slack.iter().filter_map(|body| body["text"].as_str()).collect();
    assert_eq!(texts, ["nightly passed", "nightly FAILED", "nightly passed again"]);
    assert_eq!(attachment(0)["blocks"][0]["type"], "header");
    let line = |at: usize| attachment(at)["blocks"][1]["text"]["text"].as_str().unwrap_or_default().to_owned();
    assert!(line(0).contains("nightly passed: recovered in") && line(0).contains("(limit 1m)"), "{}", line(0));
    assert!(line(1).contains("FAILED (it passed the last time): "), "{}", line(1));
    assert!(line(1).contains("nightly.yaml:"), "{}", line(1));
    assert!(attachment(1)["blocks"][2]["text"]["text"].as_str().is_some_and(|text| text.contains("drillyard run")));
    assert!(attachment(1)["blocks"][3]["elements"][0]["text"].as_str().is_some_and(|text| text.contains("report.md")));
    assert_ne!(attachment(0)["color"], attachment(1)["color"]);
    let teams = json(&requests, "/teams");
    assert_eq!(teams.len(), 1);
    assert_eq!(teams[0]["attachments"][0]["contentType"], "application/vnd.microsoft.card.adaptive");
    assert_eq!(teams[0]["attachments"][0]["content"]["body"][0]["text"], "nightly FAILED");
    let mattermost = json(&requests, "/mattermost");
    assert_eq!(mattermost.len(), 1);
    assert_eq!(mattermost[0]["attachments"][0]["title"], "nightly passed again");
    let hook = json(&requests, "/hook");
    let outcomes: Vec<&str> = hook.iter().filter_map(|body| body["outcome"].as_str()).collect();
    assert_eq!(outcomes, ["passed", "failed", "passed"]);
    assert_eq!(hook[0]["drills"][0]["last"], Value::Null);
    assert_eq!(hook[2]["drills"][0]["last"]["outcome"], "failed");
    assert!(hook[0]["drills"][0]["rto_ms"].is_u64() && hook[0]["drills"][0]["rto_limit_ms"] == 60_000);
    assert_eq!(json(&requests, "/beat").len(), 2);
    let mails = mails.lock().expect("not poisoned");
    let [mail] = mails.as_slice() else { panic!("{mails:?}") };
    assert!(mail.contains("Subject: drillyard: nightly FAILED") && mail.contains("again: drillyard run"), "{mail}");
    assert!(mail.contains("dba@example.com") && mail.contains("ops@example.com"), "{mail}");
}

#[test]
fn what_does_not_arrive_is_told_without_its_secrets_and_changes_no_verdict() {
    let (url, requests) = web(|path, count| match path {
        "/busy/verysecret" if count == 1 => {
            "HTTP/1.1 429 Too Many Requests\r\nRetry-After: 1\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_owned()
        }
        "/busy/verysecret" => answer("200 OK"),
        "/moved/verysecret" => {
            "HTTP/1.1 302 Found\r\nLocation: /busy/verysecret\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
                .to_owned()
        }
        "/wrong/verysecret" => {
            "HTTP/1.1 404 Not Found\r\nContent-Length: 23\r\nConnection: close\r\n\r\nno_service of verysecret"
                .to_owned()
        }
        _ => answer("500 Internal Server Error"),
    });
    let (mail, _) = smtp(true);
    // One that takes connections and never answers.
    let silent = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = silent.local_addr().expect("an address");
    // One whose certificate nobody knows.
    let runner = CliRunner::new();
    let made = "openssl req -x509 -newkey rsa:2048 -nodes -keyout key.pem -out cert.pem -days 1 -subj /CN=localhost >/dev/null 2>&1";
    assert!(Command::new("sh").args(["-c", made]).current_dir(runner.path()).status().expect("sh runs").success());
    let port = TcpListener::bind("127.0.0.1:0").and_then(|free| free.local_addr()).expect("a port").port();
    let mut tls = Command::new("openssl")
        .args(["s_server", "-accept", &port.to_string(), "-cert", "cert.pem", "-key", "key.pem", "-quiet"])
        .current_dir(runner.path())
        .stdin(Stdio::piped())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("openssl runs");
    let path = drill(&runner, true, "");
    let mut args: Vec<String> = ["run", "--backend", "local", "--report-json", "report.json"].map(str::to_owned).into();
    for to in [
        format!("slack={url}/busy/verysecret"),
        format!("slack={url}/moved/verysecret"),
        format!("mattermost={url}/wrong/verysecret"),
        format!("teams={url}/broken/verysecret"),
        format!("webhook=http://{address}/verysecret"),
        format!("webhook=https://localhost:{port}/verysecret"),
        "webhook=http://127.0.0.1:1/verysecret".to_owned(),
        format!("email={}?from=a@example.com&to=b@example.com", mail.replace("//", "//me:verysecret@")),
    ] {
        args.extend(["--notify".to_owned(), to]);
    }
    args.push(path);
    let output = runner.output(&args);
    let told = said(&output);
    drop(silent);
    let _ = tls.kill();
    let _ = tls.wait();
    assert_eq!(output.status.code(), Some(6), "{told}");
    let host = url.trim_start_matches("http://");
    for part in [
        format!("slack ({host}) was not told: the server answered 302, and sends elsewhere"),
        format!("mattermost ({host}) was not told: the server answered 404: no_service of ***"),
        format!("teams ({host}) was not told: the server answered 500 (3 tries in"),
        "was not told: no answer within 8 s".to_owned(),
        format!("webhook (localhost:{port}) was not told: its certificate is not trusted"),
        "webhook (127.0.0.1:1) was not told: ".to_owned(),
        "email (127.0.0.1".to_owned(),
    ] {
        assert!(told.contains(&part), "not said: {part}\n{told}");
    }
    let report = std::fs::read_to_string(runner.path().join("report.json")).expect("a report");
    assert!(!told.contains("verysecret") && !report.contains("verysecret"), "{told}\n{report}");
    let report: Value = serde_json::from_str(&report).expect("JSON");
    assert_eq!((&report["outcome"], &report["exit_code"]), (&Value::from("passed"), &Value::from(6)), "{report}");
    assert_eq!(json(&requests, "/busy/verysecret").len(), 2);
    assert_eq!(json(&requests, "/broken/verysecret").len(), 3);
}

#[test]
fn a_run_that_does_not_begin_is_told_of_as_one_that_could_not_be_judged() {
    let (url, requests) = web(|_, _| answer("200 OK"));
    let runner = CliRunner::new();
    let path = drill(&runner, true, "");
    let (hook, beat) = (format!("webhook={url}/hook"), format!("{url}/beat"));
    let args = ["run", "--backend", "local", "--postgres", "13", "--notify", &hook, "--heartbeat", &beat, &path];
    let output = runner.output(args);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    let hook = json(&requests, "/hook");
    assert_eq!(hook[0]["outcome"], "errored");
    assert!(
        hook[0]["warnings"][0].as_str().is_some_and(|text| !text.is_empty())
            || hook[0]["drills"][0]["message"].is_string(),
        "{hook:?}"
    );
    assert!(json(&requests, "/beat").is_empty());
    let wrong = runner.output(["run", "--notify", "slak=http://127.0.0.1", &path]);
    assert_eq!(wrong.status.code(), Some(2), "{}", said(&wrong));
    assert!(said(&wrong).contains("did you mean `slack`?"), "{}", said(&wrong));
    let wrong = runner.output(["run", "--notify", "slack=env:NOT_SET_HERE", &path]);
    assert!(said(&wrong).contains("the variable NOT_SET_HERE is not set"), "{}", said(&wrong));
}
