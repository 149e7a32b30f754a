//! A merge as somebody does it by hand.

use crate::data::{ByHand, Merged};
use crate::harness::{Context, Ran};
use crate::host::{HostError, Program, escape_here};
use crate::node::{Node, Purpose, conninfo_of};
use crate::steps::recovery::reconcile::Reconcile;

/// The servers as they were just before the mistake and just after it, if that is known, and the
/// live one.
type Servers<'a> = (&'a Node, Option<&'a Node>, &'a Node);

/// What is to be looked at where transactions of users stand among those of the mistake: SQL over
/// rows alone would take theirs back, too.
const OF_MANY: &str = "Users wrote between the two servers: no SQL over their rows can tell the mistake from that. Ask the archived WAL which \
    rows each transaction wrote (`pg_waldump --rmgr=Heap --xid=...`, block and offset are the row's ctid). A row that \
    only the mistake wrote gets its values from before it, if nobody has changed it since; a row that others wrote, too, \
    has to be decided by somebody who knows it";

/// The same where rows depend on each other.
const INVOLVED: &str = "The rows depend on each other or on rows of other tables. Look at the foreign keys between the tables, with what they do \
    on DELETE and UPDATE, and at unique values that rows have exchanged; then compare the rows before and after the \
    mistake by key, and write back, all tables in one transaction, what nobody has changed since";

impl Reconcile {
    /// Tells it: as commands, or what has to be looked at if there are none that would be right for
    /// whoever follows them.
    pub(super) fn by_hand(&self, cx: &mut Context<'_>, servers: Servers<'_>, merged: &Merged) -> Result<(), HostError> {
        match (&self.mistake, &merged.by_hand) {
            (None, Some(by_hand)) => return self.commands(cx, servers, by_hand),
            (None, None) => cx.fact("by_hand", INVOLVED),
            (Some(_), _) => cx.fact("by_hand", OF_MANY),
        }
        Ok(())
    }

    fn commands(
        &self,
        cx: &mut Context<'_>,
        (good, bad, into): Servers<'_>,
        by_hand: &ByHand,
    ) -> Result<(), HostError> {
        let mut script = escape_here(&by_hand.tables);
        let sides = [(Some(good), by_hand.good, "before"), (bad, by_hand.bad, "after")];
        for (node, table, when) in sides.into_iter().filter_map(|(node, table, when)| Some((node?, table, when))) {
            // All hosts see it.
            let file = format!("{}/rows-{when}-{}", into.host()?.paths().shared, cx.index);
            let copy = format!("\\copy ({}) to '{file}'", by_hand.rows);
            let program = self.psql(node)?.with_args(["-c", &copy]);
            cx.ran(Ran::like(node, format!("bring the rows as they were just {when} the mistake"), program.typed()));
            script.push_str(&format!("\\copy {table} from '{file}'\n"));
        }
        script.push_str(&escape_here(&by_hand.merge));
        let text = format!("{} <<EOF\n{script}EOF", self.psql(into)?.typed());
        let what = "take back what the mistake did, and keep what users wrote since";
        cx.ran(Ran::like(into, what, text).check("it lists no row that both the mistake and users have changed"));
        Ok(())
    }

    fn psql(&self, node: &Node) -> Result<Program, HostError> {
        let psql = node.client_program("psql", Purpose::Own)?.with_args(["-X", "-q", "-v", "ON_ERROR_STOP=1"]);
        Ok(match &self.database {
            Some(database) => psql.with_args(["--dbname".to_owned(), conninfo_of(database)]),
            None => psql,
        })
    }
}
