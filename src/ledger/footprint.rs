//! What a transaction leaves behind, by which it can be told from one that did not happen: read from its SQL. Pure.
//!
//! What could not be told is refused before anybody starts: a judge that cannot see a loss would call it none.

use super::columns::is_expression;
use super::{Kind, LedgerColumns, MOST_ROWS};
use crate::pg::TableName;
use crate::pg::sql::{Conditions, Conflict, Lexeme, Source, Verb, Write, only_reads, split_statements, writes};

/// What is left in one table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Footprint {
    /// A row with its own `$client` and `$seq`, once: an INSERT, or an UPDATE of a row that nobody has marked before.
    Row,
    /// The user's one row, which shows the `$seq` of the last transaction that wrote it: an UPDATE of the user's own row, an upsert.
    Last,
    /// Rows of the user's earlier transactions are gone: a DELETE.
    Deletes(Deletes),
}

impl Footprint {
    /// Whether it covers what earlier transactions have left, so that a loss of theirs could not be told any more.
    pub(crate) fn hides(self) -> bool {
        matches!(self, Footprint::Last | Footprint::Deletes(_))
    }
}

/// Which earlier rows are gone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Deletes {
    /// All with a `$seq` that lies so far back, or farther.
    UpTo(u64),
    /// Just that one.
    Just(u64),
}

/// One footprint of a kind.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WriteSite {
    /// Where.
    pub columns: LedgerColumns,
    /// What.
    pub footprint: Footprint,
    /// How many rows.
    pub rows: u8,
    /// The statements, by their numbers, whose counts of rows tell whether anything was written.
    pub statements: Vec<usize>,
}

/// Why a kind's ledger could not tell a loss.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Refusal {
    /// The kind, by its number.
    pub kind: usize,
    /// Which of its ledgers.
    pub ledger: usize,
    /// What is wrong.
    pub title: String,
    /// What to do.
    pub help: String,
}

/// The footprints of all kinds, and what is to be known of what they do beside.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Footprints {
    /// For each kind.
    pub parts: Vec<Vec<WriteSite>>,
    /// What the ledger will not see, and what will look like a loss.
    pub remarks: Vec<String>,
}

/// More footprints than this in a transaction are not told apart.
pub(crate) const MOST_PARTS: usize = 8;

/// What a kind writes: each write with the number of its statement.
type Written = Vec<(usize, Write)>;

/// Reads the footprints of every kind from its SQL. All that is refused is told in one go.
pub fn footprints(kinds: &[Kind]) -> Result<Footprints, Vec<Refusal>> {
    let written: Vec<Written> = kinds.iter().map(|kind| written(&kind.sql)).collect();
    let mut refused = vec![];
    let mut all = Footprints::default();
    for (number, kind) in kinds.iter().enumerate() {
        let mut parts: Vec<WriteSite> = vec![];
        for (ledger, columns) in kind.ledger.iter().enumerate() {
            match parts_of(columns, &written[number]) {
                _ if kind.ledger[..ledger].iter().any(|other| other.is_at(columns)) => {
                    let title = "this ledger is named twice".to_owned();
                    let help = "one for each table that the transaction writes to".to_owned();
                    refused.push(Refusal { kind: number, ledger, title, help });
                }
                Ok(found) => parts.extend(found),
                Err((title, help)) => refused.push(Refusal { kind: number, ledger, title, help }),
            }
        }
        if parts.len() > MOST_PARTS {
            let title = format!("at most {MOST_PARTS} writes of a transaction can be looked for");
            let help = "leave some tables out of its ledger".to_owned();
            refused.push(Refusal { kind: number, ledger: MOST_PARTS - 1, title, help });
        }
        all.parts.push(parts);
    }
    // What is wrong in itself is not held against the others.
    if refused.is_empty() {
        refused = contradictions(kinds, &all.parts);
    }
    if !refused.is_empty() {
        return Err(refused);
    }
    all.remarks = remarks(kinds, &written);
    Ok(all)
}

fn written(sql: &str) -> Written {
    let statements = split_statements(sql).into_iter().enumerate();
    statements.flat_map(|(number, text)| writes(text).into_iter().map(move |write| (number, write))).collect()
}

/// Whether both may be the same table; without a schema nobody knows.
fn may_be(one: &TableName, other: &TableName) -> bool {
    one.name == other.name && (one.schema == other.schema || one.schema.is_none() || other.schema.is_none())
}

