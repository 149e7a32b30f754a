//! What the catalog says of tables, remembered and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Serialize;
use tokio_postgres::Client;

use super::{DataError, Result, cataloged};
use crate::pg::TableName;

const QUERY: &str = include_str!("catalog.sql");

/// The catalog's facts about some tables, and about all that DROP TABLE ... CASCADE would take with them: partitions,
/// views, sequences, inbound foreign keys and so on. Without OIDs, every name qualified, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Catalog {
    /// The tables that were asked for and do not exist, as they were asked for.
    pub absent: Vec<String>,
    /// The relations that are described: the tables, their partitions and children, their views and sequences.
    pub relations: Vec<Relation>,
    /// The facts.
    pub facts: Vec<Fact>,
}

/// A relation that a [`Catalog`] describes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Relation {
    /// Its qualified name.
    pub name: String,
    /// `table`, `view`, `sequence` ...
    pub kind: String,
}

/// One thing that the catalog says.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Fact {
    /// The relation that it is about, qualified; empty for an object that belongs to none (a function, say).
    pub table: String,
    /// What sort of fact: `column`, `inbound foreign key`, `grant` ...
    pub aspect: String,
    /// The thing's name within the table; empty where there is only one.
    pub name: String,
    /// What it is, in SQL's words.
    pub definition: String,
}

/// How two catalogs differ in one thing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum DifferenceKind {
    /// It was there before and is not any more.
    Missing,
    /// It was not there before.
    Added,
    /// It is there, and different.
    Changed,
}

/// One difference between two catalogs.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Difference {
    /// How they differ.
    pub kind: DifferenceKind,
    /// As [`Fact::table`].
    pub table: String,
    /// As [`Fact::aspect`]; the relation's kind where a whole relation is missing or added.
    pub aspect: String,
    /// As [`Fact::name`].
    pub name: String,
    /// The definition before; empty where it was not there.
    pub before: String,
    /// The definition after; empty where it is not there.
    pub after: String,
}

impl Catalog {
    /// Whether `table` was asked for and is not there.
    pub fn is_absent(&self, table: &TableName) -> bool {
        self.absent.contains(&table.to_string())
    }

    /// Reads what the catalog says of `tables`; works on a standby too, and waits where someone has locked a table.
    ///
    /// The session must not be in a transaction.
    pub async fn read(client: &Client, tables: &[TableName]) -> Result<Catalog> {
        let doing = "reading the catalog";
        let mut catalog = Catalog { absent: vec![], relations: vec![], facts: vec![] };
        for row in cataloged::ask(client, tables, QUERY, doing).await? {
            let [table, aspect, name, definition] = <[String; 4]>::try_from(row)
                .map_err(|row| DataError::Answer { doing: doing.to_owned(), what: format!("{row:?}") })?;
            match aspect.as_str() {
                "absent" => catalog.absent.extend(
                    table
                        .parse::<usize>()
                        .ok()
                        .and_then(|number| tables.get(number.wrapping_sub(1)))
                        .map(ToString::to_string),
                ),
                "relation" => catalog.relations.push(Relation { name: table, kind: definition }),
                _ => catalog.facts.push(Fact { table, aspect, name, definition }),
            }
        }
        Ok(catalog)
    }

