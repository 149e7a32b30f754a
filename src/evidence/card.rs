//! A drill on the page, at length.

use crate::journal::Outcome;
use crate::report::{count, duration, thousands};

use super::blocks::{Block, Cell};
use super::not_tested::NO_SUCH_CHECK;
use super::quarter::{DrillLine, GoalLine, RunLine};
use super::statement::{Goal, NotTested, Recovery};
use super::told::{amount, day, minute, verdict};

/// A drill at length.
pub(super) fn card(drill: &DrillLine) -> Block {
    let mut blocks = vec![];
    if !drill.about.is_empty() {
        blocks.push(Block::Text(drill.about.clone()));
    }
    let files = drill.files.iter().cloned().collect::<Vec<_>>().join(", ");
    let editions = match drill.editions {
        0 | 1 => "It was the same scenario every time.".to_owned(),
        many => format!("The scenario was changed in this time: there are {many} versions of it."),
    };
    if !files.is_empty() {
        blocks.push(Block::Text(format!("What it does is written in {files}. {editions}")));
    }
    blocks.extend(failures(drill));
    blocks.extend(goals(drill));
    blocks.extend(recoveries(&drill.recoveries));
    blocks.extend(checks(drill));
    blocks.extend(proof(drill));
    if !drill.runs.is_empty() {
        blocks.extend(never(drill));
    }
    let note = format!("{}, {}", drill.place, count(drill.runs.len() as u64, "run"));
    Block::Card { outcome: Some(drill.newest()), title: drill.name.clone(), note, blocks }
}

/// The runs that did not pass, each with the run that proved the repair.
fn failures(drill: &DrillLine) -> Vec<Block> {
    let bad: Vec<_> = drill.runs.iter().filter(|run| run.outcome.is_bad()).collect();
    let [_, ..] = bad.as_slice() else {
        let text = if drill.runs.is_empty() { "It was not run in this time." } else { "It passed every time." };
        return vec![Block::Text(text.to_owned())];
    };
    let row = |run: &&RunLine| {
        let repaired = match &run.repaired {
            Some((at, by)) => Cell::plain(format!("run {by}, {}", minute(*at))),
            None => Cell::of("not yet: no run since has passed".to_owned(), Some(Outcome::Failed)),
        };
        vec![
            Cell::plain(minute(run.at)),
            Cell::plain(run.run.clone()),
            Cell::of(verdict(run.outcome).to_owned(), Some(run.outcome)),
            Cell::plain(run.why.clone().unwrap_or_else(|| "it is not known why".to_owned())),
            repaired,
        ]
    };
    let head = &["When", "Run", "Came out", "Why", "The run that proved the repair"];
    vec![
        Block::Heading("Runs that did not pass".to_owned()),
        Block::Table { head, rows: bad.iter().map(row).collect() },
    ]
}

fn goals(drill: &DrillLine) -> Vec<Block> {
    if drill.goals.is_empty() {
        return vec![];
    }
    let row = |line: &GoalLine| {
        let name = match line.goal {
            Goal::RtoMs => "Time until the database is back",
            Goal::RpoMs => "Work that is lost, as a time",
            Goal::RpoTransactions => "Confirmed transactions that are lost",
        };
        let shown =
            |value: Option<u64>, none: &str| value.map_or_else(|| none.to_owned(), |value| amount(line.goal, value));
        let tone = (line.broken > 0).then_some(Outcome::Failed);
        vec![
            Cell::plain(name.to_owned()),
            Cell::plain(shown(line.allowed, "no limit")),
            Cell::of(shown(line.worst, "not measured"), tone),
            Cell::plain(shown(line.newest, "not measured")),
            Cell::of(thousands(line.broken as u64), tone),
        ]
    };
    let head = &["Objective", "Allowed", "Worst", "Newest", "Runs that did not meet it"];
    vec![
        Block::Heading("Objectives and measurements".to_owned()),
        Block::Table { head, rows: drill.goals.iter().map(row).collect() },
    ]
}

