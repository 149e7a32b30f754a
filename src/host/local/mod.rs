//! Servers as processes of this machine, each in a directory of its own, reached by a Unix socket there.
//!
//! There is no TCP port to run out of or to collide on, and nobody but the servers' user and root gets at the socket.

mod installations;
mod process;
mod relay;
mod template;

use std::ffi::OsString;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use nix::unistd::{Gid, Uid, User};
use tokio::io::AsyncReadExt;

use super::{
    Backend, BackendKind, Endpoint, Host, HostError, Installation, Lab, LabSpec, Output, Paths, Power, Program, Result,
    Seen,
};
use crate::pg::{SystemId, Version};

pub use installations::ROOTS;
pub use process::{end_processes_under, processes_under};

/// The number in the sockets' names; each server has a directory of its own, so that one number does for all.
const PORT: u16 = 5432;

/// Processes on this machine.
pub struct LocalBackend {
    /// Directories with PostgreSQL's programs, besides those that are looked for.
    pg_bin: Vec<PathBuf>,
    /// Folders in which installations are looked for.
    roots: Vec<PathBuf>,
    /// Where templates of new clusters are kept from run to run.
    cache: PathBuf,
    /// The PATH in which programs are looked for.
    path: OsString,
    owner: Owner,
    /// What was found, once somebody has asked.
    found: tokio::sync::OnceCell<Vec<Installation>>,
}

/// The operating system's user that the servers run as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Owner {
    /// The user who runs drillyard.
    Me,
    /// Another one, since PostgreSQL refuses to run as root.
    Other(Uid, Gid),
}

impl LocalBackend {
    /// `pg_bin` are directories with programs besides those that are found in `path` and below `roots` (usually [`ROOTS`]). As root, servers run as the
    /// user `postgres`, or as `nobody` where there is none.
    pub fn new(pg_bin: Vec<PathBuf>, roots: Vec<PathBuf>, cache: PathBuf, path: OsString) -> Result<Self> {
        let owner = match Uid::effective().is_root() {
            false => Owner::Me,
            true => ["postgres", "nobody"]
                .iter()
                .find_map(|name| User::from_name(name).ok().flatten())
                .map(|user| Owner::Other(user.uid, user.gid))
                .ok_or_else(|| {
                    HostError::new("PostgreSQL refuses to run as root, and there is no user `postgres` or `nobody`")
                        .help("make one: useradd --system postgres")
                })?,
        };
        Ok(LocalBackend { pg_bin, roots, cache, path, owner, found: tokio::sync::OnceCell::new() })
    }
}

#[async_trait]
impl Backend for LocalBackend {
    fn kind(&self) -> BackendKind {
        BackendKind::Local
    }

    async fn installations(&self) -> Result<Vec<Installation>> {
        let find = || installations::find(&self.pg_bin, &self.roots, &self.path);
        Ok(self.found.get_or_init(find).await.clone())
    }

    async fn installation(&self, major: u32) -> Result<Installation> {
        let found = self.installations().await?;
        let at_hand = super::at_hand(&found);
        found.into_iter().find(|one| one.version.major == major).ok_or_else(|| {
            HostError::new(format!("PostgreSQL {major} is not at hand on this machine ({at_hand})")).help(format!(
                "install it (apt-get install postgresql-{major}) or name its directory: --pg-bin DIR; \
                 `drillyard doctor` shows what is here"
            ))
        })
    }

    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>> {
        let installation = self.installation(spec.major).await?;
        let dir = spec.dir.join(spec.drill.to_string());
        let owner = self.owner;
        let host = |node: &String| Arc::new(LocalHost::new(node, &dir, &installation, self, &spec));
        let lab = LocalLab {
            version: installation.version,
            hosts: spec.nodes.iter().map(host).collect(),
            dir,
            wires: Mutex::default(),
        };
        make_directory(&lab.dir, owner)?;
        spread(&lab.dir);
        for part in ["shared", "repos"] {
            make_directory(&lab.dir.join(part), owner)?;
            spread(&lab.dir.join(part));
        }
        for repo in &spec.repos {
            make_directory(&lab.dir.join("repos").join(repo), owner)?;
        }
        for host in &lab.hosts {
            host.make_directories()?;
        }
        for (number, (a, b)) in spec.cuts.iter().enumerate() {
            let way = |from: &str, to: &str| {
                let dir = wire_dir(&lab.dir, number, from);
                make_directory(&dir, owner)?;
                Ok((dir.join(SOCKET), node_dir(&lab.dir, to).join(RUN).join(SOCKET)))
            };
            let wire = relay::Wire::new(&[way(a, b)?, way(b, a)?], |socket| owner.give(socket))?;
            lab.wires().push((a.clone(), b.clone(), wire));
        }
        Ok(Arc::new(lab))
    }
}

