//! Against a real daemon, with the image that ci/image makes.

use std::sync::Arc;
use std::time::Duration;

use super::backend::DockerBackend;
use super::daemon::Daemon;
use super::image;
use super::removal::{leftovers, remove_run};
use super::shared::Settings;
use crate::host::{Backend, Endpoint, Host, Isolation, LabSpec, Program};
use crate::pg::SystemId;

const IMAGE: &str = "drillyard/postgres:15";

struct World {
    backend: DockerBackend,
    spec: LabSpec,
    _dir: tempfile::TempDir,
}

impl World {
    /// A backend, and the spec of a lab of its own run.
    async fn new(nodes: &[&str], repos: &[&str]) -> World {
        let dir = tempfile::tempdir().unwrap();
        let settings = Settings {
            host: None,
            image: Some("drillyard/postgres:{version}".to_owned()),
            cache: dir.path().join("cache"),
            owner: format!("tests {}", std::process::id()),
        };
        let backend =
            DockerBackend::connect(settings).await.unwrap_or_else(|error| panic!("these tests need Docker: {error}"));
        let found = image::find(&backend.shared.daemon, IMAGE).await.unwrap();
        assert!(found.is_some(), "these tests need the image {IMAGE}: run ci/image 15");
        let names = |names: &[&str]| names.iter().map(|name| (*name).to_owned()).collect();
        let spec = LabSpec {
            run: format!("t{:012x}", fastrand::u64(..1 << 48)),
            drill: 0,
            dir: dir.path().to_owned(),
            major: 15,
            nodes: names(nodes),
            repos: names(repos),
            cuts: vec![],
            isolation: Isolation::default(),
            mounts: vec![],
            disks: vec![],
            clocks: vec![],
            releases: vec![],
        };
        World { backend, spec, _dir: dir }
    }

    async fn labelled(&self) -> Vec<String> {
        let all = leftovers(&self.backend.shared.daemon).await.unwrap();
        all.into_iter().filter(|left| left.run == self.spec.run).flat_map(|left| left.what).collect()
    }
}

fn script(text: &str) -> Program {
    Program::script(text, Vec::<String>::new())
}

