//! A service on loopback that keeps what it was sent: for paths of `/mcp` an MCP server over HTTP, else one that
//! answers with the request's own text.

use std::{
    io::{BufRead as _, BufReader, Read as _, Write as _},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{Arc, Mutex},
};

use serde_json::{Value, json};

/// What came over a connection.
#[derive(Clone, Debug)]
pub(crate) struct Received {
    /// The request line and the headers, lines as they came.
    pub(crate) head: Vec<String>,
    pub(crate) body: String,
}

impl Received {
    /// Method, target and version.
    pub(crate) fn line(&self) -> Vec<&str> {
        self.head[0].split(' ').collect()
    }

    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        let found = self.head[1..].iter().filter_map(|line| line.split_once(':'));
        let mut named = found.filter(|(key, _)| key.eq_ignore_ascii_case(name));
        named.next().map(|(_, value)| value.trim())
    }

    pub(crate) fn header_names(&self) -> Vec<String> {
        let names = self.head[1..].iter().filter_map(|line| line.split_once(':'));
        names.map(|(name, _)| name.to_ascii_lowercase()).collect()
    }
}

#[derive(Clone)]
pub(crate) struct Service {
    pub(crate) address: SocketAddr,
    received: Arc<Mutex<Vec<Received>>>,
}

impl Service {
    /// It ends with the process.
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let service = Self {
            address: listener.local_addr().unwrap(),
            received: Arc::default(),
        };
        let received = Arc::clone(&service.received);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                let received = Arc::clone(&received);
                std::thread::spawn(move || {
                    let _ = serve(stream, &received);
                });
            }
        });
        service
    }

    /// What it was sent, in order.
    pub(crate) fn received(&self) -> Vec<Received> {
        self.received.lock().unwrap().clone()
    }

    /// The same of one path's beginning, and forgets it all.
    pub(crate) fn take(&self, path: &str) -> Vec<Received> {
        let all = std::mem::take(&mut *self.received.lock().unwrap());
        all.into_iter()
            .filter(|received| received.line()[1].starts_with(path))
            .collect()
    }
}

fn serve(stream: TcpStream, kept: &Mutex<Vec<Received>>) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream);
    let mut head = Vec::new();
    loop {
        let mut line = String::new();
        if reader.read_line(&mut line)? == 0 {
            return Ok(());
        }
        match line.trim_end_matches(['\r', '\n']) {
            "" => break,
            line => head.push(line.to_owned()),
        }
    }
    let mut received = Received {
        head,
        body: String::new(),
    };
    let length = received
        .header("content-length")
        .and_then(|length| length.parse().ok());
    reader
        .by_ref()
        .take(length.unwrap_or(0))
        .read_to_string(&mut received.body)?;
    let (status, body) = if received.line()[1].starts_with("/mcp") {
        protocol(&received.body)
    } else {
        (
            "200 OK",
            json!({"head": received.head, "body": received.body}).to_string(),
        )
    };
    kept.lock().unwrap().push(received);
    write!(
        reader.get_mut(),
        "HTTP/1.1 {status}\r\ncontent-type: application/json\r\ncontent-length: {}\r\nconnection: close\r\n\r\n{body}",
        body.len()
    )
}

/// The older generation of the protocol, with one tool that answers with its arguments.
fn protocol(body: &str) -> (&'static str, String) {
    let Ok(message) = serde_json::from_str::<Value>(body) else {
        return ("405 No", String::new());
    };
    let result = match message["method"].as_str() {
        Some("initialize") => {
            json!({"protocolVersion": "2025-11-25", "capabilities": {"tools": {}}, "serverInfo": {"name": "h", "version": "1"}})
        }
        Some("tools/list") => {
            json!({"tools": [{"name": "say", "description": "says", "inputSchema": super::schemas::schema()}]})
        }
        Some("tools/call") => {
            json!({"content": [{"type": "text", "text": message["params"]["arguments"].to_string()}]})
        }
        _ => return ("202 Accepted", String::new()),
    };
    (
        "200 OK",
        json!({"jsonrpc": "2.0", "id": message["id"], "result": result}).to_string(),
    )
}
