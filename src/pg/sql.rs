//! As much of SQL's lexical structure as is needed to tell statements and users' parameters from text (manual, 4.1).
//!
//! `standard_conforming_strings` is taken to be on, as it has been by default since 9.1.

mod reads;
mod writes;

pub use reads::only_reads;
pub use writes::{Conditions, Conflict, Lexeme, Source, Verb, Write, writes};

/// What a piece of SQL text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Kind {
    /// White space.
    Blank,
    /// A comment.
    Comment,
    /// A string constant or a quoted identifier.
    Quoted,
    /// A keyword, an identifier, or a number with what clings to it.
    Word,
    /// `$1` or `$name`.
    Parameter,
    /// Any other character.
    Other(u8),
}

/// A piece of SQL text: `start..end`, in bytes.
#[derive(Debug, Clone, Copy)]
struct Token {
    kind: Kind,
    start: usize,
    end: usize,
}

/// Splits a text into tokens that, put together again, are the text.
struct Tokens<'a> {
    text: &'a str,
    at: usize,
}

fn begins_word(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || byte == b'_' || !byte.is_ascii()
}

fn in_word(byte: u8) -> bool {
    begins_word(byte) || byte.is_ascii_digit() || byte == b'$'
}

/// The length of the run at the front of `bytes` that fits.
fn run(bytes: &[u8], fits: impl Fn(u8) -> bool) -> usize {
    bytes.iter().position(|b| !fits(*b)).unwrap_or(bytes.len())
}

/// The length of a quoted piece, its quotes included. One that is not closed goes on to the end.
fn quoted(bytes: &[u8], quote: u8, backslashes: bool) -> usize {
    let mut at = 1;
    while at < bytes.len() {
        match bytes[at] {
            b'\\' if backslashes => at += 2,
            b if b == quote && bytes.get(at + 1) == Some(&quote) => at += 2,
            b if b == quote => return at + 1,
            _ => at += 1,
        }
    }
    bytes.len()
}

/// The length of a comment `/* ... */`; they nest.
fn block_comment(bytes: &[u8]) -> usize {
    let (mut at, mut depth) = (0, 0);
    while at + 1 < bytes.len() {
        match &bytes[at..at + 2] {
            b"/*" => (at, depth) = (at + 2, depth + 1),
            b"*/" if depth == 1 => return at + 2,
            b"*/" => (at, depth) = (at + 2, depth - 1),
            _ => at += 1,
        }
    }
    bytes.len()
}

/// What begins with `$`: a parameter, a dollar-quoted string, or the character alone.
fn dollar(text: &str) -> (Kind, usize) {
    let bytes = text.as_bytes();
    let digits = run(&bytes[1..], |b| b.is_ascii_digit());
    if digits > 0 {
        return (Kind::Parameter, 1 + digits);
    }
    // A tag follows the rules of identifiers, but has no dollar sign in it.
    let name = run(&bytes[1..], |b| in_word(b) && b != b'$');
    if bytes.get(1 + name) == Some(&b'$') {
        let tag = &text[..name + 2];
        let body = &text[tag.len()..];
        return (Kind::Quoted, body.find(tag).map_or(text.len(), |at| at + 2 * tag.len()));
    }
    match name {
        0 => (Kind::Other(b'$'), 1),
        _ => (Kind::Parameter, 1 + name),
    }
}

