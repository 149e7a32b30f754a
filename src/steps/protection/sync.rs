//! `sync`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Role, Scope, Step, StepKind, StepResult};
use crate::source::{Name, Spanned};

/// Brings a repo that is a copy of another one up to date.
///
/// ```yaml
/// repos: { onsite: {}, offsite: { copy_of: onsite } }
/// steps:
///   - sync: { repo: offsite }
/// ```
///
/// Backups and WAL segments that are not there yet are copied; what is there is left as it is, and nothing is removed.
///
/// It passes when the copy is complete. It fails when the original cannot be read.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sync {
    /// The copy.
    repo: Spanned<Name>,
    /// What it is a copy of.
    #[serde(skip)]
    original: String,
}

impl StepKind for Sync {
    const NAME: &'static str = "sync";
    const DEADLINE: Duration = Duration::from_secs(300);
    const ROLE: Role = Role::Act;
}

#[async_trait(?Send)]
impl Step for Sync {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        let Some(info) = scope.repo(&self.repo) else { return };
        match info.copy_of {
            Some(original) => self.original = original,
            None => {
                let title = format!("repo `{}` is not a copy of another one", self.repo.value);
                let related = (info.span, "made here, without `copy_of`".to_owned());
                scope.error_related(self.repo.span, title, "nothing to bring it up to date from", related);
            }
        }
    }

    fn title(&self) -> String {
        format!("sync {} from {}", self.repo.value, self.original)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let (from, to) = (cx.world.repo(&self.original)?, cx.world.repo(self.repo.as_str())?);
        let node = cx.world.any_host()?;
        Ok(to.copy_from(node.host()?.as_ref(), from.place()).await?)
    }
}
