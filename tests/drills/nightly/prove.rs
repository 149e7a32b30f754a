//! The nightly drill is proved: what is wrong with a copy of what it reads turns it red.

use super::site::Site;
use super::{NOTHING, head, runner};
use crate::program::said;

const STEPS: &str = r#"
  - assert_backup: { repo: lastnight, max_age: 26h }
  - assert_recoverable: { repo: lastnight }
  - recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: { follow: prod } }
  - all:
    - assert_streaming: { standby: copy, primary: prod }
    - assert_intact: { node: copy }
"#;

#[tokio::test]
async fn a_damaged_backup_a_missing_one_and_missing_wal_are_noticed_and_nothing_moves() {
    let site = Site::start().await;
    for database in ["template1", "postgres", "billing"] {
        let client = site.primary.connect(database).await;
        client.batch_execute("CREATE EXTENSION amcheck").await.expect("created");
    }
    site.back_up("monday", &[]);
    // It is older than a night.
    let manifest = site.dir("backups/monday/backup_manifest").display().to_string();
    let older = r#"/"backup_label"/s/"Last-Modified": "[^"]*"/"Last-Modified": "2020-01-01 00:00:00 GMT"/"#;
    site.run("sed", &["-i", older, &manifest]);
    site.archive().await;
    site.back_up("tuesday", &[]);
    for _ in 0..3 {
        site.primary.sql("INSERT INTO beats VALUES (now())").await;
        site.archive().await;
    }
    let before = site.fingerprint();
    let runner = runner(&site);
    // The drill that ships.
    let path = format!("{}/scenarios/nightly/last-night.yaml", env!("CARGO_MANIFEST_DIR"));
    let (backups, wal) = (site.dir("backups").join("*").display().to_string(), site.dir("wal").display().to_string());
    let set = [("prod", &site.url()), ("backups", &backups), ("wal", &wal)]
        .map(|(name, value)| format!("--set={name}={value}"));
    let [prod, backups, wal] = &set;
    let output = runner.output(["prove", "--backend", "local", prod, backups, wal, &path]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(0), "{told}");
    for (name, by) in [
        ("newest-backup-missing onsite", "there is one from last night"),
        ("wal-missing onsite", "and all WAL from it on"),
        ("backup-damaged onsite", "`copy` is not intact"),
        ("role-lost prod", "`copy` does not stream from `prod`"),
        ("standby-stopped copy", "is not running"),
        ("left-out tonight", "does not exist"),
        ("left-out promote:copy", "`copy` is not a primary"),
    ] {
        let line = told.lines().find(|line| line.contains(name)).unwrap_or_else(|| panic!("no {name}: {told}"));
        assert!(line.contains("noticed") && line.contains(by), "{line}\n{told}");
    }
    assert_eq!(site.moved_since(&before), NOTHING);
    // A drill that does not ask how old the backup is.
    let yaml = format!("drillyard: 1\n{}{}", head(&site), STEPS.replace(", max_age: 26h", ""));
    let path = runner.write("careless.yaml", &yaml).display().to_string();
    let output = runner.output(["prove", "--backend", "local", "--only", "newest-backup-missing", &path]);
    let told = said(&output);
    assert_eq!(output.status.code(), Some(1), "{told}");
    assert!(told.contains("assert_backup: { repo: lastnight, max_age: 26h }"), "{told}");
}
