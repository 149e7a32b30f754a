//! A directory of this machine as the host of one server: its programs are processes that work
//! below it.

use std::os::unix::fs::MetadataExt;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use tokio::process::Command;
use tokio::task::JoinSet;

use super::disk;
use super::fetching::Fetching;
use super::layout::{PORT, RUN, endpoint, fetch_script, link_dir, node_dir, shared_dir, socket};
use super::link::listening;
use super::owner::Owner;
use super::programs::Programs;
use super::template::Template;
use super::written::until_exit;
use crate::host::lifecycle::Lifecycle;
use crate::host::process::{self, Group};
use crate::host::{
    DiskOf, Endpoint, Host, HostError, LabSpec, Outlet, Output, Paths, Program, Reach, Result, Seen, ShellCommand,
    WAL_TAKES_SPACE,
};
use crate::pg::{SystemId, Version};

/// Where a small disk of a host is, and the data directory on it; and where the one for pg_wal is.
const DISK: &str = "disk";
const DISK_DATA: &str = "disk/data";
const DISK_WAL: &str = "wal";

/// The small disks of a host: where they are in its directory, and their sizes.
pub(super) fn small_disks(spec: &LabSpec, node: &str) -> Vec<(&'static str, u64)> {
    let size = |of: fn(String) -> DiskOf| spec.small_disk(&of(node.to_owned()));
    let disks = [(DISK, size(DiskOf::Data)), (DISK_WAL, size(DiskOf::Wal))];
    disks.into_iter().filter_map(|(place, size)| Some((place, size?))).collect()
}

/// A directory that one server lives in.
pub(super) struct LocalHost {
    name: String,
    dir: PathBuf,
    programs: Arc<Programs>,
    paths: Paths,
    lifecycle: Lifecycle,
    /// The nodes that reach this one by a link that can be cut, and where they find its end.
    links: Vec<(String, PathBuf)>,
    /// The lab's directory.
    lab: PathBuf,
    /// Its small disks: where they are, and their sizes.
    disks: Vec<(&'static str, u64)>,
    /// What fetches WAL for its server.
    fetching: Mutex<JoinSet<()>>,
}

impl LocalHost {
    pub(super) fn new(name: &str, lab: &Path, spec: &LabSpec, programs: Arc<Programs>) -> Self {
        let dir = node_dir(lab, name);
        let links = spec.cuts.iter().enumerate().filter_map(|(number, (a, b))| {
            let from = [(a, b), (b, a)].into_iter().find(|(one, _)| *one == name)?.1;
            Some((from.clone(), link_dir(lab, number, from)))
        });
        let below = |part: &str| dir.join(part).display().to_string();
        let disks = small_disks(spec, name);
        let shared = shared_dir(lab).display().to_string();
        let has = |place| disks.iter().any(|(own, _)| *own == place);
        LocalHost {
            name: name.to_owned(),
            paths: Paths {
                data: if has(DISK) { below(DISK_DATA) } else { below("data") },
                wal: has(DISK_WAL).then(|| below(DISK_WAL)),
                clock: spec.clock(name, &shared),
                log: below("log"),
                sockets: below(RUN),
                shared,
            },
            lifecycle: Lifecycle::default(),
            links: links.collect(),
            lab: lab.to_owned(),
            disks,
            fetching: Mutex::default(),
            dir,
            programs,
        }
    }

    fn endpoint_here(&self) -> Endpoint {
        endpoint(self.dir.join(RUN))
    }

    /// Does something that takes the processes' time, off the thread that everything else waits on.
    async fn blocking(&self, what: impl FnOnce(&Path) -> Result<()> + Send + 'static) -> Result<()> {
        let dir = self.dir.clone();
        let done = tokio::task::spawn_blocking(move || what(&dir)).await;
        done.map_err(|e| HostError::new(e.to_string()))?
    }

