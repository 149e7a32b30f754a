//! Locks that are waited for, and who holds them.

use tokio_postgres::{Client, Row};

use super::kind::{Holdup, HoldupKind};
use super::session::{Session, seconds};
use crate::node::session::{OWN, SOMEBODY};
use crate::node::sql_error::SqlError;

const QUERY: &str = include_str!("locks.sql");

/// The locks that sessions of drillyard's wait for, and on a standby its startup process.
pub(super) async fn locks(client: &Client, node: &str, paused: bool, moment: f64) -> Result<Vec<Holdup>, SqlError> {
    let rows = client.query(QUERY, &[&moment]).await?;
    let waits: Vec<Wait> = rows.iter().map(Wait::read).collect();
    let mut found: Vec<Holdup> = vec![];
    for wait in &waits {
        let holdup = wait.holdup(node, wait.root(&waits), paused);
        if !found.iter().any(|one| one.what == holdup.what) {
            found.push(holdup);
        }
    }
    // A lock that waiting does not get comes first, and what keeps the step itself waiting comes
    // before others' locks.
    found.sort_by_key(|one| (!one.endless, one.kind != HoldupKind::Lock));
    Ok(found)
}

/// Who waits for a lock.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Waiter {
    /// A session of a step.
    Step,
    /// Users.
    Users,
    /// The process that replays WAL.
    Startup,
    /// Somebody else, who may be in the way of others.
    Other,
}

/// Who holds a lock.
#[derive(Debug, Clone, PartialEq)]
enum Holder {
    Session(Session),
    /// The process that replays WAL.
    Startup(i32),
    /// A prepared transaction: its gid, its owner, its database and when it was prepared.
    Prepared {
        gid: String,
        owner: String,
        database: String,
        since: String,
        age: f64,
    },
    Unknown,
}

/// A lock that somebody waits for.
struct Wait {
    pid: i32,
    waiter: Waiter,
    mode: String,
    object: String,
    holder: Holder,
    /// What the holder has; none if it waits itself.
    held: Option<String>,
}

impl Wait {
    fn read(row: &Row) -> Self {
        let (application, backend): (String, String) = (row.get(8), row.get(9));
        let waiter = match application.as_str() {
            _ if backend == "startup" => Waiter::Startup,
            "drillyard users" => Waiter::Users,
            name if name == OWN || name == SOMEBODY || name.starts_with("drillyard ") => Waiter::Step,
            _ => Waiter::Other,
        };
        let holder = match (row.get::<_, Option<String>>(13), row.get::<_, Option<i32>>(0)) {
            (Some(gid), _) => Holder::Prepared {
                gid,
                owner: row.get::<_, Option<String>>(14).unwrap_or_default(),
                database: row.get::<_, Option<String>>(15).unwrap_or_default(),
                since: row.get::<_, Option<String>>(16).unwrap_or_default(),
                age: row.get::<_, Option<f64>>(17).unwrap_or(0.0),
            },
            (None, Some(pid)) if row.get::<_, Option<String>>(7).as_deref() == Some("startup") => Holder::Startup(pid),
            (None, Some(pid)) if pid != 0 => Holder::Session(Session::read(row)),
            _ => Holder::Unknown,
        };
        Wait { pid: row.get(10), waiter, mode: row.get(11), object: row.get(12), holder, held: row.get(18) }
    }

    /// Who is at the end of the queue: one who waits for nobody.
    fn root<'a>(&'a self, all: &'a [Wait]) -> &'a Wait {
        let mut at = self;
        for _ in 0..all.len() {
            let Holder::Session(session) = &at.holder else { break };
            match all.iter().find(|other| other.pid == session.pid && other.pid != self.pid) {
                Some(next) => at = next,
                None => break,
            }
        }
        at
    }

