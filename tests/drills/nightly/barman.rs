//! Production's Barman: a drill reads it, and nothing of it moves.

use super::site::Site;
use super::{ANY, FOLLOW, NOTHING, head, killed, runner};
use crate::testing::{PASSWORD, Shutdown};

impl Site {
    /// Archives into a Barman from now on, which packs WAL and has hooks.
    pub async fn with_barman(self) -> Self {
        let dir = self.primary.dir().display().to_string();
        let (home, hook) = (format!("{dir}/barman"), format!("touch {dir}/barman/hook"));
        self.run("mkdir", &["-p", &format!("{home}/pg.prod/incoming"), &format!("{dir}/barman.d")]);
        std::fs::write(
            self.dir("barman.conf"),
            format!(
                "[barman]\nbarman_user = postgres\nbarman_home = {home}\nbarman_lock_directory = {home}\nlog_file = {home}/log\n\
                 configuration_files_directory = {dir}/barman.d\ncompression = gzip\n"
            ),
        )
        .expect("written");
        let connection = format!("host={dir} port={} user=postgres", self.primary.port());
        std::fs::write(
            self.dir("barman.d").join("prod.conf"),
            format!(
                "[pg.prod]\ndescription = Production\nconninfo = {connection} dbname=postgres\nstreaming_conninfo = {connection}\n\
                 backup_method = postgres\narchiver = on\npre_recovery_script = {hook}\npost_recovery_script = {hook}\n\
                 pre_recovery_retry_script = {hook}\n"
            ),
        )
        .expect("written");
        let incoming = format!("{home}/pg.prod/incoming");
        let command = format!("cp %p {incoming}/.part && mv {incoming}/.part {incoming}/%f");
        self.primary.append("postgresql.conf", &format!("archive_command = '{command}'\n"));
        self.primary.stop(Shutdown::Fast);
        self.primary.start_again().await;
        self.primary.sql("CHECKPOINT; SELECT pg_switch_wal()").await;
        self.wait_for_wal().await;
        self
    }

    /// Archives with pgBackRest, too, which it had been set up for before.
    pub async fn archive_to_both(&self) {
        let conf = std::fs::read_to_string(self.dir("data/postgresql.conf")).expect("the configuration");
        let commands = conf.lines().filter_map(|line| line.strip_prefix("archive_command = '")?.strip_suffix('\''));
        let commands: Vec<&str> = commands.collect();
        let [.., of_pgbackrest, of_barman] = commands.as_slice() else { panic!("two commands: {conf}") };
        self.primary.append("postgresql.conf", &format!("archive_command = '{of_pgbackrest} && {of_barman}'\n"));
        self.primary.sql("SELECT pg_reload_conf()").await;
    }

    /// Runs barman as production does.
    pub fn barman(&self, words: &str) {
        let script = format!("barman -q -c {} {words}", self.dir("barman.conf").display());
        self.run("env", &[&format!("PGPASSWORD={PASSWORD}"), "sh", "-c", &script]);
    }

    /// Finishes a segment, and waits until it has come.
    pub async fn wait_for_wal(&self) {
        self.primary.sql("CHECKPOINT").await;
        let switch = "SELECT pg_walfile_name(pg_switch_wal())";
        let row = self.primary.connect("postgres").await.query_one(switch, &[]).await.expect("a row");
        let (segment, incoming): (String, _) = (row.get(0), self.dir("barman/pg.prod/incoming"));
        while !incoming.join(&segment).exists() {
            tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        }
    }

    /// The directories of the backups, the oldest first.
    fn barmans_backups(&self) -> Vec<String> {
        let dirs = std::fs::read_dir(self.dir("barman/pg.prod/base")).expect("a directory").flatten();
        let mut dirs: Vec<String> = dirs.map(|entry| entry.path().display().to_string()).collect();
        dirs.sort();
        dirs
    }
}

