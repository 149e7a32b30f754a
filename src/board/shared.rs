//! What every request is answered from.

use std::sync::Arc;

use crate::firedrill::Desk;

use super::frames::Frames;
use super::listen::Listen;
use super::tokens::Tokens;

/// What every request is answered from. Cheap to clone.
#[derive(Debug, Clone)]
pub(super) struct Shared {
    /// The way to the firedrill.
    pub(super) desk: Desk,
    /// What is to be seen of it.
    pub(super) frames: Frames,
    /// By which names the board is known.
    pub(super) listen: Arc<Listen>,
    /// What opens it.
    pub(super) tokens: Arc<Tokens>,
}
