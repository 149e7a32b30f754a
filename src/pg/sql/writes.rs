//! Which rows the statements of a users' transaction write, as far as their text shows.

use super::lexemes::{Lexeme, after, comma, end_of_scope, lexemes, outside, parenthesised, split, until};
use crate::pg::TableName;

/// What a statement does to a table's rows.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verb {
    /// INSERT.
    Insert,
    /// UPDATE.
    Update,
    /// DELETE.
    Delete,
    /// MERGE.
    Merge,
}

/// `column = value` of a SET.
pub type Assignment = (String, Vec<Lexeme>);

/// What must hold for a row that is written.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conditions {
    /// All of these, which AND joins in WHERE; none if there is no WHERE.
    All(Vec<Vec<Lexeme>>),
    /// Something with OR in it.
    Other,
}

/// What an INSERT does with a row that is there already.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Conflict {
    /// An error, or nothing.
    Kept,
    /// ON CONFLICT (columns) DO UPDATE.
    Updated {
        /// The columns that the conflict is about.
        columns: Vec<String>,
    },
}

/// What an INSERT writes, as far as its text shows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Source {
    /// It is not known: a query over several parts, DEFAULT VALUES, no INSERT at all.
    Unknown,
    /// Rows of expressions.
    Rows {
        /// The columns, in their order; None for the table's own.
        columns: Option<Vec<String>>,
        /// The expressions of each row.
        rows: Vec<Vec<Vec<Lexeme>>>,
        /// Whether there are as many rows as that: a query FROM something may have any number.
        exact: bool,
    },
}

/// One statement that writes rows: a whole one, or one within WITH.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Write {
    /// What it does.
    pub verb: Verb,
    /// Where.
    pub table: TableName,
    /// Whether the rows that the server counts at the statement's end are those of this one.
    pub counted: bool,
    /// What UPDATE, or DO UPDATE, sets.
    pub sets: Vec<Assignment>,
    /// Which rows UPDATE and DELETE are about.
    pub conditions: Conditions,
    /// Of an INSERT.
    pub conflict: Conflict,
    /// What an INSERT writes.
    pub source: Source,
}

/// What one statement writes, outermost last.
pub fn writes(statement: &str) -> Vec<Write> {
    let lexemes = lexemes(statement);
    let mut depth = 0;
    let mut found = vec![];
    for (at, lexeme) in lexemes.iter().enumerate() {
        match lexeme {
            Lexeme::Symbol(b'(') => depth += 1,
            Lexeme::Symbol(b')') => depth -= 1,
            _ => {}
        }
        // A verb begins the statement, follows its WITH, or stands first in parentheses of it.
        let begins = match at.checked_sub(1).and_then(|before| lexemes.get(before)) {
            None => true,
            Some(before) => matches!(before, Lexeme::Symbol(b'(' | b')')),
        };
        if begins && let Some(mut write) = write(&lexemes[at..]) {
            write.counted = depth == 0;
            found.push(write);
        }
    }
    found
}

/// The writing statement at the front, up to its end or to the parenthesis that closes it.
fn write(lexemes: &[Lexeme]) -> Option<Write> {
    let scope = &lexemes[..end_of_scope(lexemes)];
    let (verb, rest) = match scope {
        [insert, into, rest @ ..] if insert.is("insert") && into.is("into") => (Verb::Insert, rest),
        [update, rest @ ..] if update.is("update") => (Verb::Update, rest),
        [delete, from, rest @ ..] if delete.is("delete") && from.is("from") => (Verb::Delete, rest),
        [merge, into, rest @ ..] if merge.is("merge") && into.is("into") => (Verb::Merge, rest),
        _ => return None,
    };
    let rest = match rest {
        [only, rest @ ..] if only.is("only") => rest,
        rest => rest,
    };
    let (table, rest) = table(rest)?;
    let mut write = Write {
        verb,
        table,
        counted: false,
        sets: vec![],
        conditions: Conditions::All(vec![]),
        conflict: Conflict::Kept,
        source: Source::Unknown,
    };
    match verb {
        Verb::Insert => {
            (write.conflict, write.sets) = conflict(rest);
            write.source = source(rest).unwrap_or(Source::Unknown);
        }
        Verb::Update => {
            write.sets = after(rest, &["set"]).map(|sets| assignments(until(sets, &["from", "where", "returning"])))?;
            write.conditions = conditions(rest);
        }
        Verb::Delete => write.conditions = conditions(rest),
        Verb::Merge => {}
    }
    Some(write)
}

