//! One page that needs nothing but itself: a card for each drill, with its steps as bars on a time
//! axis.

use std::fmt::Write;
use std::io;

use crate::journal::{Command, Outcome, StepHead};

use super::chart::chart;
use super::collect::{RunRecord, explain_counts};
use super::drill::{DrillRecord, StepRecord};
use super::facts::{explain_facts, measured_of, short_name, unconfirmed, why_not_checked};
use super::format::{Format, Made};
use super::proof::{ProofRecord, explained};
use super::snippet;
use super::text::{count, duration, entities, escape_html as escape, thousands, visible};

pub(super) const FORMAT: Format = Format {
    name: "html",
    option: "report-html",
    value: "DIR",
    help: "Write a report as a web page",
    made: Made::InFolder("index.html", render),
};

/// How pages look.
pub const STYLE: &str = include_str!("html.css");

/// The report as text.
pub(super) fn render(record: &RunRecord) -> io::Result<String> {
    let outcome = record.outcome();
    let title = format!("{} {outcome}: {}", what(record), explain_counts(record.counts()));
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>{}</title>\n<style>\n{STYLE}</style>\n</head>\n<body>\n",
        escape(&title)
    );
    head(&mut page, record);
    for (at, drill) in &record.drills {
        card(&mut page, *at, drill);
    }
    let _ = writeln!(page, "<footer>drillyard {}</footer>\n</body>\n</html>", escape(&record.version));
    Ok(page)
}

fn what(record: &RunRecord) -> &'static str {
    match record.command {
        Command::Run => "Recovery drills",
        Command::Prove => "Proofs of recovery drills",
        Command::Firedrill => "Firedrill",
    }
}

fn head(page: &mut String, record: &RunRecord) {
    let (outcome, counts) = (record.outcome(), record.counts());
    let _ = writeln!(page, "<header>\n<h1><span class=\"badge {outcome}\">{outcome}</span> {}</h1>", what(record));
    page.push_str("<p class=\"counts\">");
    let numbers = [
        (counts.passed, Outcome::Passed),
        (counts.failed, Outcome::Failed),
        (counts.errored, Outcome::Errored),
        (counts.skipped, Outcome::Skipped),
    ];
    for (number, outcome) in numbers {
        let class = if number == 0 { "none" } else { outcome.as_str() };
        let _ = write!(page, "<span class=\"{class}\"><b>{}</b> {outcome}</span>", thousands(number as u64));
    }
    if record.not_begun() > 0 {
        let _ = write!(page, "<span><b>{}</b> not started</span>", record.not_begun());
    }
    let _ = writeln!(page, "<span>in <b>{}</b></span></p>", duration(record.duration_ms()));
    let started = record.started.map(|at| at.strftime("%Y-%m-%d %H:%M:%S UTC").to_string()).unwrap_or_default();
    let exit = record.exit_code().map_or_else(|| "none: the run broke off".to_owned(), |code| code.to_string());
    let reason = match record.backend_reason.as_str() {
        "" => record.backend.clone(),
        reason => format!("{} ({reason})", record.backend),
    };
    let seed = record.seed.to_string();
    let facts =
        [("run", &record.run), ("started", &started), ("backend", &reason), ("seed", &seed), ("exit code", &exit)];
    list(page, &facts.map(|(name, value)| (name.to_owned(), value.clone())));
    for warning in &record.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escape(warning));
    }
    if !record.left.is_empty() {
        let left = escape(&record.left.join(", "));
        let _ = writeln!(
            page,
            "<p class=\"warning\">Clean-up is not complete; <code>drillyard clean</code> tries again. Left: {left}</p>"
        );
    }
    // With many drills, a way to the ones that need someone.
    if record.drills.len() > 1 {
        page.push_str("<nav>");
        for (at, drill) in &record.drills {
            let (outcome, title) = (drill.outcome(), escape(&drill.title()));
            let _ = write!(page, "<a class=\"{outcome}\" href=\"#drill-{at}\">{title}</a>");
        }
        page.push_str("</nav>\n");
    }
    page.push_str("</header>\n");
}

