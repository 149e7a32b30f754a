//! What the page says to readers who know neither drillyard nor PostgreSQL.

pub(super) const INTRODUCTION: &str = "A backup is worth what can be recovered from it. A recovery drill recovers a database \
    as it would be done in an emergency, measures how long that takes and how much work is lost, and checks what came \
    back. This page says what the drills of this time have shown, and what they did not look at. It is made from \
    statements that drillyard, the program that runs the drills, signed at the end of each run. What the words mean stands \
    at the end of the page.";

pub(super) const TO_VERIFY: &str = "Each run, whether it passed or not, is a signed statement in one of these files, and each \
    statement names the one before it, so that none can be changed, taken out or put in between without being found. \
    The newest ones could be cut off, and only someone who knows that they existed can notice. Compare the number and the digest of the newest statement with what was \
    written down earlier. docs/verify-evidence.sh of drillyard verifies a file with OpenSSL and nothing of drillyard.";

pub(super) const WORDS: &[(&str, &str)] = &[
    (
        "Recovery drill",
        "A rehearsal of getting a database back after a mistake or an outage, on servers of its own. Production is at most read from.",
    ),
    ("Passed", "All that the drill checks was checked, and held."),
    (
        "Failed",
        "Something that should hold did not, or an objective was not met: in an emergency recovery would not do what is expected of it.",
    ),
    (
        "Could not be judged",
        "The drill came to no answer: a machine was missing, a disk was full, the run was interrupted. That is no pass.",
    ),
    ("Objective", "What recovery must achieve. The limits are written in the drill."),
    ("Recovery time (RTO)", "How long it takes from the incident until the database is back."),
    (
        "Loss (RPO)",
        "Work that had been confirmed to users and is gone after recovery: as a number of transactions, or as the time in which it was done.",
    ),
    (
        "Transaction",
        "One piece of work on a database, such as an order: done wholly or not at all. It is confirmed when the server has said so.",
    ),
    (
        "Backup",
        "A copy of the database's files. With the log of changes since then (WAL) a later state can be recovered, too.",
    ),
    ("Passed over", "Other backups that were there and not used, and why."),
    ("Target", "The point up to which the changes are to be recovered, such as the moment before a mistake."),
    ("LSN", "A position in the log of changes."),
    ("Never tested", "What no run in this time looked at. Nothing is known of it, good or bad."),
    ("Objectives in the table", "Worst and newest are what was measured in this time, allowed is the limit."),
    (
        "Would it notice?",
        "A drill that passes whatever happens is worth nothing. So drills are broken on purpose, and must notice.",
    ),
    (
        "Statement",
        "What drillyard says of a run: who started it, on what, what was measured and checked, and what was not.",
    ),
    ("Digest", "A number made of all the characters of a text (SHA-256). Another text has another one."),
];
