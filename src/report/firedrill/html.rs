//! The debrief as a page that needs nothing but itself.

use std::fmt::Write;
use std::io;

use super::debrief::{Debrief, clock, debriefs, known_time};
use super::picture::picture;
use crate::report::collect::RunRecord;
use crate::report::format::{Format, Made};
use crate::report::html::STYLE;
use crate::report::text::{entities, escape_html as escape};

pub(in crate::report) const FORMAT: Format = Format {
    name: "debrief",
    option: "report-debrief",
    value: "PATH",
    help: "Write the debrief of a firedrill as a web page",
    made: Made::Whole(render),
};

/// What a debrief has besides what every page has.
const OWN_STYLE: &str = include_str!("debrief.css");

fn render(record: &RunRecord) -> io::Result<String> {
    let mut page = format!(
        "<!DOCTYPE html>\n<html lang=\"en\">\n<head>\n<meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n\
         <meta name=\"color-scheme\" content=\"light dark\">\n<title>Debrief {}</title>\n<style>\n{STYLE}{OWN_STYLE}</style>\n</head>\n<body>\n",
        escape(&record.run)
    );
    let debriefs = debriefs(record);
    if debriefs.is_empty() {
        page.push_str("<h1>Debrief</h1>\n<p>This run had no people in it: there is nothing to debrief.</p>\n");
    }
    for debrief in &debriefs {
        head(&mut page, record, debrief);
        score(&mut page, debrief);
        checks(&mut page, debrief);
        timeline(&mut page, debrief);
        known_way(&mut page, debrief);
    }
    let _ = writeln!(page, "<footer>drillyard {}</footer>\n</body>\n</html>", escape(&record.version));
    Ok(page)
}

fn head(page: &mut String, record: &RunRecord, debrief: &Debrief<'_>) {
    let drill = debrief.drill;
    let outcome = drill.outcome();
    let started = drill.started.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
    let _ =
        writeln!(page, "<header>\n<h1><span class=\"badge {outcome}\">{outcome}</span> {}</h1>", escape(&drill.name));
    if !drill.about.is_empty() {
        let _ = writeln!(page, "<p class=\"about\">{}</p>", escape(&drill.about));
    }
    let _ = writeln!(
        page,
        "<p>Run {}, {started}, PostgreSQL {}, seed {}</p>\n</header>",
        escape(&record.run),
        escape(&drill.versions()),
        drill.seed
    );
}

fn score(page: &mut String, debrief: &Debrief<'_>) {
    let Some((parts, points)) = debrief.score else { return };
    let _ = writeln!(
        page,
        "<section class=\"card\">\n<h2>Score <small>{points} of 100</small></h2>\n<table class=\"score\">"
    );
    page.push_str("<tr><th scope=\"col\">Part</th><th scope=\"col\">Measured</th><th scope=\"col\">Points</th></tr>\n");
    for part in parts {
        let class = if part.points < 0 { " class=\"failed\"" } else { "" };
        let _ = writeln!(
            page,
            "<tr{class}><th scope=\"row\">{}</th><td>{}</td><td>{}</td></tr>",
            escape(&part.name),
            escape(&part.measured),
            part.points_told()
        );
    }
    page.push_str("</table>\n</section>\n");
}

fn checks(page: &mut String, debrief: &Debrief<'_>) {
    page.push_str("<section class=\"card\">\n<h2>What the last check found</h2>\n<ul class=\"checks\">\n");
    for (outcome, name, said) in &debrief.checks {
        let _ = writeln!(page, "<li><span class=\"badge {outcome}\">{outcome}</span> {}", escape(name));
        if !said.is_empty() {
            let _ = write!(page, "<pre class=\"problem\">{}</pre>", entities(said));
        }
        page.push_str("</li>\n");
    }
    for users in &debrief.users {
        let _ = writeln!(page, "<li>{}</li>", escape(users));
    }
    page.push_str("</ul>\n</section>\n");
}

fn timeline(page: &mut String, debrief: &Debrief<'_>) {
    let picture = picture(debrief);
    let _ = writeln!(page, "<section class=\"card\">\n<h2>Timeline</h2>\n{picture}<table class=\"timeline\">");
    page.push_str(
        "<tr><th scope=\"col\">Time</th><th scope=\"col\">Clock</th><th scope=\"col\">What</th><th scope=\"col\"></th></tr>\n",
    );
    for moment in &debrief.timeline {
        let at = moment.at.strftime("%H:%M:%SZ");
        let text = escape(&moment.text);
        let what = if moment.kind == "ran" { format!("<code>{text}</code>") } else { text };
        let _ = writeln!(
            page,
            "<tr class=\"{kind}\"><td>{at}</td><td>{}</td><td>{kind}</td><td>{what}</td></tr>",
            clock(moment.clock_ms),
            kind = moment.kind
        );
    }
    page.push_str("</table>\n</section>\n");
}

fn known_way(page: &mut String, debrief: &Debrief<'_>) {
    if debrief.known_way.is_empty() {
        return;
    }
    page.push_str("<section class=\"card\">\n<h2>The way that the drill knows</h2>\n<ol>\n");
    for step in &debrief.known_way {
        let _ = writeln!(page, "<li>{}</li>", escape(step));
    }
    page.push_str("</ol>\n");
    let _ = writeln!(page, "<p>{}</p>", escape(&known_time(debrief)));
    page.push_str("</section>\n");
}
