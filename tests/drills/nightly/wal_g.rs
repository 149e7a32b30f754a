//! WAL-G, by a stand-in that speaks its command lines: the real one is not to be had everywhere.

use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use super::site::Site;
use super::{FOLLOW, NOTHING, killed, runner};
use crate::cli_runner::CliRunner;
use crate::testing::PASSWORD;

/// Puts the stand-in into the PATH of drills, and returns that.
pub fn with_wal_g(runner: CliRunner) -> (CliRunner, String) {
    let bin = runner.path().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    std::fs::write(bin.join("wal-g"), include_str!("../../common/wal-g")).expect("written");
    for path in [&bin, &bin.join("wal-g")] {
        std::fs::set_permissions(path, PermissionsExt::from_mode(0o755)).expect("permissions");
    }
    let path = format!("{}:{}", bin.display(), std::env::var("PATH").unwrap_or_default());
    (runner.var("PATH", &path), path)
}

const OWN: &str = r#"
repos:
  onsite: { kind: wal-g, env: { WALG_COMPRESSION_METHOD: lz4 } }
  offsite: { copy_of: onsite }
nodes: { primary: { archive_to: onsite } }
steps:
  - id: data
    create_data: { table: items, rows: 1000 }
  - exec: { node: primary, run: [sh, -c, 'mkdir "$PGDATA/../fast" && psql -qc "CREATE TABLESPACE fast LOCATION ''$(realpath "$PGDATA/../fast")''" && psql -qc "ALTER TABLE items SET TABLESPACE fast"'] }
  - id: nightly
    backup: {}
  - id: accident
    drop_table: { table: items }
  - wait_archived: { node: primary, through: accident }
  - sync: { repo: offsite }
  - id: found
    find_in_wal: { repo: onsite, dropped: items }
  - recover: { node: rescue, repo: offsite, backup: nightly, until: { before: found }, then: promote }
  - assert_rows: { node: rescue, table: items, same_as: data }
  - assert_recoverable: { repo: offsite, backup: nightly }
  - assert_backup: { repo: offsite, backup: nightly, max_age: 1h, min_size: 10kB }
  - lose_wal: { repo: onsite, which: { mark: accident } }
  - recover: { node: late, repo: onsite, backup: nightly, until: { before: accident }, then: promote }
    expect: { fails: the archive ends before the target|no WAL }
  - corrupt: { repo: offsite, backup: nightly }
  - recover: { node: broken, repo: offsite, backup: nightly, until: end_of_backup, then: promote }
    expect: { fails: 'backup `nightly` cannot be restored' }
"#;

#[test]
fn a_drill_fills_a_storage_of_wal_g() {
    let (runner, _) = with_wal_g(CliRunner::new());
    let own = OWN.replace("{ mark: accident }", "accident");
    runner.drill(&own, &[]).passed();
    // One that ships, with WAL-G in the place of its directory.
    let shipped = concat!(env!("CARGO_MANIFEST_DIR"), "/scenarios/human-error/dropped-table.yaml");
    runner.run(&["--backend", "local", "--repos", "wal-g", shipped]).passed();
    let without = CliRunner::new().var("PATH", "/usr/bin:/bin");
    without.drill(&own, &[]).failed(4, &["needs wal-g, which is not installed", "github.com/wal-g/wal-g"]);
}

/// An image of PostgreSQL 15 that has the stand-in, removed at the end.
struct Image;

const IMAGE: &str = "drillyard-tests/wal-g";

impl Image {
    fn build(dir: &std::path::Path) -> Image {
        std::fs::write(dir.join("wal-g"), include_str!("../../common/wal-g")).expect("written");
        std::fs::set_permissions(dir.join("wal-g"), PermissionsExt::from_mode(0o755)).expect("permissions");
        let lines = "FROM drillyard/postgres:15\nCOPY wal-g /usr/local/bin/wal-g\n";
        std::fs::write(dir.join("Dockerfile"), lines).expect("written");
        let built = Command::new("docker").args(["build", "-q", "-t", &format!("{IMAGE}:15")]).arg(dir).output();
        let built = built.expect("docker");
        assert!(built.status.success(), "{}", String::from_utf8_lossy(&built.stderr));
        Image
    }
}

impl Drop for Image {
    fn drop(&mut self) {
        let _ = Command::new("docker").args(["image", "rm", &format!("{IMAGE}:15")]).output();
    }
}

