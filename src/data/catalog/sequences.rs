//! How far sequences have come, and whether they would hand out numbers that somebody has already.

use serde::Serialize;
use tokio_postgres::Client;

use super::catalog_query;
use super::differences::{Difference, DifferenceKind};
use crate::data::error::{DataError, Result};
use crate::pg::quote_literal;

const READING: &str = "reading the positions of sequences";

/// A sequence that does not begin again at its end: no number of it is to be handed out twice.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Sequence {
    /// Its qualified name, as in SQL.
    pub name: String,
    /// What it adds for the next number; below 0 it counts down.
    pub increment: i64,
    /// How far it has come.
    pub position: Position,
    /// The columns that get their numbers from it.
    pub ends: Vec<End>,
}

/// How far a sequence has come.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Position {
    /// The last number that it handed out (with a cache, that some session may hand out); none if
    /// nobody took one.
    pub last: Option<i128>,
    /// The number that comes next.
    pub next: i128,
    /// Where this was seen, as `` at `accident` ``; empty for the moment of the catalog itself.
    pub seen: String,
}

/// How far the numbers of a column go.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct End {
    /// The column, qualified, as in SQL.
    pub column: String,
    /// What asks for the number in the column that is furthest in the sequence's direction.
    query: String,
    /// That number, among those that the sequence can hand out; none in an empty column.
    pub most: Option<i128>,
}

impl Sequence {
    /// A sequence whose position is not read yet.
    pub(super) fn new(name: String, increment: i64) -> Self {
        Sequence { name, increment, position: Position::default(), ends: vec![] }
    }

    /// Adds a column that gets its numbers from it.
    pub(super) fn serves(&mut self, column: String, query: String) {
        self.ends.push(End { column, query, most: None });
    }

    /// Whether `a` comes before `b` in the sequence's direction.
    fn before(&self, a: i128, b: i128) -> bool {
        if self.increment < 0 { a > b } else { a < b }
    }

    /// Takes note of a position that was seen on some server, if it is further than what is known.
    pub fn note(&mut self, last: i128, seen: &str) {
        let next = last.saturating_add(self.increment.into());
        if self.before(self.position.next, next) {
            self.position = Position { last: Some(last), next, seen: seen.to_owned() };
        }
    }

    /// The columns that go further than the sequence has come, and how far.
    pub(super) fn overtaken(&self) -> impl Iterator<Item = (&str, i128)> {
        let ends = self.ends.iter().filter_map(|end| Some((end.column.as_str(), end.most?)));
        ends.filter(|(_, most)| !self.before(*most, self.position.next))
    }

    /// What is wrong with it now: it went back, or a column goes further than it. What was so
    /// before is no difference.
    fn difference(&self, now: &Sequence) -> Option<Difference> {
        let back = now.before(now.position.next, self.position.next);
        let known = |column: &str| self.overtaken().any(|(known, _)| known == column);
        let new = now.overtaken().filter(|(column, _)| !known(column));
        let ends: Vec<String> = new.map(|(column, most)| format!("{column} goes to {most}")).collect();
        if !back && ends.is_empty() {
            return None;
        }
        let mut after = now.position.in_words();
        if !ends.is_empty() {
            after = format!("{after}, but {}: the next inserts get numbers that are taken", ends.join(" and "));
        }
        let before = if back { self.position.in_words() } else { String::new() };
        let kind = if back { DifferenceKind::Changed } else { DifferenceKind::Added };
        let aspect = "sequence position".to_owned();
        Some(Difference { kind, table: self.name.clone(), aspect, name: String::new(), before, after })
    }
}

impl Position {
    fn in_words(&self) -> String {
        let last = self.last.map_or_else(|| "not used yet".to_owned(), |last| last.to_string());
        if self.seen.is_empty() { last } else { format!("{last} {}", self.seen) }
    }
}

/// In what the sequences that are in both differ. One that went on is no difference; nor is one
/// that has another direction now, which its parameters tell.
pub(super) fn compare<'a>(before: &'a [Sequence], after: &'a [Sequence]) -> impl Iterator<Item = Difference> + 'a {
    let both = before.iter().filter_map(|then| Some((then, after.iter().find(|now| now.name == then.name)?)));
    let both = both.filter(|(then, now)| then.increment.signum() == now.increment.signum());
    both.filter_map(|(then, now)| then.difference(now))
}

/// Asks for all positions and ends, in one statement: what the statement sees in a column was
/// handed out before it reads the sequence, so that users who go on meanwhile put nothing out of
/// order. None if there are no sequences.
pub(super) fn question(sequences: &[Sequence]) -> Option<String> {
    let mut parts = Vec::new();
    for (number, Sequence { name, increment, ends, .. }) in sequences.iter().enumerate() {
        for (place, end) in ends.iter().enumerate() {
            parts.push(format!("select {number}, {place}, ({})::text, null", end.query));
        }
        parts.push(format!(
            "select {number}, null, case when is_called then last_value end::text,
                (last_value::numeric + case when is_called then {increment} else 0 end)::text from {name}"
        ));
    }
    (!parts.is_empty()).then(|| format!("select * from ({}) as s", parts.join(" union all ")))
}

