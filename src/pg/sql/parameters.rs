//! What stands in SQL for values: parameters of the server's and of users' own, and what
//! `format()` would replace.

use super::statements::{first_words, pieces};
use super::tokens::{Kind, Token, tokens};

/// What stands in a text for a value, outside quotes and comments.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Placeholder<'t> {
    /// As it is written.
    pub text: &'t str,
    /// What it is.
    pub kind: PlaceholderKind,
}

/// What kind of placeholder it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PlaceholderKind {
    /// `$1`: the server's own.
    Numbered {
        /// Which one.
        number: usize,
        /// Whether the statement may itself say what it stands for: that of a function, of PREPARE.
        defined: bool,
    },
    /// `$name`, which the server does not know.
    Named,
    /// `%L` or `%I`, as `format()` has them.
    Format,
}

/// The statements that may have parameters of their own: CREATE FUNCTION ... RETURN $1, PREPARE,
/// EXPLAIN (GENERIC_PLAN).
const DEFINE: [&str; 3] = ["create", "prepare", "explain"];

fn is_number(text: &str) -> bool {
    !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit())
}

/// All that stands in a text for a value.
pub fn placeholders(text: &str) -> Vec<Placeholder<'_>> {
    let mut found = vec![];
    for (_, statement) in pieces(text) {
        let defined = first_words(statement, 1).first().is_some_and(|word| DEFINE.contains(&word.as_str()));
        let all: Vec<_> = tokens(statement).collect();
        let text = |at: usize| all.get(at).map_or("", |token: &Token| &statement[token.start..token.end]);
        for (at, token) in all.iter().enumerate() {
            // Of `%1$L`, in which `$L` is no parameter.
            let is_behind_number = at >= 2 && text(at - 2) == "%" && is_number(text(at - 1));
            let (start, kind) = match token.kind {
                Kind::Parameter if is_behind_number && ["$L", "$I"].contains(&text(at)) => {
                    (all[at - 2].start, PlaceholderKind::Format)
                }
                Kind::Parameter => match text(at)[1..].parse() {
                    Ok(number) => (token.start, PlaceholderKind::Numbered { number, defined }),
                    Err(_) => (token.start, PlaceholderKind::Named),
                },
                Kind::Other(b'%') if ["L", "I"].contains(&text(at + 1)) => (token.start, PlaceholderKind::Format),
                _ => continue,
            };
            let end = if token.kind == Kind::Parameter { token.end } else { token.end + 1 };
            found.push(Placeholder { text: &statement[start..end], kind });
        }
    }
    found
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
    /// What stands for `$1`, `$2` ...: one for each place, since a parameter has but one type and
    /// `$client` may stand where a number is wanted and where a text is.
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

/// Turns `$client` and `$seq`, where they are not part of quoted text or of comments, into
/// PostgreSQL's parameters.
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
    use super::*;

    #[test]
    fn placeholders_are_found_outside_quotes() {
        let found = |text| placeholders(text).iter().map(|one| (one.text.to_owned(), one.kind)).collect::<Vec<_>>();
        let numbered = |number, defined| PlaceholderKind::Numbered { number, defined };
        let sql = "SELECT $1, '$2', \"$3\", $$ $4 %L $$ -- $5\n, $clients, a % L, a %I, format('%L', $12), %Last";
        let expected = [
            ("$1", numbered(1, false)),
            ("$clients", PlaceholderKind::Named),
            ("%I", PlaceholderKind::Format),
            ("$12", numbered(12, false)),
        ];
        assert_eq!(found(sql), expected.map(|(text, kind)| (text.to_owned(), kind)));
        let format = |text: &str| (text.to_owned(), PlaceholderKind::Format);
        assert_eq!(
            found("SELECT %1$L, %12$I, 5 % $L"),
            [format("%1$L"), format("%12$I"), ("$L".to_owned(), PlaceholderKind::Named)]
        );
        let own = "create function f(int) returns int return $1; PREPARE p AS SELECT $1; EXECUTE p(1)";
        assert_eq!(found(own), [("$1".to_owned(), numbered(1, true)), ("$1".to_owned(), numbered(1, true))]);
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
}
