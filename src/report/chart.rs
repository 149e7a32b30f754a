//! How long a drill took in its earlier runs and in this one, as a picture.

use std::fmt::Write;

use crate::journal::{Outcome, PastRun};

use super::drill::DrillRecord;
use super::text::{count, duration, escape_html as escape};

/// The picture's size in its own units, and the most that a bar and the gap after it may have of
/// its width.
const WIDTH: f64 = 640.0;
const HEIGHT: f64 = 80.0;
const WIDEST: f64 = 24.0;

/// A bar: what it is about, how it came out, how long it took in milliseconds.
struct Bar {
    told: String,
    outcome: Outcome,
    ms: Option<u64>,
}

/// What is measured of each run: the RTO, where this run has one; else the recovery, else all.
fn measure(drill: &DrillRecord) -> (&'static str, fn(&PastRun) -> Option<u64>) {
    if drill.rto().is_some_and(|rto| rto.measured_ms.is_some()) {
        return ("RTO", |run| run.rto_ms);
    }
    match drill.recoveries().next() {
        Some(_) => ("recovery", |run| run.recovery_ms),
        None => ("duration", |run| Some(run.duration_ms)),
    }
}

/// This run, as a later one will know it.
fn this(drill: &DrillRecord) -> PastRun {
    PastRun {
        run: "this one".to_owned(),
        at: drill.started.unwrap_or_default(),
        outcome: drill.outcome(),
        duration_ms: drill.duration_ms(),
        rto_ms: drill.rto().and_then(|rto| rto.measured_ms),
        recovery_ms: drill.recovery_ms(),
    }
}

/// An SVG of a drill's runs; none where no earlier one is known.
pub(super) fn chart(drill: &DrillRecord) -> Option<String> {
    let first = drill.earlier.first()?;
    let (name, value) = measure(drill);
    let now = this(drill);
    let bar = |run: &PastRun| {
        let ms = value(run);
        let took = ms.map_or_else(|| "not measured".to_owned(), duration);
        let at = run.at.strftime("%Y-%m-%d %H:%MZ");
        Bar { told: format!("{at}: {} {}, {name} {took}", run.run, run.outcome), outcome: run.outcome, ms }
    };
    let bars: Vec<Bar> = drill.earlier.iter().chain([&now]).map(bar).collect();
    let most = bars.iter().filter_map(|bar| bar.ms).max()?.max(1);
    let passed = bars.iter().filter(|bar| bar.outcome == Outcome::Passed).count();
    let hollow = if passed < bars.len() { ", hollow those that did not pass" } else { "" };
    let label = format!(
        "{name} of {} since {}, the newest last{hollow}: at most {}",
        count(bars.len() as u64, "run"),
        first.at.strftime("%Y-%m-%d"),
        duration(most),
    );
    let slot = (WIDTH / bars.len() as f64).min(WIDEST);
    let mut svg = format!(
        "<figure class=\"trend\">\n<figcaption>{label}</figcaption>\n\
         <svg viewBox=\"0 0 {WIDTH} {HEIGHT}\" role=\"img\" aria-label=\"{label}\">\n"
    );
    for (at, bar) in bars.iter().enumerate() {
        // What was not measured is a mark on the ground.
        let height = bar.ms.map_or(2.0, |ms| (ms as f64 / most as f64 * (HEIGHT - 2.0)).max(2.0));
        let (x, y, width) = (slot * at as f64 + 1.0, HEIGHT - 1.0 - height, slot * 0.75);
        // A String takes every write.
        let _ = writeln!(
            svg,
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{height:.1}\"><title>{}</title></rect>",
            bar.outcome,
            escape(&bar.told)
        );
    }
    svg.push_str("</svg>\n</figure>");
    Some(svg)
}
