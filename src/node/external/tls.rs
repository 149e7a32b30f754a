//! TLS as libpq speaks it. By OpenSSL, as libpq itself: what one takes for a good certificate
//! (without alternative names, of version 1, signed by itself) the other does, too.

use std::future::Future;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::pin::Pin;
use std::task::{Context, Poll};

use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslContext, SslContextBuilder, SslFiletype, SslMethod, SslRef, SslVerifyMode, SslVersion};
use openssl::x509::X509VerifyResult;
use openssl::x509::store::X509Lookup;
use openssl::x509::verify::X509VerifyFlags;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio_openssl::SslStream;
use tokio_postgres::tls::{ChannelBinding, MakeTlsConnect, TlsConnect, TlsStream};

use super::certificate::{names_of, vouches_for};
use super::files::{CertificateFiles, Roots};
use crate::host::HostError;
use crate::pg::conninfo::{Conninfo, SslMode};

/// What a TLS connection that came to nothing says.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct TlsError {
    /// What is wrong.
    pub message: String,
    /// What to do about it.
    pub help: &'static str,
}

/// Speaks TLS with the servers of one connection string.
#[derive(Clone)]
pub struct Tls {
    context: Option<SslContext>,
    /// Whether the certificate has to be for the host's very name.
    by_name: bool,
    /// Whether the server is told which name it was called by.
    tells_name: bool,
}

impl Tls {
    /// For connections that are not encrypted.
    pub(super) fn none() -> Self {
        Tls { context: None, by_name: false, tells_name: false }
    }

    /// As a connection string says.
    pub(super) fn new(conninfo: &Conninfo, ssl: SslMode, files: &CertificateFiles) -> Result<Self, HostError> {
        let failed = |error: ErrorStack| HostError::new(format!("TLS cannot be set up: {}", reason(&error)));
        let mut context = SslContext::builder(SslMethod::tls_client()).map_err(failed)?;
        let version = |key: &str| conninfo.get(key).and_then(version);
        let least = version("ssl_min_protocol_version").unwrap_or(SslVersion::TLS1_2);
        context.set_min_proto_version(Some(least)).map_err(failed)?;
        context.set_max_proto_version(version("ssl_max_protocol_version")).map_err(failed)?;
        context.set_alpn_protos(b"\x0apostgresql").map_err(failed)?;
        trust(&mut context, ssl, files)?;
        if let (Some(certificate), Some(key)) = (&files.certificate, &files.key) {
            identify(&mut context, certificate, key, conninfo.get("sslpassword").unwrap_or_default())?;
        } else if let Some(certificate) = &files.certificate {
            return Err(HostError::new(format!("there is no key for the certificate {}", certificate.display()))
                .help("name it with `sslkey`, or put it into ~/.postgresql/postgresql.key"));
        }
        Ok(Tls {
            context: Some(context.build()),
            by_name: ssl == SslMode::VerifyFull,
            tells_name: conninfo.is_on("sslsni"),
        })
    }
}

fn version(word: &str) -> Option<SslVersion> {
    Some(match word {
        "TLSv1" => SslVersion::TLS1,
        "TLSv1.1" => SslVersion::TLS1_1,
        "TLSv1.2" => SslVersion::TLS1_2,
        "TLSv1.3" => SslVersion::TLS1_3,
        _ => return None,
    })
}

/// OpenSSL's own words, of the first thing that went wrong.
fn reason(error: &ErrorStack) -> String {
    error.errors().first().and_then(openssl::error::Error::reason).unwrap_or("OpenSSL does not say why").to_owned()
}

