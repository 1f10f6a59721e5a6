//! Tokens that are known by their hash.

use std::path::PathBuf;

use sha2::{Digest as _, Sha256};
use tempfile::TempDir;
use toolwave_coordinator::{Config, Coordinator, identity::Auth};

use crate::{
    ask::{Answer, CLIENT_METHODS, HEALTH, OPERATOR_METHODS, WORKER_METHOD, ask, ask_in_full},
    common::{channel, config, start},
};

/// The hexadecimal SHA-256 of a token.
pub(crate) fn sha256(token: &str) -> String {
    let digest = Sha256::digest(token.as_bytes());
    digest.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// An entry of a tokens file.
pub(crate) fn entry(token: &str, more: &str) -> String {
    let hash = sha256(token);
    let name = &hash[..8];
    format!("[[token]]\nname = \"{name}\"\nsha256 = \"{hash}\"\ntenant = \"a\"\n{more}\n")
}

/// A tokens file.
pub(crate) fn file(text: &str) -> (TempDir, PathBuf) {
    let folder = tempfile::tempdir().expect("a folder");
    let path = folder.path().join("tokens.toml");
    std::fs::write(&path, text).expect("written");
    (folder, path)
}

/// Asks who they are of those who come in.
pub(crate) fn asking(path: PathBuf) -> Config {
    let auth = Auth {
        tokens_file: Some(path),
        reload_interval: std::time::Duration::from_millis(5),
        ..Auth::default()
    };
    Config {
        auth: Some(auth),
        ..config()
    }
}

async fn with_tokens() -> (TempDir, Coordinator) {
    let text = [
        entry("client", "tools = [\"*\"]"),
        entry("operator", "operator = true\nexpires = \"2999-01-01T00:00:00Z\""),
        entry("expired", "operator = true\nexpires = \"2020-01-01T00:00:00Z\""),
    ];
    let (folder, path) = file(&text.concat());
    (folder, start(asking(path)).await)
}

#[tokio::test]
async fn every_method_is_for_those_who_may_use_it() {
    use Answer::{BadToken, LetIn, NoCredentials, NotPermitted};
    let (_folder, coordinator) = with_tokens().await;
    let channel = channel(&coordinator).await;
    let rows: [(&[&str], Answer, Answer, Answer); 14] = [
        (&[], NoCredentials, NoCredentials, LetIn),
        (&["Bearer client"], LetIn, NotPermitted, NotPermitted),
        (&["bearer client"], LetIn, NotPermitted, NotPermitted),
        (&["Bearer  client "], LetIn, NotPermitted, NotPermitted),
        (&["Bearer operator"], LetIn, LetIn, NotPermitted),
        (&["Bearer expired"], BadToken, BadToken, BadToken),
        (&["Bearer unknown"], BadToken, BadToken, BadToken),
        (&["Bearer CLIENT"], BadToken, BadToken, BadToken),
        (&["Bearer"], BadToken, BadToken, BadToken),
        (&["Bearer "], BadToken, BadToken, BadToken),
        (&[""], BadToken, BadToken, BadToken),
        (&["client"], BadToken, BadToken, BadToken),
        (&["Basic client"], BadToken, BadToken, BadToken),
        (
            &["Bearer client", "Bearer operator"],
            BadToken,
            BadToken,
            BadToken,
        ),
    ];
    for (headers, client, operator, worker) in rows {
        for method in CLIENT_METHODS {
            assert_eq!(
                ask(&channel, method, headers).await,
                client,
                "{method} {headers:?}"
            );
        }
        for method in OPERATOR_METHODS {
            assert_eq!(
                ask(&channel, method, headers).await,
                operator,
                "{method} {headers:?}"
            );
        }
        assert_eq!(ask(&channel, WORKER_METHOD, headers).await, worker, "{headers:?}");
        assert_eq!(ask(&channel, HEALTH, headers).await, LetIn, "{headers:?}");
    }
}

#[tokio::test]
async fn whatever_is_wrong_with_a_token_is_answered_with_the_same_bytes() {
    let (_folder, coordinator) = with_tokens().await;
    let channel = channel(&coordinator).await;
    let mut answers = Vec::new();
    let long = format!("Bearer {}", "x".repeat(10_000));
    for header in ["Bearer expired", "Bearer unknown", "Basic client", &long] {
        answers.push(ask_in_full(&channel, CLIENT_METHODS[0], &[header]).await);
    }
    answers.dedup();
    assert_eq!(answers.len(), 1, "{answers:?}");
    assert_eq!(answers[0].0, Answer::BadToken);
}

#[tokio::test]
async fn without_auth_nobody_is_asked_and_a_token_is_not_looked_at() {
    let coordinator = start(config()).await;
    let channel = channel(&coordinator).await;
    for headers in [&[][..], &["Bearer whatever"]] {
        for method in CLIENT_METHODS
            .iter()
            .chain(&OPERATOR_METHODS)
            .chain(&[WORKER_METHOD, HEALTH])
        {
            assert_eq!(ask(&channel, method, headers).await, Answer::LetIn, "{method}");
        }
    }
}
