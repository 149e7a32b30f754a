//! Any other tool, by commands: a drill's own repo, and production's, which is only read.

use super::site::Site;
use super::{FOLLOW, NOTHING, killed, runner};
use crate::cli_runner::CliRunner;

/// A tool that keeps a plain copy, and packs WAL with a salt, which has to be the same again.
const OWN: &str = r#"
repos:
  mine:
    kind: command
    backup: [sh, -c, 'test "$SALT" = geheim || exit 7; test ! -e "$DRILLYARD_REPO/nightly" || { echo no room for another >&2; exit 9; }; pg_basebackup -D "$DRILLYARD_REPO/$DRILLYARD_BACKUP" -c fast -X none']
    fetch: [sh, -c, 'cp -a "$DRILLYARD_REPO/$DRILLYARD_BACKUP/." "$DRILLYARD_DATA"']
    archive_command: 'gzip -c %p >"$DRILLYARD_REPO/$SALT-%f.part" && mv "$DRILLYARD_REPO/$SALT-%f.part" "$DRILLYARD_REPO/$SALT-%f"'
    restore_command: 'test -f "$DRILLYARD_REPO/$SALT-%f" && gzip -dc "$DRILLYARD_REPO/$SALT-%f" >"%p"'
    env: { SALT: "${secrets.salt}" }
nodes: { primary: { archive_to: mine } }
steps:
  - id: data
    create_data: { table: items, rows: 1000 }
  - id: nightly
    backup: {}
  - id: accident
    drop_table: { table: items }
  - wait_archived: { node: primary, through: accident }
  - id: found
    find_in_wal: { dropped: items }
  - recover: { node: rescue, backup: nightly, until: { before: found }, then: promote }
  - assert_rows: { node: rescue, table: items, same_as: data }
  - id: refused
    backup: {}
    expect: { fails: no room for another }
"#;

#[test]
fn a_drill_fills_a_repo_of_commands() {
    let runner = CliRunner::new().var("DRILLYARD_SECRET_SALT", "geheim");
    let run = runner.drill(OWN, &[]).passed();
    assert!(!run.said.contains("geheim"), "{}", run.said);
    let drill = OWN.replace("= geheim", "= other");
    runner.drill(&drill, &[]).failed(1, &["the command `backup` failed (exit status 7)"]);
    let output = runner.output(["run", "--repos", "command", "x.yaml"]);
    assert_eq!(output.status.code(), Some(2));
    assert!(
        crate::program::said(&output).contains("which only a scenario can say"),
        "{}",
        crate::program::said(&output)
    );
}

/// A tool that knows the backups of production as pg_basebackup has written them.
const THEIRS: &str = r#"
repos:
  lastnight:
    kind: command
    existing: true
    list: [sh, -c, 'cd "$BACKUPS" && for one in *; do printf "%s\t%s\t%s\n" "$one" "$(date -u -d "@$(stat -c %Y "$one")" +%FT%TZ)" "$(du -sb "$one" | cut -f 1)"; done']
    fetch: [sh, -c, 'FETCH']
    restore_command: 'test -f "$WAL/%f" && cp "$WAL/%f" "%p"'
    env: { BACKUPS: DIR/backups, WAL: DIR/wal }
nodes: { prod: { external: { url: "${env.PROD_URL}" } } }
steps:
"#;

#[tokio::test]
async fn the_commands_of_production_are_run_and_what_they_leave_is_looked_through() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.back_up("tuesday", &[]);
    site.archive().await;
    let before = site.fingerprint();
    let runner = runner(&site);
    let copy = r#"cp -a "$BACKUPS/$DRILLYARD_BACKUP/." "$DRILLYARD_DATA""#;
    let mapped = format!(
        "{copy}; cd \"$DRILLYARD_DATA/pg_tblspc\"; for oid in *; do cp -aL \"$oid\" \"$DRILLYARD_TABLESPACES\"; ln -sfn \"$DRILLYARD_TABLESPACES/$oid\" \"$oid\"; done"
    );
    let head = |fetch: &str| THEIRS.replace("DIR", &site.primary.dir().display().to_string()).replace("FETCH", fetch);
    let run = runner.drill(&format!("{}{FOLLOW}", head(&mapped)), &[]).passed();
    assert_eq!(run.fact("tonight", "backup"), "tuesday");
    assert_eq!(site.moved_since(&before), NOTHING);
    // Killed while its command is at work, which lives on for nobody.
    let slow = head(&format!("{mapped}; sleep 300"));
    killed(&runner, &format!("{slow}{FOLLOW}"), "PG_VERSION").await;
    assert_eq!(site.moved_since(&before), NOTHING);
    // Its tablespaces stay where they were.
    runner
        .drill(&format!("{}{FOLLOW}", head(copy)), &[])
        .failed(1, &["cannot be restored", "no place of the new server's own"]);
    let broken = head("echo the tape is torn >&2; exit 7");
    runner.drill(&format!("{broken}{FOLLOW}"), &[]).failed(1, &["cannot be restored", "the tape is torn"]);
    let chatty = head(copy).replace("cd \"$BACKUPS\" &&", "echo BACKUPS:; cd \"$BACKUPS\" &&");
    runner.drill(&format!("{chatty}{FOLLOW}"), &[]).failed(1, &["cannot be listed", "line 1, `BACKUPS:`"]);
    // How a backup is verified only the scenario can say.
    let verified = format!("{}  - assert_backup: {{ repo: lastnight, verify: true }}\n", head(copy));
    runner.drill(&verified, &[]).failed(3, &["repo `lastnight` cannot verify a backup", "it has no `verify`: "]);
    for (verify, code, words) in [
        ("test -d \"$BACKUPS/$DRILLYARD_BACKUP\"", 0, ""),
        ("echo its label is torn >&2; exit 3", 1, "its label is torn"),
        ("no-such-program", 4, "the command `verify` cannot be run"),
    ] {
        let keys = format!("    verify: [sh, -c, '{verify}']\n    env:");
        let run = runner.drill(&verified.replacen("    env:", &keys, 1), &[]);
        run.failed(code, &[words]);
    }
    let recoverable = format!("{}  - assert_recoverable: {{ repo: lastnight }}\n", head(copy));
    runner.drill(&recoverable, &[]).failed(3, &["cannot list its WAL", "none says which there are"]);
    assert_eq!(site.moved_since(&before), NOTHING);
}