    /// In what `after` differs from `before`. A sequence that went on is no difference; one that went back is.
    ///
    /// Of a relation that is missing as a whole nothing else is told.
    pub fn compare(before: &Catalog, after: &Catalog) -> Vec<Difference> {
        let (old, new) = (before.names(), after.names());
        let mut found = Vec::new();
        let mut whole = |kind, name: &str, aspect: &str| {
            let (name, aspect) = (name.to_owned(), aspect.to_owned());
            found.push(Difference {
                kind,
                table: name,
                aspect,
                name: String::new(),
                before: String::new(),
                after: String::new(),
            });
        };
        for Relation { name, kind } in &before.relations {
            if !new.contains(name.as_str()) {
                whole(DifferenceKind::Missing, name, kind);
            }
        }
        for Relation { name, kind } in &after.relations {
            if !old.contains(name.as_str()) {
                whole(DifferenceKind::Added, name, kind);
            }
        }
        let in_both = |fact: &&Fact| {
            fact.table.is_empty() || old.contains(fact.table.as_str()) == new.contains(fact.table.as_str())
        };
        let now: BTreeMap<_, _> = after.facts.iter().map(|fact| (fact.key(), fact)).collect();
        let then: BTreeSet<_> = before.facts.iter().map(Fact::key).collect();
        for fact in before.facts.iter().filter(in_both) {
            match now.get(&fact.key()) {
                None => found.push(fact.difference(DifferenceKind::Missing, &fact.definition, "")),
                Some(now) if !fact.agrees(now) => {
                    found.push(fact.difference(DifferenceKind::Changed, &fact.definition, &now.definition));
                }
                Some(_) => {}
            }
        }
        for fact in after.facts.iter().filter(in_both).filter(|fact| !then.contains(&fact.key())) {
            found.push(fact.difference(DifferenceKind::Added, "", &fact.definition));
        }
        // Where columns came or went, their order says nothing new.
        let columns: BTreeSet<String> = found
            .iter()
            .filter(|d| d.aspect == "column" && d.kind != DifferenceKind::Changed)
            .map(|d| d.table.clone())
            .collect();
        found.retain(|d| d.aspect != "column order" || !columns.contains(&d.table));
        found
    }

    fn names(&self) -> BTreeSet<&str> {
        self.relations.iter().map(|relation| relation.name.as_str()).collect()
    }
}

impl Fact {
    fn key(&self) -> (&str, &str, &str) {
        (&self.table, &self.aspect, &self.name)
    }

    fn agrees(&self, now: &Fact) -> bool {
        let positions = || Some((self.definition.parse::<i64>().ok()?, now.definition.parse::<i64>().ok()?));
        match self.aspect.as_str() {
            "sequence position" => {
                positions().map_or(self.definition == now.definition, |(then, now)| now >= then) || self.unused()
            }
            "descending sequence position" => {
                positions().map_or(self.definition == now.definition, |(then, now)| now <= then) || self.unused()
            }
            _ => self.definition == now.definition || settled(&self.definition) == settled(&now.definition),
        }
    }

    /// Of a sequence's position: nobody had taken a number from it, so every position is one that went on.
    fn unused(&self) -> bool {
        self.definition.parse::<i64>().is_err()
    }

    fn difference(&self, kind: DifferenceKind, before: &str, after: &str) -> Difference {
        Difference {
            kind,
            table: self.table.clone(),
            aspect: self.aspect.clone(),
            name: self.name.clone(),
            before: before.to_owned(),
            after: after.to_owned(),
        }
    }
}

/// `status IN ('a', 'b')` on a varchar column is shown in another way once it has been dumped and restored:
/// `(ARRAY['a'::character varying, ...])::text[]` becomes `ARRAY[('a'::character varying)::text, ...]`. They are the same.
fn settled(definition: &str) -> String {
    static CAST_ARRAY: LazyLock<Option<Regex>> = LazyLock::new(|| {
        let element = r"'(?:[^']|'')*'::[a-z ]+(?:\(\d+\))?";
        Regex::new(&format!(r"\(ARRAY\[({element}(?:, {element})*)\]\)::text\[\]")).ok()
    });
    static ELEMENT: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"'(?:[^']|'')*'::[a-z ]+(?:\(\d+\))?").ok());
    let (Some(array), Some(element)) = (&*CAST_ARRAY, &*ELEMENT) else { return definition.to_owned() };
    let each = |found: &Captures<'_>| format!("ARRAY[{}]", element.replace_all(&found[1], "($0)::text"));
    array.replace_all(definition, each).into_owned()
}

