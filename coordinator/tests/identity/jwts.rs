//! Tokens that an issuer signs.

use std::{path::Path, time::Duration};

use jsonwebtoken::{Algorithm, EncodingKey, Header, encode, get_current_timestamp};
use rcgen::{KeyPair, PKCS_ED25519};
use serde_json::{Value, json};
use tempfile::TempDir;
use toolwave_coordinator::{
    Config, Coordinator,
    identity::{Auth, Jwt, JwtKey},
};

use crate::{
    ask::{Answer, CLIENT_METHODS, OPERATOR_METHODS, WORKER_METHOD, ask, ask_in_full},
    common::{channel, config, start},
    pki::replace,
};

/// The example of RFC 7515, A.2: whatever it signs, anybody can.
pub(crate) const RSA_PRIVATE: &str = include_str!("rfc7515_a2_private.pem");
pub(crate) const RSA_PUBLIC: &str = include_str!("rfc7515_a2_public.pem");
pub(crate) const SECRET: &str = "a secret of thirty-two bytes or more";

/// An issuer's keys, and the files of their public halves.
struct Issuer {
    folder: TempDir,
    curve: KeyPair,
    edwards: KeyPair,
}

impl Issuer {
    fn new() -> Self {
        let issuer = Self {
            folder: tempfile::tempdir().expect("a folder"),
            curve: KeyPair::generate().expect("a key"),
            edwards: KeyPair::generate_for(&PKCS_ED25519).expect("a key"),
        };
        let path = |name: &str| issuer.folder.path().join(name);
        replace(&path("rsa.pem"), RSA_PUBLIC, 0o644);
        replace(&path("curve.pem"), &issuer.curve.public_key_pem(), 0o644);
        replace(&path("edwards.pem"), &issuer.edwards.public_key_pem(), 0o644);
        replace(&path("secret"), &format!("{SECRET}\n"), 0o600);
        issuer
    }

    fn path(&self, name: &str) -> std::path::PathBuf {
        self.folder.path().join(name)
    }

    fn jwt(&self) -> Jwt {
        Jwt {
            keys: vec![
                public("rsa", Algorithm::RS256, &self.path("rsa.pem")),
                public("curve", Algorithm::ES256, &self.path("curve.pem")),
                public("edwards", Algorithm::EdDSA, &self.path("edwards.pem")),
                JwtKey {
                    kid: Some("secret".into()),
                    algorithm: Algorithm::HS256,
                    public_key_file: None,
                    secret_file: Some(self.path("secret")),
                },
            ],
            audience: "toolwave".into(),
            issuer: Some("https://issuer.test".into()),
            max_lifetime: Some(Duration::from_secs(3600)),
            ..Jwt::default()
        }
    }

    fn key(&self, kid: &str) -> (Algorithm, EncodingKey) {
        match kid {
            "rsa" => (
                Algorithm::RS256,
                EncodingKey::from_rsa_pem(RSA_PRIVATE.as_bytes()).expect("a key"),
            ),
            "curve" => (
                Algorithm::ES256,
                EncodingKey::from_ec_pem(self.curve.serialize_pem().as_bytes()).expect("a key"),
            ),
            "edwards" => (
                Algorithm::EdDSA,
                EncodingKey::from_ed_pem(self.edwards.serialize_pem().as_bytes()).expect("a key"),
            ),
            "secret" => (Algorithm::HS256, EncodingKey::from_secret(SECRET.as_bytes())),
            other => panic!("{other}"),
        }
    }

    /// A token of good claims, but for these.
    fn token(&self, kid: &str, but: Value) -> String {
        let (algorithm, key) = self.key(kid);
        encode(&header(algorithm, Some(kid)), &claims(but), &key).expect("a token")
    }
}

fn public(kid: &str, algorithm: Algorithm, path: &Path) -> JwtKey {
    JwtKey {
        kid: Some(kid.into()),
        algorithm,
        public_key_file: Some(path.into()),
        secret_file: None,
    }
}

