//! Running drills: servers are started, steps are run in order, everything is cleaned up whatever happens.

mod branch;
mod budget;
mod change;
mod cleanup;
mod diagnosis;
mod directory;
mod disk;
mod drill;
mod gate;
mod keep;
mod parallel;
mod reaper;
mod start;
mod step;
mod watch;

pub use branch::Fork;
pub use change::{Block, Change, Trial};
pub use cleanup::{Leftovers, Which, sweep, sweep_cache};
pub use directory::{Named, RunDirectory, RunState, run_directories, staged};
pub use drill::{Drill, Env, Keep, Verdict};
pub use gate::{Answer, Gate, Stop};
pub use keep::{Kept, KeptNode};
pub use parallel::{Finished, Order, run_all};
pub use reaper::{Reaper, Task, reap};
