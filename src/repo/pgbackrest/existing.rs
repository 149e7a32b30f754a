//! A repository of pgBackRest that somebody else fills, wherever pgbackrest can read it: it is
//! asked through the program alone, by the configuration that is there. Logs, locks and spool files
//! are never written where the configuration says.

use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;

use super::info::{self, Info};
use super::manifest::unpacker_of;
use super::reading::variable;
use super::repo_ls::Listing;
use super::{server_files, verify};
use crate::host::{Host, Program, Reach};
use crate::node::own_tablespaces;
use crate::pg::{History, Segment, TimelineId, segment_sizes};
use crate::repo::archive::Archive;
use crate::repo::backup_kind::BackupKind;
use crate::repo::begin::Needs;
use crate::repo::environment::Environment;
use crate::repo::error::{RepoError, Result, run, run_it};
use crate::repo::existing::Existing;
use crate::repo::headers::{HEADER, SegmentHeader};
use crate::repo::listed::{Label, Listed, after_second};
use crate::repo::restored::Restored;
use crate::repo::server_files::ServerFiles;
use crate::repo::storage::{NOWHERE, Place, Storage, Verified};

/// A repository that is there already.
#[derive(Debug)]
pub struct ExistingPgbackrest {
    place: Place,
    existing: Existing,
    stanza: String,
    /// The options that name configuration and repository.
    options: Vec<String>,
    /// Those that the scenario sets; none if it sets none.
    environment: Option<Environment>,
    /// What was listed last: a segment stays where it is until it expires.
    listed: Mutex<Option<Arc<Stored>>>,
    /// How long a WAL segment is, once that is known.
    segment_size: Mutex<Option<u64>>,
}

/// The directory of the stanza's archive, as repo-ls and repo-get name it, and what is in it.
type Stored = (String, Listing);

/// What keeps a command from writing logs.
const QUIET: &str = "--log-level-file=off";

impl ExistingPgbackrest {
    /// The repository that is meant.
    pub(super) fn at(existing: &Existing) -> Self {
        let stanza = existing.stanza.clone().unwrap_or_default();
        let config = existing.config.as_ref().map(|config| format!("--config={config}"));
        let repo = existing.repo.map(|repo| format!("--repo={repo}"));
        let mut options: Vec<String> = config.into_iter().chain(repo).collect();
        options.extend([format!("--stanza={stanza}"), QUIET.to_owned()]);
        let place = existing.place(NOWHERE);
        let set = existing.options.iter().map(|(name, value)| (variable(name), value.clone()));
        let environment = (!existing.options.is_empty()).then(|| Environment::new(&existing.own, set));
        let (existing, listed, segment_size) = (existing.clone(), Mutex::default(), Mutex::default());
        ExistingPgbackrest { place, existing, stanza, options, environment, listed, segment_size }
    }

    fn program<const N: usize>(&self, args: [&str; N]) -> Program {
        let program = Program::new("pgbackrest", self.options.iter().cloned().chain(args.map(str::to_owned)));
        self.in_environment(program.with_network())
    }

    /// The stanza's archive: each time anew, since it grows.
    async fn listing(&self, host: &dyn Host) -> Result<Arc<Stored>> {
        let archive = format!("archive/{}", self.stanza);
        let program = self.program(["--output=json", "--recurse", "repo-ls", &archive]);
        let listing = Listing::read(&run(host, "pgbackrest repo-ls", program).await?.text())?;
        let stored = Arc::new((archive, listing));
        *self.listed.lock().unwrap_or_else(PoisonError::into_inner) = Some(stored.clone());
        Ok(stored)
    }

    /// Where these segments lie, as far as they are there.
    async fn stored(&self, host: &dyn Host, segments: &[String]) -> Result<Arc<Stored>> {
        let known = self.listed.lock().unwrap_or_else(PoisonError::into_inner).clone();
        let has_all = |stored: &Arc<Stored>| segments.iter().all(|name| stored.1.path(name).is_some());
        match known.filter(has_all) {
            Some(stored) => Ok(stored),
            None => self.listing(host).await,
        }
    }

    /// The same program, with what the scenario sets.
    fn in_environment(&self, mut program: Program) -> Program {
        program.env.extend(self.environment.iter().flat_map(Environment::variables).cloned());
        program
    }

