//! The server of a board.

use std::net::SocketAddr;
use std::time::Duration;

use axum::Router;
use axum::extract::DefaultBodyLimit;
use axum::middleware;
use axum::routing::{get, post};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;
use tokio_util::sync::CancellationToken;

use crate::firedrill::Desk;

use super::frames;
use super::listen::Listen;
use super::shared::Shared;
use super::tokens::{Role, Tokens};
use super::{ask, enter, gate, pages, stream};

/// How long `stop` waits until browsers have the last view.
const GOODBYE: Duration = Duration::from_secs(2);

/// Why there is no board.
#[derive(Debug, thiserror::Error)]
#[error(
    "the board cannot listen on {listen}: {error}; choose another address with --board, or do without: --board off"
)]
pub struct BoardError {
    listen: Listen,
    error: std::io::Error,
}

/// A board that is served. Dropped, it closes at once.
#[derive(Debug)]
pub struct Board {
    /// Where it listens, with the port that it has.
    pub addr: SocketAddr,
    listen: Listen,
    tokens: Tokens,
    closing: CancellationToken,
    server: JoinHandle<()>,
}

/// Serves a firedrill's board until it is stopped.
///
/// # Errors
///
/// If the address is somebody else's, or taken.
pub async fn serve(desk: Desk, listen: impl Into<Listen>, tokens: Tokens) -> Result<Board, BoardError> {
    let listen = listen.into();
    let failed = |error| BoardError { listen: listen.clone(), error };
    let listener = TcpListener::bind(listen.addr).await.map_err(failed)?;
    let addr = listener.local_addr().map_err(failed)?;
    let closing = CancellationToken::new();
    let frames = frames::follow(&desk, closing.clone());
    let shared = Shared { desk, frames, listen: listen.clone().into(), tokens: tokens.clone().into() };
    let server = axum::serve(listener, router(shared)).with_graceful_shutdown(closing.clone().cancelled_owned());
    let server = tokio::spawn(async move {
        // It has no errors of its own: a connection that fails is that browser's.
        let _ = server.await;
    });
    Ok(Board { addr, listen, tokens, closing, server })
}

fn router(shared: Shared) -> Router {
    let mut router = Router::new().route("/assets/{name}", get(pages::asset)).fallback(pages::nothing_here);
    for role in [Role::Team, Role::Facilitator] {
        let folder = role.folder();
        router = router
            .route(&format!("/{folder}/"), get(pages::page))
            .route(&format!("/{folder}/events"), get(stream::events))
            .route(&format!("/{folder}/ask"), post(ask::ask))
            .route(&format!("/{folder}/{{token}}"), get(enter::enter));
    }
    router
        .layer(DefaultBodyLimit::max(ask::BODY))
        .layer(middleware::from_fn_with_state(shared.clone(), gate::guard))
        .with_state(shared)
}

impl Board {
    /// The team's link.
    pub fn team_url(&self) -> String {
        self.url(Role::Team)
    }

    /// The facilitator's link, which shows what happened.
    pub fn facilitator_url(&self) -> String {
        self.url(Role::Facilitator)
    }

    fn url(&self, role: Role) -> String {
        format!("http://{}/{}/{}", self.listen.reached_at(self.addr.port()), role.folder(), self.tokens.of(role))
    }

    /// Sends everybody the last view, and closes. Pages that are open stay as they are.
    pub async fn stop(mut self) {
        self.closing.cancel();
        // A browser that does not read is not waited for.
        if tokio::time::timeout(GOODBYE, &mut self.server).await.is_err() {
            self.server.abort();
        }
    }
}

impl Drop for Board {
    fn drop(&mut self) {
        self.closing.cancel();
        self.server.abort();
    }
}
