//! `set`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;
use tokio_postgres::Client;

use crate::harness::{
    Context, Finding, MarkKind, NodeField, NodeRef, NodeSettings, RepoId, Resolved, Role, Scope, Step, StepKind,
    StepResult,
};
use crate::node::{Node, Purpose, discard, quote_setting};
use crate::pg::{ShutdownMode, error_message, names_in_list, quote_identifier, quote_literal};
use crate::source::{Ordered, Setting, Span, Spanned};

/// Changes settings of a running server.
///
/// ```yaml
/// - set: { node: master, settings: { work_mem: 64MB } }
/// - id: change
///   set: { node: master, settings: { synchronous_commit: off }, how: reload }
/// - set: { node: master, settings: { max_connections: 20 }, how: restart }
/// ```
///
/// `how` is `alter_system` (the default): ALTER SYSTEM, which writes postgresql.auto.conf, and a
/// reload; `reload`: lines at the end of postgresql.conf, and a reload; or `restart`: the same
/// lines, and a restart (`fast`). Names are checked as those of a node's `settings` are. With an
/// `id` the step is a mark, by its LSN.
///
/// An `archive_command` finds `DRILLYARD_REPO` and `DRILLYARD_WAL` in its environment, as that of a
/// node does.
///
/// It passes if every setting is in effect for a new session, with the value that was given. It
/// fails if the server refuses a value, if a setting takes a restart and got a reload, if something
/// else overrides it (postgresql.auto.conf, ALTER DATABASE, ALTER ROLE), and if the server does not
/// start again.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct SetSpec {
    /// The server.
    #[serde(default)]
    node: NodeField,
    /// The settings, as in postgresql.conf.
    settings: Spanned<Ordered<String, Setting>>,
    /// How they are set: `alter_system`, `reload` or `restart`.
    #[serde(default)]
    how: How,
}

/// How settings are changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum How {
    /// ALTER SYSTEM and a reload.
    #[default]
    AlterSystem,
    /// Lines in postgresql.conf and a reload.
    Reload,
    /// Lines in postgresql.conf and a restart.
    Restart,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Set {
    /// The server.
    node: NodeRef,
    /// The settings.
    settings: NodeSettings,
    /// How they are set.
    how: How,
    /// The repo that the node archives to.
    repo: Option<RepoId>,
}

impl StepKind for SetSpec {
    type Step = Set;

    const NAME: &'static str = "set";
    const DEADLINE: Duration = Duration::from_secs(60);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Set> {
        let node = scope.own_node(&self.node);
        scope.may_promote();
        if self.settings.value.is_empty() {
            scope.error(self.settings.span, "`settings` is empty", "set what?");
        }
        let repo = node.as_ref().and_then(|node| scope.node_info(node)?.archive_to.clone());
        let settings = scope.settings(Some(&self.settings.value), node.is_none() || repo.is_some());
        Some(Set { node: node?, settings, how: self.how, repo })
    }
}

#[async_trait(?Send)]
impl Step for Set {
    fn title(&self) -> String {
        let lines = self.settings.lines.iter().map(|(name, value)| format!("{name} = {value}"));
        let how = match self.how {
            How::AlterSystem => "ALTER SYSTEM",
            How::Reload => "reload",
            How::Restart => "restart",
        };
        format!("set {} on {} ({how})", lines.collect::<Vec<_>>().join(", "), self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.node)?;
        match self.how {
            How::AlterSystem | How::Reload => {
                cx.marked(&node, async |client, cx| {
                    match self.how {
                        How::AlterSystem => self.alter_system(cx, client).await?,
                        _ => self.append(cx, &node).await?,
                    }
                    self.reload(cx, &node, client).await?;
                    Ok(None)
                })
                .await
            }
            How::Restart => {
                node.must_run(self.node.span()).await?;
                cx.inject(&node, async |cx| {
                    self.append(cx, &node).await?;
                    cx.halt(&node, ShutdownMode::Fast).await?;
                    let launched = cx.launch(&node).await;
                    launched.map_err(|finding| finding.at(self.settings.places.first().copied()))?;
                    self.check(cx, &node).await
                })
                .await
            }
        }
    }
}

/// The settings whose value is a list of names, each of which ALTER SYSTEM takes by itself
/// (guc_tables.c, `GUC_LIST_QUOTE`), and whether the names are those of libraries.
const LISTS: [(&str, bool); 5] = [
    ("local_preload_libraries", true),
    ("search_path", false),
    ("session_preload_libraries", true),
    ("shared_preload_libraries", true),
    ("temp_tablespaces", false),
];

/// Whether a setting is a list of names, and if, whether of libraries.
fn list_of_libraries(name: &str) -> Option<bool> {
    LISTS.iter().find(|(list, _)| name.eq_ignore_ascii_case(list)).map(|(_, libraries)| *libraries)
}

/// Whether a line of a configuration file gives a setting this value. ALTER SYSTEM writes a list in
/// its own way, and an empty one as one with a name that is empty.
fn says(name: &str, line: &str, value: &str) -> bool {
    let names = |text: &str, libraries| {
        let names = names_in_list(text, libraries);
        names.map(|names| names.into_iter().filter(|name| !name.is_empty()).collect::<Vec<_>>())
    };
    line == value
        || list_of_libraries(name).is_some_and(|libraries| {
            names(value, libraries).is_some_and(|wanted| names(line, libraries) == Some(wanted))
        })
}

