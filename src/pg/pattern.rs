//! Reading what servers and their programs print.

use std::sync::OnceLock;

use regex::{Captures, Regex};

/// A regular expression that is compiled when it is first needed. One that cannot be compiled
/// matches nothing.
#[derive(Debug)]
pub struct Pattern {
    text: &'static str,
    compiled: OnceLock<Option<Regex>>,
}

impl Pattern {
    /// The pattern of this text.
    pub const fn new(text: &'static str) -> Self {
        Pattern { text, compiled: OnceLock::new() }
    }

    fn regex(&self) -> Option<&Regex> {
        self.compiled.get_or_init(|| Regex::new(self.text).ok()).as_ref()
    }

    /// Whether it matches somewhere in `text`.
    pub fn is_match(&self, text: &str) -> bool {
        self.regex().is_some_and(|regex| regex.is_match(text))
    }

    /// The groups of the first match.
    pub fn captures<'t>(&self, text: &'t str) -> Option<Captures<'t>> {
        self.regex()?.captures(text)
    }

    /// The groups of each match.
    pub fn captures_iter<'t>(&self, text: &'t str) -> impl Iterator<Item = Captures<'t>> {
        self.regex().into_iter().flat_map(move |regex| regex.captures_iter(text))
    }

    /// The first group of each match, without the blanks around it.
    pub fn each<'t>(&self, text: &'t str) -> impl Iterator<Item = &'t str> {
        self.captures_iter(text).filter_map(|captures| Some(captures.get(1)?.as_str().trim()))
    }

    /// The first group of the first match.
    pub fn first<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.each(text).next()
    }

    /// The first group of the last match.
    pub fn last<'t>(&self, text: &'t str) -> Option<&'t str> {
        self.each(text).last()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn groups_are_found_and_trimmed() {
        static NUMBER: Pattern = Pattern::new(r"n=(\s*\d+)");
        let text = "n= 1, n=2, m=3";
        assert_eq!(NUMBER.each(text).collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((NUMBER.first(text), NUMBER.last(text)), (Some("1"), Some("2")));
        assert!(NUMBER.is_match(text) && !NUMBER.is_match("m=3"));
        static WRONG: Pattern = Pattern::new("(");
        assert_eq!(WRONG.first("("), None);
    }
}