/// A column's name without quotes.
fn folded(column: &str) -> String {
    plain_column(column).unwrap_or_else(|| column.to_owned())
}

/// A column's name without quotes; None for an expression.
fn plain_column(column: &str) -> Option<String> {
    let name = column.parse::<TableName>().ok().filter(|name| name.schema.is_none()).map(|name| name.name);
    name.or_else(|| (!is_expression(column)).then(|| column.to_owned()))
}

/// What and why not, and what to do.
type Why = (String, String);

/// The footprints that a kind with these writes leaves in one table.
fn parts_of(columns: &LedgerColumns, written: &Written) -> Result<Vec<WriteSite>, Why> {
    let (client, seq) = (folded(&columns.client), folded(&columns.seq));
    let mut parts: Vec<WriteSite> = vec![];
    let mut add = |footprint: Footprint, statement: Option<usize>| {
        // A statement whose rows nobody counts leaves it open for the whole footprint.
        match parts.iter_mut().find(|part| part.footprint == footprint) {
            Some(part) => match statement {
                Some(number) if !part.statements.is_empty() => part.statements.push(number),
                _ => part.statements.clear(),
            },
            None => {
                let statements = statement.into_iter().collect();
                parts.push(WriteSite {
                    columns: columns.clone(),
                    footprint,
                    rows: columns.rows.unwrap_or(1),
                    statements,
                });
            }
        }
    };
    let mut touched = false;
    // How many rows its INSERTs leave, where their text says so.
    let mut inserted = Some(0_usize);
    let here = written.iter().filter(|(_, write)| may_be(&write.table, &columns.table));
    for (number, write) in here {
        let counted = write.counted.then_some(*number);
        match write.verb {
            Verb::Insert => {
                let rows = marked_rows(columns, write)?;
                inserted = inserted.zip(rows).map(|(sum, rows)| sum + rows);
                add(insert(write, &client, &seq)?, counted);
            }
            Verb::Update => match update(write, &client, &seq)? {
                Some(footprint) => add(footprint, counted),
                None => touched = true,
            },
            // A DELETE of no row is as good as any.
            Verb::Delete => add(Footprint::Deletes(delete(write, &client, &seq)?), None),
            Verb::Merge => {
                return Err((
                    "what a MERGE leaves behind cannot be told from its text".to_owned(),
                    "write INSERT ... ON CONFLICT, or leave the ledger out".to_owned(),
                ));
            }
        }
    }
    let inserted = inserted.filter(|rows| *rows > 0);
    if let Some((row, inserted)) = parts.iter_mut().find(|part| part.footprint == Footprint::Row).zip(inserted) {
        row.rows = rows_left(columns, inserted)?;
    }
    let has = |footprint: Footprint| parts.iter().any(|part| part.footprint == footprint);
    match parts.is_empty() {
        true if touched => Err((
            format!("this UPDATE leaves nothing in {} by which it could be found", columns.table),
            format!("let it set {seq} = $seq, or leave the ledger out"),
        )),
        // A function, a view, a trigger: the judge looks for a row.
        true => {
            let rows = columns.rows.unwrap_or(1);
            Ok(vec![WriteSite { columns: columns.clone(), footprint: Footprint::Row, rows, statements: vec![] }])
        }
        false if has(Footprint::Last) && parts.len() > 1 => Err(mixed(columns)),
        false => Ok(parts),
    }
}

/// How many rows INSERTs of so many leave, by their own text and by what the ledger says.
fn rows_left(columns: &LedgerColumns, inserted: usize) -> Result<u8, Why> {
    let written = u8::try_from(inserted).ok().filter(|rows| *rows <= MOST_ROWS);
    match (written, columns.rows) {
        (Some(written), None) => Ok(written),
        (Some(written), Some(said)) if written == said => Ok(said),
        (_, Some(said)) => Err((
            format!("the ledger says `rows: {said}`, and the transaction writes {inserted} to {}", columns.table),
            "leave `rows` out, or make both the same".to_owned(),
        )),
        (None, None) => Err((
            format!("{inserted} rows of one transaction in {} are too many to be counted", columns.table),
            format!("at most {MOST_ROWS} can be: put the mark on fewer rows"),
        )),
    }
}