/// What came of a setting: the line in the file that was written last, and what a session has.
const STATE: &str = "
    SELECT f.error, s.name IS NOT NULL, coalesce(s.pending_restart, false),
        s.sourcefile IS NOT DISTINCT FROM f.sourcefile AND s.sourceline IS NOT DISTINCT FROM f.sourceline,
        coalesce(s.sourcefile, s.source, 'nothing'), coalesce(f.setting, '')
    FROM (SELECT 1) one
        LEFT JOIN LATERAL (SELECT error, sourcefile, sourceline, setting FROM pg_catalog.pg_file_settings
            WHERE lower(name) = lower($1) AND sourcefile LIKE '%/' || $2 ORDER BY seqno DESC LIMIT 1) f ON true
        LEFT JOIN pg_catalog.pg_settings s ON lower(s.name) = lower($1)";

impl Set {
    /// The settings as the server gets them. An archive_command finds its repo, as that of a node
    /// does.
    fn lines(&self, cx: &Context<'_>) -> Result<Vec<(&str, String, Span)>, Box<Finding>> {
        let mut lines = vec![];
        for ((name, value), place) in self.settings.lines.iter().zip(&self.settings.places) {
            let value = match &self.repo {
                Some(repo) if name.eq_ignore_ascii_case("archive_command") && !value.is_empty() => {
                    cx.world.repo(repo)?.own_command(value)
                }
                _ => value.clone(),
            };
            lines.push((name.as_str(), value, *place));
        }
        Ok(lines)
    }

    async fn alter_system(&self, cx: &Context<'_>, client: &Client) -> StepResult {
        for (name, value, place) in self.lines(cx)? {
            let refused =
                |why: String| Finding::failed(format!("`{name}` was not set on `{}`", self.node)).at(place).label(why);
            let quoted: Vec<String> = name.split('.').map(quote_identifier).collect();
            let value = match list_of_libraries(name) {
                Some(libraries) => {
                    let names = names_in_list(&value, libraries);
                    let names = names.ok_or_else(|| refused(format!("`{value}` is no list of names")))?;
                    if names.is_empty() && libraries {
                        let why = "ALTER SYSTEM would write a library without a name, and no session could begin";
                        return Err(
                            refused(why.to_owned()).help("`how: reload` or `how: restart` writes an empty list")
                        );
                    }
                    let names: Vec<String> = names.iter().map(|name| quote_literal(name)).collect();
                    if names.is_empty() { "''".to_owned() } else { names.join(", ") }
                }
                None => quote_literal(&value),
            };
            let statement = format!("ALTER SYSTEM SET {} = {value}", quoted.join("."));
            client.batch_execute(&statement).await.map_err(|error| refused(error_message(&error)))?;
        }
        Ok(())
    }

    /// Appends the lines to postgresql.conf.
    async fn append(&self, cx: &Context<'_>, node: &Node) -> StepResult {
        let lines = self.lines(cx)?;
        let lines = lines.iter().map(|(name, value, _)| format!("{name} = {}", quote_setting(value)));
        let args = [node.host()?.paths().data.clone(), lines.collect::<Vec<_>>().join("\n")];
        cx.script(node, "writing postgresql.conf", include_str!("scripts/add_settings.sh"), args).await?;
        // A later step that writes its configuration anew keeps them.
        cx.world.give_settings(&self.node.id, &self.settings);
        Ok(())
    }

    /// Has the server read its files, and waits until new sessions have what is in them.
    async fn reload(&self, cx: &mut Context<'_>, node: &Node, client: &Client) -> StepResult {
        let began: String = client.query_one("SELECT clock_timestamp()::text", &[]).await?.get(0);
        client.batch_execute("SELECT pg_reload_conf()").await?;
        let query = "SELECT pg_conf_load_time() >= $1::text::timestamptz";
        cx.until("the reload", async |seen| {
            "the old settings".clone_into(seen);
            let session = node.connect_for(Purpose::User).await?;
            Ok(session.query_one(query, &[&began]).await?.get::<_, bool>(0).then_some(()))
        })
        .await?;
        self.check(cx, node).await
    }

    /// Fails unless every setting is in effect for a new session.
    async fn check(&self, cx: &Context<'_>, node: &Node) -> StepResult {
        let session = cx.session(node, Purpose::User).await?;
        let file = if self.how == How::AlterSystem { "postgresql.auto.conf" } else { "postgresql.conf" };
        for (name, value, place) in self.lines(cx)? {
            let row = session.query_one(STATE, &[&name, &file]).await?;
            let (error, known, pending): (Option<String>, bool, bool) = (row.get(0), row.get(1), row.get(2));
            let (in_effect, source, line): (bool, String, String) = (row.get(3), row.get(4), row.get(5));
            let finding = |label: String| {
                Finding::failed(format!("`{name}` has not changed on `{}`", self.node)).at(place).label(label)
            };
            if pending {
                return Err(finding("it takes a restart, and the server was reloaded".to_owned())
                    .help("`how: restart` restarts the server with it"));
            }
            if let Some(error) = error {
                return Err(
                    finding(format!("the server refuses `{value}`: {error}")).note("log", node.log_tail().await)
                );
            }
            if !known || !in_effect {
                return Err(finding(format!("another place has the last word: {source}"))
                    .help("ALTER SYSTEM wins over postgresql.conf, ALTER DATABASE and ALTER ROLE over both"));
            }
            if !says(name, &line, &value) {
                return Err(finding(format!("{file} has another value: `{line}`")));
            }
        }
        discard(&session).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_says_what_was_asked_for_in_its_own_words() {
        assert!(says("work_mem", "7MB", "7MB") && !says("work_mem", "9MB", "7MB"));
        assert!(says("Search_Path", r#""$user", public"#, r#""$user",Public"#));
        assert!(!says("search_path", r#""""$user""", public"#, r#""$user", public"#));
        assert!(says("search_path", r#""""#, ""));
        assert!(says("shared_preload_libraries", r#""Mine", auto_explain"#, "Mine, auto_explain"));
        assert!(!says("shared_preload_libraries", "mine", "Mine"));
    }
}
