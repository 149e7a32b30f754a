//! Large objects that rows refer to: a column of type `oid`, of a domain over it or of an array of
//! these holds their numbers, and no dependency shows it. A column of another type does if it holds
//! nothing but numbers of large objects that there are.

use std::collections::{BTreeMap, BTreeSet};

use serde::Serialize;
use tokio_postgres::Client;

use super::catalog_query;
use super::differences::{Difference, DifferenceKind};
use crate::data::error::{DataError, Result};
use crate::pg::quote_identifier;

const READING: &str = "reading the large objects that rows refer to";

/// How many numbers a line lists.
const MOST: usize = 5;

/// What is in large objects, for a `where loid in (...)` behind it: two that read the same have the
/// same sum, whether zeros are stored or left out.
const SUMS: &str = "select loid, max(pageno::bigint * size + length(data)) as bytes,
    md5(coalesce(string_agg(pageno || ' ' || md5(page), ' ' order by pageno) filter (where page <> zeros), '')) as sum
    from pg_catalog.pg_largeobject
    cross join (select current_setting('block_size')::int / 4 as size, decode(repeat('00', current_setting('block_size')::int / 4), 'hex') as zeros) z
    cross join lateral (select substr(data || zeros, 1, size) as page) p";

/// The large objects that some tables' rows refer to.
#[derive(Debug, Clone, PartialEq, Eq, Default, Serialize)]
pub struct LargeObjects {
    /// The columns that may refer to them.
    columns: Vec<OidColumn>,
}

/// A column that may refer to large objects.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
struct OidColumn {
    /// The table, qualified, as in SQL.
    table: String,
    /// The column's name.
    column: String,
    /// What its values are.
    holds: Holds,
    /// What is there of each large object, by its number; none if a row refers to one that is not
    /// there.
    seen: BTreeMap<u32, Option<String>>,
}

/// What the values of a column are that may refer to large objects.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
pub(super) enum Holds {
    /// Their numbers.
    Oid,
    /// Arrays of them.
    Array,
    /// Something else, which may be their numbers.
    Other,
}

impl OidColumn {
    /// What asks for its values.
    fn query(&self) -> String {
        let (table, column) = (&self.table, quote_identifier(&self.column));
        match self.holds {
            Holds::Oid => format!("select distinct {column}::oid from only {table} where {column} is not null"),
            Holds::Array => {
                format!("select distinct e::oid from only {table} cross join lateral unnest({column}) e where e is not null")
            }
            // A value that is none of their numbers must not end the query.
            Holds::Other => format!(
                "select distinct case when v ~ '^([0-9]{{1,9}}|[1-3][0-9]{{9}})$' then v::int8::oid end
                from (select {column}::text as v from only {table} where {column} is not null) x where v ~ '^([0-9]{{1,9}}|[1-3][0-9]{{9}})$'"
            ),
        }
    }

    /// What asks whether all of its values are numbers of large objects.
    fn test(&self) -> String {
        let (table, column) = (&self.table, quote_identifier(&self.column));
        format!(
            "exists (select from only {table} where {column} is not null) and not exists (select from only {table} x
            where x.{column} is not null and not exists (select from pg_largeobject_metadata m where m.oid::text = x.{column}::text))"
        )
    }

    fn refers(&self) -> bool {
        self.seen.values().any(Option::is_some)
    }
}

impl LargeObjects {
    /// Adds a column whose values are not read yet.
    pub(super) fn may_be_in(&mut self, table: String, column: String, holds: Holds) {
        self.columns.push(OidColumn { table, column, holds, seen: BTreeMap::new() });
    }

    /// Leaves out the columns of other types that do not refer to large objects, and did not
    /// before.
    async fn leave_out_others(&mut self, client: &Client, before: Option<&LargeObjects>) -> Result<()> {
        let referred = |column: &OidColumn| {
            let is_it = |was: &OidColumn| was.table == column.table && was.column == column.column && was.refers();
            before.is_some_and(|before| before.columns.iter().any(is_it))
        };
        let (mut known, doubtful): (Vec<OidColumn>, Vec<OidColumn>) = std::mem::take(&mut self.columns)
            .into_iter()
            .partition(|column| column.holds != Holds::Other || referred(column));
        let any = "select 0 where exists (select from pg_catalog.pg_largeobject_metadata)";
        if !doubtful.is_empty() && !catalog_query::alone(client, any, READING).await?.is_empty() {
            let numbered = doubtful.iter().enumerate();
            let tests: Vec<String> =
                numbered.map(|(number, column)| format!("select {number} where {}", column.test())).collect();
            let refer = catalog_query::alone(client, &tests.join(" union all "), READING).await?;
            let refer: BTreeSet<usize> = refer.iter().filter_map(|row| row.first()?.parse().ok()).collect();
            let numbered = doubtful.into_iter().enumerate();
            known.extend(numbered.filter(|(number, _)| refer.contains(number)).map(|(_, column)| column));
        }
        self.columns = known;
        Ok(())
    }

