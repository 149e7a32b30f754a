//! Containers on a Docker daemon.

use std::sync::Arc;

use async_trait::async_trait;
use tokio::task::JoinSet;

use super::daemon::ASK;
use super::image::{self, Image, Images};
use super::lab::DockerLab;
use super::shared::{Settings, Shared};
use super::sweeper::{DockerSweeper, NAME};
use crate::host::{Backend, HostError, Installation, Lab, LabSpec, Result, Sweeper};
use crate::pg::{SUPPORTED_MAJORS, Version};

/// Runs drills in containers.
pub(super) struct DockerBackend {
    pub(super) shared: Arc<Shared>,
}

impl DockerBackend {
    /// Connects to the daemon. Fails within 3 seconds if none answers, and says where it was looked
    /// for.
    pub(super) async fn connect(settings: Settings) -> Result<Self> {
        Ok(DockerBackend { shared: Arc::new(Shared::connect(settings).await?) })
    }

    /// Where the daemon listens.
    pub(super) fn address(&self) -> &str {
        self.shared.daemon.address()
    }

    /// The image of a major version, if it is on the daemon's machine.
    async fn local(&self, major: u32) -> Result<Option<Image>> {
        for name in image::candidates(self.shared.settings.image.as_deref(), &major.to_string()) {
            match image::find(&self.shared.daemon, &name).await? {
                // A name without `{version}` is the same for all; it says itself which it is.
                Some(image) if image.version.is_none_or(|version| version.major == major) => return Ok(Some(image)),
                _ => {}
            }
        }
        Ok(None)
    }

    /// The image of a major version, which is pulled if it is not here. A registry that does not
    /// answer within 10 seconds is an error that says what else can be done.
    async fn image(&self, major: u32) -> Result<Image> {
        if let Some(image) = self.local(major).await? {
            return Ok(image);
        }
        self.pull(&major.to_string()).await
    }

    /// The image of a release, if it is on the daemon's machine: one that is named after it, else
    /// that of its major version if it says that it is of that release.
    async fn local_release(&self, release: Version) -> Result<Option<Image>> {
        for name in image::candidates(self.shared.settings.image.as_deref(), &release.to_string()) {
            match image::find(&self.shared.daemon, &name).await? {
                Some(image) if self.version(&image).is_none_or(|version| version == release) => return Ok(Some(image)),
                _ => {}
            }
        }
        let usual = self.local(release.major).await?;
        Ok(usual.filter(|image| self.version(image) == Some(release)))
    }

    /// The image of a release, which is pulled if it is not here.
    async fn image_of(&self, release: Version) -> Result<Image> {
        if let Some(image) = self.local_release(release).await? {
            return Ok(image);
        }
        for name in image::candidates(self.shared.settings.image.as_deref(), &release.to_string()) {
            let here = image::find(&self.shared.daemon, &name).await?;
            if let Some(other) = here.and_then(|image| self.version(&image)) {
                return Err(image::holds_another(&name, other, release));
            }
        }
        self.pull(&release.to_string()).await
    }

    /// The release that an image holds, as far as it is known.
    fn version(&self, image: &Image) -> Option<Version> {
        self.shared.known(&image.id).or(image.version).filter(|version| version.minor > 0)
    }

    async fn pull(&self, version: &str) -> Result<Image> {
        // Nobody publishes the first of the two; ci/image makes it.
        let names = image::candidates(self.shared.settings.image.as_deref(), version);
        let name = names.last().ok_or_else(|| HostError::new(format!("no image is known for PostgreSQL {version}")))?;
        let pulled = image::pull(&self.shared.daemon, name).await;
        pulled.map_err(|error| HostError {
            help: error.help.map(|help| help.replace("ci/image VERSION", &format!("ci/image {version}"))),
            ..error
        })
    }
}

#[async_trait]
impl Backend for DockerBackend {
    fn name(&self) -> &'static str {
        NAME
    }

    async fn installations(&self) -> Result<Vec<Installation>> {
        let mut looks = JoinSet::new();
        for major in SUPPORTED_MAJORS {
            let backend = DockerBackend { shared: Arc::clone(&self.shared) };
            looks.spawn(async move {
                let found = backend.local(major).await?;
                Ok::<_, HostError>(found.map(|image| backend.shared.installation(&image, major)))
            });
        }
        let mut found = vec![];
        while let Some(look) = looks.join_next().await {
            let look = look.map_err(|error| HostError::new(format!("looking for images: {error}")))?;
            found.extend(look?);
        }
        let settings = &self.shared.settings;
        for name in image::of_releases(&self.shared.daemon, settings.image.as_deref()).await? {
            // It may be gone by now.
            let Some(image) = image::find(&self.shared.daemon, &name).await? else { continue };
            let Some(version) = self.version(&image) else { continue };
            if !found.iter().any(|one| one.version == version) {
                found.push(self.shared.installation(&image, version.major));
            }
        }
        found.sort_by_key(|installation| std::cmp::Reverse(installation.version.major));
        Ok(found)
    }

    async fn installation(&self, major: u32) -> Result<Installation> {
        let image = self.image(major).await?;
        Ok(self.shared.installation(&image, major))
    }

    async fn release(&self, release: Version) -> Result<Installation> {
        let image = self.image_of(release).await?;
        Ok(Installation { version: release, place: image.name })
    }

    async fn tool(&self) -> Option<(String, String)> {
        let said = self.shared.daemon.call("asking for its version", ASK, self.shared.daemon.docker.version()).await;
        Some(("Docker".to_owned(), said.ok()?.version?))
    }

    fn recommendation(&self, installations: &[Installation]) -> String {
        let mut majors: Vec<String> = installations.iter().map(|one| one.version.major.to_string()).collect();
        majors.dedup();
        format!("a daemon answers, with images for {}", majors.join(", "))
    }

    async fn lab(&self, spec: LabSpec) -> Result<Arc<dyn Lab>> {
        let usual = self.image(spec.major).await?;
        let mut releases = vec![];
        for release in spec.other_releases() {
            releases.push((release, self.image_of(release).await?));
        }
        Ok(Arc::new(DockerLab::begin(Arc::clone(&self.shared), spec, Images { usual, releases })?))
    }

    fn sweeper(&self) -> Option<Arc<dyn Sweeper>> {
        let settings = &self.shared.settings;
        Some(Arc::new(DockerSweeper { host: settings.host.clone(), owner: settings.owner.clone() }))
    }
}
