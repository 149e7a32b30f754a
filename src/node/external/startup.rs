//! The first message of a session (manual, 55.7 "Message Formats", `StartupMessage`).

use std::io;

use tokio::io::{AsyncRead, AsyncReadExt};

/// The longest that is read (`MAX_STARTUP_PACKET_LENGTH`).
const LONGEST: u32 = 10_000;
/// `NEGOTIATE_SSL_CODE` and `NEGOTIATE_GSS_CODE`.
const ENCRYPTION: [u32; 2] = [80_877_103, 80_877_104];
/// The protocol that all supported servers speak, its minor version aside.
const MAJOR: u32 = 3;

/// What somebody begins a connection with.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Asks {
    /// That it be encrypted.
    Encryption,
    /// A session.
    Session(Startup),
}

/// The wish for a session.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Startup {
    bytes: Vec<u8>,
    parameters: Vec<(String, String)>,
}

impl Startup {
    /// Reads it.
    ///
    /// # Errors
    /// If it is none of these: the wish to cancel a statement, say.
    pub(super) async fn read(from: &mut (impl AsyncRead + Unpin)) -> io::Result<Asks> {
        let wrong = || io::Error::new(io::ErrorKind::InvalidData, "this is no startup message");
        let length = from.read_u32().await?;
        if !(8..=LONGEST).contains(&length) {
            return Err(wrong());
        }
        let code = from.read_u32().await?;
        if ENCRYPTION.contains(&code) && length == 8 {
            return Ok(Asks::Encryption);
        }
        if code >> 16 != MAJOR {
            return Err(wrong());
        }
        let mut body = vec![0; length as usize - 8];
        from.read_exact(&mut body).await?;
        let text = String::from_utf8(body.clone()).map_err(|_| wrong())?;
        let words: Vec<&str> = text.split('\0').collect();
        let pairs = words.chunks_exact(2).take_while(|pair| !pair[0].is_empty());
        let parameters = pairs.map(|pair| (pair[0].to_owned(), pair[1].to_owned())).collect();
        let bytes = [&length.to_be_bytes()[..], &code.to_be_bytes(), &body].concat();
        Ok(Asks::Session(Startup { bytes, parameters }))
    }

    /// All of it, as it came.
    pub(super) fn bytes(&self) -> &[u8] {
        &self.bytes
    }

    /// Why it is not that of a standby that connects as `user`. What says `replication=database`
    /// can send SQL.
    pub(super) fn is_no_standby_of(&self, user: &str) -> Option<String> {
        let all = |name: &str| -> Vec<&str> {
            let found = self.parameters.iter().filter(|(key, _)| key == name);
            found.map(|(_, value)| value.as_str()).collect()
        };
        let replicates = matches!(all("replication").as_slice(), ["true" | "on" | "yes" | "1"]);
        (!replicates || all("user") != [user])
            .then(|| format!("drillyard lets a copy follow production as `{user}`, and no other session through to it"))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(code: u32, parameters: &str) -> Vec<u8> {
        let length = u32::try_from(parameters.len() + 8).unwrap();
        [&length.to_be_bytes()[..], &code.to_be_bytes(), parameters.as_bytes()].concat()
    }

    async fn startup(parameters: &str) -> Startup {
        let bytes = message(196_608, parameters);
        match Startup::read(&mut bytes.as_slice()).await {
            Ok(Asks::Session(startup)) if startup.bytes() == bytes => startup,
            other => panic!("{other:?}"),
        }
    }

    #[tokio::test]
    async fn a_standby_comes_through_and_nobody_else() {
        let standby = startup("user\0drill\0database\0replication\0replication\0true\0\0").await;
        assert_eq!(standby.is_no_standby_of("drill"), None);
        for other in [
            "user\0drill\0database\0app\0\0",
            "user\0drill\0replication\0database\0\0",
            "user\0app\0replication\0true\0\0",
            "user\0drill\0replication\0true\0replication\0database\0\0",
            "user\0drill\0options\0replication\0replication\0off\0\0",
            "replication\0true\0\0",
        ] {
            let why = startup(other).await.is_no_standby_of("drill").expect(other);
            assert!(why.contains("no other session"), "{why}");
        }
    }

    #[tokio::test]
    async fn what_is_no_session_is_told_apart() {
        for code in ENCRYPTION {
            let bytes = message(code, "");
            assert_eq!(Startup::read(&mut bytes.as_slice()).await.unwrap(), Asks::Encryption);
        }
        let cancel = message(80_877_102, "12345678");
        for wrong in [&cancel[..], &[0, 0, 0, 4], &[255, 0, 0, 0, 0, 3, 0, 0], b""] {
            assert!(Startup::read(&mut &*wrong).await.is_err());
        }
    }
}
