//! The page on a time's drills, for readers who know neither drillyard nor PostgreSQL: what is on
//! it. How it looks is for the formats.

use jiff::Timestamp;

use crate::journal::Outcome;
use crate::report::count;

use super::blocks::{Block, Cell};
use super::card::card;
use super::page_html::html;
use super::page_markdown::markdown;
use super::quarter::{Chain, DrillLine, GoalLine, Quarter};
use super::statement::Goal;
use super::told::{amount, minute, verdict};
use super::words::{INTRODUCTION, TO_VERIFY, WORDS};

/// As what the page is printed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, clap::ValueEnum)]
pub enum PageFormat {
    /// A web page that needs nothing but itself
    Html,
    /// Markdown
    Markdown,
}

/// The page. `lost` is a digest that should be there and is not.
pub fn page(
    chains: &[Chain],
    key: &str,
    (since, until): (Timestamp, Timestamp),
    lost: Option<&str>,
    format: PageFormat,
) -> String {
    let quarter = Quarter::of(chains, since, until);
    let title = format!("Recovery drills, {} to {}", minute(since), minute(until));
    let mut blocks = vec![Block::Text(INTRODUCTION.to_owned())];
    blocks.extend(troubles(chains, lost));
    blocks.push(Block::Text(in_short(&quarter)));
    blocks.extend(overview(&quarter));
    blocks.extend(quarter.drills.iter().map(card));
    blocks.extend(not_run(&quarter));
    blocks.push(evidence(chains, key));
    blocks.push(Block::card("Words", vec![Block::Words(WORDS)]));
    match format {
        PageFormat::Html => html(&title, &blocks),
        PageFormat::Markdown => markdown(&title, &blocks),
    }
}

/// What keeps the evidence from being believed.
fn troubles(chains: &[Chain], lost: Option<&str>) -> Vec<Block> {
    let mut blocks = vec![];
    for chain in chains {
        for finding in &chain.verified.findings {
            blocks.push(Block::Warning(format!("{}, line {}: {}", chain.name, finding.line, finding.what)));
        }
    }
    if let Some(digest) = lost {
        blocks.push(Block::Warning(format!(
            "The statement {digest} is in none of the files: it was changed, or the newest statements were removed."
        )));
    }
    if !blocks.is_empty() {
        let text = "The evidence is not as it was signed. What follows is made from the statements that can still be \
                    believed; what the others said is not known.";
        blocks.insert(0, Block::Warning(text.to_owned()));
    }
    blocks
}

fn in_short(quarter: &Quarter) -> String {
    let newest = |outcome: Outcome| quarter.drills.iter().filter(|drill| drill.newest() == outcome).count();
    let [passed, failed, errored] = [Outcome::Passed, Outcome::Failed, Outcome::Errored].map(newest);
    let drills = quarter.drills.len() as u64;
    if drills == 0 {
        return format!("In this time there were {}, and no drill was carried out.", count(quarter.runs as u64, "run"));
    }
    format!(
        "{} in {}. In their newest runs {passed} passed, {failed} failed, and {errored} could not be judged; {} not run in this time.",
        count(drills, "drill"),
        count(quarter.runs as u64, "run"),
        match newest(Outcome::Skipped) {
            0 => "none was".to_owned(),
            1 => "1 was".to_owned(),
            many => format!("{many} were"),
        }
    )
}

