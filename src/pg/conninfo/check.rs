//! What the values of a connection string may be, and what they mean together.

use super::keys::{Use, find};
use super::said::{Conninfo, ConninfoError};

/// How far a connection is to be encrypted, and how far the server's certificate is believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum SslMode {
    /// Never TLS.
    Disable,
    /// TLS if the server does not let anybody in without.
    Allow,
    /// TLS if the server has it.
    Prefer,
    /// TLS, whoever the server is.
    Require,
    /// TLS, and an authority that is trusted vouches for the server.
    VerifyCa,
    /// TLS, and it vouches for this very host's name.
    VerifyFull,
}

/// Which server of several is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum SessionAttrs {
    /// The first one that answers.
    Any,
    /// One that takes writes.
    Primary,
    /// One in recovery.
    Standby,
    /// One in recovery if there is any, else any.
    PreferStandby,
}

/// Whether a password is bound to the very TLS session.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChannelBinding {
    /// Never.
    Disable,
    /// If the server can.
    Prefer,
    /// Or there is no session.
    Require,
}

/// In which order several hosts are tried.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Pick {
    /// As they are named.
    InOrder,
    /// At random.
    Random,
}

/// The words that a key may have, and what each means.
type Words<T> = &'static [(&'static str, T)];

const SSL_MODES: Words<SslMode> = &[
    ("disable", SslMode::Disable),
    ("allow", SslMode::Allow),
    ("prefer", SslMode::Prefer),
    ("require", SslMode::Require),
    ("verify-ca", SslMode::VerifyCa),
    ("verify-full", SslMode::VerifyFull),
];
/// A session of drillyard's never writes: where libpq asks whether one could, it is asked whether
/// the server is a primary.
const SESSION_ATTRS: Words<SessionAttrs> = &[
    ("any", SessionAttrs::Any),
    ("read-write", SessionAttrs::Primary),
    ("read-only", SessionAttrs::Standby),
    ("primary", SessionAttrs::Primary),
    ("standby", SessionAttrs::Standby),
    ("prefer-standby", SessionAttrs::PreferStandby),
];
const CHANNEL_BINDINGS: Words<ChannelBinding> =
    &[("disable", ChannelBinding::Disable), ("prefer", ChannelBinding::Prefer), ("require", ChannelBinding::Require)];
const PICKS: Words<Pick> = &[("disable", Pick::InOrder), ("random", Pick::Random)];
const NEGOTIATIONS: Words<bool> = &[("postgres", false), ("direct", true)];
const GSS_MODES: Words<()> = &[("disable", ()), ("prefer", ())];
const SWITCHES: Words<bool> = &[("0", false), ("1", true)];
const PROTOCOLS: Words<()> = &[("TLSv1", ()), ("TLSv1.1", ()), ("TLSv1.2", ()), ("TLSv1.3", ())];

/// The whole numbers among them.
const NUMBERS: [&str; 5] =
    ["connect_timeout", "keepalives_idle", "keepalives_interval", "keepalives_count", "tcp_user_timeout"];

/// What libpq takes if neither the string nor anything around it says so.
fn one_of<T: Copy>(from: &Conninfo, name: &str, words: Words<T>) -> Result<Option<T>, ConninfoError> {
    let Some(value) = from.get(name) else { return Ok(None) };
    match words.iter().find(|(word, _)| *word == value) {
        Some((_, meaning)) => Ok(Some(*meaning)),
        None => {
            let known: Vec<String> = words.iter().map(|(word, _)| format!("`{word}`")).collect();
            Err(ConninfoError::new(format!("`{name}` cannot be `{value}`"))
                .help(format!("one of {}", known.join(", "))))
        }
    }
}

impl Conninfo {
    /// Checks every value by itself.
    ///
    /// # Errors
    /// For the first that is none, or that drillyard would not keep to.
    pub fn check(&self) -> Result<(), ConninfoError> {
        // libpq takes none of these empty, and nobody means the weaker default by it.
        for name in ["sslmode", "channel_binding", "target_session_attrs"] {
            if self.values.get(name).is_some_and(String::is_empty) {
                return Err(ConninfoError::new(format!("`{name}` is empty")).at(name));
            }
        }
        for (name, value) in self.values.iter().filter(|(_, value)| !value.is_empty()) {
            if find(name).is_some_and(|key| key.use_ == Use::Refused) {
                let message = format!("drillyard does not keep to `{name}`, which its own sessions would have to");
                return Err(ConninfoError::new(message)
                    .at(name)
                    .help("leave it out, and demand the same by `sslmode`"));
            }
            if NUMBERS.contains(name) && value.trim().parse::<i32>().is_err() {
                return Err(ConninfoError::new(format!("`{name}` is a whole number")).at(name));
            }
        }
        one_of(self, "gssencmode", GSS_MODES)?;
        one_of(self, "keepalives", SWITCHES)?;
        one_of(self, "sslsni", SWITCHES)?;
        one_of(self, "ssl_min_protocol_version", PROTOCOLS)?;
        one_of(self, "ssl_max_protocol_version", PROTOCOLS)?;
        one_of(self, "sslmode", SSL_MODES)?;
        self.session_attrs()?;
        self.channel_binding()?;
        self.pick()?;
        self.is_direct()?;
        self.ports()?;
        Ok(())
    }

