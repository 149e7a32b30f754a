//! The families of samples that there are.

/// Every family, and its help. All are gauges: a counter would need a memory that nobody has here.
pub(super) const FAMILIES: &[(&str, &str)] = &[
    ("drillyard_last_pass_timestamp_seconds", "When the drill passed last, 0 if that is not known."),
    ("drillyard_last_run_timestamp_seconds", "When the drill ended last, whatever came out."),
    ("drillyard_outcome", "1 for how the drill came out: passed, failed, errored (it could not be judged) or skipped."),
    ("drillyard_duration_seconds", "How long the drill took."),
    ("drillyard_rto_seconds", "The recovery time that was measured."),
    ("drillyard_rto_limit_seconds", "The recovery time that the drill allows."),
    ("drillyard_rpo_seconds", "The work that was lost, as a time."),
    ("drillyard_rpo_limit_seconds", "The work that may be lost, as a time."),
    ("drillyard_rpo_transactions", "The acknowledged transactions that were lost."),
    ("drillyard_rpo_limit_transactions", "The acknowledged transactions that may be lost."),
    ("drillyard_transactions", "Transactions of the users, by what became of them."),
    ("drillyard_part_seconds", "How long each part of the recovery took."),
    ("drillyard_part_bytes", "How many bytes each part of the recovery moved, and the size of the backup."),
    ("drillyard_proof_last_pass_timestamp_seconds", "When the drill was proved last, 0 if that is not known."),
    ("drillyard_proof_last_run_timestamp_seconds", "When a proof of the drill ended last."),
    ("drillyard_proof_outcome", "1 for how the proof came out: passed, failed, errored or skipped."),
    ("drillyard_proof_duration_seconds", "How long the proof took."),
    ("drillyard_proof_breaks", "How many ways of breaking the drill came out how."),
    ("drillyard_run_timestamp_seconds", "When the last run ended."),
    ("drillyard_run_duration_seconds", "How long it took."),
    ("drillyard_run_exit_code", "What it ended with."),
    ("drillyard_run_drills", "How many of its drills came out how, or did not begin."),
];
