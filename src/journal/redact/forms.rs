//! The ways in which a secret can be written: as it is, escaped for JSON, for a shell, for SQL, for
//! a URL or for HTML, indented over several lines as servers log it, in base64 and in hexadecimal.

use std::fmt::Write;

/// The shortest line of a secret of several lines that is looked for by itself: shorter ones (`}`)
/// are in every text.
const LINE: usize = 4;

/// The shortest piece of base64 that is looked for inside a longer one.
const CORE: usize = 4;

/// From how many characters on base64 is also looked for when it is broken into lines.
const BROKEN: usize = 60;

/// A pattern for each way of writing this secret, the longest first.
pub(super) fn patterns(secret: &str) -> Vec<String> {
    let mut patterns = vec![text(secret)];
    patterns.extend(base64(secret.as_bytes()));
    if secret.len() >= LINE {
        patterns.push(format!("(?i:{})", hex(secret.as_bytes())));
    }
    let lines = || secret.lines().map(str::trim).filter(|line| line.len() >= LINE);
    if secret.trim().contains('\n') {
        patterns.extend(lines().map(text));
    }
    patterns
}

/// The secret as text, with every character escaped or not.
fn text(secret: &str) -> String {
    let mut pattern = String::new();
    let mut chars = secret.chars().peekable();
    while let Some(c) = chars.next() {
        if c == '\r' && chars.peek() == Some(&'\n') {
            continue;
        }
        character(c, &mut pattern);
    }
    pattern
}

fn character(c: char, pattern: &mut String) {
    // Writing to a String cannot fail.
    let _ = match c {
        'a'..='z' | 'A'..='Z' | '0'..='9' => write!(pattern, "{c}"),
        '\n' => write!(pattern, r"(?:(?-u:\s)+|(?:\\+r)?\\+n[\t ]*|(?i:(?:%0D)?%0A|\\+u000a|\\+x0a)|\\+012|&#10;)"),
        '\t' => write!(pattern, r"(?:(?-u:\s)+|\\+t|(?i:%09|\\+u0009|\\+x09)|\\+011|&#9;)"),
        ' ' => write!(pattern, r"(?:\\*(?-u:\s)|\+|(?i:%20|\\+u0020|\\+x20)|&#32;)"),
        // As often as it was escaped.
        '\\' => write!(pattern, r"(?:\\+|(?i:%5C|\\+u005c)|&#92;)"),
        '\'' => write!(pattern, r#"(?:'\\+''|'"'"'|\\*'{{1,2}}|(?i:%27|\\+u0027|\\+x27|&#39;|&#x27;|&apos;))"#),
        '"' => write!(pattern, r#"(?:\\*"{{1,2}}|(?i:%22|\\+u0022|\\+x22|&#34;|&#x22;|&quot;))"#),
        '&' => write!(pattern, r"(?:\\*&(?i:amp;|#38;)?|(?i:%26|\\+u0026|\\+x26))"),
        '<' => write!(pattern, r"(?:\\*<|(?i:%3C|\\+u003c|\\+x3c|&lt;|&#60;))"),
        '>' => write!(pattern, r"(?:\\*>|(?i:%3E|\\+u003e|\\+x3e|&gt;|&#62;))"),
        c => other(c, pattern),
    };
}

/// Any other character: itself, perhaps with backslashes before it, or one of the ways to write its
/// number.
fn other(c: char, pattern: &mut String) -> std::fmt::Result {
    let (mut bytes, mut units) = ([0; 4], [0; 2]);
    let bytes = c.encode_utf8(&mut bytes).as_bytes();
    write!(pattern, r"(?:\\*{}|(?i:", regex::escape(c.encode_utf8(&mut [0; 4])))?;
    bytes.iter().try_for_each(|byte| write!(pattern, "%{byte:02X}"))?;
    pattern.push('|');
    c.encode_utf16(&mut units).iter().try_for_each(|unit| write!(pattern, r"\\+u{unit:04x}"))?;
    write!(pattern, r"|\\+u\{{0*{:x}\}}|&#0*{};|&#x0*{:x};|", u32::from(c), u32::from(c), u32::from(c))?;
    bytes.iter().try_for_each(|byte| write!(pattern, r"\\+x{byte:02x}"))?;
    pattern.push('|');
    bytes.iter().try_for_each(|byte| write!(pattern, r"\\+{byte:03o}"))?;
    pattern.push_str("))");
    Ok(())
}

/// The secret in base64, with both alphabets: by itself, and inside a longer text, where it can
/// begin at three places of a group.
fn base64(secret: &[u8]) -> Vec<String> {
    let mut found = vec![encoded(secret)];
    for before in 0..3 {
        let padded = [&[0; 2][..before], secret].concat();
        let all = encoded(&padded);
        let all = all.trim_end_matches('=');
        // What also depends on the neighbours is left out.
        let first = (before * 8).div_ceil(6);
        let last = padded.len() * 8 / 6;
        if let Some(core) = all.get(first..last)
            && core.len() >= CORE
        {
            found.push(core.to_owned());
        }
    }
    found.into_iter().map(|text| of_base64(&text)).collect()
}

fn of_base64(text: &str) -> String {
    let between = if text.len() > BROKEN { r"(?:\\+[rn]|(?-u:\s))*" } else { "" };
    let chars: Vec<String> = text
        .chars()
        .map(|c| match c {
            '+' => r"(?:[+\-]|(?i:%2B))".to_owned(),
            '/' => r"(?:\\*/|_|(?i:%2F))".to_owned(),
            '=' => "(?:=|(?i:%3D))".to_owned(),
            c => c.to_string(),
        })
        .collect();
    chars.join(between)
}

fn encoded(bytes: &[u8]) -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::new();
    for group in bytes.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let bits = byte(0) << 16 | byte(1) << 8 | byte(2);
        for at in 0..4 {
            let letter = ALPHABET[(bits >> (18 - 6 * at) & 63) as usize];
            text.push(if at <= group.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().fold(String::new(), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn base64_is_that_of_the_standard() {
        let told: Vec<String> =
            ["", "f", "fo", "foo", "foob", "fooba", "foobar"].map(|text| encoded(text.as_bytes())).into();
        assert_eq!(told, ["", "Zg==", "Zm8=", "Zm9v", "Zm9vYg==", "Zm9vYmE=", "Zm9vYmFy"]);
    }
}
