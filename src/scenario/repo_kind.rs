//! The kind of a repo, one of the registry.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, EnumAccess, Error, VariantAccess, Visitor};
use serde_json::json;

use crate::repo::{self, KINDS, Kind};

/// What keeps backups and WAL.
#[derive(Debug, Clone, Copy)]
pub struct RepoKind(pub &'static Kind);

/// All that may be said.
static NAMES: LazyLock<Vec<&'static str>> = LazyLock::new(|| KINDS.iter().map(|kind| kind.name).collect());

impl<'de> Deserialize<'de> for RepoKind {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_enum("RepoKind", &NAMES, KindVisitor)
    }
}

struct KindVisitor;

impl<'de> Visitor<'de> for KindVisitor {
    type Value = RepoKind;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a kind of repo")
    }

    fn visit_enum<A: EnumAccess<'de>>(self, data: A) -> Result<RepoKind, A::Error> {
        let (name, rest) = data.variant::<String>()?;
        rest.unit_variant()?;
        match repo::find(&name) {
            Some(kind) => Ok(RepoKind(kind)),
            None => Err(A::Error::unknown_variant(&name, &NAMES)),
        }
    }
}

impl JsonSchema for RepoKind {
    fn schema_name() -> Cow<'static, str> {
        "RepoKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let choice = |kind: &Kind| json!({ "type": "string", "const": kind.name, "description": kind.about });
        let choices: Vec<_> = KINDS.iter().map(choice).collect();
        json_schema!({ "oneOf": choices, "description": "What keeps backups and WAL." })
    }
}
