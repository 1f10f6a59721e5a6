//! What its tests share: coordinators with a dashboard, and requests of HTTP as they are on the wire.

use std::{net::SocketAddr, path::Path};

use serde_json::Value;
use sha2::{Digest as _, Sha256};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::TcpStream,
};
use toolwave_coordinator::{Config, Coordinator, identity::Auth};

use crate::common::*;

/// Made up; the hash of each is in the file of tokens.
pub(crate) const OPERATOR: &str = "operators-token";
pub(crate) const CLIENT: &str = "clients-token";

pub(crate) fn with_dashboard() -> Config {
    let mut config = config();
    config.admin.listen = Some("127.0.0.1:0".parse().expect("an address"));
    config
}

pub(crate) fn with_tokens(folder: &Path) -> Config {
    let entry = |name: &str, token: &str, operator: bool| {
        let hash: String = Sha256::digest(token)
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        format!(
            "[[token]]\nname = {name:?}\nsha256 = {hash:?}\ntenant = \"acme\"\ntools = [\"*\"]\noperator = {operator}\n"
        )
    };
    let file = folder.join("tokens.toml");
    let entries = entry("ops", OPERATOR, true) + &entry("somebody", CLIENT, false);
    std::fs::write(&file, entries).expect("a file");
    #[cfg(unix)]
    {
        use std::os::unix::fs::PermissionsExt as _;
        std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).expect("its mode");
    }
    Config {
        auth: Some(Auth {
            tokens_file: Some(file),
            reload_interval: std::time::Duration::from_millis(10),
            ..Auth::default()
        }),
        ..with_dashboard()
    }
}

pub(crate) fn address(coordinator: &Coordinator) -> SocketAddr {
    coordinator.admin_address().expect("an admin port")
}

/// One request on a connection of its own, headers as given; what is answered, as it is.
pub(crate) async fn ask(
    coordinator: &Coordinator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> Answer {
    let mut stream = open(coordinator, method, path, headers, body).await;
    let mut bytes = Vec::new();
    soon("an answer", stream.read_to_end(&mut bytes))
        .await
        .expect("it is read");
    Answer(String::from_utf8(bytes).expect("text"))
}

pub(crate) async fn open(
    coordinator: &Coordinator,
    method: &str,
    path: &str,
    headers: &[(&str, &str)],
    body: &str,
) -> TcpStream {
    let mut text = format!(
        "{method} {path} HTTP/1.1\r\nconnection: close\r\ncontent-length: {}\r\n",
        body.len()
    );
    for (name, value) in headers {
        text += &format!("{name}: {value}\r\n");
    }
    let mut stream = TcpStream::connect(address(coordinator))
        .await
        .expect("it listens");
    stream
        .write_all(format!("{text}\r\n{body}").as_bytes())
        .await
        .expect("it is sent");
    stream
}

pub(crate) struct Answer(pub(crate) String);

impl Answer {
    pub(crate) fn status(&self) -> u16 {
        self.0
            .split(' ')
            .nth(1)
            .and_then(|status| status.parse().ok())
            .expect("a status line")
    }

    pub(crate) fn has(&self, line: &str) -> bool {
        let head = self.0.split("\r\n\r\n").next().expect("headers");
        head.lines().any(|found| found.eq_ignore_ascii_case(line))
    }

    /// The word of a refusal.
    pub(crate) fn reason(&self) -> String {
        self.json()["error"]["reason"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    pub(crate) fn json(&self) -> Value {
        let body = self.0.split_once("\r\n\r\n").expect("a body").1;
        serde_json::from_str(body).unwrap_or(Value::Null)
    }
}

/// Reads until the words have come.
pub(crate) async fn until(stream: &mut TcpStream, words: &str) -> String {
    let mut text = String::new();
    let mut bytes = [0; 4096];
    soon(words, async {
        while !text.contains(words) {
            let read = stream.read(&mut bytes).await.expect("it is read");
            assert!(read > 0, "it ended: {text}");
            text += &String::from_utf8_lossy(&bytes[..read]);
        }
    })
    .await;
    text
}