#[tokio::test]
async fn a_server_of_barman_is_read_and_nothing_of_it_moves() {
    let site = Site::start().await.with_barman().await;
    site.barman("archive-wal pg.prod");
    site.barman("backup --immediate-checkpoint --wait pg.prod");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    site.run(
        "sed",
        &["-i", "$ a backup_compression = gzip", &site.dir("barman.d").join("prod.conf").display().to_string()],
    );
    site.barman("backup --immediate-checkpoint --wait pg.prod");
    let backups = site.barmans_backups();
    // One that failed, and one that has not got all of its WAL for all that barman knows.
    let copy = format!("cp -a {} {}9", backups[1], backups[1]);
    site.run("sh", &["-c", &format!("{copy}; sed -i s/^status=.*/status=FAILED/ {}9/backup.info", backups[1])]);
    site.run("sed", &["-i", "s/^status=.*/status=WAITING_FOR_WALS/", &format!("{}/backup.info", backups[1])]);
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(2001, 3000) i").await;
    // This one barman has not seen yet.
    site.wait_for_wal().await;
    let before = site.fingerprint();
    let runner = runner(&site);
    let config = site.dir("barman.conf").display().to_string();
    let at = format!("kind: barman, existing: true, server: pg.prod, config: {config}");
    let head = |at: &str| {
        let lines = head(&site);
        let lines = lines.lines().map(|line| match line.starts_with("  lastnight") {
            true => format!("  lastnight: {{ {at} }}\n"),
            false => format!("{line}\n"),
        });
        lines.collect::<String>()
    };
    let checked = "  - id: hour\n    assert_recoverable: { repo: lastnight }\n";
    let run = runner.drill(&format!("{}{checked}{FOLLOW}", head(&at)), &[]).passed();
    assert!(run.fact("hour", "segments").as_u64().is_some_and(|count| count >= 2), "{}", run.said);
    assert!(run.fact("hour", "settings").as_str().is_some_and(|said| said.contains("max_connections")), "{}", run.said);
    let number = |fact| run.fact("hour", fact).as_u64().unwrap_or_default();
    assert!(number("restored_bytes") > number("bytes") && number("bytes") > 0, "{}", run.said);
    assert!(run.fact("hour", "tablespaces").as_str().is_some(), "{}", run.said);
    let label = run.fact("tonight", "backup").as_str().expect("a label").to_owned();
    assert!(backups[1].ends_with(&label), "{label}");
    let over = run.fact("tonight", "passed_over").as_str().expect("a fact").to_owned();
    assert!(over.contains(&format!("{label}9: its status is FAILED")), "{over}");
    assert_eq!(site.moved_since(&before), NOTHING);
    // The drill that ships: of a server that Barman does not have, of one that it has.
    let mine = |server| [("prod", site.url()), ("server", String::from(server)), ("config", config.clone())];
    let ship = |server| {
        let set = mine(server);
        super::shipped::run(&runner, "/barman.yaml", &set.each_ref().map(|(name, value)| (*name, value.as_str())))
    };
    ship("pg.test").failed(1, &["the backups in repo `onsite` cannot be listed", "it has pg.prod"]);
    ship("pg.prod").failed(4, &["cannot be verified: it is packed"]);
    // The older one, alone, to the end of what has come.
    let promote = FOLLOW
        .replace("backup: newest, until", "backup: oldest, until")
        .replace("then: { follow: prod }", "then: promote")
        .replace("assert_streaming: { standby: copy, primary: prod }", "assert_primary: { node: copy }")
        .replace("backup: newest, max_age", "backup: oldest, verify: true, kind: full, max_age");
    let run = runner.drill(&format!("{}{promote}", head(&at)), &[]).passed();
    assert!(backups[0].ends_with(run.fact("tonight", "backup").as_str().expect("a label")));
    assert_eq!(site.moved_since(&before), NOTHING);
    assert!(!site.dir("barman").join("hook").exists());
    runner.drill(&format!("{}{ANY}", head(&at)), &[]).passed();
    killed(&runner, &format!("{}{ANY}", head(&at)), "PG_VERSION").await;
    assert_eq!(site.moved_since(&before), NOTHING);
    site.run("mv", &[&backups[1], &site.dir("newest").display().to_string()]);
    site.run("mv", &[&format!("{}9", backups[1]), &site.dir("failed").display().to_string()]);
    ship("pg.prod").passed();
    let theirs = mine("pg.prod");
    let theirs: Vec<(&str, &str)> = theirs[1..].iter().map(|(name, value)| (*name, value.as_str())).collect();
    super::shipped::run(&runner, "/barman-wrong-server.yaml", &theirs).passed();
    // Recovered cold it needs nothing but the directories, and what is kept elsewhere.
    let kept = site.dir("kept.conf").display().to_string();
    let wrong = site.dir("wrong.conf").display().to_string();
    site.run("cp", &[&config, &kept]);
    std::fs::write(&wrong, format!("[barman]\nbarman_home = {}/nowhere\n[pg.prod]\n", site.dir("").display()))
        .expect("written");
    let cold = head(&at.replace(&config, &wrong))
        .replace("nodes:\n", &format!("nodes:\n  copy: {{ cold: true, secrets: {{ config: {kept} }} }}\n"));
    let steps = "  - id: cold\n    recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }\n  - assert_primary: { node: copy }\n";
    let run = runner.drill(&format!("{cold}{steps}"), &[]).passed();
    assert_eq!(run.fact("cold", "used"), "repo lastnight, and config");
    site.run("mv", &[&site.dir("newest").display().to_string(), &backups[1]]);
    // Wrong in words of their own.
    let wrong = format!("{}{checked}", head(&at.replace("pg.prod", "pg.test")));
    runner.drill(&wrong, &[]).failed(1, &["the backups in repo `lastnight` cannot be listed", "it has pg.prod"]);
    site.run("truncate", &["-s", "100", &format!("{}/data/PG_VERSION", backups[0])]);
    let verified = "  - assert_backup: { repo: lastnight, backup: oldest, verify: true }\n";
    runner.drill(&format!("{}{verified}", head(&at)), &[]).failed(1, &["is not intact", "PG_VERSION"]);
    let tarred = verified.replace("oldest", "newest");
    runner.drill(&format!("{}{tarred}", head(&at)), &[]).failed(4, &["cannot be verified: it is packed"]);
}