/// How many rows with the transaction's mark an INSERT writes; None where its text does not tell. What it writes in place of the mark
/// is refused: nobody would find it again.
fn marked_rows(columns: &LedgerColumns, write: &Write) -> Result<Option<usize>, Why> {
    let Source::Rows { columns: listed, rows, exact } = &write.source else { return Ok(None) };
    let mut known = *exact;
    let mut marked = vec![true; rows.len()];
    for (column, parameter) in [(&columns.client, "$client"), (&columns.seq, "$seq")] {
        // Whether an expression comes to the mark is seen when the first row is there.
        let Some(name) = plain_column(column) else {
            known = false;
            continue;
        };
        let at = match listed.as_ref().map(|listed| listed.iter().position(|one| *one == name)) {
            Some(None) => return Err(unlisted(columns, column, parameter)),
            at => at.flatten(),
        };
        let found: Vec<Mark> = rows.iter().map(|row| mark_in(row, at, parameter)).collect();
        known &= !found.contains(&Mark::Unknown);
        for (marked, found) in marked.iter_mut().zip(&found) {
            *marked &= *found == Mark::Plain;
        }
        if found.iter().all(|found| *found == Mark::Other) {
            let value = rows.first().and_then(|row| row.get(at?)).map(|value| told(value));
            let table = &columns.table;
            return Err((
                match value {
                    Some(value) => {
                        format!(
                            "this INSERT writes `{value}` to `{column}` of {table}, where the ledger looks for {parameter}"
                        )
                    }
                    None => format!(
                        "this INSERT writes {parameter} to no column of {table}: it could not be found again in `{column}`"
                    ),
                },
                format!(
                    "write {parameter} itself there, with a cast at most; what is made of it can stand in another column"
                ),
            ));
        }
    }
    Ok(Some(marked.into_iter().filter(|marked| *marked).count()).filter(|_| known))
}

fn unlisted(columns: &LedgerColumns, column: &str, parameter: &str) -> Why {
    (
        format!("this INSERT does not write the ledger's column `{column}` of {}", columns.table),
        format!("add it to the INSERT's columns, with the value {parameter}, or name another column in the ledger"),
    )
}

/// What a row has in a column; where its place is not known, in any.
fn mark_in(row: &[Vec<Lexeme>], at: Option<usize>, parameter: &str) -> Mark {
    match at {
        Some(at) => row.get(at).map_or(Mark::Unknown, |value| mark(value, parameter)),
        None => row.iter().map(|value| mark(value, parameter)).min().unwrap_or(Mark::Unknown),
    }
}

/// What an INSERT writes to a ledger's column, the best first.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Mark {
    /// The parameter itself.
    Plain,
    /// What a query finds, or a function returns.
    Unknown,
    /// Something else for certain, or made of a parameter.
    Other,
}

fn mark(value: &[Lexeme], parameter: &str) -> Mark {
    if is_parameter(unwrapped(value), parameter) {
        return Mark::Plain;
    }
    let constant = match bare(value)[..] {
        [Lexeme::Text] => true,
        [Lexeme::Word(word)] => {
            word == "default" || word == "null" || word.starts_with(|first: char| first.is_ascii_digit())
        }
        _ => false,
    };
    match constant || value.iter().any(|lexeme| matches!(lexeme, Lexeme::Parameter(_))) {
        true => Mark::Other,
        false => Mark::Unknown,
    }
}

/// Without parentheses around all of it, and without CAST(... AS type).
fn unwrapped(value: &[Lexeme]) -> &[Lexeme] {
    match value {
        [Lexeme::Symbol(b'('), inside @ .., Lexeme::Symbol(b')')] if !inside.contains(&Lexeme::Symbol(b'(')) => {
            unwrapped(inside)
        }
        [cast, Lexeme::Symbol(b'('), value, as_, Lexeme::Word(_), Lexeme::Symbol(b')')]
            if cast.name() == Some("cast") && as_.name() == Some("as") =>
        {
            std::slice::from_ref(value)
        }
        value => value,
    }
}

/// An expression as people read it.
fn told(value: &[Lexeme]) -> String {
    let mut text = String::new();
    for lexeme in value {
        let piece = match lexeme {
            Lexeme::Word(word) | Lexeme::Parameter(word) => word.clone(),
            Lexeme::Name(name) => crate::pg::quote_identifier(name),
            Lexeme::Text => "'...'".to_owned(),
            Lexeme::Symbol(byte) => char::from(*byte).to_string(),
        };
        let symbol = matches!(lexeme, Lexeme::Symbol(b'(' | b')' | b'.' | b':' | b','));
        let one_operator = matches!(lexeme, Lexeme::Symbol(_)) && text.ends_with(['|', '<', '>', '-', '=', '!', '~']);
        if !text.is_empty() && !symbol && !one_operator && !text.ends_with(['(', '.', ':']) {
            text.push(' ');
        }
        text.push_str(&piece);
    }
    text
}

