//! Trying what a drill would notice, while it runs.

use async_trait::async_trait;

use super::block::Block;
use super::branch::Fork;
use crate::journal::Problem;

/// Somebody who does something to the servers before they are judged.
#[async_trait(?Send)]
pub trait Trial: Send + Sync + std::fmt::Debug {
    /// Called before each block of judgements, which may be tried as often as one likes.
    ///
    /// # Errors
    /// Where the servers are not any more as they were: the drill cannot be judged then.
    async fn before(&self, block: &Block<'_>) -> Result<(), Problem>;

    /// Called before each other step, from which branches can be followed.
    ///
    /// # Errors
    /// Where a branch could not be removed: the drill cannot be judged then.
    async fn at(&self, fork: &Fork<'_>) -> Result<(), Problem>;

    /// Whether branches will be followed: they need hosts.
    fn branches(&self) -> bool;
}
