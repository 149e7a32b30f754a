//! Running drills: servers are started, steps are run in order, everything is cleaned up whatever
//! happens.

mod attempt;
mod blame;
mod block;
mod branch;
mod budget;
mod change;
mod cleanup;
mod condition;
mod diagnosis;
mod directory;
mod disk;
mod drill;
mod end;
mod evidence;
mod gate;
mod holdups;
mod keep;
mod lab;
mod last_pass;
mod parallel;
mod reaper;
mod repos;
mod scene;
mod shells;
mod start;
mod step;
mod tally;
mod trial;
mod users;
mod watch;
mod work;

pub use block::Block;
pub use branch::Fork;
pub use change::Change;
pub use cleanup::{Leftovers, Sweep, Which, sweep_cache};
pub use directory::{Named, RunDirectory, RunState, run_directories, staged};
pub use drill::{Drill, Verdict};
pub use gate::{Answer, Gate, Stop};
pub use keep::{Kept, KeptNode};
pub use last_pass::LastPass;
pub use parallel::{Finished, Order, run_all};
pub use reaper::{Reaper, Task, reap};
pub use trial::Trial;
pub use work::{Env, Keep};
