//! What a server's error says, in one line.

use super::condition::condition;

/// The message, the SQLSTATE by its condition's name, detail and hint, which the driver's own text
/// leaves out: `relation "t" does not exist (undefined_table, 42P01); hint: ...`. Of an error of
/// the connection, its causes.
pub fn error_message(error: &tokio_postgres::Error) -> String {
    let Some(db) = error.as_db_error() else { return with_causes(error) };
    let code = db.code().code();
    let name = condition(code).map_or_else(|| code.to_owned(), |name| format!("{name}, {code}"));
    let mut text = format!("{} ({name})", db.message());
    for (label, extra) in [("detail", db.detail()), ("hint", db.hint())] {
        if let Some(extra) = extra {
            text.push_str(&format!("; {label}: {extra}"));
        }
    }
    text
}

/// An error with each of its causes that adds something.
fn with_causes(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(inner) = cause {
        let inner_text = inner.to_string();
        if !text.contains(&inner_text) {
            text = format!("{text}: {inner_text}");
        }
        cause = inner.source();
    }
    text
}
