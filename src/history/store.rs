//! What holds a history: statements go in, rows come out.

use super::error::Result;

/// A value in a statement or a row. NULL has the type of its column.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Value {
    Text(Option<String>),
    Number(Option<i64>),
}

impl From<&str> for Value {
    fn from(text: &str) -> Self {
        Value::Text(Some(text.to_owned()))
    }
}

impl From<Option<&str>> for Value {
    fn from(text: Option<&str>) -> Self {
        Value::Text(text.map(str::to_owned))
    }
}

impl From<i64> for Value {
    fn from(number: i64) -> Self {
        Value::Number(Some(number))
    }
}

impl From<Option<u64>> for Value {
    fn from(number: Option<u64>) -> Self {
        Value::Number(number.map(|number| i64::try_from(number).unwrap_or(i64::MAX)))
    }
}

/// A row that was read.
pub(super) struct Row(pub Vec<Value>);

impl Row {
    /// The text in a column; none for NULL.
    pub(super) fn text(&self, column: usize) -> Option<String> {
        match self.0.get(column) {
            Some(Value::Text(text)) => text.clone(),
            _ => None,
        }
    }

    /// The number in a column; none for NULL.
    pub(super) fn number(&self, column: usize) -> Option<i64> {
        match self.0.get(column) {
            Some(Value::Number(number)) => *number,
            _ => None,
        }
    }
}

/// A database with one session. Statements are written so that SQLite and PostgreSQL both take
/// them: TEXT and BIGINT, and `$1` to `$n` in the order in which they first appear.
pub(super) trait Store: Send {
    /// Runs a statement.
    fn execute(&mut self, sql: &str, values: &[Value]) -> Result<()>;

    /// Runs a query.
    fn query(&mut self, sql: &str, values: &[Value]) -> Result<Vec<Row>>;

    /// Runs statements without values.
    fn script(&mut self, sql: &str) -> Result<()>;

    /// Whether it has the table that says of which version it is.
    fn is_made(&mut self) -> Result<bool>;

    /// Begins a transaction.
    fn begin(&mut self) -> Result<()>;

    /// Keeps others from changing the schema for as long as the transaction lasts.
    fn lock(&mut self) -> Result<()>;
}

/// Does all of it, or nothing.
pub(super) fn whole<T>(store: &mut dyn Store, work: impl FnOnce(&mut dyn Store) -> Result<T>) -> Result<T> {
    store.begin()?;
    match work(store).and_then(|done| store.script("COMMIT").map(|()| done)) {
        Ok(done) => Ok(done),
        Err(error) => {
            // It ends with the session in any case.
            let _ = store.script("ROLLBACK");
            Err(error)
        }
    }
}
