//! PostgreSQL's 64-bit hash of a text, and sums of rows made from it.

use serde::{Deserialize, Serialize};

/// How many rows a table holds, and the sum of their hashes: equal for the same rows in whatever
/// order.
///
/// The server's words for it: `count(*), sum(hashtextextended(t::text, 0)::numeric)`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, Serialize, Deserialize)]
pub struct RowSum {
    /// The number of rows.
    pub rows: u64,
    /// The sum of the rows' hashes.
    pub sum: i128,
}

impl RowSum {
    /// Adds a row by its text, as `record_out` writes it.
    pub(super) fn add(&mut self, row: &[u8]) {
        self.rows += 1;
        self.sum += i128::from(hash_text_extended(row));
    }

    /// Adds the rows of another part of the table.
    pub(super) fn merge(&mut self, other: RowSum) {
        self.rows += other.rows;
        self.sum += other.sum;
    }
}

/// `hashtextextended(text, 0)`: Bob Jenkins' lookup3 as `hash_bytes_extended` of hashfn.c has it,
/// on little-endian machines.
pub(super) fn hash_text_extended(text: &[u8]) -> i64 {
    // The length is hashed with its lower 32 bits; a text has at most 1 GB.
    let start = 0x9e37_79b9_u32.wrapping_add(text.len() as u32).wrapping_add(3_923_095);
    let (mut a, mut b, mut c) = (start, start, start);
    let word = |bytes: &[u8]| bytes.iter().rev().fold(0_u32, |word, byte| word << 8 | u32::from(*byte));
    let mut blocks = text.chunks_exact(12);
    for block in &mut blocks {
        a = a.wrapping_add(word(&block[..4]));
        b = b.wrapping_add(word(&block[4..8]));
        c = c.wrapping_add(word(&block[8..]));
        a = a.wrapping_sub(c) ^ c.rotate_left(4);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(6);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(8);
        b = b.wrapping_add(a);
        a = a.wrapping_sub(c) ^ c.rotate_left(16);
        c = c.wrapping_add(b);
        b = b.wrapping_sub(a) ^ a.rotate_left(19);
        a = a.wrapping_add(c);
        c = c.wrapping_sub(b) ^ b.rotate_left(4);
        b = b.wrapping_add(a);
    }
    let rest = blocks.remainder();
    let part = |from: usize, to: usize| word(rest.get(from..to.min(rest.len())).unwrap_or_default());
    a = a.wrapping_add(part(0, 4));
    b = b.wrapping_add(part(4, 8));
    // The lowest byte of c is kept for the length.
    c = c.wrapping_add(part(8, 11) << 8);
    c = (c ^ b).wrapping_sub(b.rotate_left(14));
    a = (a ^ c).wrapping_sub(c.rotate_left(11));
    b = (b ^ a).wrapping_sub(a.rotate_left(25));
    c = (c ^ b).wrapping_sub(b.rotate_left(16));
    a = (a ^ c).wrapping_sub(c.rotate_left(4));
    b = (b ^ a).wrapping_sub(a.rotate_left(14));
    c = (c ^ b).wrapping_sub(b.rotate_left(24));
    (u64::from(b) << 32 | u64::from(c)) as i64
}

/// SplitMix64's finaliser: neighbours in, strangers out.
pub(super) fn scramble(x: u64) -> u64 {
    let x = (x ^ (x >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    let x = (x ^ (x >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    x ^ (x >> 31)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::Server;

    #[tokio::test]
    async fn texts_are_hashed_as_the_server_hashes_them() {
        let server = Server::start().await;
        let client = server.connect("postgres").await;
        let texts: Vec<String> =
            (0..300).map(|n| "(1,äöü,\"x y\",12.5)~".chars().cycle().skip(n % 7).take(n).collect()).collect();
        let rows = client
            .query(
                "select hashtextextended(t, 0) from unnest($1::text[]) with ordinality u(t, n) order by n",
                &[&texts],
            )
            .await
            .expect("hashes");
        let hashes: Vec<i64> = rows.iter().map(|row| row.get(0)).collect();
        assert_eq!(texts.iter().map(|text| hash_text_extended(text.as_bytes())).collect::<Vec<_>>(), hashes);
    }
}
