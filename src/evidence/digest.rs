//! SHA-256, as hexadecimal digits.

use openssl::sha::sha256;

/// The digest of these bytes. Of a line without its end it is what the next one names it by.
pub fn digest(bytes: &[u8]) -> String {
    hex(&sha256(bytes))
}

/// Bytes as hexadecimal digits.
pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
