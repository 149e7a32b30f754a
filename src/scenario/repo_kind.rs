//! The kind of a repo: one of the registry, or one that is not built yet.

use std::borrow::Cow;
use std::fmt;
use std::sync::LazyLock;

use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::{Deserialize, Deserializer, EnumAccess, Error, VariantAccess, Visitor};
use serde_json::json;

use super::not_built::LATER_REPO_KINDS;
use crate::repo::{self, KINDS, Kind};

/// What keeps backups and WAL.
#[derive(Debug, Clone, Copy)]
pub enum RepoKind {
    /// A kind of the registry.
    Known(&'static Kind),
    /// Not built yet.
    Later,
}

impl RepoKind {
    /// The kind of the registry.
    pub fn known(self) -> Option<&'static Kind> {
        match self {
            RepoKind::Known(kind) => Some(kind),
            RepoKind::Later => None,
        }
    }
}

/// All that may be said.
static NAMES: LazyLock<Vec<&'static str>> =
    LazyLock::new(|| KINDS.iter().map(|kind| kind.name).chain(LATER_REPO_KINDS.iter().copied()).collect());

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
            Some(kind) => Ok(RepoKind::Known(kind)),
            None if LATER_REPO_KINDS.contains(&name.as_str()) => Ok(RepoKind::Later),
            None => Err(A::Error::unknown_variant(&name, &NAMES)),
        }
    }
}

impl JsonSchema for RepoKind {
    fn schema_name() -> Cow<'static, str> {
        "RepoKind".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        let known = KINDS.iter().map(|kind| (kind.name, kind.about));
        let later = LATER_REPO_KINDS.iter().map(|name| (*name, "Not built yet."));
        let choice = |(name, about)| json!({ "type": "string", "const": name, "description": about });
        let choices: Vec<_> = known.chain(later).map(choice).collect();
        json_schema!({ "oneOf": choices, "description": "What keeps backups and WAL." })
    }
}
