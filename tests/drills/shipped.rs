//! The drills that ship, every one: on local processes, where the tests have 15, and on Docker with
//! 17.

use std::path::Path;
use std::process::Command;

use crate::cli_runner::CliRunner;
use crate::run::Run;

fn docker(args: &[&str]) -> Option<String> {
    let output = Command::new("docker").args(args).output().ok()?;
    output.status.success().then(|| String::from_utf8_lossy(&output.stdout).trim().to_owned())
}

/// Twins that lose acknowledged commits whatever happens.
const LOSE: &[&str] = &[
    "dropped-table-by-time",
    "truncated-table-imported",
    "deleted-rows-turned-back",
    "overwritten-turned-back",
    "nobody-took-a-note-by-guess",
    "archive-lies-believed",
    "archive-stops-unnoticed",
    "wal-gap-ignored",
    "corrupt-page-unread",
    "promote-standby-lagging",
    "replication-stopped-no-archive",
    "offsite-lags",
];

/// What these are about is not possible with every kind: pgbackrest restores no damaged backup, a
/// runbook is written for one kind, and a backup of barman is nothing without the WAL in the
/// archive.
const UNFIT: &[(&str, &[&str])] = &[
    ("pgbackrest", &["corrupt-backup-unverified", "nightly-restore-unread", "by-runbook"]),
    ("barman", &["corrupt-page-unread", "by-runbook"]),
];

/// How many drills of a folder, or of a proof, run at once: nextest runs other tests beside it,
/// cargo does not.
pub fn jobs() -> &'static str {
    if std::env::var_os("NEXTEST").is_some() { "1" } else { "2" }
}

/// The drills of one folder: each passes.
fn pass(folder: &str, args: &[&str]) -> Run {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios").join(folder);
    let files = std::fs::read_dir(&folder).expect("the drills").count();
    let folder = folder.display().to_string();
    let run = CliRunner::new().run(&[args, &["-j", jobs(), &folder]].concat()).passed();
    let drills = run.report["drills"].as_array().expect("drills");
    assert_eq!(drills.len(), files, "{}", run.said);
    for drill in drills {
        let name = drill["name"].as_str().unwrap_or_default();
        if UNFIT.iter().any(|(kind, unfit)| args.contains(kind) && unfit.contains(&name)) {
            assert_eq!(drill["outcome"], "skipped", "{}", run.said);
            continue;
        }
        assert_eq!(drill["outcome"], "passed", "{}", run.said);
        assert_eq!(Some(&drill["backend"].as_str().unwrap_or_default()), args.get(1), "{}", run.said);
        let users = drill["traffic"].as_array().into_iter().flatten();
        let lost = users.filter_map(|users| users["lost"].as_u64()).sum::<u64>();
        let loses = LOSE.contains(&drill["name"].as_str().unwrap_or_default());
        assert!(lost > 0 || !loses, "{} lost nothing: {}", drill["name"], run.said);
    }
    run
}

fn pass_on_docker(folder: &str) {
    // ci/test leaves out what begins with docker_ where there is no daemon, and says so: here it is
    // a failure.
    assert!(docker(&["version"]).is_some(), "no Docker daemon answers");
    let run = pass(folder, &["--backend", "docker", "--postgres", "17"]);
    let id = run.report["run"].as_str().expect("a run's id").to_owned();
    for kind in [&["ps", "-aq"][..], &["volume", "ls", "-q"], &["network", "ls", "-q"]] {
        let filter = format!("label=drillyard.run={id}");
        let left = docker(&[kind, &["--filter", &filter]].concat()).expect("docker answers");
        assert_eq!(left, "", "left behind: {kind:?}");
    }
}

/// One test a folder and a backend, so that it is told which.
macro_rules! folders {
    ($($folder:literal: $local:ident $docker:ident),* $(,)?) => {
        const FOLDERS: &[&str] = &[$($folder),*];

        $(#[test]
        fn $local() {
            pass($folder, &["--backend", "local"]);
        }

        #[test]
        fn $docker() {
            pass_on_docker($folder);
        })*
    };
}

folders! {
    "human-error": human_errors_on_local_processes docker_human_errors_in_containers,
    "failover": failovers_on_local_processes docker_failovers_in_containers,
    "disaster": disasters_on_local_processes docker_disasters_in_containers,
    "replication": replication_on_local_processes docker_replication_in_containers,
    "firedrill": firedrills_on_local_processes docker_firedrills_in_containers,
    "backup": backups_on_local_processes docker_backups_in_containers,
}

/// One test a folder that is run with another kind of repos, too.
macro_rules! other_repos {
    ($($folder:literal $kind:literal: $local:ident),* $(,)?) => {
        $(#[test]
        fn $local() {
            pass($folder, &["--backend", "local", "--postgres", "15", "--repos", $kind]);
        })*
    };
}

other_repos! {
    "human-error" "pgbackrest": human_errors_with_pgbackrest,
    "failover" "pgbackrest": failovers_with_pgbackrest,
    "backup" "pgbackrest": backups_with_pgbackrest,
    "human-error" "barman": human_errors_with_barman,
    "failover" "barman": failovers_with_barman,
    "backup" "barman": backups_with_barman,
}

#[test]
fn every_folder_of_drills_is_here() {
    let folders = std::fs::read_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("scenarios")).expect("the drills");
    let mut names: Vec<String> =
        folders.map(|entry| entry.expect("an entry").file_name().to_string_lossy().into_owned()).collect();
    // Those are about somebody else's servers, which tests/drills/nightly has; these are fragments.
    names.retain(|name| name != "nightly" && name != "lib");
    names.sort();
    let mut here = FOLDERS.to_vec();
    here.sort_unstable();
    assert_eq!(names, here);
}
