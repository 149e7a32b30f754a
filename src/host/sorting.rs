//! By which libraries servers sort text: data that were made with another version of one may be
//! sorted in another way, which damages indexes on text in silence. `assert_intact` warns of that.

use std::collections::BTreeMap;

use super::Installation;
use crate::pg::Version;

/// By which libraries the servers of an installation sort text.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Sorting {
    /// The installation's version.
    pub version: Version,
    /// Where it is.
    pub place: String,
    /// The libraries, in words: `glibc 2.36 and ICU 72`.
    pub libraries: String,
}

impl Sorting {
    /// By what `ldd --version` says, and what `ldd` says of the program `postgres`. None if neither
    /// names a library.
    pub fn read(installation: &Installation, itself: &str, of_postgres: &str) -> Option<Self> {
        let libraries: Vec<String> = libc(itself).into_iter().chain(icu(of_postgres)).collect();
        let found = Sorting {
            version: installation.version,
            place: installation.place.clone(),
            libraries: libraries.join(" and "),
        };
        (!libraries.is_empty()).then_some(found)
    }

    /// What `doctor` says of a backend's: `text is sorted by glibc 2.36 and ICU 72 (PostgreSQL 17,
    /// 15)`.
    pub fn told(all: &[Sorting]) -> Vec<String> {
        let mut told: Vec<(&str, Vec<String>)> = vec![];
        for one in all {
            let major = one.version.major.to_string();
            match told.iter_mut().find(|(libraries, _)| *libraries == one.libraries) {
                Some((_, majors)) if majors.contains(&major) => {}
                Some((_, majors)) => majors.push(major),
                None => told.push((&one.libraries, vec![major])),
            }
        }
        let line = |(libraries, majors): (&str, Vec<String>)| {
            format!("text is sorted by {libraries} (PostgreSQL {})", majors.join(", "))
        };
        told.into_iter().map(line).collect()
    }

    /// What `doctor` warns of: the same major version sorts text by different libraries, in
    /// whatever backends. Data never go from one major version to another as files.
    pub fn apart(all: &[Sorting]) -> Vec<String> {
        let mut majors: BTreeMap<u32, Vec<&Sorting>> = BTreeMap::new();
        for one in all {
            let known = majors.entry(one.version.major).or_default();
            if !known.iter().any(|other| other.libraries == one.libraries) {
                known.push(one);
            }
        }
        let apart = majors.into_iter().rev().filter(|(_, known)| known.len() > 1);
        let line = |(major, known): (u32, Vec<&Sorting>)| {
            let each: Vec<String> = known.iter().map(|one| format!("{} in {}", one.libraries, one.place)).collect();
            format!(
                "PostgreSQL {major} sorts text by {}: an index on text that the one has made may be out of order for the other; \
                 `assert_intact` warns of it where it is restored",
                each.join(", by ")
            )
        };
        apart.map(line).collect()
    }
}

/// The C library, by what `ldd --version` says of itself.
fn libc(said: &str) -> Option<String> {
    let first = said.lines().next().filter(|line| line.contains("GLIBC") || line.contains("GNU libc"))?;
    Some(format!("glibc {}", first.split_whitespace().next_back()?))
}

/// ICU, among the libraries of a program.
fn icu(libraries: &str) -> Option<String> {
    let (_, version) = libraries.split_once("libicui18n.so.")?;
    let version: String = version.chars().take_while(|c| c.is_ascii_digit() || *c == '.').collect();
    (!version.is_empty()).then(|| format!("ICU {version}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn libraries_are_known_by_what_ldd_says() {
        assert_eq!(libc("ldd (Debian GLIBC 2.36-9+deb12u9) 2.36\nCopyright").as_deref(), Some("glibc 2.36"));
        assert_eq!(libc("ldd (GNU libc) 2.34\n").as_deref(), Some("glibc 2.34"));
        assert_eq!(libc("musl libc (x86_64)\n"), None);
        let libraries = "\tlibicui18n.so.72 => /lib/libicui18n.so.72 (0x1)\n\tlibicuuc.so.72 => /lib/x (0x2)\n";
        assert_eq!(icu(libraries).as_deref(), Some("ICU 72"));
        assert_eq!(icu("\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"), None);
    }

    #[test]
    fn only_one_major_version_can_be_apart() {
        let one = |major, minor, place: &str, libraries: &str| Sorting {
            version: Version { major, minor },
            place: place.to_owned(),
            libraries: libraries.to_owned(),
        };
        let all = [
            one(17, 2, "image:17", "glibc 2.41"),
            one(15, 18, "image:15", "glibc 2.36"),
            one(15, 20, "image:15.20", "glibc 2.36"),
        ];
        let told = ["text is sorted by glibc 2.41 (PostgreSQL 17)", "text is sorted by glibc 2.36 (PostgreSQL 15)"];
        assert_eq!(Sorting::told(&all), told);
        assert!(Sorting::apart(&all).is_empty());
        let other = [&all[..], &[one(15, 18, "/usr/bin", "glibc 2.31")]].concat();
        let apart = Sorting::apart(&other);
        let said = "PostgreSQL 15 sorts text by glibc 2.36 in image:15, by glibc 2.31 in /usr/bin: an index";
        assert!(apart.len() == 1 && apart[0].starts_with(said), "{apart:?}");
    }
}
