//! Databases that a recovery has left in the catalog without their files: DROP DATABASE removes the
//! files before it commits, so that a target which stops before the commit comes too late.

use crate::harness::{Context, Finding, StepResult};
use crate::host::Program;
use crate::journal::{Cause, Event};
use crate::node::Node;
use crate::pg::Dropped;
use crate::source::Span;
use crate::steps::recovery::goal::Goal;
use crate::steps::recovery::target::Target;

/// The databases that are there in name only: marked as invalid (since the minor releases of August
/// 2023), or without a directory.
const LOST: &str = "
    SELECT datname::text FROM pg_catalog.pg_database
    WHERE datconnlimit = -2
        OR dattablespace = 1663 AND pg_catalog.pg_stat_file('base/' || oid, true) IS NULL
    ORDER BY datname";

/// Fails if the database that the goal is before is there in name only; warns of others. Of a
/// server that is shut down its directories are looked at, for the one database that the mark
/// knows.
pub(crate) async fn check_files(cx: &Context<'_>, node: &Node, goal: &Goal, until: Span) -> StepResult {
    let dropped = goal.mark.as_ref().filter(|_| goal.target.is_before_its_mark());
    let dropped = dropped.and_then(|mark| Some((&mark.id, mark.dropped.as_ref()?)));
    let (lost, is_lost): (Vec<String>, bool) = match node.is_up() {
        true => {
            let rows = cx.client(node).await?.query(LOST, &[]).await?;
            let lost: Vec<String> = rows.iter().map(|row| row.get(0)).collect();
            let is_lost = dropped.is_some_and(|(_, dropped)| lost.contains(&dropped.name));
            (lost, is_lost)
        }
        // An earlier target may be one before the database was made.
        false => match dropped.filter(|_| matches!(goal.target, Target::Before { .. })) {
            Some((_, dropped)) => (vec![], !has_files(node, dropped.oid).await?),
            None => return Ok(()),
        },
    };
    if let Some((id, Dropped { name, .. })) = dropped.filter(|_| is_lost) {
        return Err(Finding::failed(format!("the files of database `{name}` are gone: the target comes too late"))
            .because(Cause::TargetNotReached)
            .at(until)
            .label("DROP DATABASE removes the files before it commits, and recovery stopped in between")
            .help(format!("the position before the step is before it: `until: {{ before: {id} }}`, without `by`")));
    }
    for database in lost {
        let message = format!(
            "database `{database}` on `{}` is there in name only: recovery stopped within a DROP DATABASE, or it was \
             interrupted there before; `until` at an earlier LSN has its files",
            node.name()
        );
        cx.world.journal.write(Event::Warned { drill: Some(cx.world.drill), message });
    }
    Ok(())
}

/// Whether a data directory has a database, in whatever tablespace.
async fn has_files(node: &Node, oid: u32) -> Result<bool, Box<Finding>> {
    let host = node.host()?;
    let args = [host.paths().data.clone(), oid.to_string()];
    Ok(host.run(Program::script(include_str!("scripts/has_database.sh"), args)).await?.success())
}