fn mixed(columns: &LedgerColumns) -> Why {
    (
        format!("rows of {} are looked for one by one, and an UPDATE or upsert writes over them", columns.table),
        "use other columns, or another table, for what is written again and again".to_owned(),
    )
}

fn insert(write: &Write, client: &str, seq: &str) -> Result<Footprint, Why> {
    match &write.conflict {
        Conflict::Kept => Ok(Footprint::Row),
        // Such a row is met only by the transaction that made it.
        Conflict::Updated { columns } if columns.iter().any(|column| column == seq) => Ok(Footprint::Row),
        Conflict::Updated { columns }
            if columns.as_slice() == [client] && value(write, seq).is_some_and(|value| is_new(value, seq)) =>
        {
            Ok(Footprint::Last)
        }
        Conflict::Updated { .. } => Err((
            format!("this upsert writes over rows of {} in a way that hides a loss", write.table),
            format!(
                "each user can have one row that shows its last transaction: ON CONFLICT ({client}) DO UPDATE SET {seq} = excluded.{seq}"
            ),
        )),
    }
}

/// None for one that touches neither column.
fn update(write: &Write, client: &str, seq: &str) -> Result<Option<Footprint>, Why> {
    let (of_client, of_seq) = (value(write, client), value(write, seq));
    if of_client.is_none() && of_seq.is_none() {
        return Ok(None);
    }
    let over = || {
        (
            format!("this UPDATE writes over what earlier ones left in {}: a loss could not be told", write.table),
            format!(
                "it can be told where each user has one row of its own (UPDATE ... SET {seq} = $seq WHERE {client} = $client), and where \
                 a row is marked once (UPDATE ... SET {client} = $client, {seq} = $seq WHERE {seq} IS NULL AND ...); else leave the ledger out"
            ),
        )
    };
    let Conditions::All(terms) = &write.conditions else { return Err(over()) };
    let marks = of_seq.is_some_and(|value| is_parameter(value, "$seq"));
    let own = of_client.is_none_or(|value| is_parameter(value, "$client"));
    if !marks || !own {
        return Err(over());
    }
    let of_user = terms.iter().any(|term| is_of_user(term, client));
    let once = terms.iter().any(|term| {
        let words: Vec<&str> = term.iter().filter_map(Lexeme::name).collect();
        matches!(words[..], [.., column, "is", "null"] if column == seq) && words.len() <= 4
    });
    match (once, of_user) {
        (true, _) if of_user || of_client.is_some() => Ok(Some(Footprint::Row)),
        (false, true) => Ok(Some(Footprint::Last)),
        _ => Err(over()),
    }
}

fn delete(write: &Write, client: &str, seq: &str) -> Result<Deletes, Why> {
    let which = || {
        let Conditions::All(terms) = &write.conditions else { return None };
        let (users, others): (Vec<_>, Vec<_>) = terms.iter().partition(|term| is_of_user(term, client));
        match (users.as_slice(), others.as_slice()) {
            ([_], []) => Some(Deletes::UpTo(1)),
            ([_], [term]) => how_far_back(term, seq),
            _ => None,
        }
    };
    which().ok_or_else(|| {
        (
            format!("which rows of {} this DELETE removes cannot be told: a loss would not be seen", write.table),
            format!(
                "delete rows by their marks, and by nothing else: WHERE {client} = $client AND {seq} < $seq, or {seq} = $seq - 10; \
                 else leave the ledger out"
            ),
        )
    })
}

/// What a column is set to.
fn value<'a>(write: &'a Write, column: &str) -> Option<&'a [Lexeme]> {
    write.sets.iter().find(|(name, _)| name == column).map(|(_, value)| value.as_slice())
}

/// `$seq`, or what the row that was to be inserted has.
fn is_new(value: &[Lexeme], column: &str) -> bool {
    let excluded = matches!(value, [excluded, Lexeme::Symbol(b'.'), name]
        if excluded.name() == Some("excluded") && name.name() == Some(column));
    excluded || is_parameter(value, "$seq")
}

