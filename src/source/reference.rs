//! Names in a scenario that refer to something else in it.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;
use serde::de::{Deserializer, Error};

use super::{Name, Spanned};

/// To what a name refers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RefersTo {
    /// A node.
    Node,
    /// A repo.
    Repo,
    /// An earlier step, by its id.
    Step,
    /// A backup: that of an earlier step, by its id, or one that a repo already has.
    Backup,
    /// An earlier step, by its id, or a node.
    StepOrNode,
}

impl RefersTo {
    /// What the name of this type refers to, by the type's name, as serde hands it to the scenario
    /// decoder: so that the decoder knows the references of a step of which something else is
    /// wrong.
    pub fn by_type(name: &str) -> Option<RefersTo> {
        match name {
            "NodeName" => Some(RefersTo::Node),
            "RepoName" => Some(RefersTo::Repo),
            "StepName" => Some(RefersTo::Step),
            "BackupName" => Some(RefersTo::Backup),
            "StepOrNodeName" => Some(RefersTo::StepOrNode),
            _ => None,
        }
    }

    /// Whether it may be the id of a step.
    pub fn may_be_a_step(self) -> bool {
        matches!(self, RefersTo::Step | RefersTo::Backup | RefersTo::StepOrNode)
    }
}

/// An id as others write it, which may be that of a step in a fragment: `lunch.accident`.
fn id<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Spanned<Name>, D::Error> {
    struct Id(Name);
    impl<'de> Deserialize<'de> for Id {
        fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
            Name::of_step(&String::deserialize(deserializer)?).map(Id).map_err(D::Error::custom)
        }
    }
    let Spanned { value: Id(value), span, entry } = Spanned::deserialize(deserializer)?;
    Ok(Spanned { value, span, entry })
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident, $schema:ident $(, $with:literal)?) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        pub struct $name($(#[serde(deserialize_with = $with)])? pub Spanned<Name>);

        impl Deref for $name {
            type Target = Spanned<Name>;

            fn deref(&self) -> &Spanned<Name> {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                $schema::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                $schema::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                $schema::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                $schema::json_schema(generator)
            }
        }
    };
}

reference! {
    /// The name of a node that has to be there.
    NodeName, Name
}
reference! {
    /// The name of a repo.
    RepoName, Name
}
reference! {
    /// The id of an earlier step.
    StepName, StepId, "id"
}
reference! {
    /// The id of an earlier step, or the name of a node.
    StepOrNodeName, StepId, "id"
}

/// The schema of an id as others write it.
struct StepId;

impl JsonSchema for StepId {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "StepId".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        schemars::json_schema!({
            "type": "string",
            "pattern": "^[A-Za-z][A-Za-z0-9_-]{0,39}(\\.[A-Za-z][A-Za-z0-9_-]{0,39})*$|\\$\\{"
        })
    }
}

/// The id of an earlier `backup` step, or what a repo calls a backup that it already has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BackupName(pub Spanned<String>);

impl BackupName {
    /// The name, if it may be the id of a step.
    pub fn as_name(&self) -> Option<Spanned<Name>> {
        let Spanned { value, span, entry } = &self.0;
        Some(Spanned { value: Name::of_step(value).ok()?, span: *span, entry: *entry })
    }
}

impl Deref for BackupName {
    type Target = Spanned<String>;

    fn deref(&self) -> &Spanned<String> {
        &self.0
    }
}

impl JsonSchema for BackupName {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "BackupName".into()
    }

    fn json_schema(generator: &mut SchemaGenerator) -> Schema {
        String::json_schema(generator)
    }
}
