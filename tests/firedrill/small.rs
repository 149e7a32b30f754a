//! A drill that is ready within a second or two: rows are deleted, and a backup is there.

use crate::cli_runner::CliRunner;

/// A drill whose rows are deleted, and what comes behind that.
pub fn deleted_rows(name: &str, rest: &str) -> String {
    format!(
        "
drillyard: 1
name: {name}
repos: {{ onsite: {{}} }}
nodes: {{ master: {{ archive_to: onsite }} }}
steps:
  - id: rows
    create_data: {{ node: master, table: items, rows: 100 }}
  - id: nightly
    backup: {{ node: master, repo: onsite }}
  - id: accident
    overwrite: {{ node: master, query: DELETE FROM items }}
  - wait_archived: {{ node: master, through: accident }}
{rest}"
    )
}

impl CliRunner {
    /// The path of the drill without a `team` step: a copy beside the live server brings the rows
    /// back.
    pub fn small(&self) -> String {
        const REST: &str = "
  - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
  - assert_rows: { node: rescue, table: items, same_as: rows }
  - assert_rows: { node: master, table: items, count: 0, allow_empty: true }
";
        self.write("small.yaml", &deleted_rows("small", REST)).display().to_string()
    }
}
