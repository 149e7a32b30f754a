//! Whether archived WAL can be had, and whose it is: what a list of files does not say.

use crate::harness::{Context, Finding};
use crate::pg::{Segment, SystemId};
use crate::repo::{RepoError, SegmentHeader};
use crate::steps::recovery::backup_choice::Found;

/// Fetches the first and the last of these segments as a recovery does, and reads how they begin:
/// a key that opens the list of the repo need not be the one that opens its WAL. Where WAL lies in
/// plain files it reads how all of them begin.
///
/// # Returns
/// The cluster whose WAL it is; none if there are no segments.
///
/// # Errors
/// What `fails` makes of the reason: a segment does not come, is no WAL, or is another one; or they
/// are not of one cluster. Where nobody can tell, that is added to `unknown`.
pub(crate) async fn fetched(
    cx: &mut Context<'_>,
    found: &Found,
    segments: &[Segment],
    unknown: &mut Vec<String>,
    fails: impl Fn(String) -> Box<Finding>,
) -> Result<Option<SystemId>, Box<Finding>> {
    cx.wait(format!("WAL of repo `{}`", found.repo.name));
    let host = found.host.as_ref();
    let mut read = found.repo.headers_in_place(host, segments).await?;
    read.retain(|(_, header)| header.is_some());
    let mut ends: Vec<Segment> = segments.first().into_iter().chain(segments.last()).copied().collect();
    ends.dedup();
    ends.retain(|end| !read.iter().any(|(segment, _)| segment == end));
    let fetched = match found.repo.headers(host, &ends).await {
        Err(RepoError::Unknown(why)) => {
            unknown.push(format!("whether its WAL can be read: {why}"));
            return Ok(None);
        }
        headers => headers?,
    };
    let mut known: Option<(Segment, SystemId)> = None;
    for (segment, header) in ends.into_iter().zip(fetched).chain(read) {
        let system = whose(segment, header).map_err(|why| {
            fails(why).help(format!("a server has it fetched by `{}`: try that by hand", found.repo.restore_command()))
        })?;
        if let Some((first, other)) = known.filter(|(_, other)| *other != system) {
            let label = format!(
                "segment {first} is WAL of the server with the system identifier {other}, {segment} of {system}"
            );
            return Err(fails(label).help("two servers archive here: each needs an archive of its own"));
        }
        known.get_or_insert((segment, system));
    }
    Ok(known.map(|(_, system)| system))
}

/// Whose WAL a segment is, or what is wrong with it.
fn whose(segment: Segment, header: Option<SegmentHeader>) -> Result<SystemId, String> {
    match header {
        None => Err(format!("segment {segment} is in its list, and cannot be fetched")),
        Some(header) if !header.is_wal => Err(format!("what is fetched as segment {segment} is no WAL")),
        Some(header) if header.start != segment.start() => {
            Err(format!("what is fetched as segment {segment} is another one: it begins at {}", header.start))
        }
        Some(header) => Ok(header.system),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::pg::Lsn;

    #[test]
    fn a_segment_is_what_it_is_listed_as() {
        let segment: Segment = Segment::parse("000000010000000000000003", 16 << 20).expect("a segment");
        let header = SegmentHeader { system: SystemId(42), start: Lsn(0x300_0000), size: 16 << 20, is_wal: true };
        assert_eq!(whose(segment, Some(header)), Ok(SystemId(42)));
        let wrong = [
            (None, "cannot be fetched"),
            (Some(SegmentHeader { is_wal: false, ..header }), "is no WAL"),
            (Some(SegmentHeader { start: Lsn(0x400_0000), ..header }), "begins at 0/4000000"),
        ];
        for (header, why) in wrong {
            assert!(whose(segment, header).is_err_and(|said| said.contains(why)), "{why}");
        }
    }
}
