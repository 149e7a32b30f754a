//! A repository of pgBackRest in object storage: a drill reads it with the configuration that is
//! there, and nothing in the bucket moves.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use super::site::Site;
use super::{FOLLOW, head, runner};
use crate::testing::Shutdown;

/// What must be in no output.
pub const SECRET: &str = "geheimerSchluesselDesEimers";

/// An S3 server on this machine with one bucket, `backups`.
pub struct S3 {
    server: Child,
    port: u16,
    dir: PathBuf,
}

impl S3 {
    /// Starts it; `dir` is where its certificate is made.
    pub fn start(dir: &Path) -> S3 {
        let programs = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("moto/bin");
        assert!(
            programs.join("gunicorn").exists(),
            "there is no S3 server in {}: ci/test brings it",
            programs.display()
        );
        let port =
            std::net::TcpListener::bind("127.0.0.1:0").expect("a port").local_addr().expect("its address").port();
        let (key, cert) = (dir.join("s3.key").display().to_string(), dir.join("s3.crt").display().to_string());
        let made = Command::new("openssl")
            .args(["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=localhost"])
            .args(["-addext", "subjectAltName=DNS:localhost", "-keyout", &key, "-out", &cert])
            .output()
            .expect("openssl runs");
        assert!(made.status.success(), "{}", String::from_utf8_lossy(&made.stderr));
        let chmod = Command::new("chmod").args(["a+r", &cert]).status();
        assert!(chmod.expect("chmod runs").success());
        let server = Command::new(programs.join("gunicorn"))
            .args(["--workers", "1", "--threads", "16", "--keep-alive", "60", "--certfile", &cert, "--keyfile", &key])
            .args(["--bind", &format!("127.0.0.1:{port}"), "moto.server:create_backend_app(\"s3\")"])
            .env("HOME", dir)
            .current_dir(dir)
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn();
        let s3 = S3 { server: server.expect("gunicorn runs"), port, dir: dir.to_owned() };
        let deadline = Instant::now() + Duration::from_secs(60);
        while !s3.ask("backups", &["-X", "PUT"]).status.success() {
            assert!(Instant::now() < deadline, "the S3 server does not answer");
            std::thread::sleep(Duration::from_millis(50));
        }
        s3
    }

    /// Where it answers.
    pub fn url(&self) -> String {
        format!("https://localhost:{}", self.port)
    }

    fn ask(&self, what: &str, args: &[&str]) -> std::process::Output {
        let url = format!("{}/{what}", self.url());
        let cert = self.dir.join("s3.crt").display().to_string();
        Command::new("curl").args(["-sS", "--fail", "--cacert", &cert]).args(args).arg(url).output().expect("curl runs")
    }

    /// Every object with its time, its size and a checksum.
    pub fn objects(&self) -> String {
        let listed = self.ask("backups?list-type=2&max-keys=10000", &[]);
        assert!(listed.status.success());
        let text = String::from_utf8_lossy(&listed.stdout).replace("<Contents>", "\n<Contents>");
        assert!(text.contains("<IsTruncated>false<") && text.contains("<Contents>"), "{text}");
        text
    }
}

impl Drop for S3 {
    fn drop(&mut self) {
        // Its workers end with it.
        let _ = Command::new("kill").arg(self.server.id().to_string()).status();
        let _ = self.server.wait();
    }
}

