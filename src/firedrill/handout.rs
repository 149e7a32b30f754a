//! What people are given: how each server is reached, where backups and WAL are, where a server of
//! their own can be made.

use std::fmt::Write as _;
use std::net::IpAddr;
use std::path::Path;
use std::sync::{Arc, PoisonError};

use super::door::Doors;
use super::view::{PlaceView, ServerView};
use crate::harness::{NodeId, as_variable, handout, other_repos};
use crate::host::{Host, Program, as_word, single_quoted};
use crate::journal::Problem;
use crate::node::{DATABASE, Node, SUPERUSER};
use crate::run::{Field, KeptNode, make_outside, write_outside};

/// The files that it writes.
const FILES: [&str; 5] = ["handout.md", "env", "pg_service.conf", ".pgpass", "server.crt"];

/// Makes an empty directory for a server.
const SCRATCH: &str = include_str!("scripts/scratch.sh");

/// What people are given.
#[derive(Debug, Clone, Default)]
pub(super) struct Handout {
    /// Variables for scripts, as seen from this machine.
    pub env: Vec<(String, String)>,
    /// How each server is reached.
    pub servers: Vec<ServerView>,
    /// Where things are.
    pub places: Vec<PlaceView>,
    /// What `drillyard shell` opens on hosts that have no server yet.
    pub shells: Vec<KeptNode>,
    /// Of each server: where its files are, as a variable.
    data: Vec<(String, String)>,
    /// The certificate of the ways in from other machines, if there are any.
    certificate: Option<String>,
    /// Of each server: name, host or directory of its socket, port, user, database, password.
    services: Vec<[String; 6]>,
}

/// A host for a server of people's own.
#[derive(Clone)]
pub(super) struct Scratch {
    /// The name by which it is judged.
    pub name: String,
    /// The host.
    pub host: Arc<dyn Host>,
    /// The port that its server can have. A base backup brings along where its original listens, so
    /// that a copy with another port listens beside it.
    pub port: u16,
}

impl std::fmt::Debug for Scratch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{} on port {}", self.name, self.port)
    }
}

impl Handout {
    /// Of a drill whose servers run. The first `adopted` places are for servers that are judged.
    pub(super) async fn of(
        field: &Field<'_>,
        dir: &Path,
        scratch: &[Scratch],
        adopted: usize,
    ) -> Result<Self, Problem> {
        let nodes: Vec<_> = field.world.outputs().nodes.values().cloned().collect();
        let mut given = Handout::default();
        let own: Vec<&Arc<Node>> = nodes.iter().filter(|node| !node.is_external()).collect();
        for node in &own {
            given.server(field, dir, node).await?;
        }
        let first = own.iter().find(|node| field.world.spec(node.name()).follows.is_none()).or(own.first());
        let first =
            first.ok_or_else(|| Problem::new("this drill has no server of its own that people could work on"))?;
        let mut bin = String::new();
        for one in scratch {
            let output = one
                .host
                .run(Program::script(SCRATCH, [&one.host.paths().data]))
                .await
                .map_err(|error| error.problem())?;
            if !output.success() {
                return Err(Problem::new(format!("no place for a new server: {}", output.stderr.trim())));
            }
            output.text().trim().clone_into(&mut bin);
        }
        let place = scratch.first().map(|one| (&one.host, one.port));
        let values = handout(field.world, first.name(), place).await.map_err(|finding| Problem::new(&finding.title))?;
        let mut session = vec![
            ("PGBIN".to_owned(), bin),
            ("DRILLYARD_RUN".to_owned(), field.env().run.clone()),
            ("PGSERVICEFILE".to_owned(), dir.join("pg_service.conf").display().to_string()),
            ("PGPASSFILE".to_owned(), dir.join(".pgpass").display().to_string()),
        ];
        session.extend(values.clone());
        session.append(&mut given.data);
        let (at, port) = first.endpoint().await.map_err(|error| error.problem())?.host_port();
        given.env =
            set(&first.session_env().map_err(|error| error.problem())?, &at, port).into_iter().chain(session).collect();
        let places = values.into_iter().map(|(name, text)| PlaceView { name: spoken(&name), text });
        let shell = scratch.first().map(|one| PlaceView {
            name: "a shell there".to_owned(),
            text: format!("drillyard shell {}/{} -- sh", field.env().run, one.name),
        });
        given.places.splice(0..0, places.chain(shell));
        given.other_repos(field, first, scratch).await?;
        for one in scratch.iter().take(adopted) {
            given.adopted(one);
        }
        for one in scratch {
            given.shell(one, first, &values_for(&given.env));
        }
        Ok(given)
    }