/// Fills in what the server answered to [`question`].
pub(super) fn answer(sequences: &mut [Sequence], rows: Vec<Vec<String>>) -> Result<()> {
    for row in rows {
        let wrong = || DataError::Answer { doing: READING.to_owned(), what: format!("{row:?}") };
        let [number, place, value, next] = row.as_slice() else { return Err(wrong()) };
        let sequence = number.parse::<usize>().ok().and_then(|number| sequences.get_mut(number)).ok_or_else(wrong)?;
        if place.is_empty() {
            sequence.position.last = value.parse().ok();
            sequence.position.next = next.parse().map_err(|_| wrong())?;
        } else {
            let end = place.parse::<usize>().ok().and_then(|place| sequence.ends.get_mut(place)).ok_or_else(wrong)?;
            end.most = value.parse().ok();
        }
    }
    Ok(())
}

/// Reads the positions and ends of sequences. The session must not be in a transaction.
pub(super) async fn read(client: &Client, sequences: &mut [Sequence]) -> Result<()> {
    match question(sequences) {
        Some(question) => answer(sequences, catalog_query::alone(client, &question, READING).await?),
        None => Ok(()),
    }
}

/// The last number that each of these sequences has handed out; those that are not there, or that
/// nobody used, are left out.
pub async fn last_numbers(client: &Client, names: &[String]) -> Result<Vec<(String, i128)>> {
    let names: Vec<String> = names.iter().map(|name| format!("({})", quote_literal(name))).collect();
    let query = format!(
        "set local lock_timeout = '250ms'; select name, pg_catalog.pg_sequence_last_value(pg_catalog.to_regclass(name))::text from (values {}) as s(name)",
        names.join(", ")
    );
    let rows = catalog_query::alone(client, &query, READING).await?;
    let number = |row: Vec<String>| Some((row.first()?.clone(), row.get(1)?.parse().ok()?));
    Ok(rows.into_iter().filter_map(number).collect())
}

#[cfg(test)]
mod tests {
    use crate::data::{Catalog, told};
    use crate::testing::Server;

    /// Tables whose numbers come from sequences in every way, and users who go on.
    const TABLES: &str = "
        create table serial (id serial primary key);
        create table identity (id int generated by default as identity);
        create sequence down increment -1;
        create table \"Falling\" (\"Id\" bigint default nextval('down'));
        create sequence odd increment 2;
        create table halves (id numeric default nextval('odd'));
        create sequence round cycle;
        create table rounds (id int default nextval('round'));
        create sequence kept cache 10;
        create table cached (id bigint default nextval('kept'));
        create table ahead (id serial primary key);
        create table labels (id text default 'L' || nextval('serial_id_seq'));
        create table parent (id serial) partition by list (id);
        create table child partition of parent default;
        insert into serial select from generate_series(1, 5); insert into identity select from generate_series(1, 5);
        insert into \"Falling\" select from generate_series(1, 5); insert into halves select from generate_series(1, 5);
        insert into rounds select from generate_series(1, 5); insert into cached select from generate_series(1, 5);
        insert into ahead values (100); insert into labels default values; insert into parent select from generate_series(1, 5)";

    #[tokio::test]
    async fn a_sequence_must_not_hand_out_a_number_again() {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        client.batch_execute(TABLES).await.expect("the tables");
        let names = ["serial", "identity", "\"Falling\"", "halves", "rounds", "cached", "ahead", "labels", "parent"];
        let tables: Vec<_> = names.iter().filter_map(|name| name.parse().ok()).collect();
        let before = Catalog::read(&client, &tables).await.expect("the catalog");
        // A parent speaks for its partitions.
        let ends = before.sequences.iter().flat_map(|sequence| &sequence.ends);
        let of_parent: Vec<_> = ends
            .filter(|end| end.column.contains("parent") || end.column.contains("child"))
            .map(|end| end.most)
            .collect();
        assert_eq!(of_parent, [Some(5)]);
        let told_after = async |change: &str| {
            client.batch_execute(change).await.unwrap_or_else(|e| panic!("{change}: {e:?}"));
            told(&Catalog::compare(&before, &Catalog::read(&client, &tables).await.expect("the catalog")))
        };
        // Users who go on; the other half of the numbers, from another server; one that was behind
        // already.
        let harmless = "insert into serial default values; insert into \"Falling\" default values; insert into halves values (1000);
            insert into cached default values; insert into ahead values (200); select setval('round', 1)";
        assert_eq!(told_after(harmless).await, Vec::<String>::new());
        let taken = "the next inserts get numbers that are taken";
        let lines = told_after(
            "insert into serial values (50); insert into \"Falling\" values (-50); insert into halves values (1001)",
        )
        .await;
        assert_eq!(
            lines,
            [
                format!("+ sequence position of public.down: -6, but public.\"Falling\".\"Id\" goes to -50: {taken}"),
                format!("+ sequence position of public.odd: 9, but public.halves.id goes to 1001: {taken}"),
                format!("+ sequence position of public.serial_id_seq: 7, but public.serial.id goes to 50: {taken}"),
            ]
        );
        client.batch_execute("truncate serial, \"Falling\", halves, cached, parent").await.expect("empty");
        let back = "select setval('serial_id_seq', 3), setval('down', -2), setval('odd', 1, false), setval('kept', 1), setval('parent_id_seq', 5)";
        assert_eq!(
            told_after(back).await,
            [
                "- sequence position of public.down: -5",
                "+ sequence position of public.down: -2",
                "- sequence position of public.kept: 10",
                "+ sequence position of public.kept: 1",
                "- sequence position of public.odd: 9",
                "+ sequence position of public.odd: not used yet",
                "- sequence position of public.serial_id_seq: 6",
                "+ sequence position of public.serial_id_seq: 3",
            ]
        );
    }
}
