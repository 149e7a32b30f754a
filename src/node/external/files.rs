//! The certificates and keys of a TLS connection, and where libpq looks for them (manual, 34.19).

use std::path::{Path, PathBuf};

use super::around::ClientEnvironment;
use crate::pg::conninfo::{Conninfo, SslMode};

/// Whom a server's certificate has to come from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Roots {
    /// Nobody is asked.
    Nobody,
    /// From the authorities of the operating system.
    System,
    /// From those in this file.
    File(PathBuf),
}

/// The files of a TLS connection.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct CertificateFiles {
    /// The authorities that are trusted.
    pub roots: Roots,
    /// The client's certificate.
    pub certificate: Option<PathBuf>,
    /// Its key.
    pub key: Option<PathBuf>,
    /// Certificates that are revoked.
    pub revoked: Option<PathBuf>,
    /// The same as a directory of files that are named by their hashes.
    pub revoked_dir: Option<PathBuf>,
}

impl CertificateFiles {
    /// Finds them: what is named, else what lies in `~/.postgresql`.
    pub(super) fn find(conninfo: &Conninfo, around: &ClientEnvironment, ssl: SslMode) -> Self {
        let named = |key: &str| conninfo.get(key).map(|path| std::path::absolute(path).unwrap_or_else(|_| path.into()));
        let or_default = |key: &str, name: &str| named(key).or_else(|| around.default_file(name));
        let roots = match (conninfo.get("sslrootcert"), or_default("sslrootcert", "root.crt")) {
            (Some("system"), _) => Roots::System,
            // As in libpq: a file that is not there makes no difference to who does not ask.
            (_, Some(path)) if ssl >= SslMode::VerifyCa || path.exists() => Roots::File(path),
            (None, None) if ssl >= SslMode::VerifyCa => {
                Roots::File(around.at_home(".postgresql/root.crt").unwrap_or_else(|| "root.crt".into()))
            }
            _ => Roots::Nobody,
        };
        let revoked_dir = named("sslcrldir");
        let revoked = named("sslcrl");
        let revoked = revoked.or_else(|| around.default_file("root.crl").filter(|_| revoked_dir.is_none()));
        let certificate = or_default("sslcert", "postgresql.crt");
        let key = or_default("sslkey", "postgresql.key").filter(|_| certificate.is_some());
        CertificateFiles { roots, certificate, key, revoked, revoked_dir }
    }

    /// The files, each with the key that names it.
    pub(super) fn named(&self) -> Vec<(&'static str, &Path)> {
        let roots = match &self.roots {
            Roots::File(path) => Some(path),
            Roots::Nobody | Roots::System => None,
        };
        let all = [
            ("sslrootcert", roots),
            ("sslcert", self.certificate.as_ref()),
            ("sslkey", self.key.as_ref()),
            ("sslcrl", self.revoked.as_ref()),
            ("sslcrldir", self.revoked_dir.as_ref()),
        ];
        all.into_iter().filter_map(|(key, path)| Some((key, path?.as_path()))).collect()
    }
}
