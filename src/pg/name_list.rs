//! Lists of names as settings have them.

/// The names in the value of a setting that is a list of them (`search_path`), as the server reads
/// it (varlena.c, `SplitIdentifierString`): what is not quoted is folded to lower case. With
/// `paths` they are libraries (`SplitDirectoriesString`): nothing is folded, and a name may have
/// blanks in it. None where it is no such list.
pub fn names_in_list(value: &str, paths: bool) -> Option<Vec<String>> {
    let mut names = vec![];
    let mut rest = value.trim();
    if rest.is_empty() {
        return Some(names);
    }
    loop {
        let (name, after) = match rest.strip_prefix('"') {
            Some(quoted) => quoted_name(quoted)?,
            None => {
                let (name, after) = rest.split_at(rest.find(',').unwrap_or(rest.len()));
                let name = name.trim_end();
                if name.is_empty() || !paths && name.contains(char::is_whitespace) {
                    return None;
                }
                (if paths { name.to_owned() } else { name.to_ascii_lowercase() }, after)
            }
        };
        names.push(name);
        match after.trim_start() {
            "" => return Some(names),
            more => rest = more.strip_prefix(',')?.trim_start(),
        }
    }
}

/// A name whose first quotation mark has been read, and what comes after its last one.
fn quoted_name(text: &str) -> Option<(String, &str)> {
    let mut end = text.find('"')?;
    while text[end + 1..].starts_with('"') {
        end += 2 + text[end + 2..].find('"')?;
    }
    Some((text[..end].replace("\"\"", "\""), &text[end + 1..]))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_read_as_the_server_reads_it() {
        let read = |value, paths| names_in_list(value, paths).map(|names| names.join("|"));
        assert_eq!(read(r#""$user", public"#, false).as_deref(), Some("$user|public"));
        assert_eq!(read(r#" Shop ,"Shop","a, ""b""" ,"" "#, false).as_deref(), Some(r#"shop|Shop|a, "b"|"#));
        assert_eq!(names_in_list(" ", false), Some(vec![]));
        assert_eq!(names_in_list(r#""""#, false), Some(vec![String::new()]));
        assert_eq!(read("$libdir/Of Mine, auto_explain", true).as_deref(), Some("$libdir/Of Mine|auto_explain"));
        for wrong in ["a,,b", "a,", ",a", "a b", r#""a"#, r#""a" b"#] {
            assert_eq!(names_in_list(wrong, false), None, "{wrong}");
        }
    }
}
