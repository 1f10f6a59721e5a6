//! A service that HTTP tools ask: it refuses the first request, and keeps the heads of all.

use std::{
    io::{Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

/// Where it is, and what it was asked.
pub(crate) fn serve(answer: String) -> (SocketAddr, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a port");
    let address = listener.local_addr().expect("its address");
    let heads = Arc::new(Mutex::new(Vec::new()));
    let kept = Arc::clone(&heads);
    // It ends with the process.
    std::thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let _ = respond(stream, &answer, &kept);
        }
    });
    (address, heads)
}

fn respond(mut stream: TcpStream, answer: &str, kept: &Mutex<Vec<String>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") && stream.read(&mut byte)? > 0 {
        head.extend(byte);
    }
    let first = {
        let mut kept = kept.lock().expect("no panic");
        kept.push(String::from_utf8_lossy(&head).into_owned());
        kept.len() == 1
    };
    let status = if first {
        "503 Later\r\nretry-after: 0"
    } else {
        "200 OK"
    };
    let body = format!("{{\"answer\":\"{answer}\"}}");
    write!(
        stream,
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// A header of a request.
pub(crate) fn header(head: &str, name: &str) -> Option<String> {
    let line = head
        .lines()
        .find(|line| line.to_ascii_lowercase().starts_with(&format!("{name}:")))?;
    Some(line.split_once(':')?.1.trim().to_owned())
}