    fn holdup(&self, node: &str, root: &Wait, paused: bool) -> Holdup {
        let held = root.held.as_deref().unwrap_or("the lock");
        let mut more = vec![format!("pid {} waits for {} on {}", self.pid, self.mode, self.object)];
        if root.pid != self.pid {
            more.push(format!("behind pid {}, which itself waits for {} on {}", root.pid, root.mode, root.object));
        }
        more.extend(root.holder.about());
        let kind = match self.waiter {
            Waiter::Step => HoldupKind::Lock,
            Waiter::Users => HoldupKind::UsersLock,
            Waiter::Startup => HoldupKind::Replay,
            Waiter::Other => HoldupKind::OthersLock,
        };
        let by = root.holder.name(paused);
        let what = format!("{held} on {} is held by {by} on `{node}`", root.object);
        Holdup { kind, what, more, help: root.holder.help(paused), endless: root.holder.is_endless(paused) }
    }
}

impl Holder {
    /// Who it is. `paused` is whether recovery is paused.
    fn name(&self, paused: bool) -> String {
        match self {
            Holder::Startup(pid) if paused => {
                format!("the startup process (pid {pid}), which replays the WAL, and recovery is paused")
            }
            Holder::Startup(pid) => format!("the startup process (pid {pid}), which replays the WAL"),
            Holder::Prepared { gid, .. } => format!("the prepared transaction '{gid}'"),
            Holder::Session(session) => format!("a client backend (pid {})", session.pid),
            Holder::Unknown => "somebody who cannot be seen".to_owned(),
        }
    }

    /// What is known beside that.
    fn about(&self) -> Option<String> {
        match self {
            Holder::Session(session) => Some(session.to_string()),
            Holder::Prepared { gid, owner, database, since, age } => {
                let age = seconds(*age);
                Some(format!("'{gid}' was prepared at {since}, {age} ago, by {owner} in the database {database}"))
            }
            Holder::Startup(_) | Holder::Unknown => None,
        }
    }

    /// What can be done about it.
    fn help(&self, paused: bool) -> Option<String> {
        match self {
            Holder::Session(_) => {
                Some("end the session that holds the lock, or give the step longer with `within`".to_owned())
            }
            Holder::Prepared { gid, database, .. } => Some(format!(
                "it holds its locks until somebody ends it: ROLLBACK PREPARED '{0}', or COMMIT PREPARED '{0}', in the \
                 database {database}",
                gid.replace('\'', "''")
            )),
            Holder::Startup(_) if paused => Some(
                "recovery is paused inside the transaction that took the lock: it is held until the server is promoted. \
                 Use `then: promote`, or stop earlier, where no lock is held"
                    .to_owned(),
            ),
            Holder::Startup(_) | Holder::Unknown => None,
        }
    }

    /// Whether the lock is held for as long as nobody does anything about it.
    fn is_endless(&self, paused: bool) -> bool {
        match self {
            Holder::Prepared { .. } => true,
            Holder::Startup(_) => paused,
            Holder::Session(_) | Holder::Unknown => false,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_one_at_the_end_of_the_queue_is_to_blame() {
        let session = |pid| {
            Holder::Session(Session {
                pid,
                application: "psql".to_owned(),
                user: Some("ana".to_owned()),
                state: Some("idle in transaction".to_owned()),
                query: "LOCK  TABLE\n orders".to_owned(),
                age: Some(125.0),
                since: Some("12:00".to_owned()),
            })
        };
        let wait = |pid, waiter, holder| Wait {
            pid,
            waiter,
            mode: "AccessShareLock".to_owned(),
            object: "orders".to_owned(),
            holder,
            held: Some("ShareLock".to_owned()),
        };
        let all = [wait(1, Waiter::Step, session(2)), wait(2, Waiter::Other, session(3))];
        let holdup = all[0].holdup("master", all[0].root(&all), false);
        assert_eq!(holdup.what, "ShareLock on orders is held by a client backend (pid 3) on `master`");
        assert_eq!(
            holdup.more,
            [
                "pid 1 waits for AccessShareLock on orders",
                "behind pid 2, which itself waits for AccessShareLock on orders",
                "pid 3 (application psql, user ana, idle in transaction, in its transaction since 12:00, for 2 min 5 s): LOCK TABLE orders",
            ]
        );
        assert!(!holdup.endless);
        // A circle is a deadlock, which the server ends; nobody runs round in it.
        let circle = [wait(1, Waiter::Step, session(2)), wait(2, Waiter::Other, session(1))];
        assert_eq!(circle[0].root(&circle).pid, 2);
    }
}
