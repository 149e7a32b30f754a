//! What the language leaves open is built as an author would expect.

use crate::cli_runner::CliRunner;

/// Waiting for a query takes its value alone or as `assert_rows` writes it, and compares as people
/// mean it: `false` is `f`.
const WAITS: &str = r#"
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
    expect: { fails: "last seen: f$" }
  - assert_primary: { node: a }
"#;

#[test]
fn a_query_is_waited_for_as_people_write_its_value() {
    CliRunner::new().drill(WAITS, &[]).passed();
}
