//! The keys: ed25519, in PEM, as `openssl genpkey -algorithm ed25519` writes them.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};

use openssl::error::ErrorStack;
use openssl::pkey::{HasPublic, Id, PKey, PKeyRef, Private, Public};
use openssl::sign::{Signer, Verifier};

use super::digest::digest;

/// How a private key is made.
const MAKE: &str = "make one with: openssl genpkey -algorithm ed25519 -out evidence.pem";

/// How its public half is written down.
const PUBLIC: &str = "write it down with: openssl pkey -in evidence.pem -pubout -out evidence.pub.pem";

/// A key that cannot be used: why, and what to do.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("the key {} cannot be used: {what}", path.display())]
pub struct KeyError {
    path: PathBuf,
    what: String,
    /// What to do about it.
    pub help: String,
}

/// A key that signs.
pub struct SigningKey {
    key: PKey<Private>,
    id: String,
}

/// A key that verifies.
pub struct VerifyingKey {
    key: PKey<Public>,
    id: String,
}

impl std::fmt::Debug for SigningKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "SigningKey({})", self.id)
    }
}

impl std::fmt::Debug for VerifyingKey {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "VerifyingKey({})", self.id)
    }
}

impl SigningKey {
    /// Reads a private key that nobody else can read.
    ///
    /// # Errors
    /// If there is none, or another kind of key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let wrong = |what: &str, help: &str| Err(error(path, what, help));
        let pem = read(path)?;
        if let Some((what, help)) = no_private_key(&pem) {
            return wrong(what, help);
        }
        if is_open_to_all(path) {
            let what = "everybody on this machine may read or change it";
            return wrong(what, &format!("chmod 600 {}, and think about who has read it so far", path.display()));
        }
        // Nobody is asked for a passphrase: nobody may be there.
        let Ok(key) = PKey::private_key_from_pem_callback(pem.as_bytes(), |_| Ok(0)) else {
            return wrong("OpenSSL cannot read it as a private key", MAKE);
        };
        match key.id() {
            Id::ED25519 => {
                let id = id(&key).map_err(|_| error(path, "OpenSSL cannot read it", MAKE))?;
                Ok(SigningKey { key, id })
            }
            other => wrong(&format!("it is {}, and evidence is signed with ed25519", kind(other)), MAKE),
        }
    }

    /// The SHA-256 of its public half (DER), which statements name it by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Its public half.
    ///
    /// # Errors
    /// If OpenSSL fails.
    pub fn verifying(&self) -> Result<VerifyingKey, ErrorStack> {
        let key = PKey::public_key_from_der(&self.key.public_key_to_der()?)?;
        Ok(VerifyingKey { key, id: self.id.clone() })
    }

    /// The signature of these bytes.
    pub(super) fn sign(&self, bytes: &[u8]) -> Result<Vec<u8>, ErrorStack> {
        Signer::new_without_digest(&self.key)?.sign_oneshot_to_vec(bytes)
    }
}

impl VerifyingKey {
    /// Reads a public key.
    ///
    /// # Errors
    /// If there is none, or another kind of key.
    pub fn read(path: &Path) -> Result<Self, KeyError> {
        let pem = read(path)?;
        if pem.contains("PRIVATE KEY") {
            let what = "it is a private key, which stays with those who sign; to verify, its public half is enough";
            return Err(error(path, what, PUBLIC));
        }
        let Ok(key) = PKey::public_key_from_pem(pem.as_bytes()) else {
            return Err(error(path, &format!("it is {}", what_instead(&pem)), PUBLIC));
        };
        match key.id() {
            Id::ED25519 => {
                let id = id(&key).map_err(|_| error(path, "OpenSSL cannot read it", PUBLIC))?;
                Ok(VerifyingKey { key, id })
            }
            other => {
                let what = format!("it is the public half of {}, and evidence is signed with ed25519", kind(other));
                Err(error(path, &what, PUBLIC))
            }
        }
    }

    /// The SHA-256 of it (DER), which statements name it by.
    pub fn id(&self) -> &str {
        &self.id
    }

    /// Whether this is the signature of these bytes.
    pub(super) fn is_signature(&self, signature: &[u8], bytes: &[u8]) -> bool {
        let verifier = Verifier::new_without_digest(&self.key);
        verifier.and_then(|mut verifier| verifier.verify_oneshot(signature, bytes)).unwrap_or(false)
    }
}

fn id<T: HasPublic>(key: &PKeyRef<T>) -> Result<String, ErrorStack> {
    Ok(digest(&key.public_key_to_der()?))
}

fn error(path: &Path, what: &str, help: &str) -> KeyError {
    KeyError { path: path.to_owned(), what: what.to_owned(), help: help.to_owned() }
}

fn read(path: &Path) -> Result<String, KeyError> {
    /// No key is longer.
    const LONGEST: u64 = 64 << 10;
    let unreadable = |e: &io::Error| error(path, &e.to_string(), MAKE);
    let found = fs::metadata(path).map_err(|e| unreadable(&e))?;
    if !found.is_file() {
        return Err(error(path, "it is no file", MAKE));
    }
    if found.len() > LONGEST {
        return Err(error(path, "it is too long to be a key in PEM", MAKE));
    }
    let bytes = fs::read(path).map_err(|e| unreadable(&e))?;
    Ok(String::from_utf8_lossy(&bytes).into_owned())
}

/// What a text is that is no private key, as far as that is seen without reading it, and what to
/// do.
fn no_private_key(pem: &str) -> Option<(&'static str, &'static str)> {
    const DECRYPT: &str = "write it without one, where only drillyard reads it: \
                           openssl pkey -in ENCRYPTED -out evidence.pem && chmod 600 evidence.pem";
    let has = |text: &str| pem.contains(text);
    if has("ENCRYPTED") {
        Some(("it is encrypted, and nobody is there to be asked for its passphrase", DECRYPT))
    } else if has("OPENSSH PRIVATE KEY") {
        Some(("it is a key of OpenSSH, in a form of its own", MAKE))
    } else if has("PUBLIC KEY") {
        Some(("it is a public key: it verifies, and signing needs the private one", MAKE))
    } else if has("PRIVATE KEY") {
        None
    } else if has("CERTIFICATE") {
        Some(("it is a certificate, and signing needs a private key", MAKE))
    } else if pem.trim().is_empty() {
        Some(("it is empty", MAKE))
    } else {
        Some(("it is no private key in PEM", MAKE))
    }
}

/// What a text is that is no public key.
fn what_instead(pem: &str) -> &'static str {
    match pem {
        pem if pem.contains("CERTIFICATE") => "a certificate, and a public key in PEM is wanted",
        pem if pem.trim().is_empty() => "empty",
        _ => "no public key in PEM",
    }
}

fn kind(id: Id) -> &'static str {
    match id {
        Id::RSA | Id::RSA_PSS => "an RSA key",
        Id::EC => "an ECDSA key",
        Id::DSA => "a DSA key",
        Id::ED448 => "an ed448 key",
        Id::X25519 | Id::X448 => "a key that encrypts and does not sign",
        _ => "a key of another kind",
    }
}

#[cfg(unix)]
fn is_open_to_all(path: &Path) -> bool {
    use std::os::unix::fs::PermissionsExt;
    fs::metadata(path).is_ok_and(|found| found.permissions().mode() & 0o006 != 0)
}

#[cfg(not(unix))]
fn is_open_to_all(_: &Path) -> bool {
    false
}
