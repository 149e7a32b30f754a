//! `assert_roles`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::data::{DataError, Roles, RolesComparison};
use crate::harness::{
    Context, Effects, Finding, NodeField, NodeRef, Output, Resolved, Role, Scope, Step, StepKind, StepRef, StepResult,
};
use crate::node::{Node, SqlError, TAKES_SESSIONS};
use crate::source::{RoleName, Span, Spanned, StepOrNodeName};
use crate::steps::judgement::caught_up::{receives, replayed};
use crate::steps::judgement::query_rows::first_of;

/// Checks whether a server has the same roles as another one, or as it had at another time.
///
/// ```yaml
/// - assert_roles: { node: rescue, same_as: master }
/// - assert_roles: { node: rescue, same_as: master, ignore: [drill, nagios] }
/// ```
///
/// `same_as` is another node, an external one too, or the id of a `snapshot` step that says `roles:
/// true`. It compares roles with their attributes and comments, memberships with their options (not
/// who granted them), what ALTER ROLE and ALTER DATABASE set, databases with their owners, limits
/// and the grants on them, grants on tablespaces and on parameters (15+), and default privileges in
/// every database that accepts a session. Of passwords it compares
/// only who has one, and that only if both servers let it read pg_authid. The values of settings
/// with a dot in their names (`app.token`), which an application may keep secrets in, are compared
/// and never shown. Roles that begin with `pg_` are the server's own. What is said of a role in
/// `ignore` is left out. It reports how many `roles` it compared, and what was `not_compared`.
///
/// A server that streams is compared when it has replayed what the other one had written.
///
/// It passes if nothing differs. It fails with what is missing, what should not be there and what
/// changed, a line each; and if no role is left to be compared, or `ignore` names one that neither
/// has.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct AssertRolesSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The node or the `snapshot` step that has the roles that it should have.
    same_as: StepOrNodeName,
    /// Roles that are left out.
    #[serde(default)]
    ignore: Vec<Spanned<RoleName>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct AssertRoles {
    /// The server.
    node: NodeRef,
    /// What has the roles that it should have.
    same_as: Other,
    /// Where that is written.
    at: Span,
    /// Roles that are left out.
    ignore: Vec<Spanned<RoleName>>,
}

/// What has the roles that there should be.
#[derive(Debug)]
enum Other {
    /// Another node.
    Node(NodeRef),
    /// A snapshot.
    Snapshot(StepRef),
}

impl StepKind for AssertRolesSpec {
    type Step = AssertRoles;

    const NAME: &'static str = "assert_roles";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Check;
    const FACTS: &'static str = "roles not_compared";

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<AssertRoles> {
        let node = scope.node(&self.node);
        let name = &self.same_as;
        let same_as = match scope.is_node(name) {
            true => scope.named_node(name).map(Other::Node),
            false => scope.step_with(name, &[Output::Snapshot]).map(Other::Snapshot),
        };
        if let (Some(node), Some(Other::Node(other))) = (&node, &same_as)
            && node.id == other.id
        {
            scope.error(name.entry, "roles are always the same as themselves", "this is the node that is checked");
        }
        Some(AssertRoles { node: node?, same_as: same_as?, at: self.same_as.entry, ignore: self.ignore })
    }
}

/// How often the roles are compared while they change.
const TRIES: usize = 3;

/// How many lines of differences are shown.
const MOST: usize = 50;

#[async_trait(?Send)]
impl Step for AssertRoles {
    fn title(&self) -> String {
        let other = match &self.same_as {
            Other::Node(node) => node.as_str(),
            Other::Snapshot(step) => step.as_str(),
        };
        format!("roles of {} same as {other}", self.node)
    }

    fn effects(&self) -> Effects {
        Effects::reads()
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        let ignore: Vec<&str> = self.ignore.iter().map(|role| role.value.as_str()).collect();
        let mut compared = RolesComparison::default();
        for _ in 0..TRIES {
            let (expected, moves) = self.expected(cx, &node).await?;
            compared = RolesComparison::of(&expected, &roles(cx, &node).await?, &ignore);
            // Of a server that goes on, roles may have changed between the two.
            if compared.differences.is_empty() || !moves {
                break;
            }
        }
        cx.fact("roles", compared.roles);
        if !compared.not_compared.is_empty() {
            cx.fact("not_compared", compared.not_compared.clone());
        }
        self.judge(compared)
    }
}

impl AssertRoles {
    /// The roles that there should be; and whether they are those of a server that this one
    /// follows: then it has replayed them.
    async fn expected(&self, cx: &mut Context<'_>, node: &Node) -> Result<(Roles, bool), Box<Finding>> {
        match &self.same_as {
            Other::Node(other) => {
                let other = cx.world.node(other)?;
                let expected = roles(cx, &other).await?;
                let follows = receives(cx, node).await?;
                if follows {
                    let end = other.wal_end().await?;
                    replayed(cx, node, end).await.map_err(|finding| finding.at(self.node.entry()))?;
                }
                Ok((expected, follows))
            }
            Other::Snapshot(step) => {
                let kept = cx.world.outputs().snapshots.get(&step.id).map(|snapshot| snapshot.roles.clone());
                let missing = |why: &str| Finding::missing(format!("snapshot `{step}` {why}")).at(step.span());
                let kept = kept.ok_or_else(|| missing("was not taken"))?;
                let roles = kept.ok_or_else(|| missing("has no roles").help("it takes them with `roles: true`"))?;
                Ok((roles, false))
            }
        }
    }

    fn judge(&self, compared: RolesComparison) -> StepResult {
        let unknown = |role: &&Spanned<RoleName>| compared.unknown.iter().any(|name| name == role.value.as_str());
        if let Some(role) = self.ignore.iter().find(unknown) {
            return Err(Finding::failed(format!("there is no role `{}` to be left out", role.value))
                .at(role.span)
                .label("neither has it")
                .help("a name with capitals or blanks is written as it is, without double quotes"));
        }
        if compared.roles == 0 {
            return Err(Finding::failed("an assertion over zero roles proves nothing")
                .at(self.at)
                .label("`ignore` leaves out all that there are"));
        }
        let lines = compared.differences;
        let label = match lines.len() {
            0 => return Ok(()),
            1 => "1 difference".to_owned(),
            many => format!("{many} differences"),
        };
        let title = format!("the roles of `{}` are not those expected", self.node);
        Err(Finding::failed(title).at(self.at).label(label).note("diff", first_of(lines.into_iter(), MOST)))
    }
}

/// The roles of a node, with the default privileges in every database that lets a session in.
pub(crate) async fn roles(cx: &Context<'_>, node: &Node) -> Result<Roles, Box<Finding>> {
    let unreadable = |error: DataError| Finding::failed(format!("`{}` does not tell its roles: {error}", node.name()));
    let client = cx.client(node).await?;
    let mut roles = Roles::read(&client, node.version().major).await.map_err(unreadable)?;
    let query = format!(
        "SELECT datname::text FROM pg_database WHERE {TAKES_SESSIONS}
         AND has_database_privilege(datname, 'CONNECT') ORDER BY datname"
    );
    for row in client.query(&query, &[]).await? {
        let database: String = row.get(0);
        match node.connect_to(&database).await {
            Ok(inside) => roles.read_defaults(&inside, &database).await.map_err(unreadable)?,
            // What it does not let in is told as not compared.
            Err(SqlError::Postgres(error)) if error.as_db_error().is_some() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(match node.has_data_of_others() {
        true => roles,
        false => roles.with_password_made_up(node.user()),
    })
}
