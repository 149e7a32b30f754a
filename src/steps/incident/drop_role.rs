//! `drop_role`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::error::SqlState;

use crate::harness::{Context, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::node::SUPERUSER;
use crate::pg::quote_identifier;
use crate::source::{RoleName, Spanned};
use crate::steps::incident::drop_table::did_not_happen;

/// Drops a role, with its password, memberships and settings.
///
/// ```yaml
/// - id: accident
///   drop_role: { node: master, role: clerk }
/// - drop_role: { node: master, role: app, owned: true, cascade: true, database: shop }
/// ```
///
/// The server refuses to drop a role that owns something or to which something is granted. `owned:
/// true` drops all of that first, in one database and in the same transaction (DROP OWNED BY), with
/// `cascade: true` also what depends on it. With an `id` the step is a mark.
///
/// It passes if the role is gone. It fails if the server refuses, and if there was no such role.
/// Roles are of the whole server: `dump: { globals: true }` of a recovered server brings them back.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct DropRoleSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The role.
    role: Spanned<RoleName>,
    /// Drops what it owns, and takes back what was granted to it.
    #[serde(default)]
    owned: Option<Spanned<bool>>,
    /// With `owned`: drops what depends on that, too.
    #[serde(default)]
    cascade: Option<Spanned<bool>>,
    /// With `owned`: the database in which it owns that.
    #[serde(default)]
    database: Option<Spanned<String>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct DropRole {
    /// The server.
    node: NodeRef,
    /// The role.
    role: Spanned<RoleName>,
    /// What becomes of what it owns.
    owned: Owned,
    /// The database in which it owns that.
    database: Option<Spanned<String>>,
}

/// What becomes of what a role owns.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owned {
    /// The role may own nothing.
    Kept,
    /// It is dropped, if nothing else depends on it.
    Dropped,
    /// It is dropped with all that depends on it.
    DroppedCascade,
}

impl StepKind for DropRoleSpec {
    type Step = DropRole;

    const NAME: &'static str = "drop_role";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const MARK: MarkKind = MarkKind::Transaction;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<DropRole> {
        let node = scope.primary(&self.node);
        let drops = self.owned.is_some_and(|owned| owned.value);
        let cascades = self.cascade.as_ref().is_some_and(|cascade| cascade.value);
        let alone = [self.cascade.as_ref().map(|one| one.entry), self.database.as_ref().map(|one| one.entry)];
        for entry in alone.into_iter().flatten().filter(|_| !drops) {
            let help = "a role is of the whole server; write `owned: true` to drop what it owns in a database";
            scope.error_help(entry, "this goes with `owned: true`", "in which nothing of the role's is dropped", help);
        }
        if self.role.value.as_str() == SUPERUSER {
            let title = format!("`{SUPERUSER}` cannot be dropped");
            scope.error_help(self.role.span, title, "drillyard logs in as this role", "drop another one");
        }
        let owned = match (drops, cascades) {
            (false, _) => Owned::Kept,
            (true, false) => Owned::Dropped,
            (true, true) => Owned::DroppedCascade,
        };
        Some(DropRole { node: node?, role: self.role, owned, database: self.database })
    }
}

#[async_trait(?Send)]
impl Step for DropRole {
    fn title(&self) -> String {
        let owned = match self.owned {
            Owned::Kept => "",
            Owned::Dropped => " and what it owns",
            Owned::DroppedCascade => " and what it owns, cascade",
        };
        format!("drop role {} on {}{owned}", self.role.value, self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let role = quote_identifier(self.role.value.as_str());
        let owned = match self.owned {
            Owned::Kept => String::new(),
            Owned::Dropped => format!("DROP OWNED BY {role}; "),
            Owned::DroppedCascade => format!("DROP OWNED BY {role} CASCADE; "),
        };
        cx.marked_in(&node, self.database.as_ref(), async |client, cx| {
            let done = cx.in_transaction(client, &format!("{owned}DROP ROLE {role}")).await;
            done.map_err(|error| {
                let depends = error.code() == Some(&SqlState::DEPENDENT_OBJECTS_STILL_EXIST);
                let finding = did_not_happen(error, format!("role {}", self.role.value), self.role.span);
                match (depends, self.owned) {
                    (true, Owned::Kept) => finding.help("`owned: true` drops in one database what it owns there"),
                    _ => finding,
                }
            })
        })
        .await
    }
}
