//! Names in a scenario that refer to something else in it.

use std::borrow::Cow;
use std::ops::Deref;

use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::Deserialize;

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
            _ => None,
        }
    }
}

macro_rules! reference {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
        pub struct $name(pub Spanned<Name>);

        impl Deref for $name {
            type Target = Spanned<Name>;

            fn deref(&self) -> &Spanned<Name> {
                &self.0
            }
        }

        impl JsonSchema for $name {
            fn inline_schema() -> bool {
                Name::inline_schema()
            }

            fn schema_name() -> Cow<'static, str> {
                Name::schema_name()
            }

            fn schema_id() -> Cow<'static, str> {
                Name::schema_id()
            }

            fn json_schema(generator: &mut SchemaGenerator) -> Schema {
                Name::json_schema(generator)
            }
        }
    };
}

reference! {
    /// The name of a node that has to be there.
    NodeName
}
reference! {
    /// The name of a repo.
    RepoName
}
reference! {
    /// The id of an earlier step.
    StepName
}

/// The id of an earlier `backup` step, or what a repo calls a backup that it already has.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct BackupName(pub Spanned<String>);

impl BackupName {
    /// The name, if it may be the id of a step.
    pub fn as_name(&self) -> Option<Spanned<Name>> {
        let Spanned { value, span, entry } = &self.0;
        Some(Spanned { value: Name::new(value).ok()?, span: *span, entry: *entry })
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