    /// What rows refer to that is gone here, and that `there` has: a line for each column.
    pub fn lost(&self, there: &LargeObjects) -> Vec<String> {
        let gone = compare(there, self).into_iter().filter(|one| one.kind == DifferenceKind::Missing);
        gone.map(|one| format!("{}, {}: {}", one.table, one.name, one.before)).collect()
    }

    /// How many of them there are.
    pub fn count(&self) -> usize {
        self.numbers().len()
    }

    /// The columns that refer to some: `docs.body`.
    pub fn referring(&self) -> Vec<String> {
        let columns = self.columns.iter().filter(|column| column.refers());
        columns.map(|column| format!("{}.{}", column.table, column.column)).collect()
    }

    fn numbers(&self) -> BTreeMap<u32, &str> {
        let seen = self.columns.iter().flat_map(|column| &column.seen);
        seen.filter_map(|(number, definition)| Some((*number, definition.as_deref()?))).collect()
    }

    /// The values of all columns, as a common table expression `refs(number, oid)`.
    fn refs(&self) -> String {
        let columns = self.columns.iter().enumerate();
        let all: Vec<String> = columns
            .map(|(number, column)| format!("select {number}, v.oid from ({}) v(oid)", column.query()))
            .collect();
        format!("refs(number, oid) as materialized ({})", all.join(" union all "))
    }

    /// Reads what the columns refer to. Those that are not there are of interest where they may
    /// have been there before.
    pub(super) async fn read(&mut self, client: &Client, before: Option<&LargeObjects>) -> Result<()> {
        self.leave_out_others(client, before).await?;
        if self.columns.is_empty() {
            return Ok(());
        }
        let only = match before.is_some_and(|before| before.count() > 0) {
            true => "",
            false => "where m.oid is not null",
        };
        let query = format!(
            "with {refs}, sums as ({SUMS} where loid in (select oid from refs) group by loid)
            select r.number, r.oid, case when m.oid is not null then concat(coalesce(s.bytes, 0), ' bytes, md5 ', coalesce(s.sum, md5('')),
                ', owner ', quote_ident(pg_get_userbyid(m.lomowner)), (select ', grants ' || string_agg(x::text, ' ' order by x::text) from unnest(m.lomacl) x),
                ', comment ' || quote_literal(obj_description(m.oid, 'pg_largeobject'))) end
            from refs r left join pg_largeobject_metadata m on m.oid = r.oid left join sums s on s.loid = m.oid {only}",
            refs = self.refs(),
        );
        for row in catalog_query::alone(client, &query, READING).await? {
            let wrong = || DataError::Answer { doing: READING.to_owned(), what: format!("{row:?}") };
            let [number, oid, definition] = row.as_slice() else { return Err(wrong()) };
            let column =
                number.parse::<usize>().ok().and_then(|number| self.columns.get_mut(number)).ok_or_else(wrong)?;
            let there = (!definition.is_empty()).then(|| definition.clone());
            column.seen.insert(oid.parse().map_err(|_| wrong())?, there);
        }
        Ok(())
    }

