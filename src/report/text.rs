//! Texts as reports show them: nothing that a terminal would obey, numbers and durations that
//! people can read.

use std::fmt::Write;

/// `text` with every character that a terminal or a viewer would obey written out: `\x1b`,
/// `\u{202e}`. Line ends and tabs stay.
pub(super) fn visible(text: &str) -> String {
    escape(text, |c| matches!(c, '\n' | '\t'))
}

/// [`visible`], on one line: line ends become spaces.
pub fn one_line(text: &str) -> String {
    let joined = text.lines().map(str::trim).filter(|line| !line.is_empty()).collect::<Vec<_>>().join(" ");
    escape(&joined, |_| false)
}

/// [`one_line`], in which nothing is HTML, in elements and in attributes.
pub fn escape_html(text: &str) -> String {
    entities(&one_line(text))
}

/// `text` in which nothing is HTML.
pub(super) fn entities(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;").replace('"', "&quot;").replace('\'', "&#39;")
}

fn escape(text: &str, keep: impl Fn(char) -> bool) -> String {
    let mut shown = String::with_capacity(text.len());
    for c in text.chars() {
        match keep(c) {
            true => shown.push(c),
            false => push_visible(&mut shown, c),
        }
    }
    shown
}

/// Adds one character, written out where it is not safe to show.
pub(super) fn push_visible(shown: &mut String, c: char) {
    // A String takes every write.
    let _ = match c {
        '\t' => write!(shown, "    "),
        '\n' => write!(shown, "\\n"),
        '\r' => write!(shown, "\\r"),
        '\0'..='\x1f' | '\x7f' => write!(shown, "\\x{:02x}", u32::from(c)),
        // C1 controls, which some terminals obey as they obey ESC; marks that turn the direction of
        // the text around, which let a line read otherwise than it is; and what XML does not allow.
        '\u{80}'..='\u{9f}'
        | '\u{200e}'
        | '\u{200f}'
        | '\u{2028}'..='\u{202e}'
        | '\u{2066}'..='\u{2069}'
        | '\u{feff}'
        | '\u{fffe}'
        | '\u{ffff}' => write!(shown, "\\u{{{:x}}}", u32::from(c)),
        _ => write!(shown, "{c}"),
    };
}

/// `18204` as `18,204`.
pub fn thousands(number: u64) -> String {
    let digits = number.to_string();
    let mut shown = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            shown.push(',');
        }
        shown.push(digit);
    }
    shown
}

/// A duration as people write it: `240 ms`, `2.1 s`, `2 min 5 s`, `1 h 10 min`.
pub fn duration(ms: u64) -> String {
    let seconds = ms / 1000;
    let two = |big: u64, unit: &str, small: u64, small_unit: &str| match small {
        0 => format!("{big} {unit}"),
        _ => format!("{big} {unit} {small} {small_unit}"),
    };
    match seconds {
        0 => format!("{ms} ms"),
        1..60 if ms % 1000 < 100 => format!("{seconds} s"),
        1..60 => format!("{seconds}.{} s", ms % 1000 / 100),
        60..3600 => two(seconds / 60, "min", seconds % 60, "s"),
        _ => two(seconds / 3600, "h", seconds % 3600 / 60, "min"),
    }
}

/// `1 drill`, `2 drills`.
pub fn count(number: u64, noun: &str) -> String {
    match number {
        1 => format!("1 {noun}"),
        _ => format!("{} {noun}s", thousands(number)),
    }
}

/// `text` in at most `width` characters, with an ellipsis where it was cut.
pub(super) fn cut(text: &str, width: usize) -> String {
    match text.chars().count() > width {
        true => text.chars().take(width.saturating_sub(1)).chain(['…']).collect(),
        false => text.to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_would_obey_is_written_out() {
        assert_eq!(visible("a\x1b[31mb\u{9b}c\u{202e}d\x07\r\ne\tf"), "a\\x1b[31mb\\u{9b}c\\u{202e}d\\x07\\r\ne\tf");
        assert_eq!(one_line("two\n  lines\tx\n"), "two lines    x");
        assert_eq!(visible("größe 表 🐘"), "größe 表 🐘");
    }

    #[test]
    fn numbers_and_durations_read_well() {
        let shown = [0, 999, 1000, 18204, 1_234_567].map(thousands);
        assert_eq!(shown, ["0", "999", "1,000", "18,204", "1,234,567"]);
        let shown = [0, 999, 1000, 1099, 2100, 59_999, 60_000, 125_000, 4_200_000].map(duration);
        assert_eq!(shown, ["0 ms", "999 ms", "1 s", "1 s", "2.1 s", "59.9 s", "1 min", "2 min 5 s", "1 h 10 min"]);
        assert_eq!(cut("größer", 4), "grö…");
        assert_eq!(count(1, "drill") + &count(2000, "drill"), "1 drill2,000 drills");
    }
}
