//! Drills that people play: the drill makes the servers and the incident, people recover, and the
//! drill's own assertions say when they are done.

mod accidents;
mod brief;
mod control;
mod course;
mod desk;
mod door;
mod floor;
mod handout;
mod hosts;
mod judging;
mod kept;
mod play;
mod score;
mod state;
mod statements;
mod users_now;
mod verdict;
mod view;
mod watch;
mod wrong_server;

pub use crate::journal::{ScorePart, Speaker};
pub use control::{Leave, ask, ask_to_leave, follow, is_held, listen};
pub use desk::{Ask, Asked, Desk, DeskEnd, Reply};
pub use hosts::hosts;
pub use kept::stay;
pub use play::{Announce, Announcement, Firedrill, Offer, Options, Voice};
pub use view::{
    CheckState, CheckView, FacilitatorView, HintView, IncidentView, InjectView, MarkView, Phase, PlaceView, RanView,
    SaidView, ServerView, Standing, TeamView, TrapView, UsersView, VerdictView,
};
