//! The password file (manual, 34.16).

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

/// A password file, read; or why it says nothing.
pub(super) struct Passfile {
    /// Where it lies.
    pub path: PathBuf,
    lines: Vec<[String; 5]>,
    /// Why it is not used, though it is there.
    pub unused: Option<String>,
}

/// Whom a password is for.
pub(super) struct Whom<'a> {
    pub host: &'a str,
    pub port: u16,
    pub database: &'a str,
    pub user: &'a str,
}

impl Passfile {
    /// Reads it. As libpq does, one that others may read is not used.
    pub(super) fn read(path: PathBuf) -> Self {
        let why = match std::fs::metadata(&path) {
            Err(_) => None,
            Ok(meta) if !meta.is_file() => Some("it is no file".to_owned()),
            Ok(meta) if meta.mode() & 0o077 != 0 => Some(format!("others may read it: chmod 0600 {}", path.display())),
            Ok(_) => match std::fs::read_to_string(&path) {
                Ok(text) => return Passfile { lines: parse(&text), path, unused: None },
                Err(error) => Some(error.to_string()),
            },
        };
        let unused = why.map(|why| format!("{} is not used: {why}", path.display()));
        Passfile { path, lines: vec![], unused }
    }

    /// The password of the first line that fits.
    pub(super) fn find(&self, whom: &Whom<'_>) -> Option<&str> {
        let port = whom.port.to_string();
        let asked = [whom.host, &port, whom.database, whom.user];
        let fits = |line: &&[String; 5]| line.iter().zip(asked).all(|(said, asked)| said == "*" || said == asked);
        self.lines.iter().find(fits).map(|line| line[4].as_str()).filter(|password| !password.is_empty())
    }
}

/// Its lines: `host:port:database:user:password`.
fn parse(text: &str) -> Vec<[String; 5]> {
    text.lines().filter(|line| !line.starts_with('#')).filter_map(fields).collect()
}

/// The fields of a line, in which `\` keeps `:` and itself.
fn fields(line: &str) -> Option<[String; 5]> {
    let mut fields: [String; 5] = Default::default();
    let mut at = 0;
    let mut chars = line.trim_end_matches('\r').chars();
    while let Some(c) = chars.next() {
        match c {
            '\\' => fields[at].extend(chars.next()),
            ':' if at < 4 => at += 1,
            c => fields[at].push(c),
        }
    }
    (at == 4).then_some(fields)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_line_that_fits_has_the_password() {
        let text = "# db:*:*:*:no\ndb:5432:shop:u:one\ndb:*:*:u:t\\:w\\\\o:\n/run/p\\:g:*:*:*:three\nshort:line\n";
        let file = Passfile { path: PathBuf::new(), lines: parse(text), unused: None };
        let find = |host, port, database| file.find(&Whom { host, port, database, user: "u" });
        assert_eq!(find("db", 5432, "shop"), Some("one"));
        assert_eq!(find("db", 5433, "shop"), Some("t:w\\o:"));
        assert_eq!(find("/run/p:g", 1, "x"), Some("three"));
        assert_eq!(find("other", 5432, "shop"), None);
    }
}
