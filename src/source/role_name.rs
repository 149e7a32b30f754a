//! The name of a role.

use std::borrow::Cow;
use std::fmt;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer};

use super::scalars::{parsed, schema};

/// The name of a role of a server, as the server has it: in small letters, unless it was created in
/// quotes.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RoleName(String);

impl RoleName {
    /// Reads a name.
    ///
    /// # Errors
    /// For a word that no role can have as its name.
    pub fn parse(text: &str) -> Result<Self, String> {
        match text {
            // SET ROLE would leave the session the role that it has, in quotes, too.
            "none" | "public" => Err(format!(
                "no role can be called `{text}`\nhelp: leave it out for the role that drillyard logs in as"
            )),
            name => Ok(RoleName(name.to_owned())),
        }
    }

    /// The name.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for RoleName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl<'de> Deserialize<'de> for RoleName {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        parsed(deserializer, "a role", RoleName::parse)
    }
}

schema!(RoleName, { "type": "string", "description": "The name of a role, as the server has it" });
