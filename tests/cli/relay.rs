//! A way to the Docker daemon on which it seems to be away or out of order.

use std::io::{Read, Write};
use std::net::Shutdown;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex};

use crate::cli_runner::CliRunner;
use crate::running::Run;

/// What a client meets.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mood {
    /// The daemon itself.
    Well,
    /// Nobody: connections end as soon as they are made.
    Away,
    /// A daemon that answers every request with 500.
    OutOfOrder,
}

#[derive(Clone)]
pub struct Relay {
    path: PathBuf,
    state: Arc<Mutex<State>>,
}

struct State {
    mood: Mood,
    open: Vec<UnixStream>,
}

impl Relay {
    pub fn at(path: &Path) -> Self {
        let listener = UnixListener::bind(path).expect("a socket");
        let state = Arc::new(Mutex::new(State { mood: Mood::Well, open: vec![] }));
        let relay = Relay { path: path.to_owned(), state };
        let own = relay.clone();
        std::thread::spawn(move || listener.incoming().flatten().for_each(|near| own.meet(near)));
        relay
    }

    fn meet(&self, mut near: UnixStream) {
        let mut state = self.state.lock().expect("a lock");
        match state.mood {
            Mood::Away => {}
            Mood::OutOfOrder => {
                std::thread::spawn(move || {
                    let body = r#"{"message":"out of order"}"#;
                    let _ = near.read(&mut [0; 4096]);
                    let _ = write!(
                        near,
                        "HTTP/1.1 500 Internal Server Error\r\nContent-Type: application/json\r\nConnection: close\r\nContent-Length: {}\r\n\r\n{body}",
                        body.len()
                    );
                });
            }
            Mood::Well => {
                let far = UnixStream::connect("/var/run/docker.sock").expect("a daemon");
                let two = |stream: &UnixStream| stream.try_clone().expect("a stream");
                state.open.extend([two(&near), two(&far)]);
                for (mut from, mut to) in [(two(&near), two(&far)), (far, near)] {
                    std::thread::spawn(move || {
                        let _ = std::io::copy(&mut from, &mut to);
                        let _ = to.shutdown(Shutdown::Write);
                    });
                }
            }
        }
    }

    /// From now on; open connections end.
    pub fn be(&self, mood: Mood) {
        let mut state = self.state.lock().expect("a lock");
        state.mood = mood;
        for stream in state.open.drain(..) {
            let _ = stream.shutdown(Shutdown::Both);
        }
    }

    /// The daemon is gone for good: nobody listens any more.
    pub fn cut(&self) {
        std::fs::remove_file(&self.path).expect("the socket");
        self.be(Mood::Away);
    }

    /// Begins a run that finds its daemon here.
    pub fn begin(&self, runner: &CliRunner, scenario: &str) -> Run {
        let scenario = runner.write("drill.yaml", scenario);
        runner.begin_with(&scenario, "docker", |command| {
            command.env("DOCKER_HOST", format!("unix://{}", self.path.display())).args(["--postgres", "15", "-v"]);
        })
    }
}
