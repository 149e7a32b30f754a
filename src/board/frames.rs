//! What the pages are sent: a view as JSON, made once for all who look.

use std::sync::Arc;
use std::time::Duration;

use serde_json::json;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::firedrill::{Desk, FacilitatorView, TeamView};
use crate::pg::condition::{condition, sqlstate};

/// The least time between two views: four a second are as live as people see.
const PAUSE: Duration = Duration::from_millis(250);

/// The newest view of each role. Whoever reads slowly misses some, and never the newest.
#[derive(Debug, Clone)]
pub(super) struct Frames {
    pub(super) team: watch::Receiver<Arc<str>>,
    pub(super) facilitator: watch::Receiver<Arc<str>>,
}

/// Follows the views of a firedrill until the board is closed; the last one is published then.
pub(super) fn follow(desk: &Desk, closing: CancellationToken) -> Frames {
    let mut views = desk.views();
    let first = views.borrow_and_update().clone();
    let (team, team_end) = watch::channel(team_frame(&first.team));
    let (facilitator, facilitator_end) = watch::channel(facilitator_frame(first));
    tokio::spawn(async move {
        loop {
            let open = tokio::select! {
                () = closing.cancelled() => false,
                changed = views.changed() => match changed {
                    Ok(()) => true,
                    // The firedrill is gone; its last view stays for those who come later.
                    Err(_) => {
                        closing.cancelled().await;
                        false
                    }
                },
            };
            let view = views.borrow_and_update().clone();
            publish(&team, team_frame(&view.team));
            publish(&facilitator, facilitator_frame(view));
            if !open {
                return;
            }
            tokio::select! {
                () = closing.cancelled() => {}
                () = tokio::time::sleep(PAUSE) => {}
            }
        }
    });
    Frames { team: team_end, facilitator: facilitator_end }
}

/// What has not changed is not sent again: that something happens which the team does not see
/// shows by nothing.
fn publish(to: &watch::Sender<Arc<str>>, frame: Arc<str>) {
    to.send_if_modified(|old| {
        let new = *old != frame;
        *old = frame;
        new
    });
}

fn team_frame(view: &TeamView) -> Arc<str> {
    json!(named(view.clone())).to_string().into()
}

fn facilitator_frame(view: FacilitatorView) -> Arc<str> {
    json!(FacilitatorView { team: named(view.team), ..view }).to_string().into()
}

/// With each error's code and its name.
fn named(mut view: TeamView) -> TeamView {
    for (error, _) in view.users.iter_mut().flat_map(|users| &mut users.errors) {
        if let Some(name) = condition(error) {
            *error = format!("{error} {name}");
        } else if let Some(code) = sqlstate(error) {
            *error = format!("{code} {error}");
        }
    }
    view
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::firedrill::UsersView;

    #[test]
    fn errors_have_their_code_and_their_name() {
        let errors = ["42P01", "undefined_table", "XX999", "connection lost"].map(|error| (error.to_owned(), 1)).into();
        let view = TeamView { users: vec![UsersView { errors, ..UsersView::default() }], ..TeamView::default() };
        let frame = team_frame(&view);
        let expected = r#"[["42P01 undefined_table",1],["42P01 undefined_table",1],["XX999",1],["connection lost",1]]"#;
        assert!(frame.contains(expected), "{frame}");
    }

    #[tokio::test]
    async fn a_flood_of_changes_is_a_few_frames_and_the_last_is_the_newest() {
        let (desk, end) = Desk::new();
        let closing = CancellationToken::new();
        let mut frames = follow(&desk, closing.clone());
        let mut seen = 0;
        for number in 1..=5000 {
            end.views.send_modify(|view| view.team.clock_ms = Some(number));
            tokio::task::yield_now().await;
            seen += usize::from(frames.team.has_changed().expect("open"));
            frames.team.borrow_and_update();
        }
        closing.cancel();
        while frames.team.changed().await.is_ok() {
            seen += 1;
        }
        assert!(frames.team.borrow().contains("\"clock_ms\":5000"), "{:?}", frames.team.borrow());
        assert!((1..500).contains(&seen), "{seen} frames for 5000 changes");
    }

    #[tokio::test]
    async fn the_team_is_sent_nothing_when_nothing_of_its_own_has_changed() {
        let (desk, end) = Desk::new();
        let closing = CancellationToken::new();
        let mut frames = follow(&desk, closing.clone());
        end.views.send_modify(|view| view.drill = "dropped-table".to_owned());
        frames.facilitator.changed().await.expect("a frame");
        assert!(frames.facilitator.borrow().contains("dropped-table"));
        assert!(!frames.team.has_changed().expect("open"));
        assert!(!frames.team.borrow().contains("dropped-table"));
        closing.cancel();
    }
}
