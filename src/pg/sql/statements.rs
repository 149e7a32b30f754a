//! The statements of a text, and what kind they are of.

use super::depth::Depth;
use super::tokens::{Kind, tokens};

/// The statements of a text, without their semicolons and the white space around them. What holds
/// nothing but comments is no statement.
pub fn split_statements(text: &str) -> Vec<&str> {
    pieces(text).into_iter().map(|(_, statement)| statement).collect()
}

/// The statements, each with its first byte in the text.
pub(super) fn pieces(text: &str) -> Vec<(usize, &str)> {
    let mut statements = Vec::new();
    let mut add = |start: usize, end: usize| {
        let piece = &text[start..end];
        statements.push((start + piece.len() - piece.trim_start().len(), piece.trim()));
    };
    let mut depth = Depth::default();
    let (mut start, mut empty) = (0, true);
    for token in tokens(text) {
        if depth.ends(token) {
            if !empty {
                add(start, token.start);
            }
            (start, empty, depth) = (token.end, true, Depth::default());
            continue;
        }
        depth.see(token, text);
        empty &= matches!(token.kind, Kind::Blank | Kind::Comment);
    }
    if !empty {
        add(start, text.len());
    }
    statements
}

/// The first words of a statement in lower case, at most `count`, up to anything that is not a
/// word.
pub fn first_words(statement: &str, count: usize) -> Vec<String> {
    tokens(statement)
        .filter(|token| !matches!(token.kind, Kind::Blank | Kind::Comment))
        .take_while(|token| token.kind == Kind::Word)
        .take(count)
        .map(|token| statement[token.start..token.end].to_ascii_lowercase())
        .collect()
}

/// Whether a text can be run by psql alone: it has backslash commands, or `COPY ... FROM stdin`
/// with the rows after it.
pub fn has_client_commands(text: &str) -> bool {
    let mut copies = false;
    let mut last = String::new();
    let mut first = true;
    for token in tokens(text) {
        match token.kind {
            Kind::Blank | Kind::Comment => continue,
            Kind::Other(b'\\') => return true,
            Kind::Other(b';') => {
                (copies, first) = (false, true);
                last.clear();
                continue;
            }
            Kind::Word => {
                let word = text[token.start..token.end].to_ascii_lowercase();
                if copies && last == "from" && word == "stdin" {
                    return true;
                }
                copies |= first && word == "copy";
                last = word;
            }
            _ => last.clear(),
        }
        first = false;
    }
    false
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn statements_end_at_semicolons_that_are_not_text() {
        assert_eq!(split_statements("a; b ;\n c"), ["a", "b", "c"]);
        assert_eq!(split_statements(";; -- nothing;\n /* ; /* ; */ ; */ ;"), Vec::<&str>::new());
        let whole = [
            "SELECT ';', 'it''s;', '\\'",
            r"SELECT E'\';', U&'\0041;', U&'a'';'",
            "SELECT \"a;\"\"b;\"",
            "SELECT $$;$$, $a$ $$ ; $b$ ; $a$",
            "SELECT 1 -- ;\n + 1",
            "SELECT /* ; /* ; */ ; */ 1",
            "CREATE RULE r AS ON INSERT TO t DO (SELECT 1; SELECT 2)",
            "create or replace function f() returns int begin atomic select case when true then 1 end; select 2; end",
            "CREATE PROCEDURE p(a int) BEGIN ATOMIC INSERT INTO t VALUES (a); END",
            "SELECT a$b$c",
        ];
        for statement in whole {
            let text = format!("BEGIN; {statement} ; COMMIT");
            let split = split_statements(&text);
            assert_eq!(split, ["BEGIN", statement, "COMMIT"]);
        }
    }

    #[test]
    fn an_open_quote_goes_on_to_the_end() {
        for open in ["'a;b", "\"a;b", "$x$a;b", "/* a;b", "E'a\\';b", "E'\\"] {
            assert!(split_statements(open).len() <= 1, "{open}");
        }
    }

    #[test]
    fn client_commands_are_what_psql_alone_can_do() {
        for yes in
            ["\\set x 1", "SELECT 1 \\gset", "COPY t FROM stdin;\n1\n\\.", "copy t (a, b) from STDIN with (format csv)"]
        {
            assert!(has_client_commands(yes), "{yes}");
        }
        for no in
            ["SELECT '\\d'", "COPY t FROM '/f'", "COPY t TO stdout", "SELECT a FROM stdin", "-- \\d\nSELECT $$\\d$$"]
        {
            assert!(!has_client_commands(no), "{no}");
        }
    }

    #[test]
    fn first_words_skip_comments() {
        assert_eq!(first_words("/* x */ Rollback to -- y\n savepoint s", 2), ["rollback", "to"]);
        assert_eq!(first_words("(select)", 2), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn statements_that_are_put_together_come_apart_again(
            pieces in proptest::collection::vec(
                prop_oneof![
                    "[a-d]{1,4}", "'[a;$\"-]{0,5}'", "\"[a;$'-]{1,5}\"", "\\$q\\$[a;'\"-]{0,5}\\$q\\$", "E'(\\\\'|;|a){0,4}'",
                    "/\\*[a;'\" ]{0,5}\\*/ z", "\\([a;]{0,3}\\)",
                ],
                1..8,
            )
        ) {
            let text = pieces.join(" ; ");
            prop_assert_eq!(split_statements(&text), pieces);
        }
    }
}
