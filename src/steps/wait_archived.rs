//! `wait_archived`

use std::time::{Duration, Instant};

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use super::{Context, NodeRef, Role, Scope, Step, StepKind, StepResult};
use crate::host::Program;
use crate::node::moment;
use crate::source::{Name, Spanned};

/// Waits until everything up to a mark, or up to now, is in the archive.
///
/// ```yaml
/// - wait_archived: { node: master, through: accident }
/// ```
///
/// It commits an empty transaction and switches to a new WAL segment: what is in an unfinished segment is not in the archive, and
/// a recovery to a time ends with an error when no commit comes after that time.
///
/// It passes when the segment lies in the repo: the server's word for it is not enough, since an archive_command can lie. It fails
/// when `within` runs out, and tells what the archiver said last.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct WaitArchived {
    /// The server.
    #[serde(default)]
    node: NodeRef,
    /// A mark.
    #[serde(default)]
    through: Option<Spanned<Name>>,
    /// Where it archives to.
    #[serde(skip)]
    repo: Option<String>,
}

impl StepKind for WaitArchived {
    const NAME: &'static str = "wait_archived";
    // After a crash the server waits at least 10 s before it starts its archiver again.
    const DEADLINE: Duration = Duration::from_secs(90);
    const ROLE: Role = Role::Act;
}

/// After which the postmaster is knocked up, again and again.
const PATIENCE: Duration = Duration::from_secs(1);

#[async_trait(?Send)]
impl Step for WaitArchived {
    fn resolve(&mut self, scope: &mut Scope<'_>) {
        if let Some(info) = scope.own_node(&mut self.node) {
            if info.archive_to.is_none() {
                scope.error_related(
                    self.node.span().unwrap_or(scope.action),
                    format!("node `{}` archives nothing", self.node),
                    "this would wait for ever",
                    (info.span, "it has no `archive_to: REPO`".to_owned()),
                );
            }
            self.repo = info.archive_to;
        }
        if let Some(mark) = &self.through {
            scope.mark(mark);
        }
    }

    fn title(&self) -> String {
        let through = self.through.as_ref().map(|mark| format!(" through {}", mark.value)).unwrap_or_default();
        format!("wait for the archive of {}{through}", self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.yard.node(self.node.as_str())?;
        let client = cx.client(&node).await?;
        let repo = cx.yard.repo(self.repo.as_deref().unwrap_or_default())?.clone();
        if let Some(mark) = &self.through {
            cx.yard.mark(mark.as_str())?;
        }
        let segment_size = client
            .query_one("SELECT setting::bigint FROM pg_settings WHERE name = 'wal_segment_size'", &[])
            .await?
            .get::<_, i64>(0)
            .cast_unsigned();
        client.batch_execute("SELECT pg_current_xact_id()").await?;
        let now = moment(&client).await?;
        client.batch_execute("SELECT pg_switch_wal()").await?;
        // Everything up to now, and so up to any mark, with the commit that a target time needs after it.
        let segment = now.lsn.segment(now.timeline, segment_size);
        cx.fact("segment", segment.clone());
        let file = format!("{}/{segment}", repo.wal());
        let what = format!("segment {segment} in repo `{}`", repo.name);
        let span = self.through.as_ref().map(|mark| mark.entry);
        let host = node.host()?.clone();
        let mut next_knock = Instant::now() + PATIENCE;
        let done = cx.until(&what, async |seen| {
            if Instant::now() >= next_knock {
                next_knock = Instant::now() + PATIENCE;
                // Whatever comes of it: the postmaster looks after a lost archiver when somebody knocks, else once a minute.
                drop(node.connect().await);
            }
            let row = client
                .query_one(
                    "SELECT last_archived_wal, failed_count, last_failed_wal, last_failed_time::text FROM pg_stat_archiver",
                    &[],
                )
                .await?;
            let last: Option<String> = row.get(0);
            let failed: i64 = row.get(1);
            *seen = format!("last archived: {}", last.as_deref().unwrap_or("nothing"));
            if failed > 0 {
                let (wal, at): (Option<String>, Option<String>) = (row.get(2), row.get(3));
                seen.push_str(&format!(
                    "; archive_command failed {failed} times, last for {} at {}",
                    wal.as_deref().unwrap_or("?"),
                    at.as_deref().unwrap_or("?")
                ));
            }
            // Names of history and backup files sort among the segments; the file itself decides.
            if last.is_some_and(|last| last.get(..24).is_some_and(|last| last >= segment.as_str())) {
                let there = host.run(Program::script(r#"test -s "$1""#, [file.clone()])).await?;
                if there.success() {
                    return Ok(Some(()));
                }
                seen.push_str(&format!("; the server says that it is archived, but there is no {file}"));
            }
            Ok(None)
        });
        match done.await {
            Ok(()) => Ok(()),
            Err(finding) => {
                let finding = match span {
                    Some(span) => finding.at(span),
                    None => finding,
                };
                Err(finding.note("log", node.log_tail().await).help("does archive_command work? See the log"))
            }
        }
    }
}
