//! By which libraries the servers of this machine sort text: data that were made with another
//! version of one may be sorted in another way here, which `assert_intact` warns of.

use std::path::Path;

use tokio::process::Command;

use crate::host::Installation;

/// The libraries of each installation, in words: `glibc 2.36 and ICU 72 (PostgreSQL 17, 15)`. Those
/// that cannot be found out are left out.
pub(super) async fn libraries(found: &[Installation]) -> Vec<String> {
    let libc = said(Command::new("ldd").arg("--version")).await.and_then(|text| libc(&text));
    let mut all: Vec<(String, Vec<String>)> = vec![];
    for one in found {
        let icu = said(Command::new("ldd").arg(Path::new(&one.place).join("postgres"))).await;
        let icu = icu.and_then(|text| icu_of(&text));
        let libraries: Vec<String> = libc.clone().into_iter().chain(icu).collect();
        if libraries.is_empty() {
            continue;
        }
        let (libraries, major) = (libraries.join(" and "), one.version.major.to_string());
        match all.iter_mut().find(|(known, _)| *known == libraries) {
            Some((_, majors)) => majors.push(major),
            None => all.push((libraries, vec![major])),
        }
    }
    all.into_iter().map(|(libraries, majors)| format!("{libraries} (PostgreSQL {})", majors.join(", "))).collect()
}

/// What a program writes; none if there is no such program.
async fn said(command: &mut Command) -> Option<String> {
    let output = command.output().await.ok()?;
    Some(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// The C library, by what `ldd --version` says of itself.
fn libc(said: &str) -> Option<String> {
    let first = said.lines().next().filter(|line| line.contains("GLIBC") || line.contains("GNU libc"))?;
    Some(format!("glibc {}", first.split_whitespace().next_back()?))
}

/// ICU, among the libraries of a program.
fn icu_of(libraries: &str) -> Option<String> {
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
        assert_eq!(icu_of(libraries).as_deref(), Some("ICU 72"));
        assert_eq!(icu_of("\tlibc.so.6 => /lib/libc.so.6 (0x1)\n"), None);
    }
}
