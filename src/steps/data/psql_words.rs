//! The arguments of psql's commands, as far as a load has to understand them.

/// Whether a command lets psql go on after an error.
pub(crate) fn turns_off_stopping(name: &str, args: &str) -> bool {
    let words = words(args);
    let on =
        words.get(1).is_some_and(|value| matches!(value.to_ascii_lowercase().as_str(), "on" | "1" | "true" | "yes"));
    words.first().is_some_and(|variable| variable == "ON_ERROR_STOP") && !(name == "set" && on)
}

/// Whether a command runs a program.
pub(crate) fn has_shell(name: &str, args: &str) -> bool {
    let pipes = matches!(name, "o" | "out" | "w" | "write" | "g" | "gx")
        && words(args).iter().any(|word| word.starts_with('|'));
    let copies = name == "copy"
        && words(args).windows(2).any(|pair| {
            matches!(pair[0].to_ascii_lowercase().as_str(), "from" | "to") && pair[1].eq_ignore_ascii_case("program")
        });
    let ticks = name != "copy" && args.split('\'').step_by(2).any(|outside| outside.contains('`'));
    name.starts_with('!') || pipes || copies || ticks
}

pub(crate) fn words(args: &str) -> Vec<String> {
    args.split_whitespace().map(str::to_owned).collect()
}

/// A file's name without its quotes.
pub(crate) fn unquoted(args: &str) -> String {
    let args = args.trim();
    match args.strip_prefix('\'').and_then(|rest| rest.strip_suffix('\'')) {
        Some(inside) => inside.replace("''", "'").replace("\\'", "'"),
        None => args.to_owned(),
    }
}

pub(crate) fn quoted(path: &str) -> String {
    format!("'{}'", path.replace('\'', "''"))
}

/// Where the file's name stands in the arguments of `\copy`: behind FROM or TO, outside of
/// parentheses and quotes.
pub(crate) fn copied_file(args: &str) -> Option<(usize, usize)> {
    let bytes = args.as_bytes();
    let (mut at, mut depth, mut behind) = (0, 0_usize, false);
    while at < bytes.len() {
        let start = at;
        match bytes[at] {
            byte if byte.is_ascii_whitespace() => {
                at += 1;
                continue;
            }
            quote @ (b'\'' | b'"') => {
                let closing = bytes[at + 1..].iter().position(|byte| *byte == quote)?;
                at += closing + 2;
            }
            b'(' => (depth, at) = (depth + 1, at + 1),
            b')' => (depth, at) = (depth.saturating_sub(1), at + 1),
            _ => {
                let ends =
                    |byte: &u8| byte.is_ascii_whitespace() || (!behind && matches!(byte, b'(' | b')' | b'\'' | b'"'));
                at += bytes[at..].iter().position(ends).unwrap_or(bytes.len() - at).max(1);
            }
        }
        if depth > 0 {
            continue;
        }
        if behind {
            return Some((start, at));
        }
        behind = matches!(args[start..at].to_ascii_lowercase().as_str(), "from" | "to");
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_file_of_a_copy_is_found() {
        let file = |args: &'static str| copied_file(args).map(|(from, to)| &args[from..to]);
        assert_eq!(file("t from rows.csv csv"), Some("rows.csv"));
        assert_eq!(file("t(a, b) FROM 'my rows.csv' with (format csv)"), Some("'my rows.csv'"));
        assert_eq!(file("\"from\" from stdin"), Some("stdin"));
        assert_eq!(file("(select a from b) to 'x'"), Some("'x'"));
        assert_eq!(file("t"), None);
    }

    #[test]
    fn programs_are_not_run() {
        let cases = [
            ("!", "ls"),
            ("!ls", ""),
            ("copy", "t from program 'ls'"),
            ("set", "x `ls`"),
            ("o", "|cat"),
            ("g", "| cat"),
        ];
        assert!(cases.iter().all(|(name, args)| has_shell(name, args)));
        let others = [("copy", "t from 'program'"), ("set", "x 'a`b'"), ("o", "/dev/null"), ("echo", "hi!")];
        assert!(!others.iter().any(|(name, args)| has_shell(name, args)));
    }
}
