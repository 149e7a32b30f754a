//! A table that should be the same as something else: another node's, or what a step has left.

use tokio_postgres::Client;

use crate::data::{Comparison, DataError, Rest, Wanted, compare};
use crate::harness::{Context, Finding, Generated, NodeRef, Output, Recalls, Resolved, Scope, StepRef, StepResult};
use crate::pg::TableName;
use crate::source::{Name, Span, Spanned};
use crate::steps::judgement::except::Narrowed;
use crate::steps::judgement::query_rows::counted;

/// How many differing rows are shown.
const SHOWN: usize = 10;
/// How many rows that differ are read beside those that are meant to.
const OTHERS: usize = 100;

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
        if !scope.is_node(same_as) {
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

    /// The database in which an earlier step has generated or kept it, where that is not the node's
    /// own one.
    pub fn database(&self, cx: &Context<'_>) -> Option<Spanned<String>> {
        let Other::Step(step) = self else { return None };
        let outputs = cx.world.outputs();
        let generated = outputs.generated.get(&step.id).and_then(|generated| generated.database.clone());
        generated.or_else(|| outputs.snapshots.get(&step.id)?.database.clone())
    }

    /// What a snapshot has to remember for it.
    pub fn recalls(&self, table: &Spanned<TableName>, narrowed: &Narrowed) -> Option<Recalls> {
        let Other::Step(step) = self else { return None };
        Some(Recalls { snapshot: step.id.clone(), table: table.value.clone(), view: narrowed.view.clone() })
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
    /// What of it is compared.
    pub narrowed: &'a Narrowed,
    /// Whether zero rows are right, too.
    pub allow_empty: bool,
}

impl SameRows<'_> {
    /// Checks that it is; `client` is a session where the table is.
    pub async fn check(&self, cx: &mut Context<'_>, client: &Client) -> StepResult {
        let (id, table) = (self.other.name(), self.table);
        let meant = self.narrowed.meant(client).await?;
        let compared = self.compared(cx, client, meant.count).await?;
        if compared.columns.is_empty() {
            cx.fact("rows", compared.second);
        }
        let by_key = self.narrowed.view.by_key && compared.columns.is_empty();
        if by_key || compared.same {
            let differing = self.narrowed.judge(&compared, &meant)?;
            if differing > 0 {
                cx.fact("meant", differing);
            }
        }
        if !compared.same && !by_key {
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

    /// Compares it, and reads so many rows more than are shown.
    async fn compared(&self, cx: &Context<'_>, client: &Client, more: usize) -> Result<Comparison, Box<Finding>> {
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
                    (Some(Generated { generator, sum, .. }), _) => Wanted::Generated(generator, *sum),
                    (None, Some(snapshot)) => {
                        let found = snapshot.rows_of(&self.table.value, &self.narrowed.view);
                        let missing = format!("snapshot `{step}` has no rows of {}", self.table.value);
                        let found = found.ok_or_else(|| Finding::errored(missing).at(step.span()))?;
                        let rows = found.rows.as_ref();
                        let taken = format!("when snapshot `{step}` was taken");
                        Wanted::RowsSnapshot(rows.map_err(|error| self.unread(error).label(taken))?)
                    }
                    (None, None) => {
                        let title = format!("`{step}` has left nothing to compare with: its step did not run");
                        return Err(Finding::missing(title).at(step.span()));
                    }
                }
            }
        };
        // Of those that are meant most should be among the rows that are read, too.
        let others = if self.narrowed.view.by_key { OTHERS } else { SHOWN };
        let compared = compare(wanted, client, &self.table.value, &self.narrowed.view, others + more).await;
        compared.map_err(|error| self.unread(&error))
    }

    /// Why rows could not be read.
    fn unread(&self, error: &DataError) -> Box<Finding> {
        let at = match error {
            DataError::Filter { .. } => self.narrowed.filter.as_ref().map(|filter| filter.span),
            DataError::NoColumn { column, .. } => self.narrowed.place_of(column),
            _ => None,
        };
        Finding::failed(error.to_string()).at(at.unwrap_or(self.table.span))
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
