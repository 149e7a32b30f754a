//! Where a server is that somebody else has made, by its own postmaster.pid.

/// Where a server is that was not configured by drillyard.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Found {
    /// The port.
    pub(super) port: String,
    /// The directory of its socket.
    pub(super) sockets: String,
    /// The file that it logs to; none if it is not known.
    pub(super) log: Option<String>,
}

impl Found {
    /// Reads what `scripts/found_server.sh` printed.
    pub(super) fn read(text: &str) -> Option<Self> {
        let mut lines = text.lines();
        let (port, sockets) = (lines.next()?.to_owned(), lines.next()?.to_owned());
        let log = lines.next().filter(|log| !log.is_empty()).map(str::to_owned);
        port.parse::<u16>().ok().map(|_| Found { port, sockets, log })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_prints_is_read() {
        let found = Found { port: "5433".to_owned(), sockets: "/run".to_owned(), log: None };
        assert_eq!(Found::read("5433\n/run\n\n"), Some(found.clone()));
        assert_eq!(Found::read("5433\n/run\n/log\n"), Some(Found { log: Some("/log".to_owned()), ..found }));
        assert_eq!(Found::read(""), None);
    }
}
