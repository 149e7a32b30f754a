//! What the catalog says of tables, remembered and compared.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::LazyLock;

use regex::{Captures, Regex};
use serde::Serialize;
use tokio_postgres::Client;

use super::differences::{Difference, DifferenceKind};
use super::large_objects::{Holds, LargeObjects};
use super::sequences::Sequence;
use super::{catalog_query, large_objects, sequences};
use crate::data::error::{DataError, Result};
use crate::pg::TableName;

const QUERY: &str = include_str!("catalog.sql");
const READING: &str = "reading the catalog";

/// The catalog's facts about some tables, and about all that DROP TABLE ... CASCADE would take with
/// them: partitions, views, sequences, inbound foreign keys and so on. Without OIDs, every name
/// qualified, in a stable order.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct Catalog {
    /// The tables that were asked for and do not exist, or are an index, say, as they were asked
    /// for.
    pub absent: Vec<String>,
    /// The relations that are described: the tables, their partitions and children, their views and
    /// sequences.
    pub relations: Vec<Relation>,
    /// The facts.
    pub facts: Vec<Fact>,
    /// What is not compared, since no version's documentation lets people set it:
    /// `column option x`, in order and once each.
    pub not_compared: Vec<String>,
    /// The sequences among the relations, and how far they have come; those that cycle are left
    /// out.
    pub sequences: Vec<Sequence>,
    /// The large objects that the tables' rows refer to.
    pub large_objects: LargeObjects,
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
    /// The relation that it is about, qualified; empty for an object that belongs to none (a
    /// function, say).
    pub table: String,
    /// What sort of fact: `column`, `inbound foreign key`, `grant` ...
    pub aspect: String,
    /// The thing's name within the table; empty if there is only one.
    pub name: String,
    /// What it is, in SQL's words.
    pub definition: String,
}

/// Facts about what the tables use. Where these are missing or new, so is what uses them (a
/// trigger, a column, a place in a publication), which says all.
const OF_WHAT_IS_USED: &[&str] = &[
    "options of publication",
    "owner of type",
    "trigger function",
    "body of trigger function",
    "function",
    "body of function",
];

impl Catalog {
    /// Whether `table` was asked for and is not there.
    pub fn is_absent(&self, table: &TableName) -> bool {
        self.absent.contains(&table.to_string())
    }

    /// Reads what the catalog says of `tables`; works on a standby too, and waits if someone has
    /// locked a table.
    ///
    /// The session must not be in a transaction.
    pub async fn read(client: &Client, tables: &[TableName]) -> Result<Catalog> {
        Catalog::read_after(client, tables, None).await
    }

    /// The large objects that the rows of `tables`, their partitions and their children refer to.
    pub async fn large_objects_of(client: &Client, tables: &[TableName]) -> Result<LargeObjects> {
        let catalog = Catalog::of(catalog_query::ask(client, tables, QUERY, READING).await?, tables)?;
        let mut found = catalog.large_objects;
        found.read(client, None).await?;
        Ok(found)
    }

    /// The same of a server that may have lost some, for what other rows refer to.
    pub async fn large_objects_again(
        client: &Client,
        tables: &[TableName],
        there: &LargeObjects,
    ) -> Result<LargeObjects> {
        let catalog = Catalog::of(catalog_query::ask(client, tables, QUERY, READING).await?, tables)?;
        let mut found = catalog.large_objects;
        found.read(client, Some(there)).await?;
        Ok(found)
    }

    async fn read_after(client: &Client, tables: &[TableName], before: Option<&Catalog>) -> Result<Catalog> {
        let mut catalog = Catalog::of(catalog_query::ask(client, tables, QUERY, READING).await?, tables)?;
        sequences::read(client, &mut catalog.sequences).await?;
        catalog.large_objects.read(client, before.map(|before| &before.large_objects)).await?;
        Ok(catalog)
    }

    /// Reads what is to be compared with this catalog of `tables`: what they have now, and what
    /// became of the relations that belonged to them. A partition that was detached, for one, is
    /// not missing.
    ///
    /// The session must not be in a transaction.
    pub async fn read_again(&self, client: &Client, tables: &[TableName]) -> Result<Catalog> {
        Catalog::read_after(client, &self.tables_again(tables), Some(self)).await
    }

    fn tables_again(&self, tables: &[TableName]) -> Vec<TableName> {
        // What else uses a sequence that belongs to no column does not belong to the tables.
        let relations = self.relations.iter().filter(|relation| relation.kind != "sequence");
        tables.iter().cloned().chain(relations.filter_map(|relation| relation.name.parse().ok())).collect()
    }

    /// What the rows of the query say; the sequences' positions are not read yet.
    fn of(rows: Vec<Vec<String>>, tables: &[TableName]) -> Result<Catalog> {
        let mut catalog = Catalog::default();
        for row in rows {
            let [table, aspect, name, definition] = <[String; 4]>::try_from(row)
                .map_err(|row| DataError::Answer { doing: READING.to_owned(), what: format!("{row:?}") })?;
            match aspect.as_str() {
                "absent" => catalog.absent.extend(
                    table
                        .parse::<usize>()
                        .ok()
                        .and_then(|number| tables.get(number.wrapping_sub(1)))
                        .map(ToString::to_string),
                ),
                "not compared" => catalog.not_compared.push(name),
                "relation" => catalog.relations.push(Relation { name: table, kind: definition }),
                "oid column" => catalog.large_objects.may_be_in(table, name, Holds::Oid),
                "array of oids" => catalog.large_objects.may_be_in(table, name, Holds::Array),
                "column of numbers" => catalog.large_objects.may_be_in(table, name, Holds::Other),
                "position" => catalog.sequences.push(Sequence::new(table, definition.parse().unwrap_or(1))),
                "position of column" => {
                    let sequence = catalog.sequences.iter_mut().find(|sequence| sequence.name == table);
                    sequence.into_iter().for_each(|sequence| sequence.serves(name.clone(), definition.clone()));
                }
                _ => catalog.facts.push(Fact { table, aspect, name, definition }),
            }
        }
        Ok(catalog)
    }

    /// In what `after` differs from `before`. A sequence that went on is no difference; one that
    /// went back is, and one that is behind the numbers in a column that it serves.
    ///
    /// Of a relation that is missing as a whole nothing else is reported.
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
        // If columns came or went, their order says nothing new.
        let columns: BTreeSet<String> = found
            .iter()
            .filter(|d| d.aspect == "column" && d.kind != DifferenceKind::Changed)
            .map(|d| d.table.clone())
            .collect();
        found.retain(|d| d.aspect != "column order" || !columns.contains(&d.table));
        found.retain(|d| d.kind == DifferenceKind::Changed || !OF_WHAT_IS_USED.contains(&d.aspect.as_str()));
        found.extend(sequences::compare(&before.sequences, &after.sequences));
        found.extend(large_objects::compare(&before.large_objects, &after.large_objects));
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
        self.definition == now.definition || settled(&self.definition) == settled(&now.definition)
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

/// `status IN ('a', 'b')` on a varchar column is shown in another way once it has been dumped and
/// restored: `(ARRAY['a'::character varying, ...])::text[]` becomes
/// `ARRAY[('a'::character varying)::text, ...]`. They are the same.
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

#[cfg(test)]
mod tests;
