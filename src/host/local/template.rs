//! New clusters, made once by initdb and copied from then on.
//!
//! initdb takes 0.5 to 0.9 s, a copy some hundredths. Each copy is given the system identifier of
//! the cluster that it is to be, or to follow: a standby begins as a copy of the template instead
//! of as a base backup.

use std::fs::File;
use std::hash::{DefaultHasher, Hash, Hasher};
use std::io::{Read, Seek, SeekFrom, Write};
use std::path::{Path, PathBuf};

use super::owner::Owner;
use crate::host::identity::identify;
use crate::host::{Host, HostError, Program, Result, STAGED_TEMPLATE};
use crate::pg::{SystemId, Version};

/// A new cluster of some version, with some options, of some user.
pub(super) struct Template {
    bin: PathBuf,
    version: Version,
    options: Vec<String>,
    owner: Owner,
}

/// One process makes a template at a time; the others wait for it and use it.
static MAKING: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());

impl Template {
    /// What initdb of the programs in `bin` makes with `options`.
    pub(super) fn new(bin: &Path, version: Version, options: &[&str], owner: Owner) -> Self {
        let options = options.iter().map(|option| (*option).to_owned()).collect();
        Template { bin: bin.to_owned(), version, options, owner }
    }

    /// Copies the template into the PGDATA of a host, whose directory is `dir`, and makes it first
    /// if it is not in `cache`; returns the superuser's password.
    pub(super) async fn fill(&self, host: &dyn Host, dir: &Path, cache: &Path, system: SystemId) -> Result<String> {
        let template = cache.join(self.name());
        {
            let _one_at_a_time = MAKING.lock().await;
            if !template.join("data").is_dir() {
                self.make(host, &dir.join("template"), cache, &template).await?;
            }
        }
        let (from, to, owner) = (template.clone(), PathBuf::from(&host.paths().data), self.owner);
        let copied = tokio::task::spawn_blocking(move || {
            copy(&from.join("data"), &to, owner)?;
            identify(&to, system)
        });
        copied
            .await
            .map_err(std::io::Error::other)
            .and_then(|copied| copied)
            .map_err(|e| HostError::new(format!("cannot copy {} to {}: {e}", template.display(), host.paths().data)))?;
        std::fs::read_to_string(template.join("password"))
            .map_err(|e| HostError::new(format!("cannot read {}/password: {e}", template.display())))
    }

    fn name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        (&self.bin, &self.options, matches!(self.owner, Owner::Me)).hash(&mut hasher);
        format!("local-{}-{:016x}", self.version, hasher.finish())
    }

    /// Runs initdb in `work`, a directory of the host (the cache need not be open to the servers'
    /// user), then moves the result into the cache. One that another run has put there meanwhile
    /// stays.
    async fn make(&self, host: &dyn Host, work: &Path, cache: &Path, template: &Path) -> Result<()> {
        let trouble =
            |what: &str, e: std::io::Error| HostError::new(format!("cannot {what} {}: {e}", template.display()));
        let password: String = std::iter::repeat_with(fastrand::alphanumeric).take(32).collect();
        self.owner.make_directory(work)?;
        let below = |part: &str| work.join(part).display().to_string();
        host.write(&below("password"), password.as_bytes()).await?;
        let fixed = [
            "-D",
            &below("data"),
            "-U",
            "postgres",
            "-A",
            "scram-sha-256",
            "--pwfile",
            &below("password"),
            "--no-sync",
        ];
        let args = fixed.iter().map(|a| (*a).to_owned()).chain(self.options.iter().cloned());
        let output = host.run(Program::new("initdb", args)).await?;
        if !output.success() {
            return Err(HostError::new(format!("initdb failed: {}", output.stderr.trim())));
        }
        std::fs::create_dir_all(cache).map_err(|e| trouble("make the directory of", e))?;
        let staged =
            tempfile::Builder::new().prefix(STAGED_TEMPLATE).tempdir_in(cache).map_err(|e| trouble("make", e))?;
        copy(work, &staged.path().join("t"), Owner::Me).map_err(|e| trouble("write", e))?;
        match std::fs::rename(staged.path().join("t"), template) {
            Err(e) if !template.join("data").is_dir() => return Err(trouble("make", e)),
            _ => {}
        }
        std::fs::remove_dir_all(work).map_err(|e| trouble("tidy up after", e))
    }
}

/// Copies a file; long runs of zeros, as in a new WAL segment, become holes.
fn copy_file(from: &Path, to: &Path) -> std::io::Result<()> {
    const CHUNK: usize = 64 << 10;
    let mut source = File::open(from)?;
    let length = source.metadata()?.len();
    if length < CHUNK as u64 {
        return std::fs::copy(from, to).map(drop);
    }
    let mut target = File::create(to)?;
    let (mut chunk, zeros) = (vec![0; CHUNK], vec![0; CHUNK]);
    loop {
        let read = source.read(&mut chunk)?;
        match &chunk[..read] {
            [] => break,
            bytes if bytes == &zeros[..read] => drop(target.seek(SeekFrom::Current(read as i64))?),
            bytes => target.write_all(bytes)?,
        }
    }
    target.set_len(length)
}

/// Copies a tree of files and directories, giving them to `owner`, with PGDATA's permissions.
fn copy(from: &Path, to: &Path, owner: Owner) -> std::io::Result<()> {
    use std::os::unix::fs::{DirBuilderExt, PermissionsExt};
    std::fs::DirBuilder::new().mode(0o700).create(to)?;
    owner.give(to)?;
    for entry in std::fs::read_dir(from)? {
        let entry = entry?;
        let target = to.join(entry.file_name());
        if entry.file_type()?.is_dir() {
            copy(&entry.path(), &target, owner)?;
        } else {
            copy_file(&entry.path(), &target)?;
            std::fs::set_permissions(&target, std::fs::Permissions::from_mode(0o600))?;
            owner.give(&target)?;
        }
    }
    Ok(())
}