fn card(page: &mut String, at: usize, drill: &DrillRecord) {
    let outcome = drill.outcome();
    let _ = writeln!(page, "<section id=\"drill-{at}\" class=\"card {outcome}\">");
    let _ = writeln!(
        page,
        "<h2><span class=\"badge {outcome}\">{outcome}</span> {} <small>{} · {}</small></h2>",
        escape(&drill.name),
        escape(&drill.place()),
        duration(drill.duration_ms()),
    );
    if !drill.about.is_empty() {
        let _ = writeln!(page, "<p class=\"about\">{}</p>", escape(&drill.about));
    }
    if outcome == Outcome::Skipped {
        let _ = writeln!(page, "<p class=\"about\">Skipped: {}</p>", escape(&drill.message().unwrap_or_default()));
    }
    for warning in &drill.warnings {
        let _ = writeln!(page, "<p class=\"warning\">{}</p>", escape(warning));
    }
    for trouble in drill.troubles() {
        let headline = escape(&trouble.what().unwrap_or_else(|| "the drill".to_owned()));
        let text = escape_lines(&snippet::render(&trouble.problem, false));
        let _ = writeln!(
            page,
            "<h3 class=\"{0}\">{0}: {headline}</h3>\n<pre class=\"problem\">{text}</pre>",
            trouble.outcome
        );
    }
    tiles(page, drill);
    if let Some(svg) = chart(drill) {
        page.push_str(&svg);
        page.push('\n');
    }
    if let Some(proof) = &drill.proof {
        breaks(page, proof);
    }
    timeline(page, drill);
    let mut facts = vec![("file".to_owned(), drill.file.clone()), ("seed".to_owned(), drill.seed.to_string())];
    let nodes = drill.nodes.iter().map(|(node, ms)| format!("{node} {}", duration(*ms)));
    facts.push(("servers up in".to_owned(), nodes.collect::<Vec<_>>().join(", ")));
    facts.extend(drill.kept.iter().map(|(node, shell)| (format!("kept {node}"), shell.clone())));
    facts.extend(drill.end.as_ref().map(|end| ("again".to_owned(), end.again.clone())));
    facts.retain(|(_, value)| !value.is_empty());
    list(page, &facts);
    page.push_str("</section>\n");
}

/// How the drill was broken, and whether it noticed.
fn breaks(page: &mut String, proof: &ProofRecord) {
    if proof.verdicts().next().is_none() {
        return;
    }
    let score = proof.score().explained();
    let _ = writeln!(page, "<h3>Breaks noticed: {score}</h3>\n<table class=\"breaks\">");
    for (head, verdict) in proof.verdicts() {
        let _ = writeln!(
            page,
            "<tr class=\"{}\"><td>{}</td><td>{}</td><td>{}</td></tr>",
            verdict.outcome(),
            verdict.as_str(),
            escape(&head.name),
            escape(&explained(head, verdict)),
        );
    }
    page.push_str("</table>\n");
}

/// The numbers that decide: budgets, and what became of the users' transactions.
fn tiles(page: &mut String, drill: &DrillRecord) {
    if drill.budgets.is_empty() && drill.traffic.is_empty() {
        return;
    }
    page.push_str("<div class=\"tiles\">\n");
    for (budget, _) in &drill.budgets {
        let (name, (measured, max)) = (escape(short_name(budget)), measured_of(budget));
        let measured = measured.unwrap_or_else(|| "not measured".to_owned());
        let max = max.map(|max| format!(" (limit {max})")).unwrap_or_default();
        let unknown = budget.unknown().map(|number| format!(", {} not checked", thousands(number))).unwrap_or_default();
        let _ = writeln!(
            page,
            "<div class=\"tile {0}\"><b>{name} {0}</b><span class=\"big\">{measured}</span>{max}{unknown}</div>",
            budget.outcome
        );
    }
    for users in &drill.traffic {
        let bad = [users.lost, users.duplicated, users.partial, users.unexpected, users.rejected_present];
        let bad = bad.into_iter().flatten().any(|number| number > 0);
        let found = |number: Option<u64>| number.map_or_else(|| "not checked".to_owned(), thousands);
        let _ = writeln!(
            page,
            "<div class=\"tile{}\"><b>{}</b><table>",
            if bad { " lossy" } else { "" },
            escape(&users.id)
        );
        let rows = [
            ("acknowledged", thousands(users.acknowledged)),
            ("checked", thousands(users.checked)),
            ("not checked", thousands(users.not_checked) + &why_not_checked(users)),
            ("lost", found(users.lost)),
            ("duplicated", found(users.duplicated)),
            ("in doubt", thousands(users.in_doubt) + &unconfirmed(users)),
            ("rejected", thousands(users.rejected)),
        ];
        let more = [
            ("wrote nothing", Some(users.wrote_nothing).filter(|number| *number > 0).map(thousands)),
            ("work lost", users.lost_work_ms.filter(|ms| *ms > 0).map(duration)),
            ("partial", users.partial.filter(|number| *number > 0).map(thousands)),
            ("unexpected", users.unexpected.filter(|number| *number > 0).map(thousands)),
            ("rejected but present", users.rejected_present.filter(|number| *number > 0).map(thousands)),
        ];
        let more = more.into_iter().filter_map(|(name, value)| Some((name, value?)));
        for (name, value) in rows.into_iter().chain(more) {
            let _ = write!(page, "<tr><td>{name}</td><td>{value}</td></tr>");
        }
        page.push_str("</table></div>\n");
    }
    page.push_str("</div>\n");
}

