//! Values from a server, compared with those that a scenario has.

use tokio_postgres::types::ToSql;

use crate::node::Text;
use crate::pg::Decimal;
use crate::source::Scalar;

/// What is bound as `$1`, `$2` ... of a statement, as text.
pub(crate) struct Params(Vec<Text>);

impl Params {
    /// These values, in order.
    pub(crate) fn of(values: &[Scalar]) -> Self {
        Params(values.iter().map(|value| Text(value.nullable_text())).collect())
    }

    /// As a session takes them.
    pub(crate) fn all(&self) -> Vec<&(dyn ToSql + Sync)> {
        self.0.iter().map(|value| value as &(dyn ToSql + Sync)).collect()
    }
}

/// Whether a value from the server is the wanted one: by its text, numbers as numbers, booleans as
/// `t` and `f`.
pub(crate) fn is_same(value: Option<&str>, wanted: &Scalar) -> bool {
    match (value, wanted) {
        (None, Scalar::Null) => true,
        (None, _) | (_, Scalar::Null) => false,
        (Some(value), Scalar::Bool(yes)) => value == if *yes { "t" } else { "f" } || value == yes.to_string(),
        (Some(value), Scalar::Integer(_) | Scalar::Float(_)) => {
            let wanted = wanted.text();
            value == wanted || is_same_number(value, &wanted)
        }
        (Some(value), Scalar::Text(text)) => value == text,
    }
}

/// Compares numbers by their digits, so that nothing is rounded: `1.50` is `1.5`.
fn is_same_number(a: &str, b: &str) -> bool {
    Decimal::parse(a).is_some_and(|a| Decimal::parse(b) == Some(a))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_are_compared_as_people_mean_them() {
        assert!(is_same(Some("1.50"), &Scalar::Float("1.5".to_owned())));
        assert!(is_same(Some("-0.0"), &Scalar::Integer(0)));
        assert!(is_same(Some("t"), &Scalar::Bool(true)));
        assert!(is_same(None, &Scalar::Null));
        assert!(!is_same(Some(""), &Scalar::Null));
        assert!(!is_same(Some("f"), &Scalar::Bool(true)));
        assert!(!is_same(Some("10"), &Scalar::Integer(1)));
        assert!(!is_same(Some("12345678901234567891"), &Scalar::Float("12345678901234567890".to_owned())));
        assert!(!is_same(Some("1.5"), &Scalar::Text("1.50".to_owned())));
    }
}
