//! The connection to the daemon: every call has a deadline, and every error says what was tried and
//! what to do.

use std::future::Future;
use std::time::Duration;

use testcontainers::TestcontainersError;
use testcontainers::bollard::errors::Error as ApiError;
use testcontainers::bollard::{API_DEFAULT_VERSION, Docker};
use testcontainers::core::client::{ClientError, docker_client_instance};

use crate::host::{HostError, Result};

/// Where the daemon listens by default.
const DEFAULT_HOST: &str = "unix:///var/run/docker.sock";

/// How long a daemon may take to say that it is there.
const HELLO: Duration = Duration::from_secs(3);

/// How long a call that only asks may take. A busy daemon answers in milliseconds.
pub(super) const ASK: Duration = Duration::from_secs(8);

/// How long a call that makes, starts or removes something may take.
pub(super) const MAKE: Duration = Duration::from_secs(60);

/// How long clean-up goes on before what is left is reported.
pub(super) const CLEAN_UP: Duration = Duration::from_secs(60);

/// How long to wait before something is tried again.
pub(super) const AGAIN: Duration = Duration::from_millis(250);

/// A daemon that has answered once.
#[derive(Debug, Clone)]
pub(super) struct Daemon {
    pub(super) docker: Docker,
    address: String,
}

impl Daemon {
    /// Connects to the daemon at `host`, which must be what DOCKER_HOST says (testcontainers looks
    /// there too), and waits at most 3 seconds for it to answer.
    pub(super) async fn connect(host: Option<&str>) -> Result<Self> {
        let address = host.unwrap_or(DEFAULT_HOST).to_owned();
        let absent = |why: String| {
            HostError::new(format!("no Docker daemon answers at {address}: {why}")).help(absent_help(&why))
        };
        let seconds = ASK.as_secs();
        let docker = match address.split_once("://") {
            // With certificates (DOCKER_TLS_VERIFY) testcontainers knows the way.
            _ if host.is_none() => docker_client_instance().await.map_err(|error| absent(root_cause(&error)))?,
            Some(("unix", _)) => Docker::connect_with_unix(&address, seconds, API_DEFAULT_VERSION)
                .map_err(|error| absent(root_cause(&error)))?,
            Some(("tcp" | "http" | "https", _)) => {
                docker_client_instance().await.map_err(|error| absent(root_cause(&error)))?
            }
            _ => {
                return Err(HostError::new(format!("DOCKER_HOST is `{address}`, which drillyard can't use"))
                    .help("give it as unix:///path/to/docker.sock or tcp://host:port"));
            }
        };
        match tokio::time::timeout(HELLO, docker.ping()).await {
            Ok(Ok(_)) => Ok(Daemon { docker, address }),
            Ok(Err(error)) => Err(absent(root_cause(&error))),
            Err(_) => Err(absent(format!("nothing within {} seconds", HELLO.as_secs()))),
        }
    }

    /// The same, tried again for so long: a daemon that is restarted is away for seconds.
    pub(super) async fn connect_within(host: Option<&str>, patience: Duration) -> Result<Self> {
        let end = tokio::time::Instant::now() + patience;
        loop {
            match Self::connect(host).await {
                Err(_) if tokio::time::Instant::now() < end => tokio::time::sleep(AGAIN).await,
                ended => return ended,
            }
        }
    }

    /// Where it listens.
    pub(super) fn address(&self) -> &str {
        &self.address
    }

    /// Awaits one of the daemon's answers; `doing` is what an error says was tried: `starting the
    /// container X`.
    pub(super) async fn call<T>(
        &self,
        doing: &str,
        within: Duration,
        answer: impl Future<Output = std::result::Result<T, ApiError>>,
    ) -> Result<T> {
        match tokio::time::timeout(within, answer).await {
            Ok(Ok(value)) => Ok(value),
            Ok(Err(error)) => Err(self.explain(doing, &error)),
            Err(_) => Err(self.silent(doing, within)),
        }
    }

    /// An error of the daemon, with what was being done.
    pub(super) fn explain(&self, doing: &str, error: &ApiError) -> HostError {
        match error {
            ApiError::DockerResponseServerError { message, .. } => said(doing, message),
            ApiError::DockerStreamError { error } => said(doing, error),
            ApiError::RequestTimeoutError => self.silent(doing, ASK),
            other => HostError::new(format!(
                "{doing}: the Docker daemon at {} does not answer any more: {}",
                self.address,
                root_cause(other)
            ))
            .help("is it still running? `docker info` shows it"),
        }
    }

    /// The same for what testcontainers says.
    pub(super) fn explain_container(&self, doing: &str, error: &TestcontainersError) -> HostError {
        match error {
            TestcontainersError::Client(
                ClientError::Init(api)
                | ClientError::CreateContainer(api)
                | ClientError::StartContainer(api)
                | ClientError::InspectContainer(api)
                | ClientError::RemoveContainer(api)
                | ClientError::PullImage { err: api, .. },
            ) => self.explain(doing, api),
            other => said(doing, &root_cause(other)),
        }
    }

    fn silent(&self, doing: &str, within: Duration) -> HostError {
        HostError::new(format!(
            "{doing}: the Docker daemon at {} has not answered for {} seconds",
            self.address,
            within.as_secs()
        ))
        .help("is it still running? `docker info` shows it")
    }
}

/// Whether the daemon says that the thing is not there.
pub(super) fn is_missing(error: &ApiError) -> bool {
    matches!(error, ApiError::DockerResponseServerError { status_code: 404, .. })
}

/// The daemon's own message, and what to do about it if it is a frequent one.
fn said(doing: &str, message: &str) -> HostError {
    let message = message.trim();
    let error = HostError::new(format!("{doing}: {message}"));
    let help = if message.contains("non-overlapping IPv4 address pool") || message.contains("fully subnetted") {
        "each drill takes two networks: run fewer drills at once (-j), remove what was left behind (drillyard clean, docker \
         network prune), or give the daemon smaller ones (default-address-pools in /etc/docker/daemon.json)"
    } else if message.contains("no space left on device") || message.contains("disk quota exceeded") {
        "free some: drillyard clean, docker system df, docker system prune"
    } else if message.contains("port is already allocated") || message.contains("all ports are allocated") {
        "no free port on this machine: run fewer drills at once (-j), or remove what was left behind (drillyard clean)"
    } else if message.contains("No such image") || message.contains("no such image") {
        "ci/image VERSION makes one, --image NAME:{version} names one, --backend local needs none"
    } else {
        return error;
    };
    error.help(help)
}

/// The last of an error's causes: `Permission denied (os error 13)` where the first says `client
/// error (Connect)`.
fn root_cause(error: &dyn std::error::Error) -> String {
    let mut cause = error;
    while let Some(next) = cause.source() {
        cause = next;
    }
    cause.to_string()
}

fn absent_help(why: &str) -> &'static str {
    if why.contains("ermission denied") {
        "this user may not use it: add it to the group docker, or use --backend local"
    } else {
        "start it, say where it is in DOCKER_HOST, or use --backend local, which needs none"
    }
}
