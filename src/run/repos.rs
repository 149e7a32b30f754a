//! The repos of a drill, before any of its servers runs.

use std::collections::BTreeMap;

use crate::harness::RepoId;
use crate::host::{Host, HostError, Program};
use crate::repo::{Repo, RepoError, Tool};

/// Makes what the repos are without any backup or WAL, from a host of the drill; what their kinds
/// need there is looked for first.
pub async fn set_up(repos: &BTreeMap<RepoId, Repo>, host: &dyn Host) -> Result<(), HostError> {
    for repo in repos.values() {
        need(repo, host).await?;
    }
    for repo in repos.values() {
        repo.set_up(host).await.map_err(|error| trouble(repo, error))?;
    }
    Ok(())
}

/// Fails if the program is missing that a repo is made of.
async fn need(repo: &Repo, host: &dyn Host) -> Result<(), HostError> {
    let Some(tool) = repo.program else { return Ok(()) };
    let found = host.run(Program::script(r#"command -v "$1" >/dev/null"#, [tool.program])).await?;
    if found.success() {
        return Ok(());
    }
    let title = format!("repo `{}` needs {}, which is not installed where its servers run", repo.name, tool.program);
    Err(HostError::new(title).help(format!(
        "for local processes: {}; for containers an image that has it: ci/image --force VERSION makes one, and --image names another",
        tool.install
    )))
}

/// What a program that repos are made of says of its version, in a line; none if it is not there.
pub async fn version(tool: Tool, host: &dyn Host) -> Option<String> {
    let asked = host.run(Program::script(r#""$1" "$2" 2>/dev/null"#, [tool.program, tool.version])).await.ok()?;
    let line = asked.text().lines().map(str::trim).find(|line| !line.is_empty())?.to_owned();
    asked.success().then_some(line)
}

/// Makes what a repo needs of a new cluster before that archives into it.
pub async fn welcome(repo: &Repo, host: &dyn Host) -> Result<(), HostError> {
    repo.welcome(host).await.map_err(|error| trouble(repo, error))
}

fn trouble(repo: &Repo, error: RepoError) -> HostError {
    let said = error.said().map(|said| format!(": {said}")).unwrap_or_default();
    HostError::new(format!("repo `{}`: {error}{said}", repo.name))
}
