//! `drillyard prove`: what it says of drills that notice, and of drills that don't.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::shipped::jobs;

/// What came of proving.
struct Proof {
    code: i32,
    said: String,
    report: Value,
}

impl Proof {
    fn of(runner: &CliRunner, args: &[&str]) -> Self {
        let json = runner.path().join("proof.json");
        let path = json.display().to_string();
        let all: Vec<&str> =
            ["prove", "--backend", "local", "-j", jobs(), "--color", "never", "-v", "--report-json", &path]
                .iter()
                .chain(args)
                .copied()
                .collect();
        let output = runner.output(all);
        let report = std::fs::read_to_string(&json).ok().and_then(|text| serde_json::from_str(&text).ok());
        Proof { code: output.status.code().unwrap_or(-1), said: said(&output), report: report.unwrap_or_default() }
    }

    /// What came of the drill's breaks: their names and verdicts.
    fn verdicts(&self) -> Vec<(&str, &str)> {
        let breaks =
            self.report["drills"][0]["breaks"].as_array().unwrap_or_else(|| panic!("no breaks: {}", self.said));
        breaks.iter().map(|one| (one["break"].as_str().unwrap_or(""), one["verdict"].as_str().unwrap_or(""))).collect()
    }

    fn verdict(&self, name: &str) -> &str {
        let found = self.verdicts().into_iter().find(|(one, _)| *one == name);
        found.unwrap_or_else(|| panic!("no break {name}: {}", self.said)).1
    }

    fn ended(self, code: i32, parts: &[&str]) -> Self {
        assert_eq!(self.code, code, "{}", self.said);
        assert_eq!(self.report["exit_code"], code, "{}", self.said);
        for part in parts {
            assert!(self.said.contains(part), "not said: {part}\n{}", self.said);
        }
        self
    }
}

fn prove(yaml: &str, args: &[&str]) -> Proof {
    let runner = CliRunner::new();
    let path = runner.write("drill.yaml", &format!("drillyard: 1\nname: drill\n{yaml}")).display().to_string();
    let all: Vec<&str> = std::iter::once(path.as_str()).chain(args.iter().copied()).collect();
    let proof = Proof::of(&runner, &all);
    let left: Vec<_> =
        std::fs::read_dir(runner.work()).expect("a directory").flatten().map(|e| e.file_name()).collect();
    let run = proof.report["run"].as_str().filter(|run| !run.is_empty()).unwrap_or("none");
    assert!(!left.iter().any(|name| name.to_string_lossy().contains(run)), "left behind: {run}\n{}", proof.said);
    proof
}

#[test]
fn the_dropped_table_drill_notices_everything() {
    let runner = CliRunner::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/human-error/dropped-table.yaml");
    let proof = Proof::of(&runner, &[&file.display().to_string()]).ended(0, &["(100%), 1 ignored"]);
    let verdicts = proof.verdicts();
    assert!(verdicts.len() >= 19, "{verdicts:?}");
    assert!(verdicts.iter().all(|(_, verdict)| *verdict == "noticed" || *verdict == "ignored"), "{verdicts:?}");
    for name in
        ["row-changed imported", "transaction-lost users:master", "standby-stopped standby", "left-out recover:rescue"]
    {
        assert_eq!(proof.verdict(name), "noticed");
    }
}

/// Tables with all that can be lost, brought back on the very server that lost them. `JUDGED` is
/// what the drill ends with.
const SHOP: &str = r#"
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
  standby: { follows: master }
PROVE
steps:
  - sql:
      node: master
      query: >
        CREATE SCHEMA shop; CREATE ROLE clerk;
        CREATE TABLE shop.items (id bigint GENERATED ALWAYS AS IDENTITY PRIMARY KEY, code text UNIQUE, price numeric NOT NULL
          CHECK (price > 0), gross numeric GENERATED ALWAYS AS (price * 1.25) STORED, "In Stock" boolean, added date);
        CREATE TABLE shop.sales (item bigint, at timestamptz DEFAULT now(), n int);
        INSERT INTO shop.items (code, price, "In Stock", added) SELECT 'i' || i, i, i % 2 = 0, '2026-01-01' FROM generate_series(1, 50) i;
        CREATE INDEX items_added ON shop.items (added);
        ALTER TABLE shop.sales ADD FOREIGN KEY (item) REFERENCES shop.items;
        GRANT SELECT, INSERT ON shop.items TO clerk;
        COMMENT ON INDEX shop.items_added IS 'for the newest';
  - id: nightly
    backup: { node: master }
  - sql: { node: master, query: "INSERT INTO shop.items (code, price, added) VALUES ('later', 51, '2026-01-02')" }
  - id: before
    snapshot: { node: master, tables: [shop.items] }
  - id: accident
    drop_table: { node: master, table: shop.items, cascade: true }
  - wait_archived: { node: master, through: accident }
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - id: items
    dump: { node: rescue, tables: [shop.items], dependents: true }
  - reimport: { dump: items, node: master }
