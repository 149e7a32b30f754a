//! Printing, and waiting for servers.

use std::io::Write;

use super::stop::{Result, Stop};

/// Prints without complaining about a reader that has gone.
pub fn print_all(text: &str) {
    let _ = std::io::stdout().lock().write_all(text.as_bytes());
}

/// Prints a line, in the same way.
pub fn say(text: &str) {
    print_all(&format!("{text}\n"));
}

/// Says something on stderr, in the same way.
pub fn complain(text: &str) {
    ask(&format!("{text}\n"));
}

/// Writes to stderr, and stays on the line.
pub fn ask(text: &str) {
    let _ = std::io::stderr().lock().write_all(text.as_bytes());
}

/// The runtime for subcommands that talk to servers.
pub fn block_on<T>(future: impl Future<Output = Result<T>>) -> Result<T> {
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build();
    runtime.map_err(|e| Stop::lab(format!("cannot start the runtime: {e}")))?.block_on(future)
}
