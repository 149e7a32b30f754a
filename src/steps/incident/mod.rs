//! Steps that break something, or put it back into service.

pub(super) mod break_archive;
pub(super) mod corrupt;
pub(super) mod crash;
pub(super) mod cut;
pub(super) mod drop_table;
pub(super) mod heal;
pub(super) mod kill_host;
pub(super) mod lose_host;
pub(super) mod lose_site;
pub(super) mod lose_wal;
pub(super) mod mend_archive;
pub(super) mod overwrite;
pub(super) mod pause;
pub(super) mod preconditions;
pub(super) mod repo_damage;
pub(super) mod restart;
pub(super) mod start;
pub(super) mod stop;
pub(super) mod truncate_table;
pub(super) mod unpause;
pub(super) mod wipe;
