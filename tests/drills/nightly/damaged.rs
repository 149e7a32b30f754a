//! What is missing in somebody else's backup, or damaged, is the backup's failure, and told as
//! that; and what was never in it is not taken from production.

use super::{ANY, FOLLOW, head, runner, site::Site};

const HOURLY: &str = "  - { id: hour, assert_recoverable: { repo: lastnight } }\n";

#[tokio::test]
async fn a_backup_without_its_control_file_or_a_tablespace_of_its_own_fails() {
    let site = Site::start().await;
    site.back_up("monday", &[]);
    site.archive().await;
    let runner = runner(&site);
    let drill = |steps: &str| runner.drill(&format!("{}{steps}", head(&site)), &[]);
    let monday = site.dir("backups/monday").display().to_string();
    let run = |script: &str| site.run("sh", &["-c", &format!("cd {monday}; {script}")]);
    // The server never comes up: that nobody ends it in the drill is beside the point.
    let not_up = "the server on `copy` does not start: ";
    run("mv global/pg_control kept");
    drill(FOLLOW).fails_alike(1, &[not_up, "could not find the database system"]).in_time(60);
    drill(HOURLY).fails_alike(1, &["/monday` is not whole", "there is no global/pg_control in it"]);
    run("head -c 8192 /dev/zero >global/pg_control");
    drill(FOLLOW).failed(1, &["the server on `copy` "]);
    run("mv kept global/pg_control");
    // As `cp -a` leaves the link of a tablespace: what it leads to is production's, and at work.
    let space = site.dir("space").display().to_string();
    run("for link in pg_tblspc/*; do readlink \"$link\" >kept; done");
    run(&format!("for link in pg_tblspc/*; do ln -sfn {space} \"$link\"; done"));
    let leads = format!("its link leads to {space}, which is outside of {}", site.dir("backups").display());
    let lacks = ["lacks its tablespace ", leads.as_str()];
    drill(FOLLOW).fails_alike(1, &lacks).in_time(60);
    drill(HOURLY).fails_alike(1, &lacks);
    drill("  - assert_backup: { repo: lastnight, verify: true }\n").failed(1, &lacks);
    run("for link in pg_tblspc/*; do ln -sfn \"$(cat kept)\" \"$link\"; done; rm kept");
    drill(&format!("{HOURLY}{FOLLOW}")).passed();
    // One that is packed was cut short.
    site.back_up("tuesday", &["-Ft", "-z"]);
    site.archive().await;
    drill(HOURLY).passed();
    let packed = site.dir("backups/tuesday/base.tar.gz").display().to_string();
    run(&format!("truncate -s -100000 {packed}"));
    drill(HOURLY).fails_alike(1, &["/tuesday` is not whole", "its base.tar.gz cannot be read to its end: "]);
}

#[tokio::test]
async fn segments_of_4_mb_are_known_in_a_repository_and_those_that_cannot_be_used_fail() {
    let site = Site::start_with(&["--wal-segsize=4"]).await.with_pgbackrest().await;
    site.pgbackrest("--repo=1 --type=full backup");
    for _ in 0..5 {
        site.primary.sql("INSERT INTO t SELECT i, '' FROM generate_series((SELECT max(i) + 1 FROM t), (SELECT max(i) + 9 FROM t)) i; UPDATE beats SET at = now()").await;
        // It finishes a segment, and waits until it is archived.
        site.pgbackrest("check");
    }
    let runner = runner(&site);
    let theirs =
        format!("existing: true, backups: \"{}/*\", wal: {}", site.dir("backups").display(), site.dir("wal").display());
    let config = site.dir("pgbackrest.conf").display().to_string();
    let repo = format!("kind: pgbackrest, existing: true, stanza: main, config: {config}, repo: 1");
    let drill = |steps: &str| runner.drill(&format!("{}{steps}", head(&site).replace(&theirs, &repo)), &[]);
    let run = drill(HOURLY).passed();
    assert!(run.fact("hour", "segments").as_u64().is_some_and(|count| count > 4), "{}", run.said);
    drill(ANY).passed();
    let names = |count: &str| {
        let list = format!("cd {}/repo1/archive/main/*/*; ls | grep -v backup", site.primary.dir().display());
        let output = std::process::Command::new("sh").args(["-c", &format!("{list} | tail -n {count}")]).output();
        let text = String::from_utf8(output.expect("runs").stdout).expect("text");
        text.lines().next().expect("a segment").to_owned()
    };
    let (middle, other) = (names("4"), names("3"));
    let run = |script: &str| {
        site.run("sh", &["-c", &format!("cd {}/repo1/archive/main/*/*; {script}", site.primary.dir().display())]);
    };
    let segment = &middle[..24];
    run(&format!("cp -p {middle} ../../kept; : >{middle}"));
    drill(HOURLY).fails_alike(1, &[&format!("segment {segment} is empty: its file has 0 bytes")]).in_time(60);
    run(&format!("mv ../../kept {middle}"));
    let second = format!("{segment}{}", &other[24..]);
    run(&format!("cp -p {other} {second}"));
    let twice = [format!("segment {segment} is there twice, with different content: "), second.clone()];
    drill(HOURLY).fails_alike(1, &[&twice[0], &twice[1]]);
    let promoted = "  - recover: { node: copy, repo: lastnight, backup: newest, until: latest, then: promote }\n";
    drill(promoted).failed(1, &[segment]);
    run(&format!("rm {second}"));
    drill(HOURLY).passed();
}
