//! The columns of a ledger, as SQL writes them.

use crate::pg::{TableName, quote_identifier};

/// A column's name as SQL reads it, quoted; an expression in parentheses.
pub(crate) fn column(text: &str) -> String {
    // A name without a schema follows the rules of every identifier.
    match text.parse::<TableName>() {
        Ok(TableName { schema: None, name }) => quote_identifier(&name),
        _ if is_expression(text) => format!("({text})"),
        _ => quote_identifier(text),
    }
}

/// Whether this is no column's name but something made of columns: `(data->>'seq')::int`.
pub(crate) fn is_expression(text: &str) -> bool {
    text.contains(['(', '>', ':', '|', '+', '\''])
}
