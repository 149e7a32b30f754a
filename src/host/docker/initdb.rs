//! New clusters: `initdb` runs once for an image and options, and its result is kept as a tar
//! archive that later containers unpack.
//!
//! One file holds all of it, the password first, so that runs side by side can't mix the parts of
//! two clusters: it is written under another name and renamed.

use std::io::{ErrorKind, SeekFrom};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use bytes::{Bytes, BytesMut};
use futures_util::{StreamExt, stream};
use testcontainers::bollard::body_try_stream;
use testcontainers::bollard::query_parameters::{DownloadFromContainerOptionsBuilder, UploadToContainerOptionsBuilder};
use tokio::fs::File;
use tokio::io::{AsyncReadExt, AsyncSeekExt, AsyncWriteExt};

use super::container::DATA;
use super::daemon::{ASK, MAKE};
use super::shared::Shared;
use crate::host::identity::{apply, archive_patches};
use crate::host::{Host, HostError, Program, Result, STAGED_TEMPLATE};
use crate::pg::SystemId;

/// The length of a password. In the file it is followed by a newline, and that by the archive.
const PASSWORD: usize = 24;

/// How much of the file is read at once.
const CHUNK: usize = 256 << 10;

/// Makes a new cluster.
const INITDB: &str = include_str!("scripts/initdb.sh");

/// Where the cluster of an image and options is kept.
fn kept_at(cache: &Path, image: &str, options: &[&str]) -> PathBuf {
    // FNV-1a: the name must be the same in every build of the program, which the standard library's
    // hash does not promise.
    let hash = options
        .join("\0")
        .bytes()
        .fold(0xcbf2_9ce4_8422_2325_u64, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3));
    cache.join(format!("docker-{image}-{hash:016x}.cluster"))
}

/// PGDATA of a host, where a new cluster is to be.
pub(super) struct NewCluster<'h> {
    pub host: &'h dyn Host,
    /// The name of its container.
    pub container: &'h str,
    /// The id of its image.
    pub image: &'h str,
    pub shared: &'h Shared,
}

