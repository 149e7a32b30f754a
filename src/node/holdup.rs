//! What holds up a server, or a session of drillyard's on it: asked in a session of its own, when something takes too long.

use std::time::Duration;

use tokio_postgres::{Client, Row};

use super::{Node, SqlError, WalRefusal};

/// Something that is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Holdup {
    /// Of what kind.
    pub kind: HoldupKind,
    /// What, with who is to blame: `AccessExclusiveLock on orders is held by the startup process (pid 71)`.
    pub what: String,
    /// What is known beside that, on lines of its own.
    pub more: Vec<String>,
    /// What can be done about it.
    pub help: Option<String>,
    /// Whether it ends by nothing that happens by itself: to wait is of no use.
    pub endless: bool,
}

/// What kind of thing is waited for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum HoldupKind {
    /// A lock, by a session of drillyard's or of a program that it runs.
    Lock,
    /// A lock, by the users.
    UsersLock,
    /// A lock, by somebody else; by a command of the scenario's, say.
    OthersLock,
    /// A synchronous standby; the names that `synchronous_standby_names` asks for.
    SyncRep(String),
    /// Replay, which is paused or does not go on.
    Replay,
    /// WAL, which does not come from the primary.
    Receiver,
    /// A replication slot that has lost its WAL; its name.
    Slot(String),
    /// archive_command, which fails.
    Archive,
    /// The server itself, which does not answer.
    Silent,
}

/// How long a server may take to say what holds it up.
const PATIENCE: Duration = Duration::from_secs(2);
/// A session that has waited for less is not held up.
const MOMENT: &str = "interval '300 ms'";
/// A walreceiver that has heard nothing for so long has lost its primary: one that is idle hears from it more often, since drillyard
/// sets wal_sender_timeout to 5 s.
const SILENT_SECONDS: f64 = 4.0;
/// How much of a query is shown.
const SHOWN: usize = 200;

impl Node {
    /// Ends the programs of a step that was given up, where they wait for a lock: nobody would tell their sessions.
    pub async fn end_blocked_programs(&self) {
        const QUERY: &str = "SELECT pg_terminate_backend(pid) FROM pg_stat_activity
            WHERE application_name LIKE 'drillyard %' AND application_name <> 'drillyard users' AND wait_event_type = 'Lock'";
        let end = async { self.connect_aside().await?.batch_execute(QUERY).await.map_err(SqlError::from) };
        // One that does not answer has nothing to end.
        let _ = tokio::time::timeout(PATIENCE, end).await;
    }

    /// Whether it takes a new session, or says itself why not.
    pub async fn takes_sessions(&self) -> bool {
        match tokio::time::timeout(PATIENCE, self.connect_aside()).await {
            Ok(Err(error)) => error.is_refusal(),
            Ok(Ok(_)) | Err(_) => true,
        }
    }

    /// What holds this server's sessions and its replay up, what is most to blame first. A server that does not answer in time is an
    /// error.
    pub async fn holdups(&self) -> Result<Vec<Holdup>, SqlError> {
        match tokio::time::timeout(PATIENCE, self.ask_holdups()).await {
            Ok(found) => found,
            Err(_) => Err(SqlError::Answer(format!("no answer within {} s", PATIENCE.as_secs()))),
        }
    }

    async fn ask_holdups(&self) -> Result<Vec<Holdup>, SqlError> {
        let client = self.connect_aside().await?;
        client.batch_execute("SET statement_timeout = '2s'; SET lock_timeout = '1s'").await?;
        let replay = self.replay(&client).await?;
        let paused = replay.iter().any(|one| one.endless);
        let mut found = self.locks(&client, paused).await?;
        found.extend(self.commits(&client).await?);
        found.extend(replay);
        found.extend(self.lost_slots(&client).await?);
        found.extend(self.archive(&client).await?);
        Ok(found)
    }

    /// The locks that sessions of drillyard's wait for, and on a standby its startup process.
    async fn locks(&self, client: &Client, paused: bool) -> Result<Vec<Holdup>, SqlError> {
        let rows = client.query(&locks_query(), &[]).await?;
        let waits: Vec<Wait> = rows.iter().map(Wait::read).collect();
        let mut found: Vec<Holdup> = vec![];
        for wait in &waits {
            let holdup = wait.holdup(self.name(), wait.root(&waits), paused);
            if !found.iter().any(|one| one.what == holdup.what) {
                found.push(holdup);
            }
        }
        // A lock that cannot be had by waiting is the first to be told, and before others' what keeps the step itself waiting.
        found.sort_by_key(|one| (!one.endless, one.kind != HoldupKind::Lock));
        Ok(found)
    }

