//! Programs as a person types them.

use super::program::Program;

/// How long a line may become.
const WIDTH: usize = 100;

/// The first line of scripts: whoever runs them says so.
const SHEBANG: &str = "#!/bin/sh -eu\n";

/// A word for `sh`. Where it has to be quoted, it is in double quotes, so that a variable may take
/// the place of a part of it.
pub fn quote_word(word: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_.,:=@%+-".contains(c);
    if !word.is_empty() && word.chars().all(is_plain) {
        return word.to_owned();
    }
    format!("\"{}\"", escape_here(word).replace('"', "\\\""))
}

/// A word for `sh`, in single quotes: nothing in it means anything else there.
pub fn single_quoted(word: &str) -> String {
    format!("'{}'", word.replace('\'', r"'\''"))
}

/// A text as one word of a command that a shell is given: as it is if it may be.
pub fn as_word(text: &str) -> String {
    match text.chars().all(|c| c.is_ascii_alphanumeric() || "-_./=:,".contains(c)) {
        true => text.to_owned(),
        false => single_quoted(text),
    }
}

/// Text for a here-document, in which `sh` expands nothing of it.
pub fn escape_here(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for c in text.chars() {
        if matches!(c, '\\' | '$' | '`') {
            escaped.push('\\');
        }
        escaped.push(c);
    }
    escaped
}

impl Program {
    /// The program and its arguments as they are typed into `sh`; of a script its text, after its
    /// arguments. What a session on a server needs of its environment is taken for granted; of the
    /// rest, values are shown only where they are drillyard's own.
    pub fn typed(&self) -> String {
        let exec = r#"exec "$@""#;
        let command = match self.args.iter().map(String::as_str).collect::<Vec<_>>().as_slice() {
            ["-euc", script, _, name, args @ ..] if self.name == "sh" && *script == exec => line(name, args),
            ["-euc", script, _] if self.name == "sh" => bare(script).to_owned(),
            ["-euc", script, _, args @ ..] if self.name == "sh" => {
                format!("{}\n{}", line("set", &[&["--"], args].concat()), bare(script))
            }
            args => line(&self.name, args),
        };
        format!("{}{command}", self.typed_environment())
    }

    fn typed_environment(&self) -> String {
        let taken_for_granted = |name: &str| name.starts_with("PG") && name != "PGDATA" || name == "LC_ALL";
        let named: Vec<&(String, String)> = self.env.iter().filter(|(name, _)| !taken_for_granted(name)).collect();
        let is_shown = |name: &str| name == "PGDATA" || name.starts_with("DRILLYARD_");
        let (shown, hidden): (Vec<_>, Vec<_>) = named.into_iter().partition(|(name, _)| is_shown(name));
        let mut text = String::new();
        if !hidden.is_empty() {
            let names: Vec<&str> = hidden.iter().map(|(name, _)| name.as_str()).collect();
            text.push_str(&format!("# needs in its environment: {}\n", names.join(", ")));
        }
        for (name, value) in shown {
            text.push_str(&format!("export {name}={}\n", quote_word(value)));
        }
        text
    }
}

/// A script without the line that says how it is run.
fn bare(script: &str) -> &str {
    script.strip_prefix(SHEBANG).unwrap_or(script).trim_end()
}

/// A command line, continued where it gets too long.
fn line(name: &str, args: &[&str]) -> String {
    let mut text = quote_word(name);
    let mut width = text.chars().count();
    for word in args.iter().map(|word| quote_word(word)) {
        let length = word.chars().count();
        let separator = if width + length > WIDTH { " \\\n  " } else { " " };
        width = if width + length > WIDTH { length } else { width + length + 1 };
        text.push_str(separator);
        text.push_str(&word);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn words_mean_the_same_when_they_are_typed() {
        assert_eq!(Program::new("pg_ctl", ["-D", "/a/b", "stop"]).typed(), r#"pg_ctl -D "/a/b" stop"#);
        assert_eq!(quote_word(r#"a "$x" `b` \"#), r#""a \"\$x\" \`b\` \\""#);
        assert_eq!(quote_word(""), "\"\"");
        let script = Program::script("#!/bin/sh -eu\n# Copies.\ncp \"$1\" \"$2\"\n", ["a", "b c"]);
        assert_eq!(script.typed(), "set -- a \"b c\"\n# Copies.\ncp \"$1\" \"$2\"");
    }

    #[test]
    fn long_lines_are_continued() {
        let typed = Program::new("pg_dump", ["x".repeat(60), "y".repeat(60)]).typed();
        assert_eq!(typed, format!("pg_dump {} \\\n  {}", "x".repeat(60), "y".repeat(60)));
    }
}