    /// Opens ways in from other machines, and tells how each is taken.
    ///
    /// # Errors
    /// If nobody can listen at that address.
    pub(super) async fn open_doors(
        &mut self,
        field: &Field<'_>,
        address: IpAddr,
        scratch: &[Scratch],
    ) -> Result<Doors, Problem> {
        let failed = |why: &dyn std::fmt::Display| {
            Problem::new(format!("servers cannot be reached at {address}: {why}"))
                .help("--reachable takes an address of this machine")
        };
        let mut doors = Doors::at(address).map_err(|error| failed(&error))?;
        let servers: Vec<String> = self.servers.iter().map(|server| server.node.clone()).collect();
        let password = self.services.first().map(|[.., password]| password.clone()).unwrap_or_default();
        for name in servers.into_iter().chain(scratch.iter().map(|one| one.name.clone())) {
            let (id, outputs) = (NodeId::from(name.as_str()), field.world.outputs.clone());
            let find = move || outputs.lock().unwrap_or_else(PoisonError::into_inner).nodes.get(&id).cloned();
            let door = doors.open(&name, Arc::new(find)).await.map_err(|error| failed(&error))?;
            let psql = format!(
                "psql 'host={} port={} user={SUPERUSER} dbname={DATABASE} sslmode=require'",
                door.ip(),
                door.port()
            );
            match self.servers.iter_mut().find(|server| server.node == name) {
                Some(server) => server.psql.clone_from(&psql),
                None => self.servers.push(ServerView { node: name.clone(), psql: psql.clone(), shell: String::new() }),
            }
            self.services.push([
                format!("{name}-remote"),
                door.ip().to_string(),
                door.port().to_string(),
                SUPERUSER.to_owned(),
                DATABASE.to_owned(),
                password.clone(),
            ]);
        }
        self.places.push(PlaceView { name: format!("password of {SUPERUSER}"), text: password });
        self.certificate = Some(doors.certificate.clone());
        Ok(doors)
    }

    async fn server(&mut self, field: &Field<'_>, dir: &Path, node: &Node) -> Result<(), Problem> {
        let (at, port) = node.endpoint().await.map_err(|error| error.problem())?.host_port();
        let env = node.session_env().map_err(|error| error.problem())?;
        let value = |name: &str| env.iter().find(|(known, _)| known == name).map(|(_, value)| value.clone());
        let [user, database, password] =
            ["PGUSER", "PGDATABASE", "PGPASSWORD"].map(|name| value(name).unwrap_or_default());
        // What is named in a service goes before what the environment says.
        let psql = format!("(. {}; psql service={})", word(&dir.join("env")), node.name());
        let shell = format!("drillyard shell {}/{} -- sh", field.env().run, node.name());
        let data = node.host().map_err(|error| error.problem())?.paths().data.clone();
        self.places.push(PlaceView { name: format!("data directory of {}", node.name()), text: data.clone() });
        self.data.push((format!("DRILLYARD_DATA_{}", as_variable(node.name())), data));
        self.servers.push(ServerView { node: node.name().to_owned(), psql, shell });
        self.services.push([node.name().to_owned(), at, port.to_string(), user, database, password]);
        Ok(())
    }

    /// The place for a server that the checks look at, by its name.
    fn adopted(&mut self, place: &Scratch) {
        let (data, name) = (place.host.paths().data.clone(), as_variable(&place.name));
        let text = format!("{data}, port {}", place.port);
        self.places.push(PlaceView { name: format!("place for the server `{}`", place.name), text });
        self.env.push((format!("DRILLYARD_SCRATCH_{name}"), data));
        self.env.push((format!("DRILLYARD_SCRATCH_{name}_PORT"), place.port.to_string()));
    }

    /// Where the repos are that the first server does not archive into: `DRILLYARD_BACKUP_OFFSITE`.
    async fn other_repos(&mut self, field: &Field<'_>, first: &Node, scratch: &[Scratch]) -> Result<(), Problem> {
        let Some(one) = scratch.first() else { return Ok(()) };
        let others = other_repos(field.world, first.name(), &one.host).await;
        for (repo, name, text) in others.map_err(|finding| Problem::new(&finding.title))? {
            self.places.push(PlaceView { name: format!("{} in repo {repo}", spoken(name)), text: text.clone() });
            self.env.push((format!("{name}_{}", as_variable(&repo)), text));
        }
        Ok(())
    }

    /// A shell on a host without a server: its session goes to the first server, as it is reached
    /// from there.
    fn shell(&mut self, scratch: &Scratch, first: &Node, values: &[(String, String)]) {
        let Ok(first_host) = first.host() else { return };
        let (at, port) = first_host.peer_endpoint(&scratch.name).host_port();
        let Ok(session) = first.session_env() else { return };
        let mut env = set(&session, &at, port);
        env.extend(values.iter().cloned());
        let data = scratch.host.paths().data.clone();
        for (name, value) in [("DRILLYARD_SCRATCH", data), ("DRILLYARD_SCRATCH_PORT", scratch.port.to_string())] {
            env.retain(|(known, _)| known != name);
            env.push((name.to_owned(), value));
        }
        let (drill, node) = ("firedrill".to_owned(), scratch.name.clone());
        self.shells.push(KeptNode { drill, node, shell: scratch.host.shell(&env), env });
    }

