//! SQL with values in it where parameters cannot stand: the server's own `format()` makes it.

use tokio_postgres::Client;

use crate::harness::{Finding, Scope};
use crate::pg::error_message;
use crate::pg::sql::is_quoted;
use crate::source::{Scalar, Span, Spanned, Sql};

/// A placeholder of `format()`.
#[derive(Debug, PartialEq)]
struct Placeholder<'t> {
    /// As it is written.
    text: &'t str,
    /// Its first byte in the text.
    at: usize,
    /// The number of its value, if it says that.
    number: Option<usize>,
    /// Whether it is one of those that quote.
    quotes: bool,
}

/// The placeholders of a text. `%%` is none.
fn placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = vec![];
    let mut rest = text;
    while let Some(at) = rest.find('%') {
        let tail = &rest[at + 1..];
        if let Some(behind) = tail.strip_prefix('%') {
            rest = behind;
            continue;
        }
        let digits = tail.bytes().take_while(u8::is_ascii_digit).count();
        let number = tail[digits..].strip_prefix('$').and_then(|_| tail[..digits].parse().ok());
        let before = if number.is_some() { digits + 1 } else { 0 };
        let kind = tail[before..].chars().next();
        let length = 1 + before + kind.map_or(0, char::len_utf8);
        let quotes = matches!(kind, Some('L' | 'I'));
        let start = text.len() - rest.len() + at;
        found.push(Placeholder { text: &rest[at..at + length], at: start, number, quotes });
        rest = &rest[at + length..];
    }
    found
}

/// Checks that each of the values has its placeholders, and that all of them quote.
pub(crate) fn check(scope: &mut Scope<'_>, query: &Spanned<Sql>, values: usize, at: Span) {
    let found = placeholders(query.as_str());
    let mut sound = true;
    for one in found.iter().filter(|one| !one.quotes) {
        let span = scope.within(query.span, one.text);
        let (title, label) = match one.text {
            "%s" => ("`%s` puts a value into SQL as it is".to_owned(), "whatever the value is would be run"),
            other => (format!("`{other}` is no placeholder"), "a percent sign is written `%%` here"),
        };
        scope.error_help(
            span,
            title,
            label,
            "write `%L` for a literal, `%I` for a name, both with what quotes they need",
        );
        sound = false;
    }
    for one in found.iter().filter(|one| one.quotes && is_quoted(query.as_str(), one.at)) {
        let span = scope.within(query.span, one.text);
        let title = format!("`{}` stands within quotes or a comment", one.text);
        let help = "leave the quotes out: `%L` brings those of a literal, `%I` those of a name";
        scope.error_help(span, title, "a value could end them, and what follows would be run", help);
        sound = false;
    }
    if !sound {
        return;
    }
    let numbered = found.iter().filter(|one| one.number.is_some()).count();
    let label = match numbered {
        0 if found.len() == values => return,
        0 => format!("{} for {}", counted(values, "value"), counted(found.len(), "placeholder")),
        some if some < found.len() => "some placeholders have a number, and some have none".to_owned(),
        _ => {
            let used = |number: usize| found.iter().any(|one| one.number == Some(number));
            let wrong = found.iter().filter_map(|one| one.number).find(|number| *number == 0 || *number > values);
            match (wrong, (1..=values).find(|number| !used(*number))) {
                (Some(wrong), _) => format!("there is no value {wrong}"),
                (None, Some(unused)) => format!("value {unused} has no placeholder"),
                (None, None) => return,
            }
        }
    };
    scope.error_help(at, "`format` does not fit the query", label, "each value has a `%L` or an `%I` in the query");
}

fn counted(number: usize, what: &str) -> String {
    if number == 1 { format!("1 {what}") } else { format!("{number} {what}s") }
}

/// The text with these values in it, made by the server that will run it.
pub(crate) async fn formatted(
    client: &Client,
    query: &Spanned<Sql>,
    values: &[Scalar],
) -> Result<String, Box<Finding>> {
    let values: Vec<Option<String>> = values.iter().map(Scalar::nullable_text).collect();
    let made = client.query_one("SELECT format($1::text, VARIADIC $2::text[])", &[&query.as_str(), &values]).await;
    let row = made.map_err(|error| {
        Finding::failed("the values do not fit into the query").at(query.span).label(error_message(&error))
    })?;
    Ok(row.get(0))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_found() {
        let found = |text| {
            placeholders(text).iter().map(|one| (one.text.to_owned(), one.number, one.quotes)).collect::<Vec<_>>()
        };
        let one = |text: &str, number, quotes| (text.to_owned(), number, quotes);
        assert_eq!(found("a %L %% %2$I"), [one("%L", None, true), one("%2$I", Some(2), true)]);
        assert_eq!(found("%s %1$s"), [one("%s", None, false), one("%1$s", Some(1), false)]);
        assert_eq!(found("LIKE 'a%'"), [one("%'", None, false)]);
        assert_eq!(found("%-10L %"), [one("%-", None, false), one("%", None, false)]);
        assert_eq!(found("%10L"), [one("%1", None, false)]);
    }
}
