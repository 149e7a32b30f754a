//! A web server on this machine, in the place of chats and of services that wait for a sign of
//! life.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// What a request was: its path and its body.
pub type Requests = Arc<Mutex<Vec<(String, String)>>>;

/// A web server that answers as `answer` says, by the path and by how often it was asked for.
pub fn web(answer: impl Fn(&str, usize) -> String + Send + 'static) -> (String, Requests) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let url = format!("http://{}", listener.local_addr().expect("an address"));
    let requests = Requests::default();
    let kept = requests.clone();
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let Some((path, body)) = request(&stream) else { continue };
            let count = {
                let mut kept = kept.lock().expect("not poisoned");
                kept.push((path.clone(), body));
                kept.iter().filter(|(other, _)| *other == path).count()
            };
            let _ = (&stream).write_all(answer(&path, count).as_bytes());
        }
    });
    (url, requests)
}

fn request(stream: &TcpStream) -> Option<(String, String)> {
    let mut reader = BufReader::new(stream);
    let mut line = String::new();
    reader.read_line(&mut line).ok()?;
    let path = line.split(' ').nth(1)?.to_owned();
    let mut length = 0;
    loop {
        let mut header = String::new();
        reader.read_line(&mut header).ok()?;
        if header.trim().is_empty() {
            break;
        }
        if let Some(value) = header.to_lowercase().strip_prefix("content-length:") {
            length = value.trim().parse().ok()?;
        }
    }
    let mut body = vec![0; length];
    reader.read_exact(&mut body).ok()?;
    Some((path, String::from_utf8(body).ok()?))
}

pub fn answer(status: &str) -> String {
    format!("HTTP/1.1 {status}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
}
