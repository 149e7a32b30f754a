//! Who is let in: by the name that the board is asked for, by the token, and by the page that asks.

use axum::extract::{Request, State};
use axum::http::{HeaderMap, HeaderName, HeaderValue, Method, StatusCode, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};

use super::pages;
use super::shared::Shared;
use super::tokens::{Role, Tokens};

/// What browsers are told about everything: nothing from elsewhere, nothing kept, nothing told on.
const HEADERS: [(HeaderName, &str); 6] = [
    (
        header::CONTENT_SECURITY_POLICY,
        "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; \
         base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
    ),
    (header::CACHE_CONTROL, "no-store"),
    (header::REFERRER_POLICY, "no-referrer"),
    (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
    (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    // For nginx, which would keep events back until it has a few thousand bytes of them.
    (HeaderName::from_static("x-accel-buffering"), "no"),
];

/// Stands before everything that the board answers.
pub(super) async fn guard(State(shared): State<Shared>, mut request: Request, next: Next) -> Response {
    let mut response = match refusal(&shared, &mut request) {
        Some(response) => response,
        None => next.run(request).await,
    };
    for (name, value) in HEADERS {
        response.headers_mut().insert(name, HeaderValue::from_static(value));
    }
    response
}

/// Why a request is not answered. One that is has its role with it from then on.
fn refusal(shared: &Shared, request: &mut Request) -> Option<Response> {
    let headers = request.headers();
    let host = text(headers, &header::HOST).unwrap_or_default();
    if !shared.listen.is_known_as(host) {
        let text =
            "The board is not known by this name. Ask for it by its address, or start it with --board NAME:PORT.";
        return Some((StatusCode::MISDIRECTED_REQUEST, text).into_response());
    }
    if request.method() != Method::GET && request.method() != Method::HEAD && !comes_from_here(headers, host) {
        return Some((StatusCode::FORBIDDEN, "Only the board's own pages may ask for this.").into_response());
    }
    let role = Role::of_path(request.uri().path())?;
    // The link itself, which brings the token.
    let arrives = request.uri().path().split('/').nth(2).is_some_and(|given| shared.tokens.open(role, given));
    if !arrives && !has_cookie(headers, &shared.tokens, role) {
        return Some(pages::denied());
    }
    request.extensions_mut().insert(role);
    None
}

fn text<'h>(headers: &'h HeaderMap, name: &HeaderName) -> Option<&'h str> {
    headers.get(name)?.to_str().ok()
}

fn has_cookie(headers: &HeaderMap, tokens: &Tokens, role: Role) -> bool {
    let name = tokens.cookie(role);
    let cookies = headers.get_all(header::COOKIE).iter().filter_map(|value| value.to_str().ok());
    let mut pairs = cookies.flat_map(|value| value.split("; ")).filter_map(|pair| pair.split_once('='));
    pairs.any(|(other, value)| other == name && tokens.open(role, value))
}

/// Whether a page of the board asks, or a program that is no browser.
///
/// `Sec-Fetch-Site` comes from the browser itself, behind a proxy too, but only with TLS or on this
/// machine; `Origin` comes with every POST.
fn comes_from_here(headers: &HeaderMap, host: &str) -> bool {
    if let Some(site) = headers.get("sec-fetch-site") {
        return site == "same-origin";
    }
    let Some(origin) = headers.get(header::ORIGIN) else { return true };
    let origin = origin.to_str().unwrap_or_default();
    let origin_host = origin.strip_prefix("http://").or_else(|| origin.strip_prefix("https://"));
    origin_host.is_some_and(|origin| origin.eq_ignore_ascii_case(host))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_here(pairs: &[(&'static str, &'static str)]) -> bool {
        let mut headers = HeaderMap::new();
        for (name, value) in pairs {
            headers.insert(*name, HeaderValue::from_static(value));
        }
        comes_from_here(&headers, "127.0.0.1:4711")
    }

    #[test]
    fn only_the_boards_own_pages_may_ask() {
        assert!(from_here(&[("sec-fetch-site", "same-origin"), ("origin", "https://drills.example.com")]));
        assert!(from_here(&[("origin", "http://127.0.0.1:4711")]));
        assert!(from_here(&[]));
        for site in ["cross-site", "same-site", "none", ""] {
            assert!(!from_here(&[("sec-fetch-site", site), ("origin", "http://127.0.0.1:4711")]), "{site}");
        }
        for origin in ["http://127.0.0.1:4712", "http://evil.example", "null", "", "127.0.0.1:4711"] {
            assert!(!from_here(&[("origin", origin)]), "{origin}");
        }
    }
}
