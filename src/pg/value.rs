//! Values for people: quoted, so that blanks at an end, line ends and characters that nobody sees
//! are seen.

/// How many characters of a value are shown.
const MOST: usize = 120;

/// How many characters are shown before the first one that differs, if a value is too long to be
/// shown whole.
const BEFORE: usize = 30;

/// A value as an SQL literal, in PostgreSQL's own notation: numbers as they are, `null`, everything
/// else in quotes (`'a '`); with characters that cannot be seen as `E'a\u200bb'`. A long one is cut
/// off.
pub fn shown_value(value: Option<&str>) -> String {
    match value {
        Some(number) if is_number(number) => number.to_owned(),
        other => quoted_from(other, 0),
    }
}

/// Two values that differ. Of long ones the part in which they first do is shown.
pub fn shown_values(first: Option<&str>, second: Option<&str>) -> (String, String) {
    let [one, other] = quoted_values([first, second]);
    let shown = |value: Option<&str>, quoted| value.filter(|text| is_number(text)).map_or(quoted, str::to_owned);
    (shown(first, one), shown(second, other))
}

/// The same of several values, of which at least two differ, with quotes around numbers, too.
pub fn quoted_values<const N: usize>(values: [Option<&str>; N]) -> [String; N] {
    let texts: Vec<&str> = values.iter().copied().flatten().collect();
    let same = |a: &str, b: &str| a.chars().zip(b.chars()).take_while(|(a, b)| a == b).count();
    let same = texts.windows(2).filter(|pair| pair[0] != pair[1]).map(|pair| same(pair[0], pair[1])).min();
    values.map(|value| quoted_from(value, same.unwrap_or_default()))
}

/// A row's text as it is, unless there is something in it that cannot be seen.
pub fn shown_record(text: &str) -> String {
    if text.chars().any(is_unseen) { quoted(text) } else { text.to_owned() }
}

/// The value, or of a long one the part around the character of this number.
fn quoted_from(value: Option<&str>, at: usize) -> String {
    let Some(text) = value else { return "null".to_owned() };
    let length = text.chars().count();
    if length <= MOST {
        return quoted(text);
    }
    let from = if at < MOST - BEFORE { 0 } else { at - BEFORE };
    let from = from.min(length - MOST);
    let part: String = text.chars().skip(from).take(MOST).collect();
    let to = from + MOST;
    let (before, after) = (if from > 0 { "..." } else { "" }, if to < length { "..." } else { "" });
    format!("{before}{}{after} (characters {} to {to} of {length})", quoted(&part), from + 1)
}

/// Whether it looks like a number, which needs no quotes to be seen whole.
fn is_number(text: &str) -> bool {
    let unsigned = text.strip_prefix('-').unwrap_or(text);
    let (mantissa, exponent) = unsigned.split_once('e').unwrap_or((unsigned, "0"));
    let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, "0"));
    let digits = |text: &str| !text.is_empty() && text.bytes().all(|byte| byte.is_ascii_digit());
    text.len() <= MOST
        && digits(whole)
        && digits(fraction)
        && digits(exponent.strip_prefix(['+', '-']).unwrap_or(exponent))
}

/// `'text'`, or `E'text'` with escapes, as PostgreSQL reads it.
fn quoted(text: &str) -> String {
    if !text.chars().any(is_unseen) {
        return format!("'{}'", text.replace('\'', "''"));
    }
    let mut shown = "E'".to_owned();
    for character in text.chars() {
        match character {
            '\'' => shown.push_str("''"),
            '\\' => shown.push_str("\\\\"),
            '\n' => shown.push_str("\\n"),
            '\r' => shown.push_str("\\r"),
            '\t' => shown.push_str("\\t"),
            unseen if is_unseen(unseen) && u32::from(unseen) > 0xffff => {
                shown.push_str(&format!("\\U{:08x}", u32::from(unseen)));
            }
            unseen if is_unseen(unseen) => shown.push_str(&format!("\\u{:04x}", u32::from(unseen))),
            seen => shown.push(seen),
        }
    }
    shown.push('\'');
    shown
}

