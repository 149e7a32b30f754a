//! The way to the servers from other machines: TCP ports of this one, for people who do not sit at
//! it. A session has to be encrypted, and logs in at the server itself.
//!
//! The servers are left as they are: what comes through is passed on to where each one listens at
//! that moment, so that one that people have just made is reached in the same way.

use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use openssl::asn1::Asn1Time;
use openssl::bn::{BigNum, MsbOption};
use openssl::ec::{EcGroup, EcKey};
use openssl::error::ErrorStack;
use openssl::hash::MessageDigest;
use openssl::nid::Nid;
use openssl::pkey::PKey;
use openssl::ssl::{Ssl, SslAcceptor, SslMethod};
use openssl::x509::extension::SubjectAlternativeName;
use openssl::x509::{X509, X509Name};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixStream};
use tokio::task::{AbortHandle, JoinSet};
use tokio_openssl::SslStream;

use crate::host::Endpoint;
use crate::node::Node;

/// `NEGOTIATE_SSL_CODE`, `NEGOTIATE_GSS_CODE` and `CANCEL_REQUEST_CODE` (manual, 55.7).
const ASKS_FOR_TLS: u32 = 80_877_103;
const ASKS_FOR_GSS: u32 = 80_877_104;
const ASKS_TO_CANCEL: u32 = 80_877_102;

/// How many days the certificate is good for: a firedrill takes hours.
const DAYS: u32 = 2;

/// How long is waited after a connection could not be accepted.
const PAUSE: Duration = Duration::from_millis(100);

/// Finds the server that a door leads to, as it is at that moment.
pub(super) type Find = Arc<dyn Fn() -> Option<Arc<Node>> + Send + Sync>;

/// The doors to a drill's servers. Dropped, they close, and what goes through them ends.
pub(super) struct Doors {
    address: IpAddr,
    acceptor: Arc<SslAcceptor>,
    /// The certificate, in PEM, by which people know that they have come to the right place.
    pub certificate: String,
    open: Vec<AbortHandle>,
}

impl Doors {
    /// On this address of this machine.
    ///
    /// # Errors
    /// If there can be no certificate.
    pub(super) fn at(address: IpAddr) -> Result<Self, ErrorStack> {
        let key = PKey::from_ec_key(EcKey::generate(&*EcGroup::from_curve_name(Nid::X9_62_PRIME256V1)?)?)?;
        let certificate = certificate(address, &key)?;
        let mut acceptor = SslAcceptor::mozilla_intermediate_v5(SslMethod::tls_server())?;
        acceptor.set_private_key(&key)?;
        acceptor.set_certificate(&certificate)?;
        let pem = String::from_utf8_lossy(&certificate.to_pem()?).into_owned();
        Ok(Doors { address, acceptor: Arc::new(acceptor.build()), certificate: pem, open: vec![] })
    }

    /// Opens a door to a server; the address that it has.
    ///
    /// # Errors
    /// If nobody can listen there.
    pub(super) async fn open(&mut self, name: &str, find: Find) -> io::Result<SocketAddr> {
        let listener = TcpListener::bind((self.address, 0)).await?;
        let address = listener.local_addr()?;
        let (acceptor, name) = (self.acceptor.clone(), name.to_owned());
        self.open.push(tokio::spawn(serve(listener, acceptor, name, find)).abort_handle());
        Ok(address)
    }
}

impl Drop for Doors {
    fn drop(&mut self) {
        self.open.iter().for_each(AbortHandle::abort);
    }
}

/// A certificate of its own for this address.
fn certificate(address: IpAddr, key: &PKey<openssl::pkey::Private>) -> Result<X509, ErrorStack> {
    let mut name = X509Name::builder()?;
    name.append_entry_by_text("CN", &address.to_string())?;
    let name = name.build();
    let mut serial = BigNum::new()?;
    serial.rand(159, MsbOption::MAYBE_ZERO, false)?;
    let mut builder = X509::builder()?;
    builder.set_version(2)?;
    builder.set_serial_number(&*serial.to_asn1_integer()?)?;
    builder.set_subject_name(&name)?;
    builder.set_issuer_name(&name)?;
    builder.set_pubkey(key)?;
    builder.set_not_before(&*Asn1Time::days_from_now(0)?)?;
    builder.set_not_after(&*Asn1Time::days_from_now(DAYS)?)?;
    let known_as = SubjectAlternativeName::new().ip(&address.to_string()).build(&builder.x509v3_context(None, None))?;
    builder.append_extension(known_as)?;
    builder.sign(key, MessageDigest::sha256())?;
    Ok(builder.build())
}

