//! Rows that are deleted, changed and doubled.
//!
//! The row lies in a temporary table of the session meanwhile, from which it is put back as it was.

use super::session::{Done, Result, Session, Undo};
use crate::harness::World;
use crate::ledger::{Ledger, SampledRow};
use crate::pg::error_message;

/// A row in its place.
struct Row {
    /// The table, or the partition, with its schema and quoted.
    table: String,
    ctid: String,
}

/// A column of the row's table.
struct Column {
    name: String,
    generated: bool,
    nullable: bool,
    /// `pg_type.typcategory`: `N` for numbers.
    category: char,
    uuid: bool,
    /// Whether it is part of a unique index or of a foreign key.
    key: bool,
}

/// Deletes a row.
pub async fn delete(session: Session, world: &World, tables: &[u32]) -> Result<Done> {
    match pick(&session, world, tables).await? {
        Some(row) => remove(session, row).await,
        None => Ok(Done::Nothing),
    }
}

/// Deletes the row of one of the transactions that were acknowledged first.
pub async fn lose(session: Session, ledger: &Ledger) -> Result<Done> {
    // Of those that came first at least one should be there; where all were lost, one that came
    // later.
    for most in [20, 2000] {
        if let Some(row) = find(&session, &ledger.earliest(most)).await? {
            session.settled(0).await?;
            return remove(session, row).await;
        }
    }
    Ok(Done::Nothing)
}

async fn remove(session: Session, row: Row) -> Result<Done> {
    save(&session, &row).await?;
    let columns: Vec<String> =
        columns(&session, &row).await?.into_iter().filter(|c| !c.generated).map(|c| c.name).collect();
    let Row { table, ctid } = &row;
    session.execute(&format!("DELETE FROM ONLY {table} WHERE ctid = '{ctid}'")).await?;
    let columns = columns.join(", ");
    let undo =
        format!("INSERT INTO {table} ({columns}) OVERRIDING SYSTEM VALUE SELECT {columns} FROM pg_temp.drillyard_row");
    Ok(Done::Damaged(Undo::Sql(session, undo)))
}

/// Changes a value that is no key.
pub async fn change(session: Session, world: &World, tables: &[u32], seed: u64) -> Result<Done> {
    let Some(row) = pick(&session, world, tables).await? else { return Ok(Done::Nothing) };
    let mut values: Vec<Column> =
        columns(&session, &row).await?.into_iter().filter(|column| !column.key && !column.generated).collect();
    fastrand::Rng::with_seed(seed).shuffle(&mut values);
    save(&session, &row).await?;
    let Row { table, ctid } = &row;
    let other = values.iter().filter_map(|column| Some((column, column.other()?)));
    let null = values.iter().filter(|column| column.nullable).map(|column| (column, "NULL".to_owned()));
    for (Column { name, .. }, value) in other.chain(null) {
        // A constraint may forbid this one.
        let update = format!(
            "UPDATE ONLY {table} AS t SET {name} = {value} WHERE ctid = '{ctid}' AND ({value}) IS DISTINCT FROM {name} RETURNING ctid::text"
        );
        if let Ok(Some(changed)) = session.first(&update).await {
            let now: String = changed.get(0);
            let undo = format!(
                "UPDATE ONLY {table} AS t SET {name} = s.{name} FROM pg_temp.drillyard_row s WHERE t.ctid = '{now}'"
            );
            return Ok(Done::Damaged(Undo::Sql(session, undo)));
        }
    }
    Ok(Done::Nothing)
}

