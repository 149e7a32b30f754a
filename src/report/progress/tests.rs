//! The live lines, drawn on a terminal that remembers.

use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use indicatif::TermLike;

use super::*;

const WIDTH: u16 = 60;

#[derive(Debug, Clone, Default)]
struct Screen(Arc<Mutex<String>>);

impl Screen {
    fn add(&self, text: &str) -> io::Result<()> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner).push_str(text);
        Ok(())
    }

    /// All lines that ever were on it.
    fn lines(&self) -> Vec<String> {
        let drawn = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        drawn.lines().map(|line| line.trim_end().to_owned()).filter(|line| !line.is_empty()).collect()
    }
}

impl TermLike for Screen {
    fn width(&self) -> u16 {
        WIDTH
    }

    fn move_cursor_up(&self, _: usize) -> io::Result<()> {
        self.add("\n")
    }

    fn move_cursor_down(&self, _: usize) -> io::Result<()> {
        self.add("\n")
    }

    fn move_cursor_right(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn move_cursor_left(&self, _: usize) -> io::Result<()> {
        Ok(())
    }

    fn write_line(&self, text: &str) -> io::Result<()> {
        self.add(text)?;
        self.add("\n")
    }

    fn write_str(&self, text: &str) -> io::Result<()> {
        self.add(text)
    }

    fn clear_line(&self) -> io::Result<()> {
        self.add("\n")
    }

    fn flush(&self) -> io::Result<()> {
        Ok(())
    }
}

#[test]
fn live_lines_tell_the_step_and_what_is_waited_for_and_are_cut() {
    let screen = Screen::default();
    let mut progress = Progress::on(ProgressDrawTarget::term_like_with_hz(Box::new(screen.clone()), 255), false);
    progress.begin(0, "dropped-table".into(), 17);
    progress.step(0, 9, 17, format!("lunch {}", "with a long name 表計算 🐘 ".repeat(9)));
    progress.rate(0, "users", 18_204, 2104);
    progress.waiting(0, "2,000 acknowledged, 988 so far".into());
    for drill in progress.drills.values() {
        drill.head.force_draw();
        drill.detail.iter().for_each(ProgressBar::force_draw);
    }
    let lines = screen.lines();
    let has = |text: &str| lines.iter().any(|line| line.contains(text));
    assert!(has("dropped-table 9/17 lunch with a long name"), "{lines:#?}");
    assert!(has("waiting for 2,000 acknowledged, 988 so far · users: 2"), "{lines:#?}");
    assert!(!has("🐘 with a long name"), "a name was not cut: {lines:#?}");
    assert!(!lines.iter().any(|line| line.contains('\x1b')), "{lines:#?}");
    progress.end(0);
    assert!(progress.drills.is_empty());
}

#[test]
fn without_a_terminal_nothing_is_kept() {
    let mut progress = Progress::hidden();
    progress.begin(0, "dropped-table".into(), 17);
    progress.step(0, 1, 17, "first".into());
    progress.waiting(3, "a drill that nobody knows".into());
    assert!(progress.drills.is_empty());
}
