//! Makes what is said of a run, from what its events said.

use std::collections::BTreeMap;

use jiff::Timestamp;

use crate::journal::{BreakVerdict, Budget, BudgetName, Facts, Outcome, Problem};
use crate::report::{DrillRecord, ProofRecord, RunRecord, StepRecord};

use super::chain::Position;
use super::not_tested::{is_check, not_tested};
use super::statement::{
    Attained, Check, Drill, Goal, NotTested, Objective, Predicate, Proof, Recovery, Run, Statement, Subject, Tool,
    Trigger,
};

/// What no event says of a run.
#[derive(Debug, Clone, Default)]
pub struct Circumstances {
    /// Who or what started it.
    pub trigger: Trigger,
    /// The scenarios that were selected.
    pub selected: Vec<Selected>,
    /// The digest of its recording so far, and how many bytes that is.
    pub recording: Option<(String, u64)>,
    /// What ends it, in the words of the message; for a run that did not come to its first drill.
    pub why: Vec<String>,
}

/// A scenario file that was selected.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Selected {
    /// The drill's name.
    pub name: String,
    /// The file, as the user named it.
    pub file: String,
    /// Its digest.
    pub sha256: Option<String>,
    /// The fragments that it uses, each with its own.
    pub fragments: BTreeMap<String, String>,
}

/// The statement of a run that ended.
pub fn statement(record: &RunRecord, circumstances: &Circumstances, position: Position) -> Statement {
    let Circumstances { selected, recording, .. } = circumstances;
    let sha256 = |digest: &str| BTreeMap::from([("sha256".to_owned(), digest.to_owned())]);
    // Each file once, whatever the number of drills that are made of it.
    let mut files: Vec<Subject> = vec![];
    for one in selected {
        let own = (&one.file, one.sha256.as_ref());
        for (name, digest) in std::iter::once(own).chain(one.fragments.iter().map(|(name, it)| (name, Some(it)))) {
            let digest = digest.map(|digest| sha256(digest)).unwrap_or_default();
            let file = Subject { name: name.clone(), digest, annotations: BTreeMap::new() };
            if !files.contains(&file) {
                files.push(file);
            }
        }
    }
    let recording = recording.iter().map(|(digest, bytes)| Subject {
        name: "events.jsonl".to_owned(),
        digest: sha256(digest),
        annotations: BTreeMap::from([("bytes".to_owned(), *bytes)]),
    });
    let subject = files.into_iter().chain(recording).collect();
    Statement::new(subject, predicate(record, circumstances, position))
}

fn predicate(record: &RunRecord, circumstances: &Circumstances, position: Position) -> Predicate {
    let Position { number, previous, missing, unsigned } = position;
    Predicate {
        number,
        previous,
        missing,
        unsigned,
        run: run(record, circumstances),
        trigger: circumstances.trigger.clone(),
        tools: tools(record),
        drills: record.drills.values().map(|one| drill(one, circumstances)).collect(),
        not_tested: not_run(record, circumstances),
        warnings: record.warnings.clone(),
        left: record.left.clone(),
    }
}

fn run(record: &RunRecord, circumstances: &Circumstances) -> Run {
    let started = record.started.unwrap_or_else(Timestamp::now).as_millisecond();
    let ended = started.saturating_add_unsigned(record.duration_ms());
    let exit_code = record.exit_code().unwrap_or_default();
    let why = match exit_code {
        130 => Some("the run was interrupted (SIGINT)".to_owned()),
        143 => Some("the run was interrupted (SIGTERM)".to_owned()),
        _ if !circumstances.why.is_empty() => Some(circumstances.why.join("; ")),
        _ => None,
    };
    Run {
        id: given(&record.run),
        command: record.command,
        started: moment(started),
        ended: moment(ended),
        duration_ms: record.duration_ms(),
        outcome: record.outcome(),
        exit_code,
        why,
        backend: given(&record.backend).filter(|name| name != "none"),
        backend_reason: given(&record.backend_reason),
        seed: record.seed,
        selected: record.planned as u64,
        not_begun: record.not_begun() as u64,
    }
}