    /// Commits that wait for a synchronous standby.
    async fn commits(&self, client: &Client) -> Result<Option<Holdup>, SqlError> {
        let query = format!(
            "SELECT count(*), extract(epoch FROM max(clock_timestamp() - query_start))::float8,
                    current_setting('synchronous_standby_names'),
                    (SELECT string_agg(format('%s (%s, %s)', application_name, state, sync_state), ', ') FROM pg_stat_replication),
                    (SELECT count(*) FROM pg_stat_replication WHERE sync_state IN ('sync', 'quorum'))
             FROM pg_stat_activity WHERE wait_event = 'SyncRep' AND clock_timestamp() - query_start > {MOMENT}"
        );
        let row = client.query_one(&query, &[]).await?;
        let count: i64 = row.get(0);
        if count == 0 {
            return Ok(None);
        }
        let (names, connected): (String, Option<String>) = (row.get(2), row.get(3));
        let (commits, wait) = if count == 1 { ("1 commit", "waits") } else { (&*format!("{count} commits"), "wait") };
        let missing = row.get::<_, i64>(4) == 0;
        let standby =
            if missing { "a synchronous standby, and none is connected" } else { "a synchronous standby's answer" };
        let what = format!("{commits} on `{}` {wait} for {standby}", self.name());
        let help = match missing {
            true => "bring one of these standbys back, or take its name out of synchronous_standby_names",
            false => "is that standby paused, cut off, or slow? Its answer is what the commits wait for",
        };
        Ok(Some(Holdup {
            kind: HoldupKind::SyncRep(names.clone()),
            what,
            more: vec![format!(
                "synchronous_standby_names = '{names}'; connected: {}; waiting in SyncRep for {}",
                connected.as_deref().unwrap_or("none"),
                seconds(row.get::<_, Option<f64>>(1).unwrap_or(0.0)),
            )],
            help: Some(help.to_owned()),
            endless: false,
        }))
    }

    /// What keeps a server in recovery from replaying.
    async fn replay(&self, client: &Client) -> Result<Vec<Holdup>, SqlError> {
        let state = match self.version().major {
            ..=13 => "CASE WHEN pg_is_wal_replay_paused() THEN 'paused' ELSE 'not paused' END",
            _ => "pg_get_wal_replay_pause_state()",
        };
        let query = format!(
            "SELECT {state}, (SELECT wait_event FROM pg_stat_activity WHERE backend_type = 'startup'),
                    current_setting('recovery_min_apply_delay'), current_setting('primary_conninfo') <> '',
                    (SELECT extract(epoch FROM clock_timestamp() - last_msg_receipt_time)::float8 FROM pg_stat_wal_receiver),
                    EXISTS (SELECT FROM pg_stat_wal_receiver)
             WHERE pg_is_in_recovery()"
        );
        let Some(row) = client.query_opt(&query, &[]).await? else { return Ok(vec![]) };
        let text = |column| row.get::<_, Option<String>>(column).unwrap_or_default();
        let event = text(1);
        let mut found = vec![];
        if text(0) == "paused" {
            found.push(self.paused().await);
        } else if event.starts_with("RecoveryConflict") {
            found.push(self.conflict(client, &event).await?);
        } else if event == "RecoveryApplyDelay" {
            let what = format!("`{}` replays late on purpose: recovery_min_apply_delay = {}", self.name(), text(2));
            found.push(Holdup { kind: HoldupKind::Replay, what, more: vec![], help: None, endless: false });
        }
        let (silence, receives): (Option<f64>, bool) = (row.get(4), row.get(5));
        if row.get::<_, Option<bool>>(3) == Some(true) {
            found.extend(self.receiver(receives, silence).await);
        }
        Ok(found)
    }

