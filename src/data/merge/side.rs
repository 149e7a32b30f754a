//! The servers of a merge, and how its conflicts are decided.

use tokio_postgres::Client;

/// What becomes of a value that both the mistake and users have changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum OnConflict {
    /// Nothing at all is changed.
    Fail,
    /// The users' value stays.
    Keep,
    /// The good value is put back.
    Take,
}

/// One of the servers.
pub struct Side<'a> {
    /// The node's name.
    pub name: &'a str,
    /// A session that nobody else uses.
    pub client: &'a Client,
}

/// What `good` is compared with, to find the rows that are merged.
pub enum Compared<'a> {
    /// The server as it was just after the mistake.
    Bad(Side<'a>),
    /// Nobody has that: the live server, in a second session.
    Into(Side<'a>),
}