    /// A query whose rows are the lines of a psql script that brings these large objects: those
    /// that are there already with the same contents stay as they are; if one is there with others,
    /// it ends in an error that names it.
    pub fn script(&self) -> String {
        let begin = [
            r"\o /dev/null",
            "SET standard_conforming_strings = on; SET client_encoding = 'UTF8';",
            "CREATE TEMP TABLE drillyard_wanted (loid oid PRIMARY KEY, bytes bigint, sum text) ON COMMIT DROP;",
        ];
        let create = [
            one_line(&check()),
            one_line(
                "CREATE TEMP TABLE drillyard_missing ON COMMIT DROP AS SELECT loid FROM pg_temp.drillyard_wanted
                WHERE loid NOT IN (SELECT oid FROM pg_catalog.pg_largeobject_metadata);",
            ),
            "SELECT pg_catalog.lo_create(loid) FROM pg_temp.drillyard_missing;".to_owned(),
        ];
        let lines = |place: u32, lines: &[&str]| {
            let all = lines.iter().enumerate();
            all.map(|(i, line)| format!("select {place}, 0, {i}, {}", crate::pg::quote_literal(line)))
                .collect::<Vec<_>>()
                .join(" union all ")
        };
        format!(
            "with {refs}, wanted as materialized (select m.* from pg_largeobject_metadata m where m.oid in (select oid from refs)),
            sums as ({SUMS} where loid in (select oid from wanted) group by loid),
            line(place, loid, page, text) as ({begin}
            union all
            select 1, m.oid::bigint, 0, format('INSERT INTO pg_temp.drillyard_wanted VALUES (%s, %s, %L);', m.oid, coalesce(s.bytes, 0), coalesce(s.sum, md5('')))
            from wanted m left join sums s on s.loid = m.oid
            union all {create}
            union all
            select 3, l.loid::bigint, l.pageno, format('SELECT pg_catalog.lo_put(%s, %s, pg_catalog.decode(''%s'', ''hex'')) FROM pg_temp.drillyard_missing WHERE loid = %s;',
                l.loid, l.pageno::bigint * (current_setting('block_size')::int / 4), encode(l.data, 'hex'), l.loid)
            from pg_largeobject l where l.loid in (select oid from wanted)
            union all
            select 4, m.oid::bigint, 0, concat('DO $drillyard$ BEGIN IF EXISTS (SELECT FROM pg_temp.drillyard_missing WHERE loid = ', m.oid, ') THEN ',
                format('ALTER LARGE OBJECT %s OWNER TO %I; ', m.oid, pg_get_userbyid(m.lomowner)),
                case when m.lomacl is not null then format('REVOKE ALL ON LARGE OBJECT %s FROM %I; ', m.oid, pg_get_userbyid(m.lomowner)) end,
                (select string_agg(format('GRANT %s ON LARGE OBJECT %s TO %s%s; ', x.privilege_type, m.oid,
                    case x.grantee when 0 then 'PUBLIC' else quote_ident(pg_get_userbyid(x.grantee)) end, case when x.is_grantable then ' WITH GRANT OPTION' else '' end), '')
                    from aclexplode(m.lomacl) x),
                format('EXECUTE format(''COMMENT ON LARGE OBJECT %s IS %%L'', convert_from(decode(%L, ''hex''), ''UTF8'')); ', m.oid,
                    encode(convert_to(nullif(obj_description(m.oid, 'pg_largeobject'), ''), 'UTF8'), 'hex')),
                'END IF; END $drillyard$;')
            from wanted m
            union all select 5, 0, 0, '\\o')
            select text from line order by place, loid, page",
            refs = self.refs(),
            begin = lines(0, &begin),
            create = lines(2, &create.each_ref().map(String::as_str)),
        )
    }
}

/// Ends the script if there are large objects with these numbers that have other contents.
fn check() -> String {
    format!(
        "DO $drillyard$ DECLARE taken text; BEGIN
        SELECT string_agg(n::text, ', ' ORDER BY n) INTO taken FROM (SELECT w.loid AS n FROM pg_temp.drillyard_wanted w
            JOIN pg_catalog.pg_largeobject_metadata m ON m.oid = w.loid
            LEFT JOIN ({SUMS} where loid in (select loid from pg_temp.drillyard_wanted) group by loid) s ON s.loid = w.loid
            WHERE (coalesce(s.bytes, 0), coalesce(s.sum, md5(''))) IS DISTINCT FROM (w.bytes, w.sum) ORDER BY 1 LIMIT 10) t;
        IF taken IS NOT NULL THEN RAISE EXCEPTION 'large objects with these numbers exist, with other contents: %', taken
            USING HINT = 'the rows of the dump would refer to the wrong ones: look at them with lo_get(NUMBER), and remove what is in the way with lo_unlink(NUMBER)';
        END IF; END $drillyard$;"
    )
}

/// A statement in one line, as psql reads it.
fn one_line(statement: &str) -> String {
    statement.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Of the large objects that rows refer to still: which are gone, and which are not as they were.
/// What users brought or took with its row is no difference.
pub(super) fn compare(before: &LargeObjects, after: &LargeObjects) -> Vec<Difference> {
    let then = before.numbers();
    let mut told = BTreeSet::new();
    let mut found = Vec::new();
    for OidColumn { table, column, seen, .. } in &after.columns {
        let mut gone = Vec::new();
        for (number, now) in seen {
            let Some(was) = then.get(number) else { continue };
            match now {
                Some(now) if now == was || !told.insert(*number) => {}
                Some(now) => found.push(Difference {
                    kind: DifferenceKind::Changed,
                    table: table.clone(),
                    aspect: "large object".to_owned(),
                    name: format!("{number} in column {column}"),
                    before: (*was).to_owned(),
                    after: now.clone(),
                }),
                None => gone.push(number.to_string()),
            }
        }
        if !gone.is_empty() {
            let more = if gone.len() > MOST { ", ..." } else { "" };
            let numbers = gone.iter().take(MOST).cloned().collect::<Vec<_>>().join(", ");
            found.push(Difference {
                kind: DifferenceKind::Missing,
                table: table.clone(),
                aspect: "large objects".to_owned(),
                name: format!("in column {column}"),
                before: format!("rows refer to {} that no longer exist: {numbers}{more}", gone.len()),
                after: String::new(),
            });
        }
    }
    found
}
