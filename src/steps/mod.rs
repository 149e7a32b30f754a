//! What a scenario can do: one file a step kind, each with its manual page, its fields, its check and its run.
//!
//! A new kind is one new file and one line in the list at the end of this one.

mod archive_end;
mod archiver;
mod backup_source;
mod checksums;
mod context;
mod finding;
mod following;
mod handed_out;
mod kind;
mod load;
mod load_files;
mod losses;
mod made_anew;
mod not_built;
mod outage;
mod pair;
mod position;
mod proof;
mod recovered;
mod recovering;
mod repo_accident;
mod scope;
mod starting;
mod tablespaces;
mod until;

pub use context::{Awaited, Backup, Context, Dump, Judged, NodeSpec, Snapshot, State, Users, Yard};
pub use finding::{Finding, StepResult};
pub use handed_out::HandedOut;
pub use kind::{Decode, Kind, Role, Step, StepKind, UserPace, manual, summary};
pub use losses::thousands;
pub use not_built::{NOT_BUILT, is_later_key, today};
pub use pair::Pair;
pub use proof::{Aside, Brings, Brought, Judges, Shift};
pub use recovered::Recovered;
pub use scope::{IdInfo, Maker, NodeInfo, NodeRef, RepoInfo, Scope};
pub use until::{By, Then, Until, UntilWord};

/// Declares the step kinds, the one place of registration: `module::Type`.
macro_rules! step_kinds {
    ($($module:ident :: $kind:ident),* $(,)?) => {
        $(mod $module;)*

        /// Every step kind, in the order of the manual.
        pub const KINDS: &[Kind] = &[$(Kind::of::<$module::$kind>()),*];

        /// Decodes the fields of a step of the kind `name`. `None` where there is no such kind or the fields are wrong.
        pub fn decode(name: &str, decoder: impl Decode) -> Option<Box<dyn Step>> {
            match name {
                $(<$module::$kind as StepKind>::NAME => {
                    decoder.decode::<$module::$kind>().map(|step| Box::new(step) as Box<dyn Step>)
                })*
                _ => None,
            }
        }
    };
}

pub use all::All;
pub use assert_traffic::look_again;

step_kinds! {
    // data and load
    create_data::CreateData,
    sql::Sql,
    traffic::Traffic,
    stop_traffic::StopTraffic,
    wait_for::WaitFor,
    // incidents
    drop_table::DropTable,
    truncate_table::TruncateTable,
    crash::Crash,
    kill_host::KillHost,
    lose_host::LoseHost,
    lose_site::LoseSite,
    stop::Stop,
    start::Start,
    restart::Restart,
    pause::Pause,
    unpause::Unpause,
    cut::Cut,
    heal::Heal,
    overwrite::Overwrite,
    wipe::Wipe,
    corrupt::Corrupt,
    lose_wal::LoseWal,
    break_archive::BreakArchive,
    mend_archive::MendArchive,
    // protection
    backup::TakeBackup,
    mark::SetMark,
    wait_archived::WaitArchived,
    sync::Sync,
    // recovery
    recover::Recover,
    promote::Promote,
    rewind::Rewind,
    rebuild::Rebuild,
    dump::TakeDump,
    reimport::Reimport,
    exec::Exec,
    reconcile::Reconcile,
    find_in_wal::FindInWal,
    // judgement
    snapshot::TakeSnapshot,
    assert_rows::AssertRows,
    assert_catalog::AssertCatalog,
    assert_traffic::AssertTraffic,
    assert_streaming::AssertStreaming,
    assert_intact::AssertIntact,
    assert_in_recovery::AssertInRecovery,
    assert_primary::AssertPrimary,
    assert_log::AssertLog,
    all::All,
}
