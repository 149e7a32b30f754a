//! A PostgreSQL server on a host: its configuration, its sessions, starting and stopping it, its
//! log.

mod birth;
pub mod by_hand;
mod cancel;
mod cluster;
mod config;
mod configuration_aside;
mod control;
mod control_file;
mod ending;
mod event_triggers;
mod external;
mod find;
mod found;
mod holdup;
mod inherited;
mod log;
mod log_settings;
mod low_setting;
mod position;
mod postmaster;
mod recovery_log;
mod restore_said;
mod rewind;
mod role;
mod server;
mod server_of_backup;
mod session;
mod session_settings;
mod sql_error;
mod standby;
mod tablespaces;
mod wait;
mod walreceiver;

pub use birth::birth_in;
pub use cluster::{DATABASE, INITDB_OPTIONS, SUPERUSER};
pub use config::{
    Archiving, Config, Following, RESERVED as RESERVED_SETTINGS, Setup, Signal, conninfo_of, create_slot,
    quote_setting, slot_name,
};
pub use control::{StartError, Started};
pub use control_file::{ControlFile, Histories};
pub use ending::Ending;
pub use external::{Address, ClientEnvironment, External, Unreached};
pub use holdup::{Holdup, HoldupKind};
pub use inherited::{AutoConf, Origin, is_below_a_new_cluster, is_demanded};
pub use low_setting::LowSetting;
pub use position::{lineage, moment};
pub use postmaster::Postmaster;
pub use recovery_log::{RecoveryLog, WalTrouble};
pub use rewind::{Resting, Rewind, Rewound};
pub use role::is_in_recovery;
pub use server::{Node, ServerState};
pub use server_of_backup::{Mismatch, ServerOfBackup, missing_extensions};
pub use session::{OWN, SOMEBODY, TAKES_SESSIONS, Text, discard};
pub use session_settings::Purpose;
pub use sql_error::SqlError;
pub use standby::{Sender, apply_delay};
pub use tablespaces::{Linked, Tablespace, own_tablespaces, see};
pub use wait::{rest, wait_until};
pub use walreceiver::{RefusalReason, WalRefusal};
