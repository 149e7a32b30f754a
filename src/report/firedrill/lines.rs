//! What people in a firedrill are told on the terminal as it goes on: never what has happened.

use std::io::Write;
use std::path::PathBuf;

use crate::journal::{Entry, Event, Firedrill, Listener, ScorePart, Speaker};
use crate::report::look::{Color, paint};
use crate::report::text::{duration, one_line};

/// Tells people as it goes on, and their score at the end.
pub struct FiredrillLines {
    out: Box<dyn Write + Send>,
    color: bool,
    debrief: PathBuf,
    sealed: bool,
    seed: u64,
    score: Option<(Vec<ScorePart>, u32)>,
}

impl FiredrillLines {
    /// Writes to `out`; the debrief will be in that file.
    pub fn new(out: Box<dyn Write + Send>, color: bool, debrief: PathBuf) -> Self {
        FiredrillLines { out, color, debrief, sealed: false, seed: 0, score: None }
    }

    /// A reader that went away is no reason to stop.
    fn print(&mut self, text: &str) {
        let _ = self.out.write_all(text.as_bytes()).and_then(|()| self.out.flush());
    }

    fn hear_of(&mut self, at: &str, what: &Firedrill) {
        let text = match what {
            Firedrill::Ready { sealed, .. } => {
                self.sealed = *sealed;
                return;
            }
            Firedrill::Scored { parts, points } => {
                self.score = Some((parts.clone(), *points));
                return;
            }
            Firedrill::Incident { .. } if self.sealed => return,
            Firedrill::Incident { .. } => "it has happened: the clock runs".to_owned(),
            Firedrill::Practice { .. } => "people begin: the clock runs".to_owned(),
            Firedrill::Said { by: Speaker::Facilitator, text } => format!("facilitator: {}", one_line(text)),
            Firedrill::Said { by: Speaker::Team, text } => format!("note: {}", one_line(text)),
            Firedrill::Said { by: Speaker::Drill, text } => one_line(text),
            Firedrill::Injected { text, .. } if text.is_empty() => return,
            Firedrill::Injected { text, .. } => one_line(text),
            Firedrill::HintBought { number, costs, text } => {
                format!("hint {number} ({costs} points): {}", one_line(text))
            }
            Firedrill::Judged { held, of, .. } if held == of => format!("all {of} hold"),
            Firedrill::Judged { held, of, .. } => format!("{held} of {of} hold: go on"),
            Firedrill::Paused { .. } => "the clock stands still".to_owned(),
            Firedrill::Resumed { .. } => "the clock goes on".to_owned(),
            Firedrill::Adopted { node, server, .. } => {
                format!("a server came up as `{}` ({})", one_line(node), one_line(server))
            }
            Firedrill::Ended { clock_ms, how } => format!("{} after {}", how.as_str(), duration(*clock_ms)),
            Firedrill::Noticed { .. }
            | Firedrill::Decided { .. }
            | Firedrill::SecondAccident { .. }
            | Firedrill::Ran { .. } => return,
        };
        let line = format!("{at}  {text}\n");
        self.print(&line);
    }

    fn tell_score(&mut self) {
        let Some((parts, points)) = self.score.take() else { return };
        self.print(&score_lines(&parts, points, self.color));
    }
}

/// The score, a line a part.
pub fn score_lines(parts: &[ScorePart], points: u32, color: bool) -> String {
    let mut text = paint(&format!("\nscore: {points} of 100\n"), Color::Bold, color);
    parts.iter().for_each(|part| text.push_str(&score_line(part)));
    text.push('\n');
    text
}

/// `  20 of 20  time to recover: 4 min 12 s`.
fn score_line(part: &ScorePart) -> String {
    let points = part.points_told();
    format!("  {points:>8}  {}: {}\n", one_line(&part.name), one_line(&part.measured))
}

impl Listener for FiredrillLines {
    fn hear(&mut self, entry: &Entry) {
        match &entry.event {
            Event::Firedrill { what, .. } => {
                let at = entry.at.strftime("%H:%M:%SZ").to_string();
                self.hear_of(&at, what);
            }
            Event::RunStarted { seed, .. } => self.seed = *seed,
            Event::DrillFinished { .. } => self.tell_score(),
            Event::RunFinished { .. } => {
                let seed = if self.sealed { format!("seed: {}\n", self.seed) } else { String::new() };
                let line = format!("{seed}debrief: {}\n", self.debrief.display());
                self.print(&line);
            }
            _ => {}
        }
    }
}
