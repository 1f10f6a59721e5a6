//! Whatever a coordinator logs, a token is not in it.

use std::process::Stdio;

use tokio::{
    io::{AsyncBufReadExt as _, AsyncReadExt as _, BufReader},
    process::Command,
};
use tonic::transport::Channel;

use crate::{
    ask::{Answer, CLIENT_METHODS, OPERATOR_METHODS, WORKER_METHOD, ask, ask_once},
    common::soon,
    jwts::SECRET,
    pki::replace,
    tokens::{entry, file},
};

#[tokio::test]
async fn no_token_and_no_key_is_in_any_line_of_the_log() {
    let good = "canary-good-0d6c1f52";
    let bad = "canary-bad-7be1940a";
    let (folder, tokens) = file(&entry(good, ""));
    let secret = folder.path().join("secret");
    replace(&secret, SECRET, 0o600);
    let configuration = folder.path().join("coordinator.toml");
    let text = format!(
        "[auth]\ntokens_file = {tokens:?}\nreload_interval = \"10ms\"\n[auth.jwt]\naudience = \"a\"\n\
         keys = [{{ algorithm = \"HS256\", secret_file = {secret:?} }}]\n"
    );
    std::fs::write(&configuration, text).expect("written");
    let mut child = Command::new(env!("CARGO_BIN_EXE_toolwave-coordinator"))
        .env_clear()
        .args(["--listen", "127.0.0.1:0", "--log-level", "trace", "--config"])
        .arg(&configuration)
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()
        .expect("it runs");
    let mut log = BufReader::new(child.stderr.take().expect("piped"));
    let mut said = String::new();
    let address = soon("the address", async {
        loop {
            let from = said.len();
            log.read_line(&mut said).await.expect("UTF-8");
            let line = &said[from..];
            let address = line
                .split("address=")
                .nth(1)
                .filter(|_| line.contains("coordinator listens"));
            if let Some(address) = address.and_then(|rest| rest.split_whitespace().next()) {
                return address.to_owned();
            }
        }
    })
    .await;
    let reading = tokio::spawn(async move {
        log.read_to_string(&mut said).await.expect("UTF-8");
        said
    });

    let endpoint = Channel::from_shared(format!("http://{address}")).expect("a URI");
    let channel = endpoint.connect().await.expect("it listens");
    let (allowed, refused) = (format!("Bearer {good}"), format!("Bearer {bad}"));
    for method in CLIENT_METHODS {
        assert_eq!(ask(&channel, method, &[&allowed]).await, Answer::LetIn);
        assert_eq!(ask(&channel, method, &[&refused]).await, Answer::BadToken);
    }
    for method in OPERATOR_METHODS.iter().chain(&[WORKER_METHOD]) {
        assert_eq!(ask(&channel, method, &[&allowed]).await, Answer::NotPermitted);
    }
    // A file that cannot be used is told of, and what is in it is not.
    replace(&tokens, &entry(good, &format!("unknown = \"{bad}\"")), 0o600);
    replace(
        &tokens,
        &format!("[[token]]\nname = \"n\"\nsha256 = \"{bad}\"\ntenant = \"a\"\n"),
        0o600,
    );
    replace(&tokens, &entry(bad, ""), 0o600);
    soon("the new file", async {
        while ask_once(&channel, CLIENT_METHODS[4], &[&refused]).await.0 != Answer::LetIn {
            tokio::task::yield_now().await;
        }
    })
    .await;
    let id = child.id().expect("it runs").to_string();
    assert!(
        Command::new("kill")
            .arg(&id)
            .status()
            .await
            .expect("kill runs")
            .success()
    );
    soon("its end", child.wait()).await.expect("it ends");
    let said = soon("its last line", reading).await.expect("no panic");
    assert!(
        said.contains("request refused") && said.contains("TRACE"),
        "it says much"
    );
    for canary in ["canary", SECRET] {
        let line = said.lines().find(|line| line.contains(canary));
        assert_eq!(line, None, "{canary}");
    }
}