    /// A program of the servers' user, in a process group of its own.
    fn command(&self, program: &Program) -> Command {
        let mut command = self.programs.command(&program.name, &self.dir, program.reach);
        command.args(&program.args).envs(program.env.iter().map(|(k, v)| (k, v)));
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    /// A path for one more way out.
    fn way(&self) -> PathBuf {
        self.programs.around.way(&self.lab)
    }
}

/// Makes the directories of a host, empty, and its small disks.
pub(super) fn make_directories(dir: &Path, disks: &[(&str, u64)], owner: Owner) -> Result<()> {
    owner.make_directory(dir)?;
    owner.make_directory(&dir.join(RUN))?;
    for (place, size) in disks {
        let disk = dir.join(place);
        owner.make_directory(&disk)?;
        disk::mount(&disk, *size, owner)?;
    }
    Ok(())
}

#[async_trait]
impl Host for LocalHost {
    fn name(&self) -> &str {
        &self.name
    }

    fn version(&self) -> Version {
        self.programs.version
    }

    fn paths(&self) -> &Paths {
        &self.paths
    }

    async fn endpoint(&self) -> Result<Endpoint> {
        Ok(self.endpoint_here())
    }

    fn peer_endpoint(&self, from: &str) -> Endpoint {
        match self.links.iter().find(|(peer, _)| peer == from) {
            Some((_, dir)) => endpoint(dir.clone()),
            None => self.endpoint_here(),
        }
    }

    /// Its socket comes to lie beside that of the other one.
    fn scratch_port(&self, number: u16) -> u16 {
        PORT.saturating_add(1).saturating_add(number)
    }

    fn settings(&self) -> Vec<(String, String)> {
        let setting = |name: &str, value: &str| (name.to_owned(), value.to_owned());
        let mut settings = vec![
            setting("listen_addresses", ""),
            setting("port", &PORT.to_string()),
            setting("unix_socket_directories", &self.paths.sockets),
            setting("unix_socket_permissions", "0700"),
            // Otherwise a killed server leaves its segments in /dev/shm.
            setting("dynamic_shared_memory_type", "mmap"),
        ];
        if !self.disks.is_empty() {
            settings.push(setting(WAL_TAKES_SPACE.0, WAL_TAKES_SPACE.1));
            // As elsewhere, a full disk takes no memory away (from 14 it can be had beforehand).
            if self.programs.version.major >= 14 {
                settings.push(setting("min_dynamic_shared_memory", "32MB"));
            }
        }
        settings
    }

    fn hba(&self) -> Vec<String> {
        ["local all all scram-sha-256", "local replication all scram-sha-256"].map(str::to_owned).to_vec()
    }

    /// Nobody else can enter the directory of the socket.
    fn open_hba(&self) -> Option<Vec<String>> {
        Some(["local all all trust", "local replication all trust"].map(str::to_owned).to_vec())
    }

    async fn outlet(&self) -> Result<Option<Outlet>> {
        if self.programs.around.enclosure.is_none() {
            return Ok(None);
        }
        let (owner, path) = (self.programs.around.owner, self.way());
        owner.make_fixed_directory(&path)?;
        let at = socket(&path);
        let listener = listening(&at, |at| owner.give(at))?;
        Ok(Some(Outlet { dir: path.display().to_string(), listener, path }))
    }

    async fn fetching(&self, command: &str) -> Result<String> {
        if self.programs.around.enclosure.is_none() {
            return Ok(command.to_owned());
        }
        let pipe = self.way();
        let fetching = Fetching::at(pipe.clone(), self.programs.around.owner)?;
        let (programs, home, data) = (self.programs.clone(), self.dir.clone(), PathBuf::from(&self.paths.data));
        let serve = fetching.serve(command.to_owned(), move |line| {
            let mut command = programs.command("sh", &home, Reach::OfMachine);
            command.args(["-c", line]).current_dir(&data);
            command
        });
        self.fetching.lock().unwrap_or_else(PoisonError::into_inner).spawn(serve);
        Ok(format!("sh {} {} %f %p %r", fetch_script(&self.lab).display(), pipe.display()))
    }