/// Milliseconds since 1970 as a time.
fn moment(ms: i64) -> Timestamp {
    Timestamp::from_millisecond(ms).unwrap_or_default()
}

/// What is not empty.
fn given(text: &str) -> Option<String> {
    (!text.is_empty()).then(|| text.to_owned())
}

/// drillyard, PostgreSQL of each drill, and what else was found.
fn tools(record: &RunRecord) -> Vec<Tool> {
    let own = Tool { name: "drillyard".to_owned(), version: given(&record.version), drill: None };
    let of_run = record.tools.iter().map(|(name, version)| tool(name, version, None));
    let of_drill = record.drills.values().flat_map(|drill| {
        let server = given(&drill.postgres).map(|version| tool("PostgreSQL", &version, Some(&drill.name)));
        let own =
            |(node, release): (&String, &String)| tool(&format!("PostgreSQL of {node}"), release, Some(&drill.name));
        let others = drill.tools.iter().map(|(name, version)| tool(name, version, Some(&drill.name)));
        server.into_iter().chain(drill.releases.iter().map(own)).chain(others).collect::<Vec<_>>()
    });
    let mut tools: Vec<Tool> = std::iter::once(own).chain(of_run).chain(of_drill).collect();
    tools.dedup();
    tools
}

fn tool(name: &str, version: &str, drill: Option<&str>) -> Tool {
    Tool { name: name.to_owned(), version: given(version), drill: drill.map(str::to_owned) }
}

/// The drills of which nothing was run.
fn not_run(record: &RunRecord, circumstances: &Circumstances) -> Vec<NotTested> {
    let drills = || record.drills.values();
    let skipped = drills().filter(|drill| drill.outcome() == Outcome::Skipped);
    let skipped = skipped.map(|drill| NotTested { what: drill.name.clone(), why: drill.message().unwrap_or_default() });
    let never = circumstances.selected.iter().filter(|one| !drills().any(|drill| drill.file == one.file));
    let why = match circumstances.why.as_slice() {
        [] => "the run ended before it".to_owned(),
        why => format!("the run did not begin: {}", why.join("; ")),
    };
    skipped.chain(never.map(|one| NotTested { what: one.name.clone(), why: why.clone() })).collect()
}

fn drill(drill: &DrillRecord, circumstances: &Circumstances) -> Drill {
    // Those of one file are made of the same ones, unless a param says which fragment.
    let of_file = || circumstances.selected.iter().filter(|one| one.file == drill.file);
    let selected = of_file().find(|one| one.name == drill.name).or_else(|| of_file().next());
    let first = drill.troubles().into_iter().next();
    let checks = drill.steps.iter().filter(|step| is_check(step));
    Drill {
        name: drill.name.clone(),
        file: drill.file.clone(),
        sha256: selected.and_then(|one| one.sha256.clone()),
        fragments: selected.map(|one| one.fragments.clone()).unwrap_or_default(),
        about: drill.about.clone(),
        postgres: given(&drill.postgres),
        backend: given(&drill.backend).filter(|name| name != "none"),
        seed: drill.seed,
        settings: drill.settings.clone(),
        started: drill.started,
        duration_ms: drill.duration_ms(),
        outcome: drill.outcome(),
        why: first.map(|trouble| trouble.problem.headline()).or_else(|| drill.message()),
        recoveries: drill.steps.iter().filter(|step| step.head.recovers).map(|step| recovery(drill, step)).collect(),
        objectives: objectives(drill),
        transactions: drill.traffic.clone(),
        checks: checks.map(|step| check(drill, step)).collect(),
        proof: drill.proof.as_ref().map(proof),
        not_tested: not_tested(drill),
        warnings: drill.warnings.clone(),
    }
}

/// What is wrong with a step, or why it was not run.
fn why(drill: &DrillRecord, step: &StepRecord) -> Option<String> {
    let problem = step.end.as_ref().and_then(|end| end.problem.as_ref());
    problem.map(Problem::headline).or_else(|| drill.step_message(step))
}

