//! Many people look at once.

use std::net::SocketAddr;
use std::path::Path;
use std::time::{Duration, Instant};

use drillyard::firedrill::Ask;
use tokio::io::{AsyncBufReadExt, AsyncWriteExt, BufReader};
use tokio::net::TcpStream;

use crate::firedrill::Firedrill;

/// How many.
const OBSERVERS: usize = 50;

/// The path of a link and the cookie that it leaves.
async fn cookie(addr: SocketAddr, url: &str) -> String {
    let path = url.split(&addr.to_string()).nth(1).expect("a path");
    let mut lines = asked(addr, path, "a=b").await.lines();
    while let Some(line) = lines.next_line().await.expect("an answer") {
        if let Some(value) = line.strip_prefix("set-cookie: ") {
            return value.split(';').next().unwrap_or_default().to_owned();
        }
    }
    panic!("no cookie");
}

async fn asked(addr: SocketAddr, path: &str, cookie: &str) -> BufReader<TcpStream> {
    let mut stream = TcpStream::connect(addr).await.expect("a connection");
    let head = format!("GET {path} HTTP/1.1\r\nHost: {addr}\r\nCookie: {cookie}\r\n\r\n");
    stream.write_all(head.as_bytes()).await.expect("sent");
    BufReader::new(stream)
}

/// Reads events until one has `text`, and says when it came and how many there were.
async fn read_until(events: &mut BufReader<TcpStream>, text: &str) -> (Instant, usize) {
    let mut count = 0;
    let mut line = String::new();
    loop {
        line.clear();
        assert!(events.read_line(&mut line).await.expect("an event") > 0, "the board has closed");
        count += usize::from(line.starts_with("event: view"));
        if line.starts_with("data: {") && line.contains(text) {
            return (Instant::now(), count);
        }
    }
}

/// Writes a note, and says how long it took until all saw it.
async fn newest(firedrill: &Firedrill, all: &mut [BufReader<TcpStream>], note: &str) -> Duration {
    let asked = Instant::now();
    assert!(firedrill.desk.ask(Ask::Note(note.to_owned())).await.ok);
    let mut latest = asked;
    for events in all {
        let (at, count) = read_until(events, note).await;
        latest = latest.max(at);
        assert!(count < 100, "{count} views for {note}: they are queued");
    }
    latest - asked
}

/// Kilobytes of memory of this process.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").expect("Linux");
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).expect("a size");
    line.trim().trim_end_matches(" kB").parse().expect("a number")
}

#[test]
fn fifty_observers_see_the_newest_view_and_nobody_waits_for_those_who_do_not_read() {
    let firedrill = Firedrill::new();
    let addr = firedrill.addr();
    firedrill.run(async {
        let cookie = cookie(addr, &firedrill.facilitator_url()).await;
        let before = memory();
        let mut all = vec![];
        // Half as many again have a connection, and never read.
        for number in 0..OBSERVERS + OBSERVERS / 2 {
            let mut events = asked(addr, "/facilitator/events", &cookie).await;
            if number < OBSERVERS {
                read_until(&mut events, "dropped-table").await;
            }
            all.push(events);
        }
        let calm = newest(&firedrill, &mut all[..OBSERVERS], "one note").await;
        for number in 0..2000 {
            assert!(firedrill.desk.ask(Ask::Note(format!("note {number} of many"))).await.ok);
        }
        let busy = newest(&firedrill, &mut all[..OBSERVERS], "the last note").await;
        // Less than a megabyte for each who looks, and for each who does not read.
        let grown = memory().saturating_sub(before);
        assert!(grown < 75 * 1024, "{OBSERVERS} observers: {grown} kB more memory");
        let folder = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().expect("target").join("board");
        std::fs::create_dir_all(&folder).expect("a folder");
        let measured = format!(
            "{OBSERVERS} observers: a note shows after {calm:?}, after 2000 others {busy:?}; {grown} kB more memory\n"
        );
        std::fs::write(folder.join("observers.txt"), measured).expect("written");
    });
}
