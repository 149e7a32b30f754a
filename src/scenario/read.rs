//! Reads scenario files, and refuses what cannot be one before it costs anything.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::path::{Path, PathBuf};

use crate::journal::Problem;
use crate::source::Source;

/// The largest file that is read, in bytes: 1 MiB. The drills that ship have a few kB.
pub const MAX_BYTES: u64 = 1024 * 1024;

/// The longest line that is read, in bytes: every message carries its line.
const MAX_LINE: usize = 64 * 1024;

/// Where the files that a scenario names are looked for: beside the scenario, then in the
/// directories above it, then here.
pub(super) fn file_roots(file: &str) -> Vec<PathBuf> {
    let path = Path::new(file);
    let absolute = std::path::absolute(path).unwrap_or_else(|_| path.to_owned());
    // Above the top of a checkout files belong to somebody else.
    let mut roots: Vec<PathBuf> = Vec::new();
    for dir in absolute.ancestors().skip(1) {
        roots.push(dir.to_owned());
        if dir.join(".git").exists() || roots.len() > 8 {
            break;
        }
    }
    if let Ok(here) = std::env::current_dir()
        && !roots.contains(&here)
    {
        roots.push(here);
    }
    roots
}

/// Reads a scenario file. A byte-order mark of UTF-8 is left away, so that the first column is
/// after it.
///
/// # Errors
/// Where the file cannot be read, is not a file, is larger than [`MAX_BYTES`], or is not text in
/// UTF-8.
pub fn read(path: &Path) -> Result<Source, Problem> {
    let shown = path.display();
    let unreadable = |error: std::io::Error| {
        let problem = Problem::new(format!("`{shown}` cannot be read: {}", reason(&error)));
        match error.kind() {
            ErrorKind::PermissionDenied => problem.help("give yourself the right to read it: `chmod u+r`"),
            _ => problem,
        }
    };
    // Asked before it is opened: opening a pipe waits for a writer.
    let metadata = std::fs::metadata(path).map_err(unreadable)?;
    if metadata.is_dir() {
        return Err(Problem::new(format!("`{shown}` is a folder, and a scenario is a file")));
    }
    if !metadata.is_file() {
        return Err(Problem::new(format!("`{shown}` is not a regular file")));
    }
    let too_large = |bytes: u64| {
        Problem::new(format!("`{shown}` is too large for a scenario: {bytes} bytes, and {MAX_BYTES} are the limit"))
            .help("data belongs in a file of its own: `create_data: { file: ... }`")
    };
    if metadata.len() > MAX_BYTES {
        return Err(too_large(metadata.len()));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default() + 1);
    // It may have grown since.
    File::open(path).and_then(|file| file.take(MAX_BYTES + 1).read_to_end(&mut bytes)).map_err(unreadable)?;
    if bytes.len() as u64 > MAX_BYTES {
        return Err(too_large(bytes.len() as u64));
    }
    text(path, bytes)
}

/// `bytes` as text.
fn text(path: &Path, bytes: Vec<u8>) -> Result<Source, Problem> {
    let shown = path.display();
    if bytes.starts_with(&[0xff, 0xfe]) || bytes.starts_with(&[0xfe, 0xff]) {
        return Err(Problem::new(format!("`{shown}` is in UTF-16")).help("save it as UTF-8"));
    }
    let line = |at: usize| bytes[..at].iter().filter(|byte| **byte == b'\n').count() + 1;
    if let Some(at) = bytes.iter().position(|byte| *byte == 0) {
        let line = line(at);
        let problem = Problem::new(format!("`{shown}` is not text: byte {} (line {line}) is NUL", at + 1));
        return Err(problem.help("a scenario is YAML, in UTF-8"));
    }
    if let Err(error) = std::str::from_utf8(&bytes) {
        let (at, line) = (error.valid_up_to(), line(error.valid_up_to()));
        let title = format!("`{shown}` is not UTF-8: byte {} (line {line}) is 0x{:02x}", at + 1, bytes[at]);
        return Err(Problem::new(title).help("save it as UTF-8"));
    }
    for (index, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        if line.len() > MAX_LINE {
            let title = format!(
                "line {} of `{shown}` is too long: {} bytes, and {MAX_LINE} are the limit",
                index + 1,
                line.len()
            );
            return Err(Problem::new(title).help("break it into several lines"));
        }
    }
    let text = String::from_utf8_lossy(&bytes);
    Ok(match text.strip_prefix('\u{feff}') {
        Some(text) => Source::new(shown.to_string(), text).marked(),
        None => Source::new(shown.to_string(), text),
    })
}

fn reason(error: &std::io::Error) -> String {
    match error.kind() {
        ErrorKind::NotFound => "there is no such file".to_owned(),
        ErrorKind::PermissionDenied => "permission denied".to_owned(),
        _ => error.to_string(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn with(bytes: &[u8]) -> String {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("a.yaml");
        std::fs::write(&path, bytes).unwrap();
        let read = read(&path).map(|source| source.text().to_owned()).unwrap_or_else(|problem| problem.text());
        read.replace(&dir.path().display().to_string(), "DIR")
    }

    #[test]
    fn text_is_read_without_its_byte_order_mark() {
        assert_eq!(with("a: é\r\n".as_bytes()), "a: é\r\n");
        assert_eq!(with("\u{feff}a: 1".as_bytes()), "a: 1");
    }

    #[test]
    fn what_is_no_text_is_told_with_its_place() {
        let nul = "`DIR/a.yaml` is not text: byte 9 (line 2) is NUL\nhelp: a scenario is YAML, in UTF-8";
        assert_eq!(with(b"a: 1\nb: \0"), nul);
        assert_eq!(
            with(b"a: 1\nb: \xe9t\xe9"),
            "`DIR/a.yaml` is not UTF-8: byte 9 (line 2) is 0xe9\nhelp: save it as UTF-8"
        );
        assert_eq!(with(b"\xff\xfea\0"), "`DIR/a.yaml` is in UTF-16\nhelp: save it as UTF-8");
    }

    #[test]
    fn what_is_too_large_is_told() {
        let limit = usize::try_from(MAX_BYTES).unwrap();
        assert!(with(&b"- x\n".repeat(limit / 4)).starts_with("- x\n"));
        let title = "`DIR/a.yaml` is too large for a scenario: 1048577 bytes, and 1048576 are the limit";
        assert!(with(&vec![b'#'; limit + 1]).starts_with(title));
        let line = "line 2 of `DIR/a.yaml` is too long: 70000 bytes, and 65536 are the limit";
        assert!(with(format!("a: 1\n{}", "x".repeat(70_000)).as_bytes()).starts_with(line));
    }

    #[test]
    fn what_is_no_file_is_told() {
        let dir = tempfile::tempdir().unwrap();
        let text = |path: &Path| {
            read(path).err().map(|problem| problem.title.replace(&dir.path().display().to_string(), "DIR"))
        };
        assert_eq!(text(dir.path()).as_deref(), Some("`DIR` is a folder, and a scenario is a file"));
        let gone = Some("`DIR/gone.yaml` cannot be read: there is no such file");
        assert_eq!(text(&dir.path().join("gone.yaml")).as_deref(), gone);
        let device = Some("`/dev/null` is not a regular file");
        assert_eq!(text(Path::new("/dev/null")).as_deref(), device);
    }
}