/// Whether a character leaves no trace of its own: controls, formats (zero width space, byte order
/// mark, marks of direction), blanks that are no space, what is not assigned, fillers, selectors;
/// and accents that are put on the letter before them.
fn is_unseen(character: char) -> bool {
    if character.is_ascii() {
        return character.is_ascii_control();
    }
    let accent = matches!(u32::from(character), 0x300..=0x36f | 0x1ab0..=0x1aff | 0x1dc0..=0x1dff | 0x20d0..=0x20ff | 0xfe20..=0xfe2f);
    let filler =
        matches!(u32::from(character), 0x115f | 0x1160 | 0x17b4 | 0x17b5 | 0x180b..=0x180f | 0x2800 | 0x3164 | 0xffa0);
    let selector = matches!(u32::from(character), 0xfe00..=0xfe0f | 0xe0000..=0xe0fff);
    // Behind a letter, vowel signs and the like, which have to be read, are not escaped; what
    // cannot be printed is.
    let printed = ['a', character].iter().collect::<String>().escape_debug().count() == 2;
    accent || filler || selector || !printed
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_cannot_be_seen_is_shown() {
        let cases = [
            (Some("7"), "7"),
            (Some("-1.50"), "-1.50"),
            (Some("1e-30"), "1e-30"),
            (Some("1e+300"), "1e+300"),
            (Some("1."), "'1.'"),
            (Some("7 "), "'7 '"),
            (Some("-"), "'-'"),
            (Some("kelp"), "'kelp'"),
            (Some("a "), "'a '"),
            (Some(""), "''"),
            (None, "null"),
            (Some("null"), "'null'"),
            (Some("O'Hara\\"), "'O''Hara\\'"),
            (Some("a\u{200b}b"), "E'a\\u200bb'"),
            (Some("\u{feff}x"), "E'\\ufeffx'"),
            (Some("a\u{a0}"), "E'a\\u00a0'"),
            (Some("é"), "'é'"),
            (Some("e\u{301}"), "E'e\\u0301'"),
            (Some("x\r\ny\t'\\"), "E'x\\r\\ny\\t''\\\\'"),
            (Some("\u{1b}[0m"), "E'\\u001b[0m'"),
            (Some("\u{e0041}"), "E'\\U000e0041'"),
            (Some("นี้ हिन्दी 日本 🙂"), "'นี้ हिन्दी 日本 🙂'"),
        ];
        for (value, shown) in cases {
            assert_eq!(shown_value(value), shown);
        }
        assert_eq!(shown_record("(1,\"a b\",)"), "(1,\"a b\",)");
        assert_eq!(shown_record("(1,\"a\u{200b}\\\\\")"), "E'(1,\"a\\u200b\\\\\\\\\")'");
    }

    #[test]
    fn of_long_values_the_part_that_differs_is_shown() {
        let (one, other) = ("x".repeat(500) + "a" + &"y".repeat(500), "x".repeat(500) + "b" + &"y".repeat(499));
        let (one, other) = shown_values(Some(&one), Some(&other));
        let (x, y) = ("x".repeat(30), "y".repeat(89));
        assert_eq!(one, format!("...'{x}a{y}'... (characters 471 to 590 of 1001)"));
        assert_eq!(other, format!("...'{x}b{y}'... (characters 471 to 590 of 1000)"));
        let (one, other) = shown_values(Some(&"z".repeat(200)), Some(&"z".repeat(201)));
        assert_eq!(one, format!("...'{}' (characters 81 to 200 of 200)", "z".repeat(120)));
        assert_eq!(other, format!("...'{}' (characters 82 to 201 of 201)", "z".repeat(120)));
        assert_eq!(
            shown_value(Some(&"z".repeat(201))),
            format!("'{}'... (characters 1 to 120 of 201)", "z".repeat(120))
        );
    }
}