/// Without casts: `$seq::bigint` is `$seq`.
fn bare(lexemes: &[Lexeme]) -> Vec<&Lexeme> {
    let mut bare = vec![];
    let mut rest = lexemes;
    while let [first, more @ ..] = rest {
        rest = match rest {
            [Lexeme::Symbol(b':'), Lexeme::Symbol(b':'), Lexeme::Word(_), more @ ..] => more,
            _ => {
                bare.push(first);
                more
            }
        };
    }
    bare
}

fn is_parameter(lexemes: &[Lexeme], parameter: &str) -> bool {
    matches!(bare(lexemes)[..], [Lexeme::Parameter(text)] if text == parameter)
}

/// `column`, `t.column`.
fn is_column(lexemes: &[Lexeme], column: &str) -> bool {
    match bare(lexemes)[..] {
        [name] | [.., Lexeme::Symbol(b'.'), name] => name.name() == Some(column),
        _ => false,
    }
}

/// `column = $client`, either way round.
fn is_of_user(term: &[Lexeme], client: &str) -> bool {
    let mut sides = term.split(|lexeme| *lexeme == Lexeme::Symbol(b'='));
    let (Some(one), Some(other), None) = (sides.next(), sides.next(), sides.next()) else { return false };
    let fits = |a, b| is_column(a, client) && is_parameter(b, "$client");
    fits(one, other) || fits(other, one)
}

/// `seq < $seq`, `seq <= $seq - 10`, `seq = $seq - 1`, either way round. None for anything else, and for what would be the
/// transaction's own row.
fn how_far_back(term: &[Lexeme], seq: &str) -> Option<Deletes> {
    let symbol = |lexeme: &Lexeme| match lexeme {
        Lexeme::Symbol(byte @ (b'<' | b'=' | b'>')) => Some(*byte),
        _ => None,
    };
    let start = term.iter().position(|lexeme| symbol(lexeme).is_some())?;
    let operator: Vec<u8> = term[start..].iter().map_while(symbol).collect();
    let (left, right) = (&term[..start], &term[start + operator.len()..]);
    let (operator, right) = match (is_column(left, seq), operator.as_slice()) {
        (true, operator) => (operator.to_vec(), right),
        (false, b">") if is_column(right, seq) => (b"<".to_vec(), left),
        (false, b">=") if is_column(right, seq) => (b"<=".to_vec(), left),
        (false, b"=") if is_column(right, seq) => (b"=".to_vec(), left),
        _ => return None,
    };
    let back = match bare(right)[..] {
        [Lexeme::Parameter(text)] if text == "$seq" => 0,
        [Lexeme::Parameter(text), Lexeme::Symbol(b'-'), Lexeme::Word(number)] if text == "$seq" => {
            number.parse().ok()?
        }
        _ => return None,
    };
    match operator.as_slice() {
        b"<" => Some(Deletes::UpTo(u64::checked_add(back, 1)?)),
        b"<=" if back > 0 => Some(Deletes::UpTo(back)),
        b"=" if back > 0 => Some(Deletes::Just(back)),
        _ => None,
    }
}

/// What several footprints in one place make impossible.
fn contradictions(kinds: &[Kind], parts: &[Vec<WriteSite>]) -> Vec<Refusal> {
    let every = || parts.iter().flatten();
    let mut refused = vec![];
    for (number, part) in parts.iter().enumerate().flat_map(|(number, parts)| parts.iter().map(move |p| (number, p))) {
        let columns = &part.columns;
        let table = &columns.table;
        let here = || every().filter(|other| other.columns.is_at(columns));
        let why = match part.footprint {
            Footprint::Last if here().any(|other| other.footprint != Footprint::Last) => Some(mixed(columns)),
            Footprint::Deletes(_) if !here().any(|other| other.footprint == Footprint::Row) => Some((
                format!("no transaction inserts into {table} what this one deletes: a loss could not be told"),
                "let another transaction of the same users INSERT there, with the same ledger".to_owned(),
            )),
            Footprint::Deletes(_)
                if every().any(|other| may_be(&other.columns.table, table) && !other.columns.is_at(columns)) =>
            {
                Some((
                    format!("this DELETE removes rows of {table} in which another transaction is looked for"),
                    "use another table for what is looked for in other columns".to_owned(),
                ))
            }
            _ => None,
        };
        if let Some((title, help)) = why {
            let ledger = kinds[number].ledger.iter().position(|one| one.is_at(columns)).unwrap_or(0);
            refused.push(Refusal { kind: number, ledger, title, help });
        }
    }
    refused.dedup();
    refused
}