fn header(algorithm: Algorithm, kid: Option<&str>) -> Header {
    Header {
        kid: kid.map(str::to_owned),
        ..Header::new(algorithm)
    }
}

/// Good claims, but for these; null leaves one out.
fn claims(but: Value) -> Value {
    let now = get_current_timestamp();
    let mut claims = json!({
        "iss": "https://issuer.test", "aud": "toolwave", "sub": "ci", "iat": now, "exp": now + 600,
        "tenant": "a", "tools": ["echo"], "operator": true,
    });
    let all = claims.as_object_mut().expect("an object");
    for (name, value) in but.as_object().expect("an object") {
        all.insert(name.clone(), value.clone());
    }
    all.retain(|_, value| !value.is_null());
    claims
}

fn asking(jwt: Jwt) -> Config {
    let auth = Auth {
        jwt: Some(jwt),
        ..Auth::default()
    };
    Config {
        auth: Some(auth),
        ..config()
    }
}

async fn issuer() -> (Issuer, Coordinator) {
    let issuer = Issuer::new();
    let coordinator = start(asking(issuer.jwt())).await;
    (issuer, coordinator)
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode(text)
}

#[tokio::test]
async fn a_token_of_each_kind_of_key_is_good_for_what_it_claims() {
    let (issuer, coordinator) = issuer().await;
    let channel = channel(&coordinator).await;
    for kid in ["rsa", "curve", "edwards", "secret"] {
        let operator = format!("Bearer {}", issuer.token(kid, json!({})));
        let client = format!("Bearer {}", issuer.token(kid, json!({"operator": null})));
        // The second time it is known.
        for _ in 0..2 {
            for method in CLIENT_METHODS.iter().chain(&OPERATOR_METHODS) {
                assert_eq!(ask(&channel, method, &[&operator]).await, Answer::LetIn, "{kid}");
            }
            let answer = ask(&channel, OPERATOR_METHODS[0], &[&client]).await;
            assert_eq!(answer, Answer::NotPermitted, "{kid}");
            let answer = ask(&channel, WORKER_METHOD, &[&client]).await;
            assert_eq!(answer, Answer::NotPermitted, "{kid}");
        }
    }
}

#[tokio::test]
async fn good_claims_come_in_every_form_that_the_standard_allows() {
    let (issuer, coordinator) = issuer().await;
    let channel = channel(&coordinator).await;
    let now = get_current_timestamp();
    for but in [
        json!({"aud": ["other", "toolwave"]}),
        json!({"exp": now as f64 + 100.5, "iat": now as f64 - 0.5}),
        json!({"tools": "echo files.*"}),
        json!({"tools": null}),
        json!({"sub": null}),
        json!({"nbf": now}),
        // Within the leeway.
        json!({"exp": now - 10, "iat": now - 100}),
        json!({"nbf": now + 10, "iat": now + 10}),
        json!({"extra": {"deeply": ["nested"]}}),
    ] {
        let token = format!("Bearer {}", issuer.token("curve", but.clone()));
        assert_eq!(
            ask(&channel, CLIENT_METHODS[4], &[&token]).await,
            Answer::LetIn,
            "{but}"
        );
    }
}