impl Iterator for Tokens<'_> {
    type Item = Token;

    fn next(&mut self) -> Option<Token> {
        let text = self.text.get(self.at..)?;
        let bytes = text.as_bytes();
        let second = bytes.get(1).copied();
        let (kind, len) = match *bytes.first()? {
            b if b.is_ascii_whitespace() => (Kind::Blank, run(bytes, |b| b.is_ascii_whitespace())),
            b'-' if second == Some(b'-') => (Kind::Comment, run(bytes, |b| b != b'\n' && b != b'\r')),
            b'/' if second == Some(b'*') => (Kind::Comment, block_comment(bytes)),
            b'\'' => (Kind::Quoted, quoted(bytes, b'\'', false)),
            b'"' => (Kind::Quoted, quoted(bytes, b'"', false)),
            b'e' | b'E' if second == Some(b'\'') => (Kind::Quoted, 1 + quoted(&bytes[1..], b'\'', true)),
            b'$' => dollar(text),
            b if begins_word(b) => (Kind::Word, run(bytes, in_word)),
            b if b.is_ascii_digit() => (Kind::Word, run(bytes, |b| in_word(b) && b != b'$')),
            b => (Kind::Other(b), 1),
        };
        let start = self.at;
        self.at = start + len.min(bytes.len());
        Some(Token { kind, start, end: self.at })
    }
}

fn tokens(text: &str) -> Tokens<'_> {
    Tokens { text, at: 0 }
}

/// Tells whether a `;` ends the statement, which it does not within parentheses and `BEGIN ATOMIC ... END`, as in psql.
#[derive(Debug, Default)]
pub(super) struct Depth {
    parentheses: u32,
    blocks: u32,
    /// The words at the front of the statement that decide whether it makes a function.
    words: Vec<String>,
}

impl Depth {
    fn makes_routine(&self) -> bool {
        let words: Vec<&str> = self.words.iter().map(String::as_str).collect();
        matches!(words[..], ["create", "function" | "procedure", ..])
            || matches!(words[..], ["create", "or", "replace", "function" | "procedure", ..])
    }

    /// How many parentheses are open.
    pub(super) fn parentheses(&self) -> u32 {
        self.parentheses
    }

    /// How many blocks of a function's body are open.
    pub(super) fn blocks(&self) -> u32 {
        self.blocks
    }

    /// A character that is neither of a word nor quoted.
    pub(super) fn see_symbol(&mut self, symbol: u8) {
        match symbol {
            b'(' => self.parentheses += 1,
            b')' => self.parentheses = self.parentheses.saturating_sub(1),
            _ => {}
        }
    }

    /// A word in lower case.
    pub(super) fn see_word(&mut self, word: &str) {
        if self.words.len() < 4 {
            self.words.push(word.to_owned());
        } else if self.parentheses == 0 && self.makes_routine() {
            match word {
                "begin" => self.blocks += 1,
                "case" if self.blocks > 0 => self.blocks += 1,
                "end" => self.blocks = self.blocks.saturating_sub(1),
                _ => {}
            }
        }
    }

    fn see(&mut self, token: Token, text: &str) {
        match token.kind {
            Kind::Other(symbol) => self.see_symbol(symbol),
            Kind::Word => self.see_word(&text[token.start..token.end].to_ascii_lowercase()),
            _ => {}
        }
    }

    fn ends(&self, token: Token) -> bool {
        token.kind == Kind::Other(b';') && self.parentheses == 0 && self.blocks == 0
    }
}

/// The statements of a text, without their semicolons and the white space around them. What holds nothing but comments
/// is no statement.
pub fn split_statements(text: &str) -> Vec<&str> {
    pieces(text).into_iter().map(|(_, statement)| statement).collect()
}

/// The statements, each with its first byte in the text.
fn pieces(text: &str) -> Vec<(usize, &str)> {
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

/// The first words of a statement in lower case, at most `count`, up to anything that is not a word.
pub fn first_words(statement: &str, count: usize) -> Vec<String> {
    tokens(statement)
        .filter(|token| !matches!(token.kind, Kind::Blank | Kind::Comment))
        .take_while(|token| token.kind == Kind::Word)
        .take(count)
        .map(|token| statement[token.start..token.end].to_ascii_lowercase())
        .collect()
}

/// Whether a text can be run by psql alone: it has backslash commands, or `COPY ... FROM stdin` with the rows after it.
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

/// What a user's SQL may refer to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum UserParameter {
    /// `$client`: the number of the user, from 1.
    Client,
    /// `$seq`: the number of this user's transaction, from 1.
    Seq,
}