/// Archives with pgBackRest into the bucket from now on.
async fn archive_to(site: &Site, s3: &S3) {
    let dir = site.primary.dir().display();
    let config = format!(
        "[global]\nrepo1-type=s3\nrepo1-path=/shop\nrepo1-s3-bucket=backups\nrepo1-s3-endpoint=localhost\nrepo1-storage-port={}\n\
         repo1-storage-ca-file={dir}/s3.crt\nrepo1-s3-region=us-east-1\nrepo1-s3-key=drillyard\nrepo1-s3-key-secret={SECRET}\n\
         repo1-s3-uri-style=path\nrepo1-retention-full=2\nrepo1-cipher-type=aes-256-cbc\nrepo1-cipher-pass={SECRET}\nrepo1-bundle=y\n\
         log-path={dir}/log-of-tool\nlock-path={dir}/lock\nstart-fast=y\n[main]\npg1-path={dir}/data\npg1-port={}\n\
         pg1-socket-path={dir}\npg1-user=postgres\n",
        s3.port,
        site.primary.port()
    );
    std::fs::write(site.dir("pgbackrest.conf"), config).expect("written");
    for name in ["log-of-tool", "lock"] {
        site.run("mkdir", &[&site.dir(name).display().to_string()]);
    }
    site.pgbackrest("stanza-create");
    let push = format!("archive_command = 'pgbackrest --config={dir}/pgbackrest.conf --stanza=main archive-push %p'\n");
    site.primary.append("postgresql.conf", &push);
    site.primary.stop(Shutdown::Fast);
    site.primary.start_again().await;
}

#[tokio::test]
async fn a_repository_in_object_storage_is_read_and_nothing_of_it_moves() {
    let site = Site::start().await;
    let s3 = S3::start(site.primary.dir());
    archive_to(&site, &s3).await;
    site.pgbackrest("--type=full backup");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.primary.sql("CHECKPOINT").await;
    site.pgbackrest("check");
    let before = s3.objects();
    let (backups, wal) = (site.dir("backups").display().to_string(), site.dir("wal").display().to_string());
    let config = site.dir("pgbackrest.conf").display().to_string();
    let repo = head(&site).replace(
        &format!("existing: true, backups: \"{backups}/*\", wal: {wal}"),
        &format!("kind: pgbackrest, existing: true, stanza: main, config: {config}"),
    );
    let steps = format!(
        "{}\n  - assert_recoverable: {{ repo: lastnight, max_age: 1h }}\n",
        FOLLOW.replace("1MB }", "1MB, verify: true }")
    );
    let run = runner(&site).drill(&format!("{repo}{steps}"), &[]).passed();
    assert!(run.fact("tonight", "backup").as_str().is_some_and(|label| label.ends_with('F')), "{}", run.said);
    assert_eq!(s3.objects(), before);
    let text = std::fs::read_to_string(site.dir("pgbackrest.conf")).expect("the configuration");
    // A key that is not the one that the files were encrypted with.
    std::fs::write(site.dir("pgbackrest.conf"), text.replace("cipher-pass=", "cipher-pass=not-")).expect("written");
    let refused = runner(&site).drill(&format!("{repo}{steps}"), &[]);
    let refused =
        refused.failed(1, &["the backups in repo `lastnight` cannot be listed", "its passphrase may be another one"]);
    // What is left of production is the bucket, and a file in the safe.
    let (safe, gone) = (site.dir("safe.conf"), site.dir("pgbackrest.conf"));
    std::fs::write(&safe, &text).expect("written");
    std::fs::remove_file(&gone).expect("removed");
    let cold = format!(
        "repos: {{ lastnight: {{ kind: pgbackrest, existing: true, stanza: main, config: {} }} }}\n\
         nodes: {{ copy: {{ cold: true, secrets: {{ config: {} }} }} }}\nsteps:\n  - id: tonight\n    \
         recover: {{ node: copy, repo: lastnight, backup: newest, until: latest, then: promote }}\n  \
         - assert_rows: {{ node: copy, table: t, count: 2000 }}\n",
        gone.display(),
        safe.display()
    );
    let cold = runner(&site).drill(&cold, &[]).passed();
    assert_eq!(cold.fact("tonight", "used"), "repo lastnight, and config", "{}", cold.said);
    for run in [run, refused, cold] {
        assert!(!run.said.contains(SECRET) && !run.report.to_string().contains(SECRET), "{}", run.said);
    }
    assert_eq!(s3.objects(), before);
}
