//! The servers that the tests run on are those that drillyard says it was tested with.

#[path = "common/program.rs"]
mod program;

use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::PathBuf;
use std::process::Command;

use drillyard::pg::{NEWEST_TESTED, Version};

fn local() -> impl Iterator<Item = PathBuf> {
    let found = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    found.map(|entry| entry.path().join("bin")).filter(|bin| bin.join("postgres").is_file())
}

/// Demands that what a program or an image says of its version is no newer than the constant.
fn is_tested(mut command: Command, place: &str) {
    let output = command.arg("--version").output().unwrap_or_else(|e| panic!("{place}: {e}"));
    assert!(output.status.success(), "{place}: {}", String::from_utf8_lossy(&output.stderr));
    let version: Version = String::from_utf8_lossy(&output.stdout).parse().expect("a version");
    let why = version.untested();
    assert_eq!(
        why, None,
        "{place}: now that the tests run on {version}, see that all of them pass, and put it into drillyard::pg::NEWEST_TESTED in src/pg/version.rs"
    );
}

#[test]
fn the_local_servers_are_in_newest_tested() {
    for bin in local() {
        is_tested(Command::new(bin.join("postgres")), &bin.display().to_string());
    }
}

/// A server that says that it is a release of the future.
#[test]
fn a_newer_release_is_warned_of_in_the_first_line_and_by_doctor() {
    let real = local().next().expect("PostgreSQL in /usr/lib/postgresql");
    let major = real.parent().and_then(|dir| dir.file_name()).expect("a version").to_string_lossy().into_owned();
    let dir = tempfile::tempdir().expect("a directory");
    let everybody = || std::fs::Permissions::from_mode(0o755);
    std::fs::set_permissions(dir.path(), everybody()).expect("permissions");
    let bin = dir.path().join("bin");
    std::fs::create_dir(&bin).expect("a directory");
    for program in std::fs::read_dir(&real).expect("programs").flatten() {
        symlink(program.path(), bin.join(program.file_name())).expect("a link");
    }
    let postgres = bin.join("postgres");
    std::fs::remove_file(&postgres).expect("removed");
    let script = format!(
        "#!/bin/sh\n[ \"$1\" != --version ] || {{ echo 'postgres (PostgreSQL) {major}.99'; exit; }}\nexec {}/postgres \"$@\"\n",
        real.display()
    );
    std::fs::write(&postgres, script).expect("written");
    std::fs::set_permissions(&postgres, everybody()).expect("permissions");
    let drill = "drillyard: 1\nname: one\nnodes: { a: {} }\nsteps:\n  - create_data: { table: t, rows: 1 }\n  - assert_rows: { table: t, count: 1 }\n";
    std::fs::write(dir.path().join("one.yaml"), drill).expect("written");
    let newer = format!("PostgreSQL {major}.99 is newer than {major}.");
    let pg_bin = bin.display().to_string();
    let run = |args: &[&str]| {
        let mut command = program::drillyard(dir.path());
        command.args(args).args(["--backend", "local", "--pg-bin", &pg_bin]);
        command
            .env("DRILLYARD_STATE_DIR", dir.path().join("state"))
            .env("DRILLYARD_CACHE_DIR", dir.path().join("cache"));
        let output = command.output().expect("drillyard runs");
        assert!(output.status.success(), "{}", program::said(&output));
        [output.stdout, output.stderr].map(|bytes| String::from_utf8_lossy(&bytes).into_owned())
    };
    let [out, err] = run(&["run", "one.yaml"]);
    let first = err.lines().chain(out.lines()).next().unwrap_or_default().to_owned();
    assert!(first.starts_with("run ") && first.contains(&newer), "{out}{err}");
    let [out, _] = run(&["doctor"]);
    assert!(out.contains(&format!("  warning  {newer}")), "{out}");
}

/// A machine whose libc says that it is an old one.
#[test]
fn docker_text_that_is_sorted_by_other_libraries_is_warned_of() {
    let dir = tempfile::tempdir().expect("a directory");
    let ldd = dir.path().join("ldd");
    std::fs::write(&ldd, "#!/bin/sh\necho 'ldd (GNU libc) 2.17'\n").expect("written");
    std::fs::set_permissions(&ldd, std::fs::Permissions::from_mode(0o755)).expect("permissions");
    let mut command = program::drillyard(dir.path());
    let path = std::env::var("PATH").unwrap_or_default();
    let output = command.arg("doctor").env("PATH", format!("{}:{path}", dir.path().display())).output();
    let said = program::said(&output.expect("drillyard runs"));
    assert!(said.contains("  ok       text is sorted by glibc 2.17 (PostgreSQL "), "{said}");
    // That of Debian's trixie, which the image of 17 is made of, or a newer one.
    assert!(said.contains("  ok       text is sorted by glibc 2.") && said.contains(" and ICU "), "{said}");
    assert!(said.contains("  warning  PostgreSQL ") && said.contains(", by glibc 2.17 in /usr/"), "{said}");
}

#[test]
fn docker_images_are_in_newest_tested() {
    for Version { major, .. } in NEWEST_TESTED {
        let image = format!("drillyard/postgres:{major}");
        let there = Command::new("docker").args(["image", "inspect", "--format", "{{.Id}}", &image]).output();
        if !there.expect("docker runs").status.success() {
            // The tests need 15 and 17.
            assert!(major != 15 && major != 17, "there is no {image}: ci/image {major}");
            continue;
        }
        let mut docker = Command::new("docker");
        docker.args(["run", "--rm", "--network", "none", "--entrypoint", "postgres", &image]);
        is_tested(docker, &image);
    }
}
