//! What is wrong with this machine, or with a copy of the backups, is told in its own words: by the
//! program, in JUnit and with the exit code alike.

use super::site::Site;
use super::{FOLLOW, NOTHING, head, runner};
use crate::small_fs::Small;

/// Servers that are cut off have the small disks that they are to have, also one that is lost and
/// made anew.
const FILLING: &str = r#"
  - recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }
  - fill_disk: { node: copy, leave: 30MB }
  - sql: { node: copy, query: "CREATE UNLOGGED TABLE large AS SELECT repeat('x', 1000) FROM generate_series(1, 100000)" }
    expect: { fails: '(?s)could not extend file.*the drill has filled the disk of `copy` itself' }
  - free_disk: { node: copy }
  - rebuild: { node: spare, follows: master }
  - lose_host: { node: spare }
  - rebuild: { node: spare, follows: master }
  - fill_disk: { node: spare, leave: 30MB }
  - name: its data lies on a disk of its own, and there is room on the other one
    exec:
      node: spare
      run: [sh, -ec, 'df -Pk "$PGDATA" | grep ^vdisk; test $(df -Pk "$1" | awk "NR == 2 { print \$4 }") -gt 300000', sh, THEIRS]
  - free_disk: { node: spare }
"#;

#[tokio::test]
async fn a_missing_library_a_stale_copy_and_a_full_disk_are_told_and_nothing_moves() {
    let site = Site::start().await;
    let library = site.dir("soundex.so").display().to_string();
    let libraries = site.primary.program("pg_config", &["--pkglibdir"]);
    let libraries = String::from_utf8_lossy(&libraries.stdout).trim().to_owned();
    site.run("cp", &[&format!("{libraries}/fuzzystrmatch.so"), &library]);
    site.primary
        .sql(&format!(
            "CREATE FUNCTION sounds(text) RETURNS text AS '{library}', 'soundex' LANGUAGE c STRICT;
             UPDATE beats SET at = now() - interval '1 day'"
        ))
        .await;
    site.back_up("monday", &[]);
    site.archive().await;
    let dir = |name: &str| site.dir(name).display().to_string();
    // The off-site copy was made a day ago.
    site.run("cp", &["-a", &dir("wal"), &dir("offsite")]);
    site.primary.sql("UPDATE beats SET at = now()").await;
    site.archive().await;
    site.run("rm", &[&library]);
    let before = site.fingerprint();
    let runner = runner(&site);

    let alone = |wal: &str| {
        let steps = FOLLOW
            .replace("{ follow: prod }", "promote")
            .replace("- assert_streaming: { standby: copy, primary: prod }", "- assert_primary: { node: copy }")
            .replace(
                "- assert_rows: { node: copy, table: t, same_as: prod }",
                "- assert_rows: { node: copy, table: t, count: 1000 }",
            );
        head(&site).replace(&format!("wal: {}", dir("wal")), &format!("wal: {}", dir(wal))) + &steps
    };
    runner.drill(&alone("offsite"), &[]).fails_alike(1, &["what is on `copy` is not fresh"]).in_time(60);
    runner.drill(&alone("wal"), &[]).passed();

    let called = format!(
        "{}{FOLLOW}    - assert_rows: {{ node: copy, query: \"SELECT sounds('a')\", equals: [[A000]] }}\n",
        head(&site)
    );
    runner.drill(&called, &[]).fails_alike(1, &[&format!("could not access file \"{library}\"")]).in_time(60);

    let small = Small::mount(runner.path().join("small"), "24m");
    let full = super::runner(&site).var("TMPDIR", &small.0.display().to_string());
    full.drill(&format!("{}{FOLLOW}", head(&site)), &[]).fails_alike(4, &["No space left on device"]).in_time(60);
    let hourly = format!("{}  - assert_recoverable: {{ repo: lastnight }}\n", head(&site));
    full.drill(&hourly, &[]).fails_alike(1, &["there is no room for backup"]).in_time(60);
    drop(small);
    // A disk of somebody else's below that of the drill is as large, and is never filled.
    let theirs = Small::mount(runner.path().join("theirs"), "512m");
    let their = theirs.0.display().to_string();
    let filling = head(&site).replace("nodes:\n", "nodes:\n  master: {}\n") + &FILLING.replace("THEIRS", &their);
    super::runner(&site).var("TMPDIR", &their).drill(&filling, &[]).passed();
    drop(theirs);
    assert_eq!(site.moved_since(&before), NOTHING);
}
