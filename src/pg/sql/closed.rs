//! Whether a text of SQL can be put between parentheses, and stays what it is.

use super::tokens::{Kind, tokens};

/// What keeps an expression from standing between parentheses as the one that it is: it closes more
/// than it opens, or leaves something open. None if nothing does.
pub fn not_closed(expression: &str) -> Option<&'static str> {
    let mut depth = 0_usize;
    for token in tokens(expression) {
        let text = &expression[token.start..token.end];
        match token.kind {
            Kind::Other(b'(') => depth += 1,
            Kind::Other(b')') if depth == 0 => return Some("a `)` in it closes what it has not opened"),
            Kind::Other(b')') => depth -= 1,
            Kind::Other(b';') => return Some("a `;` in it ends it"),
            Kind::Quoted if !is_quoted_to_its_end(text) => return Some("a quote in it is not closed"),
            Kind::Comment if text.starts_with("/*") && !text.ends_with("*/") => {
                return Some("a comment in it is not closed");
            }
            _ => {}
        }
    }
    (depth > 0).then_some("a `(` in it is not closed")
}

fn is_quoted_to_its_end(text: &str) -> bool {
    let text = text.strip_prefix(['e', 'E']).unwrap_or(text);
    match text.as_bytes().first() {
        Some(quote @ (b'\'' | b'"')) => text.len() > 1 && text.as_bytes().last() == Some(quote),
        _ => {
            let tag = text[1..].find('$').map_or(text, |end| &text[..end + 2]);
            text.len() >= 2 * tag.len() && text.ends_with(tag)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_closes_more_than_it_opens_is_no_expression() {
        for whole in [
            "id < 10",
            "(id < 10) OR (id > 20) -- of them )",
            "note <> ')' AND \"odd )\" = $x$ ( $x$ AND e = E'\\')'",
            "made.id IN (SELECT id FROM (VALUES (1), (2)) v (id)) /* ) */",
            "a = '' AND b = '''' AND c = $$$$",
        ] {
            assert_eq!(not_closed(whole), None, "{whole}");
        }
        for (open, why) in [
            ("id < 10) OR (id > 20", "closes what it has not opened"),
            ("(id < 10", "`(` in it is not closed"),
            ("id < 10; DROP TABLE t", "`;` in it"),
            ("note = 'x", "quote"),
            ("\"", "quote"),
            ("a = $x$ ...", "quote"),
            ("id < 10 /* of them", "comment"),
        ] {
            assert!(not_closed(open).is_some_and(|said| said.contains(why)), "{open}");
        }
    }
}
