//! A connection string as libpq reads it: `key=value ...` or a URI (manual, 34.1.1).

use super::said::{Conninfo, ConninfoError};

impl Conninfo {
    /// Reads `key=value ...` or `postgresql://...`, and checks what can be checked of it alone.
    ///
    /// # Errors
    /// For what libpq would refuse, and for what drillyard would not keep to.
    pub fn parse(text: &str) -> Result<Self, ConninfoError> {
        if text.contains('\0') {
            return Err(ConninfoError::new("a connection string has no zero bytes"));
        }
        let scheme = ["postgresql://", "postgres://"];
        let found = match scheme.iter().find_map(|scheme| text.trim_start().strip_prefix(scheme)) {
            Some(rest) => uri(rest)?,
            None => pairs(text)?,
        };
        found.check()?;
        Ok(found)
    }
}

/// `host=db.example.com user='it''s'`: in single quotes, `\` takes the next character as it is.
fn pairs(text: &str) -> Result<Conninfo, ConninfoError> {
    let mut found = Conninfo::default();
    let mut rest = text.trim_start();
    let mut before: Option<String> = None;
    while !rest.is_empty() {
        let end = rest.find(|c: char| c == '=' || c.is_whitespace()).unwrap_or(rest.len());
        let (name, after) = rest.split_at(end);
        let Some(value) = after.trim_start().strip_prefix('=') else {
            return Err(match before.as_deref() {
                Some(before) => ConninfoError::new(format!("a word without `=` follows `{before}`"))
                    .help("a value with spaces in it stands in single quotes"),
                None => ConninfoError::new("this is neither `key=value ...` nor `postgresql://...`"),
            });
        };
        let (value, after) = one_value(value.trim_start(), name)?;
        found.set(name, value, before.as_deref())?;
        before = Some(name.to_owned());
        rest = after.trim_start();
    }
    Ok(found)
}

/// A value, and what comes after it.
fn one_value<'t>(text: &'t str, name: &str) -> Result<(String, &'t str), ConninfoError> {
    let quoted = text.starts_with('\'');
    let mut value = String::new();
    let mut chars = text.char_indices().skip(usize::from(quoted));
    while let Some((at, c)) = chars.next() {
        match c {
            '\\' => value.extend(chars.next().map(|(_, c)| c)),
            '\'' if quoted => return Ok((value, &text[at + 1..])),
            c if !quoted && c.is_whitespace() => return Ok((value, &text[at..])),
            c => value.push(c),
        }
    }
    match quoted {
        true => Err(ConninfoError::new(format!("the quote after `{name}=` is not closed"))),
        false => Ok((value, "")),
    }
}

/// What follows `postgresql://`: `user:password@host:port,host:port/dbname?key=value&...`.
fn uri(text: &str) -> Result<Conninfo, ConninfoError> {
    let mut found = Conninfo::default();
    // As in libpq, the first `@` before a `/` ends the user.
    let (login, rest) = match text.find(['@', '/']) {
        Some(at) if text[at..].starts_with('@') => (&text[..at], &text[at + 1..]),
        _ => ("", text),
    };
    let (rest, query) = rest.split_once('?').unwrap_or((rest, ""));
    let (user, password) = login.split_once(':').unwrap_or((login, ""));
    let (hosts, dbname) = rest.split_once('/').unwrap_or((rest, ""));
    let mut names = vec![];
    let mut ports = vec![];
    for one in hosts.split(',') {
        let (host, port) = host_and_port(one)?;
        names.push(decoded(host)?);
        ports.push(decoded(port)?);
    }
    let parts = [
        ("user", decoded(user)?),
        ("password", decoded(password)?),
        ("host", joined(&names)),
        ("port", joined(&ports)),
        ("dbname", decoded(dbname)?),
    ];
    for (name, value) in parts.into_iter().filter(|(_, value)| !value.is_empty()) {
        found.set(name, value, None)?;
    }
    let mut before: Option<String> = None;
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let Some((name, value)) = pair.split_once('=') else {
            return Err(ConninfoError::new("a word after `?` has no `=`"));
        };
        let (name, value) = (decoded(name)?, decoded(value)?);
        // JDBC's way to say it.
        match (name.as_str(), value.as_str()) {
            ("ssl", "true") => found.set("sslmode", "require".to_owned(), None)?,
            _ => found.set(&name, value, before.as_deref())?,
        }
        before = Some(name);
    }
    Ok(found)
}