/// What the ledger will not see, and what will look like a loss.
fn remarks(kinds: &[Kind], written: &[Written]) -> Vec<String> {
    let mut remarks = vec![];
    for (kind, written) in kinds.iter().zip(written) {
        for (_, write) in written.iter().filter(|(_, write)| !kind.names(&write.table)) {
            let name = &kind.name;
            let table = &write.table;
            let mut looked_for = kinds.iter().filter(|other| other.names(table)).map(|other| &other.name);
            let remark = match (write.verb, looked_for.next()) {
                (Verb::Delete, Some(other)) => {
                    format!(
                        "`{name}` deletes from {table}, where `{other}` is looked for: what it deletes of users' rows counts as lost"
                    )
                }
                (Verb::Update, Some(other)) if kinds.iter().any(|kind| writes_over(kind, write)) => {
                    format!(
                        "`{name}` writes over the marks in {table} by which `{other}` is found: what it writes over counts as lost"
                    )
                }
                (Verb::Insert, _) if !kind.ledger.is_empty() => {
                    format!(
                        "`{name}` writes to {table} as well, which its ledger does not name: a half there is not seen"
                    )
                }
                _ => continue,
            };
            if !remarks.contains(&remark) {
                remarks.push(remark);
            }
        }
    }
    remarks
}

/// Whether an UPDATE sets the columns in which a kind is looked for.
fn writes_over(kind: &Kind, write: &Write) -> bool {
    kind.ledger.iter().any(|columns| {
        let set = |column: &str| value(write, &folded(column)).is_some();
        may_be(&columns.table, &write.table) && (set(&columns.client) || set(&columns.seq))
    })
}

impl Kind {
    /// Whether its SQL writes nothing, as far as its text shows: then there is nothing to lose.
    pub fn only_reads(&self) -> bool {
        split_statements(&self.sql).into_iter().all(only_reads)
    }

    /// Whether nobody can tell later what became of it: it may write, and has no ledger.
    pub fn is_unchecked(&self) -> bool {
        self.ledger.is_empty() && !self.only_reads()
    }

    /// Whether its ledger names a table.
    fn names(&self, table: &TableName) -> bool {
        self.ledger.iter().any(|columns| may_be(&columns.table, table))
    }

