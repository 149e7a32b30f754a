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

/// A column's name without quotes; None for an expression.
pub(super) fn plain_column(column: &str) -> Option<String> {
    let name = column.parse::<TableName>().ok().filter(|name| name.schema.is_none()).map(|name| name.name);
    name.or_else(|| (!is_expression(column)).then(|| column.to_owned()))
}

/// A column's name without quotes; an expression as it is.
pub(super) fn folded(column: &str) -> String {
    plain_column(column).unwrap_or_else(|| column.to_owned())
}

/// Whether this is no column's name but something made of columns: `(data->>'seq')::int`.
fn is_expression(text: &str) -> bool {
    text.contains(['(', '>', ':', '|', '+', '\''])
}
