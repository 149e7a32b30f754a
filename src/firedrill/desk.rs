//! Where a firedrill is asked for something, and watched: by the board, and by people's terminals.

use serde::{Deserialize, Serialize};
use tokio::sync::{mpsc, oneshot, watch};

use super::view::FacilitatorView;

/// What somebody asks of a firedrill at work.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ask {
    /// The team writes down something.
    Note(String),
    /// The team has noticed that something is wrong.
    Seen,
    /// Somebody of the team runs a command on a node's host.
    Ran {
        /// The node.
        node: String,
        /// The command.
        text: String,
    },
    /// The team wants a place for another server, which it calls so.
    Scratch(String),
    /// The team buys a hint, by its number from 1; 0 is the next one.
    Hint(usize),
    /// The team thinks that it is done.
    Done,
    /// The team gives up.
    GiveUp,
    /// Somebody wants to know how many assertions hold.
    Judge,
    /// The facilitator stops the clock.
    Pause,
    /// The facilitator lets the clock go on.
    Resume,
    /// The facilitator puts something in, by its number from 1.
    Inject(usize),
    /// The facilitator tells the team something.
    Say(String),
    /// The facilitator ends the firedrill: it is judged as it stands.
    End,
}

impl Ask {
    /// Whether the facilitator alone may ask for it.
    pub fn is_facilitators(&self) -> bool {
        matches!(self, Ask::Pause | Ask::Resume | Ask::Inject(_) | Ask::Say(_) | Ask::End)
    }
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Reply {
    /// Whether it was done.
    pub ok: bool,
    /// What to tell whoever asked.
    pub text: String,
}

/// Something asked, and where the answer goes.
pub type Asked = (Ask, oneshot::Sender<Reply>);

/// The way to a firedrill at work. Cheap to clone.
#[derive(Debug, Clone)]
pub struct Desk {
    views: watch::Receiver<FacilitatorView>,
    asks: mpsc::Sender<Asked>,
}

/// The firedrill's own end.
pub struct DeskEnd {
    /// What is to be seen.
    pub views: watch::Sender<FacilitatorView>,
    /// What is asked.
    pub asks: mpsc::Receiver<Asked>,
}

impl Desk {
    /// Both ends.
    pub fn new() -> (Desk, DeskEnd) {
        /// More than a room full of people says in a moment.
        const WAITING: usize = 64;
        let (views_end, views) = watch::channel(FacilitatorView::default());
        let (asks, asks_end) = mpsc::channel(WAITING);
        (Desk { views, asks }, DeskEnd { views: views_end, asks: asks_end })
    }

    /// What is to be seen now, and a way to wait for the next change.
    pub fn views(&self) -> watch::Receiver<FacilitatorView> {
        self.views.clone()
    }

    /// Asks for something. A firedrill that has ended says so.
    pub async fn ask(&self, ask: Ask) -> Reply {
        let (tell, told) = oneshot::channel();
        let over = || Reply { ok: false, text: self.views.borrow().team.over() };
        if self.asks.send((ask, tell)).await.is_err() {
            return over();
        }
        told.await.unwrap_or_else(|_| over())
    }
}
