//! The link between two local nodes whose connection a drill cuts: what one sends to the other goes
//! through here.
//!
//! Local servers have Unix sockets, which nothing can cut. So each of the two gets a socket of its
//! own for the other, behind which bytes are passed on for as long as the link is whole. While it
//! is cut they stay where they are, and whoever expects them waits, as with a network that loses
//! every packet: neither side learns of it, and connections live on until their own timeouts.

use std::path::{Path, PathBuf};

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{UnixListener, UnixStream};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::host::{HostError, Result};

/// As much as is read at once.
const BUFFER: usize = 64 << 10;

/// The connection between two nodes, in both directions; gone when it is dropped.
pub(super) struct Link {
    whole: watch::Sender<bool>,
    end: CancellationToken,
}

/// Listens at a socket that `give` hands over to the servers' user.
pub(super) fn listening(at: &Path, give: impl Fn(&Path) -> std::io::Result<()>) -> Result<UnixListener> {
    let listener = UnixListener::bind(at).and_then(|listener| give(at).map(|()| listener));
    listener.map_err(|e| HostError::new(format!("cannot listen at {}: {e}", at.display())))
}

impl Link {
    /// Listens at each socket and passes on to the one beside it: `(listen, to)`. `give` hands the
    /// listening socket over to the servers' user.
    pub(super) fn new(ways: &[(PathBuf, PathBuf)], give: impl Fn(&Path) -> std::io::Result<()>) -> Result<Link> {
        let (whole, watched) = watch::channel(true);
        let link = Link { whole, end: CancellationToken::new() };
        for (listen, to) in ways {
            let listener = listening(listen, &give)?;
            let work = relay(listener, to.clone(), watched.clone());
            let end = link.end.clone();
            tokio::spawn(async move {
                tokio::select! {
                    () = end.cancelled() => {}
                    () = work => {}
                }
            });
        }
        Ok(link)
    }

    /// Cuts or mends it.
    pub(super) fn set_whole(&self, whole: bool) {
        self.whole.send_replace(whole);
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.end.cancel();
    }
}

async fn relay(listener: UnixListener, to: PathBuf, mut whole: watch::Receiver<bool>) {
    // Its connections end with it.
    let mut pumps = tokio::task::JoinSet::new();
    loop {
        // Whoever connects while the link is cut has to wait.
        if whole.wait_for(|whole| *whole).await.is_err() {
            return;
        }
        tokio::select! {
            accepted = listener.accept() => {
                let Ok((from, _)) = accepted else { continue };
                let (to, whole) = (to.clone(), whole.clone());
                pumps.spawn(async move {
                    // If no server listens, the one who asked sees its connection end.
                    let Ok(to) = UnixStream::connect(&to).await else { return };
                    let ((from_read, from_write), (to_read, to_write)) = (from.into_split(), to.into_split());
                    tokio::join!(pump(from_read, to_write, whole.clone()), pump(to_read, from_write, whole));
                });
            }
            Some(_) = pumps.join_next() => {}
            _ = whole.changed() => {}
        }
    }
}

/// Passes on what comes for as long as the link is whole; when one side ends, so does the other one
/// as soon as it can.
async fn pump(mut from: impl AsyncRead + Unpin, mut to: impl AsyncWrite + Unpin, mut whole: watch::Receiver<bool>) {
    let mut buffer = vec![0; BUFFER];
    loop {
        let read = from.read(&mut buffer).await.unwrap_or(0);
        if whole.wait_for(|whole| *whole).await.is_err() {
            return;
        }
        if read == 0 || to.write_all(&buffer[..read]).await.is_err() {
            // Both may have ended already.
            let _ = to.shutdown().await;
            return;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::time::Duration;

    #[tokio::test]
    async fn nothing_passes_while_the_link_is_cut_and_nothing_is_lost() {
        let dir = tempfile::tempdir().unwrap();
        let (listen, target) = (dir.path().join("a"), dir.path().join("b"));
        let server = UnixListener::bind(&target).unwrap();
        let link = Link::new(&[(listen.clone(), target)], |_| Ok(())).unwrap();
        let mut client = UnixStream::connect(&listen).await.unwrap();
        let (mut served, _) = server.accept().await.unwrap();
        let mut seen = [0; 3];
        client.write_all(b"one").await.unwrap();
        served.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"one");

        link.set_whole(false);
        client.write_all(b"two").await.unwrap();
        let mut late = UnixStream::connect(&listen).await.unwrap();
        late.write_all(b"six").await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(50), served.read_exact(&mut seen)).await;
        assert!(nothing.is_err(), "{nothing:?}");
        let nobody = tokio::time::timeout(Duration::from_millis(50), server.accept()).await;
        assert!(nobody.is_err(), "{nobody:?}");

        link.set_whole(true);
        served.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"two");
        let (mut second, _) = server.accept().await.unwrap();
        second.read_exact(&mut seen).await.unwrap();
        assert_eq!(&seen, b"six");

        drop(client);
        assert_eq!(served.read(&mut seen).await.unwrap(), 0);
    }
}