    /// Writes the files into a directory. What of it is outside the run's directory goes with that.
    ///
    /// # Errors
    /// If it cannot be written, or one of them is there already.
    pub(super) fn write(&self, run: &Path, dir: &Path, markdown: &str) -> std::io::Result<()> {
        // Somebody's own .pgpass is not replaced.
        if let Some(taken) = FILES.map(|name| dir.join(name)).iter().find(|file| file.symlink_metadata().is_ok()) {
            return Err(std::io::Error::other(format!("{} is there already", taken.display())));
        }
        make_outside(run, dir)?;
        let write = |name: &str, text: &str| write_outside(run, &dir.join(name), text);
        write("handout.md", markdown)?;
        write("env", &self.env_file())?;
        let mut services = String::new();
        let mut passwords = String::new();
        for [name, host, port, user, database, password] in &self.services {
            let _ = writeln!(services, "[{name}]\nhost={host}\nport={port}\nuser={user}\ndbname={database}\n");
            let _ = writeln!(passwords, "{}:*:*:{}:{}", escape(host), escape(user), escape(password));
        }
        if let Some(certificate) = &self.certificate {
            write("server.crt", certificate)?;
        }
        write("pg_service.conf", &services)?;
        write(".pgpass", &passwords)
    }

    /// NAME=value, quoted for sh.
    fn env_file(&self) -> String {
        let mut text = String::new();
        for (name, value) in &self.env {
            let _ = writeln!(text, "{name}={}", single_quoted(value));
        }
        let names: Vec<&str> = self.env.iter().map(|(name, _)| name.as_str()).collect();
        let _ = writeln!(text, "export {}", names.join(" "));
        text
    }

    /// `handout.md`.
    pub(super) fn markdown(&self, run: &str, dir: &Path, brief: &str) -> String {
        let mut text = format!("# Firedrill {run}\n\n{}\n\n## Servers\n\n", brief.trim());
        for server in &self.servers {
            let _ = write!(text, "- **{}**: `{}`", server.node, server.psql);
            if !server.shell.is_empty() {
                let _ = write!(text, "; a shell on its host: `{}`", server.shell);
            }
            text.push('\n');
        }
        let env = word(&dir.join("env"));
        text.push_str("\n## Where things are\n\n");
        for place in &self.places {
            let _ = writeln!(text, "- {}: `{}`", place.name, place.text);
        }
        let _ = write!(
            text,
            "\n## Recovering\n\nA script that begins with `. {}` has all of the above as variables. A server of your own is made \
             in `$DRILLYARD_SCRATCH`, and started with `-o \"-p $DRILLYARD_SCRATCH_PORT\"`, by the user that owns that directory (as root: \
             `. {}`, then `setpriv --reuid=postgres --regid=postgres --clear-groups sh`, which keeps the variables); it is found by \
             itself when it comes up. With containers it is made inside, in the shell there, where the same variables are set. \
             `drillyard scratch NAME` gives you another place. What is copied from another server has that one's socket \
             directory in its configuration: start it with `-o \"-k DIR\"`, the host of its own service.\n\n\
             Say `drillyard done` when you are done, `drillyard hint` if you want a hint, `drillyard note TEXT` to write \
             something down, `drillyard note --seen TEXT` when you see that something is wrong.\n",
            env, env
        );
        text
    }
}

/// The variables of a session on a server, which is reached in this way.
fn set(session: &[(String, String)], host: &str, port: u16) -> Vec<(String, String)> {
    let value = |name: &str, value: &str| match name {
        "PGHOST" => host.to_owned(),
        "PGPORT" => port.to_string(),
        _ => value.to_owned(),
    };
    session.iter().map(|(name, old)| (name.clone(), value(name, old))).collect()
}

/// A path as a word of a command.
fn word(path: &Path) -> String {
    as_word(&path.display().to_string())
}

/// What is the same wherever it is read.
fn values_for(env: &[(String, String)]) -> Vec<(String, String)> {
    let there = |name: &str| name.starts_with("DRILLYARD_") || name == "PGBIN";
    env.iter().filter(|(name, _)| there(name)).cloned().collect()
}

/// `DRILLYARD_RESTORE_COMMAND` as people say it.
fn spoken(name: &str) -> String {
    match name {
        "DRILLYARD_BACKUP" => "newest backup".to_owned(),
        "DRILLYARD_ARCHIVE" => "WAL archive".to_owned(),
        "DRILLYARD_RESTORE_COMMAND" => "restore_command".to_owned(),
        "DRILLYARD_SCRATCH" => "place for a new server".to_owned(),
        "DRILLYARD_SCRATCH_PORT" => "its port".to_owned(),
        other => other.to_owned(),
    }
}

/// As .pgpass has it (manual, 34.16).
fn escape(text: &str) -> String {
    text.replace('\\', "\\\\").replace(':', "\\:")
}