/// Where the node `from` finds the other end of the wire with this number.
fn wire_dir(lab: &Path, number: usize, from: &str) -> PathBuf {
    lab.join(format!("wire-{number}-{from}"))
}

/// A node's directory.
fn node_dir(lab: &Path, node: &str) -> PathBuf {
    lab.join(format!("node-{node}"))
}

/// The directory of a node's socket, in the node's own.
const RUN: &str = "run";

/// The socket's name, with [`PORT`].
const SOCKET: &str = ".s.PGSQL.5432";

/// Tells the file system that what is below `dir` belongs to different things (`chattr +T`). ext4 then puts each of its
/// subdirectories into a block group of its own: a server's thousand files are made in 40 ms. In the group in which another server's
/// thousand files have just been deleted it takes 300 ms and more, where there is no journal (`recently_deleted` in the kernel's
/// fs/ext4/ialloc.c). Other file systems refuse, and need no such hint.
pub fn spread(dir: &Path) {
    use rustix::fs::{IFlags, ioctl_getflags, ioctl_setflags};
    if let Ok(dir) = std::fs::File::open(dir)
        && let Ok(flags) = ioctl_getflags(&dir)
    {
        let _ = ioctl_setflags(&dir, flags | IFlags::TOPDIR);
    }
}

/// Makes a directory that the servers' user owns and nobody else can enter.
fn make_directory(dir: &Path, owner: Owner) -> Result<()> {
    let made = std::fs::create_dir_all(dir)
        .and_then(|()| std::fs::set_permissions(dir, std::fs::Permissions::from_mode(0o700)))
        .and_then(|()| owner.give(dir));
    made.map_err(|e| HostError::new(format!("cannot make the directory {}: {e}", dir.display())))
}

impl Owner {
    /// Hands a file or directory over to the servers' user.
    fn give(self, path: &Path) -> std::io::Result<()> {
        match self {
            Owner::Me => Ok(()),
            Owner::Other(uid, gid) => std::os::unix::fs::chown(path, Some(uid.as_raw()), Some(gid.as_raw())),
        }
    }
}

struct LocalLab {
    version: Version,
    dir: PathBuf,
    hosts: Vec<Arc<LocalHost>>,
    /// The connections that can be cut.
    wires: Mutex<Vec<(String, String, relay::Wire)>>,
}

impl LocalLab {
    fn wires(&self) -> std::sync::MutexGuard<'_, Vec<(String, String, relay::Wire)>> {
        self.wires.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set_whole(&self, a: &str, b: &str, whole: bool) -> Result<()> {
        let wires = self.wires();
        let wire = wires.iter().find(|(one, other, _)| (one == a && other == b) || (one == b && other == a));
        let (_, _, wire) =
            wire.ok_or_else(|| HostError::new(format!("there is no wire of its own between `{a}` and `{b}`")))?;
        wire.set_whole(whole);
        Ok(())
    }
}

#[async_trait]
impl Lab for LocalLab {
    fn version(&self) -> Version {
        self.version
    }

    async fn host(&self, node: &str) -> Result<Arc<dyn Host>> {
        let host = self.hosts.iter().find(|host| host.name == node);
        host.map(|host| host.clone() as Arc<dyn Host>)
            .ok_or_else(|| HostError::new(format!("there is no host for node `{node}`")))
    }

    fn repo(&self, repo: &str) -> String {
        self.dir.join("repos").join(repo).display().to_string()
    }

    async fn cut(&self, a: &str, b: &str) -> Result<()> {
        self.set_whole(a, b, false)
    }

    async fn heal(&self, a: &str, b: &str) -> Result<()> {
        self.set_whole(a, b, true)
    }

    async fn destroy(&self) -> Result<()> {
        self.wires().clear();
        let dir = self.dir.clone();
        tokio::task::spawn_blocking(move || remove_directory(&dir))
            .await
            .map_err(|e| HostError::new(format!("clean-up stopped: {e}")))?
    }
}

