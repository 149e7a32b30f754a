//! What a server that recovers has as restore_command.

use std::borrow::Cow;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::Deserialize;

use crate::harness::{Finding, RepoId, Scope};
use crate::host::Host;
use crate::repo::Repo;
use crate::source::{Shell, Spanned};

/// As a scenario writes it.
#[derive(Debug, Clone, Deserialize)]
#[serde(transparent)]
pub(crate) struct RestoreCommandSpec(Shell);

/// What a server has as restore_command.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum RestoreCommand {
    /// That of its repo.
    OfRepo,
    /// The mistake of having none.
    Forgotten,
    /// A command of the scenario's own.
    Own(String),
}

impl JsonSchema for RestoreCommandSpec {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "RestoreCommand".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({
            "type": "string",
            "description": "`none`, or a shell command with `%f` and `%p`; references are not substituted in it"
        })
    }
}

impl RestoreCommand {
    /// The command that the scenario gives for a repo, if it gives any.
    pub(crate) fn of(
        written: Option<&Spanned<RestoreCommandSpec>>,
        repo: Option<&RepoId>,
        scope: &mut Scope<'_>,
    ) -> Self {
        let Some(written) = written else { return RestoreCommand::OfRepo };
        let text = written.value.0.0.trim();
        let existing = repo.and_then(|repo| scope.repo_info(repo)?.existing);
        match text {
            "none" => return RestoreCommand::Forgotten,
            "" => {
                scope.error_help(
                    written.entry,
                    "this restore_command is empty",
                    "restore what?",
                    "for none write `none`",
                );
            }
            _ => {}
        }
        if let Some(existing) = existing {
            let label = "a server with somebody else's data runs no command but its repo's";
            scope.error_related(
                written.entry,
                "`restore_command` is for a drill's own repos",
                label,
                (existing, "existing".to_owned()),
            );
        }
        RestoreCommand::Own(text.to_owned())
    }

    /// The setting of a server on this host that reads this repo; none if it has none.
    pub(crate) async fn setting(&self, repo: &Repo, host: &dyn Host) -> Result<Option<String>, Box<Finding>> {
        Ok(match self {
            RestoreCommand::OfRepo => Some(repo.restore_command_on(host).await?),
            RestoreCommand::Forgotten => None,
            RestoreCommand::Own(command) => Some(repo.own_command(command)),
        })
    }

    /// Whether the server reads an archive.
    pub(crate) fn reads(&self) -> bool {
        *self != RestoreCommand::Forgotten
    }
}