    async fn info<const N: usize>(&self, host: &dyn Host, args: [&str; N]) -> Result<Info> {
        // A server's restore_command reads it from there.
        if let Some(environment) = &self.environment {
            environment.write(host, None).await?;
        }
        let program = self.program(["--output=json", "info"]).with_args(args);
        Info::read(&run(host, "pgbackrest info", program).await?.text())
    }

    /// What is said of one backup alone, and more than in a list.
    async fn info_of(&self, host: &dyn Host, label: &Label) -> Result<Info> {
        self.info(host, [&format!("--set={label}")]).await
    }

    /// How long a WAL segment is: one says so itself, as far as it can be read, or the backups do.
    async fn segment_size(&self, host: &dyn Host, stored: &Stored) -> Result<u64> {
        let known = *self.segment_size.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(size) = known {
            return Ok(size);
        }
        let found = match self.size_in_headers(host, stored).await? {
            Some(size) => Some(size),
            None => self.info(host, []).await?.segment_size(),
        };
        *self.segment_size.lock().unwrap_or_else(PoisonError::into_inner) = found;
        found.ok_or_else(|| {
            let none = "none of those that were tried can be read here, and no backup tells";
            RepoError::Unknown(format!(
                "nobody knows how long the WAL segments of stanza `{}` are: {none}",
                self.stanza
            ))
        })
    }

    /// The same, as the newest segments say at their beginning.
    async fn size_in_headers(&self, host: &dyn Host, (archive, listing): &Stored) -> Result<Option<u64>> {
        /// So many are tried: one may be damaged.
        const TRIES: usize = 3;
        let whole = listing.segments.iter().filter(|(segment, _)| !listing.faults.contains_key(segment));
        for (_, path) in whole.take(TRIES) {
            let args = [HEADER.to_string(), unpacker_of(path).to_owned(), format!("{archive}/{path}")];
            let script = Program::script(include_str!("../scripts/pgbackrest_header.sh"), args);
            let script = script.with_args(self.options.iter().cloned()).with_network();
            let text = host.run(self.in_environment(script)).await?.text();
            let header = SegmentHeader::read(&text).filter(|header| header.is_wal);
            if let Some(size) = header.map(|header| header.size).filter(|size| segment_sizes().any(|one| one == *size))
            {
                return Ok(Some(size));
            }
        }
        Ok(None)
    }
}

#[async_trait]
impl Storage for ExistingPgbackrest {
    fn place(&self) -> &Place {
        &self.place
    }

    fn cold(&self, secrets: &[(String, String)]) -> Option<Arc<dyn Storage>> {
        let cold = Existing { options: vec![], ..self.existing.cold(secrets) };
        Some(Arc::new(ExistingPgbackrest::at(&cold)))
    }

