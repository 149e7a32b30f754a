//! Names as SQL writes them.

use std::fmt;
use std::str::FromStr;

/// Quotes `name` as an identifier, always with quotation marks, so that keywords and capitals are
/// safe.
pub fn quote_identifier(name: &str) -> String {
    format!("\"{}\"", name.replace('"', "\"\""))
}

/// Quotes `text` as a string constant, right whatever `standard_conforming_strings` says.
pub fn quote_literal(text: &str) -> String {
    let quoted = text.replace('\'', "''");
    if quoted.contains('\\') { format!(" E'{}'", quoted.replace('\\', "\\\\")) } else { format!("'{quoted}'") }
}

/// A table's name, as SQL writes it: `orders`, `shop.orders`, `"Weird Schema"."Order Items"`.
///
/// Parsed by SQL's own rules: what is not quoted is folded to lower case. Without a schema the
/// server finds it by its `search_path`.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct TableName {
    /// The schema, if one was written; not quoted.
    pub schema: Option<String>,
    /// The table, not quoted.
    pub name: String,
}

/// What is wrong with a text that should be a table's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a table's name: {reason}")]
pub struct TableNameError {
    text: String,
    reason: &'static str,
}

impl TableName {
    /// The name with every part quoted, fit for SQL text and for `::regclass`.
    pub fn quoted(&self) -> String {
        match &self.schema {
            Some(schema) => format!("{}.{}", quote_identifier(schema), quote_identifier(&self.name)),
            None => quote_identifier(&self.name),
        }
    }
}

impl fmt::Display for TableName {
    /// As a person would write it: quoted only if SQL needs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.schema {
            Some(schema) => write!(f, "{}.{}", shown_identifier(schema), shown_identifier(&self.name)),
            None => f.write_str(&shown_identifier(&self.name)),
        }
    }
}

/// An identifier as a person would write it: quoted only if SQL needs it.
pub fn shown_identifier(part: &str) -> String {
    let mut bytes = part.bytes();
    let plain = bytes.next().is_some_and(|b| b.is_ascii_lowercase() || b == b'_')
        && bytes.all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_');
    if plain { part.to_owned() } else { quote_identifier(part) }
}

/// A column's name, as SQL writes it: `id`, `"Order Id"`. What is not quoted is folded to lower
/// case.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct ColumnName(String);

/// What is wrong with a text that should be a column's name.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is not a column's name: {reason}")]
pub struct ColumnNameError {
    text: String,
    reason: &'static str,
}

impl ColumnName {
    /// The name, not quoted.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for ColumnName {
    /// As a person would write it: quoted only if SQL needs it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&shown_identifier(&self.0))
    }
}

impl FromStr for ColumnName {
    type Err = ColumnNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| ColumnNameError { text: text.to_owned(), reason };
        match identifier(text.trim()) {
            Ok((name, rest)) if rest.trim().is_empty() => Ok(ColumnName(name)),
            Ok(_) => Err(wrong("an identifier with other characters must stand in double quotes")),
            Err(reason) => Err(wrong(reason)),
        }
    }
}

impl FromStr for TableName {
    type Err = TableNameError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let wrong = |reason| TableNameError { text: text.to_owned(), reason };
        let mut parts = Vec::new();
        let mut rest = text.trim();
        loop {
            let (part, after) = identifier(rest).map_err(wrong)?;
            parts.push(part);
            match after.trim_start().strip_prefix('.') {
                Some(after) => rest = after.trim_start(),
                None if after.trim().is_empty() => break,
                None => return Err(wrong("an identifier with other characters must stand in double quotes")),
            }
        }
        match parts.len() {
            1 => Ok(TableName { schema: None, name: parts.remove(0) }),
            2 => Ok(TableName { schema: Some(parts.remove(0)), name: parts.remove(0) }),
            _ => Err(wrong("it has more parts than schema.table")),
        }
    }
}

/// One identifier off the front of `text`, and what follows it.
fn identifier(text: &str) -> Result<(String, &str), &'static str> {
    if let Some(quoted) = text.strip_prefix('"') {
        let mut name = String::new();
        let mut chars = quoted.char_indices().peekable();
        while let Some((at, c)) = chars.next() {
            match c {
                '"' if chars.peek().is_some_and(|(_, next)| *next == '"') => {
                    chars.next();
                    name.push('"');
                }
                '"' if name.is_empty() => return Err("an identifier is empty"),
                '"' => return Ok((name, &quoted[at + 1..])),
                c => name.push(c),
            }
        }
        return Err("a double quote is not closed");
    }
    let end = text.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '$')).unwrap_or(text.len());
    match text.chars().next() {
        None => Err("an identifier is missing"),
        Some(first) if !(first.is_alphabetic() || first == '_') => Err("an identifier begins with a letter or `_`"),
        Some(_) => Ok((text[..end].to_ascii_lowercase(), &text[end..])),
    }
}

impl<'de> serde::Deserialize<'de> for TableName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for TableName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "TableName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A table, as in SQL: shop.orders, \"Weird Schema\".\"Order Items\"" })
    }
}

impl<'de> serde::Deserialize<'de> for ColumnName {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for ColumnName {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "ColumnName".into()
    }

    fn inline_schema() -> bool {
        true
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "description": "A column, as in SQL: id, \"Order Id\"" })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<(Option<String>, String), &'static str> {
        text.parse::<TableName>().map(|t| (t.schema, t.name)).map_err(|e| e.reason)
    }

    #[test]
    fn names_are_read_as_sql_reads_them() {
        assert_eq!(read("Orders"), Ok((None, "orders".into())));
        assert_eq!(read("shop.orders"), Ok((Some("shop".into()), "orders".into())));
        assert_eq!(
            read(r#""Weird Schema"."Order ""Items""""#),
            Ok((Some("Weird Schema".into()), "Order \"Items\"".into()))
        );
        assert!(read("shop.").is_err());
        assert!(read("a.b.c").is_err());
        assert!(read("order items").is_err());
        assert!(read("\"open").is_err());
        assert!(read("1st").is_err());
    }

    #[test]
    fn names_are_shown_as_people_write_them() {
        let shown = |text: &str| text.parse::<TableName>().map(|t| t.to_string()).ok();
        assert_eq!(shown("shop.orders").as_deref(), Some("shop.orders"));
        assert_eq!(shown(r#""A".b"#).as_deref(), Some(r#""A".b"#));
    }

    #[test]
    fn columns_are_read_and_shown_as_sql_does() {
        let read =
            |text: &str| text.parse::<ColumnName>().map(|name| (name.as_str().to_owned(), name.to_string())).ok();
        assert_eq!(read("Id"), Some(("id".to_owned(), "id".to_owned())));
        assert_eq!(read("\"Order Id\""), Some(("Order Id".to_owned(), "\"Order Id\"".to_owned())));
        assert_eq!(read("a.b"), None);
        assert_eq!(read("order id"), None);
        assert_eq!(read(""), None);
    }
}
