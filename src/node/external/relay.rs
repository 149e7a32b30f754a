//! The way to production for a copy that is cut off from the network: a socket at which drillyard
//! listens, and from which it passes bytes on.
//!
//! It is there from the moment in which the copy is to follow production, and gone as soon as
//! drillyard is. A standby comes through, which receives WAL, and nobody else: a session in which
//! SQL can be sent is refused. libpq speaks no TLS over a Unix socket, so that drillyard does it.

use std::io;
use std::sync::Arc;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpStream, UnixStream};
use tokio::task::JoinSet;
use tokio_postgres::config::{SslMode, SslNegotiation};
use tokio_postgres::tls::{MakeTlsConnect, TlsConnect};

use super::External;
use super::commands::pass_on;
use super::complete::{Target, Way};
use super::message::Message;
use super::startup::{Asks, Startup};
use crate::host::{Host, HostError, Outlet};

/// A connection to a server.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}
impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

/// What it answers to who asks for TLS, if it speaks it.
const SPEAKS_TLS: u8 = b'S';
/// `NEGOTIATE_SSL_CODE` (manual, 55.7).
const ASKS_FOR_TLS: [u8; 8] = [0, 0, 0, 8, 4, 210, 22, 47];

/// What refuses who may not come through: `insufficient_privilege`.
const NOT_ALLOWED: &str = "42501";
/// And who cannot: `sqlclient_unable_to_establish_sqlconnection`.
const NOT_REACHED: &str = "08001";

/// The sockets by which a copy reaches the hosts of an external server, in their order; gone when
/// it is dropped.
pub(in crate::node) struct Relay {
    dirs: Vec<String>,
    _serving: JoinSet<()>,
}

impl Relay {
    /// Their directories, as the copy sees them.
    pub(super) fn dirs(&self) -> &[String] {
        &self.dirs
    }
}

impl External {
    /// Opens the way for a standby on `host`; none if that reaches the server by itself.
    ///
    /// # Errors
    /// If the connection string demands what no relay can keep to.
    pub(in crate::node) async fn open(self: &Arc<Self>, host: &dyn Host) -> Result<Option<Relay>, HostError> {
        let mut relay = Relay { dirs: vec![], _serving: JoinSet::new() };
        for index in 0..self.way_of_standby().targets.len() {
            let Some(outlet) = host.outlet().await? else { return Ok(None) };
            relay.dirs.push(outlet.dir.clone());
            relay._serving.spawn(serve(self.clone(), index, outlet));
        }
        self.check_binding()?;
        Ok(Some(relay))
    }
}

/// Passes on what comes, until it is dropped.
async fn serve(external: Arc<External>, index: usize, outlet: Outlet) {
    let mut passing = JoinSet::new();
    loop {
        tokio::select! {
            accepted = outlet.listener.accept() => {
                let Ok((client, _)) = accepted else { return };
                let external = external.clone();
                // Who goes away hears nothing of it.
                passing.spawn(async move { drop(pass(&external, index, client).await) });
            }
            Some(_) = passing.join_next() => {}
        }
    }
}

/// Passes one connection on, if a standby asks for it.
async fn pass(external: &External, index: usize, mut client: UnixStream) -> io::Result<()> {
    let way = external.way_of_standby();
    let Some(target) = way.targets.get(index) else { return Ok(()) };
    let startup = loop {
        match Startup::read(&mut client).await? {
            // Nothing is encrypted on this side.
            Asks::Encryption => client.write_all(b"N").await?,
            Asks::Session(startup) => break startup,
        }
    };
    if let Some(why) = startup.is_no_standby_of(external.role_of_standby()) {
        return client.write_all(&Message::refusal(NOT_ALLOWED, &why).bytes()).await;
    }
    match way.reach(target, &startup).await {
        Ok((mut server, mut said)) => {
            while said.is_before_authentication() {
                client.write_all(&said.bytes()).await?;
                said = Message::read(&mut server).await?;
            }
            client.write_all(&said.without_channel_binding().bytes()).await?;
            let (mut from_client, mut to_client) = client.split();
            let (mut from_server, mut to_server) = tokio::io::split(server);
            let refused = tokio::select! {
                told = tokio::io::copy(&mut from_server, &mut to_client) => told.map(|_| None)?,
                asked = pass_on(&mut from_client, &mut to_server, || external.is_copied()) => asked?,
            };
            match refused {
                Some(why) => to_client.write_all(&Message::refusal(NOT_ALLOWED, &why).bytes()).await,
                None => Ok(()),
            }
        }
        Err(why) => {
            let why = format!("drillyard does not reach {}: {why}", target.shown());
            client.write_all(&Message::refusal(NOT_REACHED, &why).bytes()).await
        }
    }
}

impl Way {
    /// Begins a session with a server, in each way that `sslmode` allows until one is accepted; and
    /// the first that the server says.
    async fn reach(&self, target: &Target, startup: &Startup) -> Result<(Box<dyn Stream>, Message), String> {
        let mut why = String::new();
        let modes = self.modes(target);
        for (tried, mode) in modes.iter().enumerate() {
            let connecting = async {
                let mut server = self.stream(target, *mode).await?;
                server.write_all(startup.bytes()).await.map_err(|e| e.to_string())?;
                server.flush().await.map_err(|e| e.to_string())?;
                let first = Message::read(&mut server).await.map_err(|_| "it ended the connection".to_owned())?;
                Ok::<_, String>((server, first))
            };
            let connected = match self.patience() {
                Some(time) => tokio::time::timeout(time, connecting)
                    .await
                    .unwrap_or_else(|_| Err(format!("no answer within {} s", time.as_secs()))),
                None => connecting.await,
            };
            match connected {
                // As libpq has it: what is refused with TLS may be accepted without.
                Ok((_, said)) if said.is_error() && tried + 1 < modes.len() => {}
                Ok(connected) => return Ok(connected),
                Err(failed) => why = failed,
            }
        }
        Err(why)
    }

    /// A connection to a server, encrypted as `mode` says.
    async fn stream(&self, target: &Target, mode: SslMode) -> Result<Box<dyn Stream>, String> {
        if target.is_socket() {
            let path = format!("{}/.s.PGSQL.{}", target.host, target.port);
            return Ok(Box::new(UnixStream::connect(path).await.map_err(|e| e.to_string())?));
        }
        let host = target.address.as_deref().unwrap_or(&target.host);
        let mut tcp = TcpStream::connect((host, target.port)).await.map_err(|e| e.to_string())?;
        tcp.set_nodelay(true).map_err(|e| e.to_string())?;
        let encrypted = match (mode, self.negotiation(mode)) {
            (SslMode::Disable, _) => false,
            (_, SslNegotiation::Direct) => true,
            _ => {
                tcp.write_all(&ASKS_FOR_TLS).await.map_err(|e| e.to_string())?;
                tcp.read_u8().await.map_err(|e| e.to_string())? == SPEAKS_TLS
            }
        };
        match (encrypted, mode) {
            (true, _) => {
                let handshake = MakeTlsConnect::<TcpStream>::make_tls_connect(&mut self.tls.clone(), &target.host);
                let handshake = handshake.map_err(|e| e.to_string())?;
                Ok(Box::new(handshake.connect(tcp).await.map_err(|e| e.to_string())?))
            }
            (false, SslMode::Require) => Err("it does not support TLS, which `sslmode` demands".to_owned()),
            (false, _) => Ok(Box::new(tcp)),
        }
    }
}
