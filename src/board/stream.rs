//! The views on their way to a browser, as server-sent events.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Extension, State};
use axum::response::sse::{Event, Sse};
use futures_util::Stream;
use futures_util::stream::unfold;
use tokio::sync::watch;

use super::shared::Shared;
use super::tokens::Role;

/// How long nothing is sent at most. Proxies close what is silent for longer (nginx after 60 s),
/// and pages take three of these without a word for a lost connection.
const BEAT: Duration = Duration::from_secs(5);

/// The views of a role from now on, until the board is closed.
pub(super) async fn events(
    State(shared): State<Shared>,
    Extension(role): Extension<Role>,
) -> Sse<impl Stream<Item = Result<Event, Infallible>>> {
    let mut frames = match role {
        Role::Team => shared.frames.team,
        Role::Facilitator => shared.frames.facilitator,
    };
    frames.mark_changed();
    Sse::new(unfold(frames, next))
}

/// The next event: the newest view once there is another, or a beat. A beat is an event and not a
/// comment, which pages could not see.
async fn next(mut frames: watch::Receiver<Arc<str>>) -> Option<(Result<Event, Infallible>, watch::Receiver<Arc<str>>)> {
    let event = match tokio::time::timeout(BEAT, frames.changed()).await {
        Ok(Ok(())) => Event::default().event("view").data(&*frames.borrow_and_update()),
        Ok(Err(_)) => return None,
        Err(_) => Event::default().event("beat").data(""),
    };
    Some((Ok(event), frames))
}
