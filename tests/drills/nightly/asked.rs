//! What a copy asks of production while it follows it: WAL, and nothing that stays there or that
//! users there rely on. And what it cannot see is told.

use super::site::Site;
use super::{FOLLOW, head, runner};

/// A session on production by the way by which the copy follows it.
const BY_RELAY: &str = r#"
  - id: asked
    exec:
      node: copy
      run:
        - sh
        - -euc
        - |
          way=$(psql -XAtc "SELECT setting FROM pg_settings WHERE name = 'primary_conninfo'")
          for command in "CREATE_REPLICATION_SLOT leak PHYSICAL RESERVE_WAL" BASE_BACKUP "SELECT 1" IDENTIFY_SYSTEM; do
            psql "$way replication=true" -XAtc "$command" 2>&1 || :
          done
      capture: { told: "(?s)(.*)" }
  - assert_rows:
      node: copy
      query: SELECT $1 ~ 'not `CREATE_REPLICATION_SLOT' AND $1 ~ 'not `BASE_BACKUP`' AND $1 ~ 'not `SELECT 1`' AND $1 ~ '\|0/[0-9A-F]+\|'
      args: ["${asked.told}"]
      equals: true
  - assert_streaming: { standby: copy, primary: prod }
"#;

#[tokio::test]
async fn a_copy_receives_wal_and_asks_for_nothing_else() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.archive().await;
    runner(&site).drill(&format!("{}{FOLLOW}{BY_RELAY}", head(&site)), &[]).passed();
    assert_eq!(site.primary.count("SELECT count(*) FROM pg_replication_slots WHERE slot_name = 'leak'").await, 0);

    // A role that sees little: what it did not compare is told.
    site.primary.sql("CREATE ROLE narrow; GRANT SELECT ON t TO narrow; GRANT narrow TO drill").await;
    site.archive().await;
    let same = "  - assert_same: { node: copy, as: prod, role: narrow }\n";
    let run = runner(&site).drill(&format!("{}{FOLLOW}{same}", head(&site)), &[]).passed();
    assert!(run.said.contains("but not in: ") && run.said.contains("no privilege to read it"), "{}", run.said);

    // A commit there would count as safe that a copy alone has.
    site.primary.sql("ALTER SYSTEM SET synchronous_commit = local").await;
    site.primary.sql("ALTER SYSTEM SET synchronous_standby_names = 'ANY 1 (*)'").await;
    site.primary.sql("SELECT pg_reload_conf()").await;
    let told = ["`copy` would be a synchronous standby of `prod`", "synchronous_standby_names is `ANY 1 (*)` there"];
    runner(&site).drill(&format!("{}{FOLLOW}", head(&site)), &[]).failed(4, &told);
    assert_eq!(site.primary.count("SELECT count(*) FROM pg_stat_replication").await, 0);
}

#[tokio::test]
async fn a_backup_is_verified_with_packed_wal() {
    let site = Site::start().await;
    site.back_up("monday", &["-X", "none"]);
    site.archive().await;
    site.run("sh", &["-c", &format!("gzip {}/0*", site.dir("wal").display())]);
    let verified = "  - assert_backup: { repo: lastnight, backup: newest, verify: true }\n";
    runner(&site).drill(&format!("{}{verified}", head(&site)), &[]).passed();
    site.run("sh", &["-c", &format!("rm {}/*", site.dir("wal").display())]);
    runner(&site).drill(&format!("{}{verified}", head(&site)), &[]).failed(1, &["is not intact"]);
}