/// One statement with PostgreSQL's own parameters.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserStatement {
    /// Its text with `$1`, `$2` ... in it.
    pub sql: String,
    /// What stands for `$1`, `$2` ...: one for each place, since a parameter has but one type and `$client` may stand
    /// where a number is wanted and where a text is.
    pub parameters: Vec<UserParameter>,
}

/// The statements of a users' transaction.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct UserSql {
    /// In order.
    pub statements: Vec<UserStatement>,
}

impl UserSql {
    /// Whether any statement refers to it.
    pub fn uses(&self, parameter: UserParameter) -> bool {
        self.statements.iter().any(|statement| statement.parameters.contains(&parameter))
    }
}

/// A parameter that users do not have.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("`{text}` is no parameter of users' SQL, which has `$client` and `$seq`")]
pub struct UserSqlError {
    /// The parameter, as written.
    pub text: String,
    /// Its first byte in the text.
    pub at: usize,
}

/// Turns `$client` and `$seq`, where they are not part of quoted text or of comments, into PostgreSQL's parameters.
pub fn user_sql(text: &str) -> Result<UserSql, UserSqlError> {
    let statements = pieces(text).into_iter().map(|(start, statement)| {
        let mut sql = String::with_capacity(statement.len());
        let mut parameters = Vec::new();
        for token in tokens(statement) {
            let piece = &statement[token.start..token.end];
            if token.kind != Kind::Parameter {
                sql.push_str(piece);
                continue;
            }
            parameters.push(match piece {
                "$client" => UserParameter::Client,
                "$seq" => UserParameter::Seq,
                _ => return Err(UserSqlError { text: piece.to_owned(), at: start + token.start }),
            });
            sql.push_str(&format!("${}", parameters.len()));
        }
        Ok(UserStatement { sql, parameters })
    });
    Ok(UserSql { statements: statements.collect::<Result<_, _>>()? })
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
    fn users_parameters_are_numbered_by_place() {
        use UserParameter::{Client, Seq};
        let sql = "BEGIN; INSERT INTO t VALUES ($client, $seq, '$seq', 'c' || $client, $$ $seq $$, \"$seq\") -- $seq";
        let Ok(read) = user_sql(sql) else { panic!("not read") };
        assert_eq!(read.statements[0], UserStatement { sql: "BEGIN".into(), parameters: vec![] });
        let expected = "INSERT INTO t VALUES ($1, $2, '$seq', 'c' || $3, $$ $seq $$, \"$seq\") -- $seq";
        assert_eq!(read.statements[1], UserStatement { sql: expected.into(), parameters: vec![Client, Seq, Client] });
        assert!(read.uses(Seq));
    }

    #[test]
    fn other_parameters_are_told_with_their_place() {
        let wrong = |text| user_sql(text).map_err(|e| (e.text, e.at));
        assert_eq!(wrong("SELECT 1; SELECT $1"), Err(("$1".into(), 17)));
        assert_eq!(wrong("SELECT $clients"), Err(("$clients".into(), 7)));
    }

    #[test]
    fn first_words_skip_comments() {
        assert_eq!(first_words("/* x */ Rollback to -- y\n savepoint s", 2), ["rollback", "to"]);
        assert_eq!(first_words("(select)", 2), Vec::<String>::new());
    }

    proptest! {
        #[test]
        fn tokens_put_together_are_the_text(text in "[a-eE$ ;'\"/*\\-\\\\\n_1é&()]{0,60}") {
            let mut at = 0;
            for token in tokens(&text) {
                prop_assert_eq!(token.start, at);
                prop_assert!(token.end > at && text.is_char_boundary(token.end));
                at = token.end;
            }
            prop_assert_eq!(at, text.len());
        }

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
