//! Dumps of pg_dump as last night's backup, whatever form they have.

use crate::cli_runner::CliRunner;
use crate::run::Run;

use super::site::Site;
use super::{NOTHING, killed};
use crate::program::said;

/// A night's dumps in a directory, and single ones beside it.
const NIGHT: &str = r#"
pg_dumpall --globals-only -f $D/night/globals.sql
pg_dump -Fc postgres -f $D/night/postgres.dump
pg_dump -Fd billing -f $D/night/billing
echo done >$D/night/dump.log
pg_dumpall --globals-only -f $D/globals-then.sql
pg_dump -Ft billing -f $D/billing.tar
pg_dump billing | gzip >$D/billing-2026-11-29.sql.gz
pg_dump -C billing -f $D/created.sql
pg_dumpall -f $D/everything.sql
pg_dump billing | head -c 900 >$D/cut.sql
"#;

const RECOVER: &str =
    "  - id: tonight\n    recover: { node: copy, backup: BACKUP, until: end_of_backup, then: promote }\n";

/// What is in the second database.
const BILLING: &str = r#"  - exec: { node: copy, run: [psql, -d, billing, -c, "SET ROLE clerk", -c, "DO $$ BEGIN ASSERT (SELECT sum(amount) = 55 FROM bills) AND lo_get(4711) = 'scan'; END $$"] }
  - assert_rows: { node: copy, query: "SELECT pg_get_userbyid(datdba)::text FROM pg_database WHERE datname = 'billing'", equals: [[clerk]] }
"#;

async fn site() -> Site {
    let site = Site::start().await;
    let sql = "CREATE TABLE bills AS SELECT i AS amount FROM generate_series(1, 10) i; ALTER TABLE bills OWNER TO clerk;
               SELECT lo_from_bytea(4711, 'scan'); ALTER LARGE OBJECT 4711 OWNER TO clerk; CREATE EXTENSION postgres_fdw;
               CREATE SERVER elsewhere FOREIGN DATA WRAPPER postgres_fdw OPTIONS (host '127.0.0.1')";
    site.primary.sql("ALTER DATABASE billing OWNER TO clerk; ALTER ROLE clerk SET local_preload_libraries = 'nowhere'; ALTER ROLE drill SUPERUSER").await;
    site.primary.connect("billing").await.batch_execute(sql).await.expect("rows");
    site
}

fn dump(site: &Site, script: &str) {
    let (dir, port) = (site.primary.dir().display().to_string(), site.primary.port().to_string());
    let backups = site.dir("backups").display().to_string();
    let script = format!("mkdir -p {backups}/night; D={backups}; export PGPASSWORD='of the drill'; {script}");
    let env = [format!("PGHOST={dir}"), format!("PGPORT={port}"), "PGUSER=drill".to_owned()];
    let args: Vec<&str> = env.iter().map(String::as_str).chain(["sh", "-euc", &script]).collect();
    site.run("env", &args);
}

fn drill(runner: &CliRunner, site: &Site, path: &str, steps: &str) -> Run {
    let (path, globals) = (site.dir("backups").join(path), site.dir("backups").join("globals-*.sql"));
    let repo = format!(
        "repos: {{ dumps: {{ kind: dump, existing: true, path: {}, globals: {} }} }}\nsteps:\n",
        path.display(),
        globals.display()
    );
    runner.drill(&format!("{repo}{steps}"), &[])
}

