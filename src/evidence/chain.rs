//! The file of a chain of statements: each line is appended under a lock, and names the one before.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use nix::errno::Errno;
use nix::fcntl::{Flock, FlockArg};
use serde::Deserialize;

use super::begun::{Begun, dead};
use super::digest::digest;
use super::envelope::{Broken, Envelope};
use super::key::{SigningKey, VerifyingKey};
use super::statement::{Link, Statement, Unsigned};

/// How long the other runs that end at the same time may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// How much of a file's end is read at once.
const PIECE: u64 = 64 << 10;

/// A file that statements are appended to.
#[derive(Debug)]
pub struct EvidenceFile {
    path: PathBuf,
    /// Where this machine notes what it wrote last, beside the file's own folder: who removes the
    /// newest line does not know of it.
    note: PathBuf,
    begun: Begun,
}

/// What was appended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Appended {
    /// The statement's number, and its digest.
    pub link: Link,
    /// What this machine wrote last, if it is not in the file any more.
    pub missing: Option<Link>,
    /// The runs of this machine that ended without a statement.
    pub unsigned: Vec<Unsigned>,
    /// How many bytes of a line that was never finished were removed.
    pub torn: u64,
}

/// Where a statement comes to stand.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Position {
    /// Its number, from 1.
    pub number: u64,
    /// The digest of the line before.
    pub previous: Option<String>,
    /// What this machine wrote last, if it is not in the file any more.
    pub missing: Option<Link>,
    /// The runs of this machine that ended without a statement.
    pub unsigned: Vec<Unsigned>,
}

impl EvidenceFile {
    /// A file, which is made if it is not there, and its folder. `notes` is a folder of this
    /// machine's own, and `run` what is said of this run if it leaves no statement.
    ///
    /// # Errors
    /// If it cannot be written, or what it has was signed with another key.
    pub fn open(path: &Path, notes: &Path, key: &VerifyingKey, run: &Unsigned) -> io::Result<Self> {
        let other = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        let whole = std::path::absolute(path)?;
        if fs::metadata(&whole).is_ok_and(|found| !found.is_file()) {
            return Err(other("it is no file, and statements are appended to one"));
        }
        if let Some(folder) = whole.parent() {
            fs::create_dir_all(folder)?;
        }
        let mut file = OpenOptions::new().read(true).append(true).create(true).open(&whole)?;
        let known = fs::canonicalize(&whole)?;
        let note = notes.join(digest(known.as_os_str().as_encoded_bytes()));
        if let (Some((line, _)), _) = last_line(&mut file)? {
            match Envelope::parse(&line).and_then(|envelope| envelope.verified(key)) {
                Ok(_) => {}
                Err(Broken::OtherKey(id)) => {
                    return Err(other(&format!("its last line was signed with another key, {id}: a file has one key")));
                }
                Err(Broken::Changed) => return Err(other("its last line was changed after it was signed")),
                Err(Broken::NoEnvelope) => return Err(other("its last line is no signed statement")),
            }
        }
        let begun = Begun::mark(&note, run)?;
        Ok(EvidenceFile { path: whole, note, begun })
    }

    /// Appends a statement. A file that cannot be written stays as it was.
    ///
    /// # Errors
    /// If it cannot be read or written, or is locked for too long.
    pub fn append(&self, key: &SigningKey, statement: impl FnOnce(Position) -> Statement) -> io::Result<Appended> {
        self.try_append(key, statement).inspect(|_| self.begun.take_away())
    }

    /// The run leaves no statement, and need not: nothing was started.
    pub fn need_not(&self) {
        self.begun.take_away();
    }

    fn try_append(&self, key: &SigningKey, statement: impl FnOnce(Position) -> Statement) -> io::Result<Appended> {
        let mut file = self.lock()?;
        let length = file.metadata()?.len();
        let (last, end) = last_line(&mut file)?;
        let before = last.map(|(line, _)| link(&line)).transpose()?;
        let missing = self.missing(&mut file, before.as_ref())?;
        let number = before.as_ref().map_or(0, |link| link.number).saturating_add(1);
        let previous = before.map(|link| link.digest);
        let (marks, unsigned): (Vec<PathBuf>, Vec<Unsigned>) = dead(&self.note).into_iter().unzip();
        let position = Position { number, previous, missing: missing.clone(), unsigned: unsigned.clone() };
        let statement = statement(position);
        let payload = serde_json::to_vec(&statement)?;
        let line = Envelope::sign(&payload, key)?.line()?;
        // What was never finished is no statement: the run that wrote it had died, or its disk was
        // full.
        if end < length {
            file.set_len(end)?;
        }
        let written = file.write_all(format!("{line}\n").as_bytes()).and_then(|()| file.sync_data());
        if let Err(error) = written {
            let _ = file.set_len(end);
            return Err(error);
        }
        let link = Link { number, digest: digest(line.as_bytes()) };
        self.write_note(&link);
        // They are told of. One that cannot be removed is told of again.
        marks.iter().for_each(|mark| drop(fs::remove_file(mark)));
        Ok(Appended { link, missing, unsigned, torn: length - end })
    }

