//! A table that should be the same as something else: another node's, or what a step has left.

use tokio_postgres::Client;

use crate::data::{Comparison, Rest, Wanted, compare};
use crate::harness::{Context, Finding, NodeRef, Output, Resolved, Scope, StepRef, StepResult};
use crate::pg::TableName;
use crate::source::{Name, Span, Spanned};
use crate::steps::judgement::query_rows::counted;

/// How many differing rows are shown.
const SHOWN: usize = 10;

/// What a table should be the same as.
#[derive(Debug)]
pub(crate) enum Other {
    /// The table of that name on another node.
    Node(NodeRef),
    /// What an earlier step has generated or kept.
    Step(StepRef),
}

impl Other {
    /// What a table on `node` should be the same as: another node, or what a step has left.
    pub fn resolve(same_as: &Spanned<Name>, node: Option<&NodeRef>, scope: &mut Scope<'_>) -> Resolved<Other> {
        if scope.ids.contains_key(same_as.as_str()) || !scope.nodes.contains_key(same_as.as_str()) {
            return scope.step_with(same_as, &[Output::Snapshot, Output::Data]).map(Other::Step);
        }
        let other = scope.named_node(same_as)?;
        if node.is_some_and(|node| node.id == other.id) {
            let label = "this is the node that is checked";
            scope.error(same_as.entry, "a table is always the same as itself", label);
        }
        Some(Other::Node(other))
    }

    /// Its name in the scenario.
    pub fn name(&self) -> &str {
        match self {
            Other::Node(node) => node.as_str(),
            Other::Step(step) => step.as_str(),
        }
    }

    fn entry(&self) -> Option<Span> {
        match self {
            Other::Node(node) => node.entry(),
            Other::Step(step) => step.entry(),
        }
    }
}

/// A table, and what it should be the same as.
pub(crate) struct SameRows<'a> {
    /// Where the table is.
    pub node: &'a NodeRef,
    /// The database that it is in, on another node, too.
    pub database: Option<&'a Spanned<String>>,
    /// The table.
    pub table: &'a Spanned<TableName>,
    /// What it should be the same as.
    pub other: &'a Other,
    /// Whether zero rows are right, too.
    pub allow_empty: bool,
}

impl SameRows<'_> {
    /// Checks that it is; `client` is a session where the table is.
    pub async fn check(&self, cx: &mut Context<'_>, client: &Client) -> StepResult {
        let (id, table) = (self.other.name(), self.table);
        let compared = self.compared(cx, client).await?;
        if compared.columns.is_empty() {
            cx.fact("rows", compared.second);
        }
        if !compared.same {
            if let Rest::Exactly(rows) | Rest::AtLeast(rows) = compared.rest
                && rows > 0
            {
                cx.fact("differing", rows);
            }
            let finding = Finding::failed(format!("{} is not the same as `{id}`", table.value));
            return Err(finding
                .at(self.other.entry())
                .label(self.difference(&compared))
                .note("diff", compared.to_string()));
        }
        if compared.second == 0 && !self.allow_empty {
            return Err(Finding::failed("an assertion over zero rows proves nothing")
                .at(self.other.entry())
                .label("both are empty")
                .help("if no rows are really what is right, say `allow_empty: true`"));
        }
        Ok(())
    }

    async fn compared(&self, cx: &Context<'_>, client: &Client) -> Result<Comparison, Box<Finding>> {
        let (from_data, from_snapshot, other);
        let wanted = match self.other {
            Other::Node(node) => {
                other = cx.client_in(&*cx.world.node(node)?, self.database).await?;
                Wanted::Server(&other)
            }
            Other::Step(step) => {
                from_data = cx.world.outputs().generated.get(&step.id).cloned();
                from_snapshot = cx.world.outputs().snapshots.get(&step.id).cloned();
                match (&from_data, &from_snapshot) {
                    (Some((generator, sum)), _) => Wanted::Generated(generator, *sum),
                    (None, Some(snapshot)) => {
                        let named = snapshot.rows.iter().find(|(name, _)| name.quoted() == self.table.quoted());
                        let found = named.or(snapshot.rows.first().filter(|_| snapshot.rows.len() == 1));
                        let missing = format!("snapshot `{step}` has no rows of {}", self.table.value);
                        let found = found.ok_or_else(|| Finding::errored(missing).at(step.span()))?;
                        Wanted::RowsSnapshot(&found.1)
                    }
                    (None, None) => {
                        let title = format!("`{step}` has left nothing to compare with: its step did not run");
                        return Err(Finding::missing(title).at(step.span()));
                    }
                }
            }
        };
        let compared = compare(wanted, client, &self.table.value, SHOWN).await;
        compared.map_err(|e| Finding::failed(e.to_string()).at(self.table.span))
    }

    /// What is different, in a few words.
    fn difference(&self, compared: &Comparison) -> String {
        let (wanted, now) = (counted(compared.first as usize), counted(compared.second as usize));
        match compared {
            _ if !compared.columns.is_empty() => "the columns are not the same".to_owned(),
            _ if compared.first == compared.second => format!("both have {now}, with different content"),
            _ => format!("`{}` has {wanted}, `{}` has {now}", self.other.name(), self.node),
        }
    }
}
