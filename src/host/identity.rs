//! A cluster's identity: the system identifier that initdb gives it. Clusters that are copied from
//! one template would all have the same one, and PostgreSQL would take the WAL, the backups and the
//! standbys of one for those of another.
//!
//! The identifier is in the control file, which has a checksum, and on the first page of each WAL
//! segment, which has none. A new cluster has it nowhere else (pg_createsubscriber does the same to
//! a copy that has a history, with pg_resetwal).

use std::fs::{File, OpenOptions};
use std::io::{Error, ErrorKind, Result};
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::pg::{SystemId, is_segment};

/// The control file, in PGDATA.
const CONTROL: &str = "global/pg_control";
/// Where the identifier is in a WAL segment: `xlp_sysid` of `XLogLongPageHeaderData`.
const IN_SEGMENT: u64 = 24;
/// More than any version's `ControlFileData`, which ends with its checksum.
const CONTROL_SIZE: usize = 512;

/// Some bytes that take the place of others, from an offset on.
pub(super) type Patch = (u64, Vec<u8>);

/// CRC-32C (Castagnoli), as PostgreSQL's `pg_crc32c.h` has it.
fn crc32c(bytes: &[u8]) -> u32 {
    let bit = |crc: u32| if crc & 1 == 1 { crc >> 1 ^ 0x82F6_3B78 } else { crc >> 1 };
    !bytes.iter().fold(u32::MAX, |crc, byte| (0..8).fold(crc ^ u32::from(*byte), |crc, _| bit(crc)))
}

/// Gives the control file `bytes` another identifier. None if its checksum is not found: it is at
/// another offset in every version.
fn give(mut bytes: Vec<u8>, system: SystemId) -> Option<Vec<u8>> {
    let checksum =
        |bytes: &[u8], at: usize| bytes.get(at..at + 4).map(|four| four == crc32c(&bytes[..at]).to_ne_bytes());
    let at = (64..CONTROL_SIZE).step_by(4).find(|at| checksum(&bytes, *at) == Some(true))?;
    bytes[..8].copy_from_slice(&system.0.to_ne_bytes());
    let sum = crc32c(&bytes[..at]).to_ne_bytes();
    bytes.truncate(at + 4);
    bytes[at..].copy_from_slice(&sum);
    Some(bytes)
}

/// What has to be written over a control file that begins at `offset` of `file`.
fn control_patch(file: &File, offset: u64, system: SystemId) -> Result<Patch> {
    let mut bytes = vec![0; CONTROL_SIZE];
    file.read_exact_at(&mut bytes, offset)?;
    let given = give(bytes, system);
    given.map(|bytes| (offset, bytes)).ok_or_else(|| Error::new(ErrorKind::InvalidData, "pg_control is not understood"))
}

fn segment_patch(offset: u64, system: SystemId) -> Patch {
    (offset + IN_SEGMENT, system.0.to_ne_bytes().to_vec())
}

/// Gives the new cluster in `data` an identifier.
pub(super) fn identify(data: &Path, system: SystemId) -> Result<()> {
    let open = |path: &Path| OpenOptions::new().read(true).write(true).open(path);
    let control = open(&data.join(CONTROL))?;
    let (at, bytes) = control_patch(&control, 0, system)?;
    control.write_all_at(&bytes, at)?;
    for entry in std::fs::read_dir(data.join("pg_wal"))? {
        let entry = entry?;
        if is_segment(&entry.file_name().to_string_lossy()) {
            let (at, bytes) = segment_patch(0, system);
            open(&entry.path())?.write_all_at(&bytes, at)?;
        }
    }
    Ok(())
}

/// What has to be written over the tar archive of a new cluster that begins at `start` of `file`.
pub(super) fn archive_patches(file: &File, start: u64, system: SystemId) -> Result<Vec<Patch>> {
    const BLOCK: u64 = 512;
    let mut header = [0; BLOCK as usize];
    let (mut at, mut patches, mut identified) = (start, Vec::new(), false);
    loop {
        match file.read_exact_at(&mut header, at) {
            Err(error) if error.kind() == ErrorKind::UnexpectedEof => break,
            other => other?,
        }
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        let text = |from: usize, to: usize| {
            let field = header[from..to].split(|byte| *byte == 0).next().unwrap_or_default();
            String::from_utf8_lossy(field).trim().to_owned()
        };
        let size = u64::from_str_radix(&text(124, 136), 8).map_err(|e| Error::new(ErrorKind::InvalidData, e))?;
        let (name, content) = (text(0, 100), at + BLOCK);
        if name.ends_with(CONTROL) {
            patches.push(control_patch(file, content, system)?);
            identified = true;
        } else if size > 0
            && let Some((directory, name)) = name.rsplit_once('/')
            && directory.ends_with("pg_wal")
            && is_segment(name)
        {
            patches.push(segment_patch(content, system));
        }
        at = content + size.next_multiple_of(BLOCK);
    }
    match identified {
        true => Ok(patches),
        false => Err(Error::new(ErrorKind::InvalidData, "there is no pg_control in it")),
    }
}

