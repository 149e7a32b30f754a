//! Whether a break was noticed, from what was heard of the broken run.

use crate::harness::{Role, Shift};
use crate::journal::{BreakVerdict, Cause, Event, Outcome, Problem, Sign, StepHead};
use crate::plan::{Break, Damage, Plan};
use crate::repo::Spoil;

/// What a broken run comes to.
pub fn of_run(plan: &Plan, what: &Break, events: &[Event]) -> BreakVerdict {
    // What fails before the break is not made by it.
    let verdict = of_steps(plan, what.step().map_or(0, |step| plan.turn(step)), events);
    if !matches!(verdict, BreakVerdict::Missed { .. }) {
        return verdict;
    }
    let end = events.iter().find_map(|event| match event {
        Event::DrillFinished { outcome, problem, message, .. } => Some((*outcome, problem, message)),
        _ => None,
    });
    // A budget was not measured either where the servers did not start, or somebody ended the run:
    // then the drill has errored.
    let budget = events.iter().find_map(|event| match event {
        Event::BudgetJudged { budget, problem: Some(problem), .. } if budget.outcome == Outcome::Failed => {
            Some(sign(format!("the budget of {}", budget.name), problem))
        }
        _ => None,
    });
    match (end, budget) {
        (Some((Outcome::Passed, ..)), _) => verdict,
        (Some((Outcome::Failed, ..)), Some(sign)) => BreakVerdict::Noticed(sign),
        (Some((Outcome::Failed, Some(problem), _)), None) => {
            BreakVerdict::Noticed(sign("the drill".to_owned(), problem))
        }
        (Some((_, _, message)), _) => {
            unknown(message.clone().unwrap_or_else(|| "the broken drill did not finish".to_owned()))
        }
        (None, _) => unknown("the broken drill was not run".to_owned()),
    }
}

/// What the steps of a run come to: the first that did not pass decides. `Missed` where all passed.
pub fn of_steps(plan: &Plan, from: usize, events: &[Event]) -> BreakVerdict {
    let mut passed = Vec::new();
    // The verdict where an incident came too late, and when that was.
    let mut late: Option<(usize, BreakVerdict)> = None;
    for event in events {
        let Event::StepFinished { index, outcome, problem, message, .. } = event else { continue };
        // What happens during a step comes and goes with it.
        let turn = plan.turn(*index);
        if late.as_ref().is_some_and(|(missed, _)| turn != *missed) {
            break;
        }
        if let Some(step) = plan.steps.get(*index)
            && *outcome == Outcome::Passed
            && step.kind.role == Role::Check
            && turn >= from
        {
            passed.push(format!("{} ({})", step.head.name, place_of(plan, &step.head)));
        }
        let Some(step) = plan.steps.get(*index).filter(|_| outcome.is_bad()) else {
            continue;
        };
        // The line of an `all` has spoken before.
        let problem = problem.clone().unwrap_or_else(|| Problem::new(message.clone().unwrap_or_default()));
        let sign = sign(step.head.name.clone(), &problem);
        let sign = if sign.place.is_empty() { Sign { place: place_of(plan, &step.head), ..sign } } else { sign };
        // An incident that came too late has hit nobody: what the drill notices was not tried,
        // unless the step itself fails, or another incident does.
        if problem.cause == Cause::Missed && turn >= from {
            late.get_or_insert_with(|| (turn, unknown(format!("{}: {}", sign.place, sign.said))));
            continue;
        }
        let by_itself = *outcome == Outcome::Failed && problem.cause != Cause::DrillDeadline;
        return match () {
            () if turn < from => unknown(format!("it failed before the break, at {}: {}", sign.place, sign.said)),
            () if by_itself || problem.cause == Cause::Missing => BreakVerdict::Noticed(sign),
            () => unknown(format!("{}: {}", sign.place, sign.said)),
        };
    }
    passed.dedup();
    late.map_or(BreakVerdict::Missed { passed }, |(_, verdict)| verdict)
}