    async fn run(&self, program: Program) -> Result<Output> {
        if !self.lifecycle.is_on() {
            return Err(HostError::new(format!("nothing can be run for node `{}`: its host does not run", self.name)));
        }
        let trouble = |e: std::io::Error| {
            let error = HostError::new(format!("cannot run `{}` for node `{}`: {e}", program.name, self.name));
            match e.kind() {
                std::io::ErrorKind::NotFound => error.help(format!(
                    "it was looked for in {} and in PATH; `drillyard doctor` shows what is here",
                    self.programs.bin.display()
                )),
                _ => error,
            }
        };
        let mut child = self.command(&program).spawn().map_err(trouble)?;
        let group = Group::of(child.id());
        let written = until_exit(&mut child).await;
        group.ended();
        let (status, stdout, stderr) = written.map_err(trouble)?;
        let signal = status.signal();
        Ok(Output {
            status: status.code().map_or(128 + i64::from(signal.unwrap_or(0)), i64::from),
            stdout,
            stderr: String::from_utf8_lossy(&stderr).into_owned(),
        })
    }

    async fn write(&self, path: &str, contents: &[u8]) -> Result<()> {
        let written = self.programs.around.owner.write(Path::new(path), contents).await;
        written.map_err(|e| HostError::new(format!("cannot write {path}: {e}")))
    }

    async fn read(&self, path: &str, offset: u64) -> Result<Vec<u8>> {
        use std::io::{Read, Seek, SeekFrom};
        let read = || -> std::io::Result<Vec<u8>> {
            let mut file = std::fs::File::open(path)?;
            file.seek(SeekFrom::Start(offset.min(file.metadata()?.size())))?;
            let mut bytes = Vec::new();
            file.read_to_end(&mut bytes)?;
            Ok(bytes)
        };
        match read() {
            Ok(bytes) => Ok(bytes),
            Err(e) if e.kind() == std::io::ErrorKind::NotFound => Ok(vec![]),
            Err(e) => Err(HostError::new(format!("cannot read {path}: {e}"))),
        }
    }

    async fn initdb(&self, options: &[&str], system: SystemId) -> Result<String> {
        let template = Template::new(&self.programs.bin, self.programs.version, options, self.programs.around.owner);
        template.fill(self, &self.dir, &self.programs.around.cache, system).await
    }

    fn shell(&self, _env: &[(String, String)]) -> ShellCommand {
        let mut words = Vec::new();
        if let Owner::Other(uid, gid) = self.programs.around.owner {
            let user = ["setpriv", &format!("--reuid={uid}"), &format!("--regid={gid}"), "--clear-groups"];
            words.extend(user.map(str::to_owned));
        }
        words.push("env".to_owned());
        words.push(format!("HOME={}", self.dir.display()));
        words.push(format!("PATH={}", self.programs.search_path));
        ShellCommand { interactive: words.clone(), piped: words }
    }

    fn own_file_system(&self) -> Option<&'static str> {
        Some("`--backend docker`")
    }

    fn is_on(&self) -> bool {
        self.lifecycle.is_on()
    }

    async fn look(&self) -> Result<Seen> {
        Ok(match (self.lifecycle.is_frozen(), self.lifecycle.is_off(), self.dir.is_dir()) {
            (true, ..) => Seen::Frozen,
            (_, true, _) => Seen::Off("it was stopped".to_owned()),
            (_, _, false) => Seen::Off(format!("its directory {} is gone", self.dir.display())),
            (_, _, true) => Seen::On,
        })
    }

    async fn kill(&self) -> Result<()> {
        self.lifecycle.set_off();
        self.blocking(process::kill_processes_under).await
    }

    async fn lose(&self) -> Result<()> {
        self.kill().await?;
        self.blocking(|dir| {
            process::remove_shared_memory(dir);
            disk::remove_around(dir).map_err(|e| HostError::new(format!("cannot remove {}: {e}", dir.display())))
        })
        .await
    }

    async fn boot(&self) -> Result<()> {
        make_directories(&self.dir, &self.disks, self.programs.around.owner)?;
        self.lifecycle.set_on();
        Ok(())
    }

    async fn freeze(&self) -> Result<()> {
        self.lifecycle.set_frozen();
        self.blocking(process::freeze_processes_under).await
    }

    async fn thaw(&self) -> Result<()> {
        self.blocking(process::thaw_processes_under).await?;
        self.lifecycle.set_on();
        Ok(())
    }
}