#[tokio::test]
async fn dumps_are_restored_whatever_form_they_have() {
    let site = site().await;
    dump(&site, NIGHT);
    let (before, runner) = (site.fingerprint(), CliRunner::new());
    // A night with all that a promoted copy would do harm with.
    let steps = RECOVER.replace("BACKUP", "newest");
    let checks = r#"
  - all:
    - assert_backup: { repo: dumps, max_age: 1h, verify: true }
    - assert_recoverable: { repo: dumps }
    - assert_primary: { node: copy }
    - assert_rows: { node: copy, table: t, count: 1000 }
    - assert_rows: { node: copy, table: quick, count: 500 }
    - assert_rows: { node: copy, query: "SELECT subenabled, subslotname FROM pg_subscription", equals: [[false, prices]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical%'", equals: [[0]] }
    - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_db_role_setting, unnest(setconfig) one WHERE one LIKE '%preload%'", equals: [[0]] }
    - assert_rows: { node: copy, query: "SELECT pg_tablespace_location(oid) LIKE '%/data-tablespaces/%' FROM pg_tablespace WHERE spcname = 'fast'", equals: [[true]] }
    - assert_rows: { node: copy, query: "SELECT pg_has_role('drill', 'pg_monitor', 'MEMBER')", equals: [[true]] }
"#;
    let run = drill(&runner, &site, "night*", &format!("{steps}{BILLING}{checks}")).passed();
    for (fact, part) in [
        ("databases", "billing, postgres"),
        ("globals", "/night/globals.sql"),
        ("left_out", "local_preload_libraries"),
        ("subscriptions", "prices"),
        ("foreign_servers", "elsewhere in billing"),
    ] {
        assert!(run.fact("tonight", fact).as_str().is_some_and(|said| said.contains(part)), "{fact}: {}", run.said);
    }
    // The drill that ships.
    let [dumps, globals] = ["*", "globals-*.sql"].map(|name| site.dir("backups").join(name).display().to_string());
    let mine = [("dumps", dumps.as_str()), ("globals", globals.as_str())];
    super::shipped::run(&runner, "/dumps.yaml", &mine).passed();
    let late = [&mine[..], &[("max_age", "0s")]].concat();
    super::shipped::run(&runner, "/dumps.yaml", &late).failed(1, &["is too old"]);
    super::shipped::run(&runner, "/dumps-too-old.yaml", &mine[..1]).passed();
    // A copy of each is damaged, and the drill that ships notices it.
    let path = format!("{}/scenarios/nightly/dumps.yaml", env!("CARGO_MANIFEST_DIR"));
    for name in ["night", "everything.sql"] {
        let set = format!("--set=dumps={}", site.dir("backups").join(name).display());
        let globals = format!("--set=globals={globals}");
        let output = runner.output(["prove", "--backend", "local", "--only", "backup-damaged", &set, &globals, &path]);
        let told = said(&output);
        assert_eq!(output.status.code(), Some(0), "{name}: {told}");
        let line = told.lines().find(|line| line.contains("backup-damaged onsite")).unwrap_or_else(|| panic!("{told}"));
        assert!(line.contains("noticed") && line.contains("cannot be restored"), "{name}: {told}");
    }
    assert_eq!(site.moved_since(&before), NOTHING);
    let repo = format!(
        "repos: {{ dumps: {{ kind: dump, existing: true, path: {}, globals: {globals} }} }}\nsteps:\n",
        site.dir("backups").join("nigh*").display()
    );
    // Killed while it is loaded.
    let night = RECOVER.replace("BACKUP", "newest");
    killed(&runner, &format!("{repo}{night}  - assert_primary: {{ node: copy }}\n"), "said").await;
    assert_eq!(site.moved_since(&before), NOTHING);
    for name in ["billing.tar", "created.sql", "everything.sql"] {
        let steps = RECOVER.replace("BACKUP", name);
        drill(&runner, &site, "*", &format!("{steps}{BILLING}")).passed();
    }
    // A text without --create is named by its file, and is the superuser's.
    let steps = format!(
        "{}  - exec: {{ node: copy, run: [psql, -d, billing, -c, SELECT 1 / count(*) FROM bills] }}\n  - assert_primary: {{ node: copy }}\n",
        RECOVER.replace("BACKUP", "billing-2026-11-29.sql.gz")
    );
    let run = drill(&runner, &site, "*", &steps).passed();
    let over = run.fact("tonight", "passed_over").as_str().expect("a fact").to_owned();
    assert!(over.contains("cut.sql: it was cut off"), "{over}");
    assert!(over.contains("globals-then.sql: it has roles and tablespaces, and no database"), "{over}");
    assert_eq!(site.moved_since(&before), NOTHING);
}

#[tokio::test]
async fn what_is_wrong_with_a_dump_is_told() {
    let site = site().await;
    dump(&site, "pg_dump -Fc billing -f $D/one.dump; cd $D; rmdir night; head -c -40 one.dump >cut.dump");
    let runner = CliRunner::new();
    // Nothing has the roles.
    let one = |path: &str, steps: &str| {
        let path = site.dir("backups").join(path).display().to_string();
        let repo = format!("repos: {{ dumps: {{ kind: dump, existing: true, path: {path} }} }}\nsteps:\n");
        runner.drill(&format!("{repo}{steps}"), &[])
    };
    let steps = RECOVER.replace("BACKUP", "newest");
    let run = one("one.dump", &steps);
    run.failed(
        1,
        &["cannot be restored from repo `dumps`", "role \"clerk\" does not exist", "pg_dumpall --globals-only"],
    );
    drill(&runner, &site, "one.dump", &steps).failed(1, &["there is no dump of globals: nothing matches"]);
    // The rest of it is missing: that shows when it is read.
    dump(&site, "pg_dumpall --globals-only -f $D/globals-1.sql; rmdir $D/night");
    drill(&runner, &site, "cut.dump", &steps).failed(1, &["cannot be restored from repo `dumps`", "billing: "]);
    let verify = "  - assert_backup: { verify: true }\n";
    drill(&runner, &site, "cut.dump", verify).failed(1, &["cut.dump` is not intact", "cut.dump: "]);
    drill(&runner, &site, "one.dump", verify).passed();
    a_file_that_was_cut_off_is_passed_over(&site, &runner);
    // A newer pg_dump wrote it: the second byte after the name is the minor version.
    dump(
        &site,
        "rmdir $D/night; cp $D/one.dump $D/new.dump; printf '\\143' | dd of=$D/new.dump bs=1 seek=6 conv=notrunc 2>&1",
    );
    drill(&runner, &site, "new.dump", "  - assert_recoverable: {}\n").failed(1, &["unsupported version (1.99)"]);
    // What cannot be unpacked here is not known, and nothing else is taken for it.
    dump(&site, "rmdir $D/night; pg_dump billing | zstd -q >$D/packed.sql.zst; pg_dump billing -f $D/packed-then.sql");
    let tools = without(&runner, "zstd");
    let elsewhere = CliRunner::new().var("PATH", &tools);
    for steps in [verify, &steps, "  - assert_recoverable: {}\n"] {
        let run = drill(&elsewhere, &site, "packed*", steps);
        run.failed(4, &["zstd is not installed here, and ", "/packed.sql.zst is packed with it"]);
    }
    drill(&runner, &site, "packed.sql.zst", verify).passed();
    dump(
        &site,
        "rmdir $D/night; (printf -- '-- PostgreSQL database dump\n'; echo 'CREATE EXTENSION IF NOT EXISTS nowhere;'; \
         printf -- '-- PostgreSQL database dump complete\n') >$D/extended.sql",
    );
    let recoverable = drill(&runner, &site, "extended.sql", "  - assert_recoverable: {}\n");
    recoverable.failed(1, &["cannot be restored here", "not installed on this machine: nowhere"]);
    drill(&runner, &site, "nothing*", verify).failed(1, &["repo `dumps` has no such backup"]);
}

/// Of an archive that is a directory pg_restore takes the end of a file for that of its rows, and
/// of a tar it looks for more for ever.
fn a_file_that_was_cut_off_is_passed_over(site: &Site, runner: &CliRunner) {
    let verify = "  - assert_backup: { verify: true }\n";
    let rows = "rows=$(ls $D/dir/[0-9]*.dat* | head -n 1)";
    for (options, spoil, said) in [
        ("-Fd -Z0", ":", None),
        ("-Fd", ":", None),
        ("-Fd -Z0 --inserts", ":", None),
        ("-Ft", ":", None),
        ("-Fd -Z0", "truncate -s 0 $rows", Some(".dat in it is empty")),
        ("-Fd", "truncate -s 0 $rows", Some(".dat.gz in it is empty")),
        ("-Fd -Z0", "truncate -s -9 $rows", Some(".dat in it has no end")),
        ("-Fd -Z0 --inserts", "truncate -s -9 $rows", Some(".dat in it has no end")),
        ("-Ft", "truncate -s -2000 $D/dir", Some("it was cut off: tar: ")),
    ] {
        dump(site, &format!("rmdir $D/night; rm -rf $D/dir; pg_dump {options} billing -f $D/dir; {rows}; {spoil}"));
        let run = drill(runner, site, "dir", verify);
        match said {
            None => run.passed(),
            Some(said) => run.failed(1, &["repo `dumps` has no such backup", said]),
        };
    }
    dump(site, "rmdir $D/night; rm -rf $D/dir");
}

/// A PATH with everything but one program.
fn without(runner: &CliRunner, program: &str) -> String {
    let dir = runner.path().join("bin");
    std::fs::create_dir(&dir).expect("a directory");
    for one in std::fs::read_dir("/usr/bin").expect("programs").flatten().filter(|one| one.file_name() != program) {
        std::os::unix::fs::symlink(one.path(), dir.join(one.file_name())).expect("a link");
    }
    dir.display().to_string()
}

/// What a drill has dumped itself, with all that depends on the cluster. Its repos are what
/// `--repos` says.
#[test]
fn a_drill_takes_dumps_of_its_own() {
    let steps = r#"
repos: { onsite: {}, offsite: { copy_of: onsite } }
nodes: { master: {} }
steps:
  - exec: { node: master, run: [createdb, my shop] }
  - sql: { node: master, query: CREATE ROLE app LOGIN PASSWORD 'x' }
  - exec: { node: master, run: [psql, -d, my shop, -c, "CREATE EXTENSION amcheck; CREATE TABLE a AS SELECT 1 AS i; ALTER TABLE a OWNER TO app; SELECT lo_from_bytea(4711, 'scan')"] }
  - create_data: { node: master, table: t, rows: 100 }
  - sql: { node: master, query: GRANT SELECT ON t TO app }
  - id: before
    snapshot: { node: master, tables: [t] }
  - id: nightly
    backup: { node: master, repo: onsite }
  - sync: { repo: offsite }
  - overwrite: { node: master, query: UPDATE t SET id = id + 1000 }
  - id: again
    recover: { node: rescue, backup: nightly, until: end_of_backup, then: promote }
  - all:
    - assert_primary: { node: rescue }
    - assert_rows: { node: rescue, table: t, same_as: before }
    - assert_catalog: { node: rescue, same_as: before }
    - assert_backup: { repo: onsite, backup: nightly, verify: true }
    - assert_intact: { node: rescue }
  - exec: { node: rescue, run: [psql, -d, my shop, -c, SET ROLE app, -c, "DO $$ BEGIN ASSERT (SELECT i = 1 FROM a); END $$"] }
  - corrupt: { repo: onsite, backup: nightly, file: postgres.dump }
  - assert_intact: { backup: nightly, repo: onsite }
    expect: { fails: "postgres.dump: " }
  - recover: { node: damaged, repo: onsite, backup: nightly, until: end_of_backup, then: promote }
    expect: { fails: "cannot be restored" }
  - recover: { node: third, repo: offsite, backup: nightly, until: end_of_backup, then: promote }
  - assert_rows: { node: third, table: t, same_as: before }
"#;
    let run = CliRunner::new().drill(steps, &["--repos", "dump"]).passed();
    assert_eq!(run.fact("again", "databases"), "my shop, postgres, template1", "{}", run.said);
}
