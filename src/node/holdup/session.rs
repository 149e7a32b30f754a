//! A session that is in the way, in words.

use std::fmt;

use tokio_postgres::Row;

/// How much of a query is shown.
const SHOWN: usize = 200;

/// A session, as far as the one who looks may see it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Session {
    pub(super) pid: i32,
    pub(super) application: String,
    pub(super) user: Option<String>,
    pub(super) state: Option<String>,
    pub(super) query: String,
    pub(super) age: Option<f64>,
    pub(super) since: Option<String>,
}

impl Session {
    /// Reads the columns pid, application_name, usename, state, query, the transaction's age and
    /// its start.
    pub(super) fn read(row: &Row) -> Self {
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

impl fmt::Display for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
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

/// `35 s`, `1 min 5 s`.
pub(super) fn seconds(seconds: f64) -> String {
    let whole = seconds.max(0.0).round() as u64;
    match whole {
        0..=119 => format!("{whole} s"),
        _ => format!("{} min {} s", whole / 60, whole % 60),
    }
}
