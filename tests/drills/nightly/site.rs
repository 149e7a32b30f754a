//! A small production: a primary that archives, with a tablespace, a second database, a role and a
//! subscription, and the server that it subscribes to.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::{Duration, Instant};

use crate::testing::{PASSWORD, Server, Shutdown};

/// What a drill is pointed at.
pub struct Site {
    /// The primary.
    pub primary: Server,
    /// The server that it subscribes to.
    pub publisher: Server,
}

impl Site {
    /// Starts both; the primary has 1000 rows, and the subscription has its own.
    pub async fn start() -> Site {
        Site::start_with(&[]).await
    }

    /// The same; the primary is made with these options of initdb.
    pub async fn start_with(initdb: &[&str]) -> Site {
        let (primary, publisher) = (Server::start_with(initdb).await, Server::start().await);
        let site = Site { primary, publisher };
        for dir in ["wal", "backups", "space"] {
            site.run("mkdir", &[&site.dir(dir).display().to_string()]);
        }
        let wal = site.dir("wal").display().to_string();
        site.primary.append(
            "postgresql.conf",
            &format!("archive_mode = on\narchive_command = 'test ! -e {wal}/%f && cp %p {wal}/.part && mv {wal}/.part {wal}/%f'\nwork_mem = '7MB'\n"),
        );
        site.primary.append("pg_hba.conf", "local replication all scram-sha-256\n");
        site.primary.stop(Shutdown::Fast);
        site.primary.start_again().await;
        site.publisher.sql("CREATE TABLE prices (id int PRIMARY KEY)").await;
        site.publisher.sql("CREATE PUBLICATION prices FOR TABLE prices").await;
        site.publisher.sql("INSERT INTO prices VALUES (1)").await;
        let space = site.dir("space").display().to_string();
        site.primary.sql(&format!("CREATE TABLESPACE fast LOCATION '{space}'")).await;
        site.primary.sql("CREATE DATABASE billing").await;
        let publisher = format!(
            "host={} port={} user=postgres password=''{}'' dbname=postgres",
            site.publisher.dir().display(),
            site.publisher.port(),
            PASSWORD.replace('\'', "\\''")
        );
        site.primary
            .sql(
                "CREATE TABLE t (i int PRIMARY KEY, note text);
                 INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1, 1000) i;
                 CREATE TABLE quick (i int) TABLESPACE fast;
                 INSERT INTO quick SELECT generate_series(1, 500);
                 CREATE TABLE prices (id int PRIMARY KEY);
                 CREATE SCHEMA shop;
                 CREATE TABLE shop.orders AS SELECT i, now() AS ordered_at FROM generate_series(1, 100) i;
                 CREATE TABLE beats AS SELECT now() AS at;
                 CREATE ROLE clerk;
                 CREATE ROLE drill LOGIN REPLICATION PASSWORD 'of the drill';
                 GRANT pg_monitor, pg_read_all_data TO drill",
            )
            .await;
        site.primary.sql(&format!("CREATE SUBSCRIPTION prices CONNECTION '{publisher}' PUBLICATION prices")).await;
        settle(&site.primary, "SELECT count(*) FROM prices", 1).await;
        site
    }

    /// Gives the primary a library with a background worker of its own: pg_cron with a job that
    /// writes to `jobs/ran` which server it runs on, once wherever one starts; else pg_prewarm,
    /// which stands in for it. It is restarted for that.
    pub async fn with_jobs(&self) -> Jobs {
        let libraries = self.primary.program("pg_config", &["--pkglibdir"]);
        let libraries = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
        let jobs = match Path::new(&libraries).join("pg_cron.so").exists() {
            true => Jobs::OfPgCron,
            false => Jobs::StoodInFor,
        };
        let lines = match jobs {
            Jobs::OfPgCron => {
                "shared_preload_libraries = 'pg_cron'\ncron.database_name = 'postgres'\ncron.use_background_workers = on\n"
            }
            Jobs::StoodInFor => "shared_preload_libraries = 'pg_prewarm'\n",
        };
        self.primary.append("postgresql.conf", lines);
        self.primary.stop(Shutdown::Fast);
        self.primary.start_again().await;
        if jobs == Jobs::StoodInFor {
            settle(&self.primary, "SELECT count(*) FROM pg_settings WHERE name = 'pg_prewarm.autoprewarm'", 1).await;
            return jobs;
        }
        let jobs_dir = self.dir("jobs").display().to_string();
        self.run("mkdir", &[&jobs_dir]);
        let job = format!("COPY (SELECT current_setting('data_directory')) TO PROGRAM 'cat >>{jobs_dir}/ran'");
        let schedule =
            format!("CREATE EXTENSION pg_cron; SELECT cron.schedule('@reboot', {})", super::isolated::literal(&job));
        self.primary.sql(&schedule).await;
        self.primary.stop(Shutdown::Fast);
        self.primary.start_again().await;
        let ran = format!("SELECT count(*) FROM pg_stat_file('{jobs_dir}/ran', true) WHERE size > 0");
        settle(&self.primary, &ran, 1).await;
        jobs
    }

    /// A directory of the primary's machine.
    pub fn dir(&self, name: &str) -> PathBuf {
        self.primary.dir().join(name)
    }

    /// How a drill reads the primary.
    pub fn url(&self) -> String {
        let (dir, port) = (self.primary.dir().display(), self.primary.port());
        format!("host={dir} port={port} user=drill password='of the drill' dbname=postgres")
    }

    /// Takes a base backup, as last night's job does.
    pub fn back_up(&self, name: &str, options: &[&str]) {
        let dir = self.dir("backups").join(name).display().to_string();
        let space = format!("{}={}", self.dir("space").display(), self.dir("backups/.spaces").join(name).display());
        let plain = !options.contains(&"-Ft");
        let mapping = ["-T", &space];
        let args = [&["-D", &dir, "-c", "fast"][..], options, if plain { &mapping[..] } else { &[] }].concat();
        let taken = self.primary.program("pg_basebackup", &args);
        assert!(taken.status.success(), "{}", String::from_utf8_lossy(&taken.stderr));
    }

    /// Archives with pgBackRest from now on, into two repositories: one plain, one encrypted.
    pub async fn with_pgbackrest(self) -> Self {
        let dir = self.primary.dir().display();
        let config = format!(
            "[global]\nrepo1-path={dir}/repo1\nrepo1-retention-full=2\nrepo2-path={dir}/repo2\nrepo2-retention-full=2\n\
             repo2-cipher-type=aes-256-cbc\nrepo2-cipher-pass=secret\nrepo2-bundle=y\ncompress-type=gz\nlog-path={dir}/log-of-tool\n\
             lock-path={dir}/lock\nspool-path={dir}/spool\narchive-async=y\nstart-fast=y\n[main]\npg1-path={dir}/data\n\
             pg1-port={}\npg1-socket-path={dir}\npg1-user=postgres\n",
            self.primary.port()
        );
        std::fs::write(self.dir("pgbackrest.conf"), config).expect("written");
        for name in ["repo1", "repo2", "log-of-tool", "lock", "spool"] {
            self.run("mkdir", &[&self.dir(name).display().to_string()]);
        }
        self.pgbackrest("stanza-create");
        let line =
            format!("archive_command = 'pgbackrest --config={dir}/pgbackrest.conf --stanza=main archive-push %p'\n");
        self.primary.append("postgresql.conf", &line);
        self.primary.stop(Shutdown::Fast);
        self.primary.start_again().await;
        self
    }

    /// Runs pgbackrest as production does.
    pub fn pgbackrest(&self, words: &str) {
        let script = format!("pgbackrest --config={} --stanza=main {words}", self.dir("pgbackrest.conf").display());
        self.run("env", &[&format!("PGPASSWORD={PASSWORD}"), "sh", "-c", &script]);
    }

    /// Logs, locks and spool files of what only a drill does. Production's own archiving writes
    /// there, too.
    pub fn written_by_pgbackrest_of_a_drill(&self) -> Vec<String> {
        let there = ["log-of-tool", "lock", "spool/archive/main"].map(|dir| std::fs::read_dir(self.dir(dir)));
        let names = there.into_iter().flatten().flatten().flatten();
        let of_drill = ["restore", "get", "verify", "info", "in"];
        names
            .map(|entry| entry.file_name().to_string_lossy().into_owned())
            .filter(|name| name.split(['-', '.']).any(|part| of_drill.contains(&part)))
            .collect()
    }

    /// Has the primary finish a segment, and waits until it is archived.
    pub async fn archive(&self) {
        // What it has not written yet it would write while a drill runs.
        self.primary.sql("CHECKPOINT").await;
        let switch = "SELECT pg_walfile_name(pg_switch_wal())";
        let row = self.primary.connect("postgres").await.query_one(switch, &[]).await.expect("a row");
        let segment: String = row.get(0);
        while !self.dir("wal").join(&segment).exists() {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }

    /// All that is in the repo and in the tablespace: names, times, contents.
    pub fn fingerprint(&self) -> String {
        let dirs = REPO.map(|name| self.dir(name));
        let dirs: Vec<&Path> = dirs.iter().map(PathBuf::as_path).filter(|dir| dir.exists()).collect();
        let script = r#"find "$@" -printf '%p %y %s %m %u %T@ %C@\n' | sort; find "$@" -type f -print0 | sort -z | xargs -0 sha256sum"#;
        let output = Command::new("sh").args(["-c", script, "sh"]).args(dirs).output().expect("sh runs");
        assert!(output.status.success());
        String::from_utf8_lossy(&output.stdout).into_owned()
    }

    /// What is otherwise than it was.
    pub fn moved_since(&self, before: &str) -> Vec<String> {
        let now = self.fingerprint();
        let only = |text: &str, other: &str, sign: &str| -> Vec<String> {
            let other: BTreeSet<&str> = other.lines().collect();
            text.lines().filter(|line| !other.contains(line)).map(|line| format!("{sign} {line}")).collect()
        };
        [only(before, &now, "-"), only(&now, before, "+")].concat()
    }

    /// The same but for what production itself has archived meanwhile: new segments, and the times
    /// of the directories that they are in. Returns how many lines those segments are, too.
    pub fn moved_beside_archiving_since(&self, before: &str) -> (usize, Vec<String>) {
        let is_segment = |line: &str| {
            let path = line.split(' ').find(|word| word.starts_with('/')).unwrap_or_default();
            let name = path.rsplit('/').next().unwrap_or_default();
            name.len() >= 24 && name.bytes().take(24).all(|byte| byte.is_ascii_hexdigit())
        };
        let moved = self.moved_since(before);
        let of_files = moved.into_iter().filter(|line| line.split(' ').nth(2) != Some("d"));
        let (archived, moved): (Vec<String>, Vec<String>) =
            of_files.partition(|line| line.starts_with("+ ") && is_segment(line));
        (archived.len(), moved)
    }

    /// Runs a program as the server's user.
    pub fn run(&self, program: &str, args: &[&str]) {
        let script = r#""$@""#;
        let output = Command::new("setpriv")
            .args(["--reuid=postgres", "--regid=postgres", "--clear-groups", "sh", "-c", script, "sh", program])
            .args(args)
            .output();
        let output = output.expect("setpriv runs");
        assert!(output.status.success(), "{program} {args:?}: {}", String::from_utf8_lossy(&output.stderr));
    }
}

/// What runs jobs on production.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Jobs {
    /// pg_cron, which is installed.
    OfPgCron,
    /// A library with a background worker of its own, which stands in for it.
    StoodInFor,
}

/// Where all of it lies that a drill only reads.
const REPO: [&str; 8] = ["wal", "backups", "space", "theirs", "repo1", "repo2", "barman", "jobs"];

/// Waits until a query returns this number.
pub async fn settle(server: &Server, query: &str, number: u64) {
    let deadline = Instant::now() + Duration::from_secs(60);
    while server.count(query).await != number {
        assert!(Instant::now() < deadline, "not {number}: {query}");
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}