/// `db.example.com:5432`, `[::1]:5432`.
fn host_and_port(text: &str) -> Result<(&str, &str), ConninfoError> {
    let Some(inner) = text.strip_prefix('[') else { return Ok(text.split_once(':').unwrap_or((text, ""))) };
    let (host, rest) =
        inner.split_once(']').ok_or_else(|| ConninfoError::new("the `[` of an address is not closed"))?;
    match rest.strip_prefix(':') {
        Some(port) => Ok((host, port)),
        None if rest.is_empty() => Ok((host, "")),
        None => Err(ConninfoError::new("after the `]` of an address comes `:PORT`, `/`, or nothing")),
    }
}

/// Hosts or ports as the other form has them; nothing if none is named.
fn joined(all: &[String]) -> String {
    match all.iter().all(String::is_empty) {
        true => String::new(),
        false => all.join(","),
    }
}

/// `%2F` as the byte that it stands for.
fn decoded(text: &str) -> Result<String, ConninfoError> {
    let wrong = || ConninfoError::new("a `%` in a connection URI is followed by two hexadecimal digits");
    let mut bytes = vec![];
    let mut rest = text.bytes();
    while let Some(byte) = rest.next() {
        if byte != b'%' {
            bytes.push(byte);
            continue;
        }
        let mut digit = || rest.next().and_then(|byte| char::from(byte).to_digit(16)).ok_or_else(wrong);
        let byte = digit()? * 16 + digit()?;
        bytes.push(u8::try_from(byte).ok().filter(|byte| *byte != 0).ok_or_else(wrong)?);
    }
    String::from_utf8(bytes).map_err(|_| ConninfoError::new("a connection URI is UTF-8"))
}

#[cfg(test)]
mod tests {
    use super::super::Conninfo;

    fn all(text: &str) -> String {
        match Conninfo::parse(text) {
            Ok(found) => {
                let pairs: Vec<String> = found.values.iter().map(|(name, value)| format!("{name}={value}")).collect();
                pairs.join(" | ")
            }
            Err(error) => format!("error: {}", error.message),
        }
    }

    #[test]
    fn both_forms_mean_what_they_mean_to_libpq() {
        assert_eq!(all(r"host = db  user='it\'s' password=a\ b\\"), r"host=db | password=a b\ | user=it's");
        assert_eq!(all("dbname='' port=1 port=2"), "dbname= | port=2");
        assert_eq!(
            all("postgresql://u%40:p%2Fw@h1:1,[::1]:2/my%20db?sslmode=verify-full&application_name=x"),
            "application_name=x | dbname=my db | host=h1,::1 | password=p/w | port=1,2 | sslmode=verify-full | user=u@"
        );
        assert_eq!(all("postgres:///shop?host=/run/pg&ssl=true"), "dbname=shop | host=/run/pg | sslmode=require");
        assert_eq!(all("postgresql://h,h2:6"), "host=h,h2 | port=,6");
        assert_eq!(all("postgresql://u:what?@h"), "host=h | password=what? | user=u");
        assert_eq!(all("postgresql://"), "");
    }

    #[test]
    fn what_is_wrong_is_told_without_what_may_be_a_password() {
        assert_eq!(all("host=h sslmoode=x"), "error: libpq knows no `sslmoode`: did you mean `sslmode`?");
        assert_eq!(all("host=h quux=x"), "error: libpq knows no `quux`");
        assert_eq!(all("password=my secret"), "error: a word without `=` follows `password`");
        assert_eq!(all("password=my secret=x"), "error: what follows `password` is no `key=value`");
        assert_eq!(all("host='h"), "error: the quote after `host=` is not closed");
        assert_eq!(all("db.example.com"), "error: this is neither `key=value ...` nor `postgresql://...`");
        assert_eq!(
            all("postgresql://u:p%4@h/"),
            "error: a `%` in a connection URI is followed by two hexadecimal digits"
        );
        assert_eq!(all("postgresql://[::1/"), "error: the `[` of an address is not closed");
        assert_eq!(all("host=h\0"), "error: a connection string has no zero bytes");
    }
}
