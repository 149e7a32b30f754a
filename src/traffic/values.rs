//! Values as the server sends them.

use bytes::Buf;

/// How a column's values come.
#[derive(Clone, Copy)]
pub(super) enum Values {
    Integer,
    Text,
}

/// A field's bytes; None within for NULL.
pub(super) fn field<'a>(data: &mut &'a [u8]) -> Option<Option<&'a [u8]>> {
    let Ok(len) = usize::try_from(data.try_get_i32().ok()?) else { return Some(None) };
    let (field, rest) = data.split_at_checked(len)?;
    *data = rest;
    Some(Some(field))
}

/// The whole number in a field; None if it is something else and thus not ours.
pub(super) fn number(field: Option<&[u8]>, values: Values) -> Option<i64> {
    let bytes = field?;
    match values {
        Values::Integer => match bytes.len() {
            2 => Some(i16::from_be_bytes(bytes.try_into().ok()?).into()),
            4 => Some(i32::from_be_bytes(bytes.try_into().ok()?).into()),
            8 => Some(i64::from_be_bytes(bytes.try_into().ok()?)),
            _ => None,
        },
        Values::Text => {
            // char(n) is padded with spaces, numeric(10, 2) has a fraction of zeros.
            let text = std::str::from_utf8(bytes).ok()?.trim();
            let (whole, fraction) = text.split_once('.').unwrap_or((text, ""));
            whole.parse().ok().filter(|_| fraction.bytes().all(|b| b == b'0'))
        }
    }
}
