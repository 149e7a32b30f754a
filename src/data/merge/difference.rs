//! The rows in which two servers' tables differ, found on the way: what is the same on both is not
//! loaded anywhere.
//!
//! Both are read in the order in which they lie on disk, and compared place by place (`ctid`), byte
//! by byte. Two servers that were recovered from one backup have every row that nobody touched at
//! the same place, so that nothing has to be sorted, whatever the key is. If they have not (one was
//! loaded from a dump) more rows are taken for different than are, which costs time and changes
//! nothing: the merge itself compares by key.

use std::fs::File;
use std::io::{BufWriter, Read, Seek, SeekFrom, Write};
use std::pin::Pin;

use bytes::{Buf, Bytes, BytesMut};
use futures_util::{SinkExt, Stream, TryStreamExt};
use tokio_postgres::{Client, CopyInSink};

use super::row::Row;
use super::shape::Shape;
use super::side::Side;
use super::tables::{BAD, GOOD};
use super::touched::{Seen, Sorter, Touched};
use super::writers::Places;
use crate::data::error::{DataError, Result};

/// What was read and found.
#[derive(Debug, Default)]
pub(super) struct Difference {
    /// Rows of the first table.
    pub(super) first: u64,
    /// Rows of the second one.
    pub(super) second: u64,
    /// Rows that were loaded, of both.
    pub(super) loaded: u64,
    /// What was seen of rows of which it is known who wrote them.
    pub(super) seen: Seen,
    /// Where rows of the second one lie that differ, where nobody says who wrote them.
    pub(super) places: Places,
}

