//! What cannot come is not waited for, and what cannot be reached is not restored for nothing.

use super::site::Site;
use super::{FOLLOW, NOTHING, head, runner, settle};

/// The steps of a drill that gives its recovery the time it has by default.
const RECOVER: &str = "  - id: then\n    recover: { node: copy, repo: lastnight, backup: newest, until: UNTIL, then: promote }\n  - assert_primary: { node: copy }\n";

impl Site {
    /// Has production keep no WAL but what a restart needs, and waits until the segment that it
    /// writes now is gone there; its name. `archive_command` is what it archives with from now on.
    async fn forget_wal(&self, archive_command: Option<&str>) -> String {
        let command = archive_command.map(|command| format!("archive_command = '{command}'\n")).unwrap_or_default();
        self.primary.append("postgresql.conf", &format!("{command}wal_keep_size = 0\n"));
        self.primary.sql("SELECT pg_reload_conf()").await;
        if let Some(command) = archive_command {
            let set =
                format!("SELECT count(*) FROM pg_settings WHERE name = 'archive_command' AND setting = '{command}'");
            settle(&self.primary, &set, 1).await;
        }
        self.primary.sql("UPDATE beats SET at = now()").await;
        let now = "SELECT pg_walfile_name(pg_current_wal_insert_lsn())";
        let now: String = self.primary.connect("postgres").await.query_one(now, &[]).await.expect("a row").get(0);
        let there = format!("SELECT count(*) FROM pg_ls_waldir() WHERE length(name) = 24 AND name <= '{now}'");
        let deadline = std::time::Instant::now() + std::time::Duration::from_secs(60);
        while self.primary.count(&there).await > 0 {
            assert!(std::time::Instant::now() < deadline, "production keeps its WAL");
            self.primary.sql("CHECKPOINT; UPDATE beats SET at = now(); SELECT pg_switch_wal()").await;
        }
        now
    }
}

#[tokio::test]
async fn wal_that_is_gone_for_good_is_not_waited_for() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.archive().await;
    let name = site.forget_wal(None).await;
    // All of it is archived, and then one segment is lost: the next ones lie behind it.
    site.archive().await;
    std::fs::remove_file(site.dir("wal").join(&name)).expect("removed");
    let run = runner(&site).drill(&format!("{}{FOLLOW}", head(&site)), &[]);
    run.fails_alike(1, &["`copy` does not stream from `prod`", &format!("repo `lastnight` does not hold {name}")])
        .in_time(60);

    // The archive of a tool has stopped: what it does not have, production has not, either.
    let site = Site::start().await.with_pgbackrest().await;
    site.pgbackrest("--repo=1 --type=full backup");
    site.pgbackrest("check");
    site.forget_wal(Some("true")).await;
    let before = site.fingerprint();
    let config = site.dir("pgbackrest.conf").display().to_string();
    let (backups, wal) = (site.dir("backups").display().to_string(), site.dir("wal").display().to_string());
    let repo = head(&site).replace(
        &format!("existing: true, backups: \"{backups}/*\", wal: {wal}"),
        &format!("kind: pgbackrest, existing: true, stanza: main, config: {config}, repo: 1"),
    );
    let run = runner(&site).drill(&format!("{repo}{FOLLOW}"), &[]);
    run.fails_alike(1, &["`copy` does not stream from `prod`", "repo `lastnight` does not hold 0000"]).in_time(60);
    assert_eq!(site.moved_since(&before), NOTHING);
}

#[tokio::test]
async fn a_point_outside_of_the_window_is_told_before_anything_is_restored() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.primary.sql("SELECT pg_sleep(1.1); UPDATE beats SET at = now()").await;
    // The last transaction there ends later, and is rolled back: recovery stops there all the same.
    let clock = r#"SELECT to_char(clock_timestamp() AT TIME ZONE 'UTC', 'YYYY-MM-DD"T"HH24:MI:SS.US"Z"')"#;
    site.primary.sql("SELECT pg_sleep(0.2)").await;
    let between: String = site.primary.connect("postgres").await.query_one(clock, &[]).await.expect("a time").get(0);
    site.primary.sql("SELECT pg_sleep(0.2)").await;
    site.primary.sql("BEGIN; INSERT INTO quick VALUES (0); ROLLBACK").await;
    site.archive().await;
    let before = site.fingerprint();
    let drill = |until: &str| runner(&site).drill(&format!("{}{}", head(&site), RECOVER.replace("UNTIL", until)), &[]);
    for (until, words) in [
        ("{ time: \"2090-01-01T00:00:00Z\" }", ["2090-01-01T00:00:00Z is not in the window", ", the last commit"]),
        ("{ lsn: F/10 }", ["F/10 is not in the window", "can be recovered from 0/"]),
    ] {
        let run = drill(until).fails_alike(1, &words);
        assert!(run.fact("then", "restore_ms").is_null(), "{}", run.said);
    }
    let run = drill(&format!("{{ time: \"{between}\" }}")).passed();
    assert!(run.fact("then", "restore_ms").as_u64().is_some(), "{}", run.said);
    assert_eq!(site.moved_since(&before), NOTHING);
}

/// Frozen processes of production, which go on when this is dropped.
struct Thawed(String);

impl Drop for Thawed {
    fn drop(&mut self) {
        let _ = std::process::Command::new("sh").args(["-c", &self.0.replace("STOP", "CONT")]).status();
    }
}

#[tokio::test]
async fn a_production_that_freezes_in_the_middle_is_no_verdict_on_the_backup() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.archive().await;
    let pid = std::fs::read_to_string(site.dir("data/postmaster.pid")).expect("it runs");
    let pid = pid.lines().next().expect("a number");
    let freeze = format!("kill -STOP {pid} $(pgrep -P {pid})");
    let stops = format!("  - exec: {{ node: beside, run: [sh, -c, {freeze:?}] }}\n");
    let follows =
        "  - recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: { follow: prod } }\n";
    let streams = "  - assert_streaming: { standby: copy, primary: prod }\n";
    let head = head(&site).replace("nodes:\n", "nodes:\n  beside: {}\n");
    // It answers no new session; or it has been asked, and the time is over before it has answered.
    for steps in
        [format!("{stops}{follows}    within: 20s\n{streams}"), format!("{follows}{stops}{streams}    within: 4s\n")]
    {
        let _thawed = Thawed(freeze.clone());
        let run = runner(&site).drill(&format!("{head}{steps}"), &[]);
        run.fails_alike(4, &["`prod` does not answer"]).in_time(60);
    }
}
