//! What all servers that drillyard makes have in common.

/// The superuser that drills work as.
pub const SUPERUSER: &str = "postgres";
/// The database that drills work in.
pub const DATABASE: &str = "postgres";
/// The number in the names of the servers' sockets, on every host.
pub(super) const SOCKET_PORT: &str = "5432";
/// initdb's options for every cluster that drillyard makes: data checksums on, and text that sorts
/// alike on any machine.
pub const INITDB_OPTIONS: &[&str] = &["--data-checksums", "--encoding=UTF8", "--locale=C"];
