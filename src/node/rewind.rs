//! pg_rewind: what it is run on, and what it says.

use super::control_file::ControlFile;
use super::server::Node;
use crate::host::{HostError, Program};
use crate::pg::{Lsn, Pattern, Segment, SystemId, TimelineId};

/// What stands in the control file of a server that does not run, and beside it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resting {
    /// Its cluster.
    pub system: SystemId,
    /// Its timeline, as of its last checkpoint.
    pub timeline: TimelineId,
    /// Where its last checkpoint lies.
    pub checkpoint: Lsn,
    /// The size of a WAL segment.
    pub segment_size: u64,
    /// Whether it crashed as a standby. pg_rewind recovers a primary that crashed, but not a
    /// standby.
    pub crashed_standby: bool,
    /// Segments that are finished and were not archived.
    pub unarchived: Vec<String>,
}

/// What came of it.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rewound {
    /// Its exit status.
    pub status: i64,
    /// What it said.
    pub said: String,
    /// Where the two servers parted; none if the one is only behind the other.
    pub diverged: Option<Lsn>,
    /// How many commits of the old server came after that; none if its WAL could not be read.
    pub commits: Option<u64>,
}

/// What a server that is to be rewound has to be given.
pub struct Rewind<'a> {
    /// The new primary.
    pub source: &'a Node,
    /// Where its history left that of the server, and the server's timeline there.
    pub fork: Option<(Lsn, TimelineId)>,
    /// The size of a WAL segment.
    pub segment_size: u64,
    /// The restore_command by which pg_rewind gets WAL that is not in pg_wal any more.
    pub restore_command: Option<String>,
}

/// Prints the control file, and which segments wait to be archived.
const LOOK: &str = include_str!("scripts/resting.sh");

/// Rewinds a server.
const REWIND: &str = include_str!("scripts/rewind.sh");

static READY: Pattern = Pattern::new(r"(?m)^ready: ([0-9A-F]{24})$");
static DIVERGED: Pattern = Pattern::new(r"servers diverged at WAL location ([0-9A-F/]+) on timeline");
static COMMITS: Pattern = Pattern::new(r"(?m)^commits: (\d+)$");

impl Resting {
    fn read(text: &str) -> Option<Self> {
        let control = ControlFile::read(text)?;
        Some(Resting {
            system: control.system,
            timeline: control.timeline,
            checkpoint: control.checkpoint,
            segment_size: control.segment_size,
            crashed_standby: control.state == "in archive recovery",
            unarchived: READY.each(text).map(str::to_owned).collect(),
        })
    }
}

impl Rewound {
    /// The line that says why it failed.
    pub fn reason(&self) -> &str {
        let lines = || self.said.lines().map(str::trim);
        lines()
            .find(|line| line.contains("error:") || line.contains("fatal:"))
            .or(lines().next_back())
            .unwrap_or_default()
    }

    /// What a failure that is well known lacks.
    pub fn remedy(&self) -> Option<&'static str> {
        [
            (
                "could not find previous WAL record",
                "the WAL back to where the two parted is neither in pg_wal nor in an archive",
            ),
            ("could not open file", "the WAL back to where the two parted is neither in pg_wal nor in an archive"),
            ("could not restore file", "the WAL back to where the two parted is neither in pg_wal nor in an archive"),
            ("data checksums or", "pg_rewind needs data checksums or wal_log_hints = on"),
            ("could not find common ancestor", "the two have no common history"),
        ]
        .into_iter()
        .find_map(|(sign, why)| self.said.contains(sign).then_some(why))
    }

    fn read(status: i64, text: &str) -> Self {
        let said: Vec<&str> = text.lines().filter(|line| !line.starts_with("commits: ")).collect();
        Rewound {
            status,
            said: said.join("\n").trim().to_owned(),
            diverged: DIVERGED
                .first(text)
                .filter(|_| !text.contains("no rewind required"))
                .and_then(|at| at.parse().ok()),
            commits: COMMITS.first(text).and_then(|count| count.parse().ok()),
        }
    }
}

