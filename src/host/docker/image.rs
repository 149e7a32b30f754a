//! Finding and pulling the image of a version.

use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::models::ImageInspect;
use testcontainers::bollard::query_parameters::CreateImageOptionsBuilder;

use super::daemon::{ASK, Daemon, is_missing};
use crate::host::{HostError, Result};
use crate::pg::Version;

/// How long a registry may take to its first answer.
const FIRST_ANSWER: Duration = Duration::from_secs(10);

/// How long it may then be silent.
const NEXT_ANSWER: Duration = Duration::from_secs(60);

/// An image that is on the daemon's machine.
#[derive(Debug, Clone)]
pub(super) struct Image {
    /// As people name it: `drillyard/postgres:17`.
    pub name: String,
    /// The first 16 digits of its id.
    pub id: String,
    /// What it says itself, in PG_VERSION or PG_MAJOR, as the official ones do; the minor version
    /// is 0 if it doesn't.
    pub version: Option<Version>,
}

/// The images that may serve a major version, the preferred one first.
pub(super) fn candidates(template: Option<&str>, major: u32) -> Vec<String> {
    match template {
        Some(template) => vec![tagged(&template.replace("{version}", &major.to_string()))],
        None => vec![format!("drillyard/postgres:{major}"), format!("postgres:{major}")],
    }
}

/// A name without a tag means `latest`; testcontainers wants both.
fn tagged(name: &str) -> String {
    let last = name.rsplit('/').next().unwrap_or(name);
    if last.contains(':') || last.contains('@') { name.to_owned() } else { format!("{name}:latest") }
}

/// The image of that name, if it is on the daemon's machine.
pub(super) async fn find(daemon: &Daemon, name: &str) -> Result<Option<Image>> {
    let doing = format!("looking for the image {name}");
    let answer = async {
        match daemon.docker.inspect_image(name).await {
            Ok(image) => Ok(Some(image)),
            Err(error) if is_missing(&error) => Ok(None),
            Err(error) => Err(error),
        }
    };
    let inspected = daemon.call(&doing, ASK, answer).await?;
    Ok(inspected.map(|inspected| Image {
        name: name.to_owned(),
        id: short_id(&inspected),
        version: said_version(&inspected),
    }))
}

fn short_id(image: &ImageInspect) -> String {
    let id = image.id.as_deref().unwrap_or("unknown");
    id.strip_prefix("sha256:").unwrap_or(id).chars().take(16).collect()
}

fn said_version(image: &ImageInspect) -> Option<Version> {
    let env = image.config.as_ref()?.env.as_ref()?;
    let value = |key: &str| env.iter().find_map(|entry| entry.strip_prefix(key)?.strip_prefix('='));
    value("PG_VERSION").or_else(|| value("PG_MAJOR"))?.parse().ok()
}

/// Fetches an image, and gives up on a registry that does not answer within 10 seconds.
pub(super) async fn pull(daemon: &Daemon, name: &str) -> Result<Image> {
    let doing = format!("pulling the image {name}");
    let lacking = |why: String| {
        HostError::new(format!("the image {name} is not here, and it can't be pulled: {why}"))
            .help("ci/image VERSION makes one without a registry, --image NAME:{version} names another, --backend local needs none")
    };
    let options = CreateImageOptionsBuilder::new().from_image(name).build();
    let mut answers = std::pin::pin!(daemon.docker.create_image(Some(options), None, None));
    let mut patience = FIRST_ANSWER;
    loop {
        match tokio::time::timeout(patience, answers.next()).await {
            Ok(Some(Ok(_))) => patience = NEXT_ANSWER,
            Ok(Some(Err(error))) => return Err(lacking(daemon.explain(&doing, &error).message)),
            Ok(None) => break,
            Err(_) => return Err(lacking(format!("the registry has not answered for {} seconds", patience.as_secs()))),
        }
    }
    find(daemon, name).await?.ok_or_else(|| lacking("it was not there afterwards".to_owned()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_template_names_one_image_and_without_one_ours_comes_first() {
        assert_eq!(candidates(Some("registry:5000/pg"), 17), ["registry:5000/pg:latest"]);
        assert_eq!(candidates(Some("pg:{version}-alpine"), 17), ["pg:17-alpine"]);
        assert_eq!(candidates(None, 17), ["drillyard/postgres:17", "postgres:17"]);
    }
}