/// What to add to a drill that misses the break.
pub fn remedy(what: &Break) -> String {
    match what {
        Break::LeftOut(_) => {
            "check what this step brings about; or ignore the break, with the reason why it makes no difference"
                .to_owned()
        }
        Break::NoIncident(_) => {
            "check before the recovery that the damage is there: an assertion with `expect: { fails: ... }`".to_owned()
        }
        Break::Moved(_, Shift::Earlier) => {
            "check what was committed just before the target: `assert_traffic` with `lost: 0`, or `assert_rows`"
                .to_owned()
        }
        Break::Moved(_, Shift::Later) => {
            "check that nothing from after the target is there: `assert_rows` with `same_as`".to_owned()
        }
        Break::Damaged(damage, _, node) => match damage {
            Damage::RowDeleted | Damage::RowChanged | Damage::RowDoubled => {
                format!("compare the rows: `assert_rows: {{ node: {node}, table: ..., same_as: ... }}`")
            }
            Damage::ForeignKeyLost | Damage::IndexLost | Damage::GrantLost | Damage::SequenceLost => {
                format!("compare the catalog: `assert_catalog: {{ node: {node}, same_as: ... }}` with a `snapshot`")
            }
        },
        Break::TransactionLost { traffic, node } => {
            format!("allow no loss: `assert_traffic: {{ traffic: {traffic}, node: {node}, lost: 0 }}`")
        }
        Break::StandbyStopped { standby, primary } => {
            format!("`assert_streaming: {{ standby: {standby}, primary: {primary} }}` behind the recovery")
        }
        Break::RoleLost(node) => {
            format!("a step that fails if `{node}` refuses the copy: `assert_streaming` with `primary: {node}`")
        }
        Break::Spoiled(spoil, repo) => match spoil {
            Spoil::BackupDamaged => {
                "look at what was restored: `assert_intact`, or a query over what matters. If that is there, replay has brought all of the \
                 damaged pages anew, as it does in small tables that are written often: ignore the break, and say so"
                    .to_owned()
            }
            Spoil::NewestMissing => {
                format!("say how old the newest backup may be: `assert_backup: {{ repo: {repo}, max_age: 26h }}`")
            }
            Spoil::WalMissing => {
                format!(
                    "`assert_recoverable: {{ repo: {repo} }}`: a copy that follows its original gets there what the archive lacks"
                )
            }
        },
    }
}

fn unknown(why: String) -> BreakVerdict {
    BreakVerdict::Errored { why }
}

fn sign(by: String, problem: &Problem) -> Sign {
    let place = problem.places.first().map(|found| place(&found.file, found.line)).unwrap_or_default();
    Sign { by, place, said: problem.headline() }
}

fn place_of(plan: &Plan, head: &StepHead) -> String {
    place(head.file(plan.source.file()), head.line)
}

fn place(file: &str, line: usize) -> String {
    let name = std::path::Path::new(file).file_name().map_or(file.into(), |name| name.to_string_lossy());
    format!("{name}:{line}")
}

#[cfg(test)]
pub(super) mod tests {
    use super::*;
    use crate::journal::{Budget, Facts};

    const FILE: &str = "drillyard: 1
nodes: { master: {} }
steps:
  - id: data
    create_data: { node: master, table: items, rows: 10 }
  - crash: { node: master }
  - start: { node: master }
  - assert_rows: { node: master, table: items, same_as: data }
";

    fn plan() -> Plan {
        plan_of(FILE)
    }

    pub(in crate::prove) fn plan_of(text: &str) -> Plan {
        let source = crate::source::Source::new("a/drill.yaml".to_owned(), text);
        let scenario = crate::scenario::load(source, crate::scenario::Values::none(), &[]).expect("it is valid");
        crate::plan::resolve(scenario).expect("it is valid")
    }

    fn step(index: usize, outcome: Outcome, problem: Option<Problem>) -> Event {
        let message = problem.as_ref().map(|problem| problem.title.clone());
        let facts = Facts::new();
        Event::StepFinished { drill: 0, index, outcome, started_ms: 0, duration_ms: 1, message, problem, facts }
    }

    fn end(outcome: Outcome, title: Option<&str>) -> Event {
        let problem = title.map(Problem::new);
        let (message, again) = (title.map(str::to_owned), String::new());
        Event::DrillFinished { drill: 0, outcome, duration_ms: 1, message, problem, again, kept: false }
    }

    fn unmeasured() -> Event {
        let budget = Budget {
            name: crate::journal::BudgetName::Rto,
            outcome: Outcome::Failed,
            measured_ms: None,
            max_ms: None,
            measured_lost: None,
            max_lost: None,
            checked: None,
            not_checked: None,
        };
        Event::BudgetJudged { drill: 0, budget, problem: Some(Problem::new("never measured")) }
    }

