//! Runbooks in both directions: one that is written from a drill and run by another one, and a
//! team's own, with what fails and how it is told.

use crate::cli_runner::CliRunner;
use crate::program::said;
use crate::run::Run;

/// A file of the project.
fn project(path: &str) -> String {
    format!("{}/{path}", env!("CARGO_MANIFEST_DIR"))
}

/// The runbook of a shipped drill, which is run for it.
fn written(runner: &CliRunner, drill: &str, backend: &str) -> String {
    let file = runner.path().join("restore.md").display().to_string();
    let output = runner.output(["runbook", "--backend", backend, &project(drill), "-o", &file]);
    assert!(output.status.success(), "{}", said(&output));
    std::fs::read_to_string(&file).expect("a runbook")
}

/// A shipped drill whose steps between two lines are replaced by its runbook.
fn by_runbook(runner: &CliRunner, drill: &str, (from, to): (&str, &str), step: &str) -> String {
    let text = std::fs::read_to_string(project(drill)).expect("a drill");
    let (from, to) = (text.find(from).expect("the first line"), text.find(to).expect("the last line"));
    let text = format!("{}{step}{}", &text[..from], &text[to..]);
    // Breaks of steps that are not there any more.
    let text = match (text.find("prove:"), text.find("steps:")) {
        (Some(prove), Some(steps)) if prove < steps => format!("{}{}", &text[..prove], &text[steps..]),
        _ => text,
    };
    runner.write("loop.yaml", &text).display().to_string()
}

const DROPPED: &str = "scenarios/human-error/dropped-table.yaml";

/// Writes the runbook of the drill of the dropped table, and recovers with it after another drop.
fn dropped_table_and_back(backend: &str, more: &[&str]) -> (String, Run) {
    let runner = CliRunner::new();
    std::fs::create_dir(runner.path().join("fixtures")).expect("a directory");
    std::fs::copy(project("fixtures/shop.sql"), runner.path().join("fixtures/shop.sql")).expect("copied");
    let text = written(&runner, DROPPED, backend);
    let step = "  - id: imported\n    runbook: { file: restore.md, node: master, makes: [rescue, rehearsal] }\n";
    let path = by_runbook(&runner, DROPPED, ("  - wait_archived:", "  - stop_traffic: users"), step);
    let run = runner.run(&[more, &["--backend", backend, &path]].concat());
    (text, run)
}

