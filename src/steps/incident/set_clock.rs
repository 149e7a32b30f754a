//! `set_clock`

use std::time::{Duration, SystemTime};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Finding, MarkKind, NodeField, NodeRef, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::host::Program;
use crate::node::{Node, SqlError};
use crate::source::{self, Spanned};

/// Sets the clock of a running server: it jumps, back or ahead.
///
/// ```yaml
/// - set_clock: { node: master, back: 1h }
/// - set_clock: { node: master, ahead: 30s }
/// - set_clock: { node: master, back: 0s }
/// ```
///
/// The clock is so long behind (`back`) or before (`ahead`) this machine's from then on; `0s` puts
/// it right. It is the clock of the server and of all that it starts (archive_command,
/// restore_command), also after a restart; the node's other programs (`exec`) and other servers
/// keep the right time. Durations (`pg_sleep`, `statement_timeout`) stay as long as they are, as
/// they do on a real host. With an `id` the step is a mark.
///
/// It needs libfaketime (Debian's package of that name) where the server runs; `ci/image` puts it
/// into the images that it makes. Where it is missing the drill is errored, and says so, before its
/// first step.
///
/// It passes if the server's clock has jumped by as much.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetClockSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// How far behind the right time it is to be.
    #[serde(default)]
    back: Option<Spanned<source::Duration>>,
    /// How far before the right time it is to be.
    #[serde(default)]
    ahead: Option<Spanned<source::Duration>>,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct SetClock {
    /// The server.
    node: NodeRef,
    /// Where its clock is to be.
    to: Offset,
}

/// How far a clock is from the right time.
#[derive(Debug, Clone, Copy)]
enum Offset {
    Back(Duration),
    Ahead(Duration),
}

impl Offset {
    /// As libfaketime reads it.
    fn in_seconds(self) -> f64 {
        match self {
            Offset::Back(by) => -by.as_secs_f64(),
            Offset::Ahead(by) => by.as_secs_f64(),
        }
    }
}

const SET: &str = include_str!("scripts/set_clock.sh");
/// How far off a clock may be that was set: asking takes its time, and the host is not this
/// machine, as a rule.
const SLACK: f64 = 2.0;

impl StepKind for SetClockSpec {
    type Step = SetClock;

    const NAME: &'static str = "set_clock";
    const DEADLINE: Duration = Duration::from_secs(30);
    const ROLE: Role = Role::Incident;
    const NEEDS_SERVER: bool = true;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<SetClock> {
        let node = scope.own_node(&self.node);
        let to = match (self.back, self.ahead) {
            (Some(back), None) => Offset::Back(back.value.0),
            (None, Some(ahead)) => Offset::Ahead(ahead.value.0),
            (Some(_), Some(ahead)) => {
                scope.error(ahead.entry, "`back` and `ahead` exclude each other", "one of the two");
                return None;
            }
            (None, None) => {
                let help = "`back: 1h`, or `ahead: 1h`; `back: 0s` puts it right";
                scope.error_help(scope.action, "`back` or `ahead` is missing", "set to what?", help);
                return None;
            }
        };
        Some(SetClock { node: node?, to })
    }
}

#[async_trait(?Send)]
impl Step for SetClock {
    fn title(&self) -> String {
        let by = |by: Duration| humantime::format_duration(by).to_string();
        match self.to {
            Offset::Back(Duration::ZERO) | Offset::Ahead(Duration::ZERO) => {
                format!("put the clock of {} right", self.node)
            }
            Offset::Back(back) => format!("set the clock of {} back by {}", self.node, by(back)),
            Offset::Ahead(ahead) => format!("set the clock of {} ahead by {}", self.node, by(ahead)),
        }
    }

    fn effects(&self) -> Effects {
        Effects { clock: Some(self.node.id.clone()), ..Effects::writes(&self.node) }
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        node.must_run(self.node.span()).await?;
        let host = node.host()?;
        let Some(clock) = host.paths().clock.clone() else {
            return Err(Finding::errored(format!("`{}` has no clock of its own", node.name())));
        };
        let mut before = 0.0;
        let (was, to) = (off(&node).await?, self.to.in_seconds());
        cx.inject(&node, async |_| {
            let output = host.run(Program::script(SET, [clock.as_str(), &format!("{to:+}")])).await?;
            before = output.text().trim().parse().unwrap_or(0.0);
            match output.success() {
                true => Ok(()),
                false => Err(Finding::errored("the clock cannot be set").note("said", output.stderr.trim())),
            }
        })
        .await?;
        let jumped = off(&node).await? - was;
        if (jumped - (to - before)).abs() > SLACK {
            return Err(Finding::errored(format!("the clock of `{}` does not do as it is told", node.name()))
                .at(self.node.span())
                .label(format!("it jumped by {jumped:.1} s, in the place of {:.1} s", to - before)));
        }
        Ok(())
    }
}

/// How many seconds a server's clock is before this machine's.
async fn off(node: &Node) -> Result<f64, Box<Finding>> {
    let client = node.client().await?;
    let row =
        client.query_one("SELECT extract(epoch FROM clock_timestamp())::float8", &[]).await.map_err(SqlError::from)?;
    let here = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    Ok(row.get::<_, f64>(0) - here.as_secs_f64())
}
