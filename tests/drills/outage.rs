//! Outages: what is done to servers, hosts, networks and sites, on real ones.

use crate::cli_runner::CliRunner;
use crate::run::Run;

/// A primary with two standbys, and users who go to whichever accepts writes.
const SHOP: &str = r#"
repos: { onsite: { site: oslo }, offsite: { copy_of: onsite, site: bergen } }
nodes:
  master: { archive_to: onsite, site: oslo }
  standby: { follows: master, site: oslo }
  third: { follows: master }
steps:
  - sql: { node: master, query: "CREATE TABLE log (client int, seq int)" }
  - id: nightly
    backup: { node: master }
  - id: users
    traffic:
      nodes: [master, standby]
      clients: 3
      rate: 200
      transactions:
        visit:
          sql: INSERT INTO log (client, seq) VALUES ($client, $seq)
          ledger: { table: log, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 50 }
"#;

const OUTAGES: &str = r#"
  - id: crashed
    crash: { node: master }
  - crash: { node: master }
    expect: { fails: "(?s)`master` is not running.*it was crashed by an earlier step" }
  - pause: { node: master }
    expect: { fails: "(?s)`master` is not running.*it was crashed by an earlier step" }
  - assert_primary: { node: master }
    expect: { fails: "(?s)node `master` is not running: it was crashed" }
  - start: { node: master }
  - start: { node: master }
    expect: { fails: "(?s)`master` runs already" }
  - wait_for: { traffic: users, acked: 20, since: crashed }
  - id: frozen
    pause: { node: master }
  - pause: { node: master }
    expect: { fails: "(?s)`master` is paused" }
  - assert_primary: { node: master }
    expect: { fails: "(?s)an earlier step paused it" }
  - unpause: { node: master }
  - unpause: { node: master }
    expect: { fails: "(?s)`master` is not paused" }
  - wait_for: { traffic: users, acked: 20, since: frozen }
  - id: power
    kill_host: { node: master }
  - kill_host: { node: master }
    expect: { fails: "(?s)has no host any more.*its host was killed before" }
  - exec: { node: master, run: ["true"] }
    expect: { fails: "(?s)has no host any more" }
  - start: { node: master }
  - wait_for: { traffic: users, acked: 20, since: power }
  - assert_streaming: { standby: third, primary: master }
  - assert_streaming: { standby: standby, primary: master }
  - cut: { between: [standby, third] }
    within: 300ms
    expect: { fails: "(?s)`standby` and `third` to be connected.*neither of them streams from the other" }
  - id: dark
    cut: { between: [standby, master] }
  - cut: { between: [master, standby] }
    expect: { fails: "(?s)cut off from each other already" }
  - assert_streaming: { standby: third, primary: master }
  - assert_streaming: { standby: standby, primary: master }
    within: 2s
    expect: { fails: "(?s)timed out after [^:]* waiting for (a row written now|`standby` to stream)" }
  - wait_for: { traffic: users, acked: 20, since: dark }
  - heal: { between: [master, standby] }
  - heal: { between: [master, standby] }
    expect: { fails: "(?s)not cut off from each other" }
  - assert_streaming: { standby: standby, primary: master }
  - restart: { node: master, mode: immediate }
  - stop: { node: third }
  - stop: { node: third }
    expect: { fails: "(?s)`third` is not running.*it was stopped by an earlier step" }
  - restart: { node: third }
    expect: { fails: "(?s)`third` is not running" }
  - start: { node: third }
  - stop_traffic: users
  - assert_traffic: { traffic: users, node: master, lost: 0, duplicated: 0 }
  - id: command
    exec: { node: master, run: [psql, -XAtc, "SELECT :'what' || ' $VALUE'", -v, "what=it's"], env: { PGAPPNAME: "drill" } }
    expect: { fails: "(?s)`psql` failed.*exit status.*syntax error" }
  - id: output
    exec: { node: master, run: [sh, -c, "test -s \"$PGDATA/PG_VERSION\"; echo \"$WORD\"; psql -XAtc 'SELECT 40 + 2'"], env: { WORD: "${params.word}" } }
  - exec: { node: master, run: [no-such-program] }
    expect: { fails: "(?s)`no-such-program` failed .exit status 12[67]" }
  - id: gone
    lose_host: { node: standby }
  - start: { node: standby }
    expect: { fails: "(?s)there is no data directory to start" }
  - sync: { repo: offsite }
  - id: fire
    lose_site: { site: oslo }
  - lose_site: { site: oslo }
    expect: { fails: "(?s)site `oslo` is gone already" }
  - recover: { node: burnt, backup: nightly, until: latest, then: promote }
    expect: { fails: "(?s)repo `onsite` is gone.*it was lost with its site" }
  - recover: { node: rescue, backup: nightly, repo: offsite, until: latest, then: promote }
  - assert_traffic: { traffic: users, node: rescue, lost: 0 }
    expect: { fails: "(?s)acknowledged commits are missing.*before `gone`" }
  - assert_primary: { node: rescue }
"#;

fn outages(backend: &[&str]) -> Run {
    let runner = CliRunner::new();
    let text = format!("drillyard: 1\nname: drill\nparams: {{ word: \"a b\" }}\n{SHOP}{OUTAGES}");
    let path = runner.write("drill.yaml", &text).display().to_string();
    let all: Vec<&str> = backend.iter().copied().chain([path.as_str()]).collect();
    let run = runner.run(&all).passed();
    assert_eq!(run.fact("output", "output"), "a b\n42", "{}", run.said);
    // A mark, though the server was gone afterwards.
    for id in ["crashed", "frozen", "power", "dark", "fire"] {
        assert!(run.fact(id, "lsn").is_string(), "{id}: {}", run.said);
    }
    // The logs of servers that are gone are evidence, too.
    for node in ["master", "standby", "third", "rescue"] {
        let run_id = run.report["run"].as_str().expect("an id");
        let log = runner.path().join(format!("state/runs/{run_id}/logs/0-drill/{node}.log"));
        let text = std::fs::read_to_string(&log).unwrap_or_default();
        assert!(text.contains("ready to accept"), "{node}: {text}");
    }
    run
}

#[test]
fn outages_on_local_processes() {
    outages(&["--backend", "local"]);
}

#[test]
fn docker_outages_in_containers() {
    outages(&["--backend", "docker", "--postgres", "15"]);
}

#[test]
fn a_smart_stop_waits_for_sessions_and_says_so() {
    let steps = r#"
nodes: { master: {} }
steps:
  - sql: { node: master, query: "CREATE TABLE log (client int, seq int)" }
  - id: users
    traffic:
      node: master
      transactions: { visit: { sql: "INSERT INTO log VALUES ($client, $seq)", ledger: { table: log, client: client, seq: seq } } }
  - wait_for: { traffic: users, acked: 1 }
  - stop: { node: master, mode: smart }
    within: 2s
"#;
    let run = CliRunner::new().drill(steps, &[]);
    run.failed(1, &["does not stop (smart)", "`fast` ends them"]);
}
