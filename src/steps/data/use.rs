//! `use`

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{Context, Resolved, Role, Scope, Step, StepKind, StepResult};

/// The steps of a fragment, in the place of this one.
///
/// ```yaml
/// - id: day
///   use: lib/shop.yaml
///   with: { rate: 50 }
/// ```
///
/// A fragment is a file that says `fragment: true`, and has `params`, `nodes`, `repos`, `steps`.
/// `with` gives it its params; those with a default may be left out. It is looked for as other
/// files are: beside the drill, in the folders above it, then here.
///
/// With an `id`, its steps have the ids `ID.step` for everybody else: `backup: day.nightly`.
/// Without one they are called as the fragment calls them. A `name` is put before those of its
/// steps, and `when` holds for each of them. `within` and `expect` belong to a step of it.
///
/// The steps are those of the drill, as if they were written into it: reports show each with its
/// line in the fragment, and the line that uses it.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
pub struct UseSpec(#[expect(dead_code, reason = "read before steps are decoded")] String);

/// Nothing: the steps of the fragment stand in its place.
#[derive(Debug, Clone, Copy)]
pub enum Unfolded {}

impl StepKind for UseSpec {
    type Step = Unfolded;

    const NAME: &'static str = "use";
    const DEADLINE: Duration = Duration::ZERO;
    const ROLE: Role = Role::Fragment;

    fn resolve(self, _: &mut Scope<'_>) -> Resolved<Unfolded> {
        None
    }
}

#[async_trait(?Send)]
impl Step for Unfolded {
    fn title(&self) -> String {
        match *self {}
    }

    async fn run(&self, _: &mut Context<'_>) -> StepResult {
        match *self {}
    }
}
