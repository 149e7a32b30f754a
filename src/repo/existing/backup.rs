//! The base backups that lie in an existing directory.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::repo::storage::{Label, Listed, after_second};

/// One line of `scripts/list_existing.sh`: path, form, what is wrong with it, whether it has a
/// manifest, which clock its time comes from, the time, and how many seconds it took.
#[derive(Debug)]
struct Line {
    path: String,
    wrong: String,
    manifest: bool,
    at: Option<Timestamp>,
    /// How long it took, by its backup history file.
    took: Option<SignedDuration>,
}

/// What the script printed, the oldest backup first. What is not a whole backup has a reason: it is
/// passed over.
pub fn read(text: &str) -> Vec<Listed> {
    let lines: Vec<Line> = text.lines().filter_map(line).collect();
    // pg_basebackup writes its manifest last: where others have one, this one is not finished.
    let manifests = lines.iter().any(|line| line.manifest);
    let mut listed: Vec<Listed> = lines
        .into_iter()
        .map(|line| {
            let unfinished = manifests && !line.manifest;
            let wrong = match (line.wrong.as_str(), unfinished, line.at) {
                ("", true, _) => Some("it has no backup_manifest, and others have: it was not finished".to_owned()),
                ("", false, None) => Some("nobody knows when it was taken".to_owned()),
                ("", false, Some(_)) => None,
                (wrong, ..) => Some(wrong.to_owned()),
            };
            let ended = line.at.zip(line.took).and_then(|(at, took)| at.checked_add(took).ok());
            let ended = ended.map(after_second);
            Listed { label: Label::new(line.path), taken: line.at.unwrap_or(Timestamp::MIN), ended, wrong }
        })
        .collect();
    listed.sort_by(|a, b| a.age().cmp(&b.age()));
    listed
}

fn line(line: &str) -> Option<Line> {
    let mut words = line.split('\t');
    let (path, wrong, manifest) = (words.next()?.to_owned(), words.next()?.to_owned(), words.next()? == "manifest");
    let at = time(words.next()?, words.next().unwrap_or_default());
    let took = words.next().and_then(|seconds| Some(SignedDuration::from_secs(seconds.parse().ok()?)));
    Some(Line { path, wrong, manifest, at, took: took.filter(|took| !took.is_negative()) })
}

/// When a backup was begun: the manifest has the time of its backup_label in UTC, pg_controldata
/// prints that of its checkpoint, and a file system has seconds.
fn time(clock: &str, text: &str) -> Option<Timestamp> {
    let utc = |format: &str| strtime::parse(format, text).ok()?.to_datetime().ok()?.to_zoned(TimeZone::UTC).ok();
    match clock {
        "manifest" => utc("%Y-%m-%d %H:%M:%S GMT").map(|zoned| zoned.timestamp()),
        "control" => utc("%a %b %d %H:%M:%S %Y").map(|zoned| zoned.timestamp()),
        "file" => Timestamp::from_second(text.parse().ok()?).ok(),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn backups_are_listed_by_their_own_time_and_what_is_none_has_a_reason() {
        let text = "/b/late\t\tmanifest\tmanifest\t2026-11-29 09:08:51 GMT\t600\n\
                    /b/early\t\tmanifest\tcontrol\tSat Nov 28 09:08:51 2026\n\
                    /b/half\t\tnone\tfile\t1764407331\n\
                    /b/notes\tit has no backup_label\tnone\t\t\n";
        let ended: Vec<Option<Timestamp>> = read(text).iter().map(|one| one.ended).collect();
        assert_eq!(ended, [None, None, None, Some("2026-11-29T09:18:52Z".parse().expect("a time"))]);
        let listed: Vec<(String, String)> = read(text)
            .into_iter()
            .map(|one| (one.label.to_string(), one.wrong.unwrap_or_else(|| one.taken.to_string())))
            .collect();
        let listed: Vec<(&str, &str)> = listed.iter().map(|(a, b)| (a.as_str(), b.as_str())).collect();
        assert_eq!(
            listed,
            [
                ("/b/notes", "it has no backup_label"),
                ("/b/half", "it has no backup_manifest, and others have: it was not finished"),
                ("/b/early", "2026-11-28T09:08:51Z"),
                ("/b/late", "2026-11-29T09:08:51Z"),
            ]
        );
    }
}
