//! Two firedrills side by side: two teams, or the last one and this one.

use std::fmt::Write;

use super::debrief::debriefs;
use crate::journal::ScorePart;
use crate::report::collect::RunRecord;
use crate::report::text::one_line;

/// The scores of two firedrills side by side; none if one of the runs is none.
pub fn compare_firedrills(before: &RunRecord, after: &RunRecord) -> Option<String> {
    let (first, second) = (debriefs(before).pop()?, debriefs(after).pop()?);
    let (first_parts, first_points) = first.score?;
    let (second_parts, second_points) = second.score?;
    let told = |record: &RunRecord, drill: &str, outcome: &str| {
        let at = record.started.map(|at| at.strftime("%Y-%m-%d %H:%M UTC").to_string()).unwrap_or_default();
        format!("run {}, {at}: {} {outcome}", one_line(&record.run), one_line(drill))
    };
    let mut text = String::new();
    // A String takes every write.
    let _ = writeln!(text, "before  {}", told(before, &first.drill.name, first.drill.outcome().as_str()));
    let _ = writeln!(text, "after   {}\n", told(after, &second.drill.name, second.drill.outcome().as_str()));
    let mut names: Vec<&str> = first_parts.iter().chain(second_parts).map(|part| part.name.as_str()).collect();
    let mut seen = vec![];
    names.retain(|name| {
        let new = !seen.contains(name);
        seen.push(*name);
        new
    });
    let shown = |parts: &[ScorePart], name: &str| {
        let part = parts.iter().find(|part| part.name == name);
        part.map_or_else(|| ("-".to_owned(), String::new()), |part| (one_line(&part.measured), points(part)))
    };
    let rows: Vec<_> =
        names.iter().map(|name| (one_line(name), shown(first_parts, name), shown(second_parts, name))).collect();
    let named = rows.iter().map(|(name, ..)| name.chars().count()).max().unwrap_or(0);
    let left = rows.iter().map(|(_, (measured, _), _)| measured.chars().count()).max().unwrap_or(0);
    for (name, (measured, points), (measured_after, points_after)) in &rows {
        let line = format!("  {name:<named$}  {measured:<left$} {points:>9}   {measured_after} {points_after}");
        let _ = writeln!(text, "{}", line.trim_end());
    }
    let _ = writeln!(text, "\n  {first_points} of 100 before, {second_points} of 100 after");
    Some(text)
}

/// In brackets behind what was measured.
fn points(part: &ScorePart) -> String {
    match part.of {
        0 => part.points_told(),
        _ => format!("({})", part.points_told()),
    }
}