    fn backup_program(&self) -> &'static str {
        "pgbackrest"
    }

    async fn backups(&self, host: &dyn Host) -> Result<Vec<Listed>> {
        let listed = |backup: &info::Backup| {
            let listed = backup.listed();
            Listed { ended: listed.ended.map(after_second), ..listed }
        };
        Ok(self.info(host, []).await?.backups().map(listed).collect())
    }

    async fn needs(&self, host: &dyn Host, label: &Label) -> Result<Needs> {
        Ok(self.info_of(host, label).await?.backup(label).map(info::Backup::needs).unwrap_or_default())
    }

    async fn restored(&self, host: &dyn Host, label: &Label) -> Result<Restored> {
        let info = self.info_of(host, label).await?;
        let restored = info.backup(label).map(info::Backup::restored);
        restored.ok_or_else(|| RepoError::gone(label, "pgbackrest"))
    }

    async fn backup_kind(&self, _: &dyn Host, label: &Label) -> Result<Option<BackupKind>> {
        Ok(info::kind_of(label))
    }

    async fn size(&self, host: &dyn Host, label: &Label) -> Result<u64> {
        let bytes = self.info_of(host, label).await?.backup(label).and_then(info::Backup::bytes);
        bytes.ok_or_else(|| RepoError::Unknown(format!("pgbackrest does not say how large {label} is")))
    }

    async fn server_files(&self, host: &dyn Host, label: &Label, scratch: &str) -> Result<ServerFiles> {
        let of_drill = |program: Program| self.in_environment(program);
        server_files::fetch(host, self.options.clone(), of_drill, &self.stanza, label, scratch).await
    }

    async fn restore(&self, host: &dyn Host, backup: &Label, data: &str) -> Result<Program> {
        let set = format!("--set={backup}");
        let info = self.info_of(host, backup).await?;
        let spaces = own_tablespaces(data);
        let numbers: Vec<String> = info.backups().flat_map(info::Backup::tablespaces).collect();
        let maps = numbers.iter().map(|oid| format!("--tablespace-map={oid}={spaces}/{oid}"));
        let options = self.options.iter().cloned().chain([set]).chain(maps);
        let args = [data.to_owned(), spaces.clone(), numbers.join(" ")].into_iter().chain(options);
        let script = include_str!("../scripts/pgbackrest_restore_existing.sh");
        let program = self.in_environment(Program::script(script, args).with_network());
        run_it(host, "pgbackrest restore", program).await
    }

    /// Not asynchronous, whatever the configuration says: that would write into its spool-path.
    fn restore_command(&self) -> String {
        let options = self.options.join(" ");
        let line = format!(r#"pgbackrest {options} --no-archive-async --pg1-path="$PWD" archive-get %f "%p""#);
        self.environment.as_ref().map_or(line.clone(), |environment| environment.line(&line))
    }

    /// It may lie in object storage, or on another machine.
    fn fetches(&self) -> Reach {
        Reach::OfMachine
    }

    async fn archive(&self, host: &dyn Host) -> Result<Archive> {
        let stored = self.listing(host).await?;
        let (archive, listing) = &*stored;
        let mut histories = Vec::new();
        for path in &listing.histories {
            let name = path.rsplit('/').next().unwrap_or(path).trim_end_matches(".history");
            let Ok(timeline) = u32::from_str_radix(name, 16) else { continue };
            let get = self.program(["repo-get", &format!("{archive}/{path}")]);
            let text = run(host, "pgbackrest repo-get", get).await?.text();
            histories.push(History::read(TimelineId(timeline), &text));
        }
        if listing.segments.is_empty() {
            return Ok(Archive::new(vec![], histories));
        }
        let size = self.segment_size(host, &stored).await?;
        let segments = listing.segments.iter().map(|(segment, _)| (segment.clone(), size)).collect();
        Ok(Archive::new(segments, histories).with_faults(listing.faults.clone()))
    }

    /// Each as a file of the repository: `archive-get` wants the data directory of a server.
    async fn wal_files(&self, host: &dyn Host, segments: &[Segment], scratch: &str) -> Result<String> {
        let names: Vec<String> = segments.iter().map(ToString::to_string).collect();
        let stored = self.stored(host, &names).await?;
        let (archive, listing) = &*stored;
        let stored = names.iter().filter_map(|name| listing.path(name).map(|path| (name, path)));
        let stored =
            stored.flat_map(|(name, path)| [name.clone(), unpacker_of(path).to_owned(), format!("{archive}/{path}")]);
        let args = std::iter::once(scratch.to_owned()).chain(stored).chain(["--".to_owned()]);
        let script = Program::script(include_str!("../scripts/pgbackrest_stored_wal.sh"), args);
        let script = script.with_args(self.options.iter().cloned()).with_network();
        let output = run(host, "pgbackrest repo-get", self.in_environment(script)).await?;
        match output.text().trim() {
            "" => Ok(scratch.to_owned()),
            unpack => Err(RepoError::Unknown(format!("{unpack} is not installed here, by which its WAL is packed"))),
        }
    }

    fn verify_program(&self) -> &'static str {
        "pgbackrest verify"
    }

    async fn verify(&self, host: &dyn Host, backup: &Label) -> Result<Verified> {
        let args = ["--log-level-console=info", "--no-log-timestamp", "--output=text", "--verbose", "verify"];
        let output = run(host, self.verify_program(), self.program(args)).await?;
        Ok(verify::judge(&output.text(), backup, self.needs(host, backup).await?.begin.as_ref()))
    }
}
