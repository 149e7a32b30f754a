//! What the commands of a repo find in their environment, those that a server runs as well.

use super::error::{Result, run};
use crate::host::{Host, Program};

/// Variables, which may have secrets in them, and the directory in which they are written down.
#[derive(Debug, Clone)]
pub(super) struct Environment {
    dir: String,
    variables: Vec<(String, String)>,
}

impl Environment {
    /// These variables; the later of two wins.
    pub(super) fn new(dir: &str, variables: impl IntoIterator<Item = (String, String)>) -> Self {
        Environment { dir: dir.to_owned(), variables: variables.into_iter().collect() }
    }

    /// What they are.
    pub(super) fn variables(&self) -> &[(String, String)] {
        &self.variables
    }

    /// The program `words[0]` with its arguments, in this environment. A shell tells one that is
    /// not there from a host that fails.
    pub(super) fn program(&self, words: impl IntoIterator<Item = String>) -> Program {
        let mut program = Program::script(r#"exec "$@""#, words).with_network();
        program.env.extend(self.variables.iter().cloned());
        program
    }

    /// A shell command that a server runs, in this environment.
    pub(super) fn line(&self, command: &str) -> String {
        format!(". {}/env.sh; {command}", self.dir)
    }

    /// Writes it down for those, for nobody else to read; makes the directory `repo`, if there is
    /// one.
    pub(super) async fn write(&self, host: &dyn Host, repo: Option<&str>) -> Result<()> {
        let quoted = |value: &str| format!("'{}'", value.replace('\'', r"'\''"));
        let lines: String =
            self.variables.iter().map(|(name, value)| format!("export {name}={}\n", quoted(value))).collect();
        let args = [self.dir.as_str(), repo.unwrap_or_default()];
        let script = Program::script(include_str!("scripts/write_env.sh"), args).env("TEXT", lines);
        run(host, "mkdir", script).await.map(drop)
    }
}
