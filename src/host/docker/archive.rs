//! Files into and out of containers as tar archives, which needs no exec and works on a stopped
//! container too.

use std::path::Path;

use bytes::Bytes;
use testcontainers::bollard::body_full;
use testcontainers::bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};

use super::daemon::{Daemon, MAKE};
use crate::host::{HostError, Result};

/// The size of a tar archive's records.
const BLOCK: usize = 512;

/// Writes one file with mode 0600 into a directory that exists.
pub(super) async fn write(
    daemon: &Daemon,
    container: &str,
    node: &str,
    ids: (u32, u32),
    path: &str,
    contents: &[u8],
) -> Result<()> {
    let doing = format!("writing {path} on {node}");
    let invalid = || HostError::new(format!("{doing}: that is not an absolute path to a file"));
    let whole = Path::new(path);
    let (Some(dir), Some(name), true) = (whole.parent(), whole.file_name(), whole.is_absolute()) else {
        return Err(invalid());
    };
    let archive = one_file(&name.to_string_lossy(), ids, contents).ok_or_else(invalid)?;
    let options = UploadToContainerOptionsBuilder::new().path(&dir.to_string_lossy()).build();
    let upload = daemon.docker.upload_to_container(container, Some(options), body_full(Bytes::from(archive)));
    daemon.call(&doing, MAKE, upload).await
}

/// Reads one file; empty if there is none.
pub(super) async fn read(daemon: &Daemon, container: &str, node: &str, path: &str) -> Result<Vec<u8>> {
    use futures_util::TryStreamExt;
    let doing = format!("reading {path} on {node}");
    let options = DownloadFromContainerOptionsBuilder::new().path(path).build();
    let chunks = daemon.docker.download_from_container(container, Some(options));
    let whole = chunks.try_fold(Vec::new(), |mut all, chunk| async move {
        all.extend_from_slice(&chunk);
        Ok(all)
    });
    let archive = match tokio::time::timeout(MAKE, whole).await {
        Ok(Ok(archive)) => archive,
        Ok(Err(error)) if super::daemon::is_missing(&error) => return Ok(vec![]),
        Ok(Err(error)) => return Err(daemon.explain(&doing, &error)),
        Err(_) => return Err(HostError::new(format!("{doing}: not done after {} seconds", MAKE.as_secs()))),
    };
    contents(&archive).ok_or_else(|| HostError::new(format!("{doing}: the daemon's archive is not understood")))
}

/// What is in the first regular file of a tar archive.
fn contents(archive: &[u8]) -> Option<Vec<u8>> {
    let mut at = 0;
    while let Some(header) = archive.get(at..at + BLOCK).filter(|header| header[0] != 0) {
        let size = std::str::from_utf8(&header[124..136]).ok()?.trim_matches(['\0', ' ']);
        let size = usize::from_str_radix(size, 8).ok()?;
        let start = at + BLOCK;
        // '0' and NUL are regular files; others are directories, links, and long names.
        if matches!(header[156], b'0' | 0) {
            return archive.get(start..start + size).map(<[u8]>::to_vec);
        }
        at = start + size.next_multiple_of(BLOCK);
    }
    None
}

/// A ustar archive of one file. None if the name or a number is longer than the format allows.
fn one_file(name: &str, (uid, gid): (u32, u32), contents: &[u8]) -> Option<Vec<u8>> {
    let seconds = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).map_or(0, |since| since.as_secs());
    let mut header = [0u8; BLOCK];
    let mut put = |at: usize, width: usize, text: &str| {
        (text.len() <= width).then(|| header[at..at + text.len()].copy_from_slice(text.as_bytes()))
    };
    put(0, 100, name)?;
    put(100, 7, "0000600")?;
    put(108, 7, &format!("{uid:07o}"))?;
    put(116, 7, &format!("{gid:07o}"))?;
    put(124, 11, &format!("{:011o}", contents.len()))?;
    put(136, 11, &format!("{seconds:011o}"))?;
    // The checksum is taken with blanks in its own place.
    put(148, 8, "        ")?;
    put(156, 1, "0")?;
    put(257, 8, "ustar\x0000")?;
    let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
    header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
    let padding = contents.len().next_multiple_of(BLOCK) - contents.len();
    // Two empty records end an archive.
    Some([header.as_slice(), contents, &vec![0; padding + 2 * BLOCK]].concat())
}
