//! What a step is: its fields as a scenario has them, and the step that they become once every name
//! is looked up.

use std::time::Duration;

use async_trait::async_trait;
use schemars::{JsonSchema, SchemaGenerator};
use serde::de::DeserializeOwned;

use super::{Context, Effects, Kind, Makes, MarkKind, Output, Recovers, Role, Scope, Shift, StepResult, UserPace};

/// What a step's fields become. `None` if something is wrong with them: the scope has been told
/// what.
pub type Resolved<T> = Option<T>;

/// A field that may be left out, looked up if it is there.
pub fn if_given<F, T>(field: Option<F>, look_up: impl FnOnce(F) -> Resolved<T>) -> Resolved<Option<T>> {
    match field {
        Some(field) => look_up(field).map(Some),
        None => Some(None),
    }
}

/// A step, every name in it looked up.
#[async_trait(?Send)]
pub trait Step: Send + Sync + std::fmt::Debug {
    /// What it does, in a few words, for reports: `drop shop.orders on master`.
    fn title(&self) -> String;

    /// What it does to the rest of the drill; anything, if it does not say.
    fn effects(&self) -> Effects {
        Effects::anything()
    }

    /// The same recovery with its target moved, for `prove`; `None` if it has no target, or none on
    /// that side.
    fn moved(&self, _: Shift) -> Option<Box<dyn Step>> {
        None
    }

    /// Does it.
    async fn run(&self, cx: &mut Context<'_>) -> StepResult;
}

/// A step kind: the fields of its steps as a scenario has them.
pub trait StepKind: DeserializeOwned + JsonSchema + Send + Sync + std::fmt::Debug + 'static {
    /// What they become.
    type Step: Step + 'static;

    /// The action key.
    const NAME: &'static str;
    /// How long it may take if `within` does not say.
    const DEADLINE: Duration;
    /// What it is in a drill.
    const ROLE: Role;
    /// What mark it is with an `id`.
    const MARK: MarkKind = MarkKind::None;
    /// What it leaves under its `id`.
    const OUTPUT: Option<Output> = None;
    /// Which field names the node that it makes: known before any name is looked up, and if another
    /// field is wrong.
    const MAKES: Option<Makes> = None;
    /// What users without a rate do meanwhile.
    const USERS: UserPace = UserPace::HeldBack;
    /// Whether it is a part of the recovery.
    const RECOVERS: Recovers = Recovers::Never;
    /// Whether the servers that it names have to run: one that happens while a step makes such a
    /// server waits until that runs.
    const NEEDS_SERVER: bool = false;

    /// The facts that its steps may report, beside those of a mark: names with spaces between them,
    /// which later steps can ask for.
    const FACTS: &'static str = "";

    /// Looks up every name, and checks what can be checked without a server.
    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Self::Step>;
}

/// The fields of a step of any kind.
pub trait Spec: Send + Sync + std::fmt::Debug {
    /// Looks up every name, and checks what can be checked without a server.
    fn resolve(self: Box<Self>, scope: &mut Scope<'_>) -> Resolved<Box<dyn Step>>;
}

impl<T: StepKind> Spec for T {
    fn resolve(self: Box<Self>, scope: &mut Scope<'_>) -> Resolved<Box<dyn Step>> {
        let step = StepKind::resolve(*self, scope)?;
        Some(Box::new(step))
    }
}

impl Kind {
    /// The registry's entry for a kind.
    pub const fn of<T: StepKind>() -> Self {
        Kind {
            name: T::NAME,
            deadline: T::DEADLINE,
            role: T::ROLE,
            mark: T::MARK,
            output: T::OUTPUT,
            makes: T::MAKES,
            users: T::USERS,
            recovers: T::RECOVERS,
            needs_server: T::NEEDS_SERVER,
            facts: T::FACTS,
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
