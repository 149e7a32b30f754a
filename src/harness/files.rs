//! The files of the scenario's folder on a host of the drill.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use super::copied::{Copied, called};
use super::{Finding, World};
use crate::host::Program;
use crate::node::Node;

/// The variable by which commands find the copy of the scenario's folder.
pub const FILES_VARIABLE: &str = "DRILLYARD_FILES";

/// How many files are copied.
const MOST_FILES: usize = 200;
/// How many bytes they may have together.
const MOST_BYTES: u64 = 16 << 20;
/// How deep folders may lie in one another.
const DEEPEST: usize = 8;

impl World {
    /// The copy of the files that lie in the scenario's folder and below it, as the host of `node`
    /// sees it; made when it is asked for first. Names that begin with a dot are left out, and
    /// whatever is secret or no file: that is told.
    ///
    /// # Errors
    /// If they are more than can be copied, or the host does not take them.
    pub async fn files_on(&self, node: &Node) -> Result<Copied, Box<Finding>> {
        let known = self.outputs().files.clone();
        if let Some(known) = known {
            return Ok(known);
        }
        let host = node.host()?;
        let target = format!("{}/files", host.paths().shared);
        let root = self.file_roots.first().cloned().unwrap_or_default();
        let private = self.private.iter().filter_map(|path| path.canonicalize().ok()).collect();
        let mut found = Found { private, ..Found::default() };
        match root.canonicalize() {
            // Then it is about everything below it, too.
            Ok(real) if found.is_private(&real) => found.leave_out(PathBuf::new(), PRIVATE),
            _ => found.gather(&root, Path::new(""), 0)?,
        }
        let place = |path: &Path| format!("{target}/{}", path.display());
        let folders = found.folders.iter().map(|folder| place(folder)).chain([target.clone()]);
        let made = host.run(Program::new("mkdir", ["-p", "--"]).with_args(folders)).await?;
        if !made.success() {
            return Err(Finding::errored(format!("{target} cannot be made")).note("said", made.stderr));
        }
        let mut programs = vec![];
        for file in std::mem::take(&mut found.files) {
            let path = root.join(&file);
            let contents = std::fs::read(&path).map_err(|error| unreadable(&path, &error))?;
            let text = String::from_utf8_lossy(&contents);
            if self.journal.redact(&text) != text {
                found.left_out.insert(file, "a value in it is one of the secrets");
                continue;
            }
            host.write(&place(&file), &contents).await?;
            if is_program(&path) {
                programs.push(place(&file));
            }
        }
        if !programs.is_empty() {
            host.run(Program::new("chmod", ["u+x", "--"]).with_args(programs)).await?;
        }
        let copied = Copied { dir: target, left_out: found.left_out };
        self.tell_left_out(&copied);
        self.outputs().files = Some(copied.clone());
        Ok(copied)
    }

    fn tell_left_out(&self, copied: &Copied) {
        let list = copied.left_out.iter().map(|(path, why)| format!("{} ({why})", called(path)));
        let list: Vec<String> = list.collect();
        if !list.is_empty() {
            let message = format!("`${{files}}` is without {}", list.join(", "));
            self.warn(message);
        }
    }
}

fn unreadable(path: &Path, error: &std::io::Error) -> Box<Finding> {
    Finding::errored(format!("{} cannot be read: {error}", path.display()))
}

#[cfg(unix)]
fn is_program(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    std::fs::metadata(path).is_ok_and(|about| about.permissions().mode() & 0o100 != 0)
}

/// What lies in a folder, by its path in it.
#[derive(Default)]
struct Found {
    files: Vec<PathBuf>,
    folders: Vec<PathBuf>,
    bytes: u64,
    /// What is not copied, and why.
    left_out: BTreeMap<PathBuf, &'static str>,
    /// What is secret, by its path on this machine.
    private: Vec<PathBuf>,
}

/// Why what is private is not copied.
const PRIVATE: &str = "it is kept for what is secret";

impl Found {
    /// Whether it is secret, or lies below what is.
    fn is_private(&self, real: &Path) -> bool {
        self.private.iter().any(|private| real.starts_with(private))
    }

    fn leave_out(&mut self, path: PathBuf, why: &'static str) {
        self.left_out.insert(path, why);
    }

    fn gather(&mut self, root: &Path, folder: &Path, depth: usize) -> Result<(), Box<Finding>> {
        let path = root.join(folder);
        let entries = std::fs::read_dir(&path).map_err(|error| unreadable(&path, &error))?;
        for entry in entries {
            let entry = entry.map_err(|error| unreadable(&path, &error))?;
            let name = entry.file_name();
            let hidden = name.to_string_lossy().starts_with('.');
            let kind = entry.file_type().map_err(|error| unreadable(&path, &error))?;
            let inner = folder.join(&name);
            let is_private = || root.join(&inner).canonicalize().is_ok_and(|real| self.is_private(&real));
            if hidden {
                // Nobody misses what is hidden: the documentation says so.
            } else if is_private() {
                self.leave_out(inner, PRIVATE);
            } else if kind.is_dir() && depth >= DEEPEST {
                self.leave_out(inner, "it lies too deep, below more than 8 folders");
            } else if kind.is_dir() {
                self.folders.push(inner.clone());
                self.gather(root, &inner, depth + 1)?;
            } else if kind.is_file() {
                self.bytes += entry.metadata().map_or(0, |about| about.len());
                self.files.push(inner);
            } else {
                self.leave_out(inner, "it is no plain file");
            }
            if self.files.len() > MOST_FILES || self.bytes > MOST_BYTES {
                let title = format!("{} has more in it than is copied to a host", root.display());
                let label = format!("at most {MOST_FILES} files and {} MB", MOST_BYTES >> 20);
                let help = "put the scenario and its files into a folder of their own";
                return Err(Finding::failed(title).label(label).help(help));
            }
        }
        Ok(())
    }
}
