//! What a page asks of the firedrill.

use std::time::Duration;

use axum::body::Bytes;
use axum::extract::rejection::BytesRejection;
use axum::extract::{Extension, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use crate::firedrill::Ask;

use super::shared::Shared;
use super::tokens::Role;

/// The longest body, in bytes: a text of the longest kind, with every character escaped.
pub(super) const BODY: usize = 16 * 1024;

/// The longest note, in characters.
const TEXT: usize = 1000;

/// How long a page waits for an answer.
const PATIENCE: Duration = Duration::from_secs(60);

/// An [`Ask`] as a page writes it.
#[derive(Deserialize)]
#[serde(tag = "ask", rename_all = "snake_case", deny_unknown_fields)]
enum Asked {
    Note { text: String },
    Seen,
    Hint { number: usize },
    Done,
    GiveUp,
    Judge,
    Pause,
    Resume,
    Inject { number: usize },
    Say { text: String },
    End,
}

/// Passes on what is asked, and answers with what came of it: `{"ok": true, "text": "..."}`.
pub(super) async fn ask(
    State(shared): State<Shared>,
    Extension(role): Extension<Role>,
    headers: HeaderMap,
    body: Result<Bytes, BytesRejection>,
) -> Response {
    let body = match body {
        Ok(body) => body,
        Err(error) => return answer(error.status(), &format!("this was not taken: {error}")),
    };
    // What no form of another site can send without being asked first (CORS, preflight).
    if headers.get(header::CONTENT_TYPE).is_none_or(|kind| kind != "application/json") {
        return answer(StatusCode::UNSUPPORTED_MEDIA_TYPE, "expected Content-Type: application/json");
    }
    let ask = match serde_json::from_slice(&body).map_err(|error| error.to_string()).and_then(understood) {
        Ok(ask) => ask,
        Err(error) => return answer(StatusCode::UNPROCESSABLE_ENTITY, &error),
    };
    if ask.is_facilitators() && role != Role::Facilitator {
        return answer(StatusCode::FORBIDDEN, "only the facilitator can do this");
    }
    match tokio::time::timeout(PATIENCE, shared.desk.ask(ask)).await {
        Ok(reply) if reply.ok => answer(StatusCode::OK, &reply.text),
        Ok(reply) => answer(StatusCode::CONFLICT, &reply.text),
        Err(_) => {
            let text = format!("no answer in {} s: see whether it was done before you try again", PATIENCE.as_secs());
            answer(StatusCode::GATEWAY_TIMEOUT, &text)
        }
    }
}

fn understood(asked: Asked) -> Result<Ask, String> {
    Ok(match asked {
        Asked::Note { text } => Ask::Note(line(&text)?),
        Asked::Say { text } => Ask::Say(line(&text)?),
        Asked::Hint { number } => Ask::Hint(number),
        Asked::Inject { number } => Ask::Inject(number),
        Asked::Seen => Ask::Seen,
        Asked::Done => Ask::Done,
        Asked::GiveUp => Ask::GiveUp,
        Asked::Judge => Ask::Judge,
        Asked::Pause => Ask::Pause,
        Asked::Resume => Ask::Resume,
        Asked::End => Ask::End,
    })
}

/// A text as one line, without what a terminal would take for a command.
fn line(text: &str) -> Result<String, String> {
    let blank = |c: char| if c.is_control() { ' ' } else { c };
    let line = text.chars().map(blank).collect::<String>().split_whitespace().collect::<Vec<_>>().join(" ");
    match line.chars().count() {
        0 => Err("there is nothing in it: write something first".to_owned()),
        count if count > TEXT => Err(format!("it is too long: {count} characters, and {TEXT} fit")),
        _ => Ok(line),
    }
}

pub(super) fn answer(status: StatusCode, text: &str) -> Response {
    let body = json!({ "ok": status == StatusCode::OK, "text": text }).to_string();
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_note_is_one_line_that_no_terminal_takes_for_a_command() {
        assert_eq!(line("  dump\tof \u{1b}[2Jorders\r\n taken "), Ok("dump of [2Jorders taken".to_owned()));
        assert!(line(" \n\u{7} ").is_err());
        assert_eq!(line(&"é".repeat(TEXT)), Ok("é".repeat(TEXT)));
        assert!(line(&"é".repeat(TEXT + 1)).is_err_and(|error| error.contains("1001 characters")));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        let read = |body: &str| serde_json::from_str(body).map_err(|error| error.to_string()).and_then(understood);
        assert_eq!(read(r#"{"ask":"hint","number":2}"#), Ok(Ask::Hint(2)));
        assert_eq!(read(r#"{"ask":"give_up"}"#), Ok(Ask::GiveUp));
        for body in ["", "{}", r#"{"ask":"drop"}"#, r#"{"ask":"hint"}"#, r#"{"ask":"hint","number":-1}"#] {
            assert!(read(body).is_err(), "{body}");
        }
    }
}
