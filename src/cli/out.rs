//! Printing, and waiting for servers.
#![expect(clippy::print_stderr, reason = "printing is what this room is for")]

use super::stop::{Result, Stop};

/// Prints without complaining about a reader that has gone.
pub fn print_all(text: &str) {
    use std::io::Write;
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Says something on stderr.
pub fn complain(text: &str) {
    eprintln!("{text}");
}

/// A text as one word of a command that a shell is given.
pub fn as_word(text: &str) -> String {
    match text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,".contains(c)) {
        true => text.to_owned(),
        false => format!("'{}'", text.replace('\'', r"'\''")),
    }
}

/// The runtime for subcommands that talk to servers.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| Stop::lab(format!("cannot start the runtime: {e}")))?.block_on(future)
}
