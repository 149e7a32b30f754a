//! The tree of a scenario file: what stands where, before it is decoded into types.

use crate::source::{ScalarKind as Kind, Span};

/// A value with its place.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Node {
    /// Where it stands: from its first character to its last. A value that came by an alias stands
    /// where the alias is; what is inside it, where it was written.
    pub span: Span,
    /// What it is.
    pub value: Value,
}

/// What a node is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Value {
    /// A single value.
    Scalar {
        /// The text, without its quotes and with its escapes resolved. References are not
        /// substituted yet.
        text: String,
        /// How it was written.
        style: Style,
    },
    /// A list.
    Seq(Vec<Node>),
    /// A map, in the file's order. Keys are texts, and no key comes twice.
    Map(Vec<Entry>),
}

/// How a scalar was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Style {
    /// As it is; it may be a number, a boolean or null.
    Plain,
    /// In single or double quotes: always text.
    Quoted,
    /// After `|` or `>`: always text.
    Block,
}

/// One line of a map.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// The key; always a scalar.
    pub key: Node,
    /// The value; null where nothing is written.
    pub value: Node,
}

impl Node {
    /// The text of a scalar.
    pub fn text(&self) -> Option<&str> {
        match &self.value {
            Value::Scalar { text, .. } => Some(text),
            Value::Seq(_) | Value::Map(_) => None,
        }
    }

    /// Whether nothing, `~` or `null` is written here.
    pub fn is_null(&self) -> bool {
        matches!(&self.value, Value::Scalar { text, style: Style::Plain } if Kind::of_plain(text) == Kind::Null)
    }

    /// The lines of a map; none for anything else.
    pub fn entries(&self) -> &[Entry] {
        match &self.value {
            Value::Map(entries) => entries,
            Value::Scalar { .. } | Value::Seq(_) => &[],
        }
    }

    /// The members of a list; none for anything else.
    pub fn items(&self) -> &[Node] {
        match &self.value {
            Value::Seq(items) => items,
            Value::Scalar { .. } | Value::Map(_) => &[],
        }
    }

    /// The line of a map with this key.
    pub fn get(&self, key: &str) -> Option<&Entry> {
        self.entries().iter().find(|entry| entry.name() == key)
    }
}

impl Entry {
    /// The key's text.
    pub fn name(&self) -> &str {
        self.key.text().unwrap_or_default()
    }

    /// From the key to the end of the value.
    pub fn span(&self) -> Span {
        self.key.span.to(self.value.span)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_scalars_are_what_yaml_1_2_says() {
        let kinds = |texts: &[&str]| texts.iter().map(|text| Kind::of_plain(text)).collect::<Vec<_>>();
        assert_eq!(kinds(&["", "~", "null"]), [Kind::Null; 3]);
        assert_eq!(kinds(&["true", "False"]), [Kind::Bool; 2]);
        assert_eq!(kinds(&["0", "-5", "+7", "007", "0x1f", "0o17"]), [Kind::Integer; 6]);
        assert_eq!(kinds(&["1.5", ".5", "5.", "1e3", "-1.5E-3", ".inf", "-.inf", ".nan"]), [Kind::Float; 8]);
        let texts = ["yes", "no", "on", "1_000", "10s", ".", "-", "+", "e5", "1e", "0x", "1.2.3", "0/3000028", "--5"];
        assert_eq!(kinds(&texts), [Kind::Text; 14]);
    }
}
