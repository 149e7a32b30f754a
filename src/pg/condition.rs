//! SQLSTATEs by their condition names (manual, appendix A).

mod table;

use std::borrow::Cow;
use std::fmt;
use std::str::FromStr;

use table::CONDITIONS;

/// The code of a condition: `undefined_table` is `42P01`.
///
/// Five names stand for two codes each (`string_data_right_truncation` is a warning, too); the
/// first one that is an error is meant.
pub fn sqlstate(name: &str) -> Option<&'static str> {
    let codes = || CONDITIONS.iter().filter(|(_, known)| *known == name).map(|(code, _)| *code);
    codes().find(|code| *code >= "03000").or_else(|| codes().next())
}

/// The condition that a code stands for.
pub fn condition(code: &str) -> Option<&'static str> {
    CONDITIONS.binary_search_by_key(&code, |(known, _)| known).ok().map(|at| CONDITIONS[at].1)
}

/// All condition names, in the order of their codes; a few occur twice.
pub fn names() -> impl Iterator<Item = &'static str> {
    CONDITIONS.iter().map(|(_, name)| *name)
}

/// An SQLSTATE: five digits and capital letters.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct SqlState([u8; 5]);

/// A text that is neither a condition's name nor a code.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is neither a condition name nor an SQLSTATE{}",
    .near.map_or_else(|| "; the names are in appendix A of PostgreSQL's manual".to_owned(), |near| format!("; did you mean `{near}`?"))
)]
pub struct SqlStateError {
    text: String,
    near: Option<&'static str>,
}

impl SqlState {
    /// From a code as servers send it. None if it is not five digits and capital letters.
    pub fn from_code(code: &str) -> Option<Self> {
        let bytes: [u8; 5] = code.as_bytes().try_into().ok()?;
        bytes.iter().all(|b| b.is_ascii_digit() || b.is_ascii_uppercase()).then_some(SqlState(bytes))
    }

    /// The five characters.
    pub fn code(&self) -> &str {
        // Made of ASCII alone by every constructor.
        std::str::from_utf8(&self.0).unwrap_or_default()
    }

    /// The first two characters.
    pub fn class(&self) -> &str {
        self.code().get(..2).unwrap_or_default()
    }

    /// The condition's name, if appendix A has the code.
    pub fn name(&self) -> Option<&'static str> {
        condition(self.code())
    }
}

impl fmt::Display for SqlState {
    /// `undefined_table (42P01)`; just the code if it has no name.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.name() {
            Some(name) => write!(f, "{name} ({})", self.code()),
            None => f.write_str(self.code()),
        }
    }
}

impl fmt::Debug for SqlState {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "SqlState({self})")
    }
}

impl FromStr for SqlState {
    type Err = SqlStateError;

    /// Reads a condition's name or a code.
    fn from_str(text: &str) -> Result<Self, Self::Err> {
        // No condition name is written in five digits and capitals, so a code can't be mistaken for
        // one.
        if let Some(state) = SqlState::from_code(sqlstate(text).unwrap_or(text)) {
            return Ok(state);
        }
        let near = names()
            .map(|name| (strsim::jaro_winkler(name, &text.to_ascii_lowercase()), name))
            .filter(|(score, _)| *score > 0.85)
            .max_by(|a, b| a.0.total_cmp(&b.0))
            .map(|(_, name)| name);
        Err(SqlStateError { text: text.to_owned(), near })
    }
}

impl<'de> serde::Deserialize<'de> for SqlState {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = Cow::<'de, str>::deserialize(deserializer)?;
        // What is near stands beside the caret, the rest below it.
        text.parse().map_err(|SqlStateError { text, near }| {
            let title = format!("`{text}` is neither a condition name nor an SQLSTATE");
            serde::de::Error::custom(match near {
                Some(near) => format!("{title}\nlabel: did you mean `{near}`?"),
                None => format!("{title}\nhelp: the names are in appendix A of PostgreSQL's manual"),
            })
        })
    }
}

impl schemars::JsonSchema for SqlState {
    fn schema_name() -> Cow<'static, str> {
        "SqlState".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        let mut names: Vec<&str> = names().collect();
        names.sort_unstable();
        names.dedup();
        schemars::json_schema!({
            "anyOf": [{ "enum": names }, { "type": "string", "pattern": "^[0-9A-Z]{5}$|\\$\\{" }],
            "description": "A condition name (undefined_table) or an SQLSTATE (42P01): appendix A of PostgreSQL's manual"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_condition_is_found_by_its_code_and_by_its_name() {
        assert!(CONDITIONS.is_sorted_by(|a, b| a.0 < b.0));
        for (code, name) in CONDITIONS {
            assert_eq!(condition(code), Some(*name));
            assert_eq!(sqlstate(name).and_then(condition), Some(*name));
            assert!(SqlState::from_code(code).is_some(), "{code}");
            assert!(SqlState::from_code(name).is_none(), "{name}");
        }
        assert_eq!(sqlstate("undefined_table"), Some("42P01"));
        assert_eq!(sqlstate("string_data_right_truncation"), Some("22001"));
        assert_eq!(condition("42P"), None);
    }

    #[test]
    fn a_state_is_read_by_name_and_by_code_and_shown_with_both() {
        let read = |text: &str| text.parse::<SqlState>().map(|state| state.to_string()).map_err(|e| e.to_string());
        assert_eq!(read("undefined_table").as_deref(), Ok("undefined_table (42P01)"));
        assert_eq!(read("42P01").as_deref(), Ok("undefined_table (42P01)"));
        assert_eq!(read("ZZ999").as_deref(), Ok("ZZ999"));
        let wrong = read("undefinedtable").unwrap_err();
        assert_eq!(
            wrong,
            "`undefinedtable` is neither a condition name nor an SQLSTATE; did you mean `undefined_table`?"
        );
        assert!(read("42p01").is_err());
        assert!(serde_json::from_str::<SqlState>("\"deadlock_detected\"").is_ok());
    }
}