impl Node {
    /// Looks at a server that does not run. `Err` in it is why nothing can be made of its data
    /// directory.
    pub async fn rest(&self) -> Result<Result<Resting, String>, HostError> {
        let host = self.host()?;
        let output = host.run(Program::script(LOOK, [&host.paths().data])).await?;
        let wrong = || match output.stderr.trim() {
            "" => "pg_controldata said nothing that is understood".to_owned(),
            said => said.to_owned(),
        };
        Ok(Resting::read(&output.text()).filter(|_| output.success()).ok_or_else(wrong))
    }

    /// A checksum of `length` bytes of this server's WAL on disk; none if the file is not there.
    pub async fn wal_sum(&self, segment: &str, offset: u64, length: u64) -> Result<Option<String>, HostError> {
        let host = self.host()?;
        let script = include_str!("scripts/wal_sum.sh");
        let file = format!("{}/pg_wal/{segment}", host.paths().data);
        let output = host.run(Program::script(script, [file, offset.to_string(), length.to_string()])).await?;
        Ok(Some(output.text().trim().to_owned()).filter(|sum| sum.len() == 32))
    }

    /// Rewinds this server, which does not run. Returns the program that has done it, too.
    pub async fn rewind(&self, to: &Rewind<'_>) -> Result<(Rewound, Program), HostError> {
        let data = self.host()?.paths().data.clone();
        let restore = to.restore_command.clone().unwrap_or_default().replace('\\', "\\\\").replace('\'', "''");
        let [at, timeline, segment] = match to.fork {
            Some((at, timeline)) => {
                // The segment that begins there, if it is a boundary.
                let next = Segment::at(at, timeline, to.segment_size).to_string();
                [at.to_string(), timeline.to_string(), next]
            }
            None => [const { String::new() }; 3],
        };
        let (output, program) = self
            .run_against(to.source, |conninfo| {
                Program::script(REWIND, [&data, conninfo, &restore, &at, &timeline, &segment])
            })
            .await?;
        let said = format!("{}{}", output.text(), output.stderr);
        Ok((Rewound::read(output.status, &said), program))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_control_file_is_read() {
        let text = "\
Database system identifier:           7300000000000000001
Database cluster state:               in production
Latest checkpoint location:           0/3000060
Latest checkpoint's TimeLineID:       1
Latest checkpoint's PrevTimeLineID:   1
Bytes per WAL segment:                16777216
ready: 000000010000000000000003
ready: 00000002.history
";
        let resting = Resting::read(text).expect("a control file");
        assert_eq!((resting.system, resting.timeline), (SystemId(7_300_000_000_000_000_001), TimelineId(1)));
        assert_eq!(resting.checkpoint, Lsn(0x0300_0060));
        assert_eq!((resting.segment_size, resting.crashed_standby), (16 << 20, false));
        assert_eq!(resting.unarchived, ["000000010000000000000003"]);
        assert_eq!(Resting::read("pg_controldata: error"), None);
    }

    #[test]
    fn what_pg_rewind_says_is_read() {
        let done = "commits: 12
pg_rewind: servers diverged at WAL location 0/3000098 on timeline 1
pg_rewind: rewinding from last common checkpoint at 0/2000060 on timeline 1
pg_rewind: Done!
";
        let rewound = Rewound::read(0, done);
        assert_eq!((rewound.diverged, rewound.commits), (Some(Lsn(0x0300_0098)), Some(12)));
        let behind =
            "pg_rewind: servers diverged at WAL location 0/3000098 on timeline 1\npg_rewind: no rewind required\n";
        assert_eq!(Rewound::read(0, behind).diverged, None);
        let failed = Rewound::read(
            1,
            "pg_rewind: servers diverged at WAL location 0/3000098 on timeline 1\npg_rewind: error: could not open file \"x\"\npg_rewind: fatal: could not find previous WAL record at 0/3000098\n",
        );
        assert!(failed.reason().starts_with("pg_rewind: error"), "{failed:?}");
        assert!(failed.remedy().is_some());
    }
}
