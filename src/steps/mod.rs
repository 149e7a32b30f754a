//! What a scenario can do: one file a step kind, each with its manual page, its fields, its check
//! and its run.
//!
//! A new kind is one new file in one of the wards, and one line in the list at the end of this one.

mod data;
mod incident;
mod judgement;
mod protection;
mod recovery;

pub use judgement::all::AllSpec;
pub use judgement::assert_traffic::look_again;
pub use judgement::loss_notes::thousands;
pub use recovery::team::{InjectSpec, TeamSpec, TrapSpec};

use crate::harness::{Decode, Kind, Spec, StepKind};

#[cfg(test)]
#[path = "../../tests/toys/step.rs"]
mod toy;

/// Declares the step kinds, the one place of registration: `ward::module::Type`.
macro_rules! step_kinds {
    ($($(#[$meta:meta])* $kind:path),* $(,)?) => {
        /// Every step kind, in the order of the manual.
        pub const KINDS: &[Kind] = &[$($(#[$meta])* Kind::of::<$kind>()),*];

        /// Decodes the fields of a step of the kind `name`. `None` if there is no such kind or the
        /// fields are wrong.
        pub fn decode(name: &str, decoder: impl Decode) -> Option<Box<dyn Spec>> {
            match name {
                $($(#[$meta])* <$kind as StepKind>::NAME => {
                    decoder.decode::<$kind>().map(|step| Box::new(step) as Box<dyn Spec>)
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
    data::create_data::CreateDataSpec,
    data::sql::SqlSpec,
    data::create_tablespace::CreateTablespaceSpec,
    data::traffic::TrafficSpec,
    data::stop_traffic::StopTrafficSpec,
    data::wait_for::WaitForSpec,
    incident::drop_table::DropTableSpec,
    incident::drop_column::DropColumnSpec,
    incident::drop_schema::DropSchemaSpec,
    incident::drop_database::DropDatabaseSpec,
    incident::drop_role::DropRoleSpec,
    incident::truncate_table::TruncateTableSpec,
    incident::crash::CrashSpec,
    incident::kill_host::KillHostSpec,
    incident::lose_host::LoseHostSpec,
    incident::lose_site::LoseSiteSpec,
    incident::stop::StopSpec,
    incident::start::StartSpec,
    incident::restart::RestartSpec,
    incident::set::SetSpec,
    incident::set_clock::SetClockSpec,
    incident::pause::PauseSpec,
    incident::unpause::UnpauseSpec,
    incident::cut::CutSpec,
    incident::heal::HealSpec,
    incident::overwrite::OverwriteSpec,
    incident::wipe::WipeSpec,
    incident::corrupt::CorruptSpec,
    incident::fill_disk::FillDiskSpec,
    incident::free_disk::FreeDiskSpec,
    incident::lose_backup::LoseBackupSpec,
    incident::lose_wal::LoseWalSpec,
    incident::break_archive::BreakArchiveSpec,
    incident::mend_archive::MendArchiveSpec,
    protection::backup::TakeBackupSpec,
    protection::mark::SetMarkSpec,
    protection::wait_archived::WaitArchivedSpec,
    protection::sync::SyncSpec,
    recovery::recover::RecoverSpec,
    recovery::promote::PromoteSpec,
    recovery::rewind::RewindSpec,
    recovery::rebuild::RebuildSpec,
    recovery::dump::TakeDumpSpec,
    recovery::reimport::ReimportSpec,
    recovery::exec::ExecSpec,
    recovery::runbook::RunbookSpec,
    recovery::reconcile::ReconcileSpec,
    recovery::find_in_wal::FindInWalSpec,
    TeamSpec,
    judgement::snapshot::TakeSnapshotSpec,
    judgement::assert_rows::AssertRowsSpec,
    judgement::assert_catalog::AssertCatalogSpec,
    judgement::assert_traffic::AssertTrafficSpec,
    judgement::assert_streaming::AssertStreamingSpec,
    judgement::assert_intact::AssertIntactSpec,
    judgement::assert_backup::AssertBackupSpec,
    judgement::assert_recoverable::AssertRecoverableSpec,
    judgement::assert_fresh::AssertFreshSpec,
    judgement::assert_in_recovery::AssertInRecoverySpec,
    judgement::assert_primary::AssertPrimarySpec,
    judgement::assert_log::AssertLogSpec,
    judgement::assert_same::AssertSameSpec,
    judgement::assert_roles::AssertRolesSpec,
    AllSpec,
    data::r#use::UseSpec,
    #[cfg(test)]
    toy::ToySpec,
}
