//! What problems look like.

use insta::assert_snapshot;
use proptest::prelude::*;

use super::*;

const LOST: &str = "      - assert_traffic: { traffic: users, node: master, lost: 0 }";

fn place(text: &str, line: usize, column: usize, width: usize, label: &str) -> Place {
    Place {
        file: "scenarios/human-error/dropped-table.yaml".into(),
        line,
        column,
        width,
        text: text.into(),
        label: label.into(),
        used: None,
    }
}

#[test]
fn the_failure_of_the_interface() {
    let problem = Problem::new("acknowledged commits are missing")
        .at(place(LOST, 58, 57, 7, "3 of 18,204 acknowledged commits are gone"))
        .note("first", "order client 4 seq 9021, acknowledged 12:04:31.882Z, 2 ms before `accident`")
        .note("kept", "drillyard shell 7f3a/master\ndrillyard shell 7f3a/standby");
    assert_snapshot!(render(&problem, false));
    assert_snapshot!("in_color", render(&problem, true).replace('\x1b', "<ESC>"));
}

#[test]
fn several_places_in_one_line_in_other_lines_and_other_files() {
    let mut elsewhere = place("nodes: { master: {} }", 3, 10, 6, "the nodes are named here");
    elsewhere.file = "other.yaml".into();
    let problem = Problem::new("no node is called `mastr`")
        .at(place(LOST, 1058, 51, 6, "did you mean `master`?"))
        .at(place(LOST, 1058, 36, 5, "these users write to it"))
        .at(place("  master: {}", 7, 3, 6, "a node that there is"))
        .at(elsewhere)
        .help("add it under `nodes`");
    assert_snapshot!(render(&problem, false));
}

#[test]
fn a_problem_without_a_place_and_one_with_a_line_alone() {
    let problem =
        Problem::new("no Docker daemon answers").note("tried", "/var/run/docker.sock").help("start it\nor not");
    assert_snapshot!(render(&problem, false));
    let missing = Problem::new("no steps").at(place("", 8, 1, 1, "`steps:` is missing here"));
    assert_snapshot!("empty_line", render(&missing, false));
    assert_snapshot!("line_alone", render(&Problem::new("it broke").at(place("", 7, 1, 1, "")).help("x"), false));
}

#[test]
fn tabs_and_wide_characters_and_the_end_of_the_line() {
    let problem = Problem::new("wide")
        .at(place("\tname: 表計算 🐘 größe", 1, 8, 3, "three characters, six columns"))
        .at(place("größe: x", 2, 9, 0, "something is missing here"))
        .at(place("short", 3, 99, 99, "far outside"));
    assert_snapshot!(render(&problem, false));
}

#[test]
fn nothing_that_a_terminal_obeys_gets_through() {
    let problem = Problem::new("bad \x1b]0;title\x07 title\nsecond line")
        .at(place("name: \x1b[2Jgone\u{202e}\u{9b}31m", 1, 11, 4, "label \x1b[31m"))
        .note("log\x1b[1m", "line one\x08\r\nline \x1b[5mtwo");
    assert_snapshot!(render(&problem, false));
}

#[test]
fn very_long_lines_are_cut_around_the_span() {
    let text = format!("query: {}NEEDLE{}", "x".repeat(5000), "y".repeat(5000));
    let problem = Problem::new("long").at(place(&text, 12, 5008, 6, "here"));
    assert_snapshot!(render(&problem, false));
    let problem = Problem::new("longer than what is shown").at(place(&text, 12, 8, 9000, "all of this"));
    assert_snapshot!("long_span", render(&problem, false));
}

proptest! {
    #[test]
    fn any_place_in_any_text_can_be_shown(
        text in "\\PC{0,20}[\\x00-\\x1f\\t🐘é表\u{301}\u{200d}]{0,10}.{0,300}",
        spans in prop::collection::vec((0..2000_usize, 0..400_usize, 0..400_usize, ".{0,20}"), 1..4),
        notes in prop::collection::vec((".{0,9}", "(?s).{0,40}"), 0..3),
    ) {
        let mut problem = Problem::new(text.clone());
        for (line, column, width, label) in spans {
            problem = problem.at(place(&text, line, column, width, &label));
        }
        for (kind, text) in notes {
            problem = problem.note(kind, text);
        }
        let shown = render(&problem, false);
        let obeyed = shown.chars().find(|c| c.is_control() && *c != '\n');
        prop_assert!(obeyed.is_none_or(|c| c == '\t'), "{obeyed:?} in {shown:?}");
        prop_assert!(shown.ends_with('\n'));
    }
}
