//! Waiting for something that can only be looked at.

use std::time::Instant;

use crate::host::POLL;

/// Looks every few milliseconds until `look` returns a value; gives the last thing seen when the
/// deadline passes.
///
/// `look` returns `Ok(None)` with what it saw through the string it is given.
pub async fn wait_until<T, E>(
    deadline: Instant,
    mut look: impl AsyncFnMut(&mut String) -> Result<Option<T>, E>,
) -> Result<Result<T, String>, E> {
    let mut seen = String::new();
    loop {
        if let Some(value) = look(&mut seen).await? {
            return Ok(Ok(value));
        }
        if Instant::now() >= deadline {
            return Ok(Err(seen));
        }
        tokio::time::sleep(POLL).await;
    }
}
