//! Rows from a seed: the same ones on any machine, their checksum known without a server.

use bytes::Bytes;
use futures_util::SinkExt;
use tokio_postgres::Client;

use super::columns::{Column, Columns, Kind};
use crate::data::error::{DataError, Result};
use crate::data::hash::{RowSum, scramble};
use crate::data::rows::{ColumnLayout, Layout, quote_into};
use crate::pg::{TableName, quote_identifier, quote_literal};

/// How much is handed to the connection at once, in bytes.
const CHUNK: usize = 256 * 1024;

/// How many chunks may wait for a connection.
const WAITING: usize = 4;

/// Makes a table and its rows.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Generator {
    table: TableName,
    columns: Columns,
    rows: u64,
    seed: u64,
}

impl Generator {
    /// A generator of `rows` rows; an error if the primary key's type can't count so far.
    pub fn new(table: TableName, columns: Columns, rows: u64, seed: u64) -> Result<Generator> {
        let most = match columns.primary_key().map(|key| key.kind) {
            Some(Kind::Smallint) => i16::MAX as u64,
            Some(Kind::Integer) => i32::MAX as u64,
            _ => i64::MAX as u64,
        };
        if rows > most {
            return Err(DataError::TooMany { table, rows, most });
        }
        Ok(Generator { table, columns, rows, seed })
    }

    /// The number of rows.
    pub fn rows(&self) -> u64 {
        self.rows
    }

    /// The table.
    pub fn table(&self) -> &TableName {
        &self.table
    }

    /// What [`row_sum`](crate::data::row_sum) answers if the table holds exactly these rows.
    /// Computed on all the machine's processors, in a second or so for 5 million rows: to be called
    /// from a thread that may block.
    pub fn checksum(&self) -> RowSum {
        let threads = std::thread::available_parallelism().map_or(1, |n| n.get() as u64).min(self.rows / 10_000 + 1);
        let part = self.rows.div_ceil(threads);
        std::thread::scope(|scope| {
            let running: Vec<_> = (0..threads)
                .map(|n| scope.spawn(move || self.sum(n * part, ((n + 1) * part).min(self.rows))))
                .collect();
            let mut whole = RowSum::default();
            for (n, thread) in running.into_iter().enumerate() {
                let n = n as u64;
                // A thread ends without its sum only by a panic; then it is counted here.
                whole.merge(thread.join().unwrap_or_else(|_| self.sum(n * part, ((n + 1) * part).min(self.rows))));
            }
            whole
        })
    }

    /// Makes the table, and its schema if that is missing, and fills it; with a second session in
    /// half the time. An error if the table exists already. The primary key is built when the rows
    /// are there.
    pub async fn load(&self, client: &Client, helper: Option<&Client>) -> Result<()> {
        let doing = format!("making {}", self.table);
        client.batch_execute(&self.create()).await.map_err(DataError::while_doing(&doing))?;
        let doing = format!("filling {}", self.table);
        match helper {
            // Small tables are not worth a second session.
            Some(helper) if self.rows >= 50_000 => {
                let half = self.rows / 2;
                tokio::try_join!(self.copy(client, 0, half, &doing), self.copy(helper, half, self.rows, &doing))?;
            }
            _ => self.copy(client, 0, self.rows, &doing).await?,
        }
        if let Some(key) = self.columns.primary_key() {
            let build = format!(
                "begin; set local maintenance_work_mem = '{}MB'; alter table {} add primary key ({}); commit",
                (self.rows / 20_000).clamp(16, 256),
                self.table.quoted(),
                quote_identifier(&key.name),
            );
            let doing = format!("building the primary key of {}", self.table);
            client.batch_execute(&build).await.map_err(DataError::while_doing(&doing))?;
        }
        Ok(())
    }

