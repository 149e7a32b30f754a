//! Keeps secrets out of everything that is written.

mod forms;

use std::ops::Range;
use std::sync::Arc;

use regex::{Regex, RegexBuilder};
use serde_json::Value;

use super::{Event, Facts, Problem};

/// Replaces the values of secrets by `***`, in every text of an event and of every other output,
/// however they are escaped.
#[derive(Debug, Clone, Default)]
pub struct Redactor {
    secrets: Vec<Secret>,
    /// What stands in a secret's place.
    mask: &'static str,
}

/// One secret, and what finds it.
#[derive(Clone)]
struct Secret {
    value: String,
    /// None where no pattern could be made of it: then no text can be trusted any more.
    found_by: Option<Arc<Vec<Regex>>>,
}

/// What may stand in a secret's place; the first in which no secret is.
const MASKS: [&str; 4] = ["***", "[redacted]", "\u{2588}\u{2588}\u{2588}", ""];

/// How large the automaton of one pattern may become: a key of 4 kB takes a few of these.
const PATTERN_BYTES: usize = 64 << 20;

/// How often a text is looked through before all of it is masked.
const ROUNDS: usize = 8;

/// The shortest piece of a secret that is looked for where a text was cut.
const PIECE: usize = 6;

impl std::fmt::Debug for Secret {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Secret(***)")
    }
}

impl Secret {
    fn new(value: String) -> Self {
        let build = |pattern: String| RegexBuilder::new(&pattern).size_limit(PATTERN_BYTES).build();
        let found_by: Result<Vec<Regex>, regex::Error> = forms::patterns(&value).into_iter().map(build).collect();
        Secret { value, found_by: found_by.ok().map(Arc::new) }
    }

    /// Where it is in `text`, also where it overlaps itself; everywhere when that cannot be known.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let Some(patterns) = &self.found_by else { return std::iter::once(0..text.len()).collect() };
        let mut places = vec![];
        for pattern in patterns.iter() {
            let mut from = 0;
            while let Some(found) = pattern.find_at(text, from) {
                places.push(found.range());
                let first = text[found.start()..].chars().next().map_or(1, char::len_utf8);
                from = found.start() + first;
                if from > text.len() {
                    break;
                }
            }
        }
        places.extend(self.pieces(text));
        places
    }

    /// Pieces of it that a text was cut in the middle of: before `...` or the text's end, and after
    /// `...`.
    fn pieces(&self, text: &str) -> Vec<Range<usize>> {
        let value = self.value.as_str();
        if value.len() <= PIECE {
            return vec![];
        }
        let cuts = || ["...", "\u{2026}"].into_iter().flat_map(|dots| text.match_indices(dots));
        let heads = cuts().map(|(at, _)| at).chain([text.len()]).filter_map(|end| {
            let head = text[..end].trim_end();
            let most = value.len().min(head.len());
            let length =
                (PIECE..=most).rev().find(|at| value.is_char_boundary(*at) && head.ends_with(&value[..*at]))?;
            Some(head.len() - length..head.len())
        });
        let tails = cuts().filter_map(|(at, dots)| {
            let tail = text[at + dots.len()..].trim_start();
            let start = text.len() - tail.len();
            let from =
                (1..=value.len() - PIECE).find(|at| value.is_char_boundary(*at) && tail.starts_with(&value[*at..]))?;
            Some(start..start + value.len() - from)
        });
        heads.chain(tails).collect()
    }
}

impl Redactor {
    /// Replaces these values.
    pub fn of(secrets: impl IntoIterator<Item = String>) -> Self {
        let mut redactor = Redactor::default();
        redactor.add(secrets);
        redactor
    }

    /// Replaces these values from now on. Empty ones are no secrets.
    pub fn add(&mut self, secrets: impl IntoIterator<Item = String>) {
        for value in secrets {
            if !value.is_empty() && !self.secrets.iter().any(|known| known.value == value) {
                self.secrets.push(Secret::new(value));
            }
        }
        let clean = |mask: &&&str| self.secrets.iter().all(|secret| secret.places(mask).is_empty());
        self.mask = MASKS.iter().find(clean).copied().unwrap_or_default();
    }

    /// `text` without the secrets.
    pub fn text(&self, text: &str) -> String {
        self.masked(text, |_| self.mask.to_owned())
    }

    /// A line of a file without the secrets, in which everything stays in its column.
    fn line(&self, text: &str) -> String {
        let fill = self.mask.chars().next().unwrap_or(' ');
        self.masked(text, |hidden| std::iter::repeat_n(fill, hidden.chars().count()).collect())
    }

    fn masked(&self, text: &str, mask: impl Fn(&str) -> String) -> String {
        let mut told = text.to_owned();
        // What was on both sides of a secret, or beside its mask, may be another secret.
        for _ in 0..ROUNDS {
            let places = self.places(&told);
            if places.is_empty() {
                return told;
            }
            let mut out = String::with_capacity(told.len());
            let mut from = 0;
            for place in places {
                out.push_str(&told[from..place.start]);
                out.push_str(&mask(&told[place.clone()]));
                from = place.end;
            }
            out.push_str(&told[from..]);
            told = out;
        }
        mask(text)
    }

    /// Where secrets are in `text`, in order and apart from each other.
    fn places(&self, text: &str) -> Vec<Range<usize>> {
        let mut all: Vec<_> = self.secrets.iter().flat_map(|secret| secret.places(text)).collect();
        all.sort_by_key(|place| place.start);
        let mut apart: Vec<Range<usize>> = vec![];
        for place in all {
            match apart.last_mut() {
                Some(last) if place.start <= last.end => last.end = last.end.max(place.end),
                _ => apart.push(place),
            }
        }
        apart
    }

    /// `problem` without the secrets. The lines of the file that it shows are as the author wrote
    /// them.
    pub fn problem(&self, mut problem: Problem) -> Problem {
        if !self.is_empty() {
            problem.each_text(&mut |text| *text = self.text(text));
        }
        problem
    }

    /// `event` without the secrets, in every text that a scenario, a server or a program may have a
    /// part in. Drillyard's own words and all that is no text stay, so that it is an event still.
    pub fn event(&self, event: &mut Event) {
        if self.is_empty() {
            return;
        }
        event.each_text(&mut |text| *text = self.text(text));
        for place in event.places() {
            place.file = self.text(&place.file);
            place.text = self.line(&place.text);
        }
        if let Event::StepFinished { facts, .. } = event {
            self.facts(facts);
        }
    }

    /// The same for names and values. Names that are drillyard's own words stay.
    fn facts(&self, facts: &mut Facts) {
        let is_own = |name: &str| name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        let redacted = std::mem::take(facts).into_iter().map(|(name, mut item)| {
            self.value(&mut item);
            (if is_own(&name) { name } else { self.text(&name) }, item)
        });
        *facts = redacted.collect();
    }

    /// `value` without the secrets, in all its strings.
    fn value(&self, value: &mut Value) {
        match value {
            Value::String(text) => *text = self.text(text),
            Value::Array(items) => items.iter_mut().for_each(|item| self.value(item)),
            Value::Object(map) => self.facts(map),
            Value::Null | Value::Bool(_) | Value::Number(_) => {}
        }
    }

    /// Whether there is anything to replace.
    pub fn is_empty(&self) -> bool {
        self.secrets.is_empty()
    }
}

#[cfg(test)]
mod tests;
