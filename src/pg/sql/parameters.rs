//! The parameters of users' SQL.

use super::statements::pieces;
use super::tokens::{Kind, tokens};

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