async fn serve(listener: TcpListener, acceptor: Arc<SslAcceptor>, name: String, find: Find) {
    let mut passing = JoinSet::new();
    loop {
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((client, _)) = accepted else {
                    // Too many files are open: those of others close sooner or later.
                    tokio::time::sleep(PAUSE).await;
                    continue;
                };
                let (acceptor, name, find) = (acceptor.clone(), name.clone(), find.clone());
                // Who goes away hears nothing of it.
                passing.spawn(async move { drop(pass(client, &acceptor, &name, &find).await) });
            }
            Some(_) = passing.join_next() => {}
        }
    }
}

/// Passes one connection on.
async fn pass(mut client: TcpStream, acceptor: &SslAcceptor, name: &str, find: &Find) -> io::Result<()> {
    client.set_nodelay(true)?;
    loop {
        let (length, code) = (client.read_u32().await?, client.read_u32().await?);
        match (length, code) {
            (8, ASKS_FOR_TLS) => {
                client.write_all(b"S").await?;
                break;
            }
            (8, ASKS_FOR_GSS) => client.write_all(b"N").await?,
            // libpq up to 16 asks for this without encryption, even if the session has some.
            (16, ASKS_TO_CANCEL) => {
                let mut server = reach(name, find).await.map_err(io::Error::other)?;
                let mut key = [0; 8];
                client.read_exact(&mut key).await?;
                server.write_all(&[&length.to_be_bytes()[..], &code.to_be_bytes(), &key].concat()).await?;
                return server.shutdown().await;
            }
            _ => {
                let why = "this way to the server needs TLS: connect with sslmode=require";
                return client.write_all(&refusal("28000", why)).await;
            }
        }
    }
    let ssl = Ssl::new(acceptor.context()).map_err(io::Error::other)?;
    let mut client = SslStream::new(ssl, client).map_err(io::Error::other)?;
    Pin::new(&mut client).accept().await.map_err(io::Error::other)?;
    match reach(name, find).await {
        Ok(mut server) => tokio::io::copy_bidirectional(&mut client, &mut server).await.map(drop),
        Err(why) => {
            // Its wish for a session is read first, so that it reads the answer.
            let length = client.read_u32().await?.clamp(4, 10_000);
            let mut wish = vec![0; length as usize - 4];
            client.read_exact(&mut wish).await?;
            client.write_all(&refusal("57P03", &why)).await?;
            client.shutdown().await
        }
    }
}

/// A connection to a server.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

async fn reach(name: &str, find: &Find) -> Result<Box<dyn Stream>, String> {
    let node = find().ok_or_else(|| format!("there is no server `{name}` yet"))?;
    let endpoint = node.endpoint().await.map_err(|error| error.message)?;
    let failed = |error: io::Error| format!("server `{name}` is not reached: {error}");
    Ok(match endpoint {
        Endpoint::Socket { dir, port } => {
            Box::new(UnixStream::connect(dir.join(format!(".s.PGSQL.{port}"))).await.map_err(failed)?)
        }
        Endpoint::Tcp { host, port } => Box::new(TcpStream::connect((host.as_str(), port)).await.map_err(failed)?),
    })
}

/// An ErrorResponse (manual, 55.8).
fn refusal(state: &str, why: &str) -> Vec<u8> {
    let fields = format!("SFATAL\0VFATAL\0C{state}\0M{why}\0\0");
    let length = (fields.len() as u32 + 4).to_be_bytes();
    [b"E", &length[..], fields.as_bytes()].concat()
}