/// Ends every process that works below `dir`, then removes it. Nothing to do is no error.
pub fn remove_directory(dir: &Path) -> Result<()> {
    end_processes_under(dir).map_err(HostError::new)?;
    // A process may make a file between our listing and its end: look again.
    for _ in 0..20 {
        match std::fs::remove_dir_all(dir) {
            Ok(()) => return Ok(()),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound && !dir.exists() => return Ok(()),
            Err(_) => std::thread::sleep(super::POLL),
        }
    }
    std::fs::remove_dir_all(dir).map_err(|e| HostError::new(format!("cannot remove {}: {e}", dir.display())))
}

struct LocalHost {
    name: String,
    dir: PathBuf,
    bin: PathBuf,
    version: Version,
    owner: Owner,
    cache: PathBuf,
    search_path: String,
    paths: Paths,
    power: Power,
    /// The nodes that reach this one by a wire that can be cut, and where they find its end.
    wires: Vec<(String, PathBuf)>,
}

impl LocalHost {
    fn new(name: &str, lab: &Path, installation: &Installation, backend: &LocalBackend, spec: &LabSpec) -> Self {
        let dir = node_dir(lab, name);
        let wires = spec.cuts.iter().enumerate().filter_map(|(number, (a, b))| {
            let from = [(a, b), (b, a)].into_iter().find(|(one, _)| *one == name)?.1;
            Some((from.clone(), wire_dir(lab, number, from)))
        });
        let below = |part: &str| dir.join(part).display().to_string();
        LocalHost {
            name: name.to_owned(),
            paths: Paths {
                data: below("data"),
                log: below("log"),
                sockets: below(RUN),
                shared: lab.join("shared").display().to_string(),
            },
            power: Power::default(),
            wires: wires.collect(),
            dir,
            bin: PathBuf::from(&installation.place),
            version: installation.version,
            owner: backend.owner,
            cache: backend.cache.clone(),
            search_path: format!("{}:{}", installation.place, backend.path.to_string_lossy()),
        }
    }

    fn endpoint_here(&self) -> Endpoint {
        Endpoint::Socket { dir: self.dir.join(RUN), port: PORT }
    }

    fn make_directories(&self) -> Result<()> {
        make_directory(&self.dir, self.owner)?;
        make_directory(&self.dir.join(RUN), self.owner)
    }

    /// Does something that takes the processes' time, off the thread that everything else waits on.
    async fn blocking(
        &self,
        what: impl FnOnce(&Path) -> std::result::Result<(), String> + Send + 'static,
    ) -> Result<()> {
        let dir = self.dir.clone();
        let done = tokio::task::spawn_blocking(move || what(&dir)).await;
        done.map_err(|e| HostError::new(e.to_string()))?.map_err(HostError::new)
    }

    /// Where a program is: among PostgreSQL's own, or wherever PATH finds it.
    fn resolve(&self, name: &str) -> PathBuf {
        let own = self.bin.join(name);
        if own.exists() { own } else { PathBuf::from(name) }
    }
}

