//! Servers of two releases of one major version, side by side. `ci/test` puts the second one into
//! `target/releases` and, for Docker, into an image; which two there are depends on what Debian has
//! on the day. The names of these tests begin with `two_releases_` (`docker_two_releases_`), by
//! which `ci/test` leaves them out, and says so, where only one is to be had.

use std::path::{Path, PathBuf};
use std::process::Command;

use drillyard::pg::Version;

use crate::cli_runner::CliRunner;
use crate::program::said;

/// Two releases of one major version that this machine can run.
struct Two {
    /// What servers run that do not say.
    usual: Version,
    other: Version,
    /// What tells drillyard where they are.
    place: Vec<String>,
}

fn version(command: &mut Command) -> Option<Version> {
    let output = command.arg("--version").output().ok().filter(|output| output.status.success())?;
    String::from_utf8_lossy(&output.stdout).parse().ok()
}

fn below(dir: &Path, within: &str) -> impl Iterator<Item = PathBuf> {
    let found = std::fs::read_dir(dir).into_iter().flatten().flatten();
    found.map(move |entry| entry.path().join(within)).filter(|path| path.exists())
}

impl Two {
    /// On local processes: one that is installed, and one that was unpacked.
    fn local() -> Two {
        let releases = Path::new(env!("CARGO_MANIFEST_DIR")).join("target/releases");
        let installed = below(Path::new("/usr/lib/postgresql"), "bin");
        for bin in installed {
            let Some(usual) = version(&mut Command::new(bin.join("postgres"))) else { continue };
            for other_bin in below(&releases, &format!("usr/lib/postgresql/{}/bin", usual.major)) {
                let other = version(&mut Command::new(other_bin.join("postgres")));
                if let Some(other) = other.filter(|other| *other != usual) {
                    let dirs = [bin, other_bin].map(|dir| dir.display().to_string());
                    let named = dirs.iter().flat_map(|dir| ["--pg-bin", dir]).map(str::to_owned);
                    let place = ["--backend", "local"].map(str::to_owned).into_iter().chain(named).collect();
                    return Two { usual, other, place };
                }
            }
        }
        panic!(
            "there is no second release of an installed PostgreSQL in {}: ci/test puts one there",
            releases.display()
        )
    }

    /// In containers.
    fn docker() -> Two {
        let list = ["image", "ls", "--format", "{{.Tag}}", "drillyard/postgres"];
        let listed = Command::new("docker").args(list).output().expect("docker runs");
        let tags = String::from_utf8_lossy(&listed.stdout).into_owned();
        for other in tags.lines().filter_map(Version::release) {
            let image = format!("drillyard/postgres:{}", other.major);
            let run = ["run", "--rm", "--network", "none", "--entrypoint", "postgres", &image];
            if let Some(usual) = version(Command::new("docker").args(run)).filter(|usual| *usual != other) {
                return Two { usual, other, place: ["--backend", "docker"].map(str::to_owned).to_vec() };
            }
        }
        panic!("there is no image of a second release of PostgreSQL: ci/test makes one")
    }

    fn place(&self) -> Vec<&str> {
        self.place.iter().map(String::as_str).collect()
    }

    /// A drill of this text, in which USUAL and OTHER are the two, and MAJOR their major version.
    fn drill(&self, runner: &CliRunner, text: &str) -> String {
        let words = [("USUAL", self.usual.to_string()), ("OTHER", self.other.to_string())];
        let words = words.into_iter().chain([("MAJOR", self.usual.major.to_string())]);
        let text = words.fold(text.to_owned(), |text, (word, value)| text.replace(word, &value));
        runner.write("drill.yaml", &text).display().to_string()
    }
}

/// A standby of another release streams and is promoted, and the old primary follows it; a server
/// of another release is restored from the primary's backup, and one is built from a running
/// server.
const BESIDE: &str = r#"
drillyard: 1
name: beside
postgres: [MAJOR]
repos: { onsite: {} }
nodes:
  master: { archive_to: onsite }
  standby: { follows: master, release: "OTHER" }
  twin: { follows: master }
steps:
  - create_data: { node: master, table: items, rows: 2000 }
  - { id: nightly, backup: { node: master } }
  - { id: counted, snapshot: { node: master, tables: [items] } }
  - assert_rows: { node: master, query: "SELECT split_part(current_setting('server_version'), ' ', 1)", equals: [["USUAL"]] }
  - assert_rows: { node: standby, query: "SELECT split_part(current_setting('server_version'), ' ', 1)", equals: [["OTHER"]] }
  - assert_rows: { node: standby, query: "SELECT split_part(current_setting('server_version'), ' ', 1)", equals: [["USUAL"]] }
    expect: { fails: "OTHER" }
  - assert_streaming: { standby: standby, primary: master }
  - assert_streaming: { standby: twin, primary: master }
  - { id: added, sql: { node: master, query: "INSERT INTO items SELECT * FROM items WHERE false; CREATE TABLE later AS SELECT 1 AS n" } }
  - wait_archived: { node: master, through: added }
  - recover: { node: rescue, backup: nightly, until: { before: added }, then: promote, release: "OTHER" }
  - assert_rows: { node: rescue, query: "SELECT split_part(current_setting('server_version'), ' ', 1)", equals: [["OTHER"]] }
  - assert_rows: { node: rescue, table: items, same_as: counted }
  - assert_rows: { node: rescue, query: SELECT n FROM later, equals: [[1]] }
    expect: { fails: does not exist }
  - assert_intact: { node: rescue }
  - rebuild: { node: spare, follows: master, release: "OTHER" }
  - assert_streaming: { standby: spare, primary: master }
  - kill_host: { node: master }
  - promote: { node: standby }
  - sql: { node: standby, query: INSERT INTO later VALUES (2) }
  - assert_rows: { node: standby, query: SELECT n FROM later ORDER BY n, equals: [[1], [2]] }
  - assert_rows: { node: standby, table: items, same_as: counted }
  - start: { node: master }
  - rewind: { node: master, to: standby }
  - assert_streaming: { standby: master, primary: standby }
  - assert_rows: { node: master, query: SELECT n FROM later ORDER BY n, equals: [[1], [2]] }
