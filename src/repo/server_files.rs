//! The files of a backup that say what server it is of, as far as they can be read without
//! restoring it.

use super::error::{Result, run};
use crate::host::{Host, Program};

/// Where they lie.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ServerFiles {
    /// The backup is a data directory, and this is it. Nothing may be written there.
    Whole(String),
    /// This directory has some of them.
    Some(String),
    /// Nowhere: why.
    None(String),
}

impl ServerFiles {
    /// Where they lie.
    pub fn dir(&self) -> Option<&str> {
        match self {
            ServerFiles::Whole(dir) | ServerFiles::Some(dir) => Some(dir),
            ServerFiles::None(_) => None,
        }
    }

    /// Reads what `scripts/server_files.sh` prints.
    pub(super) fn read(text: &str) -> Self {
        let (word, rest) = text.trim().split_once(' ').unwrap_or((text.trim(), ""));
        match word {
            "whole" => ServerFiles::Whole(rest.to_owned()),
            "some" => ServerFiles::Some(rest.to_owned()),
            _ => ServerFiles::None(rest.to_owned()),
        }
    }
}

/// Those of the backup in a directory, plain or tar. What has to be unpacked goes to `scratch`.
pub(super) async fn server_files_in(host: &dyn Host, dir: &str, scratch: &str) -> Result<ServerFiles> {
    let program = Program::script(include_str!("scripts/server_files.sh"), [dir, scratch]);
    Ok(ServerFiles::read(&run(host, "reading the backup", program).await?.text()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_the_script_says_is_read() {
        assert_eq!(ServerFiles::read("whole /b/my night\n"), ServerFiles::Whole("/b/my night".to_owned()));
        assert_eq!(ServerFiles::read("some /s\n").dir(), Some("/s"));
        assert_eq!(
            ServerFiles::read("none zstd is not installed\n"),
            ServerFiles::None("zstd is not installed".to_owned())
        );
    }
}