    fn create(&self) -> String {
        // CREATE SCHEMA IF NOT EXISTS wants the right to create schemas even where there is nothing
        // to do.
        let schema = self.table.schema.as_ref().map_or(String::new(), |schema| {
            let create = format!("create schema {}", quote_identifier(schema));
            format!(
                "do $do$ begin if to_regnamespace({}) is null then execute {}; end if; end $do$;",
                quote_literal(&quote_identifier(schema)).replace("$do$", "$d o$"),
                quote_literal(&create).replace("$do$", "$d o$"),
            )
        });
        let column = |column: &Column| {
            let not_null = if column.not_null { " not null" } else { "" };
            format!("{} {}{not_null}", quote_identifier(&column.name), column.sql)
        };
        let columns: Vec<String> = self.columns.0.iter().map(column).collect();
        format!("{schema} create table {} ({})", self.table.quoted(), columns.join(", "))
    }

    async fn copy(&self, client: &Client, from: u64, to: u64, doing: &str) -> Result<()> {
        let statement = format!("copy {} from stdin (format binary)", self.table.quoted());
        let sink = client.copy_in::<_, Bytes>(&statement).await.map_err(DataError::while_doing(doing))?;
        let (sender, mut chunks) = tokio::sync::mpsc::channel(WAITING);
        let generator = self.clone();
        // Ends by itself when nobody takes its chunks any more.
        tokio::task::spawn_blocking(move || generator.chunks(from, to, |chunk| sender.blocking_send(chunk).is_ok()));
        let mut sink = std::pin::pin!(sink);
        let mut whole = false;
        while let Some(chunk) = chunks.recv().await {
            whole = chunk.is_empty();
            if !whole {
                sink.send(chunk).await.map_err(DataError::while_doing(doing))?;
            }
        }
        if !whole {
            return Err(DataError::Answer { doing: doing.to_owned(), what: "the generator stopped early".to_owned() });
        }
        sink.as_mut().finish().await.map_err(DataError::while_doing(doing))?;
        Ok(())
    }

    /// Rows `from` to `to` as `COPY ... (FORMAT binary)`, in chunks; an empty one says that these
    /// were all.
    fn chunks(&self, from: u64, to: u64, mut take: impl FnMut(Bytes) -> bool) {
        let mut chunk = Vec::with_capacity(CHUNK + 4096);
        chunk.extend_from_slice(b"PGCOPY\n\xff\r\n\0\0\0\0\0\0\0\0\0");
        let width = (self.columns.0.len() as u16).to_be_bytes();
        for row in from..to {
            chunk.extend_from_slice(&width);
            for (number, column) in self.columns.0.iter().enumerate() {
                match self.value(row, number, column) {
                    None => chunk.extend_from_slice(&(-1_i32).to_be_bytes()),
                    Some((bits, count)) => column.kind.binary(bits, count, &mut chunk),
                }
            }
            if chunk.len() >= CHUNK {
                let full = std::mem::replace(&mut chunk, Vec::with_capacity(CHUNK + 4096));
                if !take(Bytes::from(full)) {
                    return;
                }
            }
        }
        chunk.extend_from_slice(&(-1_i16).to_be_bytes());
        if take(Bytes::from(chunk)) {
            take(Bytes::new());
        }
    }

    /// What a value is made from, and the row's number from 1 if it is that; nothing if it is null.
    fn value(&self, row: u64, number: usize, column: &Column) -> Option<(u64, Option<u64>)> {
        let place = scramble(self.seed.wrapping_add(0x9e37_79b9_7f4a_7c15)).wrapping_add((row << 11) | number as u64);
        let bits = scramble(place.wrapping_mul(0x9e37_79b9_7f4a_7c15));
        if column.nulls && (bits >> 56).is_multiple_of(16) {
            return None;
        }
        Some((bits, column.primary_key.then_some(row + 1)))
    }

    /// The columns of the table.
    pub(in crate::data) fn layout(&self) -> Layout {
        let column = |column: &Column| ColumnLayout {
            name: column.name.clone(),
            kind: column.kind.counted().unwrap_or_default().to_owned(),
            not_null: column.not_null,
            bytewise: true,
        };
        let key = self.columns.primary_key().map(|key| key.name.clone());
        Layout { columns: self.columns.0.iter().map(column).collect(), key: key.into_iter().collect() }
    }