#[test]
fn a_runbook_that_was_written_recovers_from_the_next_accident() {
    let (text, run) = dropped_table_and_back("local", &[]);
    run.passed().says(&["PASS", "0 transactions lost"]);
    // What differs elsewhere stands in the table alone.
    let elsewhere = |line: &&str| line.contains("/tmp/") && !line.starts_with("| `");
    assert_eq!(text.lines().find(elsewhere), None, "{text}");
    for part in [
        "# Runbook: dropped-table",
        "restore_command = 'cp $ONSITE_REPO/wal/%f %p'",
        "recovery_target_xid = '$ACCIDENT_XID'",
        "touch \"$RESCUE_DATA/recovery.signal\"",
        "`recovery stopping before commit of transaction",
        "pg_dump --file \"$SHARED/dump-orders.sql\"",
        "ADD CONSTRAINT payments_order_id_fkey",
        "```sh node=master skip",
        "- the drill checked: catalog of rehearsal as in before",
        " in the drill",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    assert!(!text.contains("fsync"), "a setting of the lab:\n{text}");
    let blocks = text.split("```sh node=").skip(1).filter_map(|block| block.split("```").next());
    let unguarded = blocks
        .filter(|block| block.contains('$') && !block.contains("\n: \"${"))
        .filter(|block| block.contains("_DATA"));
    assert_eq!(unguarded.collect::<Vec<_>>(), Vec::<&str>::new());
}

/// A whole database, in another one than that which psql is connected to by itself.
#[test]
fn a_runbook_that_was_written_brings_a_database_back() {
    let (runner, drill) = (CliRunner::new(), "scenarios/human-error/dropped-database.yaml");
    let text = written(&runner, drill, "local");
    assert!(!text.contains("There are no commands for this step"), "{text}");
    let step = "  - id: imported\n    runbook: { file: restore.md, node: master, makes: rescue }\n";
    let path = by_runbook(&runner, drill, ("  - wait_archived:", "  - stop_traffic: users"), step);
    runner.run(&["--backend", "local", &path]).passed().says(&["0 lost"]);
}

/// Writes the runbook of a drill that merges rows, and follows it after the same mistake.
fn merged_by_runbook(name: &str, to: &str, (id, makes): (&str, &str)) -> String {
    let runner = CliRunner::new();
    for dir in ["fixtures", "lib"] {
        std::fs::create_dir(runner.path().join(dir)).expect("a directory");
    }
    for file in std::fs::read_dir(project("scenarios/lib")).expect("fragments").flatten() {
        std::fs::copy(file.path(), runner.path().join("lib").join(file.file_name())).expect("copied");
    }
    std::fs::copy(project("fixtures/shop.sql"), runner.path().join("fixtures/shop.sql")).expect("copied");
    let drill = format!("scenarios/human-error/{name}.yaml");
    let text = written(&runner, &drill, "local");
    assert!(!text.contains("There are no commands for this step"), "{text}");
    let step = format!("  - id: {id}\n    runbook: {{ file: restore.md, node: master, makes: {makes} }}\n");
    let path = by_runbook(&runner, &drill, ("  - wait_archived:", to), &step);
    runner.run(&["--backend", "local", &path]).passed();
    text
}

#[test]
fn a_runbook_that_was_written_takes_back_what_a_mistake_did_and_keeps_what_users_wrote() {
    let text = merged_by_runbook(
        "overwritten",
        "  - wait_for: { traffic: users, acked: 600 }",
        ("merged", "[rescue, spoilt]"),
    );
    // It is about every column: the next mistake may be another one.
    assert!(text.contains("\"status\" = case when"), "{text}");
}

#[test]
fn a_runbook_that_was_written_restores_rows_without_a_server_from_just_after() {
    let to = "  - { name: users have noticed";
    let text = merged_by_runbook("truncated-table", to, ("back", "rescue"));
    assert!(text.contains("\\copy drillyard_good from") && !text.contains("\\copy drillyard_bad"), "{text}");
    assert!(text.contains("raise exception 'users have changed what the mistake has changed'"), "{text}");
}

/// What a step is told beside its commands is told to whoever reads them: the database, the role,
/// variables.
#[test]
fn a_runbook_that_was_written_has_databases_roles_and_variables() {
    let runner = CliRunner::new();
    let own = "```sql database=books\nINSERT INTO t (note) VALUES (:'TITLE');\n```\n\n\
               ```sh database=books\npsql -XAtqc \"UPDATE t SET note = note || '$MORE'\"\n```\n";
    runner.write("restore.md", own);
    runner.write("more.sql", "INSERT INTO t (note) VALUES ('by ' || current_user);\n");
    let drill = |recovery: &str| {
        format!(
            r#"
repos: {{ onsite: {{}} }}
nodes: {{ master: {{ archive_to: onsite }} }}
steps:
  - sql: {{ autocommit: true, query: 'CREATE ROLE keeper; CREATE DATABASE books OWNER keeper' }}
  - sql: {{ database: books, query: 'CREATE TABLE t (id serial, note text); ALTER TABLE t OWNER TO keeper' }}
  - sql: {{ database: books, query: "INSERT INTO t (note) VALUES ('wrong')" }}
  - id: accident
    overwrite: {{ database: books, query: 'DELETE FROM t' }}
{recovery}
  - assert_rows:
      database: books
      query: SELECT note FROM t ORDER BY id
      equals: [["it's \\here!!"], ["by keeper!"], ["it's \\here!"]]
"#
        )
    };
    let recovery = r#"
  - runbook: { file: restore.md, node: master, vars: &vars { TITLE: "it's \\here", MORE: "!" } }
  - sql: { file: more.sql, database: books, role: keeper }
  - runbook: { file: restore.md, node: master, vars: *vars }"#;
    let run = runner.drill(&drill(recovery), &[]).passed();
    let output = runner.output(["runbook", run.report["run"].as_str().expect("its id")]);
    let text = said(&output);
    for part in [
        "\\connect \"books\"\n\\set TITLE 'it''s \\\\here'\n\\set MORE '!'\nINSERT INTO",
        "| `MORE` | `MORE`, which restore.md is given | `!` |",
        ": \"${MORE:?}\"\nexport PGDATABASE='books'\n",
        "\\connect \"books\"\nSET ROLE \"keeper\";\nINSERT INTO t (note) VALUES ('by '",
    ] {
        assert!(text.contains(part), "{part} is not in\n{text}");
    }
    runner.write("restore.md", &text);
    let recovery = "  - runbook: { file: restore.md, node: master, vars: { MORE: '!' } }";
    runner.drill(&drill(recovery), &[]).passed();
}

#[test]
fn docker_a_runbook_that_was_written_recovers_from_the_next_accident() {
    dropped_table_and_back("docker", &[]).1.passed();
}

#[test]
fn docker_a_teams_own_runbook_recovers() {
    let runner = CliRunner::new();
    runner.run(&["--backend", "docker", &project("scenarios/human-error/by-runbook.yaml")]).passed();
}

/// A small drill by a runbook with this text.
fn own(runner: &CliRunner, markdown: &str, fields: &str, more: &str) -> Run {
    runner.write("restore.md", markdown);
    let yaml = format!(
        "
repos: {{ onsite: {{}} }}
nodes:
  master: {{ archive_to: onsite }}
steps:
  - sql: {{ query: 'CREATE TABLE t (id int)' }}
  - {{ id: nightly, backup: {{}} }}
  - {{ id: accident, drop_table: {{ node: master, table: t }} }}
  - runbook: {{ file: restore.md, node: master{fields} }}
{more}"
    );
    runner.drill(&yaml, &[])
}

#[test]
fn the_line_of_the_command_that_failed_is_shown() {
    let runner = CliRunner::new();
    let more = "  - assert_rows: { query: 'SELECT count(*) FROM t', equals: [[0]] }\n";
    let shell = "# Restore\n\n```sh\necho begun\n```\n\n1. Then:\n\n   ```sh\n   # the next\n   echo on\n   ls \\\n     /nonexistent\n   echo never\n   ```\n";
    let run = own(&runner, shell, "", more);
    run.failed(
        1,
        &["a command of the runbook failed on `master`", "restore.md:12:4", "ls: cannot access", "exit status"],
    )
    .says(&["drill.yaml:11:16", "run by this step"]);
    let sql = "```sql\nSELECT 1;\n\nSELECT\n  1 / 0;\n```\n";
    own(&runner, sql, "", more).failed(1, &["restore.md:4:1", "division by zero"]);
}

#[test]
fn a_server_that_the_runbook_was_to_make_has_to_run() {
    let runner = CliRunner::new();
    let more = "  - assert_primary: { node: rescue }\n";
    let run = own(&runner, "```sh node=rescue\ntrue\n```\n", ", makes: rescue", more);
    run.failed(1, &["no server runs in the data directory of `rescue`", "$RESCUE_DATA"]);
}

#[test]
fn variables_are_given_and_not_pasted() {
    let runner = CliRunner::new();
    let value = "it''s \"a\" $(touch pasted); \\ ";
    let markdown = "```sh\ntest \"$OURS\" = 'it'\\''s \"a\" $(touch pasted); \\ '\ntest ! -e pasted\ntest -d \"$DRILLYARD_BACKUP\"\n\
                    test \"$DRILLYARD_ARCHIVE\" = \"$ONSITE_REPO/wal\"\npsql -XAtqc 'CREATE TABLE t (id int)'\n```\n\n\
                    ```sql\nINSERT INTO t SELECT 1 WHERE :'OURS' LIKE 'it''s%';\n```\n\n```bash\n[[ $DRILLYARD_RESTORE_COMMAND == cp* ]]\n```\n\n\
                    ```text\nnot run\n```\n";
    let more = "  - assert_rows: { query: 'SELECT count(*) FROM t', equals: [[1]] }\n";
    let run = own(&runner, markdown, &format!(", vars: {{ OURS: '{value}' }}"), more).passed();
    run.says(&["blocks 3", "line 17 (text)"]);
}

#[test]
fn only_a_run_that_passed_makes_a_runbook() {
    let runner = CliRunner::new();
    let failed = own(&runner, "```sh\ntrue\n```\n", "", "  - assert_rows: { query: 'SELECT 1', equals: [[2]] }\n");
    let id = failed.report["run"].as_str().expect("its id").to_owned();
    let output = runner.output(["runbook", &id]);
    assert_eq!(output.status.code(), Some(1), "{}", said(&output));
    assert!(said(&output).contains(&format!("`drill` has not passed in run {id}")), "{}", said(&output));
    let output = runner.output(["runbook", "0000"]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    let output = runner.output(["runbook", &project("scenarios/human-error")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("--drill NAME") && said(&output).contains("dropped-table"), "{}", said(&output));
}

#[test]
fn a_step_without_commands_is_not_left_out_silently() {
    let runner = CliRunner::new();
    let text = written(&runner, "scenarios/human-error/release-for-hours.yaml", "local");
    // One `reconcile` is expected to fail, and what users and the accident do is no recovery.
    assert_eq!(text.matches("**There are no commands for this step.**").count(), 1, "{text}");
    assert!(!text.contains("SET amount = 0") && !text.contains("SET status = 'paid'"), "{text}");
    assert!(text.contains("**There are no commands for this step.** drillyard has done it by `reconcile`"), "{text}");
    // SQL over rows would take back what users wrote in between.
    assert!(text.contains("Ask the archived WAL which rows each transaction wrote (`pg_waldump --rmgr=Heap"), "{text}");
}

#[test]
fn a_rebuild_tells_what_it_removes() {
    let runner = CliRunner::new();
    let text = written(&runner, "scenarios/disaster/replication-stopped.yaml", "local");
    let removal =
        text.find("stop `standby` and remove its data directory: whatever only `standby` has is lost for good");
    let copy = text.find("pg_basebackup -d");
    assert!(removal.is_some() && removal < copy, "{text}");
    assert!(text.contains("rm -rf \"$STANDBY_DATA\" \"$STANDBY_DATA-tablespaces\""), "{text}");
    assert!(!text.contains("pg_drop_replication_slot"), "a step before the recovery:\n{text}");
}

/// What a script for `sh` of the program says to these arguments: it must not succeed.
fn refused(script: &str, args: &[&str]) -> String {
    let output = std::process::Command::new("sh").arg("-eu").arg(project(script)).args(args).output().expect("sh");
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn commands_that_were_told_remove_no_server_that_they_find() {
    let runner = CliRunner::new();
    let data = runner.path().join("data");
    std::fs::create_dir(&data).expect("a directory");
    std::fs::write(data.join("postmaster.pid"), "1\n").expect("a file");
    let (data, places) = (data.display().to_string(), runner.path().join("places").display().to_string());
    std::fs::create_dir(&places).expect("a directory");
    let said = refused("src/node/scripts/base_backup.sh", &["host=/nowhere", &data, &places]);
    assert!(said.contains("is not empty"), "{said}");
    let backup = runner.path().display().to_string();
    std::fs::create_dir_all(runner.path().join("backups/full")).expect("a backup");
    for (script, args) in [
        ("restore_backup", vec![&*backup, "full", &data, &places]),
        ("restore_existing", vec![&*backup, &data, &places]),
        ("pgbackrest_restore", vec!["config", "stanza", "backup", &data, &places]),
        ("pgbackrest_restore_existing", vec![&*data, &places, ""]),
        ("barman_restore", vec!["config", "server", "backup", &data, &places]),
    ] {
        let said = refused(&format!("src/repo/scripts/{script}.sh"), &args);
        assert!(said.contains("a server may be running there"), "{script}: {said}");
    }
    assert!(std::path::Path::new(&data).join("postmaster.pid").exists() && std::path::Path::new(&places).exists());
}

#[test]
fn a_drill_that_shows_a_mistake_has_no_runbook() {
    let runner = CliRunner::new();
    let more = "  - name: it is not back
    assert_rows: { query: 'SELECT count(*) FROM t', equals: [[0]] }
    expect: { fails: 'does not exist' }\n";
    let run = own(&runner, "```sh\ntrue\n```\n", "", more).passed();
    let output = runner.output(["runbook", run.report["run"].as_str().expect("its id")]);
    assert_eq!(output.status.code(), Some(2), "{}", said(&output));
    assert!(said(&output).contains("`drill` shows a mistake on purpose: `it is not back`"), "{}", said(&output));
}

#[test]
fn a_block_ends_at_a_variable_that_is_not_set_and_in_bash_within_a_pipe() {
    let runner = CliRunner::new();
    let run = own(&runner, "```sh\necho \"$OF_NOBODY/x\"\n```\n", "", "");
    run.failed(1, &["restore.md:2:1", "OF_NOBODY"]);
    // psql ends with the first statement that fails, unless it is told not to.
    let psql = "```bash\npsql -v ON_ERROR_STOP=0 <<END\nSELEC 1;\nEND\nfalse | cat\n```\n";
    own(&runner, psql, "", "").failed(1, &["restore.md:5:1"]);
    let psql = "```sh\npsql -X <<END\nSELEC 1;\nSELECT 1;\nEND\necho never\n```\n";
    own(&runner, psql, "", "").failed(1, &["restore.md:2:1", "syntax error"]);
}