JUDGED
"#;

fn shop(prove: &str, judged: &str) -> String {
    SHOP.replace("PROVE", prove).replace("JUDGED", judged)
}

const DAMAGES: [&str; 7] =
    ["row-deleted", "row-changed", "row-doubled", "foreign-key-lost", "index-lost", "grant-lost", "sequence-lost"];

/// Every damage is undone to the last bit: the judgements that notice each of them hold after all
/// of them.
#[test]
fn a_drill_that_judges_rows_and_catalog_notices_every_damage() {
    let judged = "  - all:
      - assert_rows: { node: master, table: shop.items, same_as: before }
      - assert_rows: { node: standby, table: shop.items, same_as: before }
      - assert_catalog: { node: master, same_as: before }
      - assert_log: { node: master, lacks: 'ERROR|PANIC' }
      - assert_streaming: { standby: standby, primary: master }";
    let proof = prove(&shop("", judged), &[]).ended(0, &["score: 14 of 14 (100%)"]);
    for damage in DAMAGES {
        assert_eq!(proof.verdict(&format!("{damage} reimport:master")), "noticed", "{}", proof.said);
    }
}

#[test]
fn a_drill_that_looks_at_nothing_misses_everything() {
    let judged = "  - assert_primary: { node: master }";
    let proof = prove(&shop("", judged), &["--only", "reimport:master"])
        .ended(1, &["MISSED   row-changed reimport:master", "score: 0 of 8 (0%)"]);
    for damage in DAMAGES {
        assert_eq!(proof.verdict(&format!("{damage} reimport:master")), "missed", "{}", proof.said);
    }
    assert_eq!(proof.verdict("left-out reimport:master"), "missed");
    assert_eq!(proof.report["outcome"], "failed");
}

#[test]
fn what_makes_no_difference_is_declared_and_shown() {
    let ignore = "prove: { ignore: [ { break: grant-lost reimport:master, because: nobody reads it } ] }";
    let judged = "  - assert_rows: { node: master, table: shop.items, same_as: before }";
    let said = ["ignored  grant-lost reimport:master", "nobody reads it", "1 ignored"];
    let proof = prove(&shop(ignore, judged), &["--only", "-lost reimport:master"]).ended(1, &said);
    assert_eq!(proof.verdict("index-lost reimport:master"), "missed");
    assert_eq!(proof.verdicts().len(), 4, "{}", proof.said);
}

#[test]
fn of_a_drill_that_fails_unbroken_nothing_is_proved() {
    let judged = "  - assert_rows: { node: master, table: shop.items, count: 7 }";
    let said =
        ["nothing is proved: it fails unbroken", "it has 51", "score: 0 of 0 (0%), 1 drill did not pass unbroken"];
    let proof = prove(&shop("", judged), &[]).ended(1, &said);
    assert_eq!(proof.report["drills"][0]["unbroken"], "failed");
    assert_eq!(proof.verdicts(), []);
}

/// A primary key that a foreign key refers to cannot be lost alone.
#[test]
fn an_index_that_something_depends_on_is_nothing_to_break() {
    let yaml = "
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - sql: { node: master, query: 'CREATE TABLE o (id int PRIMARY KEY); INSERT INTO o VALUES (1); CREATE TABLE l (o int REFERENCES o); INSERT INTO l VALUES (1)' }
  - { id: before, snapshot: { node: master, tables: [o] } }
  - { id: nightly, backup: { node: master } }
  - { id: accident, drop_table: { node: master, table: o, cascade: true } }
  - wait_archived: { node: master }
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - { id: items, dump: { node: rescue, tables: [o], dependents: true } }
  - reimport: { dump: items, node: master }
  - all:
      - assert_catalog: { node: master, same_as: before }
      - assert_rows: { node: master, table: o, same_as: before }
";
    let proof = prove(yaml, &["--only", "-lost"])
        .ended(0, &["left out, with nothing there to break: index-lost reimport:master"]);
    assert_eq!(proof.verdicts(), [("foreign-key-lost reimport:master", "noticed")], "{}", proof.said);
}

