//! The base backups that lie in an existing directory.

use jiff::fmt::strtime;
use jiff::tz::TimeZone;
use jiff::{SignedDuration, Timestamp};

use crate::repo::listed::{Label, Listed, after_second};

/// A base backup, and what it goes on from.
#[derive(Debug)]
pub struct OneOfMany {
    /// As the repo lists it.
    pub listed: Listed,
    /// Where its WAL begins: timeline and LSN, as its backup_label has them.
    start: Option<String>,
    /// Where that of the backup begins of which it has the changes.
    from: Option<String>,
    /// The system identifier of its server.
    server: Option<String>,
}

/// One line of `scripts/list_existing.sh`: path, what is wrong with it, whether it has a manifest,
/// which clock its time comes from, the time, how many seconds it took, where its WAL begins, where
/// that begins which it goes on from, and its server.
#[derive(Debug)]
struct Line {
    path: String,
    wrong: String,
    manifest: bool,
    at: Option<Timestamp>,
    /// How long it took, by its backup history file.
    took: Option<SignedDuration>,
    start: Option<String>,
    from: Option<String>,
    server: Option<String>,
}

/// What the script printed, the oldest backup first. What is not a whole backup has a reason: it is
/// passed over.
pub fn read(text: &str) -> Vec<OneOfMany> {
    let lines: Vec<Line> = text.lines().filter_map(line).collect();
    // pg_basebackup writes its manifest last: where others have one, this one is not finished.
    let manifests = lines.iter().any(|line| line.manifest);
    let mut all: Vec<OneOfMany> = lines
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
            let listed =
                Listed { label: Label::new(line.path), taken: line.at.unwrap_or(Timestamp::MIN), ended, wrong };
            OneOfMany { listed, start: line.start, from: line.from, server: line.server }
        })
        .collect();
    all.sort_by(|a, b| a.listed.age().cmp(&b.listed.age()));
    let lacking: Vec<Option<String>> = all.iter().map(|one| chain(&all, one).err()).collect();
    for (one, lacking) in all.iter_mut().zip(lacking) {
        one.listed.wrong = one.listed.wrong.take().or(lacking);
    }
    all
}

/// The backups that one is made of, the full one first and itself last: pg_combinebackup takes one
/// for the parent of another if its WAL begins where the other goes on from.
///
/// # Errors
/// If one is missing: which.
pub fn chain<'a>(all: &'a [OneOfMany], one: &'a OneOfMany) -> Result<Vec<&'a Label>, String> {
    let last = one;
    // Why it is passed over begins with its own name.
    let name = |one: &OneOfMany| if std::ptr::eq(one, last) { "it".to_owned() } else { one.listed.label.to_string() };
    let (mut labels, mut one) = (vec![&one.listed.label], one);
    while let Some(from) = &one.from {
        let same_server = |other: &OneOfMany| other.server.is_none() || other.server == one.server;
        let is_parent = |other: &&OneOfMany| {
            other.start.as_ref() == Some(from) && same_server(other) && !labels.contains(&&other.listed.label)
        };
        let parents = || all.iter().filter(is_parent);
        let place =
            from.split_once(' ').map_or(from.clone(), |(timeline, lsn)| format!("{lsn} on timeline {timeline}"));
        let Some(parent) = parents().find(|parent| parent.listed.wrong.is_none()).or_else(|| parents().next()) else {
            return Err(format!("{} is incremental to a backup that begins at {place}, and there is none", name(one)));
        };
        if let Some(wrong) = &parent.listed.wrong {
            return Err(format!("{} is incremental to {}: {wrong}", name(one), parent.listed.label));
        }
        labels.push(&parent.listed.label);
        one = parent;
    }
    labels.reverse();
    Ok(labels)
}

fn line(line: &str) -> Option<Line> {
    let mut words = line.split('\t');
    let (path, wrong, manifest) = (words.next()?.to_owned(), words.next()?.to_owned(), words.next()? == "manifest");
    let at = time(words.next()?, words.next().unwrap_or_default());
    let took = words.next().and_then(|seconds| Some(SignedDuration::from_secs(seconds.parse().ok()?)));
    let took = took.filter(|took| !took.is_negative());
    let mut word = || words.next().map(str::trim).filter(|word| !word.is_empty()).map(str::to_owned);
    Some(Line { path, wrong, manifest, at, took, start: word(), from: word(), server: word() })
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
        let ended: Vec<Option<Timestamp>> = read(text).iter().map(|one| one.listed.ended).collect();
        assert_eq!(ended, [None, None, None, Some("2026-11-29T09:18:52Z".parse().expect("a time"))]);
        let listed: Vec<(String, String)> = read(text)
            .into_iter()
            .map(|one| one.listed)
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

    #[test]
    fn an_incremental_one_is_made_of_those_that_it_goes_on_from() {
        let line = |name: &str, at: u32, start: &str, from: &str, server: &str| {
            format!("/b/{name}\t\tmanifest\tfile\t176440733{at}\t\t{start}\t{from}\t{server}\n")
        };
        let all = read(
            &[
                line("elsewhere", 0, "1 0/2000028", " ", "8"),
                line("full", 1, "1 0/2000028", " ", "7"),
                line("monday", 2, "1 0/4000028", "1 0/2000028", "7"),
                line("tuesday", 3, "2 0/6000028", "1 0/4000028", "7"),
                line("lost", 4, "2 0/8000028", "2 0/7000028", "7"),
                line("after", 5, "2 0/9000028", "2 0/8000028", "7"),
            ]
            .concat(),
        );
        let chain_of = |name: &str| {
            let one = all.iter().find(|one| one.listed.label.as_str() == name).expect("listed");
            chain(&all, one).map(|labels| labels.into_iter().map(Label::as_str).collect::<Vec<_>>().join(" "))
        };
        assert_eq!(chain_of("/b/full").as_deref(), Ok("/b/full"));
        assert_eq!(chain_of("/b/tuesday").as_deref(), Ok("/b/full /b/monday /b/tuesday"));
        let wrong: Vec<Option<&str>> = all.iter().map(|one| one.listed.wrong.as_deref()).collect();
        assert!(wrong[..4].iter().all(Option::is_none), "{wrong:?}");
        let none = "is incremental to a backup that begins at 0/7000028 on timeline 2, and there is none";
        assert!(wrong[4..].iter().all(|wrong| wrong.is_some_and(|wrong| wrong.ends_with(none))), "{wrong:?}");
    }
}