/// Which certificates are believed.
fn trust(context: &mut SslContextBuilder, ssl: SslMode, files: &CertificateFiles) -> Result<(), HostError> {
    let loaded = match &files.roots {
        Roots::Nobody => {
            context.set_verify(SslVerifyMode::NONE);
            return Ok(());
        }
        Roots::System => context.set_default_verify_paths(),
        Roots::File(path) if !path.exists() => {
            let help = "name the file of the authority with `sslrootcert` (`system`: the operating system's), or put it \
                        into ~/.postgresql/root.crt";
            let mode = if ssl == SslMode::VerifyFull { "verify-full" } else { "verify-ca" };
            let path = path.display();
            return Err(HostError::new(format!("`sslmode={mode}` needs {path}, which is not there")).help(help));
        }
        Roots::File(path) => context.set_ca_file(path),
    };
    let what = match &files.roots {
        Roots::File(path) => format!("the authorities in {} (`sslrootcert`)", path.display()),
        Roots::System | Roots::Nobody => "the operating system's authorities".to_owned(),
    };
    loaded.map_err(|e| HostError::new(format!("{what} cannot be read: {}", reason(&e))))?;
    revoke(context, files).map_err(|e| {
        HostError::new(format!("the list of revoked certificates (`sslcrl`) cannot be read: {}", reason(&e)))
    })?;
    context.set_verify(SslVerifyMode::PEER);
    Ok(())
}

/// Which are believed no more.
fn revoke(context: &mut SslContextBuilder, files: &CertificateFiles) -> Result<(), ErrorStack> {
    let store = context.cert_store_mut();
    if let Some(path) = &files.revoked {
        store.add_lookup(X509Lookup::file())?.load_crl_file(path, SslFiletype::PEM)?;
    }
    if let Some(dir) = &files.revoked_dir {
        store.add_lookup(X509Lookup::hash_dir())?.add_dir(&dir.display().to_string(), SslFiletype::PEM)?;
    }
    if files.revoked.is_some() || files.revoked_dir.is_some() {
        store.set_flags(X509VerifyFlags::CRL_CHECK | X509VerifyFlags::CRL_CHECK_ALL)?;
    }
    Ok(())
}

/// By which certificate the server knows us.
fn identify(context: &mut SslContextBuilder, certificate: &Path, key: &Path, password: &str) -> Result<(), HostError> {
    let wrong = |path: &Path, why: &str| HostError::new(format!("{} cannot be used: {why}", path.display()));
    context.set_certificate_chain_file(certificate).map_err(|e| wrong(certificate, &reason(&e)))?;
    let meta = std::fs::metadata(key).map_err(|e| wrong(key, &e.to_string()))?;
    // As libpq has it: root's may be read by a group.
    let others = if meta.uid() == 0 { 0o027 } else { 0o077 };
    if meta.mode() & others != 0 {
        return Err(wrong(key, "others may read this key").help(format!("chmod 0600 {}", key.display())));
    }
    let text = std::fs::read(key).map_err(|e| wrong(key, &e.to_string()))?;
    // An empty password keeps OpenSSL from asking for one at the terminal.
    let read = PKey::private_key_from_pem_passphrase(&text, password.as_bytes());
    let read = read.map_err(|e| wrong(key, &reason(&e)).help("if it is encrypted, give its `sslpassword`"))?;
    context.set_private_key(&read).map_err(|e| wrong(key, &reason(&e)))
}

