//! `team`

use std::borrow::Cow;
use std::time::Duration;

use async_trait::async_trait;
use schemars::{JsonSchema, Schema, SchemaGenerator, json_schema};
use serde::de::IgnoredAny;
use serde::{Deserialize, Deserializer};

use crate::harness::{Context, Resolved, Role, Scope, Step, StepKind, StepResult};
use crate::source::{self, Name, Spanned};

/// People do this part by hand, in a firedrill (`drillyard firedrill`); in an ordinary run `auto`
/// is done in their place.
///
/// ```yaml
/// - id: back
///   name: Orders are failing
///   within: 45m
///   team:
///     brief: |
///       Support reports that no order can be placed since about noon.
///     hints:
///       - { text: "Which tables are there?", costs: 5 }
///       - { after: 15m, text: "The nightly backup and the WAL archive are whole.", costs: 10 }
///     injects:
///       - { after: 5m, say: "The CEO asks how long it will take." }
///     adopt: [rescue]
///     judge:
///       - assert_rows: { node: master, query: SELECT count(*) FROM shop.orders, equals: [[100000]] }
///     auto:
///       - recover: { node: rescue, backup: nightly, until: { before: accident }, then: promote }
///       - id: orders
///         dump: { node: rescue, tables: [shop.orders], dependents: true }
///       - reimport: { dump: orders, node: master }
///     traps:
///       - name: the wrong server was promoted
///         when: { node: standby, log: received promote request }
///         costs: 20
/// ```
///
/// Everything before it is done by the drill; then people are told the `brief` and recover in their
/// own way. They are done when every check of `judge` holds. A drill has one `team` step at most.
///
/// An ordinary run does the steps of `auto`, then makes all the checks of `judge`, however many
/// fail; hints, injects and traps are for people alone. Without `auto` only people can play the
/// drill, and `drillyard run` refuses it.
///
/// What only `auto` makes cannot be referred to from `judge` or from later steps, since people may
/// not make it, except for the nodes in `adopt`.
///
/// It passes if every step of `auto` passes and every check of `judge` holds, and both together
/// take no longer than `within`. A budget that ends at its `id` ends when that is known.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["judge"]))]
pub struct TeamSpec {
    /// What people are told at the start, in Markdown: symptoms, never the cause.
    #[serde(default)]
    pub brief: Option<Spanned<String>>,
    /// Hints that people can buy.
    #[serde(default)]
    pub hints: Vec<HintSpec>,
    /// What comes in between: something that people are told, or steps.
    #[serde(default)]
    pub injects: Vec<InjectSpec>,
    /// The servers that people may make; `judge` and later steps can refer to them.
    #[serde(default)]
    pub adopt: Vec<Spanned<Name>>,
    /// The checks that decide whether people are done: all of them have to hold.
    #[serde(default)]
    pub judge: NestedSteps,
    /// The steps that an ordinary run does in people's place.
    #[serde(default)]
    pub auto: NestedSteps,
    /// Second accidents that cost points.
    #[serde(default)]
    pub traps: Vec<TrapSpec>,
}

/// A hint that people can buy.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct HintSpec {
    /// What it says.
    pub text: Spanned<String>,
    /// What it costs, in points; nothing by default.
    #[serde(default)]
    pub costs: u32,
    /// How long after the incident it can be bought at the earliest; at once by default.
    #[serde(default)]
    pub after: Option<source::Duration>,
}

/// Something that comes in between: `say`, `steps` or both, `after` a time or `when` something
/// happens.
#[derive(Debug, Clone, Default, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct InjectSpec {
    /// How long after the incident it comes.
    #[serde(default)]
    pub after: Option<source::Duration>,
    /// What it waits for, with the fields of `wait_for`.
    #[serde(default)]
    pub when: NestedMoment,
    /// What people are told.
    #[serde(default)]
    pub say: Option<Spanned<String>>,
    /// Steps that are run. They refer to nothing that is made while people are at work.
    #[serde(default)]
    pub steps: NestedSteps,
}

/// A second accident, such as a write on the wrong server.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(extend("required" = ["name", "when", "costs"]))]
pub struct TrapSpec {
    /// What it is called in the score.
    pub name: Spanned<String>,
    /// What shows that it has happened, with the fields of `wait_for`.
    #[serde(default)]
    pub when: NestedMoment,
    /// What it costs, in points.
    pub costs: u32,
}

/// A list of steps inside a step: each is decoded by itself.
#[derive(Debug, Clone, Copy, Default)]
pub struct NestedSteps;

/// The fields of a `wait_for` inside a step: decoded as that step.
#[derive(Debug, Clone, Copy, Default)]
pub struct NestedMoment;

impl<'de> Deserialize<'de> for NestedSteps {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| NestedSteps)
    }
}

impl<'de> Deserialize<'de> for NestedMoment {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        IgnoredAny::deserialize(deserializer).map(|_| NestedMoment)
    }
}

impl JsonSchema for NestedSteps {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NestedSteps".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "type": "array", "items": { "$ref": "#/$defs/Step" }, "minItems": 1 })
    }
}

impl JsonSchema for NestedMoment {
    fn inline_schema() -> bool {
        true
    }

    fn schema_name() -> Cow<'static, str> {
        "NestedMoment".into()
    }

    fn json_schema(_: &mut SchemaGenerator) -> Schema {
        json_schema!({ "$ref": "#/$defs/Step/properties/wait_for" })
    }
}

/// The step.
#[derive(Debug)]
pub struct Team;

impl StepKind for TeamSpec {
    type Step = Team;

    const NAME: &'static str = "team";
    const DEADLINE: Duration = Duration::from_secs(3600);
    const ROLE: Role = Role::Team;

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Team> {
        let brief = self.brief.iter().map(|brief| ("brief", brief));
        let hints = self.hints.iter().map(|hint| ("text", &hint.text));
        let said = self.injects.iter().filter_map(|inject| Some(("say", inject.say.as_ref()?)));
        let traps = self.traps.iter().map(|trap| ("name", &trap.name));
        for (key, text) in brief.chain(hints).chain(said).chain(traps) {
            if text.value.trim().is_empty() {
                scope.error(text.span, format!("`{key}` is empty"), "people would read nothing");
            }
        }
        scope.by_hand();
        Some(Team)
    }
}

/// Its lines are steps of their own in the plan, and the executor runs them: there is nothing left
/// to do here.
#[async_trait(?Send)]
impl Step for Team {
    fn title(&self) -> String {
        "people recover".to_owned()
    }

    async fn run(&self, _: &mut Context<'_>) -> StepResult {
        Ok(())
    }
}