/// A table's name at the front, and what follows it.
fn table(lexemes: &[Lexeme]) -> Option<(TableName, &[Lexeme])> {
    let name = |at: usize| lexemes.get(at)?.name().map(str::to_owned);
    let dot = |at: usize| lexemes.get(at) == Some(&Lexeme::Symbol(b'.'));
    match (name(0)?, dot(1).then(|| name(2)).flatten()) {
        (schema, Some(name)) => Some((TableName { schema: Some(schema), name }, &lexemes[3..])),
        (name, None) => Some((TableName { schema: None, name }, &lexemes[1..])),
    }
}

/// `a = 1, (b, c) = (2, 3)`.
fn assignments(lexemes: &[Lexeme]) -> Vec<Assignment> {
    let mut found = vec![];
    for one in split(lexemes, comma) {
        if let Some((columns, rest)) = parenthesised(one) {
            let values = rest.strip_prefix(&[Lexeme::Symbol(b'=')]).unwrap_or(rest);
            let values = if values.first().is_some_and(|lexeme| lexeme.is("row")) { &values[1..] } else { values };
            let values: Vec<_> = parenthesised(values).map(|(values, _)| split(values, comma)).unwrap_or_default();
            for (at, column) in split(columns, comma).into_iter().enumerate() {
                let value = values.get(at).map(|value| value.to_vec()).unwrap_or_default();
                found.extend(column.last().and_then(Lexeme::name).map(|name| (name.to_owned(), value)));
            }
        } else if let Some(equals) = one.iter().position(|lexeme| *lexeme == Lexeme::Symbol(b'=')) {
            let column = one[..equals].last().and_then(Lexeme::name);
            found.extend(column.map(|name| (name.to_owned(), one[equals + 1..].to_vec())));
        }
    }
    found
}

/// What follows an INSERT's table: its alias, its columns, and its rows. None for what is not read
/// here.
fn source(lexemes: &[Lexeme]) -> Option<Source> {
    let rest = match lexemes {
        [word, Lexeme::Word(_) | Lexeme::Name(_), rest @ ..] if word.is("as") => rest,
        rest => rest,
    };
    let begins_query = |lexemes: &[Lexeme]| {
        lexemes.first().is_some_and(|first| ["select", "with", "values", "table"].iter().any(|word| first.is(word)))
    };
    let (columns, rest) = match parenthesised(rest) {
        Some((inside, rest)) if !begins_query(inside) => {
            let names = split(inside, comma).into_iter().map(|column| column.first().and_then(Lexeme::name));
            (Some(names.map(|name| name.map(str::to_owned)).collect::<Option<Vec<_>>>()?), rest)
        }
        _ => (None, rest),
    };
    let rest = match rest {
        [overriding, _, value, rest @ ..] if overriding.is("overriding") && value.is("value") => rest,
        rest => rest,
    };
    let rest = match parenthesised(rest) {
        Some((inside, _)) if begins_query(inside) => inside,
        _ => rest,
    };
    let rest = until(rest, &["on", "returning"]);
    match rest.split_first()? {
        (first, rest) if first.is("values") => {
            let rows = split(rest, comma).into_iter().map(|row| {
                let (values, _) = parenthesised(row)?;
                Some(split(values, comma).into_iter().map(<[Lexeme]>::to_vec).collect())
            });
            Some(Source::Rows { columns, rows: rows.collect::<Option<Vec<_>>>()?, exact: true })
        }
        (first, rest) if first.is("select") && after(rest, &["union"]).is_none() => {
            let list = until(rest, &["from", "where", "group", "having", "order", "limit", "offset", "window"]);
            let list = match list {
                [distinct, list @ ..] if distinct.is("distinct") || distinct.is("all") => list,
                list => list,
            };
            let values = split(list, comma).into_iter().map(|value| until(value, &["as"]).to_vec()).collect();
            // WHERE alone may leave none, which the server counts.
            Some(Source::Rows { columns, rows: vec![values], exact: after(rest, &["from"]).is_none() })
        }
        _ => None,
    }
}

fn conflict(lexemes: &[Lexeme]) -> (Conflict, Vec<Assignment>) {
    let Some(rest) = after(lexemes, &["on", "conflict"]) else { return (Conflict::Kept, vec![]) };
    let Some(sets) = after(rest, &["do", "update", "set"]) else { return (Conflict::Kept, vec![]) };
    let columns = parenthesised(rest).map(|(columns, _)| split(columns, comma)).unwrap_or_default();
    let columns = columns.into_iter().filter_map(|column| match column {
        [column] => column.name().map(str::to_owned),
        _ => None,
    });
    (Conflict::Updated { columns: columns.collect() }, assignments(until(sets, &["where", "returning"])))
}