    /// Replay that is paused, and why.
    async fn paused(&self) -> Holdup {
        pattern!(
            LOWER,
            r"hot standby is not possible because of insufficient parameter settings(?s:.{0,400}?)DETAIL:\s+(.*?)\.?\n"
        );
        let log = match self.host() {
            Ok(_) => self.log_from(self.log_start()).await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        let lower = LOWER
            .as_ref()
            .and_then(|pattern| pattern.captures_iter(&log).last()?.get(1).map(|m| m.as_str().to_owned()));
        let name = self.name();
        match lower {
            Some(lower) => Holdup {
                kind: HoldupKind::Replay,
                what: format!("replay on `{name}` is paused at a parameter change: {lower}"),
                more: vec![],
                help: Some(format!(
                    "give `{name}` at least its primary's value in `settings`, and restart it; a promotion or a resume would end the server"
                )),
                endless: true,
            },
            None => Holdup {
                kind: HoldupKind::Replay,
                what: format!("recovery on `{name}` is paused"),
                more: vec![],
                help: Some(format!(
                    "`promote: {{ node: {name} }}` ends it; `SELECT pg_wal_replay_resume()` lets it go on"
                )),
                endless: true,
            },
        }
    }

    /// Queries on a standby that replay waits for.
    async fn conflict(&self, client: &Client, event: &str) -> Result<Holdup, SqlError> {
        let query = "SELECT pid, application_name, usename::text, state, query,
                            extract(epoch FROM clock_timestamp() - xact_start)::float8, xact_start::text
                     FROM pg_stat_activity
                     WHERE backend_type = 'client backend' AND pid <> pg_backend_pid() AND xact_start IS NOT NULL
                     ORDER BY xact_start LIMIT 3";
        let sessions = client.query(query, &[]).await?;
        Ok(Holdup {
            kind: HoldupKind::Replay,
            what: format!("replay on `{}` waits for queries that need what it would remove ({event})", self.name()),
            more: sessions.iter().map(|row| Session::read(row).to_string()).collect(),
            help: Some("end those queries, or set max_standby_streaming_delay lower".to_owned()),
            endless: false,
        })
    }

    /// A standby that gets no WAL from its primary.
    async fn receiver(&self, receives: bool, silence: Option<f64>) -> Option<Holdup> {
        let what = match (receives, silence) {
            (false, _) => format!("`{}` has no connection to its primary: its walreceiver does not run", self.name()),
            (true, Some(silence)) if silence > SILENT_SECONDS => {
                format!("`{}` has heard nothing from its primary for {}", self.name(), seconds(silence))
            }
            _ => return None,
        };
        let log = match self.host() {
            Ok(_) => self.log_from(self.log_start()).await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        let said = WalRefusal::last(&log).filter(|_| !receives).map(|refusal| refusal.message);
        Some(Holdup {
            kind: HoldupKind::Receiver,
            what,
            more: said.into_iter().collect(),
            help: Some("does its primary run, and can it be reached from there?".to_owned()),
            endless: false,
        })
    }

    /// Replication slots whose WAL is gone.
    async fn lost_slots(&self, client: &Client) -> Result<Vec<Holdup>, SqlError> {
        let why = match self.version().major {
            ..=16 => "NULL::text",
            _ => "invalidation_reason",
        };
        let query = format!("SELECT slot_name::text, {why} FROM pg_replication_slots WHERE wal_status = 'lost'");
        let rows = client.query(&query, &[]).await?;
        let found = rows.iter().map(|row| {
            let (slot, why): (String, Option<String>) = (row.get(0), row.get(1));
            let why = why.map(|why| format!(" ({why})")).unwrap_or_default();
            Holdup {
                what: format!(
                    "replication slot `{slot}` on `{}` is lost{why}: the WAL that its standby needs is gone",
                    self.name()
                ),
                kind: HoldupKind::Slot(slot),
                more: vec![],
                help: Some(
                    "`rebuild` the standby; a larger max_slot_wal_keep_size keeps the WAL for longer".to_owned(),
                ),
                endless: true,
            }
        });
        Ok(found.collect())
    }

    /// An archive_command that fails, with its own words.
    async fn archive(&self, client: &Client) -> Result<Option<Holdup>, SqlError> {
        let query = "SELECT failed_count, last_failed_wal, last_failed_time::text FROM pg_stat_archiver
                     WHERE last_failed_time > coalesce(last_archived_time, '-infinity')";
        let Some(row) = client.query_opt(query, &[]).await? else { return Ok(None) };
        let (count, wal, at): (i64, String, String) = (row.get(0), row.get(1), row.get(2));
        let log = match self.host() {
            Ok(_) => self.log_from(self.log_start()).await.unwrap_or_default(),
            Err(_) => String::new(),
        };
        Ok(Some(Holdup {
            kind: HoldupKind::Archive,
            what: format!("archive_command on `{}` has failed {count} times, last for {wal} at {at}", self.name()),
            more: archive_words(&log),
            help: None,
            endless: false,
        }))
    }
}

/// What archive_command wrote before the server said that it failed, and what the server said: the last of each.
fn archive_words(log: &str) -> Vec<String> {
    pattern!(FAILED, r"archive command (?:failed|was terminated)");
    pattern!(OWN, r"\b(?:LOG|WARNING|ERROR|FATAL|PANIC|DETAIL|HINT|STATEMENT|CONTEXT|DEBUG\d?|NOTICE|INFO):\s\s");
    const LINES: usize = 3;
    let (Some(failed), Some(own)) = (FAILED.as_ref(), OWN.as_ref()) else { return vec![] };
    let lines: Vec<&str> = log.lines().collect();
    let Some(at) = lines.iter().rposition(|line| failed.is_match(line)) else { return vec![] };
    let said = lines[..at].iter().rev().take_while(|line| !own.is_match(line)).take(LINES);
    let mut words: Vec<String> = said.map(|line| line.trim().to_owned()).filter(|line| !line.is_empty()).collect();
    words.reverse();
    words.push(lines[at].trim().to_owned());
    words
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

/// A session, as far as the one who looks may see it.
#[derive(Debug, Clone, PartialEq)]
struct Session {
    pid: i32,
    application: String,
    user: Option<String>,
    state: Option<String>,
    query: String,
    age: Option<f64>,
    since: Option<String>,
}

impl Session {
    /// Reads the columns pid, application_name, usename, state, query, the transaction's age and its start.
    fn read(row: &Row) -> Self {
        let text = |column| row.get::<_, Option<String>>(column);
        let age = row.get::<_, Option<f64>>(5);
        Session {
            pid: row.get(0),
            application: text(1).unwrap_or_default(),
            user: text(2),
            state: text(3),
            query: text(4).unwrap_or_default(),
            age,
            since: text(6),
        }
    }
}

impl std::fmt::Display for Session {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "pid {}", self.pid)?;
        let application = Some(&self.application).filter(|name| !name.is_empty());
        let mut about: Vec<String> = application.map(|name| format!("application {name}")).into_iter().collect();
        about.extend(self.user.as_ref().map(|user| format!("user {user}")));
        about.extend(self.state.clone());
        if let (Some(age), Some(since)) = (self.age, &self.since) {
            about.push(format!("in its transaction since {since}, for {}", seconds(age)));
        }
        if !about.is_empty() {
            write!(f, " ({})", about.join(", "))?;
        }
        let query = self.query.split_whitespace().collect::<Vec<_>>().join(" ");
        match query.char_indices().nth(SHOWN) {
            _ if query.is_empty() => Ok(()),
            Some((at, _)) => write!(f, ": {}...", &query[..at]),
            None => write!(f, ": {query}"),
        }
    }
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
    /// What the holder has; none where it waits itself.
    held: Option<String>,
}

impl Wait {
    fn read(row: &Row) -> Self {
        let (application, backend): (String, String) = (row.get(8), row.get(9));
        let waiter = match application.as_str() {
            _ if backend == "startup" => Waiter::Startup,
            "drillyard users" => Waiter::Users,
            name if name == "drillyard" || name.starts_with("drillyard ") => Waiter::Step,
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
        let by = match &root.holder {
            Holder::Startup(pid) if paused => {
                format!("the startup process (pid {pid}), which replays the WAL, and recovery is paused")
            }
            Holder::Startup(pid) => format!("the startup process (pid {pid}), which replays the WAL"),
            Holder::Prepared { gid, .. } => format!("the prepared transaction '{gid}'"),
            Holder::Session(session) => format!("a client backend (pid {})", session.pid),
            Holder::Unknown => "somebody who cannot be seen".to_owned(),
        };
        let held = root.held.as_deref().unwrap_or("the lock");
        let mut more = vec![format!("pid {} waits for {} on {}", self.pid, self.mode, self.object)];
        if root.pid != self.pid {
            more.push(format!("behind pid {}, which itself waits for {} on {}", root.pid, root.mode, root.object));
        }
        let (about, help) = match &root.holder {
            Holder::Session(session) => {
                (Some(session.to_string()), Some("end the session that holds the lock, or give the step longer with `within`".to_owned()))
            }
            Holder::Prepared { gid, owner, database, since, age } => (
                Some(format!("'{gid}' was prepared at {since}, {} ago, by {owner} in the database {database}", seconds(*age))),
                Some(format!(
                    "it holds its locks until somebody ends it: ROLLBACK PREPARED '{0}', or COMMIT PREPARED '{0}', in the database {database}",
                    gid.replace('\'', "''")
                )),
            ),
            Holder::Startup(_) if paused => (
                None,
                Some(
                    "recovery is paused inside the transaction that took the lock: it is held until the server is promoted. Use \
                     `then: promote`, or stop earlier, where no lock is held"
                        .to_owned(),
                ),
            ),
            Holder::Startup(_) | Holder::Unknown => (None, None),
        };
        more.extend(about);
        let endless = match &root.holder {
            Holder::Prepared { .. } => true,
            Holder::Startup(_) => paused,
            Holder::Session(_) | Holder::Unknown => false,
        };
        let kind = match self.waiter {
            Waiter::Step => HoldupKind::Lock,
            Waiter::Users => HoldupKind::UsersLock,
            Waiter::Startup => HoldupKind::Replay,
            Waiter::Other => HoldupKind::OthersLock,
        };
        Holdup { kind, what: format!("{held} on {} is held by {by} on `{node}`", root.object), more, help, endless }
    }
}

/// Every lock that is waited for, with each who is in the way. A prepared transaction has no process: pg_blocking_pids says 0, and it is
/// known by the lock on its own transaction id, which has the same virtual transaction as its others.
fn locks_query() -> String {
    format!(
        "SELECT b.pid, h.application_name, h.usename::text, h.state, h.query,
                extract(epoch FROM clock_timestamp() - h.xact_start)::float8, h.xact_start::text, h.backend_type,
                coalesce(w.application_name, ''), coalesce(w.backend_type, ''), l.pid, l.mode,
                CASE l.locktype
                  WHEN 'transactionid' THEN 'a row that transaction ' || l.transactionid || ' has changed'
                  WHEN 'virtualxid' THEN 'the end of transaction ' || l.virtualxid
                  WHEN 'advisory' THEN format('the advisory lock (%s, %s)', l.classid, l.objid)
                  WHEN 'object' THEN format('object %s of %s', l.objid, l.classid::regclass)
                  ELSE CASE WHEN l.relation IS NULL THEN 'a lock of the kind ' || l.locktype
                            WHEN l.database IN (0, d.oid) THEN l.relation::regclass::text
                            ELSE format('relation %s of the database %s', l.relation, (SELECT datname FROM pg_database WHERE oid = l.database)) END
                       || CASE WHEN l.locktype IN ('relation') THEN '' ELSE ' (' || l.locktype || ')' END
                END,
                p.gid, p.owner::text, p.database::text, p.prepared::text, extract(epoch FROM clock_timestamp() - p.prepared)::float8,
                p.mode
         FROM pg_locks l
         JOIN pg_stat_activity w ON w.pid = l.pid
         JOIN pg_database d ON d.datname = current_database()
         LEFT JOIN LATERAL unnest(pg_blocking_pids(l.pid)) AS b(pid) ON true
         LEFT JOIN pg_stat_activity h ON h.pid = b.pid
         LEFT JOIN LATERAL (
           SELECT x.*, g.mode FROM pg_locks g
           LEFT JOIN pg_locks t ON g.pid IS NULL AND t.pid IS NULL AND t.locktype = 'transactionid'
             AND t.virtualtransaction = g.virtualtransaction
           LEFT JOIN pg_prepared_xacts x ON x.transaction = t.transactionid
           WHERE g.granted AND coalesce(g.pid, 0) = b.pid
             AND (g.locktype, g.database, g.relation, g.page, g.tuple, g.virtualxid, g.transactionid, g.classid, g.objid, g.objsubid)
                 IS NOT DISTINCT FROM
                 (l.locktype, l.database, l.relation, l.page, l.tuple, l.virtualxid, l.transactionid, l.classid, l.objid, l.objsubid)
           ORDER BY x.gid IS NULL, g.mode <> 'AccessExclusiveLock' LIMIT 1) p ON true
         WHERE NOT l.granted AND (w.query_start IS NULL OR clock_timestamp() - w.query_start > {MOMENT})"
    )
}

/// `35 s`, `1 min 5 s`.
fn seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=119 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_archive_command_speaks_for_itself() {
        let log = "\
2026-11-22 12:00:00.000 UTC [9] LOG:  database system is ready to accept connections
cp: cannot create regular file '/x/000000010000000000000001': Not a directory
2026-11-22 12:00:01.000 UTC [12] LOG:  archive command failed with exit code 1
2026-11-22 12:00:01.000 UTC [12] DETAIL:  The failed archive command was: cp ...
2026-11-22 12:00:02.000 UTC [13] LOG:  checkpoint starting: time
";
        assert_eq!(
            archive_words(log),
            [
                "cp: cannot create regular file '/x/000000010000000000000001': Not a directory",
                "2026-11-22 12:00:01.000 UTC [12] LOG:  archive command failed with exit code 1",
            ]
        );
        assert_eq!(archive_words("2026 UTC [9] LOG:  fine\n"), Vec::<String>::new());
    }

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