async fn text(host: &dyn Host, text: &str) -> String {
    let output = host.run(script(text)).await.unwrap();
    assert!(output.success(), "{text}: {output:?}");
    output.text().trim().to_owned()
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_servers_live_in_a_lab_and_nothing_is_left_of_it() {
    let world = World::new(&["Master", "stand_by-2"], &["onsite"]).await;
    let lab = world.backend.lab(world.spec.clone()).await.unwrap();
    let (master, standby) = (lab.host("Master").await.unwrap(), lab.host("stand_by-2").await.unwrap());
    assert_eq!((lab.version().major, lab.version().minor > 0), (15, true), "{}", lab.version());

    // The server, with what the host says that it needs.
    let password = master.initdb(&[], SystemId(1)).await.unwrap();
    let settings: String = master.settings().iter().map(|(key, value)| format!("{key} = '{value}'\n")).collect();
    let data = master.paths().data.clone();
    master.write(&format!("{data}/postgresql.auto.conf"), settings.as_bytes()).await.unwrap();
    master.write(&format!("{data}/pg_hba.conf"), (master.hba().join("\n") + "\n").as_bytes()).await.unwrap();
    let start = r#"pg_ctl -w -D "$1" -l "$2" start >/dev/null 2>&1 || { cat "$2" >&2; exit 1; }"#;
    let output = master.run(Program::script(start, [data.clone(), master.paths().log.clone()])).await.unwrap();
    assert!(output.success(), "{output:?}");
    assert!(String::from_utf8_lossy(&master.read(&master.paths().log, 0).await.unwrap()).contains("ready to accept"));

    // From this machine.
    let Endpoint::Tcp { host, port } = master.endpoint().await.unwrap() else { panic!("no TCP endpoint") };
    let mut config = tokio_postgres::Config::new();
    config.host(&host).port(port).user("postgres").password(&password).dbname("postgres");
    let (client, connection) = config.connect(tokio_postgres::NoTls).await.unwrap();
    tokio::spawn(connection);
    let row = client.query_one("SHOW data_checksums", &[]).await.unwrap();
    assert_eq!(row.get::<_, &str>(0), "on");

    // From its peer, by its name; without the password nobody gets in.
    let (peer, port) = master.peer_endpoint("stand_by-2").host_port();
    let dsn = format!("host={peer} port={port} user=postgres connect_timeout=5");
    let query = |dsn: &str| Program::new("psql", ["-XAtwc", "SELECT pg_is_in_recovery()", dsn]);
    let output = standby.run(query(&dsn).env("PGPASSWORD", &password)).await.unwrap();
    assert_eq!(output.text().trim(), "f", "{output:?}");
    let output = standby.run(query(&dsn)).await.unwrap();
    assert!(output.stderr.contains("no password supplied"), "{output:?}");
    // Not by the other network: a node that is cut off the wire would have a way around.
    let output = standby
        .run(query(&format!("{dsn} hostaddr={host} connect_timeout=2")).env("PGPASSWORD", &password))
        .await
        .unwrap();
    assert!(!output.success(), "{output:?}");

    // What the nodes share, and what each has for itself.
    text(&*master, &format!("echo from-master >{}/one; echo wal >/drillyard/shared/dump", lab.repo("onsite"))).await;
    assert_eq!(
        text(&*standby, &format!("cat {}/one /drillyard/shared/dump", lab.repo("onsite"))).await,
        "from-master\nwal"
    );
    assert_eq!(text(&*standby, "whoami; pwd; ls -A /drillyard/data").await, "postgres\n/");

    assert_eq!(world.labelled().await.len(), 8, "2 containers, 2 networks, 4 volumes: {:?}", world.labelled().await);
    lab.destroy().await.unwrap();
    assert_eq!(world.labelled().await, Vec::<String>::new());
    lab.destroy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_files_and_programs_are_those_of_the_servers_user() {
    let world = World::new(&["one"], &[]).await;
    let lab = world.backend.lab(world.spec.clone()).await.unwrap();
    let host = lab.host("one").await.unwrap();

    let big: Vec<u8> = (0..3_000_001u32).map(|n| (n % 251) as u8).collect();
    host.write("/drillyard/shared/big", &big).await.unwrap();
    assert_eq!(text(&*host, "stat -c '%U %G %a %s' /drillyard/shared/big").await, "postgres postgres 600 3000001");
    assert_eq!(host.read("/drillyard/shared/big", 0).await.unwrap(), big);
    assert_eq!(host.read("/drillyard/shared/big", 2_999_999).await.unwrap(), big[2_999_999..]);
    assert_eq!(host.read("/drillyard/shared/none", 0).await.unwrap(), b"");
    let error = host.write("/drillyard/none/file", b"").await.unwrap_err();
    assert!(error.message.starts_with("writing /drillyard/none/file on one: "), "{error}");

    let output = host.run(script("echo out; echo err >&2; exit 7")).await.unwrap();
    assert_eq!((output.status, output.text().as_str(), output.stderr.as_str()), (7, "out\n", "err\n"));
    assert_eq!(host.run(script("kill -9 $$")).await.unwrap().status, 128 + 9);
    assert_eq!(host.run(Program::new("no-such-program", [""])).await.unwrap().status, 127);

    // Nobody waits for it any more: it goes, and what it has started goes with it.
    let sleeping = host.run(script("sleep 4321 & sleep 4321"));
    assert!(tokio::time::timeout(Duration::from_secs(1), sleeping).await.is_err());
    let end = tokio::time::Instant::now() + Duration::from_secs(20);
    while text(
        &*host,
        // Processes come and go while they are listed.
        "for f in /proc/[0-9]*/cmdline; do tr '\\0' ' ' <$f 2>/dev/null || :; done",
    )
    .await
    .contains("4321")
    {
        assert!(tokio::time::Instant::now() < end, "the program still runs");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    lab.destroy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_clusters_are_made_once_and_copied() {
    let world = World::new(&["one", "two"], &[]).await;
    let lab = world.backend.lab(world.spec.clone()).await.unwrap();
    let (one, two) = (lab.host("one").await.unwrap(), lab.host("two").await.unwrap());
    let (first, second) = tokio::try_join!(
        one.initdb(&["--wal-segsize=1"], SystemId(41)),
        two.initdb(&["--wal-segsize=1"], SystemId(42))
    )
    .unwrap();
    assert_eq!(first, second);
    let look = "pg_controldata /drillyard/data/pgdata | grep -E 'system identifier|per WAL segment|WARNING'; stat -c '%U %a' /drillyard/data/pgdata";
    let (one, two) = (text(&*one, look).await, text(&*two, look).await);
    // Each is a cluster of its own, and its control file is sound.
    assert!(one.contains(" 41\n") && !one.contains("WARNING"), "{one}");
    assert_eq!(one.replace(" 41\n", " 42\n"), two);
    assert!(one.contains("1048576") && one.ends_with("postgres 700"), "{one}");
    let error = lab.host("one").await.unwrap().initdb(&["--no-such-option"], SystemId(1)).await.unwrap_err();
    assert!(error.message.starts_with("initdb failed on one: ") && error.message.contains("no-such-option"), "{error}");
    lab.destroy().await.unwrap();
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_a_kept_run_stays_until_its_label_is_removed() {
    let world = World::new(&["one", "two"], &["onsite"]).await;
    let lab = world.backend.lab(world.spec.clone()).await.unwrap();
    lab.keep();
    for node in ["one", "two"] {
        lab.host(node).await.unwrap();
    }
    drop(lab);
    let kept = leftovers(&world.backend.shared.daemon)
        .await
        .unwrap()
        .into_iter()
        .find(|left| left.run == world.spec.run)
        .unwrap();
    assert_eq!((&kept.owner, &kept.dir), (&format!("tests {}", std::process::id()), &world.spec.dir));
    assert!(kept.what.contains(&format!("container drillyard-{}-0-node-one", world.spec.run)), "{kept:?}");
    assert_eq!(remove_run(&world.backend.shared.daemon, &world.spec.run).await.unwrap(), Vec::<String>::new());
    assert_eq!(world.labelled().await, Vec::<String>::new());
    assert_eq!(remove_run(&world.backend.shared.daemon, &world.spec.run).await.unwrap(), Vec::<String>::new());
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_a_lab_that_nobody_destroyed_removes_itself() {
    let world = World::new(&["one"], &[]).await;
    let lab = world.backend.lab(world.spec.clone()).await.unwrap();
    lab.host("one").await.unwrap();
    drop(lab);
    assert_eq!(world.labelled().await, Vec::<String>::new());
}

#[tokio::test]
async fn a_daemon_that_is_not_there_is_reported_with_its_address() {
    let connect = async |host: &str| Daemon::connect(Some(host)).await.unwrap_err();
    let error = connect("unix:///nonexistent/docker.sock").await;
    assert!(error.message.starts_with("no Docker daemon answers at unix:///nonexistent/docker.sock: "), "{error}");
    assert!(error.help.unwrap().contains("--backend local"));
    assert!(connect("ssh://elsewhere").await.message.contains("`ssh://elsewhere`"));
}

/// A daemon that takes connections and then says nothing, or goes away.
#[tokio::test]
async fn a_daemon_that_goes_away_is_reported() {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    let dir = tempfile::tempdir().unwrap();
    let socket = dir.path().join("docker.sock");
    let listener = tokio::net::UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        // It answers the first request, which is the ping, and dies.
        let (mut stream, _) = listener.accept().await.unwrap();
        assert!(stream.read(&mut [0; 4096]).await.unwrap() > 0);
        stream.write_all(b"HTTP/1.1 200 OK\r\nConnection: close\r\nContent-Length: 2\r\n\r\nOK").await.unwrap();
    });
    let daemon = Daemon::connect(Some(&format!("unix://{}", socket.display()))).await.unwrap();
    let error = leftovers(&daemon).await.unwrap_err();
    assert!(error.message.contains("does not answer any more"), "{error}");
    assert!(error.message.contains(socket.to_str().unwrap()), "{error}");
}

#[tokio::test(flavor = "multi_thread")]
async fn docker_an_image_that_is_not_here_is_reported_with_what_to_do() {
    let mut world = World::new(&[], &[]).await;
    assert!(world.backend.installations().await.unwrap().iter().any(|found| found.place == IMAGE));
    assert_eq!(world.backend.installation(15).await.unwrap().place, IMAGE);
    let shared = Arc::get_mut(&mut world.backend.shared).unwrap();
    // Port 1 of this machine is no registry.
    shared.settings.image = Some("127.0.0.1:1/none:{version}".to_owned());
    let error = world.backend.installation(15).await.unwrap_err();
    assert!(error.message.starts_with("the image 127.0.0.1:1/none:15 is not here"), "{error}");
    assert!(error.help.unwrap().starts_with("ci/image 15 "));
}