#[tokio::test]
async fn every_bad_token_is_refused_with_one_and_the_same_text() {
    let (issuer, coordinator) = issuer().await;
    let channel = channel(&coordinator).await;
    let now = get_current_timestamp();
    let mut tokens: Vec<(String, String)> = Vec::new();
    for but in [
        json!({"exp": now - 3600, "iat": now - 7000}),
        json!({"exp": null}),
        json!({"exp": "tomorrow"}),
        json!({"exp": -1}),
        json!({"nbf": now + 600}),
        json!({"nbf": "later"}),
        json!({"iat": null}),
        json!({"iat": now + 600, "exp": now + 700}),
        json!({"exp": now + 7200}),
        json!({"aud": "other"}),
        json!({"aud": ["other"]}),
        json!({"aud": []}),
        json!({"aud": null}),
        json!({"iss": "https://other.test"}),
        json!({"iss": null}),
        json!({"tenant": null}),
        json!({"tenant": ""}),
        json!({"tenant": "two words"}),
        json!({"tenant": ["a"]}),
        json!({"tools": 7}),
        json!({"tools": ["a*b"]}),
        json!({"tools": [1]}),
        json!({"operator": "true"}),
        json!({"sub": 7}),
        json!({"sub": "a\nb"}),
        json!({"sub": "x".repeat(300)}),
    ] {
        tokens.push((format!("{but}"), issuer.token("curve", but)));
    }
    let mut signed = |what: &str, header: &Header, key: &EncodingKey| {
        let token = encode(header, &claims(json!({})), key).expect("a token");
        tokens.push((what.to_owned(), token));
    };
    // The public key, which everybody has, as the secret of an HMAC.
    let confused = EncodingKey::from_secret(RSA_PUBLIC.as_bytes());
    for kid in [Some("rsa"), Some("secret"), None] {
        signed("algorithm confusion", &header(Algorithm::HS256, kid), &confused);
    }
    let (_, rsa) = issuer.key("rsa");
    signed(
        "another algorithm of the key",
        &header(Algorithm::PS256, Some("rsa")),
        &rsa,
    );
    signed(
        "the key of another kid",
        &header(Algorithm::RS256, Some("curve")),
        &rsa,
    );
    signed("no such kid", &header(Algorithm::RS256, Some("gone")), &rsa);
    signed("no kid among several", &header(Algorithm::RS256, None), &rsa);
    let stranger = KeyPair::generate().expect("a key").serialize_pem();
    let stranger = EncodingKey::from_ec_pem(stranger.as_bytes()).expect("a key");
    signed(
        "a stranger's key",
        &header(Algorithm::ES256, Some("curve")),
        &stranger,
    );
    let mut critical = header(Algorithm::RS256, Some("rsa"));
    critical.crit = Some(vec!["b64".into()]);
    signed("an extension that must be understood", &critical, &rsa);
    let body = base64(&claims(json!({})).to_string());
    for alg in ["none", "None", "NONE", ""] {
        let head = base64(&json!({"alg": alg, "typ": "JWT", "kid": "rsa"}).to_string());
        for signature in ["", "AAAA"] {
            tokens.push((format!("alg {alg:?}"), format!("{head}.{body}.{signature}")));
        }
    }
    let good = issuer.token("rsa", json!({}));
    let (unsigned, _) = good.rsplit_once('.').expect("a signature");
    tokens.push(("no signature".into(), format!("{unsigned}.")));
    tokens.push(("two parts".into(), unsigned.to_owned()));
    tokens.push(("four parts".into(), format!("{good}.AAAA")));
    let (head, _) = good.split_once('.').expect("a header");
    let forged = base64(&claims(json!({"tenant": "b"})).to_string());
    let signature = good.rsplit('.').next().expect("a signature");
    tokens.push(("another body".into(), format!("{head}.{forged}.{signature}")));

    let mut texts = Vec::new();
    for (what, token) in &tokens {
        let header = format!("Bearer {token}");
        let (answer, text) = ask_in_full(&channel, CLIENT_METHODS[4], &[&header]).await;
        assert_eq!(answer, Answer::BadToken, "{what}");
        texts.push(text);
    }
    texts.dedup();
    assert_eq!(texts.len(), 1, "{texts:?}");
    // None of it stays behind.
    let good = format!("Bearer {good}");
    assert_eq!(ask(&channel, CLIENT_METHODS[4], &[&good]).await, Answer::LetIn);
}

#[tokio::test]
async fn a_single_key_without_a_name_takes_tokens_whatever_they_call_it() {
    let issuer = Issuer::new();
    let mut jwt = issuer.jwt();
    jwt.keys.truncate(1);
    jwt.keys[0].kid = None;
    let coordinator = start(asking(jwt)).await;
    let channel = channel(&coordinator).await;
    let (_, rsa) = issuer.key("rsa");
    for kid in [None, Some("any")] {
        let token = encode(&header(Algorithm::RS256, kid), &claims(json!({})), &rsa).expect("a token");
        let answer = ask(&channel, CLIENT_METHODS[4], &[&format!("Bearer {token}")]).await;
        assert_eq!(answer, Answer::LetIn, "{kid:?}");
    }
}

