//! Finding and pulling the image of a version.

use std::cmp::Reverse;
use std::collections::HashMap;
use std::time::Duration;

use futures_util::StreamExt;
use testcontainers::bollard::models::ImageInspect;
use testcontainers::bollard::query_parameters::{CreateImageOptionsBuilder, ListImagesOptionsBuilder};

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

/// The images of a lab.
#[derive(Debug)]
pub(super) struct Images {
    /// That of nodes without a release of their own.
    pub(super) usual: Image,
    /// Those of the releases that others have.
    pub(super) releases: Vec<(Version, Image)>,
}

impl Images {
    /// The image of a node with this release of its own, or with none.
    pub(super) fn of(&self, release: Option<Version>) -> Result<&Image> {
        let Some(release) = release else { return Ok(&self.usual) };
        let found = self.releases.iter().find(|(one, _)| *one == release).map(|(_, image)| image);
        found.ok_or_else(|| HostError::new(format!("there is no image of PostgreSQL {release}")))
    }
}

/// The error of an image that is not of the release that it is to be of.
pub(super) fn holds_another(image: &str, holds: Version, release: Version) -> HostError {
    HostError::new(format!("the image {image} holds PostgreSQL {holds}, not {release}"))
        .help("{version} in --image stands for the release, too: ci/image makes drillyard/postgres:RELEASE")
}

/// What images are called if nobody says so, the preferred one first. Nobody publishes the first;
/// ci/image makes it.
const TEMPLATES: [&str; 2] = ["drillyard/postgres:{version}", "postgres:{version}"];

/// The images that may serve a version, a major one (`17`) or a release (`17.10`), the preferred
/// one first.
pub(super) fn candidates(template: Option<&str>, version: &str) -> Vec<String> {
    let named = |template: &str| tagged(&template.replace("{version}", version));
    match template {
        Some(template) => vec![named(template)],
        None => TEMPLATES.map(named).to_vec(),
    }
}

/// The images on the daemon's machine that are named after a release, the newest release first.
pub(super) async fn of_releases(daemon: &Daemon, template: Option<&str>) -> Result<Vec<String>> {
    let templates: Vec<&str> = template.map_or(TEMPLATES.to_vec(), |template| vec![template]);
    let around: Vec<(&str, &str)> = templates.iter().filter_map(|template| template.split_once("{version}")).collect();
    // What is asked for all of, no name of a template without it can match.
    let names = templates.iter().map(|template| template.replace("{version}", "*")).collect();
    let filters = HashMap::from([("reference".to_owned(), names)]);
    let options = ListImagesOptionsBuilder::new().filters(&filters).build();
    let listed = daemon.call("looking for images", ASK, daemon.docker.list_images(Some(options))).await?;
    let tags = listed.into_iter().flat_map(|image| image.repo_tags);
    let release = |tag: &str| {
        let named = |(before, after): &(&str, &str)| tag.strip_prefix(before)?.strip_suffix(after);
        around.iter().enumerate().find_map(|(at, around)| Some((Version::release(named(around)?)?, Reverse(at))))
    };
    let mut found: Vec<_> = tags.filter_map(|tag| Some((release(&tag)?, tag))).collect();
    found.sort_by(|(one, _), (other, _)| other.cmp(one));
    Ok(found.into_iter().map(|(_, tag)| tag).collect())
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
        assert_eq!(candidates(Some("registry:5000/pg"), "17"), ["registry:5000/pg:latest"]);
        assert_eq!(candidates(Some("pg:{version}-alpine"), "17.2"), ["pg:17.2-alpine"]);
        assert_eq!(candidates(None, "17"), ["drillyard/postgres:17", "postgres:17"]);
    }
}
