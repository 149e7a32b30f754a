//! What libfaketime leaves of the clocks of servers: a semaphore and a page of memory for each
//! start, which nobody removes whose server was killed.

use std::path::{Path, PathBuf};

/// Where they are.
const MEMORY: &str = "/dev/shm";
/// How the name of the file ends that has their names, beside the one that sets the clock.
const NAMES: &str = ".memory";

/// Removes those of the servers whose files are in this directory, or in one right below it.
pub fn forget_clocks(dir: &Path) {
    let entries = |dir: &Path| std::fs::read_dir(dir).into_iter().flatten().flatten().map(|entry| entry.path());
    let below = entries(dir).chain([dir.to_owned()]);
    let files =
        below.flat_map(|dir| entries(&dir.join("shared"))).filter(|file| file.to_string_lossy().ends_with(NAMES));
    for name in files.flat_map(|file| names(&std::fs::read_to_string(file).unwrap_or_default())) {
        // Gone already if all went well.
        let _ = std::fs::remove_file(name);
    }
}

/// The files that a text names as libfaketime does: `/faketime_sem_17 /faketime_shm_17`.
fn names(text: &str) -> Vec<PathBuf> {
    let is_number = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    let file = |word: &str| {
        let (prefix, number) = match word.strip_prefix("/faketime_sem_") {
            Some(number) => ("sem.faketime_sem_", number),
            None => ("faketime_shm_", word.strip_prefix("/faketime_shm_")?),
        };
        is_number(number).then(|| Path::new(MEMORY).join(format!("{prefix}{number}")))
    };
    text.split_ascii_whitespace().filter_map(file).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_but_the_memory_of_clocks_is_named() {
        let named =
            names("/faketime_sem_17 /faketime_shm_17\n/faketime_sem_9 /faketime_shm_../x /etc/passwd faketime_shm_3\n");
        let all = ["sem.faketime_sem_17", "faketime_shm_17", "sem.faketime_sem_9"];
        assert_eq!(named, all.map(|name| Path::new(MEMORY).join(name)));
    }
}
