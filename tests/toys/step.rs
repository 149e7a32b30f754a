//! A toy: a step that makes a node, is a mark and is a part of the recovery, so that the tests show
//! that a new kind of step needs no other place than its line in the registry, whatever it does.

use std::time::Duration;

use async_trait::async_trait;
use schemars::JsonSchema;
use serde::Deserialize;

use crate::harness::{
    Context, Effects, Makes, MarkKind, NodeId, NodeRef, Recovers, Resolved, Role, Scope, Step, StepKind, StepResult,
};
use crate::source::{Name, NodeName, Spanned};

/// Calls a node by another name.
///
/// ```yaml
/// - id: twin
///   toy: { node: rescue, of: master }
/// ```
///
/// It passes when the node is there.
#[derive(Debug, Clone, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct ToySpec {
    /// The new name.
    node: Spanned<Name>,
    /// The node.
    of: NodeName,
}

/// The step, every name in it looked up.
#[derive(Debug)]
pub struct Toy {
    node: NodeId,
    of: NodeRef,
}

impl StepKind for ToySpec {
    type Step = Toy;

    const NAME: &'static str = "toy";
    const DEADLINE: Duration = Duration::from_secs(10);
    const ROLE: Role = Role::Act;
    const MARK: MarkKind = MarkKind::Moment;
    const RECOVERS: Recovers = Recovers::Always;
    const MAKES: Option<Makes> = Some(Makes { field: "node", with: None });

    fn resolve(self, scope: &mut Scope<'_>) -> Resolved<Toy> {
        Some(Toy { of: scope.own_named_node(&self.of)?, node: NodeId::from(&self.node.value) })
    }
}

#[async_trait(?Send)]
impl Step for Toy {
    fn title(&self) -> String {
        format!("call {} {} as well", self.of, self.node)
    }

    fn effects(&self) -> Effects {
        Effects::writes(&self.node)
    }

    async fn run(&self, cx: &mut Context<'_>) -> StepResult {
        let node = cx.world.node(&self.of)?;
        cx.marked(&node, async |_, _| Ok(None)).await?;
        cx.world.outputs().nodes.insert(self.node.clone(), node);
        Ok(())
    }
}

mod tests {
    use crate::plan::{Plan, resolve};
    use crate::scenario::{Values, load};
    use crate::source::Source;

    fn plan(steps: &str) -> Result<Plan, Vec<String>> {
        let head = "drillyard: 1\nrepos: { onsite: {} }\nnodes: { master: { archive_to: onsite } }\nsteps:\n";
        let scenario = load(Source::new("toy.yaml", format!("{head}{steps}")), Values::none(), &[]);
        let titles =
            |problems: Vec<crate::journal::Problem>| problems.into_iter().map(|problem| problem.title).collect();
        scenario.and_then(resolve).map_err(titles)
    }

    const NIGHTLY: &str = "  - { id: nightly, backup: {} }\n";

    #[test]
    fn a_step_kind_is_known_everywhere() {
        let plan = plan(&format!(
            "{NIGHTLY}  - {{ id: twin, toy: {{ node: rescue, of: master }} }}\n  \
             - recover: {{ node: copy, backup: nightly, until: {{ before: twin }}, then: promote }}\n  \
             - assert_primary: {{ node: rescue }}\n"
        ))
        .expect("a plan");
        assert_eq!(plan.made.iter().map(|node| node.as_str()).collect::<Vec<_>>(), ["rescue", "copy"]);
        assert!(plan.steps[1].head.recovers, "reports show its time");
        assert!(plan.breaks.iter().any(|one| one.name == "left-out twin"), "prove leaves it out");
        let kind = crate::steps::find("toy").expect("explain and the schema have it");
        assert_eq!(crate::harness::summary(kind), "Calls a node by another name.");
    }

    #[test]
    fn a_wrong_field_hides_no_node_and_no_reference() {
        let wrong = plan("  - toy: { node: rescue, of: mster, quickly: true }\n  - assert_primary: { node: rescue }\n");
        assert_eq!(wrong.expect_err("two errors"), ["unknown node `mster`", "unknown key `quickly`"]);
    }
}
