//! What a run has written outside its directory: a list in that directory, so that whoever removes
//! the one removes the other, too.

use std::ffi::OsStr;
use std::fs::DirBuilder;
use std::io::Write as _;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{DirBuilderExt, MetadataExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::time::UNIX_EPOCH;

/// The name of the list. Its entries end with NUL, which no path has.
const LIST: &str = "outside";

/// Writes a new file that only its owner can read, for the run with this directory.
///
/// # Errors
/// If it is there already, or cannot be written.
pub fn write_outside(run: &Path, path: &Path, text: &str) -> std::io::Result<()> {
    let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(path)?;
    note(run, path)?;
    file.write_all(text.as_bytes())
}

/// Makes a directory that only its owner can enter, and those above it that are missing, for the
/// run with this directory. One that is there already is left as it is.
///
/// # Errors
/// If one of them cannot be made.
pub fn make_outside(run: &Path, dir: &Path) -> std::io::Result<()> {
    if dir.is_dir() {
        return Ok(());
    }
    if let Some(above) = dir.parent().filter(|above| *above != Path::new("")) {
        make_outside(run, above)?;
    }
    DirBuilder::new().mode(0o700).create(dir)?;
    note(run, dir)
}

/// Removes what is on the list of the run with this directory. A file that was replaced meanwhile
/// is somebody else's, and a directory with anything else in it stays.
pub fn remove_outside(run: &Path) {
    let list = std::fs::read(run.join(LIST)).unwrap_or_default();
    let entries: Vec<&[u8]> = list.split(|byte| *byte == 0).collect();
    // What is in a directory was made after it.
    for entry in entries.into_iter().rev() {
        let Some(at) = entry.iter().position(|byte| *byte == b' ') else { continue };
        let path = PathBuf::from(OsStr::from_bytes(&entry[at + 1..]));
        if !identity(&path).is_ok_and(|now| now.as_bytes() == &entry[..at]) {
            continue;
        }
        // Whatever cannot be removed is somebody else's by now, or holds what is.
        let _ = if path.is_dir() { std::fs::remove_dir(&path) } else { std::fs::remove_file(&path) };
    }
    let _ = std::fs::remove_file(run.join(LIST));
}

/// Puts something that was just made on the list.
fn note(run: &Path, path: &Path) -> std::io::Result<()> {
    let path = std::path::absolute(path)?;
    let mut entry = format!("{} ", identity(&path)?).into_bytes();
    entry.extend(path.as_os_str().as_bytes());
    entry.push(0);
    std::fs::OpenOptions::new().append(true).create(true).open(run.join(LIST))?.write_all(&entry)
}

/// What a file, and none that comes in its place, is known by: its number, which is given away
/// again, and where the file system knows it the moment at which it was made.
fn identity(path: &Path) -> std::io::Result<String> {
    let meta = path.symlink_metadata()?;
    let made = meta.created().ok().and_then(|made| made.duration_since(UNIX_EPOCH).ok());
    Ok(format!("{}:{}:{}", meta.dev(), meta.ino(), made.map_or(0, |made| made.as_nanos())))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_written_is_removed_and_nothing_else() -> std::io::Result<()> {
        let (run, place) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let (own, theirs) = (place.path().join("made/for us"), place.path().join("theirs"));
        std::fs::create_dir(&theirs)?;
        make_outside(run.path(), &own)?;
        make_outside(run.path(), &theirs)?;
        for path in [own.join(".pgpass"), theirs.join(".pgpass"), theirs.join("env")] {
            write_outside(run.path(), &path, "secret")?;
        }
        assert!(write_outside(run.path(), &theirs.join("env"), "").is_err(), "nothing is replaced");
        // Who edits a file may put a new one in its place.
        std::fs::write(theirs.join("new"), "mine")?;
        std::fs::rename(theirs.join("new"), theirs.join("env"))?;
        remove_outside(run.path());
        assert!(!place.path().join("made").exists());
        let left = std::fs::read_dir(&theirs)?.flatten().map(|entry| entry.file_name()).collect::<Vec<_>>();
        assert_eq!(left, ["env"]);
        assert_eq!(std::fs::read_to_string(theirs.join("env"))?, "mine");
        std::fs::remove_file(theirs.join("env"))?;
        remove_outside(run.path());
        assert!(theirs.is_dir(), "somebody else has made it");
        Ok(())
    }

    #[test]
    fn a_directory_that_somebody_uses_stays() -> std::io::Result<()> {
        let (run, place) = (tempfile::tempdir()?, tempfile::tempdir()?);
        let dir = place.path().join("made");
        make_outside(run.path(), &dir)?;
        std::fs::write(dir.join("notes"), "mine")?;
        remove_outside(run.path());
        assert!(dir.join("notes").exists());
        Ok(())
    }
}