/// Makes a cluster with the identifier `system`, and returns the password of `postgres`.
pub(super) async fn initdb(new: &NewCluster<'_>, options: &[&str], system: SystemId) -> Result<String> {
    let host = new.host;
    let path = kept_at(&new.shared.settings.cache, new.image, options);
    if let Some(password) = unpack(new, &path, system).await? {
        return Ok(password);
    }
    // Others of this process that want the same wait for it, and unpack it.
    let _one = new.shared.initdb.lock().await;
    if let Some(password) = unpack(new, &path, system).await? {
        return Ok(password);
    }
    let password = new_password()?;
    let args = std::iter::once(host.paths().data.as_str()).chain(options.iter().copied());
    let output = host.run(Program::script(INITDB, args).env("DRILLYARD_PASSWORD", &password)).await?;
    if !output.success() {
        return Err(HostError::new(format!("initdb failed on {}: {}", host.name(), output.stderr.trim())));
    }
    if keep(new, &path, &password).await? || path.exists() {
        // It has initdb's identifier. Or another run was quicker: all of this run's clusters must
        // be copies of the same one.
        host.run(Program::script(r#"rm -rf "$1""#, [host.paths().data.clone()])).await?;
        if let Some(password) = unpack(new, &path, system).await? {
            return Ok(password);
        }
    }
    Ok(password)
}

/// From the system's generator of random numbers: letters and digits that need no quoting anywhere.
fn new_password() -> Result<String> {
    let mut bytes = [0u8; PASSWORD];
    std::fs::File::open("/dev/urandom")
        .and_then(|mut source| std::io::Read::read_exact(&mut source, &mut bytes))
        .map_err(|error| HostError::new(format!("no random numbers from /dev/urandom: {error}")))?;
    const LETTERS: &[u8; 32] = b"abcdefghijkmnpqrstuvwxyz23456789";
    Ok(bytes.iter().map(|byte| char::from(LETTERS[usize::from(byte % 32)])).collect())
}

/// Copies a kept cluster into the container; None if there is none.
async fn unpack(new: &NewCluster<'_>, path: &Path, system: SystemId) -> Result<Option<String>> {
    let broken = |error: std::io::Error| HostError::new(format!("reading {}: {error}", path.display()));
    let mut file = match File::open(path).await {
        Ok(file) => file,
        Err(error) if error.kind() == ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(broken(error)),
    };
    let mut head = [0u8; PASSWORD + 1];
    file.read_exact(&mut head).await.map_err(broken)?;
    let begin = head.len() as u64;
    let open = std::fs::File::open(path).map_err(broken)?;
    let patches = tokio::task::spawn_blocking(move || archive_patches(&open, begin, system)).await;
    let patches = patches.map_err(std::io::Error::other).and_then(|patches| patches).map_err(broken)?;
    file.seek(SeekFrom::Start(begin)).await.map_err(broken)?;
    let password = String::from_utf8_lossy(&head[..PASSWORD]).into_owned();
    let chunks = stream::unfold((file, begin, patches), |(mut file, at, patches)| async move {
        let mut chunk = BytesMut::with_capacity(CHUNK);
        match file.read_buf(&mut chunk).await {
            Ok(0) => None,
            Ok(read) => {
                apply(&patches, at, &mut chunk);
                Some((Ok(chunk.freeze()), (file, at + read as u64, patches)))
            }
            Err(error) => Some((Err(error), (file, at, patches))),
        }
    });
    let daemon = &new.shared.daemon;
    let options = UploadToContainerOptionsBuilder::new().path(DATA).build();
    let upload = daemon.docker.upload_to_container(new.container, Some(options), body_try_stream(chunks));
    daemon.call(&format!("copying a new cluster to {}", new.host.name()), MAKE, upload).await?;
    Ok(Some(password))
}

/// Keeps the cluster that initdb has just made, and says whether it is the one that is kept now. If
/// the cache can't be written the next one is made from scratch.
async fn keep(cluster: &NewCluster<'_>, path: &Path, password: &str) -> Result<bool> {
    static COUNT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = COUNT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    let new = path.with_file_name(format!("{STAGED_TEMPLATE}{}-{number}", std::process::id()));
    let written = write_archive(cluster, &new, password).await;
    // Linked and not renamed: a cluster that another run has put there meanwhile stays, since
    // others may have copies of it.
    let kept = match written {
        Ok(()) => tokio::fs::hard_link(&new, path).await.is_ok(),
        Err(_) => false,
    };
    tokio::fs::remove_file(&new).await.ok();
    Ok(kept)
}

async fn write_archive(cluster: &NewCluster<'_>, new: &Path, password: &str) -> Result<()> {
    let failed = |error: std::io::Error| HostError::new(format!("writing {}: {error}", new.display()));
    if let Some(dir) = new.parent() {
        tokio::fs::create_dir_all(dir).await.map_err(failed)?;
    }
    let file = std::fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(new).map_err(failed)?;
    let mut file = File::from_std(file);
    file.write_all(format!("{password}\n").as_bytes()).await.map_err(failed)?;
    let daemon = &cluster.shared.daemon;
    let options = DownloadFromContainerOptionsBuilder::new().path(&cluster.host.paths().data).build();
    let mut chunks = std::pin::pin!(daemon.docker.download_from_container(cluster.container, Some(options)));
    let doing = format!("copying the new cluster from {}", cluster.host.name());
    let next = async || match chunks.next().await {
        Some(chunk) => chunk.map(Some),
        None => Ok::<Option<Bytes>, testcontainers::bollard::errors::Error>(None),
    };
    let mut next = next;
    while let Some(chunk) = daemon.call(&doing, ASK, next()).await? {
        file.write_all(&chunk).await.map_err(failed)?;
    }
    file.flush().await.map_err(failed)
}
