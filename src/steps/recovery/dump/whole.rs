//! Dumps of more than a part of a database: all of it, or the roles of the server.

use std::time::Instant;

use super::TakeDump;
use crate::data::Roles;
use crate::harness::{Context, Finding, Ran, StepResult};
use crate::host::Program;
use crate::node::{Node, Purpose, conninfo_of};
use crate::steps::judgement::assert_roles::roles;

/// Dumps the roles, so that those that are there already are left as they are.
const DUMP_ROLES: &str = include_str!("../scripts/dump_roles.sh");

/// Dumps what makes a database itself: its owner, encoding, locale, settings, grants.
const DUMP_ITSELF: &str = include_str!("../scripts/dump_database_itself.sh");

impl TakeDump {
    /// Dumps what makes the database itself, and gives the file.
    pub(super) async fn dump_itself(&self, cx: &mut Context<'_>, node: &Node) -> Result<String, Box<Finding>> {
        let path = self.file(node, "-itself")?;
        let database = self.database.as_ref().map_or(crate::node::DATABASE, |database| database.as_str());
        let what = "dump what makes the database itself: owner, encoding, locale, settings, grants";
        self.run_script(cx, node, what, (DUMP_ITSELF, &[conninfo_of(database), path.clone()])).await?;
        Ok(path)
    }

    /// Dumps the roles, and gives the file and the roles.
    pub(super) async fn dump_roles(&self, cx: &mut Context<'_>, node: &Node) -> Result<(String, Roles), Box<Finding>> {
        let path = self.file(node, "")?;
        let read = roles(cx, node).await?;
        self.run_script(cx, node, "dump the roles", (DUMP_ROLES, std::slice::from_ref(&path))).await?;
        Ok((path, read))
    }

    async fn run_script(
        &self,
        cx: &mut Context<'_>,
        node: &Node,
        what: &str,
        (script, args): (&str, &[String]),
    ) -> StepResult {
        let env = node.client_program("pg_dump", Purpose::Own)?.env;
        let program = Program { env, ..Program::script(script, args.to_vec()) };
        cx.wait("pg_dump");
        let began = Instant::now();
        let output = node.host()?.run(program.clone()).await?;
        if !output.success() {
            return Err(self.explain(output.stderr.trim()));
        }
        cx.ran(Ran::program(node, what, &program).took(began.elapsed()));
        Ok(())
    }
}
