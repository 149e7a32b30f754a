//! The write sites of one kind of transaction, read from its SQL.
//!
//! What could hide a loss is refused before anybody starts: a checker that cannot see a loss would
//! report none.

use super::columns::folded;
use super::footprint::{Deletes, Footprint, WriteSite};
use super::kind::{LedgerColumns, Writes, may_be};
use super::marks::{Why, marked_rows, rows_left};
use super::terms::{how_far_back, is_new, is_of_user, is_parameter, value};
use crate::pg::sql::{Conditions, Conflict, Lexeme, Verb, Write};

/// What a kind leaves in one table, as far as it has been read.
struct Reader<'a> {
    columns: &'a LedgerColumns,
    /// The names of the columns, without quotes.
    client: String,
    seq: String,
    sites: Vec<WriteSite>,
    /// Whether an UPDATE leaves nothing there.
    touched: bool,
    /// How many rows its INSERTs leave, if their text says so.
    inserted: Option<usize>,
}

/// The write sites of a kind with these writes in one table.
pub(super) fn sites_in(columns: &LedgerColumns, writes: &Writes) -> Result<Vec<WriteSite>, Why> {
    let (client, seq) = (folded(&columns.client), folded(&columns.seq));
    let mut reader = Reader { columns, client, seq, sites: vec![], touched: false, inserted: Some(0) };
    for (number, write) in writes.iter().filter(|(_, write)| may_be(&write.table, &columns.table)) {
        reader.read(*number, write)?;
    }
    reader.finish()
}

/// Rows of one place are looked for in two ways that exclude each other.
pub(super) fn mixed(columns: &LedgerColumns) -> Why {
    (
        format!("rows of {} are looked for one by one, and an UPDATE or upsert writes over them", columns.table),
        "use other columns, or another table, for what is written again and again".to_owned(),
    )
}

impl Reader<'_> {
    fn read(&mut self, number: usize, write: &Write) -> Result<(), Why> {
        let counted = write.counted.then_some(number);
        match write.verb {
            Verb::Insert => {
                let rows = marked_rows(self.columns, write)?;
                self.inserted = self.inserted.zip(rows).map(|(sum, rows)| sum + rows);
                self.add(insert(write, &self.client, &self.seq)?, counted);
            }
            Verb::Update => match update(write, &self.client, &self.seq)? {
                Some(footprint) => self.add(footprint, counted),
                None => self.touched = true,
            },
            // A DELETE of no row is as good as any.
            Verb::Delete => self.add(Footprint::Deletes(delete(write, &self.client, &self.seq)?), None),
            Verb::Merge => {
                return Err((
                    "what a MERGE leaves behind cannot be read from its text".to_owned(),
                    "write INSERT ... ON CONFLICT, or leave the ledger out".to_owned(),
                ));
            }
        }
        Ok(())
    }

    /// Adds a footprint of a statement; None for one whose count of rows says nothing.
    fn add(&mut self, footprint: Footprint, statement: Option<usize>) {
        match self.sites.iter_mut().find(|site| site.footprint == footprint) {
            Some(site) => match statement {
                Some(number) if !site.statements.is_empty() => site.statements.push(number),
                // A statement whose rows are not counted leaves it open for the whole footprint.
                _ => site.statements.clear(),
            },
            None => {
                let statements = statement.into_iter().collect();
                self.sites.push(self.site(footprint, statements));
            }
        }
    }

    fn site(&self, footprint: Footprint, statements: Vec<usize>) -> WriteSite {
        WriteSite { columns: self.columns.clone(), footprint, rows: self.columns.rows.unwrap_or(1), statements }
    }

    fn finish(mut self) -> Result<Vec<WriteSite>, Why> {
        let inserted = self.inserted.filter(|rows| *rows > 0);
        if let Some((row, inserted)) = self.sites.iter_mut().find(|site| site.footprint == Footprint::Row).zip(inserted)
        {
            row.rows = rows_left(self.columns, inserted)?;
        }
        match self.sites.is_empty() {
            true if self.touched => Err((
                format!("this UPDATE leaves nothing in {} by which it could be found", self.columns.table),
                format!("let it set {} = $seq, or leave the ledger out", self.seq),
            )),
            // A function, a view, a trigger: the checker looks for a row.
            true => Ok(vec![self.site(Footprint::Row, vec![])]),
            false if self.sites.len() > 1 && self.sites.iter().any(|site| site.footprint == Footprint::Last) => {
                Err(mixed(self.columns))
            }
            false => Ok(self.sites),
        }
    }
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
                "each user can have one row that shows its last transaction: ON CONFLICT ({client}) DO UPDATE SET \
                 {seq} = excluded.{seq}"
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
            format!("this UPDATE writes over what earlier ones left in {}: a loss could not be seen", write.table),
            format!(
                "a loss can be seen if each user has one row of its own (UPDATE ... SET {seq} = $seq WHERE {client} = $client), and if \
                 a row is marked once (UPDATE ... SET {client} = $client, {seq} = $seq WHERE {seq} IS NULL AND ...); else leave the \
                 ledger out"
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
            format!("which rows of {} this DELETE removes cannot be read from it: a loss would not be seen", write.table),
            format!(
                "delete rows by their marks, and by nothing else: WHERE {client} = $client AND {seq} < $seq, or {seq} = $seq - 10; \
                 else leave the ledger out"
            ),
        )
    })
}
