//! What the language leaves open is built as an author would expect.

use std::process::Command;

/// Waiting for a query takes its value alone or as `assert_rows` writes it, and compares as people mean it: `false` is `f`.
const WAITS: &str = r#"
drillyard: 1
nodes: { a: {} }
steps:
  - wait_for: { query: SELECT pg_is_in_recovery(), equals: false }
  - wait_for: { query: SELECT pg_is_in_recovery(), equals: [[false]] }
  - wait_for: { query: SELECT 1, equals: [[1]] }
  - wait_for: { query: SELECT 1.50, equals: 1.5 }
  - wait_for: { query: SELECT 'x', equals: x }
  - wait_for: { query: SELECT NULL, equals: [[null]] }
  - wait_for: { query: SELECT false, equals: true }
    within: 200ms
    expect: { fails: "seen last: f$" }
  - assert_primary: { node: a }
"#;

#[test]
fn a_query_is_waited_for_as_people_write_its_value() {
    let dir = tempfile::tempdir().expect("a directory");
    let scenario = dir.path().join("waits.yaml");
    std::fs::write(&scenario, WAITS).expect("a scenario");
    let output = Command::new(env!("CARGO_BIN_EXE_drillyard"))
        .args(["run", "--backend", "local", "--verbose"])
        .arg(&scenario)
        .env("DRILLYARD_STATE_DIR", dir.path().join("state"))
        .env("DRILLYARD_CACHE_DIR", dir.path().join("cache"))
        .output()
        .expect("drillyard starts");
    let said = String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert_eq!(output.status.code(), Some(0), "{said}");
}
