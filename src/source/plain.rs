//! What plain scalars mean.

/// What a plain scalar means (YAML 1.2, core schema).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// Nothing, `~` or `null`.
    Null,
    /// `true` and `false`, also in the capitals that we don't accept.
    Bool,
    /// A whole number, also in the forms that we don't accept (`0x1f`, `007`).
    Integer,
    /// A number with a fraction or an exponent.
    Float,
    /// Anything else.
    Text,
}

impl Kind {
    /// What the plain scalar `text` means.
    pub fn of_plain(text: &str) -> Kind {
        match text {
            "" | "~" | "null" | "Null" | "NULL" => return Kind::Null,
            "true" | "True" | "TRUE" | "false" | "False" | "FALSE" => return Kind::Bool,
            ".nan" | ".NaN" | ".NAN" => return Kind::Float,
            _ => {}
        }
        let based = |prefix, base| text.strip_prefix(prefix).is_some_and(|rest| !rest.is_empty() && all(rest, base));
        if based("0o", 8) || based("0x", 16) {
            return Kind::Integer;
        }
        let digits = text.strip_prefix(['-', '+']).unwrap_or(text);
        if matches!(digits, ".inf" | ".Inf" | ".INF") {
            return Kind::Float;
        }
        if !digits.is_empty() && all(digits, 10) {
            return Kind::Integer;
        }
        let (mantissa, exponent) = match digits.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, Some(exponent.strip_prefix(['-', '+']).unwrap_or(exponent))),
            None => (digits, None),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let number = all(whole, 10) && all(fraction, 10) && !(whole.is_empty() && fraction.is_empty());
        let power = exponent.is_none_or(|digits| !digits.is_empty() && all(digits, 10));
        if number && power { Kind::Float } else { Kind::Text }
    }
}

fn all(digits: &str, base: u32) -> bool {
    digits.chars().all(|c| c.is_digit(base))
}