#[tokio::test]
async fn a_token_that_was_good_is_refused_from_its_expiry_on() {
    let issuer = Issuer::new();
    let jwt = Jwt {
        leeway: Duration::ZERO,
        ..issuer.jwt()
    };
    let coordinator = start(asking(jwt)).await;
    let channel = channel(&coordinator).await;
    let expires = get_current_timestamp() + 2;
    let token = format!("Bearer {}", issuer.token("secret", json!({"exp": expires})));
    let mut let_in = 0;
    crate::common::soon("its expiry", async {
        while ask(&channel, CLIENT_METHODS[4], &[&token]).await == Answer::LetIn {
            let_in += 1;
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert!(get_current_timestamp() > expires, "not before");
    assert!(let_in > 1, "it was known");
    assert_eq!(
        ask(&channel, CLIENT_METHODS[4], &[&token]).await,
        Answer::BadToken
    );
}

#[test]
fn keys_that_cannot_be_what_they_are_for_are_refused_all_at_once() {
    let issuer = Issuer::new();
    let path = |name: &str| issuer.path(name);
    replace(&path("private.pem"), RSA_PRIVATE, 0o600);
    replace(&path("short"), "too short\n", 0o600);
    replace(&path("open"), SECRET, 0o644);
    replace(&path("pem-secret"), RSA_PUBLIC, 0o600);
    let secret = |kid: &str, name: &str, algorithm| JwtKey {
        kid: Some(kid.into()),
        algorithm,
        public_key_file: None,
        secret_file: Some(path(name)),
    };
    let jwt = Jwt {
        keys: vec![
            public("0", Algorithm::RS256, &path("missing.pem")),
            public("1", Algorithm::RS256, &path("curve.pem")),
            public("2", Algorithm::ES256, &path("rsa.pem")),
            public("3", Algorithm::ES384, &path("curve.pem")),
            public("4", Algorithm::RS256, &path("private.pem")),
            public("5", Algorithm::RS256, &path("secret")),
            secret("6", "short", Algorithm::HS256),
            secret("7", "open", Algorithm::HS256),
            secret("8", "pem-secret", Algorithm::HS256),
            secret("9", "secret", Algorithm::HS512),
            secret("10", "secret", Algorithm::RS256),
            public("11", Algorithm::HS256, &path("rsa.pem")),
            JwtKey {
                kid: None,
                ..public("", Algorithm::RS256, &path("rsa.pem"))
            },
            public("0", Algorithm::RS256, &path("rsa.pem")),
        ],
        audience: String::new(),
        leeway: Duration::from_secs(3600),
        ..Jwt::default()
    };
    let wrong = asking(jwt).check();
    let said: Vec<String> = wrong
        .iter()
        .map(|wrong| format!("{}: {}; {}", wrong.key, wrong.what, wrong.expected))
        .collect();
    for expected in [
        "auth.jwt.audience: is missing",
        "auth.jwt.leeway: 1h is too long",
        "keys[12] has no kid",
        "keys[13] has a kid of an earlier one, `0`",
        "which cannot be read",
        "holds no key of this algorithm; the PEM of an RSA public key",
        "holds no key of this algorithm; the PEM of a P-256 public key",
        "holds a key of the wrong size; the PEM of a P-384 public key",
        "holds a private key",
        "holds no public key in PEM",
        "holds 9 bytes, too few for HS256; at least 32 random bytes",
        "which others than its owner may read; a mode such as 0600",
        "holds a PEM key, and no shared secret",
        "too few for HS512; at least 64",
        "keys[10] has no public_key_file alone, which RS256 needs",
        "keys[11] has no secret_file alone, which HS256 needs",
    ] {
        assert!(
            said.iter().any(|line| line.contains(expected)),
            "{expected} in {said:#?}"
        );
    }
    assert_eq!(said.len(), 16, "{said:#?}");
    assert!(!said.concat().contains(SECRET));
}
