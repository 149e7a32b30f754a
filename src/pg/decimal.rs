//! Numbers as PostgreSQL writes them, compared and reckoned with digit by digit: nothing is
//! rounded.

use std::fmt;

use bigdecimal::BigDecimal;
use bigdecimal::num_bigint::{BigInt, Sign};

/// The largest exponent that is read: `double precision` has none beyond it.
const EXPONENT: i32 = 1000;

/// A number with a finite number of digits, of whatever size.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Decimal(BigDecimal);

impl Decimal {
    /// Reads `-12.50`, `1e+20`; `None` if it is something else, such as `NaN` and `Infinity`.
    pub fn parse(text: &str) -> Option<Self> {
        let (sign, rest) = match text.strip_prefix('-') {
            Some(rest) => (Sign::Minus, rest),
            None => (Sign::Plus, text.strip_prefix('+').unwrap_or(text)),
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
        let digits: Vec<u8> = whole.bytes().chain(fraction.bytes()).map(|byte| byte - b'0').collect();
        let scale = i64::try_from(fraction.len()).ok()? - i64::from(exponent);
        Some(Decimal(BigDecimal::new(BigInt::from_radix_be(sign, &digits, 10)?, scale).normalized()))
    }

    /// Whether it is less than zero.
    pub fn is_negative(&self) -> bool {
        self.0.sign() == Sign::Minus
    }

    /// How far it is from another number.
    pub fn distance(&self, other: &Decimal) -> Decimal {
        Decimal((&self.0 - &other.0).abs().normalized())
    }

    /// So many per cent of it; not negative.
    pub fn percent(&self, percent: &Decimal) -> Decimal {
        let (product, scale) = (&self.0 * &percent.0).abs().into_bigint_and_scale();
        Decimal(BigDecimal::new(product, scale + 2).normalized())
    }
}

impl fmt::Display for Decimal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.to_plain_string())
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