/// What the newest run recovered from, and to where.
fn recoveries(recoveries: &[Recovery]) -> Vec<Block> {
    let none = || "none".to_owned();
    let row = |one: &Recovery| {
        let taken = one.backup_taken.as_ref().map(|taken| format!(", taken {taken}")).unwrap_or_default();
        let backup = match (&one.backup, &one.target) {
            (Some(backup), _) => format!("{backup}{taken}"),
            (None, Some(_)) => "one that the drill took itself".to_owned(),
            (None, None) => none(),
        };
        let time = one.attained.time.clone().or_else(|| one.attained.lsn.as_ref().map(|lsn| format!("LSN {lsn}")));
        vec![
            Cell::of(one.step.clone(), Some(one.outcome).filter(|outcome| outcome.is_bad())),
            Cell::plain(backup),
            Cell::plain(one.passed_over.clone().unwrap_or_else(none)),
            Cell::plain(one.target.clone().unwrap_or_else(none)),
            Cell::plain(time.unwrap_or_else(none)),
            Cell::plain(one.duration_ms.map_or_else(|| "did not end".to_owned(), duration)),
        ]
    };
    let head = &["Step", "Backup", "Passed over", "Target", "Attained", "Took"];
    match recoveries {
        [] => vec![],
        some => vec![
            Block::Heading("Recoveries of the newest run".to_owned()),
            Block::Table { head, rows: some.iter().map(row).collect() },
        ],
    }
}

fn checks(drill: &DrillLine) -> Vec<Block> {
    if drill.checks.is_empty() {
        return vec![];
    }
    let row = |(step, [passed, failed, not]): &(String, [usize; 3])| {
        vec![
            Cell::plain(step.clone()),
            Cell::plain(passed.to_string()),
            Cell::of(failed.to_string(), (*failed > 0).then_some(Outcome::Failed)),
            Cell::of(not.to_string(), (*not > 0).then_some(Outcome::Errored)),
        ]
    };
    let head = &["Check", "Held", "Did not hold", "Not carried out"];
    vec![Block::Heading("Checks".to_owned()), Block::Table { head, rows: drill.checks.iter().map(row).collect() }]
}

fn proof(drill: &DrillLine) -> Vec<Block> {
    let heading = || Block::Heading("Would it notice?".to_owned());
    let text = match &drill.proof {
        None => "Whether the drill would notice damage was not tried in this time: it was never broken on purpose."
            .to_owned(),
        Some((at, proof)) => {
            let tried = proof.noticed as usize + proof.missed.len() + proof.errored.len();
            if tried == 0 {
                return vec![
                    heading(),
                    Block::Text(format!(
                        "On {} it was to be broken on purpose, and nothing came of it: it does not pass as it is, or nothing in it can be broken.",
                        day(*at)
                    )),
                ];
            }
            let listed = |what: &str, names: &[String]| match names {
                [] => String::new(),
                names => format!(" {what}: {}.", names.join(", ")),
            };
            format!(
                "On {} the drill was broken on purpose in {}, and noticed {}.{}{}{}",
                day(*at),
                count(tried as u64, "way"),
                proof.noticed,
                listed("Not noticed", &proof.missed),
                listed("Could not be judged", &proof.errored),
                listed("Makes no difference, as the scenario says", &proof.ignored),
            )
        }
    };
    vec![heading(), Block::Text(text)]
}

/// What none of its runs tested: what is special to it, and the kinds of checks that it does not
/// have.
fn never(drill: &DrillLine) -> Vec<Block> {
    let (lacking, own): (Vec<_>, Vec<_>) = drill.never.iter().partition(|one| one.why == NO_SUCH_CHECK);
    let mut blocks = vec![Block::Heading("Never tested in this time".to_owned())];
    let own = own.iter().map(|one| format!("{}: {}", one.what, one.why));
    blocks.push(Block::List(own.chain(lacking.iter().map(|one| no_check(one))).collect()));
    blocks
}

/// `Whether a server has the same roles as another one (assert_roles)`: the first sentence of the
/// step's manual page, for whoever does not know the step.
fn no_check(one: &NotTested) -> String {
    let (kind, about) = one.what.split_once(": ").unwrap_or(("", &one.what));
    let about = about.strip_prefix("Checks ").unwrap_or(about).trim_end_matches('.');
    let first = about.chars().next().map(|first| first.to_uppercase().to_string()).unwrap_or_default();
    format!("{first}{} ({kind})", about.chars().skip(1).collect::<String>())
}
