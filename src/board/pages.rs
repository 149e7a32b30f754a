//! The pages, and what they are made of.

use axum::extract::{Extension, Path, State};
use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};

use super::shared::Shared;
use super::tokens::Role;

/// What every page has, with places for what differs.
const PAGE: &str = include_str!("web/page.html");
const TEAM: &str = include_str!("web/team.html");
const FACILITATOR: &str = include_str!("web/facilitator.html");
const DENIED: &str = include_str!("web/denied.html");

const HTML: &str = "text/html; charset=utf-8";
const CSS: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// What pages load, by its name: nothing in it is secret.
const ASSETS: &[(&str, &str, &str)] = &[
    ("style.css", CSS, include_str!("web/style.css")),
    ("icon.svg", "image/svg+xml", include_str!("web/icon.svg")),
    ("team.js", SCRIPT, include_str!("web/team.js")),
    ("facilitator.js", SCRIPT, include_str!("web/facilitator.js")),
    ("ask.js", SCRIPT, include_str!("web/ask.js")),
    ("clock.js", SCRIPT, include_str!("web/clock.js")),
    ("copy.js", SCRIPT, include_str!("web/copy.js")),
    ("dom.js", SCRIPT, include_str!("web/dom.js")),
    ("live.js", SCRIPT, include_str!("web/live.js")),
    ("markdown.js", SCRIPT, include_str!("web/markdown.js")),
    ("shared.js", SCRIPT, include_str!("web/shared.js")),
    ("users.js", SCRIPT, include_str!("web/users.js")),
];

/// A role's page. The facilitator's knows the team's link, to hand it out.
pub(super) async fn page(State(shared): State<Shared>, Extension(role): Extension<Role>) -> Response {
    ([(header::CONTENT_TYPE, HTML)], made(role, shared.tokens.of(Role::Team))).into_response()
}

/// The page of a role; `team` is the team's token.
fn made(role: Role, team: &str) -> String {
    let (name, title, whose, team, main) = match role {
        Role::Team => ("team", "Firedrill", "", "", TEAM),
        Role::Facilitator => {
            ("facilitator", "Firedrill, facilitator", "for the facilitator alone · ", team, FACILITATOR)
        }
    };
    let terminal = match role {
        Role::Team => "In a terminal <code>drillyard firedrill --resume RUN</code> shows what is on it.",
        Role::Facilitator => {
            "Type <code>status</code> where <code>drillyard firedrill</code> runs to see what is on it."
        }
    };
    let places =
        [("title", title), ("role", name), ("whose", whose), ("team", team), ("main", main), ("terminal", terminal)];
    places.iter().fold(PAGE.to_owned(), |page, (place, text)| page.replace(&format!("{{{{{place}}}}}"), text))
}

/// Something that a page loads.
pub(super) async fn asset(Path(name): Path<String>) -> Response {
    match ASSETS.iter().find(|(known, ..)| *known == name) {
        Some((_, kind, text)) => ([(header::CONTENT_TYPE, *kind)], *text).into_response(),
        None => StatusCode::NOT_FOUND.into_response(),
    }
}

/// For whoever has no token, or another one.
pub(super) fn denied() -> Response {
    (StatusCode::FORBIDDEN, [(header::CONTENT_TYPE, HTML)], DENIED).into_response()
}

/// For every other address.
pub(super) async fn nothing_here() -> Response {
    (StatusCode::NOT_FOUND, "There is nothing here. Open the link that `drillyard firedrill` has printed.\n")
        .into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pages_load_only_what_is_in_the_program() {
        let pages = [Role::Team, Role::Facilitator].map(|role| made(role, "a-token"));
        assert!(!pages[0].contains("a-token") && pages[1].contains("data-team=\"a-token\""));
        for text in ASSETS.iter().map(|(.., text)| *text).chain(pages.iter().map(String::as_str)).chain([DENIED]) {
            assert!(!text.contains("{{"), "a place that is not filled: {text}");
            for sign in ["src=\"", "href=\"", "from \""] {
                for rest in text.split(sign).skip(1) {
                    let target = rest.split('"').next().unwrap_or_default();
                    let name = target.rsplit('/').next().unwrap_or_default();
                    let known = ASSETS.iter().any(|(known, ..)| *known == name);
                    assert!(known && !target.contains(':') && !target.starts_with('/'), "{target}");
                }
            }
            for sign in
                ["innerHTML", "outerHTML", "insertAdjacentHTML", "document.write", "eval(", "style=\"", "@import"]
            {
                assert!(!text.contains(sign), "{sign}");
            }
        }
    }
}