"#;

fn servers_of_two_releases_work_together(two: &Two) {
    let runner = CliRunner::new();
    let path = two.drill(&runner, BESIDE);
    let backend = two.place[1].clone();
    let run = runner.run(&[&two.place()[..], &[&path]].concat()).passed();
    let Two { usual, other, .. } = two;
    let versions = format!("beside ({usual}, rescue {other}, spare {other}, standby {other}, {backend})");
    assert!(run.said.contains(&versions), "{versions}: {}", run.said);
    let told = &run.report["drills"][0];
    let releases =
        serde_json::json!({ "rescue": other.to_string(), "spare": other.to_string(), "standby": other.to_string() });
    assert_eq!((&told["postgres"], &told["releases"]), (&usual.to_string().into(), &releases));
}

#[test]
fn two_releases_work_together_on_local_processes() {
    servers_of_two_releases_work_together(&Two::local());
}

#[test]
fn docker_two_releases_work_together_in_containers() {
    servers_of_two_releases_work_together(&Two::docker());
}

/// What is lost is lost on whichever release: a standby of another one that lags is promoted.
const LAGGING: &str = r#"
drillyard: 1
name: lagging
postgres: [MAJOR]
nodes: { master: { release: "OTHER" }, standby: { follows: master } }
steps:
  - sql: { node: master, query: "CREATE TABLE orders (client int, seq int)" }
  - id: users
    traffic:
      node: master
      clients: 2
      transactions:
        order:
          sql: INSERT INTO orders (client, seq) VALUES ($client, $seq)
          ledger: { table: orders, client: client, seq: seq }
  - wait_for: { traffic: users, acked: 100 }
  - { id: apart, cut: { between: [master, standby] } }
  - wait_for: { traffic: users, acked: 100, since: apart }
  - stop_traffic: users
  - kill_host: { node: master }
  - promote: { node: standby }
  - assert_traffic: { traffic: users, node: standby, lost: 0 }
"#;

#[test]
fn two_releases_hide_no_loss() {
    let (two, runner) = (Two::local(), CliRunner::new());
    let path = two.drill(&runner, LAGGING);
    let versions = format!("lagging ({}, master {}, local)", two.usual, two.other);
    runner.run(&[&two.place()[..], &[&path]].concat()).failed(1, &["acknowledged commits are missing", &versions]);
}

#[test]
fn two_releases_are_shown_by_doctor() {
    let (two, runner) = (Two::local(), CliRunner::new());
    let dirs: Vec<&str> = two.place()[2..].to_vec();
    let output = runner.output(["doctor"].iter().chain(&dirs));
    for release in [two.usual, two.other] {
        assert!(said(&output).contains(&format!("  ok       PostgreSQL {release:6}")), "{}", said(&output));
    }
}

/// A release that nobody will ever have.
const NOWHERE: &str = r#"
drillyard: 1
name: nowhere
postgres: [15]
nodes:
  master: {}
  standby: { follows: master, release: "15.999" }
steps:
  - assert_streaming: { standby: standby, primary: master }
"#;

#[test]
fn a_release_that_is_not_there_is_errored_and_told_by_check() {
    let runner = CliRunner::new();
    let path = runner.write("nowhere.yaml", NOWHERE.trim_start()).display().to_string();
    let run = runner.run(&["--backend", "local", &path]);
    run.fails_alike(4, &["PostgreSQL 15.999 is not installed on this machine (", "--pg-bin DIR"]);
    let checked = runner.output(["check", "--backend", "local", &path]);
    assert_eq!(checked.status.code(), Some(4), "{}", said(&checked));
    for part in ["error: PostgreSQL 15.999 is not available", "nowhere.yaml:6:40", "with the backend local"] {
        assert!(said(&checked).contains(part), "{part}: {}", said(&checked));
    }
}

#[test]
fn docker_a_release_without_an_image_is_errored() {
    let runner = CliRunner::new();
    let path = runner.write("nowhere.yaml", NOWHERE.trim_start()).display().to_string();
    let run = runner.run(&["--backend", "docker", &path]);
    run.fails_alike(4, &["the image postgres:15.999 is not here, and it can't be pulled", "ci/image 15.999"]);
}

/// An image whose name says one release and which holds another one.
#[test]
fn docker_an_image_of_another_release_than_its_name_says_is_errored() {
    let image = "drillyard-test/postgres";
    let tag = |of: &str| {
        let output = Command::new("docker").args(["tag", "drillyard/postgres:15", &format!("{image}:{of}")]).output();
        assert!(output.expect("docker runs").status.success());
    };
    for of in ["15", "15.999"] {
        tag(of);
    }
    let runner = CliRunner::new();
    let path = runner.write("nowhere.yaml", NOWHERE.trim_start()).display().to_string();
    let template = format!("{image}:{{version}}");
    let run = runner.run(&["--backend", "docker", "--image", &template, &path]);
    for of in ["15", "15.999"] {
        let _ = Command::new("docker").args(["rmi", &format!("{image}:{of}")]).output();
    }
    run.failed(4, &[&format!("the image {image}:15.999 holds PostgreSQL 15."), ", not 15.999"]);
}
