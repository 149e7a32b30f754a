//! The live lines on a terminal: one or two for each drill that runs, gone when it ends.

use std::collections::BTreeMap;
use std::time::Duration;

use indicatif::{MultiProgress, ProgressBar, ProgressDrawTarget, ProgressStyle};

use super::text::thousands;

/// How often the clocks of the live lines move on.
const TICK: Duration = Duration::from_millis(200);

/// The live lines of all drills that run.
pub(super) struct Progress {
    lines: MultiProgress,
    color: bool,
    hidden: bool,
    drills: BTreeMap<usize, Live>,
}

/// A drill's live lines: `  12s dropped-table 9/17 lunch`, and below it what is waited for and what
/// the users do.
struct Live {
    name: String,
    head: ProgressBar,
    detail: Option<ProgressBar>,
    waiting: String,
    users: BTreeMap<String, String>,
}

impl Progress {
    pub(super) fn on_stderr(color: bool) -> Self {
        Progress::on(ProgressDrawTarget::stderr(), color)
    }

    pub(super) fn hidden() -> Self {
        Progress::on(ProgressDrawTarget::hidden(), false)
    }

    pub(super) fn on(target: ProgressDrawTarget, color: bool) -> Self {
        let hidden = target.is_hidden();
        Progress { lines: MultiProgress::with_draw_target(target), color, hidden, drills: BTreeMap::new() }
    }

    /// Does something with the live lines out of the way.
    pub(super) fn suspend(&self, print: impl FnOnce()) {
        self.lines.suspend(print);
    }

    pub(super) fn begin(&mut self, drill: usize, name: String, steps: usize) {
        if self.hidden {
            return;
        }
        let style = if self.color { "{elapsed:>5.cyan} {wide_msg}" } else { "{elapsed:>5} {wide_msg}" };
        let head = self.lines.add(ProgressBar::new_spinner().with_style(style_of(style)));
        head.set_message(format!("{name} starting servers, {steps} steps"));
        head.enable_steady_tick(TICK);
        let live = Live { name, head, detail: None, waiting: String::new(), users: BTreeMap::new() };
        self.drills.insert(drill, live);
    }

    pub(super) fn step(&mut self, drill: usize, number: usize, of: usize, name: String) {
        let Some(live) = self.drills.get_mut(&drill) else { return };
        live.head.set_message(format!("{} {number}/{of} {name}", live.name));
        live.waiting.clear();
        self.detail(drill);
    }

    pub(super) fn waiting(&mut self, drill: usize, waiting_for: String) {
        let Some(live) = self.drills.get_mut(&drill) else { return };
        live.waiting = format!("waiting for {waiting_for}");
        self.detail(drill);
    }

    pub(super) fn rate(&mut self, drill: usize, id: &str, acknowledged: u64, per_second: u64) {
        let Some(live) = self.drills.get_mut(&drill) else { return };
        let rate = format!("{id}: {} tx/s, {} acknowledged", thousands(per_second), thousands(acknowledged));
        live.users.insert(id.to_owned(), rate);
        self.detail(drill);
    }

    pub(super) fn stopped(&mut self, drill: usize, id: &str) {
        let Some(live) = self.drills.get_mut(&drill) else { return };
        live.users.remove(id);
        self.detail(drill);
    }

    pub(super) fn end(&mut self, drill: usize) {
        let Some(live) = self.drills.remove(&drill) else { return };
        for line in live.detail.iter().chain([&live.head]) {
            line.finish_and_clear();
            self.lines.remove(line);
        }
    }

    /// The second line is there only while there is something to say on it.
    fn detail(&mut self, drill: usize) {
        let Some(live) = self.drills.get_mut(&drill) else { return };
        let told: Vec<&str> = std::iter::once(&live.waiting)
            .chain(live.users.values())
            .map(String::as_str)
            .filter(|text| !text.is_empty())
            .collect();
        if told.is_empty() {
            if let Some(line) = live.detail.take() {
                line.finish_and_clear();
                self.lines.remove(&line);
            }
            return;
        }
        let (lines, color) = (&self.lines, self.color);
        let line = live.detail.get_or_insert_with(|| {
            let style = if color { "      {wide_msg:.dim}" } else { "      {wide_msg}" };
            lines.insert_after(&live.head, ProgressBar::new_spinner().with_style(style_of(style)))
        });
        line.set_message(told.join(" · "));
    }
}

fn style_of(template: &str) -> ProgressStyle {
    // Only a mistake in our own template can fail, which the tests would show.
    ProgressStyle::with_template(template).unwrap_or_else(|_| ProgressStyle::default_spinner())
}

#[cfg(test)]
mod tests;