/// Puts a copy of a row beside it, under a new key where the table has one.
pub async fn double(session: Session, world: &World, tables: &[u32]) -> Result<Done> {
    let Some(row) = pick(&session, world, tables).await? else { return Ok(Done::Nothing) };
    let all = columns(&session, &row).await?;
    let table = &row.table;
    let mut new: Vec<usize> = vec![];
    for index in unique(&session, &row).await? {
        let parts: Vec<usize> =
            index.iter().filter_map(|name| all.iter().position(|column| column.name == *name)).collect();
        if parts.iter().any(|part| new.contains(part)) {
            continue;
        }
        // The last one that can be counted up is `seq` rather than `client`.
        match parts.iter().rev().find(|part| all[**part].next(table).is_some()) {
            Some(part) => new.push(*part),
            None => return Ok(Done::Nothing),
        }
    }
    save(&session, &row).await?;
    let written: Vec<(usize, &Column)> = all.iter().enumerate().filter(|(_, column)| !column.generated).collect();
    let names: Vec<&str> = written.iter().map(|(_, column)| column.name.as_str()).collect();
    let values = written.iter().map(|(at, column)| match new.contains(at) {
        true => column.next(table).unwrap_or_else(|| column.name.clone()),
        false => column.name.clone(),
    });
    let values: Vec<String> = values.collect();
    let insert = format!(
        "INSERT INTO {table} ({}) OVERRIDING SYSTEM VALUE SELECT {} FROM pg_temp.drillyard_row s RETURNING ctid::text",
        names.join(", "),
        values.join(", ")
    );
    let copy = session.first(&insert).await?.ok_or("the copy was not inserted")?;
    let undo = format!("DELETE FROM ONLY {table} WHERE ctid = '{}'", copy.get::<_, String>(0));
    Ok(Done::Damaged(Undo::Sql(session, undo)))
}

impl Column {
    /// Another value than the one that is there.
    fn other(&self) -> Option<String> {
        let name = &self.name;
        Some(match self.category {
            'S' => format!("CASE WHEN {name} IS DISTINCT FROM '~' THEN '~' ELSE '-' END"),
            'N' => format!("CASE WHEN {name} IS DISTINCT FROM 0 THEN 0 ELSE 1 END"),
            'B' => format!("coalesce(NOT {name}, true)"),
            // An hour for times of the day, a day for dates.
            'D' => format!("coalesce({name} + interval '25 hours', clock_timestamp())"),
            _ => return None,
        })
    }

    /// A value that no row of the table has, for a copy of the row `s`.
    fn next(&self, table: &str) -> Option<String> {
        let name = &self.name;
        Some(match self.category {
            'N' => format!("(SELECT max({name}) + 1 FROM {table})"),
            'S' => format!("s.{name} || '~'"),
            _ if self.uuid => "gen_random_uuid()".to_owned(),
            'D' => format!("(SELECT max({name}) + interval '25 hours' FROM {table})"),
            _ => return None,
        })
    }
}

/// A random row of the tables: one that the drill's users did not write, if there is one, since of
/// those the ledger knows.
async fn pick(session: &Session, world: &World, tables: &[u32]) -> Result<Option<Row>> {
    for theirs in [false, true] {
        for table in tables {
            let name: String = session.one(&format!("SELECT {table}::regclass::text")).await?.get(0);
            let condition = if theirs { "true".to_owned() } else { not_theirs(session, world, *table).await? };
            let query = format!(
                "SELECT tableoid::regclass::text, ctid::text FROM {name} WHERE {condition}
                 OFFSET floor(random() * (SELECT count(*) FROM {name} WHERE {condition}))::bigint LIMIT 1"
            );
            if let Some(row) = session.first(&query).await? {
                return Ok(Some(Row { table: row.get(0), ctid: row.get(1) }));
            }
        }
    }
    Ok(None)
}

/// The condition that holds for the rows of a table that no user has written.
async fn not_theirs(session: &Session, world: &World, table: u32) -> Result<String> {
    let users = world.shared_users()();
    let mut conditions = vec![];
    for (name, column, clients) in users.iter().flat_map(|(_, users)| users.pool.ledger().tables()) {
        // Without a schema it is found where the users find it.
        let named = match name.schema {
            Some(_) => name.quoted(),
            None => format!("public.{}", name.quoted()),
        };
        let query = format!("SELECT to_regclass({})::oid = {table}", crate::pg::quote_literal(&named));
        if session.one(&query).await?.get::<_, Option<bool>>(0) == Some(true) {
            let numbers: Vec<String> = clients.map(|client| format!("'{client}'")).collect();
            conditions.push(format!("NOT coalesce({column}::text IN ({}), false)", numbers.join(", ")));
        }
    }
    Ok(if conditions.is_empty() { "true".to_owned() } else { conditions.join(" AND ") })
}

