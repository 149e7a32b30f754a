//! The envelope around a statement: DSSE, as a line of JSON.

use openssl::base64::{decode_block, encode_block};
use openssl::error::ErrorStack;
use serde::{Deserialize, Serialize};

use super::key::{SigningKey, VerifyingKey};

/// What is in an envelope.
const PAYLOAD_TYPE: &str = "application/vnd.in-toto+json";

/// A statement, and who signed it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Envelope {
    #[serde(rename = "payloadType")]
    payload_type: String,
    payload: String,
    signatures: Vec<Signature>,
}

#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Signature {
    keyid: String,
    sig: String,
}

/// What is wrong with a line that should be an envelope.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Broken {
    /// It is none, or not written as this program writes them.
    NoEnvelope,
    /// It was signed by another key, which is named.
    OtherKey(String),
    /// It names this key, and the signature is not that of its content.
    Changed,
}

impl Envelope {
    /// Signs a statement.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub(super) fn sign(payload: &[u8], key: &SigningKey) -> Result<Self, ErrorStack> {
        let sig = encode_block(&key.sign(&signed_bytes(payload))?);
        let signatures = vec![Signature { keyid: key.id().to_owned(), sig }];
        Ok(Envelope { payload_type: PAYLOAD_TYPE.to_owned(), payload: encode_block(payload), signatures })
    }

    /// As a line, without its end.
    ///
    /// # Errors
    /// If it cannot be written as JSON.
    pub(super) fn line(&self) -> serde_json::Result<String> {
        serde_json::to_string(self)
    }

    /// Reads a line. There is one way to write an envelope: another one would be bytes that nobody
    /// has signed.
    pub(super) fn parse(line: &str) -> Result<Self, Broken> {
        let envelope: Envelope = serde_json::from_str(line).map_err(|_| Broken::NoEnvelope)?;
        let is_as_written = envelope.line().is_ok_and(|written| written == line);
        let again = |text: &str| decode_block(text).is_ok_and(|bytes| encode_block(&bytes) == text);
        let one = envelope.signatures.len() == 1 && envelope.signatures.iter().all(|one| again(&one.sig));
        let is_ours = envelope.payload_type == PAYLOAD_TYPE && one && again(&envelope.payload);
        if is_as_written && is_ours { Ok(envelope) } else { Err(Broken::NoEnvelope) }
    }

    /// The statement, unverified.
    pub(super) fn payload(&self) -> Vec<u8> {
        decode_block(&self.payload).unwrap_or_default()
    }

    /// The statement, if this key has signed it.
    pub(super) fn verified(&self, key: &VerifyingKey) -> Result<Vec<u8>, Broken> {
        let payload = self.payload();
        let [Signature { keyid, sig }] = self.signatures.as_slice() else { return Err(Broken::NoEnvelope) };
        let signature = decode_block(sig).map_err(|_| Broken::NoEnvelope)?;
        let is_signed = key.is_signature(&signature, &signed_bytes(&payload));
        match keyid == key.id() {
            true if is_signed => Ok(payload),
            true => Err(Broken::Changed),
            // Its own signature under another name: the name was changed.
            false if is_signed => Err(Broken::Changed),
            false => Err(Broken::OtherKey(keyid.clone())),
        }
    }
}

/// What is signed: DSSE's pre-authentication encoding.
fn signed_bytes(payload: &[u8]) -> Vec<u8> {
    let mut bytes = format!("DSSEv1 {} {PAYLOAD_TYPE} {} ", PAYLOAD_TYPE.len(), payload.len()).into_bytes();
    bytes.extend_from_slice(payload);
    bytes
}