/// The conditions of the WHERE.
fn conditions(lexemes: &[Lexeme]) -> Conditions {
    let Some(all) = after(lexemes, &["where"]) else { return Conditions::All(vec![]) };
    let mut terms = vec![];
    match joined(until(all, &["returning"]), &mut terms) {
        true => Conditions::All(terms),
        false => Conditions::Other,
    }
}

/// Collects what AND joins; false if there is an OR.
fn joined(lexemes: &[Lexeme], terms: &mut Vec<Vec<Lexeme>>) -> bool {
    if !outside(lexemes, |lexeme| lexeme.is("or")).is_empty() {
        return false;
    }
    split(lexemes, |lexeme| lexeme.is("and")).into_iter().all(|term| match parenthesised(term) {
        Some((inside, [])) => joined(inside, terms),
        _ => {
            terms.push(term.to_vec());
            true
        }
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What is written, in few words: the verb, the table, what is set, and how many conditions
    /// there are.
    fn read(statement: &str) -> Vec<String> {
        let told = |write: Write| {
            let sets: Vec<&str> = write.sets.iter().map(|(column, _)| column.as_str()).collect();
            let terms = match &write.conditions {
                Conditions::All(terms) => terms.len().to_string(),
                Conditions::Other => "or".to_owned(),
            };
            let inner = if write.counted { "" } else { " inside" };
            let upsert = match &write.conflict {
                Conflict::Kept => String::new(),
                Conflict::Updated { columns } => format!(" over ({})", columns.join(",")),
            };
            format!("{:?} {} [{}] {terms}{upsert}{inner}", write.verb, write.table, sets.join(","))
        };
        writes(statement).into_iter().map(told).collect()
    }

    #[test]
    fn writes_are_read_with_what_they_set_and_where() {
        for (statement, expected) in [
            ("INSERT INTO Shop.Orders (a) VALUES ($client)", vec!["Insert shop.orders [] 0"]),
            ("insert into \"T\" values (1) on conflict do nothing", vec!["Insert \"T\" [] 0"]),
            (
                "INSERT INTO t VALUES (1) ON CONFLICT (client) DO UPDATE SET seq = excluded.seq, n = t.n + 1 WHERE t.seq < 3 RETURNING 1",
                vec!["Insert t [seq,n] 0 over (client)"],
            ),
            ("UPDATE t SET a = (SELECT 1 WHERE x = 2), b = 3 WHERE c = $client", vec!["Update t [a,b] 1"]),
            ("UPDATE ONLY s.t AS x SET (a, b) = ROW ($client, $seq), c = 1 FROM y", vec!["Update s.t [a,b,c] 0"]),
            ("UPDATE t SET a = 1 WHERE (b = 2 AND (c = 3)) AND d IS NULL RETURNING a", vec!["Update t [a] 3"]),
            ("UPDATE t SET a = 1 WHERE b = 2 OR c = 3", vec!["Update t [a] or"]),
            ("DELETE FROM t WHERE a = 1 AND (b = 2 OR c = 3)", vec!["Delete t [] or"]),
            ("DELETE FROM t", vec!["Delete t [] 0"]),
            (
                "WITH gone AS (DELETE FROM a WHERE x = 1 RETURNING *) INSERT INTO b SELECT * FROM gone",
                vec!["Delete a [] 1 inside", "Insert b [] 0"],
            ),
            ("MERGE INTO t USING s ON true WHEN MATCHED THEN UPDATE SET a = 1", vec!["Merge t [] 0"]),
            ("SELECT * FROM t FOR UPDATE", vec![]),
            ("SELECT 'INSERT INTO t', $$ DELETE FROM t $$ -- UPDATE t SET a = 1", vec![]),
            ("LOCK t", vec![]),
        ] {
            assert_eq!(read(statement), expected, "{statement}");
        }
    }

    #[test]
    fn names_and_values_are_read_as_sql_reads_them() {
        let found = writes("UPDATE t SET \"Seq\" = $seq::bigint, CLIENT = $client WHERE T.Owner = $client");
        let [write] = found.as_slice() else { panic!("{found:?}") };
        assert_eq!(write.sets[0].0, "Seq");
        assert_eq!(write.sets[1], ("client".to_owned(), vec![Lexeme::Parameter("$client".to_owned())]));
        let Conditions::All(terms) = &write.conditions else { panic!("{write:?}") };
        let word = |word: &str| Lexeme::Word(word.to_owned());
        let term = [word("t"), Lexeme::Symbol(b'.'), word("owner"), Lexeme::Symbol(b'=')];
        assert_eq!(terms[0][..4], term);
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_read_without_a_panic(text in "(insert|into|update|set|where|on|conflict|do|and|or|t|[ (),=.$'\"]|\\$seq){0,30}") {
            writes(&text);
        }
    }
}
