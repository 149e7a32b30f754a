//! The names of PostgreSQL's settings, by major version.

/// The majors whose servers were asked for the list.
const ASKED: [u32; 4] = [13, 15, 17, 18];

/// A line for each name: the name, and the first and the last of [`ASKED`] that has it.
const LIST: &str = include_str!("settings.txt");

/// Settings that `pg_settings` does not list, and that a configuration file may hold all the same:
/// older names of others, and those that only sessions are meant to set (guc_tables.c,
/// `map_old_guc_names` and `GUC_NO_SHOW_ALL`).
const UNLISTED: &[&str] =
    &["force_parallel_mode", "role", "seed", "session_authorization", "sort_mem", "ssl_ecdh_curve", "vacuum_mem"];

/// Settings that a server tells and nobody sets: of the build, of the cluster, of its state
/// (manual, 20.15 "Preset Options"; those of context `internal`).
const TOLD: &[&str] = &[
    "block_size",
    "data_checksums",
    "data_directory_mode",
    "debug_assertions",
    "effective_wal_level",
    "huge_pages_status",
    "in_hot_standby",
    "integer_datetimes",
    "is_superuser",
    "lc_collate",
    "lc_ctype",
    "max_function_args",
    "max_identifier_length",
    "max_index_keys",
    "num_os_semaphores",
    "segment_size",
    "server_encoding",
    "server_version",
    "server_version_num",
    "shared_memory_size",
    "shared_memory_size_in_huge_pages",
    "ssl_library",
    "wal_block_size",
    "wal_segment_size",
];

/// Whether nobody can set it: a server does not start with it in its configuration.
pub fn is_only_told(name: &str) -> bool {
    TOLD.contains(&name.to_lowercase().as_str())
}

/// Every name in the list, each once, in alphabetical order.
pub fn setting_names() -> impl Iterator<Item = &'static str> {
    settings().map(|(name, _, _)| name)
}

/// Whether a server of this major knows the setting. A name with a dot belongs to an extension, and
/// any server takes it (manual, 20.16, "Customized Options"). Of a major between two that were
/// asked, what either knows counts as known; a major newer than all of them may know any.
pub fn is_setting(name: &str, major: u32) -> bool {
    let name = name.to_lowercase();
    if name.contains('.') || UNLISTED.contains(&name.as_str()) || ASKED.iter().all(|asked| *asked < major) {
        return true;
    }
    let below = ASKED.iter().rev().find(|asked| **asked <= major).unwrap_or(&ASKED[0]);
    let above = ASKED.iter().find(|asked| **asked >= major).unwrap_or(&ASKED[0]);
    settings().any(|(known, first, last)| known == name && first <= *above && last >= *below)
}

/// Whether some version that was asked knows the setting, or any server takes it.
pub fn is_any_setting(name: &str) -> bool {
    ASKED.iter().any(|major| is_setting(name, *major))
}

/// The same, each with the first and the last major whose server has listed it.
pub fn settings() -> impl Iterator<Item = (&'static str, u32, u32)> {
    LIST.lines().filter(|line| !line.starts_with('#')).filter_map(|line| {
        let mut words = line.split(' ');
        Some((words.next()?, words.next()?.parse().ok()?, words.next()?.parse().ok()?))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_known_by_version() {
        assert!(is_setting("shared_buffers", 13) && is_setting("Shared_Buffers", 18));
        assert!(!is_setting("shared_bufers", 17));
        assert!(is_setting("pg_stat_statements.max", 15));
        assert!(!is_setting("transaction_timeout", 15) && is_setting("transaction_timeout", 17));
        // Nobody asked 14 and 16.
        assert!(is_setting("idle_session_timeout", 14) && is_setting("scram_iterations", 16));
        assert!(is_setting("promote_trigger_file", 15) && !is_setting("promote_trigger_file", 17));
        assert!(is_setting("whatever_comes", 19));
    }

    #[test]
    fn every_line_can_be_read_and_they_are_in_order() {
        let names: Vec<&str> = setting_names().collect();
        assert_eq!(names.len(), LIST.lines().filter(|line| !line.starts_with('#')).count());
        assert!(names.is_sorted() && names.len() > 400);
    }
}
