//! What a scenario sets of a tool that a repo is made of.

use std::borrow::Cow;

use crate::source::choices;

/// What a scenario says of a repo beyond its kind.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Settings {
    /// The name under which the tool knows the server that archives here.
    pub stanza: Option<String>,
    /// Options of the tool, by their names, in order.
    pub options: Vec<(String, String)>,
    /// What a repo is made of that has no tool.
    pub commands: Commands,
}

/// The commands that a repo is made of, and what goes into their environment.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Commands {
    /// Prints its backups.
    pub list: Option<Vec<String>>,
    /// Restores a backup.
    pub fetch: Vec<String>,
    /// `restore_command`.
    pub restore_command: String,
    /// Takes a backup.
    pub backup: Option<Vec<String>>,
    /// `archive_command`.
    pub archive_command: Option<String>,
    /// Says whether a backup is whole.
    pub verify: Option<Vec<String>>,
    /// Added to the environment of all of them.
    pub env: Vec<(String, String)>,
}

/// What a scenario may set of a kind of repo. Without any of it: nothing.
#[derive(Debug, Clone, Copy)]
pub struct Adjustable {
    /// Whether it has a stanza to name.
    pub stanza: bool,
    /// The options, and what their values are.
    pub options: &'static [(&'static str, Value)],
    /// What the names of options begin with that drillyard itself sets: where things are, and what
    /// a step says.
    pub own: &'static [&'static str],
    /// Options that need each other.
    pub together: &'static [(&'static str, &'static str)],
    /// The keys that one has to have which a drill fills: without them there is none.
    pub needs: &'static [&'static str],
    /// The keys that it takes besides.
    pub takes: &'static [&'static str],
}

impl Adjustable {
    /// Of a kind that has nothing to set.
    pub const NOTHING: Adjustable =
        Adjustable { stanza: false, options: &[], own: &[], together: &[], needs: &[], takes: &[] };

    /// The values of an option; `None` if there is no such option. A `#` in a name stands for the
    /// number of a repository.
    pub fn value(&self, option: &str) -> Option<Value> {
        let is = |name: &str| match name.split_once('#') {
            None => name == option,
            Some((before, after)) => {
                option.strip_prefix(before).and_then(|rest| rest.strip_suffix(after)).is_some_and(|number| {
                    number.parse::<u8>().is_ok_and(|number| number > 0) && !number.starts_with(['0', '+'])
                })
            }
        };
        self.options.iter().find(|(name, _)| is(name)).map(|(_, value)| *value)
    }

    /// Whether an option is drillyard's own to set.
    pub fn is_own(&self, option: &str) -> bool {
        self.own.iter().any(|own| option.starts_with(own))
    }
}

/// What the value of an option is.
#[derive(Debug, Clone, Copy)]
pub enum Value {
    /// `y` or `n`.
    Switch,
    /// One of these words.
    OneOf(&'static [&'static str]),
    /// A whole number, from the first to the second.
    Number(i64, i64),
    /// A size: `4MiB`.
    Size,
    /// Any text on one line.
    Text,
}

impl Value {
    /// Whether a text is one.
    pub fn fits(self, text: &str) -> bool {
        let number = |text: &str| text.parse::<i64>().ok();
        match self {
            Value::Switch => matches!(text, "y" | "n"),
            Value::OneOf(words) => words.contains(&text),
            Value::Number(least, most) => number(text).is_some_and(|number| (least..=most).contains(&number)),
            Value::Size => {
                let digits = text.trim_end_matches(|c: char| c.is_ascii_alphabetic());
                let unit = text[digits.len()..].to_lowercase();
                let units = ["", "b", "k", "kb", "kib", "m", "mb", "mib", "g", "gb", "gib"];
                number(digits).is_some_and(|number| number > 0) && units.contains(&unit.as_str())
            }
            Value::Text => !text.is_empty() && !text.contains(['\n', '\r']),
        }
    }

    /// What is expected, in words.
    pub fn expected(self) -> Cow<'static, str> {
        match self {
            Value::Switch => "expected `y` or `n`".into(),
            Value::OneOf(words) => format!("expected {}", choices(words.iter().copied(), "or")).into(),
            Value::Number(least, most) => format!("expected a whole number from {least} to {most}").into(),
            Value::Size => "expected a size, such as `4MiB`".into(),
            Value::Text => "expected a text on one line".into(),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_stands_where_the_name_has_a_sign_for_it() {
        let options = &[("repo#-path", Value::Text), ("process-max", Value::Switch)];
        let adjustable = Adjustable { options, ..Adjustable::NOTHING };
        for known in ["repo1-path", "repo12-path", "process-max"] {
            assert!(adjustable.value(known).is_some(), "{known}");
        }
        for unknown in
            ["repo-path", "repo0-path", "repo01-path", "repo+1-path", "repo#-path", "repo1-paths", "repo999-path"]
        {
            assert!(adjustable.value(unknown).is_none(), "{unknown}");
        }
    }

    #[test]
    fn values_are_told_from_nonsense() {
        let fits = |value: Value, good: &[&str], bad: &[&str]| {
            good.iter().for_each(|text| assert!(value.fits(text), "{value:?}: {text}"));
            bad.iter().for_each(|text| assert!(!value.fits(text), "{value:?}: {text}"));
        };
        fits(Value::Switch, &["y", "n"], &["yes", "true", ""]);
        fits(Value::OneOf(&["gz", "lz4"]), &["lz4"], &["LZ4", "zip"]);
        fits(Value::Number(-5, 9), &["-5", "0", "9"], &["10", "1.5", "x", ""]);
        fits(Value::Size, &["4MiB", "20mb", "1024", "1G"], &["0", "-1MB", "4 MiB", "4TiB", "MiB", "1é"]);
        fits(Value::Text, &["a b"], &["", "a\nb"]);
    }
}
