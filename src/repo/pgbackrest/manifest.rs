//! Where in a repository a file of a backup lies: its manifest says so.

use serde::Deserialize;

/// The files of a backup.
#[derive(Debug)]
pub(super) struct Manifest {
    files: Vec<(String, File)>,
    /// What the names of stored files end in.
    suffix: &'static str,
    /// The major version of the server.
    pub(super) version: Option<String>,
    encrypted: bool,
}

#[derive(Debug, Default, Deserialize)]
struct File {
    size: u64,
    /// Its size as it is stored, if that is another one.
    #[serde(rename = "repo-size")]
    stored: Option<u64>,
    /// The bundle that it lies in.
    bni: Option<u64>,
    /// Where it begins there, if not at its beginning.
    bno: Option<u64>,
    /// The backup that it lies in, if that is another one.
    reference: Option<String>,
}

/// A file as it is stored.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Stored {
    /// Its path in the data directory.
    pub(super) file: String,
    /// The path of what holds it, below the backup's directory.
    pub(super) path: String,
    /// Where it begins in there.
    pub(super) offset: u64,
    /// How many bytes it is long.
    pub(super) size: u64,
}

impl Stored {
    /// Where a sector in its middle begins.
    pub(super) fn middle(&self) -> u64 {
        self.offset + self.size.saturating_sub(512) / 2
    }
}

/// The first number that a user's table can have (`FirstNormalObjectId`).
const FIRST_OF_USERS: u64 = 16384;

impl Manifest {
    /// Reads it: lines as `pg_data/base/5/16384={"size":8192, ...}`.
    pub(super) fn read(text: &str) -> Self {
        let file = |line: &str| {
            let (name, rest) = line.strip_prefix("pg_data/")?.split_once("={")?;
            Some((name.to_owned(), serde_json::from_str(&format!("{{{rest}")).ok()?))
        };
        let kind = text.lines().find_map(|line| line.strip_prefix("option-compress-type="));
        let suffix = match kind.map(|kind| kind.trim_matches('"')) {
            Some("gz") => ".gz",
            Some("lz4") => ".lz4",
            Some("zst") => ".zst",
            Some("bz2") => ".bz2",
            _ => "",
        };
        let version = text.lines().find_map(|line| line.strip_prefix("db-version="));
        let version = version.map(|version| version.trim_matches('"').to_owned());
        let encrypted = text.lines().any(|line| line.starts_with("cipher-pass="));
        Manifest { files: text.lines().filter_map(file).collect(), suffix, version, encrypted }
    }

    /// The program that unpacks stored files; empty if they are not packed.
    pub(super) fn unpacker(&self) -> &'static str {
        unpacker_of(self.suffix)
    }

    /// The backup in which a file lies, if it is another one, and where it is stored there; none if
    /// it is empty, not there, or a part of a bundle of an encrypted repository, of which nobody
    /// can read the middle.
    pub(super) fn readable(&self, file: &str) -> Option<(Option<&str>, Stored)> {
        let (_, found) = self.files.iter().find(|(name, found)| name == file && found.size > 0)?;
        let stored = self.find(Some(file)).ok().filter(|_| found.bni.is_none() || !self.encrypted)?;
        Some((found.reference.as_deref(), stored))
    }

    /// A file, or the largest table: a user's if there is one. Why not, where there is none.
    pub(super) fn find(&self, file: Option<&str>) -> Result<Stored, String> {
        let size = |(name, file): &&(String, File)| {
            let number: u64 = name.strip_prefix("base/")?.rsplit('/').next()?.parse().ok()?;
            (file.size > 0).then_some((number >= FIRST_OF_USERS, file.size))
        };
        let found = match file {
            Some(file) => self.files.iter().find(|(name, _)| name == file),
            None => self.files.iter().filter(|one| size(one).is_some()).max_by_key(size),
        };
        let (name, found) = found.ok_or_else(|| match file {
            Some(file) => format!("the backup has no file {file}"),
            None => "the backup has no table with rows".to_owned(),
        })?;
        if found.size == 0 {
            return Err(format!("the file {name} is empty"));
        }
        let path = match found.bni {
            Some(bundle) => format!("bundle/{bundle}"),
            None => format!("pg_data/{name}{}", self.suffix),
        };
        let (offset, size) = (found.bno.unwrap_or(0), found.stored.unwrap_or(found.size));
        Ok(Stored { file: name.clone(), path, offset, size })
    }
}

/// The program that unpacks a file by the end of its name; empty if it is not packed.
pub(super) fn unpacker_of(file: &str) -> &'static str {
    match file.rsplit_once('.').map(|(_, ending)| ending) {
        Some("gz") => "gzip",
        Some("lz4") => "lz4",
        Some("zst") => "zstd",
        Some("bz2") => "bzip2",
        _ => "",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = r#"[backup:db]
db-version="15"

[backup:option]
option-compress-type="lz4"

[target:file]
pg_data/base/5/1259={"checksum":"a5","reference":"a_F","repo-size":900000,"size":9999999,"timestamp":1795944028}
pg_data/base/5/16384={"checksum":"7a","repo-size":2735221,"size":6832128,"timestamp":1795944055}
pg_data/base/5/16387={"size":0,"timestamp":1795944054}
pg_data/base/5/16388={"bni":2,"bno":36961,"checksum":"e6","repo-size":85,"size":8192,"timestamp":1795944054}
pg_data/base/5/16388_fsm={"bni":1,"checksum":"e6","size":99999999,"timestamp":1795944054}
"#;

    #[test]
    fn a_file_is_found_where_it_lies() {
        let manifest = Manifest::read(TEXT);
        let largest = manifest.find(None).expect("a table");
        assert_eq!((largest.file.as_str(), largest.path.as_str()), ("base/5/16384", "pg_data/base/5/16384.lz4"));
        assert_eq!(largest.middle(), (2735221 - 512) / 2);
        let bundled = manifest.find(Some("base/5/16388")).expect("a file");
        assert_eq!((bundled.path.as_str(), bundled.middle()), ("bundle/2", 36961));
        assert_eq!(manifest.find(Some("base/5/16387")), Err("the file base/5/16387 is empty".to_owned()));
        assert_eq!(manifest.find(Some("base/5/1")), Err("the backup has no file base/5/1".to_owned()));
        assert!(Manifest::read("").find(None).is_err());
        assert_eq!((manifest.version.as_deref(), manifest.unpacker()), (Some("15"), "lz4"));
        let readable = |manifest: &Manifest, file| {
            let (holder, stored) = manifest.readable(file)?;
            Some((holder.map(str::to_owned), stored.path, stored.offset, stored.size))
        };
        let alone = Some((Some("a_F".to_owned()), "pg_data/base/5/1259.lz4".to_owned(), 0, 900_000));
        assert_eq!(readable(&manifest, "base/5/1259"), alone);
        assert_eq!(readable(&manifest, "base/5/16388"), Some((None, "bundle/2".to_owned(), 36961, 85)));
        assert_eq!(readable(&manifest, "base/5/16387"), None);
        let encrypted = Manifest::read(&format!("[cipher]\ncipher-pass=\"x\"\n\n{TEXT}"));
        assert_eq!((readable(&encrypted, "base/5/1259"), readable(&encrypted, "base/5/16388")), (alone, None));
    }
}
