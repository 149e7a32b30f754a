//! What a table was called on disk when a backup was taken: asked of the backup itself, since after
//! a DROP nobody else knows.

use super::error::Result;
use super::listed::Label;
use super::storage::Storage;
use crate::host::{Host, Program};
use crate::node::quote_setting;
use crate::pg::{Lsn, TableName, TimelineId, quote_literal};

/// A table to be looked up in a backup.
#[derive(Clone)]
pub struct LookUp<'a> {
    /// The repo.
    pub repo: &'a dyn Storage,
    /// Where a copy of the backup is recovered.
    pub host: &'a dyn Host,
    /// The backup.
    pub backup: &'a Label,
    /// The table.
    pub table: &'a TableName,
    /// The database that it is in.
    pub database: &'a str,
    /// The directory for the copy, which is not there yet; its parent is.
    pub scratch: String,
}

/// What comes of a look-up.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Answer {
    /// The copy's answer.
    Known(Known),
    /// The repo has no such backup.
    NoBackup,
    /// The copy did not come up; what it said.
    Unanswered(String),
}

/// The status of `scripts/look_up.sh` if there is no such backup.
const NO_BACKUP: i64 = 3;

impl LookUp<'_> {
    /// Asks a copy that is recovered to the end of the backup.
    pub async fn at_its_end(&self) -> Result<Answer> {
        self.ask([const { String::new() }; 3]).await
    }

    /// Asks a copy that is recovered to just before `at` on `timeline`.
    pub async fn just_before(&self, at: Lsn, timeline: TimelineId) -> Result<Answer> {
        // Whatever its restore_command complains of is no answer.
        let restore = quote_setting(&format!("{{ {}; }} 2>/dev/null", self.repo.restore_command()));
        self.ask([at.to_string(), restore, timeline.to_string()]).await
    }

    async fn ask(&self, until: [String; 3]) -> Result<Answer> {
        let scratch = format!("{}-backup", self.scratch);
        let Some(files) = self.repo.backup_files(self.host, self.backup, &scratch).await? else {
            return Ok(Answer::NoBackup);
        };
        let made = if files == scratch { scratch } else { String::new() };
        let fixed = [files, self.scratch.clone(), question(self.table), self.database.to_owned()];
        let args = fixed.into_iter().chain(until).chain([made]);
        let output = self.host.run(Program::script(include_str!("scripts/look_up.sh"), args).with_network()).await?;
        Ok(match output.status {
            NO_BACKUP => Answer::NoBackup,
            _ => match output.success().then(|| Known::read(&output.text())).flatten() {
                Some(known) => Answer::Known(known),
                None => Answer::Unanswered(output.stderr.trim().to_owned()),
            },
        })
    }
}

/// The question to a copy: the table, its partitions, and where the catalog of tables lies; or, if
/// there is no such table, which ones there are.
fn question(table: &TableName) -> String {
    // On one line: the server for one user ends a statement at an empty one.
    format!(
        "with asked as (select to_regclass({})::oid as oid), \
         all_of_it as (select oid, true as asked from asked where oid is not null \
             union all select p.relid, false from asked, pg_partition_tree(asked.oid) p where p.relid <> asked.oid), \
         files as (select c.oid, c.ctid, c.relkind, coalesce(nullif(c.reltablespace, 0), d.dattablespace) || '/' || d.oid || '/' || \
             pg_relation_filenode(c.oid) as file from pg_class c, pg_database d where d.datname = current_database()) \
         select * from (select 'class' as what, '', '', file, '' from files where oid = 'pg_class'::regclass \
         union all select * from (select case when asked then 'table' else 'partition' end, f.relkind::text, translate(f.ctid::text, '()', ''), \
             coalesce(f.file, ''), coalesce(pg_relation_filepath(f.oid), '') from all_of_it join files f using (oid) order by asked desc, oid) t \
         union all select * from (select 'other', '', '', case when n.nspname = 'public' then '' else quote_ident(n.nspname) || '.' end || \
             quote_ident(c.relname), '' from pg_class c join pg_namespace n on n.oid = c.relnamespace where c.relkind in ('r', 'p') and \
             n.nspname not in ('pg_catalog', 'information_schema') and not exists (select from all_of_it) limit 1000) o) answer",
        quote_literal(&table.quoted()).trim(),
    )
}

/// A table, or one of its partitions, as a backup has it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Relation {
    /// Where its row lies in pg_class: `block,offset`.
    pub place: String,
    /// Its file as WAL records name it, `tablespace/database/file`; empty if it has none of its
    /// own.
    pub file: String,
    /// Its file's path in the data directory.
    pub path: String,
}

/// What a backup knows of a table.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Known {
    /// pg_class's file, as WAL records name it.
    pub class: String,
    /// `r` or `p`, as in `pg_class.relkind`.
    pub kind: String,
    /// The table, and then its partitions; nothing if there is no such table.
    pub relations: Vec<Relation>,
    /// If there is no such table, those that there are.
    pub others: Vec<String>,
    /// The last record that the server replayed: from there on the WAL has to be asked.
    pub until: Lsn,
}

impl Known {
    /// Reads what the script prints. None if that makes no sense.
    fn read(answer: &str) -> Option<Self> {
        let mut known = Known::default();
        let mut until = None;
        for line in answer.lines() {
            let fields: Vec<&str> = line.split('\t').collect();
            match fields.as_slice() {
                ["class", _, _, file, _] => known.class = (*file).to_owned(),
                [what @ ("table" | "partition"), kind, place, file, path] => {
                    if *what == "table" {
                        known.kind = (*kind).to_owned();
                    }
                    let own = |text: &str| text.to_owned();
                    known.relations.push(Relation { place: own(place), file: own(file), path: own(path) });
                }
                ["other", _, _, name, _] => known.others.push((*name).to_owned()),
                [line] => until = line.rsplit(' ').next().and_then(|word| word.parse().ok()),
                _ => return None,
            }
        }
        known.until = until?;
        (!known.class.is_empty()).then_some(known)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_is_read() {
        let answer = "class\t\t\t1663/5/1259\t\ntable\tp\t0,5\t\t\npartition\tr\t1,7\t1663/5/16385\tbase/5/16385\n\
            redo done at 0/3000128\n";
        let known = Known::read(answer).expect("read");
        assert_eq!((known.class.as_str(), known.kind.as_str(), known.until), ("1663/5/1259", "p", Lsn(0x300_0128)));
        assert_eq!(known.relations.len(), 2);
        assert_eq!(known.relations[1].path, "base/5/16385");
        let none =
            Known::read("class\t\t\t1663/5/1259\t\nother\t\t\tshop.visits\t\nredo done at 0/3000128\n").expect("read");
        assert_eq!((none.relations.len(), none.others), (0, vec!["shop.visits".to_owned()]));
        assert_eq!(Known::read(""), None);
        assert_eq!(Known::read("nonsense\tx\n"), None);
    }

    #[test]
    fn a_question_is_one_line_whatever_the_name() {
        let table = r#""it's"."a%sb""#.parse::<TableName>().expect("a name");
        let question = question(&table);
        assert!(!question.contains('\n') && question.contains(r#"'"it''s"."a%sb"'"#), "{question}");
    }
}
