//! Who may come in as a client: the tokens, keys and names of `[auth]`, read once and never changed. A file that
//! changed makes new ones.

use std::{
    path::PathBuf,
    sync::Arc,
    time::{SystemTime, UNIX_EPOCH},
};

use sha2::{Digest as _, Sha256};
use tonic::codegen::http::{HeaderMap, header::AUTHORIZATION};

use super::{
    Client, config,
    jwt::{self, Verifier},
    refusal::{BadToken, Denied, Refusal},
    tokens::Tokens,
    uri::{CertificateUri, Kind},
    verified::Verified,
};
use crate::config::Wrong;

/// Of a bearer token, in bytes.
const LONGEST: usize = 8 * 1024;

/// What `[auth]` and its files say.
#[derive(Debug)]
pub(super) struct Credentials {
    tokens: Tokens,
    jwt: Option<Verifier>,
    /// With the longest name first.
    certificates: Vec<(CertificateUri, Arc<Client>)>,
    /// Gone with the keys that they were verified with.
    verified: Verified,
}

// === impl Credentials ===

impl Credentials {
    /// Reads everything that the section names.
    ///
    /// # Errors
    /// Every problem.
    pub(super) fn load(auth: &config::Auth) -> Result<Self, Vec<Wrong>> {
        let mut problems = Vec::new();
        let mut wrong = |key: &'static str, what: String, expected: String| {
            problems.push(Wrong { key, what, expected });
        };
        if auth.tokens_file.is_none() && auth.jwt.is_none() && auth.client_certificates.is_empty() {
            let expected = "tokens_file, jwt or client_certificates in it";
            wrong("auth", "nobody could come in".into(), expected.into());
        }
        if auth.reload_interval.is_zero() {
            wrong(
                "auth.reload_interval",
                "is zero".into(),
                "a duration above zero".into(),
            );
        }
        let mut tokens = Tokens::default();
        if let Some(path) = &auth.tokens_file {
            match Tokens::load(path) {
                Ok(loaded) => tokens = loaded,
                Err(problems) => {
                    for problem in problems {
                        wrong("auth.tokens_file", problem.to_string(), String::new());
                    }
                }
            }
        }
        let jwt = auth.jwt.as_ref().and_then(|jwt| load_jwt(jwt, &mut wrong));
        let certificates = certificates(&auth.client_certificates, &mut wrong);
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            tokens,
            jwt,
            certificates,
            verified: Verified::default(),
        })
    }

    /// Whose token a request carries. `None`: it carries nothing of the kind.
    pub(super) fn bearer(&self, headers: &HeaderMap) -> Option<Result<Arc<Client>, BadToken>> {
        let mut values = headers.get_all(AUTHORIZATION).iter();
        let value = values.next()?;
        if values.next().is_some() {
            return Some(Err(BadToken::NotBearer));
        }
        let token = value
            .to_str()
            .ok()
            .and_then(|value| value.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, token)| token.trim_ascii())
            .filter(|token| !token.is_empty() && token.len() <= LONGEST);
        Some(
            token
                .ok_or(BadToken::NotBearer)
                .and_then(|token| self.token(token)),
        )
    }

    fn token(&self, token: &str) -> Result<Arc<Client>, BadToken> {
        let digest = Sha256::digest(token.as_bytes()).into();
        let now = SystemTime::now();
        if let Some(found) = self.tokens.client(&digest, now) {
            return found;
        }
        let jwt = self.jwt.as_ref().ok_or(BadToken::Unknown)?;
        let seconds = now.duration_since(UNIX_EPOCH).map_or(0, |since| since.as_secs());
        if let Some(client) = self.verified.client(&digest, seconds) {
            return Ok(client);
        }
        let (client, until) = jwt.client(token)?;
        self.verified.keep(digest, client.clone(), until);
        Ok(client)
    }

    /// Who may come in with a certificate of this name.
    pub(super) fn named(&self, uri: &CertificateUri) -> Result<Arc<Client>, Refusal> {
        let entry = self.certificates.iter().find(|(entry, _)| entry.covers(uri));
        let (entry, client) = entry.ok_or(Denied::NoEntry)?;
        if entry.as_str() == uri.as_str() {
            return Ok(client.clone());
        }
        Ok(Arc::new(Client {
            subject: uri.as_str().into(),
            ..(**client).clone()
        }))
    }
}

/// The files of the section.
pub(super) fn files(auth: &config::Auth) -> Vec<PathBuf> {
    let keys = auth.jwt.iter().flat_map(|jwt| &jwt.keys);
    let keys = keys.flat_map(|key| key.public_key_file.iter().chain(&key.secret_file));
    auth.tokens_file.iter().chain(keys).cloned().collect()
}

fn load_jwt(config: &config::Jwt, wrong: &mut impl FnMut(&'static str, String, String)) -> Option<Verifier> {
    if config.audience.is_empty() {
        let what = "is missing: a token for any other service would be good".to_owned();
        wrong(
            "auth.jwt.audience",
            what,
            "the name by which tokens mean this cluster".into(),
        );
    }
    if config.leeway > jwt::MOST_LEEWAY {
        let what = format!("{} is too long", humantime::format_duration(config.leeway));
        wrong("auth.jwt.leeway", what, "at most \"10m\"".into());
    }
    if config.keys.is_empty() {
        let what = "no token could be verified".to_owned();
        wrong("auth.jwt.keys", what, "at least one key".into());
    }
    for (index, key) in config.keys.iter().enumerate() {
        let earlier = &config.keys[..index];
        match &key.kid {
            None if config.keys.len() > 1 => {
                let what = format!("keys[{index}] has no kid");
                wrong(
                    "auth.jwt.keys",
                    what,
                    "a kid for each where there are several".into(),
                );
            }
            Some(kid) if earlier.iter().any(|other| other.kid.as_ref() == Some(kid)) => {
                let what = format!(
                    "keys[{index}] has a kid of an earlier one, `{}`",
                    kid.escape_debug()
                );
                wrong("auth.jwt.keys", what, "kids that differ".into());
            }
            _ => {}
        }
    }
    Verifier::load(config)
        .map_err(|problems| {
            for (what, expected) in problems {
                wrong("auth.jwt.keys", what, expected);
            }
        })
        .ok()
}

fn certificates(
    entries: &[config::ClientCertificate],
    wrong: &mut impl FnMut(&'static str, String, String),
) -> Vec<(CertificateUri, Arc<Client>)> {
    const KEY: &str = "auth.client_certificates";
    let mut certificates: Vec<(CertificateUri, Arc<Client>)> = Vec::with_capacity(entries.len());
    for entry in entries {
        let uri = match CertificateUri::parse(&entry.identity) {
            Ok(uri) if uri.kind() == Kind::Tenant => uri,
            Ok(CertificateUri { .. }) | Err(_) => {
                let what = format!("`{}` is no client's identity", entry.identity.escape_debug());
                let expected = "spiffe://<trust domain>/tenant/<tenant>, or with /<subject> behind it";
                wrong(KEY, what, expected.into());
                continue;
            }
        };
        if certificates.iter().any(|(other, _)| *other == uri) {
            wrong(
                KEY,
                format!("`{uri}` is there twice"),
                "identities that differ".into(),
            );
        }
        let client = Client {
            tenant: uri.named().into(),
            subject: uri.as_str().into(),
            tools: entry.tools.clone(),
            operator: entry.operator,
        };
        certificates.push((uri, Arc::new(client)));
    }
    certificates.sort_by_key(|(uri, _)| std::cmp::Reverse(uri.as_str().len()));
    certificates
}