#[test]
fn docker_a_drill_fills_a_storage_of_wal_g_in_containers() {
    let runner = CliRunner::new();
    let build = runner.path().join("image");
    std::fs::create_dir(&build).expect("a directory");
    let _image = Image::build(&build);
    let path = runner.write("own.yaml", &format!("drillyard: 1\n{}", OWN.replace("{ mark: accident }", "accident")));
    let path = path.display().to_string();
    let args = ["--backend", "docker", "--postgres", "15", &path];
    runner.run(&[&["--image", &format!("{IMAGE}:{{version}}")][..], &args].concat()).passed();
    // An image that does not have it.
    runner.run(&args).failed(4, &["needs wal-g, which is not installed"]);
}

#[tokio::test]
async fn a_storage_of_wal_g_is_read_and_nothing_of_it_moves() {
    let site = Site::start().await;
    let (runner, path) = with_wal_g(runner(&site));
    let (dir, port) = (site.primary.dir().display().to_string(), site.primary.port().to_string());
    let env = [
        format!("PATH={path}"),
        format!("WALG_FILE_PREFIX={dir}/backups/walg"),
        format!("PGHOST={dir}"),
        format!("PGPORT={port}"),
        format!("PGPASSWORD={PASSWORD}"),
    ];
    let wal_g = |words: &str| {
        let args: Vec<&str> = env.iter().map(String::as_str).chain(["sh", "-c", words]).collect();
        site.run("env", &args);
    };
    wal_g(&format!("wal-g backup-push {dir}/data"));
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.archive().await;
    wal_g(&format!("wal-g backup-push {dir}/data"));
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(2001, 3000) i").await;
    site.archive().await;
    wal_g(&format!("for file in {dir}/wal/*; do wal-g wal-push $file; done"));
    let before = site.fingerprint();
    let head = |keys: &str| {
        format!(
            "repos: {{ lastnight: {{ kind: wal-g, existing: true, {keys} }} }}\nnodes: {{ prod: {{ external: {{ url: \"${{env.PROD_URL}}\" }} }} }}\nsteps:\n"
        )
    };
    let by_env = head(&format!("env: {{ WALG_FILE_PREFIX: {dir}/backups/walg }}"));
    let checked = "  - id: hour\n    assert_recoverable: { repo: lastnight }\n";
    let small = FOLLOW.replace("min_size: 1MB", "min_size: 100kB, kind: full");
    let run = runner.drill(&format!("{by_env}{checked}{small}"), &[]).passed();
    assert!(run.fact("tonight", "backup").as_str().is_some_and(|label| label.starts_with("base_0000")), "{}", run.said);
    let spaces = run.fact("hour", "tablespaces").as_str().unwrap_or_default();
    assert!(spaces.parse::<u32>().is_ok_and(|number| number >= 16384), "{}", run.said);
    assert!(run.fact("tonight", "passed_over").as_str().is_some_and(|said| said.contains("base_0000")), "{}", run.said);
    assert_eq!(site.moved_since(&before), NOTHING);
    let config = site.dir("walg.json");
    std::fs::write(&config, format!("{{\"WALG_FILE_PREFIX\": \"{dir}/backups/walg\"}}")).expect("written");
    // The drill that ships.
    let url = site.url();
    let path = config.display().to_string();
    let mine = [("prod", url.as_str()), ("config", path.as_str())];
    super::shipped::run(&runner, "/wal-g.yaml", &mine).passed();
    let late = [&mine[..], &[("max_age", "0s")]].concat();
    super::shipped::run(&runner, "/wal-g.yaml", &late).failed(1, &["is too old"]);
    super::shipped::run(&runner, "/wal-g-too-old.yaml", &mine[1..]).passed();
    let by_config = head(&format!("config: {}", config.display()));
    let promote = small
        .replace("backup: newest, until", "backup: oldest, until")
        .replace("then: { follow: prod }", "then: promote")
        .replace("assert_streaming: { standby: copy, primary: prod }", "assert_primary: { node: copy }");
    runner.drill(&format!("{by_config}{promote}"), &[]).passed();
    killed(&runner, &format!("{by_config}{promote}"), "PG_VERSION").await;
    assert_eq!(site.moved_since(&before), NOTHING);
    std::fs::write(&config, "{}").expect("written");
    runner.drill(&format!("{by_config}{checked}"), &[]).failed(1, &["cannot be listed", "find any configured storage"]);
    // Nothing says anything about the storage where there is no wal-g.
    let without = super::runner(&site).var("PATH", "/usr/bin:/bin");
    without.drill(&format!("{by_env}{checked}"), &[]).failed(4, &["wal-g is not installed where the repo is read"]);
    let verified = format!("{by_env}  - assert_backup: {{ repo: lastnight, verify: true }}\n");
    runner.drill(&verified, &[]).failed(3, &["a repo of kind `wal-g` cannot verify a backup"]);
}