fn timeline(page: &mut String, drill: &DrillRecord) {
    if drill.steps.is_empty() {
        return;
    }
    let took = |step: &StepRecord| step.end.as_ref().map_or(0, |end| end.duration_ms);
    let ends = drill.steps.iter().filter_map(|step| Some(step.started_ms?.saturating_add(took(step))));
    // Of a proof, the unbroken drill alone.
    let all = drill.end.as_ref().map_or_else(|| drill.duration_ms(), |end| end.duration_ms);
    let whole = ends.chain([all]).max().unwrap_or(0).max(1);
    // What passed is of use when someone asks for it.
    let open = if drill.outcome().is_bad() { " open" } else { "" };
    let _ = writeln!(
        page,
        "<details{open}><summary>{}</summary>\n<div class=\"timeline\">",
        count(drill.steps.len() as u64, "step")
    );
    for step in &drill.steps {
        let outcome = drill.step_outcome(step);
        let percent = |ms: u64| ms as f64 * 100.0 / whole as f64;
        let bar = match (step.started_ms, &step.end) {
            (None, _) => String::new(),
            (Some(start), end) => {
                // One that never ended lasts until the drill's end.
                let took = end.as_ref().map_or(whole.saturating_sub(start), |end| end.duration_ms);
                let (left, width) = (percent(start), percent(took));
                format!("<i class=\"{outcome}\" style=\"left:{left:.2}%;width:{width:.2}%\"></i>")
            }
        };
        let facts = step.end.as_ref().map(|end| explain_facts(&end.facts)).unwrap_or_default();
        let message = drill.step_message(step).unwrap_or_default();
        let told = [message, facts].into_iter().filter(|text| !text.is_empty()).collect::<Vec<_>>().join(" · ");
        let start = step.started_ms.map(|ms| format!("at {}", duration(ms))).unwrap_or_default();
        let length = step.end.as_ref().filter(|_| step.started_ms.is_some()).map(|end| duration(end.duration_ms));
        let _ = writeln!(
            page,
            "<div class=\"step {outcome}\"><span class=\"what\"><em>{outcome}</em> {}</span>\
             <span class=\"bar\">{bar}</span><span class=\"when\"><b>{}</b> {start}</span>\
             <span class=\"told\"><code>{}{}</code> {}</span></div>",
            escape(&step.head.name),
            length.unwrap_or_default(),
            escape(&step.head.kind),
            line_of(&step.head),
            escape(&told),
        );
    }
    page.push_str("</div>\n</details>\n");
}

/// Where it stands, behind its kind: `:12`, or the file and the line of a fragment.
fn line_of(head: &StepHead) -> String {
    match &head.fragment {
        _ if head.line == 0 => String::new(),
        None => format!(":{}", head.line),
        Some(_) => format!(" {}", escape(&head.place())),
    }
}

fn list(page: &mut String, facts: &[(String, String)]) {
    page.push_str("<dl>");
    for (name, value) in facts.iter().filter(|(_, value)| !value.is_empty()) {
        let _ = write!(page, "<div><dt>{}</dt><dd>{}</dd></div>", escape(name), escape(value));
    }
    page.push_str("</dl>\n");
}

fn escape_lines(text: &str) -> String {
    entities(&visible(text))
}
