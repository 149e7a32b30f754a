//! What a scenario can do: one file a step kind, each with its manual page, its fields, its check and its run.
//!
//! A new kind is one new file in one of the wards, and one line in the list at the end of this one.

mod data;
mod incident;
mod judgement;
mod protection;
mod recovery;

pub use judgement::all::All;
pub use judgement::assert_traffic::look_again;
pub use judgement::loss_notes::thousands;

use crate::harness::{Decode, Kind, Step, StepKind};

/// Declares the step kinds, the one place of registration: `ward::module::Type`.
macro_rules! step_kinds {
    ($($ward:ident :: $module:ident :: $kind:ident),* $(,)?) => {
        /// Every step kind, in the order of the manual.
        pub const KINDS: &[Kind] = &[$(Kind::of::<$ward::$module::$kind>()),*];

        /// Decodes the fields of a step of the kind `name`. `None` if there is no such kind or the fields are wrong.
        pub fn decode(name: &str, decoder: impl Decode) -> Option<Box<dyn Step>> {
            match name {
                $(<$ward::$module::$kind as StepKind>::NAME => {
                    decoder.decode::<$ward::$module::$kind>().map(|step| Box::new(step) as Box<dyn Step>)
                })*
                _ => None,
            }
        }
    };
}

/// The kind of this name.
pub fn find(name: &str) -> Option<&'static Kind> {
    KINDS.iter().find(|kind| kind.name == name)
}

step_kinds! {
    data::create_data::CreateData,
    data::sql::Sql,
    data::traffic::Traffic,
    data::stop_traffic::StopTraffic,
    data::wait_for::WaitFor,
    incident::drop_table::DropTable,
    incident::truncate_table::TruncateTable,
    incident::crash::Crash,
    incident::kill_host::KillHost,
    incident::lose_host::LoseHost,
    incident::lose_site::LoseSite,
    incident::stop::Stop,
    incident::start::Start,
    incident::restart::Restart,
    incident::pause::Pause,
    incident::unpause::Unpause,
    incident::cut::Cut,
    incident::heal::Heal,
    incident::overwrite::Overwrite,
    incident::wipe::Wipe,
    incident::corrupt::Corrupt,
    incident::lose_wal::LoseWal,
    incident::break_archive::BreakArchive,
    incident::mend_archive::MendArchive,
    protection::backup::TakeBackup,
    protection::mark::SetMark,
    protection::wait_archived::WaitArchived,
    protection::sync::Sync,
    recovery::recover::Recover,
    recovery::promote::Promote,
    recovery::rewind::Rewind,
    recovery::rebuild::Rebuild,
    recovery::dump::TakeDump,
    recovery::reimport::Reimport,
    recovery::exec::Exec,
    recovery::reconcile::Reconcile,
    recovery::find_in_wal::FindInWal,
    judgement::snapshot::TakeSnapshot,
    judgement::assert_rows::AssertRows,
    judgement::assert_catalog::AssertCatalog,
    judgement::assert_traffic::AssertTraffic,
    judgement::assert_streaming::AssertStreaming,
    judgement::assert_intact::AssertIntact,
    judgement::assert_in_recovery::AssertInRecovery,
    judgement::assert_primary::AssertPrimary,
    judgement::assert_log::AssertLog,
    judgement::all::All,
}
