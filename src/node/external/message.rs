//! What a server says at the beginning of a session (manual, 55.7 "Message Formats").

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// `AuthenticationSASL`, and what it offers that is bound to the encryption of the connection.
const SASL: [u8; 4] = [0, 0, 0, 10];
const BOUND: &str = "SCRAM-SHA-256-PLUS";
/// The longest that is read.
const LONGEST: u32 = 30_000;

/// A message of a server.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Message {
    tag: u8,
    body: Vec<u8>,
}

impl Message {
    /// Reads one.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Self> {
        let (tag, length) = (from.read_u8().await?, from.read_u32().await?);
        if !(4..=LONGEST).contains(&length) {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "this is no message of a server"));
        }
        let mut body = vec![0; length as usize - 4];
        from.read_exact(&mut body).await?;
        Ok(Message { tag, body })
    }

    /// An error as a server tells it: an `ErrorResponse`.
    pub(super) fn refusal(code: &str, message: &str) -> Self {
        let fields = format!("SFATAL\0VFATAL\0C{code}\0M{}\0\0", message.replace('\0', " "));
        Message { tag: b'E', body: fields.into_bytes() }
    }

    /// As it is sent.
    pub(super) fn bytes(&self) -> Vec<u8> {
        let length = u32::try_from(self.body.len() + 4).unwrap_or(u32::MAX);
        [&[self.tag][..], &length.to_be_bytes(), &self.body].concat()
    }

    /// Whether it is an error.
    pub(super) fn is_error(&self) -> bool {
        self.tag == b'E'
    }

    /// Whether it only says that the server speaks an older version of the protocol.
    pub(super) fn is_before_authentication(&self) -> bool {
        self.tag == b'v'
    }

    /// The same for who does not speak TLS himself: libpq takes the offer to bind a password to an
    /// encryption that it does not see for an attack.
    pub(super) fn without_channel_binding(self) -> Self {
        let Some(offered) = self.body.strip_prefix(&SASL).filter(|_| self.tag == b'R') else { return self };
        let names = offered.split(|byte| *byte == 0).filter(|name| !name.is_empty() && *name != BOUND.as_bytes());
        let kept: Vec<u8> = names.flat_map(|name| [name, &[0]].concat()).collect();
        Message { tag: self.tag, body: [&SASL[..], &kept, &[0]].concat() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn only_what_is_bound_to_the_encryption_is_left_out() {
        let offer = |names: &[&str]| {
            let names: String = names.iter().map(|name| format!("{name}\0")).collect();
            Message { tag: b'R', body: [&SASL[..], names.as_bytes(), &[0]].concat() }
        };
        let both = offer(&[BOUND, "SCRAM-SHA-256"]);
        assert_eq!(Message::read(&mut both.bytes().as_slice()).await.unwrap(), both);
        assert_eq!(both.without_channel_binding(), offer(&["SCRAM-SHA-256"]));
        for other in
            [Message { tag: b'R', body: vec![0, 0, 0, 0] }, offer(&["SCRAM-SHA-256"]), Message::refusal("08001", "no")]
        {
            assert_eq!(other.clone().without_channel_binding(), other);
        }
        assert!(Message::read(&mut &b"R\xff\xff\xff\xff"[..]).await.is_err());
    }

    #[test]
    fn a_refusal_is_an_error_of_a_server() {
        let refusal = Message::refusal("42501", "no");
        assert!(refusal.is_error() && refusal.bytes() == b"E\0\0\0\x1eSFATAL\0VFATAL\0C42501\0Mno\0\0");
    }
}
