//! A copy that is made of production itself, without a backup, is as harmless as one of a backup,
//! and so is whatever is made from it.

use super::{NOTHING, runner, settle, site::Site, slot};

/// What production sets up, and what must not be at work on a server with its data.
fn checks(node: &str) -> String {
    [
        ("SELECT count(*) FROM quick WHERE i = 9999", "0"),
        ("SELECT count(*) FROM pg_settings WHERE name LIKE 'auto_explain.%'", "0"),
        ("SELECT count(*) FROM pg_settings WHERE name LIKE 'pg_prewarm%' OR name LIKE 'cron.%'", "0"),
        ("SELECT count(*) FROM pg_stat_activity WHERE backend_type LIKE 'logical%'", "0"),
        ("SELECT count(*) FROM prices", "1"),
        (
            "SELECT current_setting('archive_mode'), current_setting('work_mem'), current_setting('max_logical_replication_workers')",
            "\"off\", \"4MB\", \"0\"",
        ),
    ]
    .map(|(query, found)| format!("    - assert_rows: {{ node: {node}, query: \"{query}\", equals: [[{found}]] }}\n"))
    .concat()
}

#[tokio::test]
async fn a_copy_that_is_made_of_production_itself_takes_nothing_of_it_either() {
    let site = Site::start().await;
    site.with_jobs().await;
    for sql in [
        // What its subscription has to take stays there for whoever comes for it.
        "ALTER SUBSCRIPTION prices DISABLE",
        "CREATE FUNCTION notice() RETURNS event_trigger LANGUAGE plpgsql AS 'BEGIN INSERT INTO quick VALUES (9999); END'",
        "CREATE EVENT TRIGGER notice ON ddl_command_end EXECUTE FUNCTION notice()",
        "ALTER EVENT TRIGGER notice ENABLE ALWAYS",
        "ALTER DATABASE postgres SET session_preload_libraries = 'auto_explain'",
    ] {
        site.primary.sql(sql).await;
    }
    settle(&site.publisher, "SELECT count(*) FROM pg_replication_slots WHERE active", 0).await;
    // Nothing keeps a copy from that then but what drillyard does.
    let enable = "ALTER SUBSCRIPTION prices ENABLE";
    site.publisher.sql("INSERT INTO prices VALUES (2)").await;
    let (before, was) = (site.fingerprint(), slot(&site.publisher).await);
    let all = ["copy", "again", "beside"].map(checks).concat();
    let listed = checks("listed");
    let drill = format!(
        r#"
nodes:
  prod: {{ external: {{ url: "${{env.PROD_URL}}" }} }}
  listed: {{ follows: prod }}
repos: {{ own: {{}} }}
steps:
  - {{ id: made, rebuild: {{ node: copy, follows: prod }} }}
  - all:
    - assert_streaming: {{ standby: copy, primary: prod }}
    - assert_streaming: {{ standby: listed, primary: prod }}
    - assert_same: {{ node: copy, as: prod }}
  - promote: {{ node: copy }}
  - promote: {{ node: listed }}
  - sql: {{ node: copy, query: "{enable}; CREATE TABLE later ()" }}
  - sql: {{ node: listed, query: "{enable}; CREATE TABLE later ()" }}
  - {{ id: taken, backup: {{ node: copy, repo: own }} }}
  - {{ id: restored, recover: {{ node: again, repo: own, backup: taken, until: end_of_backup, then: promote }} }}
  - sql: {{ node: again, query: "CREATE TABLE later_still ()" }}
  - rebuild: {{ node: beside, follows: copy }}
  - promote: {{ node: beside }}
  - sql: {{ node: beside, query: "CREATE TABLE later_still ()" }}
  - wait_for: {{ node: copy, query: "SELECT pg_sleep(1) IS NOT NULL", equals: true }}
  - all:
{all}{listed}"#
    );
    let run = runner(&site).drill(&drill, &[]).passed();
    for id in ["made", "restored"] {
        assert_eq!(run.fact(id, "network").as_str(), Some("isolated"), "{}", run.said);
    }
    let set_aside = run.fact("made", "configuration");
    assert!(set_aside.as_str().is_some_and(|said| said.contains("work_mem")), "{}", run.said);
    settle(&site.primary, "SELECT count(*) FROM pg_stat_replication", 0).await;
    // A base backup makes production archive what it has written.
    let wal = site.dir("wal").display().to_string();
    let moved: Vec<String> = site.moved_since(&before).into_iter().filter(|line| !line.contains(&wal)).collect();
    assert_eq!(moved, NOTHING);
    assert_eq!(slot(&site.publisher).await, was);
}
