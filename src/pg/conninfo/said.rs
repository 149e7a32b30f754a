//! What a connection string says, key by key.

use std::collections::BTreeMap;
use std::fmt;

use super::keys::{KEYS, find};

/// A connection string, read: what is said of each key.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Conninfo {
    pub(super) values: BTreeMap<&'static str, String>,
}

/// What is wrong with a connection string. Nothing of it tells a password.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct ConninfoError {
    /// What, as a lowercase fragment.
    pub message: String,
    /// The key that it is about.
    pub key: Option<String>,
    /// What to do about it, if that is known.
    pub help: Option<String>,
}

impl ConninfoError {
    pub(super) fn new(message: impl Into<String>) -> Self {
        ConninfoError { message: message.into(), key: None, help: None }
    }

    pub(super) fn at(mut self, key: &str) -> Self {
        self.key = Some(key.to_owned());
        self
    }

    pub(super) fn help(mut self, help: impl Into<String>) -> Self {
        self.help = Some(help.into());
        self
    }
}

impl Conninfo {
    /// What a key says; nothing if it says nothing, or is empty.
    pub fn get(&self, name: &str) -> Option<&str> {
        self.values.get(name).map(String::as_str).filter(|value| !value.is_empty())
    }

    /// Gives a key that says nothing yet a value.
    ///
    /// # Errors
    /// If libpq knows no such key.
    pub fn fill(&mut self, name: &str, value: &str) -> Result<(), ConninfoError> {
        match self.values.contains_key(name) {
            true => Ok(()),
            false => self.set(name, value.to_owned(), None),
        }
    }

    /// Takes up one setting; of several with the same key libpq takes the last. `before` is the key
    /// in front of it.
    pub(super) fn set(&mut self, name: &str, value: String, before: Option<&str>) -> Result<(), ConninfoError> {
        match find(name) {
            Some(key) => {
                self.values.insert(key.name, value);
                Ok(())
            }
            None => Err(unknown(name, before)),
        }
    }

    /// The values that are nobody's business.
    pub fn secrets(&self) -> impl Iterator<Item = &str> {
        let secret = self.values.iter().filter(|(name, value)| is_secret(name) && !value.is_empty());
        secret.map(|(_, value)| value.as_str())
    }
}

impl fmt::Debug for Conninfo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let shown = |(name, value): (&&'static str, &String)| match is_secret(name) {
            true => format!("{name}=***"),
            false => format!("{name}={value}"),
        };
        f.debug_list().entries(self.values.iter().map(shown)).finish()
    }
}

/// That libpq knows no such key. What follows a password may be a part of it, and is not shown.
fn unknown(name: &str, before: Option<&str>) -> ConninfoError {
    if let Some(before) = before.filter(|before| is_secret(before)) {
        let message = format!("what follows `{before}` is no `key=value`");
        return ConninfoError::new(message).help("a value with spaces in it stands in single quotes");
    }
    let near = KEYS.iter().map(|key| (strsim::jaro_winkler(&name.to_lowercase(), key.name), key.name));
    let near = near.max_by(|(a, _), (b, _)| a.total_cmp(b)).filter(|(near, _)| *near > 0.85);
    let message = format!("libpq knows no `{name}`");
    match near {
        Some((_, near)) => ConninfoError::new(format!("{message}: did you mean `{near}`?")).at(name),
        None => ConninfoError::new(message).at(name),
    }
}

/// Whether what a key gives is nobody's business.
fn is_secret(name: &str) -> bool {
    matches!(name, "password" | "sslpassword" | "scram_client_key" | "scram_server_key" | "oauth_client_secret")
}
