//! A row as PostgreSQL's `record_out` writes it.

/// Writes a value into a row's text; what could be mistaken for the row's own signs stands in
/// quotes.
pub(in crate::data) fn quote_into(value: &[u8], row: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | b'(' | b')' | b',' | b' ' | b'\t'..=b'\r');
    if !value.is_empty() && !value.iter().any(special) {
        return row.extend_from_slice(value);
    }
    row.push(b'"');
    for byte in value {
        if matches!(byte, b'"' | b'\\') {
            row.push(*byte);
        }
        row.push(*byte);
    }
    row.push(b'"');
}

/// The text of a row. Null is nothing, an empty text is `""`.
pub(in crate::data) fn record<'a>(values: impl Iterator<Item = Option<&'a str>>) -> String {
    let mut text = vec![b'('];
    for (at, value) in values.enumerate() {
        if at > 0 {
            text.push(b',');
        }
        if let Some(value) = value {
            quote_into(value.as_bytes(), &mut text);
        }
    }
    text.push(b')');
    // Quotes and backslashes alone were added, which break no character.
    String::from_utf8_lossy(&text).into_owned()
}
