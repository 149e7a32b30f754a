//! `--record DIR`: a run's recording, which is read on any machine: its events, the reports that
//! are kept of it, what was run, and the logs of servers of drills that did not pass.

use std::path::{Path, PathBuf};

use serde::Serialize;

use super::args::OutArgs;
use super::runs::LOGS;
use super::select::Drills;
use super::stop::{Result, Stop};
use crate::evidence::digest;
use crate::journal::{ExitCode, Journal, Outcome};
use crate::report::{Format, RunRecord};
use crate::run::Drill;

/// What a recording is of.
const PLAN: &str = "plan.json";

/// A recording that was asked for.
pub struct Recording {
    dir: PathBuf,
    plan: PlanOf,
}

/// Which drills were run, so that the recordings of several machines can be told apart, or put
/// together.
#[derive(Debug, Serialize)]
struct PlanOf {
    /// The version of the format.
    drillyard: u32,
    /// drillyard's version.
    version: &'static str,
    /// The same for the same drills on the same versions with the same settings.
    fingerprint: String,
    drills: Vec<PlannedDrill>,
}

#[derive(Debug, Serialize)]
struct PlannedDrill {
    name: String,
    file: String,
    /// Of the scenario's text, with what it includes.
    sha256: String,
    postgres: u32,
    seed: u64,
    settings: Vec<String>,
}

impl Recording {
    /// Makes its directory. The reports in it are added to those that are asked for.
    ///
    /// # Errors
    /// If the directory cannot be made, or something is in it already.
    pub fn begin(out: &mut OutArgs, recorded: &[(&'static Format, &str)], drills: &Drills) -> Result<Option<Self>> {
        let Some(dir) = out.record.clone() else { return Ok(None) };
        let failed = |e: std::io::Error| Stop::usage(format!("cannot write {}: {e}", dir.display()));
        std::fs::create_dir_all(&dir).map_err(failed)?;
        if std::fs::read_dir(&dir).map_err(failed)?.next().is_some() {
            let stop = Stop::usage(format!("{} is not empty: a recording is of one run", dir.display()));
            return Err(stop.help("name a directory that is not there yet"));
        }
        out.reports.0.extend(recorded.iter().map(|(format, name)| (*format, dir.join(name))));
        Ok(Some(Recording { plan: PlanOf::new(drills), dir }))
    }

    /// Writes what is known at the run's end: until then nobody may be meant to know which drill it
    /// is. The exit code with what came of that.
    pub fn conclude(&self, records: &Path, record: &RunRecord, journal: &Journal, code: ExitCode) -> ExitCode {
        let Err(error) = self.write(records, record, journal) else { return code };
        let message = format!("the recording in {} is not complete: {error}", self.dir.display());
        journal.write(crate::journal::Event::Warned { drill: None, message });
        match code {
            ExitCode::Passed | ExitCode::Failed | ExitCode::Unclean => ExitCode::Lab,
            code => code,
        }
    }

    fn write(&self, records: &Path, record: &RunRecord, journal: &Journal) -> std::io::Result<()> {
        let plan = serde_json::to_string_pretty(&self.plan)?;
        std::fs::write(self.dir.join(PLAN), journal.redact(&plan) + "\n")?;
        let logs = records.join(LOGS);
        if !logs.is_dir() {
            return Ok(());
        }
        for drill in std::fs::read_dir(&logs)? {
            let drill = drill?;
            // `3-dropped-table`
            let name = drill.file_name().to_string_lossy().into_owned();
            let number = name.split('-').next().and_then(|number| number.parse::<usize>().ok());
            let passed = number.and_then(|number| record.drills.get(&number)).map(|drill| drill.outcome());
            if passed == Some(Outcome::Passed) {
                continue;
            }
            let to = self.dir.join(LOGS).join(&name);
            std::fs::create_dir_all(&to)?;
            for log in std::fs::read_dir(drill.path())? {
                let log = log?;
                std::fs::copy(log.path(), to.join(log.file_name()))?;
            }
        }
        Ok(())
    }
}

impl PlanOf {
    fn new(drills: &Drills) -> Self {
        let skipped = drills.skipped.iter().map(|one| (&one.plan, 0, 0, vec![]));
        let meant = drills
            .drills
            .iter()
            .map(|Drill { plan, major, seed, settings, .. }| (plan, *major, *seed, settings.clone()));
        let drills = skipped.chain(meant).map(|(plan, postgres, seed, settings)| PlannedDrill {
            name: plan.name.clone(),
            file: plan.source.file().to_owned(),
            sha256: digest(plan.source.text().as_bytes()),
            postgres,
            seed,
            settings,
        });
        let drills: Vec<PlannedDrill> = drills.collect();
        let mut lines: Vec<String> = drills
            .iter()
            .map(|one| format!("{} {} {} {}\n", one.name, one.sha256, one.postgres, one.settings.join(" ")))
            .collect();
        lines.sort();
        PlanOf {
            drillyard: 1,
            version: env!("CARGO_PKG_VERSION"),
            fingerprint: digest(lines.concat().as_bytes()),
            drills,
        }
    }
}
