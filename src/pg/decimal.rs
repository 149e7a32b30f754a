//! Numbers as PostgreSQL writes them, compared and reckoned with digit by digit: nothing is
//! rounded.

use std::cmp::Ordering;
use std::fmt;

/// The largest exponent that is read: `double precision` has none beyond it.
const EXPONENT: i32 = 1000;

/// A number with a finite number of digits, of whatever size.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct Decimal {
    /// Zero is not negative.
    negative: bool,
    /// From the first one on that is not 0 to the last one behind the point that is not 0.
    digits: Vec<u8>,
    /// How many of them are behind the point.
    scale: usize,
}

impl Decimal {
    /// Reads `-12.50`, `1e+20`; `None` if it is something else, such as `NaN` and `Infinity`.
    pub fn parse(text: &str) -> Option<Self> {
        let (negative, rest) = match text.strip_prefix('-') {
            Some(rest) => (true, rest),
            None => (false, text.strip_prefix('+').unwrap_or(text)),
        };
        let (mantissa, exponent) = match rest.split_once(['e', 'E']) {
            Some((mantissa, exponent)) => (mantissa, exponent.parse::<i32>().ok()?),
            None => (rest, 0),
        };
        let (whole, fraction) = mantissa.split_once('.').unwrap_or((mantissa, ""));
        let is_number = |part: &str| part.bytes().all(|byte| byte.is_ascii_digit());
        if !is_number(whole) || !is_number(fraction) || whole.len() + fraction.len() == 0 || exponent.abs() > EXPONENT {
            return None;
        }
        let mut digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        if scale < 0 {
            digits.resize(digits.len() + usize::try_from(-scale).ok()?, 0);
        }
        Some(Decimal::of(negative, digits, usize::try_from(scale.max(0)).ok()?))
    }

    /// The number of these digits, without zeros that say nothing.
    fn of(negative: bool, mut digits: Vec<u8>, mut scale: usize) -> Self {
        while scale > 0 && digits.last() == Some(&0) {
            digits.pop();
            scale -= 1;
        }
        digits.drain(..digits.iter().take_while(|digit| **digit == 0).count());
        if digits.is_empty() {
            return Decimal::default();
        }
        Decimal { negative, digits, scale }
    }

    /// Whether it is below zero.
    pub fn is_negative(&self) -> bool {
        self.negative
    }

    /// How far two numbers are apart.
    pub fn distance(&self, other: &Decimal) -> Decimal {
        let (a, b, scale) = aligned(self, other);
        let digits = match (self.negative == other.negative, a < b) {
            (false, _) => sum(&a, &b),
            (true, true) => difference(&b, &a),
            (true, false) => difference(&a, &b),
        };
        Decimal::of(false, digits, scale)
    }

    /// So many percent of it, without a sign.
    pub fn percent(&self, percent: &Decimal) -> Decimal {
        let mut digits = vec![0u32; self.digits.len() + percent.digits.len()];
        for (at, a) in self.digits.iter().enumerate() {
            for (by, b) in percent.digits.iter().enumerate() {
                digits[at + by + 1] += u32::from(*a) * u32::from(*b);
            }
        }
        let mut carry = 0;
        for digit in digits.iter_mut().rev() {
            carry += *digit;
            *digit = carry % 10;
            carry /= 10;
        }
        let digits = digits.into_iter().map(|digit| u8::try_from(digit).unwrap_or_default()).collect();
        Decimal::of(false, digits, self.scale + percent.scale + 2)
    }
}

/// The digits of both, as many on either side of the point, and how many are behind it.
fn aligned(a: &Decimal, b: &Decimal) -> (Vec<u8>, Vec<u8>, usize) {
    let scale = a.scale.max(b.scale);
    let length = |number: &Decimal| number.digits.len() + scale - number.scale;
    let length = length(a).max(length(b));
    let widened = |number: &Decimal| {
        let behind = scale - number.scale;
        let before = length.saturating_sub(number.digits.len() + behind);
        [&vec![0; before][..], &number.digits, &vec![0; behind]].concat()
    };
    (widened(a), widened(b), scale)
}