/// The row of the first of these transactions that is there.
async fn find(session: &Session, sampled: &[SampledRow]) -> Result<Option<Row>> {
    let mut rest = sampled;
    while let Some(SampledRow { table, columns: [client, seq], .. }) = rest.first() {
        // Those that follow one another in a table are looked for at once.
        let same =
            rest.iter().take_while(|other| other.table == *table && other.columns == [client.clone(), seq.clone()]);
        let keys: Vec<String> = same.map(|one| format!("'{}:{}'", one.values[0], one.values[1])).collect();
        rest = &rest[keys.len()..];
        let query = format!(
            "SELECT tableoid::oid, ctid::text FROM {} WHERE {client}::text || ':' || {seq}::text IN ({list})
             ORDER BY array_position(ARRAY[{list}], {client}::text || ':' || {seq}::text) LIMIT 1",
            table.quoted(),
            list = keys.join(", ")
        );
        // A table that was not brought back has no rows.
        if let Ok(Some(row)) = session.first(&query).await {
            let full = format!(
                "SELECT format('%I.%I', n.nspname, c.relname) FROM pg_class c JOIN pg_namespace n ON n.oid = c.relnamespace WHERE c.oid = {}",
                row.get::<_, u32>(0)
            );
            return Ok(Some(Row { table: session.one(&full).await?.get(0), ctid: row.get(1) }));
        }
    }
    Ok(None)
}

/// Keeps the row for its return.
async fn save(session: &Session, row: &Row) -> Result<()> {
    let Row { table, ctid } = row;
    session
        .execute(&format!("CREATE TEMP TABLE drillyard_row AS SELECT * FROM ONLY {table} WHERE ctid = '{ctid}'"))
        .await?;
    match session.one("SELECT count(*) FROM pg_temp.drillyard_row").await?.get::<_, i64>(0) {
        1 => Ok(()),
        _ => Err(format!("the row at {ctid} of {table} has moved")),
    }
}

async fn columns(session: &Session, row: &Row) -> Result<Vec<Column>> {
    let query = format!(
        "SELECT quote_ident(a.attname), a.attgenerated <> '', NOT a.attnotnull, t.typcategory, t.oid = 'uuid'::regtype,
                EXISTS (SELECT FROM pg_index i WHERE i.indrelid = a.attrelid AND i.indisunique AND a.attnum = ANY (i.indkey::int2[]))
                OR EXISTS (SELECT FROM pg_constraint k WHERE k.conrelid = a.attrelid AND k.contype = 'f' AND a.attnum = ANY (k.conkey))
         FROM pg_attribute a JOIN pg_type t ON t.oid = a.atttypid
         WHERE a.attrelid = {}::regclass AND a.attnum > 0 AND NOT a.attisdropped ORDER BY a.attnum",
        crate::pg::quote_literal(&row.table)
    );
    let rows = session.client.query(&query, &[]).await.map_err(|error| error_message(&error))?;
    Ok(rows
        .iter()
        .map(|row| Column {
            name: row.get(0),
            generated: row.get(1),
            nullable: row.get(2),
            category: char::from(row.get::<_, i8>(3).cast_unsigned()),
            uuid: row.get(4),
            key: row.get(5),
        })
        .collect())
}

/// The columns of each unique index.
async fn unique(session: &Session, row: &Row) -> Result<Vec<Vec<String>>> {
    let query = format!(
        "SELECT array_agg(quote_ident(a.attname) ORDER BY array_position(i.indkey::int2[], a.attnum))
         FROM pg_index i JOIN pg_attribute a ON a.attrelid = i.indrelid AND a.attnum = ANY (i.indkey::int2[])
         WHERE i.indisunique AND i.indrelid = {}::regclass GROUP BY i.indexrelid ORDER BY count(*)",
        crate::pg::quote_literal(&row.table)
    );
    let rows = session.client.query(&query, &[]).await.map_err(|error| error_message(&error))?;
    Ok(rows.iter().map(|row| row.get(0)).collect())
}
