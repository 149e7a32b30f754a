//! What a table was called on disk when a backup was taken: asked of the backup itself, since after a DROP nobody else knows.

use crate::pg::{Lsn, TableName, quote_literal};

/// Recovers a copy of the backup `$1` in the directory `$2`, with a server for one user and no connections (`postgres --single`), to the end
/// of the WAL that the backup brings along, or to just before the LSN `$5` with the archive `$6` on the timeline `$7`, asks it `$3` in the database `$4`, prints the answer and what its log says of the WAL, and
/// removes the copy. Status 3 where there is no such backup.
///
/// `hot_standby` is off: in 17 and later a server for one user cannot have it. Of large tables nothing is copied, as long as that does: their pages are not asked for, and WAL for pages that are not there is passed
/// over (`ignore_invalid_pages`). What would take the server out of its directory (tablespaces, settings) is left behind.
pub const LOOK_UP: &str = r#"[ -f "$1/PG_VERSION" ] || exit 3
trap 'rm -rf "$2"' EXIT
umask 077
ask() {
  rm -rf "$2"; mkdir "$2"
  (cd "$1" && find . -type d ! -path './pg_tblspc/*') | (cd "$2" && xargs mkdir -p)
  (cd "$1" && find . -type f ! -path './base/1/*' ! -path './pg_tblspc/*' ! -path './pg_wal/archive_status/*' ! -path './pg_replslot/*' \
    ! -name '*_fsm' ! -name '*_vm' ! -name backup_manifest ! -name '*.signal' ! -name tablespace_map ! -name 'postgresql*.conf' \
    ! \( -path './base/*' -size "+$5" \)) | (cd "$1" && tar -cf - -T -) | (cd "$2" && tar -xf -)
  cat >"$2/postgresql.conf" <<END
shared_buffers = 32MB
huge_pages = off
dynamic_shared_memory_type = mmap
max_prepared_transactions = 1000
fsync = off
ignore_invalid_pages = on
lc_messages = C
archive_mode = off
END
  if [ -n "$6" ]; then
    cat >>"$2/postgresql.conf" <<END
restore_command = 'cp $7/%f %p 2>/dev/null'
recovery_target_lsn = '$6'
recovery_target_inclusive = off
recovery_target_action = promote
hot_standby = off
recovery_target_timeline = '$8'
END
    : >"$2/recovery.signal"
  fi
  printf "COPY (%s) TO '%s/answer';\n\n" "$3" "$2" | postgres --single -j -D "$2" "$4" >"$2/said" 2>&1 && [ -f "$2/answer" ]
}
ask "$1" "$2" "$3" "$4" 8192k "$5" "$6" "$7" || ask "$1" "$2" "$3" "$4" 999999999k "$5" "$6" "$7" || { tail -n 20 "$2/said" >&2; exit 4; }
cat "$2/answer"
grep -o 'redo done at [0-9A-F/]*' "$2/said" || { cat "$2/said" >&2; exit 4; }"#;

/// The status of [`LOOK_UP`] where there is no such backup.
pub const NO_BACKUP: i64 = 3;

/// The question to [`LOOK_UP`]: the table, its partitions, and where the catalog of tables lies; or, where there is no such table, which
/// ones there are.
pub fn question(table: &TableName) -> String {
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
    /// Its file as WAL records name it, `tablespace/database/file`; empty where it has none of its own.
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
    /// The table, and then its partitions; nothing where there is no such table.
    pub relations: Vec<Relation>,
    /// Where there is no such table, those that there are.
    pub others: Vec<String>,
    /// The last record that the server replayed: from there on the WAL has to be asked.
    pub until: Lsn,
}

impl Known {
    /// Reads what [`LOOK_UP`] prints. None where that makes no sense.
    pub fn read(answer: &str) -> Option<Self> {
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