/// Loads the rows in which `first` and `second` differ in the session `into`, which has these
/// tables: those of the first into [`GOOD`], those of the second, if `both`, into [`BAD`]. If it is
/// known who wrote them (`touched`), those are loaded that a mistake has written.
pub(super) async fn load(
    first: (&Side<'_>, &Shape),
    second: (&Side<'_>, &Shape),
    (into, names): (&Client, &[String]),
    both: bool,
    touched: Option<&Touched>,
) -> Result<Difference> {
    let keys = first.1.key.len();
    let mut out = Out::open(into, GOOD).await?;
    let mut aside = if both { Some(Aside::new()?) } else { None };
    let mut found = Difference::default();
    let mut leaves: Vec<&String> = first.1.leaves.iter().chain(&second.1.leaves).collect();
    leaves.sort_unstable();
    leaves.dedup();
    for leaf in leaves {
        let mut sorter = touched.map(|touched| Sorter::of(touched, leaf));
        let mut pairs = Pairs {
            a: Rows::open(first, leaf, names).await?,
            b: Rows::open(second, leaf, names).await?,
            waiting: (None, None),
        };
        while let Some((one, other)) = pairs.next().await? {
            let (add, keep) = match &mut sorter {
                Some(sorter) => sorter.look(one.as_ref(), other.as_ref(), keys),
                None => {
                    let differ = one.as_ref().map(|row| &row.text) != other.as_ref().map(|row| &row.text);
                    if let (true, Some(row)) = (differ, &other) {
                        found.places.add(leaf, row.place);
                    }
                    (differ, differ)
                }
            };
            if let (Some(row), true) = (one, add) {
                out.add(&row.text).await?;
            }
            if let (Some(row), true, Some(aside)) = (other, keep, &mut aside) {
                aside.add(&row.text)?;
            }
        }
        found.first += pairs.a.count;
        found.second += pairs.b.count;
        found.seen.add(sorter.map(Sorter::ended).unwrap_or_default());
    }
    found.loaded = out.loaded;
    out.finish().await?;
    if let Some(aside) = aside {
        found.loaded += aside.load(into).await?;
    }
    Ok(found)
}

/// The rows of a table on both servers, place by place.
struct Pairs {
    a: Rows,
    b: Rows,
    /// Rows that were read, and whose place has not come yet.
    waiting: (Option<Row>, Option<Row>),
}

impl Pairs {
    /// What lies at the next place on the first server, and on the second one.
    async fn next(&mut self) -> Result<Option<(Option<Row>, Option<Row>)>> {
        if self.waiting.0.is_none() {
            self.waiting.0 = self.a.next().await?;
        }
        if self.waiting.1.is_none() {
            self.waiting.1 = self.b.next().await?;
        }
        Ok(match &self.waiting {
            (None, None) => None,
            (Some(one), Some(other)) if one.place < other.place => Some((self.waiting.0.take(), None)),
            (Some(one), Some(other)) if one.place > other.place => Some((None, self.waiting.1.take())),
            _ => Some((self.waiting.0.take(), self.waiting.1.take())),
        })
    }
}

/// What COPY ... TO STDOUT sends.
type CopyOut = dyn Stream<Item = std::result::Result<Bytes, tokio_postgres::Error>>;

/// The rows of one table of one server, as they come.
struct Rows {
    stream: Option<Pin<Box<CopyOut>>>,
    doing: String,
    count: u64,
}

impl Rows {
    /// Begins to read `leaf`; a table that is not there has no rows.
    async fn open((side, shape): (&Side<'_>, &Shape), leaf: &str, names: &[String]) -> Result<Self> {
        let doing = format!("reading {leaf} on `{}`", side.name);
        if !shape.leaves.iter().any(|own| own == leaf) {
            return Ok(Rows { stream: None, doing, count: 0 });
        }
        let copy = format!("copy (select ctid, {} from only {leaf}) to stdout", names.join(", "));
        let stream = side.client.copy_out(&copy).await.map_err(DataError::while_doing(&doing))?;
        Ok(Rows { stream: Some(Box::pin(stream)), doing, count: 0 })
    }

    async fn next(&mut self) -> Result<Option<Row>> {
        let Some(stream) = &mut self.stream else { return Ok(None) };
        // The server sends a message for each row.
        let Some(mut text) = stream.try_next().await.map_err(DataError::while_doing(&self.doing))? else {
            // Whoever asks a stream that has ended gets an error.
            self.stream = None;
            return Ok(None);
        };
        self.count += 1;
        let garbled = || DataError::Answer { doing: self.doing.clone(), what: "a row without its place".to_owned() };
        let (place, length) = place(&text).ok_or_else(garbled)?;
        text.advance(length);
        Ok(Some(Row { place, text }))
    }
}

/// The place in front of a row, `(block,offset)` and a tab, as a number that sorts as places do;
/// and its length.
fn place(text: &[u8]) -> Option<(u64, usize)> {
    let mut place = [0_u64; 2];
    let mut part = 0;
    for (at, byte) in text.iter().enumerate().take("(4294967295,65535)\t".len()) {
        match byte {
            b'0'..=b'9' => place[part] = place[part] * 10 + u64::from(byte - b'0'),
            b',' if part == 0 => part = 1,
            b'\t' if part == 1 => return Some(((place[0] << 16) + place[1], at + 1)),
            b'(' | b')' => {}
            _ => return None,
        }
    }
    None
}

/// What is on its way into the other server.
struct Out {
    sink: Pin<Box<CopyInSink<Bytes>>>,
    buffer: BytesMut,
    loaded: u64,
}

/// What is being done while rows are loaded.
const LOADING: &str = "loading the rows that differ";
/// How many bytes are sent at once.
const FULL: usize = 64 * 1024;

impl Out {
    async fn open(into: &Client, table: &str) -> Result<Self> {
        let sink = into.copy_in(&format!("copy pg_temp.{table} from stdin")).await;
        let sink = sink.map_err(DataError::while_doing(LOADING))?;
        Ok(Out { sink: Box::pin(sink), buffer: BytesMut::with_capacity(2 * FULL), loaded: 0 })
    }

    async fn add(&mut self, row: &[u8]) -> Result<()> {
        self.buffer.extend_from_slice(row);
        self.loaded += 1;
        if self.buffer.len() >= FULL { self.send().await } else { Ok(()) }
    }

    async fn send(&mut self) -> Result<()> {
        let full = self.buffer.split().freeze();
        let Err(error) = self.sink.send(full).await else { return Ok(()) };
        // A server that refuses a row hangs up, and says why at the end.
        let said = self.sink.as_mut().finish().await.err().filter(|said| said.as_db_error().is_some());
        Err(DataError::while_doing(LOADING)(said.unwrap_or(error)))
    }

    async fn finish(mut self) -> Result<()> {
        self.send().await?;
        self.sink.as_mut().finish().await.map(drop).map_err(DataError::while_doing(LOADING))
    }
}

/// Rows of the second table, in a file until those of the first are loaded: a session takes one
/// COPY at a time.
struct Aside {
    file: BufWriter<File>,
    rows: u64,
}

fn unwritten(error: std::io::Error) -> DataError {
    DataError::Answer { doing: "keeping the rows that differ in a temporary file".to_owned(), what: error.to_string() }
}

impl Aside {
    fn new() -> Result<Self> {
        Ok(Aside { file: BufWriter::new(tempfile::tempfile().map_err(unwritten)?), rows: 0 })
    }

    fn add(&mut self, row: &[u8]) -> Result<()> {
        self.rows += 1;
        self.file.write_all(row).map_err(unwritten)
    }

    /// Loads them; returns their number.
    async fn load(self, into: &Client) -> Result<u64> {
        let mut file = self.file.into_inner().map_err(|error| unwritten(error.into_error()))?;
        file.seek(SeekFrom::Start(0)).map_err(unwritten)?;
        let mut out = Out::open(into, BAD).await?;
        let mut part = vec![0; FULL];
        loop {
            match file.read(&mut part).map_err(unwritten)? {
                0 => break,
                read => out.add(&part[..read]).await?,
            }
        }
        out.finish().await?;
        Ok(self.rows)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn places_are_read_and_sort_as_they_lie() {
        assert_eq!(place(b"(0,1)\tx"), Some((1, 6)));
        assert_eq!(place(b"(4294967295,65535)\t\n"), Some((u64::from(u32::MAX) << 16 | 65535, 19)));
        assert!(place(b"(2,1)\t") > place(b"(1,200)\t"));
        assert_eq!(place(b"17\tx"), None);
        assert_eq!(place(b"(0,1)"), None);
        assert_eq!(place(b""), None);
    }
}