    /// The names of the columns, each with its type as SQL has it.
    pub(in crate::data) fn types(&self) -> impl Iterator<Item = (&str, &str)> {
        self.columns.0.iter().map(|column| (column.name.as_str(), column.sql.as_str()))
    }

    /// The text of a value of a row, counted from 0; nothing for null.
    pub(in crate::data) fn text(&self, row: u64, column: usize) -> Option<String> {
        let of = self.columns.0.get(column)?;
        let (bits, count) = self.value(row, column, of)?;
        let mut text = Vec::new();
        of.kind.text(bits, count, &mut text);
        Some(String::from_utf8_lossy(&text).into_owned())
    }

    /// Adds up the rows from one to before another, counted from 0.
    pub(in crate::data) fn sum(&self, from: u64, to: u64) -> RowSum {
        let mut sum = RowSum::default();
        let (mut text, mut value) = (Vec::new(), Vec::new());
        let all: Vec<usize> = (0..self.columns.0.len()).collect();
        for row in from..to {
            self.write(row, &all, &mut text, &mut value);
            sum.add(&text);
        }
        sum
    }

    /// Writes a row with the columns of these places as `record_out` does. `value` is room for one
    /// value.
    pub(in crate::data) fn write(&self, row: u64, places: &[usize], text: &mut Vec<u8>, value: &mut Vec<u8>) {
        text.clear();
        text.push(b'(');
        for (at, number) in places.iter().enumerate() {
            if at > 0 {
                text.push(b',');
            }
            let Some(column) = self.columns.0.get(*number) else { continue };
            if let Some((bits, count)) = self.value(row, *number, column) {
                value.clear();
                column.kind.text(bits, count, value);
                quote_into(value, text);
            }
        }
        text.push(b')');
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::row_sum;
    use crate::testing::Server;

    #[tokio::test]
    async fn the_generator_knows_what_the_server_will_find() {
        let server = Server::start().await;
        let (client, helper) = (server.connect("postgres").await, server.connect("postgres").await);
        client
            .batch_execute("set timezone = 'Asia/Tokyo'; set datestyle = 'German'; set bytea_output = 'escape'")
            .await
            .expect("settings");
        let every = [
            ("id", "integer primary key"),
            ("a", "smallint"),
            ("b", "int not null"),
            ("c", "bigint"),
            ("d", "numeric"),
            ("e", "numeric(5)"),
            ("f", "numeric(7,7)"),
            ("g", "numeric(40,30)"),
            ("h", "real"),
            ("i", "double precision"),
            ("j", "text"),
            ("k", "varchar(4)"),
            ("l", "boolean"),
            ("m", "uuid"),
            ("n", "date"),
            ("o", "timestamptz"),
            ("p", "timestamp"),
            ("q", "jsonb"),
            ("Really?", "bytea"),
            ("drillyard", "text not null"),
        ];
        let every = Columns::parse(every).expect("columns");
        for (name, columns, rows) in [
            ("\"Some Schema\".\"$do$ 'x'\"", every, 60_000),
            ("shop.plain", Columns::default(), 60_001),
            ("shop.none", Columns::default(), 0),
            ("single", Columns::parse([("x", "text")]).expect("columns"), 100),
        ] {
            let table: TableName = name.parse().expect("a name");
            let generator = Generator::new(table.clone(), columns.clone(), rows, 7).expect("a generator");
            generator.load(&client, Some(&helper)).await.expect("loaded");
            let found = row_sum(&client, &table).await.expect("a sum");
            assert_eq!(found.rows, rows);
            assert_eq!(generator.checksum(), found, "{name}");
            let other = Generator::new(table.clone(), columns, rows, 8).expect("a generator");
            assert_eq!(other.checksum() == found, rows == 0, "another seed makes other rows");
            let error = generator.load(&client, None).await.expect_err("it is there");
            assert!(error.to_string().contains("already exists"), "{error}");
        }
    }
}
