//! What Jenkins' schema of JUnit files (junit-10.xsd of its xUnit plugin) demands, as far as it
//! concerns what is written here: which elements stand in which, which attributes they have and
//! must have; and that no failure is empty.

use super::*;

/// An element: where it may stand, what attributes it must have, and which others it may have.
type Rule = (&'static str, &'static str, &'static [&'static str], &'static [&'static str]);

const RULES: [Rule; 8] = [
    ("testsuites", "", &[], &["name", "time", "tests", "failures", "errors"]),
    (
        "testsuite",
        "testsuites",
        &["name", "tests", "failures", "errors"],
        &["group", "time", "skipped", "timestamp", "hostname", "id", "package", "file", "log", "url"],
    ),
    ("properties", "testsuite", &[], &[]),
    ("property", "properties", &["name", "value"], &[]),
    ("testcase", "testsuite", &["name"], &["time", "classname", "group"]),
    ("failure", "testcase", &[], &["type", "message"]),
    ("error", "testcase", &[], &["type", "message"]),
    ("skipped", "testcase", &[], &["type", "message"]),
];

/// The names of a start tag's attributes. Values hold no quotes: they are escaped.
fn attributes(tag: &str) -> Vec<&str> {
    let names = tag.split('"').step_by(2).filter_map(|before| before.trim().strip_suffix('='));
    names.map(|name| name.rsplit(' ').next().unwrap_or(name)).collect()
}

/// What is against the schema.
pub(super) fn junit_errors(xml: &str) -> Vec<String> {
    let mut errors = vec![];
    let mut open: Vec<&str> = vec![];
    for piece in xml.split('<').skip(1).filter(|piece| !piece.starts_with('?')) {
        let Some((tag, text)) = piece.split_once('>') else {
            errors.push(format!("no tag: {piece}"));
            continue;
        };
        if let Some(name) = tag.strip_prefix('/') {
            if open.pop() != Some(name) {
                errors.push(format!("</{name}> closes nothing"));
            }
            continue;
        }
        let closed = tag.ends_with('/');
        let tag = tag.trim_end_matches('/');
        let name = tag.split(' ').next().unwrap_or_default();
        let Some((_, parent, required, optional)) = RULES.iter().find(|(known, ..)| *known == name) else {
            errors.push(format!("<{name}> is unknown"));
            continue;
        };
        if open.last().copied().unwrap_or_default() != *parent {
            errors.push(format!("<{name}> in {open:?}"));
        }
        let there = attributes(tag);
        let unknown = there.iter().filter(|one| !required.contains(one) && !optional.contains(one));
        errors.extend(unknown.map(|one| format!("<{name}> has {one}")));
        errors.extend(required.iter().filter(|one| !there.contains(one)).map(|one| format!("<{name}> lacks {one}")));
        if ["failure", "error"].contains(&name) && (closed || text.trim().is_empty() || !there.contains(&"message")) {
            errors.push(format!("<{name}> is empty"));
        }
        if !closed {
            open.push(name);
        }
    }
    errors.extend(open.iter().map(|name| format!("<{name}> is not closed")));
    errors
}

#[test]
fn every_junit_report_is_valid_for_jenkins() {
    for name in JOURNALS {
        let xml = junit::render(&record(&journal(name))).expect("XML");
        assert_eq!(junit_errors(&xml), Vec::<String>::new(), "{name}:\n{xml}");
    }
    let bad = "<testsuites skipped=\"0\"><testsuite name=\"a\" tests=\"1\" failures=\"1\"><testcase name=\"b\"><failure/></testcase></testsuite></testsuites>";
    let told = junit_errors(bad);
    assert_eq!(told, ["<testsuites> has skipped", "<testsuite> lacks errors", "<failure> is empty"]);
}
