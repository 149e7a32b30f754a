//! What a report format is.

use std::fmt;
use std::io::{self, Write};
use std::path::{Path, PathBuf};

use crate::journal::{Entry, Listener};

use super::collect::RunRecord;
use super::failures::WriteFailures;

/// A report that is written to a path that the user names.
///
/// Its option, its variable, the check that it can be written, and `runs show --format` follow from
/// this declaration.
#[derive(Debug, Clone, Copy)]
pub struct Format {
    /// What `runs show --format` calls it: `junit`.
    pub name: &'static str,
    /// The option that asks for it, without the dashes: `report-junit`.
    pub option: &'static str,
    /// What the option takes, for help: `PATH`.
    pub value: &'static str,
    /// What help says of the option.
    pub help: &'static str,
    /// How it is made.
    pub(super) made: Made,
}

/// How a report is made.
#[derive(Clone, Copy)]
pub(super) enum Made {
    /// One file, written whole from all that is known of the run.
    Whole(Render),
    /// The same, as the file of this name in the folder that the user names.
    InFolder(&'static str, Render),
    /// One file, written at the run's end, with what it was before.
    Continued(Continue),
    /// Line by line, as things happen; `-` is stdout.
    Lines(Lines),
}

/// Makes the text of a report that is written whole.
pub(super) type Render = fn(&RunRecord) -> io::Result<String>;

/// Makes the text of a report from what its file was before, empty if there was none.
pub(super) type Continue = fn(&RunRecord, &str) -> io::Result<String>;

/// Makes the listener that writes lines. The path is what messages call the file.
pub(super) type Lines = fn(Box<dyn Write + Send>, PathBuf, WriteFailures) -> Box<dyn Listener>;

impl fmt::Debug for Made {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Made::Whole(_) => "Whole",
            Made::InFolder(..) => "InFolder",
            Made::Continued(_) => "Continued",
            Made::Lines(_) => "Lines",
        })
    }
}

impl Format {
    /// The file that is written if the user names this path.
    pub fn file(&self, named: &Path) -> PathBuf {
        match self.made {
            Made::InFolder(file, _) => named.join(file),
            Made::Whole(_) | Made::Continued(_) | Made::Lines(_) => named.to_owned(),
        }
    }

    /// Whether this path is stdout, which nothing else may be written to then.
    pub fn is_stdout(&self, named: &Path) -> bool {
        matches!(self.made, Made::Lines(_)) && named == Path::new("-")
    }

    /// Writes the report of a run that is over, or that broke off.
    ///
    /// # Errors
    /// If it cannot be made, or `out` takes no more.
    pub fn write(&self, entries: &[Entry], mut out: Box<dyn Write + Send>) -> io::Result<()> {
        let record = || {
            let mut record = RunRecord::default();
            entries.iter().for_each(|entry| record.hear(entry));
            record
        };
        match self.made {
            Made::Whole(render) | Made::InFolder(_, render) => out.write_all(render(&record())?.as_bytes()),
            Made::Continued(render) => out.write_all(render(&record(), "")?.as_bytes()),
            Made::Lines(lines) => {
                let failures = WriteFailures::default();
                let mut listener = lines(out, "-".into(), failures.clone());
                // Nothing more is written to what has once taken no more.
                entries.iter().try_for_each(|entry| {
                    listener.hear(entry);
                    failures.first()
                })
            }
        }
    }
}
