//! The parts of a URL, to tell its host and to keep its secrets.

/// The parts of a URL.
pub(super) struct Parts<'a> {
    /// User and password.
    pub login: Option<&'a str>,
    /// The host, and the port if there is one.
    pub host: &'a str,
    /// All that comes behind it.
    pub path: &'a str,
}

impl<'a> Parts<'a> {
    pub(super) fn of(url: &'a str) -> Self {
        let rest = url.split_once("://").map_or(url, |(_, rest)| rest);
        let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
        match authority.rsplit_once('@') {
            Some((login, host)) => Parts { login: Some(login), host, path },
            None => Parts { login: None, host: authority, path },
        }
    }
}
