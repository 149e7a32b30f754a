//! The board's pages, as a browser asks for them.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::{Duration, Instant};

/// What a page says, with what is sent to it at first.
pub fn page(url: &str) -> String {
    let (host, folder, cookie) = enter(url);
    let get = |path: &str| request(&host, &format!("GET /{folder}/{path} HTTP/1.1\r\nCookie: {cookie}\r\n"), "");
    get("") + &get("events")
}

/// Presses one of its buttons: `{"ask":"end"}`. What is answered.
pub fn press(url: &str, button: &str) -> String {
    let (host, folder, cookie) = enter(url);
    let head = format!(
        "POST /{folder}/ask HTTP/1.1\r\nCookie: {cookie}\r\nOrigin: http://{host}\r\nContent-Type: application/json\r\n"
    );
    request(&host, &head, button)
}

/// The host, the folder of the pages, and the cookie that the link leaves.
fn enter(url: &str) -> (String, String, String) {
    let (host, path) = url.strip_prefix("http://").and_then(|url| url.split_once('/')).expect("an address");
    let entered = request(host, &format!("GET /{path} HTTP/1.1\r\n"), "");
    let cookie = entered.lines().find_map(|line| line.strip_prefix("set-cookie: ")).expect("a cookie");
    let folder = path.split('/').next().expect("a folder");
    (host.to_owned(), folder.to_owned(), cookie.split(';').next().expect("a cookie").to_owned())
}

fn request(host: &str, head: &str, body: &str) -> String {
    let mut stream = TcpStream::connect(host).expect("the board listens");
    stream.set_read_timeout(Some(Duration::from_millis(200))).expect("a timeout");
    let rest = format!("Host: {host}\r\nContent-Length: {}\r\nConnection: close\r\n\r\n{body}", body.len());
    stream.write_all(format!("{head}{rest}").as_bytes()).expect("asked");
    // What is sent as it happens does not end; a check that was asked for takes its time.
    let end = Instant::now() + Duration::from_secs(if body.is_empty() { 2 } else { 60 });
    let (mut bytes, mut part) = (vec![], [0; 4096]);
    while Instant::now() < end {
        match stream.read(&mut part) {
            Ok(0) => break,
            Ok(read) => bytes.extend_from_slice(&part[..read]),
            // Nothing has come for a moment.
            Err(_) => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}