impl fmt::Display for Difference {
    /// `- inbound foreign key payments_order_id_fkey on shop.payments (of shop.orders): FOREIGN KEY ...`; what was stands
    /// behind `-`, what is behind `+`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let thing = match (self.name.as_str(), self.table.as_str()) {
            ("", "") => self.aspect.clone(),
            ("", table) => format!("{} of {table}", self.aspect),
            (name, "") => format!("{} {name}", self.aspect),
            (name, table) => format!("{} {name} of {table}", self.aspect),
        };
        let line = |f: &mut fmt::Formatter<'_>, sign: char, definition: &str| {
            let definition = definition.split_whitespace().collect::<Vec<_>>().join(" ");
            if definition.is_empty() { write!(f, "{sign} {thing}") } else { write!(f, "{sign} {thing}: {definition}") }
        };
        let whole = self.name.is_empty() && self.before.is_empty() && self.after.is_empty();
        match self.kind {
            DifferenceKind::Missing if whole => write!(f, "- {} {} is missing", self.aspect, self.table),
            DifferenceKind::Added if whole => write!(f, "+ {} {} was not there before", self.aspect, self.table),
            DifferenceKind::Missing => line(f, '-', &self.before),
            DifferenceKind::Added => line(f, '+', &self.after),
            DifferenceKind::Changed => {
                line(f, '-', &self.before)?;
                f.write_str("\n")?;
                line(f, '+', &self.after)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::testing::Server;

    #[tokio::test]
    async fn what_changed_is_told_line_by_line() {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        let schema = "create schema shop; create table shop.a(id serial primary key, x int, note varchar(9) check (note in ('y', 'n')));
            create table shop.b(a_id int references shop.a); create index on shop.a (x); insert into shop.a(x) values (1), (2)";
        client.batch_execute(schema).await.expect("the schema");
        let tables: Vec<TableName> = ["shop.a", "shop.nothing"].iter().filter_map(|name| name.parse().ok()).collect();
        let before = Catalog::read(&client, &tables).await.expect("the catalog");
        assert_eq!(before.absent, ["shop.nothing"]);
        let again = Catalog::read(&client, &tables).await.expect("the catalog");
        assert_eq!(Catalog::compare(&before, &again), []);

        // As a dump and a restore leave them: a longer way to say the same, and a sequence that went on.
        let harmless = "alter table shop.a drop constraint a_note_check, add constraint a_note_check
                check (note::text = any (array['y'::varchar::text, 'n'::varchar::text]));
            insert into shop.a(x) values (3)";
        client.batch_execute(harmless).await.expect("the change");
        let after = Catalog::read(&client, &tables).await.expect("the catalog");
        assert_eq!(Catalog::compare(&before, &after), []);
        assert_eq!(before.facts.iter().filter(|fact| !after.facts.contains(fact)).count(), 2);

        let harm = "alter table shop.b drop constraint b_a_id_fkey; alter table shop.a alter x type bigint, add y int;
            drop index shop.a_x_idx; select setval('shop.a_id_seq', 1)";
        client.batch_execute(harm).await.expect("the change");
        let after = Catalog::read(&client, &tables).await.expect("the catalog");
        let mut told: Vec<String> = Catalog::compare(&before, &after).iter().map(ToString::to_string).collect();
        told.sort();
        assert_eq!(
            told,
            [
                "+ column y of shop.a: integer",
                "- column x of shop.a: integer\n+ column x of shop.a: bigint",
                "- inbound foreign key b_a_id_fkey on shop.b of shop.a: FOREIGN KEY (a_id) REFERENCES shop.a(id)",
                "- index shop.a_x_idx of shop.a: CREATE INDEX a_x_idx ON shop.a USING btree (x)",
                "- sequence position of shop.a_id_seq: 2\n+ sequence position of shop.a_id_seq: 1",
            ]
        );
    }
}