    /// The hosts, as they are written: names, or directories of sockets.
    pub fn hosts(&self) -> Vec<&str> {
        self.get("host").map(|hosts| hosts.split(',').collect()).unwrap_or_default()
    }

    /// Their addresses, where those are given.
    pub fn addresses(&self) -> Vec<&str> {
        self.get("hostaddr").map(|hosts| hosts.split(',').collect()).unwrap_or_default()
    }

    /// The ports; an empty one is PostgreSQL's own.
    ///
    /// # Errors
    /// For what is no port.
    pub fn ports(&self) -> Result<Vec<u16>, ConninfoError> {
        let Some(ports) = self.get("port") else { return Ok(vec![]) };
        let one = |port: &str| match port.trim() {
            "" => Some(5432),
            port => port.parse().ok().filter(|port| *port != 0),
        };
        let all: Option<Vec<u16>> = ports.split(',').map(one).collect();
        all.ok_or_else(|| ConninfoError::new("`port` is no number from 1 to 65535").at("port"))
    }

    /// How far the connection is encrypted; with the system's own authorities, fully, or it would
    /// believe any server that has a certificate at all.
    ///
    /// # Errors
    /// For words that are none of libpq's, and for those that weaken what others demand.
    pub fn ssl_mode(&self) -> Result<SslMode, ConninfoError> {
        let said = one_of(self, "sslmode", SSL_MODES)?;
        let system = self.get("sslrootcert") == Some("system");
        let mode = said.unwrap_or(if system { SslMode::VerifyFull } else { SslMode::Prefer });
        if system && mode < SslMode::VerifyFull {
            return Err(ConninfoError::new("`sslrootcert=system` needs `sslmode=verify-full`"));
        }
        if self.is_direct()? && mode < SslMode::Require {
            return Err(ConninfoError::new("`sslnegotiation=direct` needs `sslmode=require` or more"));
        }
        Ok(mode)
    }

    /// Which server of several is wanted.
    ///
    /// # Errors
    /// For words that are none of libpq's.
    pub fn session_attrs(&self) -> Result<SessionAttrs, ConninfoError> {
        Ok(one_of(self, "target_session_attrs", SESSION_ATTRS)?.unwrap_or(SessionAttrs::Any))
    }

    /// Whether a password is bound to the TLS session.
    ///
    /// # Errors
    /// For words that are none of libpq's.
    pub fn channel_binding(&self) -> Result<ChannelBinding, ConninfoError> {
        Ok(one_of(self, "channel_binding", CHANNEL_BINDINGS)?.unwrap_or(ChannelBinding::Prefer))
    }

    /// In which order several hosts are tried.
    ///
    /// # Errors
    /// For words that are none of libpq's.
    pub fn pick(&self) -> Result<Pick, ConninfoError> {
        Ok(one_of(self, "load_balance_hosts", PICKS)?.unwrap_or(Pick::InOrder))
    }

    /// Whether TLS begins without asking for it first.
    ///
    /// # Errors
    /// For words that are none of libpq's.
    pub fn is_direct(&self) -> Result<bool, ConninfoError> {
        Ok(one_of(self, "sslnegotiation", NEGOTIATIONS)?.unwrap_or(false))
    }

    /// A switch that is on unless it is off.
    pub fn is_on(&self, name: &str) -> bool {
        self.get(name) != Some("0")
    }

    /// A whole number; nothing if none is given.
    pub fn number(&self, name: &str) -> Option<i32> {
        self.get(name)?.trim().parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wrong(text: &str) -> String {
        let found = Conninfo::parse(text).and_then(|found| found.ssl_mode().map(|_| found));
        found.err().map(|error| error.message).unwrap_or_default()
    }

    #[test]
    fn what_weakens_what_others_demand_is_an_error() {
        assert_eq!(wrong("sslmode=full"), "`sslmode` cannot be `full`");
        assert_eq!(wrong("sslmode=require sslrootcert=system"), "`sslrootcert=system` needs `sslmode=verify-full`");
        assert_eq!(wrong("sslnegotiation=direct"), "`sslnegotiation=direct` needs `sslmode=require` or more");
        assert_eq!(wrong("gssencmode=require"), "`gssencmode` cannot be `require`");
        assert!(wrong("require_auth=scram-sha-256").contains("does not keep to `require_auth`"));
        assert_eq!(wrong("port=5432,x"), "`port` is no number from 1 to 65535");
        assert_eq!(wrong("connect_timeout=2s"), "`connect_timeout` is a whole number");
        assert_eq!(wrong("sslrootcert=system gssencmode=prefer client_encoding=utf8 application_name=x"), "");
        assert_eq!(Conninfo::parse("sslrootcert=system").and_then(|all| all.ssl_mode()), Ok(SslMode::VerifyFull));
    }
}
