//! Reads a file of statements, and finds out whether it is as it was signed, whole and in order.

use super::digest::digest;
use super::envelope::{Broken, Envelope};
use super::key::VerifyingKey;
use super::statement::{Link, Statement};

/// What is wrong with a line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finding {
    /// The line, from 1.
    pub line: usize,
    /// What it means.
    pub what: String,
}

/// A file of statements, verified.
#[derive(Debug, Clone, Default)]
pub struct Verified {
    /// The statements that can be believed, with their lines.
    pub statements: Vec<(usize, Statement)>,
    /// What is wrong, in the order of the lines.
    pub findings: Vec<Finding>,
    /// How many lines there are.
    pub lines: usize,
    /// The newest statement.
    pub newest: Option<Link>,
}

/// What a line should come after.
enum Before {
    /// Nothing: it is the first.
    Nothing,
    /// A line that was believed.
    Line(Link),
    /// A line that was not. Its number, if nothing is missing either.
    Broken(u64),
}

/// Verifies a file's text. All that is wrong is found in one go.
pub fn verify(text: &str, key: &VerifyingKey) -> Verified {
    let mut verified = Verified::default();
    let mut before = Before::Nothing;
    for (at, line) in text.split_inclusive('\n').enumerate() {
        let number = at + 1;
        verified.lines = number;
        let next = match line.strip_suffix('\n') {
            Some(line) => verified.line(number, line, key, &before),
            None => Err("it has no end: a run died while it wrote it, or its end was cut off".to_owned()),
        };
        before = match next {
            Ok(link) => Before::Line(link),
            Err(what) => {
                verified.findings.push(Finding { line: number, what });
                Before::Broken(before.number().saturating_add(1))
            }
        };
    }
    if verified.lines == 0 {
        let what = "there is no statement: no run has ended yet, or all of them were removed";
        verified.findings.push(Finding { line: 1, what: what.to_owned() });
    }
    if let Before::Line(link) = before {
        verified.newest = Some(link);
    }
    verified
}

impl Before {
    fn number(&self) -> u64 {
        match self {
            Before::Nothing => 0,
            Before::Line(link) => link.number,
            Before::Broken(number) => *number,
        }
    }
}

impl Verified {
    /// Whether the newest statement is the one that somebody has written down, or comes after it.
    pub fn has(&self, text: &str, wanted: &str) -> bool {
        text.lines().any(|line| digest(line.as_bytes()) == wanted)
    }

    fn line(&mut self, number: usize, line: &str, key: &VerifyingKey, before: &Before) -> Result<Link, String> {
        let envelope = Envelope::parse(line).map_err(|broken| explain(&broken, key))?;
        let payload = envelope.verified(key).map_err(|broken| explain(&broken, key))?;
        let statement: Statement = serde_json::from_slice(&payload).ok().filter(Statement::is_known).ok_or(
            "it is signed, and no statement that this version of drillyard knows: a newer one may have written it",
        )?;
        let predicate = &statement.predicate;
        let mut says = |what: String| self.findings.push(Finding { line: number, what });
        let expected = before.number().saturating_add(1);
        match (predicate.number, before) {
            (found, _) if found > expected => says(match found - expected {
                1 => format!("it is statement number {found}: the one before it, number {expected}, was removed"),
                many => format!(
                    "it is statement number {found}: {many} before it, numbers {expected} to {}, were removed",
                    found - 1
                ),
            }),
            (found, _) if found < expected => {
                says(format!(
                    "it is statement number {found} where number {expected} should be: lines were moved, repeated or put in"
                ));
            }
            (_, Before::Line(link)) if predicate.previous.as_ref() != Some(&link.digest) => {
                says("it does not continue the line before it: that one was put in the place of another".to_owned());
            }
            (_, Before::Nothing) if predicate.previous.is_some() => {
                says("it continues a line that is not there, and is the first".to_owned());
            }
            _ => {}
        }
        if let Some(Link { number, digest }) = &predicate.missing {
            says(format!(
                "when it was written, statement number {number} ({digest}), which the same machine had written, was not in the file any more: \
                 the newest statements were removed"
            ));
        }
        let link = Link { number: predicate.number, digest: digest(line.as_bytes()) };
        self.statements.push((number, statement));
        Ok(link)
    }
}

fn explain(broken: &Broken, key: &VerifyingKey) -> String {
    match broken {
        Broken::NoEnvelope => "it is no signed statement: it was changed, or something else wrote it".to_owned(),
        Broken::Changed => "its signature is not that of its content: it was changed after it was signed".to_owned(),
        Broken::OtherKey(id) => {
            format!("it was signed with another key: {id}; the key that was given is {}", key.id())
        }
    }
}
