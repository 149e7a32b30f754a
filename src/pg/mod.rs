//! PostgreSQL's own notions as types. Pure: no I/O, knows no other room.

mod birth;
pub mod condition;
pub mod conninfo;
mod decimal;
mod history;
mod ident;
mod lineage;
mod lsn;
mod mark;
mod name_list;
mod pattern;
pub mod script;
mod segment;
mod server_error;
mod settings;
pub mod sql;
mod target;
mod value;
mod version;

pub use birth::Birth;
pub use condition::SqlState;
pub use decimal::Decimal;
pub use history::{History, Parting, Switch, SystemId};
pub use ident::{
    ColumnName, ColumnNameError, TableName, TableNameError, quote_identifier, quote_literal, shown_identifier,
};
pub use lineage::Lineage;
pub use lsn::{Lsn, LsnError, TimelineId, Xid};
pub use mark::{Dropped, Mark, Moment, RestorePoint};
pub use name_list::names_in_list;
pub use pattern::Pattern;
pub use segment::{Segment, is_segment, segment_sizes};
pub use server_error::error_message;
pub use settings::{is_any_setting, is_only_told, is_setting, setting_names, settings};
pub use target::{RecoveryTarget, ShutdownMode, TargetTimeline};
pub use value::{quoted_values, shown_record, shown_value, shown_values};
pub use version::{NEWEST_TESTED, SUPPORTED_MAJORS, Version, VersionError};