#[async_trait]
impl Host for LocalHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn paths(&self) -> &Paths {
        &self.paths
    }

    async fn endpoint(&self) -> Result<Endpoint> {
        Ok(self.endpoint_here())
    }

    fn peer_endpoint(&self, from: &str) -> Endpoint {
        match self.wires.iter().find(|(peer, _)| peer == from) {
            Some((_, dir)) => Endpoint::Socket { dir: dir.clone(), port: PORT },
            None => self.endpoint_here(),
        }
    }

    fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        vec![
            setting("listen_addresses", ""),
            setting("port", &PORT.to_string()),
            setting("unix_socket_directories", &self.paths.sockets),
            setting("unix_socket_permissions", "0700"),
            // Otherwise a killed server leaves its segments in /dev/shm.
            setting("dynamic_shared_memory_type", "mmap"),
        ]
    }

    fn hba(&self) -> Vec<String> {
        ["local all all scram-sha-256", "local replication all scram-sha-256"].map(str::to_owned).to_vec()
    }

    async fn run(&self, program: Program) -> Result<Output> {
        if !self.power.is_on() {
            return Err(HostError::new(format!("nothing can be run for node `{}`: its host is not on", self.name)));
        }
        let trouble = |e: std::io::Error| {
            let error = HostError::new(format!("cannot run `{}` for node `{}`: {e}", program.name, self.name));
            match e.kind() {
                std::io::ErrorKind::NotFound => error.help(format!(
                    "it was looked for in {} and in PATH; `drillyard doctor` shows what is here",
                    self.bin.display()
                )),
                _ => error,
            }
        };
        let mut command = tokio::process::Command::new(self.resolve(&program.name));
        command.args(&program.args).env_clear();
        command.env("PATH", &self.search_path).env("HOME", &self.dir).env("LC_ALL", "C").env("PGPASSFILE", "/dev/null");
        command.envs(program.env.iter().map(|(k, v)| (k, v)));
        command.current_dir(&self.dir).process_group(0);
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        if let Owner::Other(uid, gid) = self.owner {
            command.uid(uid.as_raw()).gid(gid.as_raw());
        }
        let mut child = command.spawn().map_err(trouble)?;
        let group = process::Group::of(child.id());
        let (mut out, mut err) = (child.stdout.take(), child.stderr.take());
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        let read_out =
            async { if let Some(out) = &mut out { out.read_to_end(&mut stdout).await.map(drop) } else { Ok(()) } };
        let read_err =
            async { if let Some(err) = &mut err { err.read_to_end(&mut stderr).await.map(drop) } else { Ok(()) } };
        let (status, out, err) = tokio::join!(child.wait(), read_out, read_err);
        group.ended();
        out.and(err).map_err(trouble)?;
        let status = status.map_err(trouble)?;
        let signal = std::os::unix::process::ExitStatusExt::signal(&status);
        Ok(Output {
            status: status.code().map_or(128 + i64::from(signal.unwrap_or(0)), i64::from),
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    async fn write(&self, path: &str, contents: &[u8]) -> Result<()> {
        let path = Path::new(path);
        let written = std::fs::write(path, contents)
            .and_then(|()| std::fs::set_permissions(path, std::fs::Permissions::from_mode(0o600)))
            .and_then(|()| self.owner.give(path));
        written.map_err(|e| HostError::new(format!("cannot write {}: {e}", path.display())))
    }

    async fn read(&self, path: &str, offset: u64) -> Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let read = || {
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(offset.min(file.metadata()?.size())))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(bytes),
            Err(e) if std::io::Error::kind(&e) == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(e) => Err(HostError::new(format!("cannot read {path}: {e}"))),
        }
    }

    async fn initdb(&self, options: &[&str], system: SystemId) -> Result<String> {
        let template = template::Template {
            bin: self.bin.clone(),
            version: self.version,
            options: options.iter().map(|o| (*o).to_owned()).collect(),
            cache: self.cache.clone(),
        };
        template.fill(self, system).await
    }

    fn shell(&self, program: &Program) -> Vec<String> {
        let mut argv = Vec::new();
        if let Owner::Other(uid, gid) = self.owner {
            argv.extend(
                ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"].map(str::to_owned),
            );
        }
        argv.extend(["env".to_owned(), format!("HOME={}", self.dir.display()), format!("PATH={}", self.search_path)]);
        argv.push(self.resolve(&program.name).display().to_string());
        argv.extend(program.args.iter().cloned());
        argv
    }

    fn is_on(&self) -> bool {
        self.power.is_on()
    }

    async fn look(&self) -> Result<Seen> {
        Ok(match (self.power.is_frozen(), self.power.is_off(), self.dir.is_dir()) {
            (true, ..) => Seen::Frozen,
            (_, true, _) => Seen::Off("it was taken away".to_owned()),
            (_, _, false) => Seen::Off(format!("its directory {} is gone", self.dir.display())),
            (_, _, true) => Seen::On,
        })
    }

    async fn kill(&self) -> Result<()> {
        self.power.off();
        self.blocking(process::kill_processes_under).await
    }

    async fn lose(&self) -> Result<()> {
        self.kill().await?;
        self.blocking(|dir| {
            process::remove_shared_memory(dir);
            std::fs::remove_dir_all(dir).map_err(|e| format!("cannot remove {}: {e}", dir.display()))
        })
        .await
    }

    async fn boot(&self) -> Result<()> {
        self.make_directories()?;
        self.power.on();
        Ok(())
    }

    async fn freeze(&self) -> Result<()> {
        self.power.frozen();
        self.blocking(process::freeze_processes_under).await
    }

    async fn thaw(&self) -> Result<()> {
        self.blocking(process::thaw_processes_under).await?;
        self.power.on();
        Ok(())
    }
}
