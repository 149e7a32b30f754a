//! People who sit at other machines: the servers' ports with TLS, and the board's pause.

use std::process::{Command, Output};

use crate::cli_runner::CliRunner;
use crate::held::Held;
use crate::program::said;

/// The value of a key of a service in the handout.
fn service(held: &Held<'_>, service: &str, key: &str) -> String {
    let text = std::fs::read_to_string(held.handout.join("pg_service.conf")).expect("services");
    let (_, rest) = text.split_once(&format!("[{service}]\n")).expect("the service");
    let line = rest.lines().find_map(|line| line.strip_prefix(&format!("{key}=")));
    line.expect("the key").to_owned()
}

/// psql on a service of the handout, from this machine as from any other.
fn psql(held: &Held<'_>, name: &str, more: &str) -> Output {
    let (host, port) = (service(held, name, "host"), service(held, name, "port"));
    let conninfo = format!("host={host} port={port} user=postgres dbname=postgres {more}");
    let mut psql = Command::new("timeout");
    psql.args(["20", "psql", "-X", "-A", "-t", "-c", "SELECT count(*) FROM items"]).arg(conninfo);
    psql.env("PGPASSFILE", held.handout.join(".pgpass")).output().expect("psql runs")
}

#[test]
fn servers_are_reached_by_tls_and_their_password_alone() {
    let runner = CliRunner::new();
    let file = runner.small();
    let mut held = runner.hold(&["--reachable", "127.0.0.1", "--board", "off", &file]);
    held.wait_said("it has happened: the clock runs");
    // It is answered when the drill has done its part.
    let _ = held.say(&["judge"]);
    let certificate = held.handout.join("server.crt").display().to_string();
    let trusted = format!("sslmode=verify-full sslrootcert={certificate}");
    let answer = psql(&held, "master-remote", &trusted);
    assert_eq!(said(&answer).trim(), "0", "all rows are deleted");
    let refused = |name: &str, more: &str, why: &str| {
        let answer = psql(&held, name, more);
        assert!(!answer.status.success() && said(&answer).contains(why), "{}", said(&answer));
    };
    refused("master-remote", "sslmode=disable", "this way to the server needs TLS");
    refused("master-remote", &format!("{trusted} password=wrong"), "password authentication failed");
    refused("rescue-remote", &trusted, "there is no server `rescue` yet");
    held.give_up().with(1, "failed");
}

#[test]
fn the_facilitators_pause_is_no_time_of_the_teams() {
    let runner = CliRunner::new();
    let file = runner.small();
    let mut held = runner.hold(&["--for", "5m", &file]);
    held.wait_said("it has happened: the clock runs");
    let page = held.line("facilitator: ");
    let (role, _) = page.rsplit_once('/').expect("a token");
    let origin = role.strip_suffix("/facilitator").expect("the facilitator's page").to_owned();
    let jar = runner.path().join("cookies").display().to_string();
    let curl = |args: &[&str]| {
        let output = Command::new("curl").args(["-s", "-m", "20"]).args(args).output().expect("curl runs");
        said(&output)
    };
    curl(&["-c", &jar, "-o", "/dev/null", &page]);
    let asks = |body: &str| {
        let origin = format!("Origin: {origin}");
        let ask = format!("{role}/ask");
        curl(&["-b", &jar, "-H", "Content-Type: application/json", "-H", &origin, "-d", body, &ask])
    };
    assert!(asks(r#"{"ask":"pause"}"#).contains("the clock stands still"));
    assert!(said(&held.say(&["done"])).contains("the clock stands still"), "nothing is judged meanwhile");
    std::thread::sleep(std::time::Duration::from_secs(3));
    assert!(asks(r#"{"ask":"resume"}"#).contains("the clock goes on"));
    let resumed = held.wait_for("resumed", |_| true);
    assert!(resumed["paused_ms"].as_u64() >= Some(3000), "{resumed}");
    held.give_up().with(1, "failed");
}

#[test]
fn a_handout_replaces_nobodys_files() {
    let runner = CliRunner::new();
    let file = runner.small();
    std::fs::create_dir(runner.path().join("handout")).expect("a directory");
    let theirs = runner.write("handout/.pgpass", "mine");
    let output = runner.output(["firedrill", "--backend", "local", "--handout", "handout", &file]);
    assert_eq!(output.status.code(), Some(4), "{}", said(&output));
    assert!(said(&output).contains(".pgpass is there already"), "{}", said(&output));
    assert_eq!(std::fs::read_to_string(theirs).ok().as_deref(), Some("mine"));
}
