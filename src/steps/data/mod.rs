//! Steps that make data and load.

pub(super) mod autocommit;
pub(super) mod capture;
pub(super) mod create_data;
pub(super) mod create_tablespace;
pub(super) mod format;
pub(super) mod ledgers;
pub(super) mod load;
pub(super) mod load_files;
pub(super) mod placeholders;
pub(super) mod psql_words;
pub(super) mod sql;
pub(super) mod stop_traffic;
pub(super) mod traffic;
pub(super) mod r#use;
pub(super) mod values;
pub(super) mod wait_for;