    /// Opens the file, alone.
    fn lock(&self) -> io::Result<Flock<File>> {
        let began = Instant::now();
        loop {
            let file = OpenOptions::new().read(true).append(true).create(true).open(&self.path)?;
            match Flock::lock(file, FlockArg::LockExclusiveNonblock) {
                // Somebody may have put another file there meanwhile.
                Ok(locked) if is_at(&locked, &self.path) => return Ok(locked),
                Ok(_) | Err((_, Errno::EWOULDBLOCK)) if began.elapsed() < PATIENCE => {
                    std::thread::sleep(Duration::from_millis(5));
                }
                Ok(_) | Err((_, Errno::EWOULDBLOCK)) => {
                    let why = format!("another program has locked it for {} s", PATIENCE.as_secs());
                    return Err(io::Error::new(io::ErrorKind::TimedOut, why));
                }
                Err((_, error)) => return Err(error.into()),
            }
        }
    }

    /// What this machine wrote last, if the file does not have it.
    fn missing(&self, file: &mut File, newest: Option<&Link>) -> io::Result<Option<Link>> {
        let note = fs::read(&self.note).ok().and_then(|note| serde_json::from_slice::<Link>(&note).ok());
        let Some(note) = note else { return Ok(None) };
        if newest == Some(&note) {
            return Ok(None);
        }
        // Other machines may have written since.
        let is_later = newest.is_some_and(|newest| newest.number > note.number);
        let is_there = is_later && has_line(file, &note.digest)?;
        Ok(Some(note).filter(|_| !is_there))
    }

    /// Notes what was written. Without the note it is not found that the newest lines were removed.
    fn write_note(&self, link: &Link) {
        let write = || -> io::Result<()> {
            let folder = self.note.parent().unwrap_or(Path::new("."));
            fs::create_dir_all(folder)?;
            let mut file = tempfile::NamedTempFile::new_in(folder)?;
            file.write_all(&serde_json::to_vec(link)?)?;
            file.persist(&self.note).map_err(|error| error.error)?;
            Ok(())
        };
        let _ = write();
    }
}

fn is_at(file: &File, path: &Path) -> bool {
    let same = |a: fs::Metadata, b: fs::Metadata| (a.dev(), a.ino()) == (b.dev(), b.ino());
    file.metadata().ok().zip(fs::metadata(path).ok()).is_some_and(|(a, b)| same(a, b))
}

/// What is read of a statement to continue it, whatever version of drillyard has written it.
#[derive(Deserialize)]
struct Numbered {
    predicate: Number,
}

#[derive(Deserialize)]
struct Number {
    number: u64,
}

/// The number of a line that is a statement, and its digest.
fn link(line: &str) -> io::Result<Link> {
    let none = || io::Error::new(io::ErrorKind::InvalidData, "its last line is no signed statement");
    let envelope = Envelope::parse(line).map_err(|_| none())?;
    let numbered: Numbered = serde_json::from_slice(&envelope.payload()).map_err(|_| none())?;
    Ok(Link { number: numbered.predicate.number, digest: digest(line.as_bytes()) })
}

/// The last whole line, with where it begins; and where the last whole line ends.
fn last_line(file: &mut File) -> io::Result<(Option<(String, u64)>, u64)> {
    let length = file.seek(SeekFrom::End(0))?;
    let (mut from, mut tail) = (length, Vec::new());
    loop {
        let ends: Vec<usize> = tail.iter().enumerate().filter(|(_, byte)| **byte == b'\n').map(|(at, _)| at).collect();
        match ends.as_slice() {
            [.., before, last] => return Ok((Some(text(&tail, before + 1, *last, from)), from + *last as u64 + 1)),
            [last] if from == 0 => return Ok((Some(text(&tail, 0, *last, 0)), *last as u64 + 1)),
            [] if from == 0 => return Ok((None, 0)),
            _ => {}
        }
        let start = from.saturating_sub(PIECE);
        let mut piece = vec![0; (from - start) as usize];
        file.seek(SeekFrom::Start(start))?;
        file.read_exact(&mut piece)?;
        piece.append(&mut tail);
        (from, tail) = (start, piece);
    }
}

fn text(bytes: &[u8], from: usize, to: usize, offset: u64) -> (String, u64) {
    (String::from_utf8_lossy(&bytes[from..to]).into_owned(), offset + from as u64)
}

fn has_line(file: &mut File, wanted: &str) -> io::Result<bool> {
    let mut all = Vec::new();
    file.seek(SeekFrom::Start(0))?;
    file.read_to_end(&mut all)?;
    Ok(all.split(|byte| *byte == b'\n').any(|line| digest(line) == wanted))
}
