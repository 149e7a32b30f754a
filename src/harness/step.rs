//! What a step kind is.

use std::time::Duration;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator};
use serde::de::DeserializeOwned;

use crate::harness::{Aside, Brings, Context, Judges, Scope, Shift, StepResult};
use crate::source::{Name, Spanned};

/// A step of a scenario, with its fields.
#[async_trait(?Send)]
pub trait Step: Send + Sync + std::fmt::Debug {
    /// Checks what can be checked without a server, in `scope`, and fills in what was left out.
    fn resolve(&mut self, scope: &mut Scope<'_>);

    /// What it does, in a few words, for reports: `drop shop.orders on master`.
    fn title(&self) -> String;

    /// The node that it makes, where it makes one.
    fn makes_node(&self) -> Option<&Spanned<Name>> {
        None
    }

    /// The nodes between which it cuts the network, where it does: the lab has to be laid out for it.
    fn cuts(&self) -> Option<(&str, &str)> {
        None
    }

    /// The same recovery with its target moved, for `prove`; none where it has no target, or none on that side.
    fn moved(&self, _: Shift) -> Option<Box<dyn Step>> {
        None
    }

    /// The rows that it brings into a node, for `prove`, which damages them.
    fn brings(&self) -> Option<Brings<'_>> {
        None
    }

    /// What it judges, for `prove`, which takes it away.
    fn judges(&self) -> Option<Judges<'_>> {
        None
    }

    /// Whom it touches, for `prove`, which follows side branches of a drill beside it.
    fn aside(&self) -> Aside {
        Aside::Never
    }

    /// Does it.
    async fn run(&self, cx: &mut Context<'_>) -> StepResult;
}

/// What is the same for all steps of a kind.
pub trait StepKind: Step + DeserializeOwned + JsonSchema {
    /// The action key.
    const NAME: &'static str;
    /// How long it may take where `within` does not say.
    const DEADLINE: Duration;
    /// What it is in a drill.
    const ROLE: Role;
    /// What users without a rate do meanwhile.
    const USERS: UserPace = UserPace::HeldBack;
    /// Whether it is a part of the recovery: `prove` leaves it out and demands that the drill notices.
    const RECOVERS: bool = false;
    /// Whether it may be, behind an incident: it is left out as well, and the scenario says if it makes no difference.
    const MAY_RECOVER: bool = false;
}

/// What users without a rate do while a step runs.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserPace {
    /// As much as they can: the step waits for them, or has nothing to do with recovery.
    Full,
    /// Less, so that they do not slow down what the drill is about.
    HeldBack,
}

/// What a step is in a drill.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// It does something.
    Act,
    /// It does something, and with an `id` it is a mark.
    Mark,
    /// It is what the drill is about, and with an `id` a mark.
    Incident,
    /// It judges.
    Judge,
}

impl Role {
    /// Whether a step with an `id` is a mark.
    pub fn is_mark(self) -> bool {
        matches!(self, Role::Mark | Role::Incident)
    }
}

/// A step kind, as the registry knows it.
#[derive(Debug)]
pub struct Kind {
    /// The action key.
    pub name: &'static str,
    /// Its default deadline.
    pub deadline: Duration,
    /// What it is in a drill.
    pub role: Role,
    /// What users without a rate do meanwhile.
    pub users: UserPace,
    /// Whether it is a part of the recovery.
    pub recovers: bool,
    /// Whether it may be one behind an incident.
    pub may_recover: bool,
    /// Its fields as a JSON Schema, with the manual page as the description.
    pub schema: fn(&mut SchemaGenerator) -> Schema,
}

impl Kind {
    /// The registry's entry for a kind.
    pub const fn of<T: StepKind>() -> Self {
        Kind {
            name: T::NAME,
            deadline: T::DEADLINE,
            role: T::ROLE,
            users: T::USERS,
            recovers: T::RECOVERS,
            may_recover: T::MAY_RECOVER,
            schema: |generator| T::json_schema(generator),
        }
    }
}

/// The manual page of a kind: its doc comment.
pub fn manual(kind: &Kind) -> String {
    let schema = (kind.schema)(&mut SchemaGenerator::default());
    schema.get("description").and_then(|text| text.as_str()).unwrap_or_default().to_owned()
}

/// The first sentence of the manual page.
pub fn summary(kind: &Kind) -> String {
    manual(kind).split("\n\n").next().unwrap_or_default().replace('\n', " ")
}

/// Something that can decode a step's fields: the scenario's decoder.
pub trait Decode {
    /// The fields as `T`; errors go where the decoder keeps them.
    fn decode<T: DeserializeOwned>(self) -> Option<T>;
}
