//! What people see of recorded runs.

use insta::assert_snapshot;

use super::super::tests::{JOURNALS, Paper, journal, tell};
use super::*;

fn shown(name: &str, options: TerminalOptions) -> String {
    let paper = Paper::default();
    tell(Terminal::new(options, Box::new(paper.clone())), &journal(name));
    paper.text()
}

const PLAIN: TerminalOptions =
    TerminalOptions { color: false, progress: false, verbosity: Verbosity::Normal, width: 120 };

#[test]
fn runs_in_plain_lines() {
    for name in JOURNALS {
        assert_snapshot!(name, shown(name, PLAIN));
    }
}

#[test]
fn runs_with_every_step() {
    for name in JOURNALS {
        assert_snapshot!(
            format!("verbose_{name}"),
            shown(name, TerminalOptions { verbosity: Verbosity::Verbose, ..PLAIN })
        );
    }
}

#[test]
fn quiet_runs_tell_what_is_wrong() {
    for name in JOURNALS {
        assert_snapshot!(
            format!("quiet_{name}"),
            shown(name, TerminalOptions { verbosity: Verbosity::Quiet, ..PLAIN })
        );
    }
}

#[test]
fn colours_are_ours_alone() {
    let escape = regex::Regex::new("\x1b\\[[0-9;]*m").expect("a pattern");
    for name in JOURNALS {
        let plain = shown(name, TerminalOptions { verbosity: Verbosity::Verbose, ..PLAIN });
        assert!(!plain.chars().any(|c| c.is_control() && c != '\n'), "a control character in {name}");
        let colored = shown(name, TerminalOptions { color: true, verbosity: Verbosity::Verbose, ..PLAIN });
        assert_eq!(escape.replace_all(&colored, ""), plain, "colours change the text of {name}");
        assert!(colored.contains('\x1b'));
    }
}