    /// What a run with the second step left out comes to.
    fn verdict(events: &[Event]) -> String {
        match of_run(&plan(), &Break::NoIncident(1), events) {
            BreakVerdict::Noticed(sign) => format!("noticed by {} at {}: {}", sign.by, sign.place, sign.said),
            BreakVerdict::Missed { passed } => format!("missed by {}", passed.join(", ")),
            BreakVerdict::Ignored { because } => because,
            BreakVerdict::Errored { why } => format!("unknown: {why}"),
        }
    }

    #[test]
    fn a_failure_after_the_break_is_a_notice_and_the_lab_s_is_none() {
        use Outcome::{Errored, Failed, Passed};
        let failed = |title: &str| Some(Problem::new(title));
        let by_step = [step(1, Outcome::Skipped, None), step(3, Failed, failed("other rows")), end(Failed, None)];
        assert_eq!(verdict(&by_step), "noticed by items on master same as data at drill.yaml:8: other rows");
        let missing = Problem::new("no such mark").because(Cause::Missing);
        assert!(verdict(&[step(2, Errored, Some(missing)), end(Errored, None)]).starts_with("noticed by start master"));
        let gone = [step(2, Errored, failed("no Docker")), unmeasured(), end(Errored, None)];
        assert_eq!(verdict(&gone), "unknown: drill.yaml:7: no Docker");
        let late =
            [step(2, Failed, failed("too late").map(|late| late.because(Cause::DrillDeadline))), end(Failed, None)];
        assert!(verdict(&late).starts_with("unknown: "));
        let before = [step(0, Failed, failed("slow")), end(Failed, None)];
        assert_eq!(verdict(&before), "unknown: it failed before the break, at drill.yaml:5: slow");
        let missed = verdict(&[step(3, Passed, None), end(Passed, None)]);
        assert_eq!(missed, "missed by items on master same as data (drill.yaml:8)");
    }

    #[test]
    fn what_happens_during_one_step_has_one_turn() {
        use Outcome::{Failed, Passed, Skipped};
        let text = "drillyard: 1
nodes: { master: {}, standby: { follows: master } }
steps:
  - pause: { node: standby }
    during: { step: long }
  - unpause: { node: standby }
    during: { step: long, after: 100ms }
  - id: long
    sql: { node: master, query: SELECT pg_sleep(1) }
  - crash: { node: master }
";
        let plan = plan_of(text);
        let come = |events: &[Event]| match of_steps(&plan, plan.turn(0), events) {
            BreakVerdict::Noticed(sign) => format!("noticed at {}", sign.place),
            BreakVerdict::Missed { .. } => "missed".to_owned(),
            BreakVerdict::Ignored { because: why } | BreakVerdict::Errored { why } => why,
        };
        let failed = |index, title: &str| step(index, Failed, Some(Problem::new(title)));
        let late = || step(1, Failed, Some(Problem::new("too late").because(Cause::Missed)));
        // Before the step, and all the same no earlier than the break.
        assert_eq!(
            come(&[step(0, Skipped, None), failed(1, "is not paused"), step(2, Passed, None)]),
            "noticed at drill.yaml:6"
        );
        // One that came too late because the step failed at once; nothing else did; or only later.
        assert_eq!(come(&[late(), failed(2, "no database")]), "noticed at drill.yaml:9");
        assert_eq!(come(&[late(), step(2, Passed, None)]), "drill.yaml:6: too late");
        assert_eq!(come(&[late(), step(2, Passed, None), failed(3, "gone")]), "drill.yaml:6: too late");
    }

    #[test]
    fn a_budget_is_a_notice_unless_nothing_was_run() {
        assert_eq!(
            verdict(&[unmeasured(), end(Outcome::Failed, None)]),
            "noticed by the budget of rto at : never measured"
        );
        assert_eq!(verdict(&[unmeasured(), end(Outcome::Errored, Some("interrupted"))]), "unknown: interrupted");
        assert_eq!(
            verdict(&[end(Outcome::Failed, Some("this drill checked nothing"))]),
            "noticed by the drill at : this drill checked nothing"
        );
        assert_eq!(verdict(&[end(Outcome::Skipped, Some("not begun"))]), "unknown: not begun");
        assert_eq!(verdict(&[]), "unknown: the broken drill was not run");
    }
}
