//! The drills of scenarios/nightly, as they are: with a production that is as it should be, and
//! with one that is not. Those of other tools are run beside the other drills with these.

use super::{CliRunner, NOTHING, Run, site::Site};

/// Runs one, or all, with these params.
pub fn run(runner: &CliRunner, drill: &str, set: &[(&str, &str)]) -> Run {
    let path = format!("{}/scenarios/nightly{drill}", env!("CARGO_MANIFEST_DIR"));
    let set: Vec<String> = set.iter().map(|(name, value)| format!("--set={name}={value}")).collect();
    let set = set.iter().map(String::as_str);
    runner.run(&["--backend", "local"].into_iter().chain(set).chain([path.as_str()]).collect::<Vec<_>>())
}

#[tokio::test]
async fn they_pass_and_notice_what_is_wrong() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    for day in 1..4 {
        let insert = format!("INSERT INTO t SELECT i, '' FROM generate_series({day}001, {day}500) i");
        site.primary.sql(&insert).await;
        site.archive().await;
    }
    let before = site.fingerprint();
    let runner = CliRunner::new();
    let (backups, wal) = (site.dir("backups").join("*").display().to_string(), site.dir("wal").display().to_string());
    let url = site.url();
    let mine = [("backups", backups.as_str()), ("wal", wal.as_str())];
    let and = |name, value| [&mine[..], &[(name, value)]].concat();
    // All of them: what needs more than that is skipped, and says so.
    let all = run(&runner, "", &mine).passed();
    for (drill, outcome) in [
        ("last-night", "skipped"),
        ("pgbackrest", "skipped"),
        ("barman", "skipped"),
        ("barman-cloud", "skipped"),
        ("wal-g", "skipped"),
        ("dumps", "skipped"),
        ("pgbackrest-cold", "skipped"),
        ("offsite", "passed"),
        ("recoverable", "passed"),
        ("any-point", "passed"),
        // Each has its counter-drill, which passes where what is asked for cannot be.
        ("last-night-noticed", "passed"),
        ("offsite-behind", "passed"),
        ("recoverable-behind", "passed"),
        ("any-point-outside", "passed"),
        ("pgbackrest-wrong-stanza", "skipped"),
        ("barman-wrong-server", "skipped"),
        ("barman-cloud-wrong-server", "skipped"),
        ("wal-g-too-old", "skipped"),
        ("dumps-too-old", "skipped"),
    ] {
        let drills = all.report["drills"].as_array().into_iter().flatten();
        let found = drills.filter(|one| one["name"] == drill).map(|one| &one["outcome"]).collect::<Vec<_>>();
        assert_eq!(found, [outcome], "{}", all.said);
    }
    let all = all.says(&["needs `--set prod=...`", "needs `--set prod=... --set stanza=... --set config=...`"]);
    assert!(all.report.to_string().contains("needs `--set prod=...`"));
    run(&runner, "/last-night.yaml", &and("prod", &url)).passed();
    assert_eq!(site.moved_since(&before), NOTHING);
    run(&runner, "/offsite.yaml", &and("behind", "0s")).failed(1, &["the WAL in repo `offsite` is too old"]);
    run(&runner, "/recoverable.yaml", &and("behind", "0s")).failed(1, &["the WAL in repo `onsite` is too old"]);
    // A segment is lost; then the backup is damaged, too.
    let mut segments: Vec<_> = std::fs::read_dir(&wal).expect("a directory").flatten().map(|one| one.path()).collect();
    segments.retain(|path| path.extension().is_none());
    segments.sort();
    std::fs::remove_file(&segments[segments.len() - 2]).expect("removed");
    run(&runner, "/recoverable.yaml", &mine).failed(1, &["is missing"]);
    run(&runner, "/offsite.yaml", &mine).failed(1, &["cannot be recovered to its newest WAL", "lie behind it"]);
    // Production still has it, and a copy would follow: the archive is looked at alone.
    run(&runner, "/last-night.yaml", &and("prod", &url)).failed(1, &["segment", "is missing"]);
    std::fs::write(site.dir("backups/monday/global/pg_control"), "").expect("written");
    run(&runner, "/last-night.yaml", &and("prod", &url)).failed(1, &["is not intact", "pg_control"]);
    let site = site.with_pgbackrest().await;
    site.pgbackrest("--repo=1 --type=full backup");
    site.pgbackrest("check");
    let before = site.fingerprint();
    let config = site.dir("pgbackrest.conf").display().to_string();
    let stanza = |name| [("prod", url.as_str()), ("config", config.as_str()), ("stanza", name)];
    run(&runner, "/pgbackrest.yaml", &stanza("main")).passed();
    assert_eq!(site.moved_since(&before), NOTHING);
    run(&runner, "/pgbackrest.yaml", &stanza("wrong")).failed(1, &["repo `onsite` has no such backup"]);
    run(&runner, "/pgbackrest-wrong-stanza.yaml", &stanza("main")[1..]).passed();
    // The second repository is encrypted: the passphrase is in what is kept elsewhere.
    site.pgbackrest("--repo=2 --type=full backup");
    let kept = site.dir("kept.conf").display().to_string();
    site.run("mv", &[&config, &kept]);
    let mine = [("config", config.as_str()), ("stanza", "main"), ("repo", "2"), ("kept", kept.as_str())];
    let cold = run(&runner, "/pgbackrest-cold.yaml", &mine).passed();
    assert_eq!(cold.fact("rescued", "used"), "repo offsite, and config");
}
