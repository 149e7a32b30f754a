//! Verdicts that were once false, each a scenario in `tests/verdicts` with the right value in its
//! first lines, on local processes, and in containers of PostgreSQL 17 where those could differ:
//!
//! ```yaml
//! # A sentence on what happens, and why the verdict is the right one.
//! # exit: 1
//! # says: a part of what is printed (as many of these lines as are wanted)
//! # lacks: what must not be printed
//! ```

use std::path::{Path, PathBuf};

use crate::cli_runner::CliRunner;

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/verdicts")
}

/// Runs the scenario of a module's name, and demands what its first lines say.
fn holds(module: &str, place: &[&str]) {
    let path = folder().join(module.replace('_', "-")).with_extension("yaml");
    let text = std::fs::read_to_string(&path).unwrap_or_else(|e| panic!("{}: {e}", path.display()));
    let head: Vec<&str> = text.lines().map_while(|line| line.strip_prefix("# ")).collect();
    let all = |key: &str| head.iter().filter_map(|line| line.strip_prefix(key)?.strip_prefix(": ")).collect::<Vec<_>>();
    let exit = all("exit");
    let [exit] = exit.as_slice() else { panic!("{}: one line `# exit: CODE`", path.display()) };
    let run = CliRunner::new().run(&[place, &[&path.display().to_string()]].concat());
    let run = run.failed(exit.parse().expect("an exit code"), &all("says"));
    for part in all("lacks") {
        assert!(!run.said.contains(part), "said: {part}\n{}", run.said);
    }
}

/// A test on local processes and one on Docker for each scenario. On local processes alone: those
/// whose verdict comes of statements and of the scenario's text, which no backend has a part in. On
/// Docker alone: those that need a newer PostgreSQL.
macro_rules! verdicts {
    (both: $($name:ident),*; alike: $($alike:ident),*; newer: $($newer:ident),* $(,)?) => {
        const NAMES: &[&str] = &[$(stringify!($name),)* $(stringify!($alike),)* $(stringify!($newer),)*];

        $(mod $name {
            #[test]
            fn on_local_processes() {
                super::holds(stringify!($name), &["--backend", "local"]);
            }

            #[test]
            fn docker_in_containers() {
                super::holds(stringify!($name), &["--backend", "docker", "--postgres", "17"]);
            }
        })*

        $(mod $alike {
            #[test]
            fn on_local_processes() {
                super::holds(stringify!($alike), &["--backend", "local"]);
            }
        })*

        $(mod $newer {
            #[test]
            fn docker_in_containers() {
                super::holds(stringify!($newer), &["--backend", "docker", "--postgres", "17"]);
            }
        })*
    };
}

verdicts! {
    both:
    any_tool_repos,
    barman_repos,
    catalog_except,
    broken_wal,
    clock_jumps,
    collation_of_another_version,
    copy_beside_its_original,
    alter_system_is_kept,
    archived_through_a_mark,
    delayed_standby_follows_again,
    delayed_standby_recovers,
    delayed_standby_starts,
    dropped_database_shut_down,
    during_a_step,
    during_what_waits,
    earlier_target,
    few_connections,
    raised_connections,
    every_step_in_another_database,
    files_as_psql_reads_them,
    files_that_are_not_whole,
    foreign_segment,
    full_disks,
    full_wal_disk,
    function_found_by_search_path,
    held_up,
    history_files,
    index_alone_is_damaged,
    killed_by_exec,
    large_objects_come_back,
    mistake_over_a_failover,
    positions_that_steps_leave,
    since_a_mark_of_another_node,
    numbers_and_roles,
    one_server_in_another,
    other_timeline,
    own_commands,
    own_commands_that_pack,
    roles_are_compared,
    partition_key_off,
    pgbackrest_incrementals,
    pgbackrest_repos,
    process_id_of_somebody_else,
    promoted_beside_each_other,
    restore_point_of_that_name,
    row_type_in_a_policy,
    schema_column_and_role_dropped,
    schema_with_dependents,
    server_bookkeeping,
    settings_take_effect,
    setting_refused,
    settings_of_recovered,
    silent_log,
    standby_ahead_of_its_primary,
    standby_archives,
    standby_back_after_a_failover,
    standby_backup_without_its_end,
    standby_is_backed_up,
    start_while_it_shuts_down,
    table_made_anew,
    tablespaces_and_standbys,
    tablespaces_of_servers_at_rest,
    tablespaces_of_their_own,
    timeouts_of_production,
    wait_for_mistake,
    wal_written_twice;
    alike:
    a_step_begins_clean,
    durations_known_later,
    every_change_is_a_mark,
    exceptions_that_do_not_occur,
    exchanged_unique_values,
    fragments,
    half_a_ledger,
    half_a_ledger_declared,
    incidents_that_change_nothing,
    keys_come_back_as_they_were,
    ledger_column_missing,
    ledger_expression,
    ledger_trigger,
    marks_of_another_cluster,
    matrix,
    merge_after_a_dropped_column,
    merge_from_too_early,
    mistake_of_many_transactions,
    moments_known_later,
    odd_workloads,
    one_of_a_matrix_fails,
    orders_with_lines,
    own_rollback,
    paused_lock,
    prepared_lock,
    rows_that_are_referred_to,
    sequence_behind_its_column,
    several_tables_are_merged,
    statements_on_their_own,
    the_old_table_beside_the_live_one,
    the_same_except,
    unique_values_that_are_taken,
    values_in_quotes,
    values_known_later,
    where_long_values_differ,
    wide_tables;
    newer:
    backup_that_is_not_whole,
    incremental,
}

#[test]
fn every_scenario_is_listed() {
    let files = std::fs::read_dir(folder()).expect("the scenarios").map(|entry| entry.expect("an entry").path());
    let yaml = files.filter(|path| path.extension().is_some_and(|extension| extension == "yaml"));
    let mut there: Vec<String> =
        yaml.map(|path| path.file_stem().expect("a name").to_string_lossy().replace('-', "_")).collect();
    there.sort();
    let mut listed = NAMES.to_vec();
    listed.sort_unstable();
    assert_eq!(there, listed);
}
