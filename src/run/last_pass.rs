//! The newest runs of a drill that passed, for the budget that goes by them.

/// The newest runs of a drill that passed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum LastPass {
    /// No budget goes by them.
    #[default]
    NotAsked,
    /// There are none.
    None,
    /// The history could not be asked, and why.
    Unknown(String),
    /// What they took.
    Rto {
        /// The median of what their budgets `rto` measured, in milliseconds.
        median_ms: u64,
        /// How many they are.
        of: usize,
    },
}

impl LastPass {
    /// Those that took so long, in milliseconds.
    pub fn of(mut rtos_ms: Vec<u64>) -> Self {
        rtos_ms.sort_unstable();
        let of = rtos_ms.len();
        rtos_ms.get(of / 2).map_or(LastPass::None, |median_ms| LastPass::Rto { median_ms: *median_ms, of })
    }
}