/// Writes patches over a chunk that begins at `offset`.
pub(super) fn apply(patches: &[Patch], offset: u64, chunk: &mut [u8]) {
    for (at, bytes) in patches {
        for (place, byte) in (*at..).zip(bytes) {
            let index = place.checked_sub(offset).and_then(|index| usize::try_from(index).ok());
            if let Some(old) = index.and_then(|index| chunk.get_mut(index)) {
                *old = *byte;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// As PostgreSQL writes it: the fields, their checksum, zeros.
    fn control() -> Vec<u8> {
        let mut bytes: Vec<u8> = (0..288).map(|n| (n % 251) as u8).collect();
        bytes.extend(crc32c(&bytes).to_ne_bytes());
        bytes.resize(8192, 0);
        bytes
    }

    #[test]
    fn the_checksum_is_postgresqls() {
        assert_eq!(crc32c(b"123456789"), 0xE306_9283);
        assert_eq!(crc32c(b""), 0);
    }

    #[test]
    fn a_cluster_gets_an_identifier_and_its_checksum_is_right() {
        let dir = tempfile::tempdir().expect("a directory");
        for part in ["global", "pg_wal/archive_status"] {
            std::fs::create_dir_all(dir.path().join(part)).expect("made");
        }
        let segment = dir.path().join("pg_wal/000000010000000000000001");
        std::fs::write(dir.path().join(CONTROL), control()).expect("written");
        std::fs::write(&segment, [7; 64]).expect("written");
        identify(dir.path(), SystemId(0x0102_0304_0506_0708)).expect("identified");
        let read = std::fs::read(dir.path().join(CONTROL)).expect("read");
        let id = 0x0102_0304_0506_0708_u64.to_ne_bytes();
        assert_eq!((read.len(), &read[..8]), (8192, &id[..]));
        assert_eq!(read[288..292], crc32c(&read[..288]).to_ne_bytes());
        let read = std::fs::read(&segment).expect("read");
        assert_eq!((&read[..24], &read[24..32], &read[32..]), (&[7; 24][..], &id[..], &[7; 32][..]));
        std::fs::write(dir.path().join(CONTROL), [1; 8192]).expect("written");
        assert!(identify(dir.path(), SystemId(1)).is_err(), "no checksum");
    }

    #[test]
    fn an_archive_is_patched_on_its_way() {
        let mut tar = b"password\n".to_vec();
        let start = tar.len() as u64;
        let mut entry = |name: &str, content: &[u8]| {
            let mut header = [0; 512];
            header[..name.len()].copy_from_slice(name.as_bytes());
            header[124..135].copy_from_slice(format!("{:011o}", content.len()).as_bytes());
            tar.extend(header);
            tar.extend(content);
            tar.resize(start as usize + (tar.len() - start as usize).next_multiple_of(512), 0);
        };
        entry("data/", b"");
        entry("data/PG_VERSION", b"17\n");
        entry("data/pg_wal/000000010000000000000001", &[7; 600]);
        entry("data/global/pg_control", &control());
        tar.extend([0; 1024]);
        let mut file = tempfile::tempfile().expect("a file");
        std::io::Write::write_all(&mut file, &tar).expect("written");
        let patches = archive_patches(&file, start, SystemId(42)).expect("patches");
        assert_eq!(patches.len(), 2);
        let mut sent = Vec::new();
        for chunk in tar.chunks(100) {
            let mut chunk = chunk.to_vec();
            apply(&patches, sent.len() as u64, &mut chunk);
            sent.extend(chunk);
        }
        let changed = tar.iter().zip(&sent).filter(|(old, new)| old != new).count();
        assert!(sent.len() == tar.len() && changed > 0 && changed <= 20, "{changed}");
        let wal = start as usize + 3 * 512 + 512 + 24;
        assert_eq!(sent[wal..wal + 8], 42_u64.to_ne_bytes());
    }
}
