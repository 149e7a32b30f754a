//! What the board shows, as text for a terminal.

use std::fmt::Write;

use crate::firedrill::{CheckState, CheckView, FacilitatorView, HintView, Phase, TeamView, UsersView, VerdictView};
use crate::report::{duration, one_line};

/// How much of what people ran is shown.
const RAN: usize = 10;

/// What the facilitator sees.
pub fn status(view: &FacilitatorView) -> String {
    let mut text = String::new();
    // A String takes every write.
    let mut line = |what: std::fmt::Arguments<'_>| {
        let _ = writeln!(text, "{}", one_line(&what.to_string()));
    };
    line(format_args!("drill: {} ({}), seed {}. {}", view.drill, view.file, view.seed, view.about));
    match &view.incident {
        Some(incident) => line(format_args!("what happened: {} {} ({})", incident.at, incident.name, incident.place)),
        None => line(format_args!("what happened: nothing yet")),
    }
    line(format_args!("{}", clock(view.team.phase, view.clock_ms, view.team.limit_ms)));
    for mark in &view.marks {
        line(format_args!("mark {}: {}, {}", mark.id, mark.lsn, mark.at));
    }
    view.checks.iter().for_each(|check| line(format_args!("{}", check_line(check))));
    for inject in &view.injects {
        let comes = inject.came.as_ref().map(|came| format!("came {came}")).unwrap_or_else(|| inject.comes.clone());
        let comes = if comes.is_empty() { "by hand" } else { &comes };
        line(format_args!("inject {} ({comes}): {}", inject.number, inject.text));
    }
    for trap in &view.traps {
        let sprung = trap.sprung.as_deref().unwrap_or("has not happened");
        line(format_args!("second accident {} ({} points): {sprung}", trap.name, trap.costs));
    }
    for ran in view.ran.iter().skip(view.ran.len().saturating_sub(RAN)) {
        line(format_args!("ran {} {}, {}: {}", ran.at, ran.node, ran.by, ran.text));
    }
    text + &means(&view.team)
}

/// What the team sees, but for what is told as it comes.
pub fn team_status(view: &TeamView) -> String {
    clock(view.phase, view.clock_ms, view.limit_ms) + "\n" + &means(view)
}

/// What users see, hints, servers and places.
fn means(view: &TeamView) -> String {
    let mut text = String::new();
    let mut line = |what: String| {
        let _ = writeln!(text, "{}", one_line(&what));
    };
    view.users.iter().for_each(|users| line(users_line(users)));
    if let Some(standing) = view.standing {
        line(format!("{} of {} held when that was asked last", standing.held, standing.of));
    }
    view.hints.iter().for_each(|hint| line(hint_line(hint)));
    for server in view.servers.iter().filter(|server| !server.psql.is_empty()) {
        line(format!("server {}: {}", server.node, server.psql));
    }
    view.places.iter().for_each(|place| line(format!("{}: {}", place.name, place.text)));
    text
}

/// What users of a traffic step see.
pub fn users_line(users: &UsersView) -> String {
    let errors: Vec<String> = users.errors.iter().map(|(name, count)| format!("{count} {name}")).collect();
    let errors = if errors.is_empty() { String::new() } else { format!(" ({})", errors.join(", ")) };
    format!(
        "users `{}`: {} a second, {} refused a second; in all {} done, {} refused{errors}",
        users.id, users.per_second, users.refused_per_second, users.acknowledged, users.refused
    )
}

/// How it came out: what there is to say of it, and each assertion.
pub fn verdict_lines(verdict: &VerdictView) -> String {
    let lines = verdict.lines.iter().cloned().chain(verdict.checks.iter().map(check_line));
    lines.fold(String::new(), |text, line| text + &one_line(&line) + "\n")
}

fn check_line(check: &CheckView) -> String {
    let state = match check.state {
        CheckState::Unknown => "not checked yet",
        CheckState::Holds => "holds",
        CheckState::Fails => "does not hold",
        CheckState::Errored => "cannot be checked",
    };
    let said = if check.said.is_empty() { String::new() } else { format!(": {}", check.said) };
    format!("{state}: {} ({}){said}", check.name, check.place)
}

fn hint_line(hint: &HintView) -> String {
    let HintView { number, costs, text, opens_in_ms } = hint;
    match (text, opens_in_ms) {
        (Some(text), _) => format!("hint {number} ({costs} points): {text}"),
        (None, 0) => format!("hint {number} ({costs} points) can be bought: drillyard hint"),
        (None, ms) => {
            format!("hint {number} ({costs} points) can be bought in {}", duration(*ms))
        }
    }
}

fn clock(phase: Phase, clock_ms: Option<u64>, limit_ms: u64) -> String {
    let phase = match phase {
        Phase::Preparing => "being prepared",
        Phase::Calm => "all is calm",
        Phase::Recovering => "recovering",
        Phase::Paused => "the clock stands still",
        Phase::Judging => "being judged",
        Phase::Over => "over",
    };
    let [clock, limit] = [clock_ms, Some(limit_ms)].map(|ms| ms.map(duration));
    match (clock, limit) {
        (Some(clock), Some(limit)) => format!("{phase}; the clock: {clock} of {limit}"),
        _ => phase.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firedrill::{IncidentView, InjectView, PlaceView, RanView, TrapView};

    #[test]
    fn everything_on_the_facilitators_board_is_in_the_text() {
        let text = |text: &str| text.to_owned();
        let view = FacilitatorView {
            drill: text("dropped-table"),
            clock_ms: Some(125_000),
            incident: Some(IncidentView { place: text("line 47"), name: text("DROP TABLE"), at: text("12:00:00Z") }),
            checks: vec![CheckView {
                place: text("line 60"),
                name: text("nothing is lost"),
                state: CheckState::Fails,
                said: text("3 rows\nare gone"),
            }],
            injects: vec![InjectView { number: 1, text: text("How long?"), comes: text("after 5m"), came: None }],
            traps: vec![TrapView { name: text("two primaries"), costs: 20, sprung: None }],
            ran: vec![RanView {
                at: text("12:01:00Z"),
                node: text("master"),
                by: text("psql"),
                text: text("SELECT 1"),
            }],
            team: TeamView {
                phase: Phase::Recovering,
                limit_ms: 600_000,
                users: vec![UsersView { id: text("users"), per_second: 7, refused: 9, ..UsersView::default() }],
                hints: vec![HintView { number: 1, costs: 5, text: None, opens_in_ms: 60_000 }],
                places: vec![PlaceView { name: text("WAL archive"), text: text("/wal") }],
                ..TeamView::default()
            },
            ..FacilitatorView::default()
        };
        let told = status(&view);
        for line in [
            "what happened: 12:00:00Z DROP TABLE (line 47)",
            "recovering; the clock: 2 min 5 s of 10 min",
            "does not hold: nothing is lost (line 60): 3 rows are gone",
            "inject 1 (after 5m): How long?",
            "second accident two primaries (20 points): has not happened",
            "ran 12:01:00Z master, psql: SELECT 1",
            "users `users`: 7 a second, 0 refused a second; in all 0 done, 9 refused",
            "hint 1 (5 points) can be bought in 1 min",
            "WAL archive: /wal",
        ] {
            assert!(told.lines().any(|known| known == line), "no {line:?} in {told}");
        }
        let team = team_status(&view.team);
        for secret in ["DROP TABLE", "two primaries", "nothing is lost", "How long", "SELECT 1"] {
            assert!(!team.contains(secret), "{secret}: {team}");
        }
    }
}
