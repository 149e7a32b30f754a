//! By which libraries the servers in images sort text. An image says so only when it runs.

use std::collections::HashMap;
use std::time::Duration;

use futures_util::future::join_all;
use testcontainers::core::WaitFor;
use testcontainers::runners::AsyncRunner;
use testcontainers::{GenericImage, ImageExt};

use super::enclosure::NO_NETWORK;
use super::labels;
use crate::host::{Installation, Sorting};

/// Prints what `ldd` says, and waits to be removed.
const SORTING: &str = include_str!("scripts/sorting.sh");

/// What it prints before what `ldd` says of postgres, and at its end.
const POSTGRES: &str = "drillyard: postgres";
const READY: &str = "drillyard: ready";

/// How long a container may take.
const PATIENCE: Duration = Duration::from_secs(10);

/// Those of each image; one of which they cannot be found out is left out. `owner` is whose the
/// containers are that say so.
pub(super) async fn sorting(images: &[Installation], owner: &str) -> Vec<Sorting> {
    let all = join_all(images.iter().map(|image| async move {
        let said = tokio::time::timeout(PATIENCE, said(&image.place, owner)).await.ok()??;
        let (itself, of_postgres) = said.split_once(POSTGRES)?;
        Sorting::read(image, itself, of_postgres)
    }));
    all.await.into_iter().flatten().collect()
}

/// What a container of an image prints. If this is given up it is found by its labels, as what a
/// run leaves.
async fn said(image: &str, owner: &str) -> Option<String> {
    let (name, tag) = image.rsplit_once(':').unwrap_or((image, "latest"));
    let run = format!("doctor-{}", std::process::id());
    let labels = [(labels::RUN, run.as_str()), (labels::DRILL, "0"), (labels::OWNER, owner)];
    let labels = labels.map(|(label, value)| (label.to_owned(), value.to_owned()));
    let request = GenericImage::new(name, tag)
        .with_entrypoint("/bin/sh")
        .with_wait_for(WaitFor::message_on_stdout(READY))
        .with_cmd(["-c", SORTING])
        .with_labels(HashMap::from(labels))
        .with_startup_timeout(PATIENCE)
        .with_host_config_modifier(|host| host.network_mode = Some(NO_NETWORK.to_owned()));
    let container = request.start().await.ok()?;
    let printed = container.stdout_to_vec().await;
    container.rm().await.ok()?;
    Some(String::from_utf8_lossy(&printed.ok()?).into_owned())
}