/// All the drills in a table.
fn overview(quarter: &Quarter) -> Option<Block> {
    const HEAD: &[&str] = &[
        "Drill",
        "Newest run",
        "Last passed",
        "Runs",
        "Passed",
        "Failed",
        "Not judged",
        "Recovery time",
        "Loss",
        "Never tested",
    ];
    let row = |drill: &DrillLine| {
        let number = |outcome: Outcome| {
            let number = drill.count(outcome);
            Cell { text: number.to_string(), tone: Some(outcome).filter(|outcome| number > 0 && outcome.is_bad()) }
        };
        let goals = |wanted: &[Goal]| {
            let lines: Vec<_> = drill.goals.iter().filter(|line| wanted.contains(&line.goal)).collect();
            let tone = lines.iter().any(|line| line.broken > 0).then_some(Outcome::Failed);
            let text = lines.iter().map(|line| measured(line)).collect::<Vec<_>>().join("; ");
            Cell { text: if text.is_empty() { "not measured".to_owned() } else { text }, tone }
        };
        let never = || Cell::of("never".to_owned(), Some(Outcome::Failed));
        vec![
            Cell::plain(format!("{} ({})", drill.name, drill.place)),
            Cell::of(verdict(drill.newest()).to_owned(), Some(drill.newest())),
            drill.last_pass.map_or_else(never, |at| Cell::plain(minute(at))),
            Cell::plain(drill.runs.len().to_string()),
            Cell::plain(drill.count(Outcome::Passed).to_string()),
            number(Outcome::Failed),
            number(Outcome::Errored),
            goals(&[Goal::RtoMs]),
            goals(&[Goal::RpoMs, Goal::RpoTransactions]),
            match drill.runs.is_empty() {
                true => Cell::of("everything".to_owned(), Some(Outcome::Failed)),
                false => Cell::plain(format!("{}, see below", count(drill.never.len() as u64, "thing"))),
            },
        ]
    };
    let rows: Vec<_> = quarter.drills.iter().map(row).collect();
    (!rows.is_empty()).then_some(Block::Table { head: HEAD, rows })
}

/// `worst 4.4 s, newest 3.1 s; allowed 2 min`.
fn measured(line: &GoalLine) -> String {
    let of = |word: &str, value: Option<u64>| value.map(|value| format!("{word} {}", amount(line.goal, value)));
    let newest = || of("newest", line.newest).unwrap_or_else(|| "newest not measured".to_owned());
    let measured =
        of("worst", line.worst).map_or_else(|| "not measured".to_owned(), |worst| format!("{worst}, {}", newest()));
    format!("{measured}; {}", of("allowed", line.allowed).unwrap_or_else(|| "no limit".to_owned()))
}

/// What was selected and not run, and the runs that came to no drill.
fn not_run(quarter: &Quarter) -> Vec<Block> {
    let mut blocks = vec![];
    if !quarter.not_run.is_empty() {
        let row = |((what, why), (times, last)): (&(String, String), &(usize, Timestamp))| {
            let each = [what.clone(), why.clone(), times.to_string(), minute(*last)];
            each.into_iter().map(Cell::plain).collect()
        };
        let rows = quarter.not_run.iter().map(row).collect();
        let table = Block::Table { head: &["Drill", "Why", "Times", "Last"], rows };
        blocks.push(Block::card("Drills that were not run", vec![table]));
    }
    if !quarter.empty.is_empty() {
        let row = |(at, run, why): &(Timestamp, String, String)| {
            let run = if run.is_empty() { "none" } else { run };
            vec![Cell::plain(minute(*at)), Cell::plain(run.to_owned()), Cell::plain(why.clone())]
        };
        let rows = quarter.empty.iter().map(row).collect();
        let table = Block::Table { head: &["When", "Run", "Why"], rows };
        blocks.push(Block::card("Runs of which no drill is known", vec![table]));
    }
    blocks
}

/// What the page is made from, and how somebody else verifies it.
fn evidence(chains: &[Chain], key: &str) -> Block {
    let row = |chain: &Chain| {
        let verified = &chain.verified;
        let bad = verified.findings.len();
        let newest = verified.newest.as_ref();
        vec![
            Cell::plain(chain.name.clone()),
            Cell::plain(verified.statements.len().to_string()),
            Cell::of(
                if bad == 0 { "nothing".to_owned() } else { count(bad as u64, "thing") },
                (bad > 0).then_some(Outcome::Failed),
            ),
            Cell::plain(newest.map_or_else(|| "not known".to_owned(), |link| link.number.to_string())),
            Cell::plain(newest.map_or_else(|| "not known".to_owned(), |link| link.digest.clone())),
        ]
    };
    let head = &["File", "Statements verified", "Wrong with it", "Number of the newest", "Digest of the newest"];
    let blocks = vec![
        Block::Text(TO_VERIFY.to_owned()),
        Block::Table { head, rows: chains.iter().map(row).collect() },
        Block::Text(format!("The key has the SHA-256 {key}.")),
    ];
    Block::card("Where this comes from", blocks)
}
