//! Choosing where servers are run.

use std::sync::Arc;

use super::backend::{BACKENDS, BackendArgs, BackendChoice};
use super::dirs;
use super::stop::{Result, Stop};
use crate::host::{Backend, BackendKind, HostError, Installation, Sight};
use crate::pg::{SUPPORTED_MAJORS, Version};
use crate::plan::Plan;

/// A backend, and why it is this one.
pub struct Chosen {
    pub backend: Arc<dyn Backend>,
    pub reason: String,
    /// What it has.
    pub installations: Vec<Installation>,
}

/// The version that is fetched if none is installed and none was asked for: the newest stable one
/// at this writing.
const FETCHED: u32 = 18;

/// What drills need of a backend.
#[derive(Debug, Default)]
pub struct Wanted {
    /// The major versions that will be asked for; none: any.
    pub majors: Vec<u32>,
    /// The releases of them that nodes have of their own.
    pub releases: Vec<Version>,
    /// The drills that read repos of this machine.
    pub readers: Vec<Reader>,
}

/// A drill that reads repos of this machine.
#[derive(Debug)]
pub struct Reader {
    /// Its name.
    pub drill: String,
    /// Why it has to see more of this machine than can be given to a container, if it has to.
    pub sees_more: Option<String>,
}

impl Reader {
    /// What a drill reads of this machine, if it reads repos that are there already.
    pub fn of(plan: &Plan) -> Option<Self> {
        let mut existing = plan.repos.iter().filter(|(_, repo)| repo.existing.is_some()).peekable();
        existing.peek()?;
        let why = |name: &str, kind: &str, why: String| format!("repo `{name}` is of kind `{kind}`, and {why}");
        let sees_more = existing.find_map(|(name, repo)| Some(why(name, repo.kind.name, repo.mounts().err()?)));
        Some(Reader { drill: plan.name.clone(), sees_more })
    }
}

impl Wanted {
    /// Fails if a backend cannot do what is wanted, whatever is installed there.
    fn of(&self, kind: &dyn BackendKind) -> crate::host::Result<()> {
        let unseen = |reader: &Reader, why: &str| {
            let (drill, kind) = (&reader.drill, kind.name());
            let title =
                format!("drill `{drill}` reads a repo of this machine, which the backend {kind} does not see: {why}");
            Err(HostError::new(title).help("`--backend local`"))
        };
        match kind.sight(&dirs::surroundings()) {
            Sight::All => Ok(()),
            Sight::Nothing(why) => self.readers.first().map_or(Ok(()), |reader| unseen(reader, &why)),
            Sight::Given => {
                let more = self.readers.iter().find_map(|reader| Some((reader, reader.sees_more.as_ref()?)));
                more.map_or(Ok(()), |(reader, why)| unseen(reader, why))
            }
        }
    }

    /// The same where nobody has named the backend: production's files are given to a container
    /// only if somebody says so.
    fn of_itself(&self, kind: &dyn BackendKind) -> crate::host::Result<()> {
        self.of(kind)?;
        match (kind.sight(&dirs::surroundings()), self.readers.first()) {
            (Sight::All, _) | (_, None) => Ok(()),
            (_, Some(reader)) => Err(HostError::new(format!(
                "drill `{}` reads a repo of this machine, which containers see only if `--backend {}` says so",
                reader.drill,
                kind.name()
            ))),
        }
    }
}

/// Chooses.
pub async fn choose(args: &BackendArgs, wanted: &Wanted) -> Result<Chosen> {
    let implied = || BACKENDS.iter().find_map(|kind| Some((*kind, kind.implied(args.options.matches())?)));
    match args.backend {
        BackendChoice::Only(kind) => only(kind, "chosen with --backend".to_owned(), args, wanted).await,
        BackendChoice::Auto => match implied() {
            Some((kind, reason)) => only(kind, reason, args, wanted).await,
            None => first(args, wanted).await,
        },
    }
}

/// This one. Versions that are not installed are fetched when they are needed.
async fn only(kind: &dyn BackendKind, reason: String, args: &BackendArgs, wanted: &Wanted) -> Result<Chosen> {
    wanted.of(kind)?;
    let backend = kind.open(args.options.matches(), &dirs::surroundings()).await?;
    let mut installations = backend.installations().await?;
    if installations.is_empty() && wanted.majors.is_empty() {
        installations.push(backend.installation(FETCHED).await?);
    }
    Ok(Chosen { backend, reason, installations })
}

/// The first one that has all that is wanted; else the first one that has anything.
async fn first(args: &BackendArgs, wanted: &Wanted) -> Result<Chosen> {
    let mut passed_over: Vec<(&str, HostError)> = vec![];
    let mut second_best = None;
    for kind in BACKENDS {
        let (backend, installations, missing) = match offer(*kind, args, wanted).await {
            Ok(offered) => offered,
            Err(error) => {
                passed_over.push((kind.name(), error));
                continue;
            }
        };
        let reason = match passed_over.iter().map(|(_, error)| error.to_string()).collect::<Vec<_>>().join("; ") {
            none if none.is_empty() => backend.recommendation(&installations),
            reasons => reasons,
        };
        let is_empty = installations.is_empty();
        let chosen = Chosen { backend, reason, installations };
        match missing {
            None => return Ok(chosen),
            Some(error) => passed_over.push((kind.name(), error)),
        }
        if !is_empty && second_best.is_none() {
            second_best = Some(chosen);
        }
    }
    second_best.ok_or_else(|| {
        let each = |(name, error): &(&str, HostError)| match &error.help {
            Some(help) => format!("{name}: {error}; {help}"),
            None => format!("{name}: {error}"),
        };
        let mut help: Vec<String> = passed_over.iter().map(each).collect();
        help.push("`drillyard doctor` shows what is here".to_owned());
        Stop::lab("there is nowhere to run PostgreSQL").help(help.join("\n"))
    })
}

/// What a backend has of all that is wanted, fetched if it can be, and why something is missing.
async fn offer(
    kind: &dyn BackendKind,
    args: &BackendArgs,
    wanted: &Wanted,
) -> crate::host::Result<(Arc<dyn Backend>, Vec<Installation>, Option<HostError>)> {
    wanted.of_itself(kind)?;
    let backend = kind.open(args.options.matches(), &dirs::surroundings()).await?;
    let mut installations = backend.installations().await?;
    let releases = &wanted.releases;
    let wanted = match wanted.majors.as_slice() {
        [] if installations.is_empty() => &[FETCHED],
        wanted => wanted,
    };
    let mut missing = None;
    for major in wanted.iter().filter(|major| SUPPORTED_MAJORS.contains(major)) {
        if installations.iter().any(|one| one.version.major == *major) {
            continue;
        }
        match backend.installation(*major).await {
            Ok(fetched) => installations.push(fetched),
            Err(error) => missing = Some(error),
        }
    }
    for release in releases {
        if installations.iter().any(|one| one.version == *release) {
            continue;
        }
        match backend.release(*release).await {
            Ok(fetched) => installations.push(fetched),
            Err(error) => missing = Some(error),
        }
    }
    Ok((backend, installations, missing))
}