#[test]
fn every_report_of_a_proof_says_what_was_missed_and_it_is_a_past_run() {
    let runner = CliRunner::new();
    let yaml = shop("", "  - assert_rows: { node: master, table: shop.items, same_as: before }");
    let path = runner.write("drill.yaml", &format!("drillyard: 1\nname: drill\n{yaml}")).display().to_string();
    let file = |name: &str| runner.path().join(name).display().to_string();
    let (xml, md, html, events) = (file("proof.xml"), file("proof.markdown"), file("html"), file("events.jsonl"));
    let reports = ["--report-junit", &xml, "--report-md", &md, "--report-html", &html, "--events", &events];
    let only = ["--only", "index-lost", &path];
    let proof = Proof::of(&runner, &reports.iter().chain(&only).copied().collect::<Vec<_>>())
        .ended(1, &["MISSED   index-lost reimport:master"]);
    let read = |name: &str| std::fs::read_to_string(runner.path().join(name)).expect("a report");
    let junit = read("proof.xml");
    let said = "the drill does not notice `index-lost reimport:master`";
    assert!(junit.contains("failures=\"1\"") && junit.contains(&format!("<failure message=\"{said}\"")), "{junit}");
    assert!(read("proof.markdown").contains(said), "{}", read("proof.markdown"));
    let page = read("html/index.html");
    assert!(page.contains("<tr class=\"failed\"><td>missed</td><td>index-lost reimport:master</td>"), "{page}");
    assert!(read("events.jsonl").lines().any(|line| line.contains(r#""event":"break_tried""#)));
    let show = |args: &[&str]| {
        let output = runner.drillyard(args).output().expect("drillyard runs");
        String::from_utf8_lossy(&output.stdout).into_owned()
    };
    assert!(show(&["runs"]).contains("proof of drill"), "{}", show(&["runs"]));
    let run = proof.report["run"].as_str().expect("a run");
    assert_eq!(show(&["runs", "show", run, "--format", "junit"]), junit);
    let again = show(&["runs", "show", run]);
    assert!(again.contains("MISSED   index-lost reimport:master") && again.contains("servers' logs"), "{again}");
}

/// Users who are at work while they are judged: their tables are damaged in runs of their own.
#[test]
fn with_users_at_work_the_rows_are_damaged_in_runs_of_their_own() {
    let yaml = r#"
nodes: { master: {} }
steps:
  - sql: { node: master, query: "CREATE TABLE log (client int, seq int)" }
  - id: users
    traffic:
      node: master
      clients: 2
      rate: 100
      transactions:
        visit:
          sql: INSERT INTO log (client, seq) VALUES ($client, $seq)
          ledger: { table: log, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 50 }
  - assert_traffic: { traffic: users, node: master, lost: 0 }
  - stop_traffic: users
"#;
    let proof = prove(yaml, &[]).ended(0, &["noticed  transaction-lost users:master", "1 of"]);
    assert_eq!(proof.verdicts().len(), 1);
}

#[test]
fn what_cannot_be_proved_is_said_before_anything_starts() {
    let nothing = "nodes: { master: {} }\nsteps:\n  - assert_primary: { node: master }\n";
    prove(nothing, &[]).ended(5, &["there is nothing to break"]);
    let runner = CliRunner::new();
    let path =
        runner.write("drill.yaml", &format!("drillyard: 1\n{}", shop("", "  - assert_primary: { node: master }")));
    let proof = Proof::of(&runner, &[&path.display().to_string(), "--only", "row-change imported"]);
    assert_eq!(proof.code, 2, "{}", proof.said);
    assert!(proof.said.contains("did you mean `row-changed reimport:master`?"), "{}", proof.said);
}

#[test]
fn sql_that_repairs_is_left_out_and_the_drill_that_ships_notices() {
    let runner = CliRunner::new();
    let drill = format!("{}/scenarios/human-error/dropped-column.yaml", env!("CARGO_MANIFEST_DIR"));
    let proof = Proof::of(&runner, &[&drill, "--only", "left-out sql"]).ended(0, &["score: 2 of 2 (100%)"]);
    assert_eq!(proof.verdict("left-out sql:master"), "noticed", "{}", proof.said);
}

/// What there is nothing to break of is named, so that the list is as long as that of the plan.
#[test]
fn sql_that_repairs_what_sql_has_spoilt_is_left_out() {
    let yaml = r#"
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
steps:
  - sql: { query: "CREATE TABLE notes (id int PRIMARY KEY, note text); INSERT INTO notes SELECT i, 'n' || i FROM generate_series(1, 9) i" }
  - { id: before, snapshot: { node: master, tables: [notes] } }
  - { id: nightly, backup: { node: master } }
  - { id: accident, sql: { query: "UPDATE notes SET note = 'x'" } }
  - wait_archived: { node: master, through: accident }
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - sql: { node: rescue, query: CREATE SCHEMA old; ALTER TABLE notes SET SCHEMA old }
  - { id: old, dump: { node: rescue, schemas: [old] } }
  - reimport: { dump: old, node: master }
  - sql: { node: master, query: UPDATE notes n SET note = o.note FROM old.notes o WHERE o.id = n.id }
  - assert_rows: { node: master, table: notes, same_as: before }
"#;
    let proof = prove(yaml, &["--only", "sql"]).ended(0, &["score: 2 of 2 (100%)"]);
    assert_eq!(proof.verdict("left-out sql:master"), "noticed", "{}", proof.said);
    let nothing = prove(yaml, &["--only", "sequence-lost"]);
    let said = ["0 breaks, 1 left out", "left out, with nothing there to break: sequence-lost reimport:master"];
    assert!(said.iter().all(|part| nothing.said.contains(part)), "{}", nothing.said);
}

/// An incident that is left out leaves its mark: the drill goes on, and has to see that nothing
/// happened.
#[test]
fn an_incident_that_never_happened_is_noticed_by_what_is_judged() {
    let judged = "  - assert_rows: { node: master, table: shop.items, same_as: before }";
    let proof = prove(&shop("", judged), &["--only", "no-incident"]).ended(0, &["already exists"]);
    assert_eq!(proof.verdict("no-incident accident"), "noticed");
}

/// What carries a run's id: its files, and processes.
fn remains(runner: &CliRunner, run: &str) -> Vec<String> {
    let files = std::fs::read_dir(runner.work()).expect("a directory").flatten();
    let files = files.map(|entry| entry.path().display().to_string());
    let processes = std::fs::read_dir("/proc").expect("/proc").flatten().filter_map(|entry| {
        let line = std::fs::read(entry.path().join("cmdline")).ok()?;
        Some(String::from_utf8_lossy(&line).replace('\0', " "))
    });
    files.chain(processes).filter(|text| text.contains(run)).collect()
}

#[test]
fn a_proof_that_is_killed_in_the_middle_of_a_branch_leaves_nothing_behind() {
    let runner = CliRunner::new();
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios/human-error/dropped-table.yaml");
    let mut killed = runner
        .drillyard(["prove", "--backend", "local", "--color", "never", &file.display().to_string()])
        .stdout(std::process::Stdio::piped())
        .stderr(std::process::Stdio::null())
        .spawn()
        .expect("drillyard runs");
    let mut said = BufReader::new(killed.stdout.take().expect("its output"));
    let mut line = String::new();
    said.read_line(&mut line).expect("a line");
    let run = line.split([' ', ':']).nth(1).expect("a run's id").to_owned();
    let until = |what: &str, seconds, holds: &dyn Fn() -> bool| {
        let begun = Instant::now();
        while !holds() {
            assert!(begun.elapsed() < Duration::from_secs(seconds), "{what}: {:?}", remains(&runner, &run));
            std::thread::sleep(Duration::from_millis(20));
        }
    };
    until("a server of a branch", 120, &|| remains(&runner, &run).iter().any(|text| text.contains("rescue.broken")));
    killed.kill().expect("a signal");
    killed.wait().expect("its end");
    until("nothing is left", 30, &|| remains(&runner, &run).is_empty());
}

/// Incidents during a step: one that is left out is noticed by that very step, which was expected
/// to fail, and a drill goes on from one that is a mark.
#[test]
fn incidents_during_a_step_are_left_out_and_noticed() {
    let yaml = r#"
repos: { onsite: {} }
nodes: { master: { archive_to: onsite } }
prove: { ignore: [ { break: too-early recover:rescue, because: nothing is written just before the accident } ] }
steps:
  - id: rows
    create_data: { node: master, table: items, rows: 100 }
  - id: nightly
    backup: { node: master }
  - id: long
    sql: { node: master, query: SELECT pg_sleep(0.5) }
  - id: accident
    drop_table: { node: master, table: items }
    during: { step: long }
  - assert_rows: { node: master, query: "SELECT to_regclass('items') IS NULL", equals: true }
  - id: query
    sql: { node: master, query: SELECT pg_sleep(3) }
    expect: { fails: "terminat|not running|closed|master" }
  - id: power
    crash: { node: master }
    during: { step: query, after: 100ms }
    within: 5s
  - start: { node: master }
  - wait_archived: { node: master, through: accident }
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - assert_rows: { node: rescue, table: items, same_as: rows }
"#;
    let proof = prove(yaml, &[]).ended(0, &["noticed  no-incident power", "expected to fail, and passed"]);
    for name in ["no-incident accident", "no-incident power", "left-out start:master", "left-out recover:rescue"] {
        assert_eq!(proof.verdict(name), "noticed", "{}", proof.said);
    }
}