fn recovery(drill: &DrillRecord, step: &StepRecord) -> Recovery {
    let empty = Facts::new();
    let facts = step.end.as_ref().map_or(&empty, |end| &end.facts);
    let text = |name: &str| {
        let value = facts.get(name)?;
        Some(value.as_str().map_or_else(|| value.to_string(), str::to_owned))
    };
    let number = |name: &str| facts.get(name).and_then(serde_json::Value::as_u64);
    let parts = |unit: &str| {
        let named =
            facts.iter().filter_map(|(name, value)| Some((name.strip_suffix(unit)?.to_owned(), value.as_u64()?)));
        named.collect::<BTreeMap<_, _>>()
    };
    Recovery {
        step: step.head.name.clone(),
        line: step.head.line,
        outcome: drill.step_outcome(step),
        why: why(drill, step),
        backup: text("backup"),
        backup_taken: text("backup_taken"),
        passed_over: text("passed_over"),
        target: text("target"),
        attained: Attained {
            lsn: text("lsn"),
            timeline: number("timeline"),
            time: text("time"),
            xid: number("xid"),
            stopped: text("stopped"),
        },
        duration_ms: step.end.as_ref().map(|end| end.duration_ms),
        parts_ms: parts("_ms"),
        parts_bytes: parts("_bytes"),
    }
}

/// What recovery is to be like, and what it was like: also what the scenario sets no limit for.
fn objectives(drill: &DrillRecord) -> Vec<Objective> {
    let named = |name: BudgetName| drill.budgets.iter().find(|(budget, _)| budget.name == name);
    let goals =
        [(Goal::RtoMs, BudgetName::Rto), (Goal::RpoMs, BudgetName::RpoTime), (Goal::RpoTransactions, BudgetName::Rpo)];
    let values = |budget: &Budget| (budget.max_ms.or(budget.max_lost), budget.measured_ms.or(budget.measured_lost));
    let lost = |goal: Goal| drill.lost().filter(|_| goal == Goal::RpoTransactions);
    let each = goals.into_iter().map(|(name, budget)| match named(budget) {
        Some((budget, problem)) => {
            let (allowed, measured) = values(budget);
            // Slower than before is not as it should be, too.
            let slower = named(BudgetName::RtoOfLast).filter(|_| budget.name == BudgetName::Rto);
            let slower = slower.filter(|(slower, _)| slower.outcome.is_bad() && !budget.outcome.is_bad());
            let (outcome, problem) =
                slower.map_or((budget.outcome, problem), |(slower, problem)| (slower.outcome, problem));
            let why = problem.as_ref().map(Problem::headline);
            Objective { name, allowed, measured, outcome: Some(outcome), why }
        }
        None => {
            let why = match drill.steps.iter().any(|step| step.started_ms.is_some()) {
                true => "no limit was judged: the scenario sets none, or the drill did not come to it",
                false => "the drill was not run",
            };
            Objective { name, allowed: None, measured: lost(name), outcome: None, why: Some(why.to_owned()) }
        }
    });
    each.collect()
}

fn check(drill: &DrillRecord, step: &StepRecord) -> Check {
    Check {
        step: step.head.name.clone(),
        kind: step.head.kind.clone(),
        line: step.head.line,
        outcome: drill.step_outcome(step),
        why: why(drill, step),
        duration_ms: step.end.as_ref().map(|end| end.duration_ms),
        found: step.end.as_ref().map(|end| end.facts.clone()).unwrap_or_default(),
    }
}

fn proof(proof: &ProofRecord) -> Proof {
    let named = |is: fn(&BreakVerdict) -> bool| {
        proof.verdicts().filter(|(_, verdict)| is(verdict)).map(|(head, _)| head.name.clone()).collect()
    };
    Proof {
        noticed: proof.score().noticed as u64,
        missed: named(|verdict| matches!(verdict, BreakVerdict::Missed { .. })),
        ignored: named(|verdict| matches!(verdict, BreakVerdict::Ignored { .. })),
        errored: named(|verdict| matches!(verdict, BreakVerdict::Errored { .. })),
    }
}