/// TLS with one host.
pub struct Handshake {
    tls: Tls,
    host: String,
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> MakeTlsConnect<S> for Tls {
    type Stream = Encrypted<S>;
    type TlsConnect = Handshake;
    type Error = TlsError;

    fn make_tls_connect(&mut self, host: &str) -> Result<Handshake, TlsError> {
        Ok(Handshake { tls: self.clone(), host: host.to_owned() })
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin + Send + 'static> TlsConnect<S> for Handshake {
    type Stream = Encrypted<S>;
    type Error = TlsError;
    type Future = Pin<Box<dyn Future<Output = Result<Encrypted<S>, TlsError>> + Send>>;

    fn connect(self, stream: S) -> Self::Future {
        Box::pin(self.shake_hands(stream))
    }
}

impl Handshake {
    async fn shake_hands<S: AsyncRead + AsyncWrite + Unpin>(self, stream: S) -> Result<Encrypted<S>, TlsError> {
        let failed = |error: &ErrorStack| TlsError { message: format!("TLS: {}", reason(error)), help: OTHER };
        let Some(context) = &self.tls.context else {
            return Err(TlsError { message: "TLS was not set up".to_owned(), help: OTHER });
        };
        let mut ssl = Ssl::new(context).map_err(|e| failed(&e))?;
        if self.tls.tells_name && self.host.parse::<std::net::IpAddr>().is_err() {
            ssl.set_hostname(&self.host).map_err(|e| failed(&e))?;
        }
        let mut stream = SslStream::new(ssl, stream).map_err(|e| failed(&e))?;
        if let Err(error) = Pin::new(&mut stream).connect().await {
            return Err(not_agreed(stream.ssl(), &error));
        }
        let certificate = stream.ssl().peer_certificate();
        if self.tls.by_name && !certificate.as_ref().is_some_and(|one| vouches_for(one, &self.host)) {
            let names = certificate.map(|one| names_of(&one)).unwrap_or_default();
            let message = format!("the server's certificate is for {}, and not for `{}`", listed(&names), self.host);
            return Err(TlsError { message, help: NAME });
        }
        Ok(Encrypted(stream))
    }
}

const NAME: &str = "connect by a name that the certificate has (`hostaddr` gives its address if it does not resolve), or \
                    demand less: `sslmode=verify-ca`";
const TRUST: &str = "`sslrootcert` names the file with the authority that signed the server's certificate";
const OTHER: &str = "which versions of TLS does the server speak (`ssl_min_protocol_version`), and does it want a \
                     certificate of yours (`sslcert`, `sslkey`)?";

fn listed(names: &[String]) -> String {
    match names {
        [] => "nobody by name".to_owned(),
        names => names.iter().map(|name| format!("`{name}`")).collect::<Vec<_>>().join(", "),
    }
}

/// Why both sides came to no agreement.
fn not_agreed(ssl: &SslRef, error: &openssl::ssl::Error) -> TlsError {
    let verified = ssl.verify_result();
    if verified != X509VerifyResult::OK {
        let message = format!("the server's certificate is not trusted: {}", verified.error_string());
        return TlsError { message, help: TRUST };
    }
    let why = match (error.ssl_error(), error.io_error()) {
        (Some(stack), _) => reason(stack),
        (None, Some(io)) => io.to_string(),
        (None, None) => "the server ended the connection".to_owned(),
    };
    TlsError { message: format!("TLS: {why}"), help: OTHER }
}

/// An encrypted connection.
pub struct Encrypted<S>(SslStream<S>);

impl<S: AsyncRead + AsyncWrite + Unpin> TlsStream for Encrypted<S> {
    fn channel_binding(&self) -> ChannelBinding {
        end_point(self.0.ssl()).map_or_else(ChannelBinding::none, ChannelBinding::tls_server_end_point)
    }
}

/// The hash of the server's certificate by which a password is bound to the connection (RFC 5929,
/// 4.1): as the certificate was signed, but never by less than SHA-256.
fn end_point(ssl: &SslRef) -> Option<Vec<u8>> {
    let certificate = ssl.peer_certificate()?;
    let signed = certificate.signature_algorithm().object().nid().signature_algorithms()?;
    let digest = match signed.digest {
        Nid::MD5 | Nid::SHA1 => MessageDigest::sha256(),
        nid => MessageDigest::from_nid(nid)?,
    };
    certificate.digest(digest).ok().map(|bytes| bytes.to_vec())
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncRead for Encrypted<S> {
    fn poll_read(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_read(cx, buf)
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> AsyncWrite for Encrypted<S> {
    fn poll_write(mut self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        Pin::new(&mut self.0).poll_write(cx, buf)
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.0).poll_shutdown(cx)
    }
}
