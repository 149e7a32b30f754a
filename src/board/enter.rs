//! The link that a role's people open: it brings the token, which the browser keeps from then on.

use axum::extract::{Extension, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::shared::Shared;
use super::tokens::Role;

/// Leaves the token in a cookie, and goes on to the page, whose address has no token in it: that
/// one may be shown on a wall.
///
/// The cookie's path is the folder of this address, whatever a proxy has put before it. `Lax`: with
/// `Strict` a link in a chat would lead to a page that is asked for without it. A POST needs more.
pub(super) async fn enter(State(shared): State<Shared>, Extension(role): Extension<Role>) -> Response {
    let cookie = format!("{}={}; HttpOnly; SameSite=Lax", shared.tokens.cookie(role), shared.tokens.of(role));
    (StatusCode::SEE_OTHER, [(header::SET_COOKIE, cookie.as_str()), (header::LOCATION, "./")]).into_response()
}