/// The sum of two rows of digits of the same length.
fn sum(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut digits, mut carry) = (vec![], 0);
    for (a, b) in a.iter().zip(b).rev() {
        let together = a + b + carry;
        digits.push(together % 10);
        carry = together / 10;
    }
    digits.push(carry);
    digits.reverse();
    digits
}

/// The difference of two rows of digits of the same length, of which the second is no larger.
fn difference(a: &[u8], b: &[u8]) -> Vec<u8> {
    let (mut digits, mut borrowed) = (vec![], 0);
    for (a, b) in a.iter().zip(b).rev() {
        let (a, b) = (*a, b + borrowed);
        borrowed = u8::from(a < b);
        digits.push(a + 10 * borrowed - b);
    }
    digits.reverse();
    digits
}

impl Ord for Decimal {
    fn cmp(&self, other: &Self) -> Ordering {
        let (a, b, _) = aligned(self, other);
        match (self.negative, other.negative) {
            (false, false) => a.cmp(&b),
            (true, true) => b.cmp(&a),
            (mine, theirs) => theirs.cmp(&mine),
        }
    }
}

impl PartialOrd for Decimal {
    fn partial_cmp(&self, other: &Self) -> Option<Ordering> {
        Some(self.cmp(other))
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let before = self.digits.len().saturating_sub(self.scale);
        let text = |digits: &[u8]| digits.iter().map(|digit| char::from(b'0' + digit)).collect::<String>();
        f.write_str(if self.negative { "-" } else { "" })?;
        f.write_str(&if before == 0 { "0".to_owned() } else { text(&self.digits[..before]) })?;
        match self.scale {
            0 => Ok(()),
            scale => {
                write!(f, ".{}{}", "0".repeat(scale.saturating_sub(self.digits.len())), text(&self.digits[before..]))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn number(text: &str) -> Decimal {
        Decimal::parse(text).unwrap_or_else(|| panic!("{text} is a number"))
    }

    #[test]
    fn numbers_are_read_as_the_server_writes_them() {
        for (text, plain) in [
            ("-0.0", "0"),
            ("007.50", "7.5"),
            ("1e+20", "100000000000000000000"),
            ("1.5e-07", "0.00000015"),
            (".5", "0.5"),
            ("+3.", "3"),
            ("-12345678901234567890.1", "-12345678901234567890.1"),
        ] {
            assert_eq!(number(text).to_string(), plain, "{text}");
        }
        for text in ["", ".", "-", "NaN", "Infinity", "1e", "1e9999", "12 ", "$1", "1,000", "0x1", "٣"] {
            assert_eq!(Decimal::parse(text), None, "{text}");
        }
    }

    #[test]
    fn neighbours_that_are_one_to_a_float_are_two() {
        assert!(number("9007199254740993") > number("9007199254740992"));
        assert!(number("-9007199254740993") < number("-9007199254740992"));
        assert_eq!(number("9007199254740993").distance(&number("9007199254740992")), number("1"));
        assert_eq!(number("0.1"), number("0.10"));
        assert_eq!(number("-200").percent(&number("1.5")), number("3"));
    }

    proptest! {
        #[test]
        fn it_reckons_as_whole_numbers_do(a in -1_000_000_000_000i128..1_000_000_000_000, b in -1_000_000i128..1_000_000, scale in 0usize..9) {
            let unit = 10i128.pow(u32::try_from(scale).expect("small"));
            let text = |value: i128| format!("{}{}.{:0scale$}", if value < 0 { "-" } else { "" }, value.abs() / unit, value.abs() % unit);
            let written = |value: i128| if scale == 0 { value.to_string() } else { text(value) };
            let (x, y) = (number(&written(a)), number(&written(b)));
            prop_assert_eq!(x.cmp(&y), a.cmp(&b));
            prop_assert_eq!(x.distance(&y), number(&written((a - b).abs())));
            prop_assert_eq!(x.percent(&number(&b.abs().to_string())), number(&format!("{}e-{}", (a * b).abs(), scale + 2)));
            prop_assert_eq!(number(&x.to_string()), x);
        }
    }
}
