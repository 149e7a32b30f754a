//! How two catalogs differ, in words.

use std::fmt;

use serde::Serialize;

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
    /// As [`Fact::aspect`]; the relation's kind if a whole relation is missing or added.
    pub aspect: String,
    /// As [`Fact::name`].
    pub name: String,
    /// The definition before; empty if it was not there.
    pub before: String,
    /// The definition after; empty if it is not there.
    pub after: String,
}

impl Difference {
    /// Whether a whole relation is missing or was added.
    fn is_whole(&self) -> bool {
        let nothing = self.name.is_empty() && self.before.is_empty() && self.after.is_empty();
        nothing && self.kind != DifferenceKind::Changed
    }

    /// What is different: `column amount of shop.orders`; `tables` are the relations in which it
    /// is.
    fn subject(&self, tables: &[&str]) -> String {
        if self.is_whole() {
            return format!("{} {}", self.aspect, self.table);
        }
        let mut thing = self.aspect.clone();
        if !self.name.is_empty() {
            thing = format!("{thing} {}", self.name);
        }
        match tables {
            // What a comment or a label is on has the relation in its name, and a schema is not the
            // relation's.
            _ if matches!(
                self.aspect.as_str(),
                "comment" | "security label" | "owner of schema" | "grant on schema"
            ) => {}
            [] | [""] => {}
            [first, ..] if tables.len() > 3 => thing = format!("{thing} of {first} and {} more", tables.len() - 1),
            _ => thing = format!("{thing} of {}", tables.join(", ")),
        }
        thing
    }

    /// It as lines; `tables` are the relations in which the same is different.
    fn lines(&self, tables: &[&str]) -> Vec<String> {
        let thing = self.subject(tables);
        if self.is_whole() {
            return match self.kind {
                DifferenceKind::Added => vec![format!("+ {thing} was not there before")],
                _ => vec![format!("- {thing} is missing")],
            };
        }
        let line = |sign: char, definition: &str| {
            let definition = definition.split_whitespace().collect::<Vec<_>>().join(" ");
            if definition.is_empty() { format!("{sign} {thing}") } else { format!("{sign} {thing}: {definition}") }
        };
        match self.kind {
            DifferenceKind::Missing => vec![line('-', &self.before)],
            DifferenceKind::Added => vec![line('+', &self.after)],
            DifferenceKind::Changed => vec![line('-', &self.before), line('+', &self.after)],
        }
    }

    /// Whether this is the same difference in another relation.
    fn is_like(&self, other: &Difference) -> bool {
        let one = (self.kind, &self.aspect, &self.name, &self.before, &self.after);
        one == (other.kind, &other.aspect, &other.name, &other.before, &other.after)
            && !(self.before.is_empty() && self.after.is_empty())
    }
}

/// The differences as lines, a definition in one line: what was stands behind `-`, what is behind
/// `+`. What is different in the same way in several relations, a partitioned table's partitions
/// for instance, is reported once.
pub fn told(differences: &[Difference]) -> Vec<String> {
    grouped(differences).iter().flat_map(|(difference, tables)| difference.lines(tables)).collect()
}

/// As how many differences they are told: those that are told once for several relations count as
/// one.
pub fn told_as(differences: &[Difference]) -> usize {
    grouped(differences).len()
}

/// What is different, as it is told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Told {
    /// What: `column amount of shop.orders`.
    pub subject: String,
    /// The whole lines, with their signs and definitions.
    pub lines: Vec<String>,
    /// The places among the differences that it stands for.
    pub places: Vec<usize>,
}

/// What is different: each difference, and those that are told once for several relations.
pub fn subjects(differences: &[Difference]) -> Vec<Told> {
    let told = |difference: &Difference, tables: &[&str], places: Vec<usize>| Told {
        subject: difference.subject(tables),
        lines: difference.lines(tables),
        places,
    };
    let alone = differences.iter().enumerate().map(|(at, one)| told(one, &[&one.table], vec![at]));
    let mut found: Vec<Told> = alone.collect();
    for (first, tables) in grouped(differences).iter().filter(|(_, tables)| tables.len() > 1) {
        let all = differences.iter().enumerate().filter(|(_, other)| first.is_like(other));
        found.push(told(first, tables, all.map(|(at, _)| at).collect()));
    }
    found
}

/// The differences, with the relations in which each is.
fn grouped(differences: &[Difference]) -> Vec<(&Difference, Vec<&str>)> {
    let mut groups: Vec<(&Difference, Vec<&str>)> = Vec::new();
    for difference in differences {
        match groups.iter_mut().find(|(first, _)| first.is_like(difference)) {
            Some((_, tables)) => tables.push(&difference.table),
            None => groups.push((difference, vec![&difference.table])),
        }
    }
    groups
}

impl fmt::Display for Difference {
    /// `- inbound foreign key orders_id on shop.payments of shop.orders: FOREIGN KEY ...`
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.lines(&[&self.table]).join("\n"))
    }
}