/// What stands for the way to production's machine, which is this one.
const SSH: &str = r#"#!/bin/sh
# ssh [OPTION]... HOST [OPTION]... COMMAND
options() { while :; do case $1 in -o | -p | -l | -i) shift 2 ;; -*) shift ;; *) break ;; esac; done; then=$#; }
options "$@"; shift $(($# - then)); shift
options "$@"; shift $(($# - then))
[ -n "$1" ] || shift
exec sh -c "$*"
"#;

#[tokio::test]
async fn backups_that_rsync_has_made_are_read() {
    let site = Site::start().await.with_barman().await;
    let ssh = site.dir("ssh");
    std::fs::write(&ssh, SSH).expect("written");
    std::fs::set_permissions(&ssh, std::os::unix::fs::PermissionsExt::from_mode(0o755)).expect("permissions");
    let conf = site.dir("barman.d").join("prod.conf");
    let text = std::fs::read_to_string(&conf).expect("the configuration");
    let by_rsync =
        format!("backup_method = rsync\nreuse_backup = link\nssh_command = {} postgres@production\n", ssh.display());
    std::fs::write(&conf, text.replace("backup_method = postgres\n", &by_rsync)).expect("written");
    site.barman("archive-wal pg.prod");
    site.barman("backup --immediate-checkpoint --wait pg.prod");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(1001, 2000) i").await;
    // The second one has links to what has not changed since the first.
    site.barman("backup --immediate-checkpoint --wait pg.prod");
    site.primary.sql("INSERT INTO t SELECT i, md5(i::text) FROM generate_series(2001, 3000) i").await;
    site.wait_for_wal().await;
    let backups = site.barmans_backups();
    let before = site.fingerprint();
    let runner = runner(&site);
    let repo = format!(
        "repos:\n  lastnight: {{ kind: barman, existing: true, server: pg.prod, config: {} }}\n\
         nodes:\n  prod: {{ external: {{ url: \"${{env.PROD_URL}}\" }} }}\nsteps:\n",
        site.dir("barman.conf").display()
    );
    let checked = "  - id: hour\n    assert_recoverable: { repo: lastnight }\n";
    let run = runner.drill(&format!("{repo}{checked}{FOLLOW}"), &[]).passed();
    assert!(backups[1].ends_with(run.fact("tonight", "backup").as_str().expect("a label")), "{}", run.said);
    assert!(run.fact("hour", "tablespaces").as_str().is_some(), "{}", run.said);
    assert_eq!(site.moved_since(&before), NOTHING);
    let oldest = FOLLOW.replace("backup: newest, until", "backup: oldest, until");
    let run = runner.drill(&format!("{repo}{oldest}"), &[]).passed();
    assert!(backups[0].ends_with(run.fact("tonight", "backup").as_str().expect("a label")), "{}", run.said);
    let verified = "  - assert_backup: { repo: lastnight, verify: true }\n";
    runner.drill(&format!("{repo}{verified}"), &[]).failed(4, &["cannot be verified: it "]);
    assert_eq!(site.moved_since(&before), NOTHING);
}
