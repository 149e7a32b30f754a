//! What users came to while people were at work, as a picture: acknowledged and refused
//! transactions a second over time, and when what happened.

use std::fmt::Write;

use jiff::Timestamp;

use super::debrief::{Debrief, Moment};
use crate::report::text::{duration, escape_html as escape, thousands};

/// The picture's size, and the room at its edges for words.
const WIDTH: f64 = 1000.0;
const HEIGHT: f64 = 220.0;
const TOP: f64 = 46.0;
const BOTTOM: f64 = 24.0;

/// What has a line of its own, and what it is called there.
const LINES: &[(&str, &str)] = &[
    ("incident", "incident"),
    ("begin", "people begin"),
    ("noticed", "noticed"),
    ("decided", "recovery begins"),
    ("accident", "second accident"),
    ("end", "end"),
];

/// The picture; nothing if there were no users.
pub(super) fn picture(debrief: &Debrief<'_>) -> String {
    let rates = &debrief.drill.rates;
    let moments = || debrief.timeline.iter().map(|moment| moment.at);
    let (Some(first), Some(last)) = (moments().min(), moments().max()) else { return String::new() };
    let span = (last.as_millisecond() - first.as_millisecond()).max(1) as f64;
    let x = |at: Timestamp| (at.as_millisecond() - first.as_millisecond()) as f64 / span * WIDTH;
    let shown: Vec<_> = rates.iter().filter(|(at, ..)| (first..=last).contains(at)).collect();
    let most = shown.iter().map(|(_, acknowledged, refused)| *acknowledged.max(refused)).max().unwrap_or(0);
    if most == 0 {
        return String::new();
    }
    let y = |rate: u64| HEIGHT - BOTTOM - rate as f64 / most as f64 * (HEIGHT - TOP - BOTTOM);
    let line = |of: &dyn Fn(&(Timestamp, u64, u64)) -> u64| {
        shown.iter().fold(String::new(), |mut line, point| {
            // A String takes every write.
            let _ = write!(line, "{:.1},{:.1} ", x(point.0), y(of(point)));
            line
        })
    };
    let about = format!("transactions a second, at most {}: acknowledged and refused", thousands(most));
    let mut text = format!(
        "<svg class=\"picture\" viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{about}\">\n\
         <polyline class=\"acknowledged\" points=\"{}\"/>\n<polyline class=\"refused\" points=\"{}\"/>\n",
        line(&|point| point.1),
        line(&|point| point.2),
    );
    lines(&mut text, &debrief.timeline, &x);
    let _ = writeln!(
        text,
        "<text x=\"0\" y=\"{}\">0 s</text><text x=\"{WIDTH}\" y=\"{}\" class=\"right\">{}</text>\n</svg>",
        HEIGHT - 6.0,
        HEIGHT - 6.0,
        duration(span as u64)
    );
    let _ = writeln!(
        text,
        "<p class=\"legend\"><span class=\"acknowledged\">acknowledged</span> and <span class=\"refused\">refused</span> \
         transactions a second, at most {}</p>",
        thousands(most)
    );
    text
}

/// The first of each kind has a line, with its name in one of two rows, so that names of
/// neighbours do not overlap.
fn lines(text: &mut String, timeline: &[Moment], x: &dyn Fn(Timestamp) -> f64) {
    let found = LINES.iter().filter_map(|(kind, name)| {
        let moment = timeline.iter().find(|moment| moment.kind == *kind)?;
        Some((x(moment.at), *kind, *name))
    });
    let mut found: Vec<_> = found.collect();
    found.sort_by(|a, b| a.0.total_cmp(&b.0));
    for (row, (at, kind, name)) in found.into_iter().enumerate() {
        let words = 14.0 + 13.0 * (row % 3) as f64;
        let (edge, class) = if at > WIDTH * 0.8 { (at - 4.0, "right") } else { (at + 4.0, "left") };
        let _ = writeln!(
            text,
            "<line class=\"{kind}\" x1=\"{at:.1}\" x2=\"{at:.1}\" y1=\"{}\" y2=\"{}\"/>\
             <text class=\"{class}\" x=\"{edge:.1}\" y=\"{words}\">{}</text>",
            words - 10.0,
            HEIGHT - BOTTOM,
            escape(name)
        );
    }
}