    /// Whether its SQL may put rows into a table that its ledger does not name: it says so, or runs what nobody can read here.
    pub(crate) fn may_insert(&self, table: &TableName) -> bool {
        let opaque = |text: &str| {
            let words = crate::pg::sql::first_words(text, 1);
            matches!(words.first().map(String::as_str), Some("select" | "call" | "do" | "with" | "copy"))
        };
        written(&self.sql).iter().any(|(_, write)| write.verb != Verb::Delete && may_be(&write.table, table))
            || split_statements(&self.sql).into_iter().any(opaque)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn kind(name: &str, sql: &str, tables: &[&str]) -> Kind {
        let columns = |table: &&str| LedgerColumns {
            table: table.parse().expect("a table"),
            client: "client".into(),
            seq: "SEQ".into(),
            rows: None,
        };
        let ledger = tables.iter().map(columns).collect();
        Kind { name: name.into(), sql: sql.into(), weight: 1, ledger, tolerate: vec![] }
    }

    fn traces_of(sql: &str) -> Result<Vec<Footprint>, String> {
        // Somebody inserts, so that others may delete.
        let kinds = [kind("it", sql, &["t"]), kind("insert", "INSERT INTO t VALUES ($client, $seq)", &["t"])];
        match footprints(&kinds[..if sql.contains("DELETE") { 2 } else { 1 }]) {
            Ok(found) => Ok(found.parts[0].iter().map(|part| part.footprint).collect()),
            Err(refused) => Err(format!("{}; {}", refused[0].title, refused[0].help)),
        }
    }

    #[test]
    fn what_is_left_is_read_from_the_sql() {
        use super::Deletes::{Just, UpTo};
        use Footprint::{Deletes, Last, Row};
        for (sql, expected) in [
            ("INSERT INTO t (client, seq) VALUES ($client, $seq)", vec![Row]),
            ("INSERT INTO s.t VALUES ($client, $seq) ON CONFLICT DO NOTHING", vec![Row]),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client, seq) DO UPDATE SET n = 1", vec![Row]),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET seq = excluded.seq", vec![Last]),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET seq = $seq::int", vec![Last]),
            ("UPDATE t SET seq = $seq WHERE client = $client", vec![Last]),
            ("UPDATE t x SET seq = $seq, n = n + 1 WHERE $client::int = x.client AND x.seq < $seq", vec![Last]),
            ("UPDATE t SET client = $client, seq = $seq WHERE seq IS NULL AND id = $seq % 10", vec![Row]),
            ("UPDATE t SET (client, seq) = ($client, $seq) WHERE id = 1 AND t.seq is null", vec![Row]),
            ("DELETE FROM t WHERE client = $client AND seq < $seq", vec![Deletes(UpTo(1))]),
            ("DELETE FROM t WHERE client = $client /* $seq */", vec![Deletes(UpTo(1))]),
            ("DELETE FROM t WHERE $seq - 3 >= seq AND client = $client", vec![Deletes(UpTo(3))]),
            ("DELETE FROM t WHERE client = $client AND seq < $seq::bigint - 10", vec![Deletes(UpTo(11))]),
            ("DELETE FROM t WHERE (client = $client) AND (seq = $seq - 1)", vec![Deletes(Just(1))]),
            (
                "DELETE FROM t WHERE client = $client AND seq < $seq; INSERT INTO t VALUES ($client, $seq)",
                vec![Deletes(UpTo(1)), Row],
            ),
            ("INSERT INTO t VALUES ($client, $seq); UPDATE t SET n = 1 WHERE seq = $seq", vec![Row]),
            ("SELECT order_one($client, $seq)", vec![Row]),
        ] {
            assert_eq!(traces_of(sql), Ok(expected), "{sql}");
        }
    }

    #[test]
    fn what_could_hide_a_loss_is_refused() {
        for (sql, part) in [
            ("UPDATE t SET client = $client, seq = $seq WHERE id = 7", "writes over what earlier ones left"),
            ("UPDATE t SET seq = $seq WHERE client = $client OR id = 7", "writes over"),
            ("UPDATE t SET seq = seq + 1 WHERE client = $client", "writes over"),
            ("UPDATE t SET client = 0, seq = $seq WHERE client = $client", "writes over"),
            ("UPDATE t SET seq = $seq WHERE seq IS NULL AND id = 7", "writes over"),
            ("UPDATE t SET seq = $seq WHERE id = (SELECT id FROM t WHERE client = $client)", "writes over"),
            ("UPDATE t SET n = $seq WHERE client = $client", "leaves nothing in t"),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (n) DO UPDATE SET seq = excluded.seq", "hides a loss"),
            ("INSERT INTO t VALUES ($client, $seq) ON CONFLICT (client) DO UPDATE SET n = 1", "hides a loss"),
            ("DELETE FROM t WHERE id = $seq AND client = $client", "which rows of t this DELETE removes"),
            ("DELETE FROM t WHERE client = $client AND seq = $seq", "which rows"),
            ("DELETE FROM t WHERE client = $client AND seq <= $seq", "which rows"),
            ("DELETE FROM t WHERE client = $client AND seq > $seq", "which rows"),
            ("DELETE FROM t WHERE client = $client AND seq < $seq AND n = 1", "which rows"),
            ("DELETE FROM t WHERE seq < $seq", "which rows"),
            (
                "INSERT INTO t (client, seq) VALUES (1000 + $client, $seq)",
                "writes `1000 + $client` to `client` of t, where the ledger looks for $client",
            ),
            ("INSERT INTO t (client, seq) VALUES ($seq, $client)", "writes `$seq` to `client` of t"),
            ("INSERT INTO t (client, seq) VALUES ($client, $seq % 10)", "`$seq % 10`"),
            ("INSERT INTO t (client, seq) VALUES ($client, $seq::varchar(2))", "`$seq::varchar(2)`"),
            ("INSERT INTO t (client, seq) SELECT $client, md5($seq::text)", "`md5($seq::text)`"),
            ("INSERT INTO t VALUES (1000 + $client, $seq)", "writes $client to no column of t"),
            ("INSERT INTO t (client, n) VALUES ($client, $seq)", "does not write the ledger's column `SEQ`"),
            ("MERGE INTO t USING u ON true WHEN MATCHED THEN UPDATE SET seq = $seq", "MERGE"),
            ("INSERT INTO t VALUES ($client, $seq); UPDATE t SET seq = $seq WHERE client = $client", "one by one"),
        ] {
            let refused = traces_of(sql).unwrap_err();
            assert!(refused.contains(part), "{sql}: {refused}");
        }
    }

    #[test]
    fn the_rows_of_a_transaction_are_counted_from_its_text() {
        let rows = |sql: &str, said: Option<u8>| {
            let mut kind = kind("it", sql, &["t"]);
            kind.ledger[0].rows = said;
            footprints(&[kind]).map(|found| found.parts[0][0].rows).map_err(|refused| refused[0].title.clone())
        };
        let one = "INSERT INTO t (n, client, seq) VALUES (1, $client, CAST($seq AS bigint))";
        assert_eq!(rows(one, None), Ok(1));
        assert_eq!(rows(&format!("{one}, (2, ($client), $seq::text), (3, 0, 0) RETURNING n"), None), Ok(2));
        assert_eq!(rows(&format!("{one}; {one}"), None), Ok(2));
        assert_eq!(rows("INSERT INTO t VALUES ($client, $seq, 1), ($client, $seq, 2)", None), Ok(2));
        assert_eq!(rows("INSERT INTO t SELECT $client, $seq, n FROM generate_series(1, 3) n", Some(3)), Ok(3));
        assert_eq!(rows("SELECT three_lines($client, $seq)", Some(3)), Ok(3));
        assert_eq!(rows("INSERT INTO t (client, seq) SELECT client, seq FROM beside", None), Ok(1));
        let title = "the ledger says `rows: 3`, and the transaction writes 1 to t";
        assert_eq!(rows(one, Some(3)), Err(title.to_owned()));
    }

    #[test]
    fn kinds_that_contradict_each_other_are_refused() {
        let insert = kind("insert", "INSERT INTO t VALUES ($client, $seq)", &["t"]);
        let update = kind("update", "UPDATE t SET seq = $seq WHERE client = $client", &["t"]);
        let delete = kind("delete", "DELETE FROM t WHERE client = $client AND seq < $seq", &["t"]);
        let mut mark = kind("mark", "UPDATE t SET paid = $seq WHERE client = $client AND paid IS NULL", &["t"]);
        mark.ledger[0].seq = "paid".into();
        let told = |kinds: &[&Kind]| {
            let kinds: Vec<Kind> = kinds.iter().map(|kind| (*kind).clone()).collect();
            footprints(&kinds).map(|footprints| footprints.remarks).map_err(|refused| {
                refused.into_iter().map(|one| format!("{}: {}", kinds[one.kind].name, one.title)).collect::<Vec<_>>()
            })
        };
        assert_eq!(told(&[&insert, &delete, &insert]), Ok(vec![]));
        assert_eq!(told(&[&insert, &mark]), Ok(vec![]));
        assert!(told(&[&insert, &update]).unwrap_err()[0].starts_with("update: rows of t are looked for one by one"));
        assert!(told(&[&delete]).unwrap_err()[0].starts_with("delete: no transaction inserts into t"));
        let removes = told(&[&insert, &delete, &mark]).unwrap_err();
        assert_eq!(removes, ["delete: this DELETE removes rows of t in which another transaction is looked for"]);
        let twice = kind("twice", "INSERT INTO t VALUES ($client, $seq)", &["t", "t"]);
        assert_eq!(told(&[&twice]).unwrap_err(), ["twice: this ledger is named twice"]);
    }

    #[test]
    fn what_the_ledger_will_not_see_is_remarked() {
        let told = |sql: &str, tables: &[&str]| {
            let kinds = [kind("it", sql, tables), kind("other", "INSERT INTO t VALUES ($client, $seq)", &["t"])];
            footprints(&kinds).map(|footprints| footprints.remarks.join("; ")).unwrap_or_default()
        };
        let both = "INSERT INTO u VALUES ($client, $seq); INSERT INTO v VALUES ($client, $seq)";
        assert!(told(both, &["u"]).contains("`it` writes to v as well, which its ledger does not name"));
        assert_eq!(told(both, &["u", "v"]), "");
        assert!(told("DELETE FROM t WHERE n = 1", &[]).contains("what it deletes of users' rows counts as lost"));
        assert!(told("UPDATE t SET seq = 0", &[]).contains("writes over the marks in t by which `other`"));
        assert_eq!(told("UPDATE t SET n = 0; SELECT 1", &[]), "");
    }
}
