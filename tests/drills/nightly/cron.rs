//! Production has jobs, by pg_cron where that is installed: they run there, and in no copy.

use std::path::Path;

use super::site::{Jobs, Site, settle};
use super::{NOTHING, head, runner};
use crate::testing::PASSWORD;

/// What is left of a copy that is a primary, without the parts that need production.
const PROMOTED: &str = r#"
  - id: tonight
    recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }
  - assert_rows: { node: copy, query: "SELECT count(*) FROM pg_settings WHERE name LIKE 'cron.%'", equals: [[0]] }
"#;

/// The same with what the page says it takes to have them run.
const WITH_JOBS: &str = r#"
  - id: tonight
    recover:
      node: copy
      repo: lastnight
      backup: newest
      until: latest
      then: promote
      settings: { shared_preload_libraries: pg_cron, cron.database_name: postgres, cron.use_background_workers: "on" }
  - wait_for: { node: copy, query: "SELECT coalesce((pg_stat_file('RAN', true)).size > 0, false)", equals: true }
  - assert_primary: { node: copy }
"#;

#[tokio::test]
async fn jobs_of_production_run_in_no_copy_of_it() {
    let site = Site::start().await;
    if site.with_jobs().await == Jobs::StoodInFor {
        // What stands in for it has been seen by other tests.
        assert!(!Path::new("/usr/share/postgresql/15/extension/pg_cron.control").exists());
        return;
    }
    site.back_up("monday", &[]);
    site.archive().await;
    let dump = format!(
        "export PGPASSWORD=\"{PASSWORD}\" PGHOST={0} PGPORT={1} PGUSER=postgres; mkdir {0}/backups/night; cd {0}/backups/night; \
         pg_dump -Fc postgres -f postgres.dump; pg_dumpall --globals-only -f globals.sql",
        site.primary.dir().display(),
        site.primary.port()
    );
    site.run("sh", &["-euc", &dump]);
    // It has run on production, once, and would run again wherever a server is started.
    let ran = site.dir("jobs").join("ran");
    let said = || std::fs::read_to_string(&ran).expect("a job has run");
    let once = said();
    assert_eq!(once.lines().count(), 1, "{once}");
    let before = site.fingerprint();
    let repo = head(&site).replace("/*\"", "/mon*\"");
    let runner = runner(&site);
    runner.drill(&format!("{repo}{PROMOTED}"), &[]).passed();
    let dumps = format!(
        "repos: {{ lastnight: {{ kind: dump, existing: true, path: {}/nigh* }} }}\nsteps:\n",
        site.dir("backups").display()
    );
    let run =
        runner.drill(&format!("{dumps}{}", PROMOTED.replace("until: latest", "until: end_of_backup")), &[]).passed();
    assert!(
        run.fact("tonight", "left_out").as_str().is_some_and(|said| said.contains("pg_cron in postgres")),
        "{}",
        run.said
    );
    assert_eq!(site.moved_since(&before), NOTHING);
    // This would have been seen.
    settle(&site.primary, "SELECT count(*) FROM cron.job WHERE schedule = '@reboot'", 1).await;
    std::fs::remove_file(&ran).expect("removed");
    runner.drill(&format!("{repo}{}", WITH_JOBS.replace("RAN", &ran.display().to_string())), &[]).passed();
    assert!(said() != once, "{}", said());
}
