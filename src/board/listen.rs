//! Where a board listens, and by which names it is known.

use std::fmt;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, ToSocketAddrs, UdpSocket};
use std::str::FromStr;

/// Where a board listens: `127.0.0.1:0`, `[::]:8080`, `drills.example.com:8080`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Listen {
    /// The address and the port; with port 0 one that is free.
    pub addr: SocketAddr,
    /// The host's name, if it was given by name: browsers may ask for the board by it.
    pub name: Option<String>,
}

/// An address that a board cannot listen on.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no address to listen on: {why}; expected HOST:PORT, like 127.0.0.1:0 or 0.0.0.0:8080")]
pub struct ListenError {
    text: String,
    why: String,
}

impl Default for Listen {
    /// This machine alone, on a port that is free.
    fn default() -> Self {
        SocketAddr::from((Ipv4Addr::LOCALHOST, 0)).into()
    }
}

impl From<SocketAddr> for Listen {
    fn from(addr: SocketAddr) -> Self {
        Listen { addr, name: None }
    }
}

impl FromStr for Listen {
    type Err = ListenError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(addr) = text.parse::<SocketAddr>() {
            return Ok(addr.into());
        }
        let error = |why: &str| ListenError { text: text.to_owned(), why: why.to_owned() };
        let (name, port) = text.rsplit_once(':').ok_or_else(|| error("it has no port"))?;
        if port.parse::<u16>().is_err() {
            return Err(error("its port is not a number up to 65535"));
        }
        let mut found = text.to_socket_addrs().map_err(|why| error(&why.to_string()))?;
        let addr = found.next().ok_or_else(|| error("the name has no address"))?;
        Ok(Listen { addr, name: Some(name.to_ascii_lowercase()) })
    }
}

impl fmt::Display for Listen {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.name {
            Some(name) => write!(f, "{name}:{}", self.addr.port()),
            None => self.addr.fmt(f),
        }
    }
}

impl Listen {
    /// Whether a browser may ask for the board by this `Host`. A name that somebody else's page has
    /// in its own domain, and points at this machine, is none of them (DNS rebinding).
    pub(super) fn is_known_as(&self, host: &str) -> bool {
        let host = without_port(host);
        let bare = host.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')).unwrap_or(host);
        bare.parse::<IpAddr>().is_ok()
            || host.eq_ignore_ascii_case("localhost")
            || self.name.as_deref().is_some_and(|name| host.eq_ignore_ascii_case(name))
    }

    /// How others reach it: the name that it was given by, or an address of this machine in the
    /// place of "all addresses".
    pub(super) fn reached_at(&self, port: u16) -> String {
        match (&self.name, self.addr.ip()) {
            (Some(name), _) => format!("{name}:{port}"),
            (None, ip) if ip.is_unspecified() => SocketAddr::from((outward(ip), port)).to_string(),
            (None, ip) => SocketAddr::from((ip, port)).to_string(),
        }
    }
}

fn without_port(host: &str) -> &str {
    match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) && !name.ends_with(':') => name,
        _ => host,
    }
}

/// The address from which this machine would speak to others. Nothing is sent: the addresses are
/// those reserved for documentation (RFC 5737, RFC 3849).
fn outward(ip: IpAddr) -> IpAddr {
    let (from, to, itself) = match ip {
        IpAddr::V4(_) => ("0.0.0.0:0", "192.0.2.1:9", IpAddr::from(Ipv4Addr::LOCALHOST)),
        IpAddr::V6(_) => ("[::]:0", "[2001:db8::1]:9", IpAddr::from(Ipv6Addr::LOCALHOST)),
    };
    let found = UdpSocket::bind(from).and_then(|socket| {
        socket.connect(to)?;
        socket.local_addr()
    });
    found.map_or(itself, |addr| addr.ip())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn listen(text: &str) -> Listen {
        text.parse().expect("an address")
    }

    #[test]
    fn a_board_is_known_by_addresses_and_by_its_own_name() {
        let named = listen("LocalHost:8080");
        assert_eq!(named.reached_at(8080), "localhost:8080");
        let here = Listen { addr: SocketAddr::from(([0, 0, 0, 0], 0)), name: Some("drills.example.com".to_owned()) };
        for host in ["127.0.0.1", "127.0.0.1:80", "[::1]:80", "[::1]", "LOCALHOST:1", "Drills.example.com:443"] {
            assert!(here.is_known_as(host), "{host}");
        }
        for host in ["", "evil.example", "evil.example:80", "drills.example.com.evil.example", "localhost.evil.example"]
        {
            assert!(!here.is_known_as(host), "{host}");
        }
        assert!(!Listen::default().is_known_as("drills.example.com"));
    }

    #[test]
    fn its_link_names_an_address_that_others_can_reach() {
        assert_eq!(listen("127.0.0.1:0").reached_at(81), "127.0.0.1:81");
        assert_eq!(listen("[::1]:0").reached_at(81), "[::1]:81");
        assert!(!listen("0.0.0.0:0").reached_at(81).starts_with("0.0.0.0"));
    }

    #[test]
    fn what_is_no_address_is_refused_with_the_reason() {
        for (text, why) in [("8080", "no port"), ("localhost:http", "not a number"), ("no.such.invalid:80", "expected")]
        {
            let error = text.parse::<Listen>().expect_err(text).to_string();
            assert!(error.contains(why) && error.contains(text), "{error}");
        }
    }
}
