//! Evidence of a run: the key and the file are looked at before anything starts, the recording is
//! digested on the way, and the statement is appended at the end.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};

use openssl::sha::Sha256;

use super::args::DrillArgs;
use super::dirs;
use super::select::Selected;
use super::stop::{Result, Stop};
use super::trigger::{trigger, without_passwords};
use crate::evidence::{self, Circumstances, EvidenceFile, SigningKey, Unsigned, digest, hex};
use crate::journal::{Entry, Journal, Listener, Redactor};
use crate::report::RunRecord;

/// Signs what a run says of itself.
pub struct Attesting {
    key: SigningKey,
    file: EvidenceFile,
    path: String,
    selected: Vec<evidence::Selected>,
    /// Of a run that has no journal.
    redactor: Redactor,
    recording: Arc<Mutex<Recording>>,
}

/// The digest of the recording so far: of the very lines that `--events` writes.
#[derive(Default)]
struct Recording {
    digest: Sha256,
    bytes: u64,
}

/// Hears what is recorded.
struct Recorder(Arc<Mutex<Recording>>);

impl Listener for Recorder {
    fn hear(&mut self, entry: &Entry) {
        // What cannot be written as JSON is in no recording either.
        let Ok(line) = serde_json::to_string(entry) else { return };
        let mut recording = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        recording.digest.update(line.as_bytes());
        recording.digest.update(b"\n");
        recording.bytes += line.len() as u64 + 1;
    }
}

impl Attesting {
    /// Reads the key and opens the file; none if no evidence is asked for. From here on the run
    /// leaves a statement, or the next one says that it did not. `secrets` are of no scenario.
    ///
    /// # Errors
    /// What is wrong with one of them, and what to do.
    pub fn open(args: &DrillArgs, selected: &Selected, secrets: Vec<String>) -> Result<Option<Self>> {
        let Some(path) = &args.evidence.evidence else { return Ok(None) };
        let Some(key) = &args.evidence.evidence_key else {
            return Err(Stop::usage("--evidence needs --evidence-key: the private key that signs it"));
        };
        let key =
            SigningKey::read(key).map_err(|error| Stop::usage(format!("--evidence-key: {error}")).help(error.help))?;
        let verifying = key.verifying().map_err(|error| Stop::usage(format!("--evidence-key: {error}")))?;
        let files = selected.loaded.iter().map(|one| one.path.display().to_string()).collect();
        let run = Unsigned { started: jiff::Timestamp::now(), files };
        let file = EvidenceFile::open(path, &dirs::evidence(), &verifying, &run).map_err(|error| {
            Stop::usage(format!("cannot write the evidence {}: {error}", path.display())).help("choose another file")
        })?;
        let own = selected.plans().flat_map(|plan| plan.secrets.clone());
        let redactor = Redactor::of(own.chain(args.notify.secrets()).chain(secrets));
        let (path, selected, recording) = (path.display().to_string(), vec![], Arc::default());
        Ok(Some(Attesting { key, file, path, selected, redactor, recording }))
    }

    /// The same, of these scenarios.
    pub fn of(self, selected: &Selected) -> Self {
        let each = selected.loaded.iter().map(|one| match &one.plan {
            Ok(plan) => {
                let mut files = plan.source.files().into_iter().map(|(name, text)| (name.to_owned(), digest(&text)));
                let (file, sha256) = files.next().unzip();
                let file = file.unwrap_or_default();
                evidence::Selected { name: plan.name.clone(), file, sha256, fragments: files.collect() }
            }
            Err(_) => {
                let stem = one.path.file_stem().map(|stem| stem.to_string_lossy().into_owned());
                let sha256 = std::fs::read(&one.path).ok().map(|bytes| digest(&bytes));
                let file = one.path.display().to_string();
                evidence::Selected { name: stem.unwrap_or_default(), file, sha256, fragments: BTreeMap::new() }
            }
        });
        Attesting { selected: each.collect(), ..self }
    }

    /// There is no statement, and need not be.
    pub fn need_not(&self) {
        self.file.need_not();
    }

    /// What digests the recording. To be told every event.
    pub fn recorder(&self) -> Box<dyn Listener> {
        Box::new(Recorder(self.recording.clone()))
    }

    /// Appends the statement of a run that is over. `journal` knows its secrets; `why` is why it
    /// did not come to its first drill.
    ///
    /// # Errors
    /// If it cannot be written: why, in words. What is to be known of it otherwise is returned.
    pub fn append(
        &self,
        record: &RunRecord,
        journal: Option<&Journal>,
        why: Vec<String>,
    ) -> std::result::Result<Vec<String>, String> {
        let redact = |text: &str| match journal {
            Some(journal) => journal.redact(text),
            None => self.redactor.text(text),
        };
        let trigger = trigger(redact);
        let why = why.iter().map(|why| redact(why)).collect();
        let warnings = record.warnings.iter().map(|warning| redact(warning)).collect();
        let mut record = RunRecord { warnings, ..record.clone() };
        for setting in record.drills.values_mut().flat_map(|drill| &mut drill.settings) {
            *setting = without_passwords(setting);
        }
        let recording = journal.map(|_| {
            let recording = self.recording.lock().unwrap_or_else(PoisonError::into_inner);
            (hex(&recording.digest.clone().finish()), recording.bytes)
        });
        let circumstances = Circumstances { trigger, selected: self.selected.clone(), recording, why };
        let appended =
            self.file.append(&self.key, |position| evidence::statement(&record, &circumstances, position)).map_err(
                |error| format!("there is no evidence of this run: {} cannot be written: {error}", self.path),
            )?;
        let mut worth_knowing = vec![];
        if let Some(missing) = appended.missing {
            worth_knowing.push(format!(
                "{} does not have statement number {} any more, which this machine has written ({}): the newest were removed",
                self.path, missing.number, missing.digest
            ));
        }
        for Unsigned { started, .. } in appended.unsigned {
            worth_knowing.push(format!(
                "the run that began at {started} left no statement in {}: it was killed, or could not write it",
                self.path
            ));
        }
        if appended.torn > 0 {
            let bytes = appended.torn;
            worth_knowing
                .push(format!("{bytes} bytes at the end of {} were no whole statement, and were removed", self.path));
        }
        Ok(worth_knowing)
    }
}
