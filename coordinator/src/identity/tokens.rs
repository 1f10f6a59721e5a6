//! Tokens that are known by their hash. A token is random, 128 bits or more, so that a plain SHA-256 of it is as
//! good as none to whoever reads the file. The tokens themselves are never here.

use std::{collections::HashMap, path::Path, sync::Arc, time::SystemTime};

use serde::Deserialize;
use subtle::ConstantTimeEq as _;
use toolwave_config::{File, Problem};

use super::{Client, NamePatterns, names::is_name, refusal::BadToken};
use crate::files::{self, LARGEST};

/// SHA-256 of a token.
pub(super) type Digest = [u8; 32];

/// Of the empty text, which is no token: what a script makes of a variable that is not set.
const OF_NOTHING: &str = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";

/// The tokens of a file.
#[derive(Debug, Default)]
pub(super) struct Tokens(
    /// Sorted by their digests.
    Vec<Token>,
);

#[derive(Debug)]
struct Token {
    digest: Digest,
    expires: Option<SystemTime>,
    client: Arc<Client>,
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct TokensFile {
    token: Vec<Entry>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Entry {
    name: String,
    sha256: String,
    tenant: String,
    #[serde(default)]
    tools: Vec<String>,
    #[serde(default)]
    operator: bool,
    expires: Option<String>,
}

// === impl Tokens ===

impl Tokens {
    /// Reads a file.
    ///
    /// # Errors
    /// Every problem, with its place.
    pub(super) fn load(path: &Path) -> Result<Self, Vec<Problem>> {
        let whole = |what: String| {
            vec![Problem {
                file: Some(path.to_owned()),
                ..Problem::new(
                    "",
                    what,
                    format!("a readable TOML file of at most {LARGEST} bytes"),
                )
            }]
        };
        let bytes = files::read(path).map_err(|error| whole(error.to_string()))?;
        let text = String::from_utf8(bytes).map_err(|_| whole("is no UTF-8".into()))?;
        let file = File::from_text(path, text)?;
        let entries = file.parse::<TokensFile>()?.token;
        let mut problems = Vec::new();
        let mut tokens: Vec<Token> = Vec::with_capacity(entries.len());
        let (mut names, mut digests) = (HashMap::new(), HashMap::new());
        for (index, entry) in entries.iter().enumerate() {
            let mut wrong = |key: &str, what: String, expected: &str| {
                problems.push(file.problem(&format!("token[{index}].{key}"), what, expected));
            };
            if let Some(first) = names.insert(&entry.name, index) {
                wrong(
                    "name",
                    format!("is the name of token[{first}] too"),
                    "names that differ",
                );
            }
            let token = entry.token(&mut wrong);
            if let Some(first) = token
                .as_ref()
                .and_then(|token| digests.insert(token.digest, index))
            {
                wrong(
                    "sha256",
                    format!("is the token of token[{first}] too"),
                    "a token of its own",
                );
            }
            tokens.extend(token);
        }
        if problems.is_empty() {
            tokens.sort_unstable_by_key(|token| token.digest);
            Ok(Self(tokens))
        } else {
            Err(problems)
        }
    }

    /// Whose token has this digest. What is not compared in constant time are eight bytes of hashes, of which
    /// nobody can choose even those.
    pub(super) fn client(&self, digest: &Digest, now: SystemTime) -> Option<Result<Arc<Client>, BadToken>> {
        let from = self.0.partition_point(|token| token.digest[..8] < digest[..8]);
        self.0[from..]
            .iter()
            .take_while(|token| token.digest[..8] == digest[..8])
            .find(|token| bool::from(token.digest.ct_eq(digest)))
            .map(|token| match token.expires {
                Some(expires) if expires <= now => Err(BadToken::Expired),
                _ => Ok(token.client.clone()),
            })
    }
}

impl Entry {
    /// What it says, or `wrong` for each thing that is.
    fn token(&self, wrong: &mut impl FnMut(&str, String, &str)) -> Option<Token> {
        let rule = "1 to 128 bytes of [A-Za-z0-9._:-]";
        for (key, name) in [("name", &self.name), ("tenant", &self.tenant)] {
            if !is_name(name) {
                wrong(key, format!("`{}` is no name", name.escape_debug()), rule);
            }
        }
        let digest = parse_digest(&self.sha256);
        if digest.is_none() {
            // Not shown: it may be the token itself.
            let what = format!("is no SHA-256 ({} bytes long)", self.sha256.len());
            wrong(
                "sha256",
                what,
                "64 hexadecimal digits, as `sha256sum` prints them",
            );
        } else if self.sha256.eq_ignore_ascii_case(OF_NOTHING) {
            wrong("sha256", "is the SHA-256 of nothing".into(), "that of a token");
        }
        let tools = NamePatterns::try_from(self.tools.clone());
        if let Err(error) = &tools {
            wrong("tools", error.what(), error.expected());
        }
        let expires = match self.expires.as_deref().map(humantime::parse_rfc3339).transpose() {
            Ok(expires) => expires,
            Err(error) => {
                wrong(
                    "expires",
                    format!("is no time: {error}"),
                    "one such as \"2027-01-01T00:00:00Z\"",
                );
                None
            }
        };
        Some(Token {
            digest: digest?,
            expires,
            client: Arc::new(Client {
                tenant: self.tenant.as_str().into(),
                subject: self.name.as_str().into(),
                tools: tools.ok()?,
                operator: self.operator,
            }),
        })
    }
}

fn parse_digest(text: &str) -> Option<Digest> {
    let text = text.as_bytes();
    let mut digest = Digest::default();
    if text.len() != 2 * digest.len() {
        return None;
    }
    for (byte, digits) in digest.iter_mut().zip(text.chunks_exact(2)) {
        let digit = |at: usize| char::from(digits[at]).to_digit(16);
        *byte = u8::try_from(digit(0)? * 16 + digit(1)?).ok()?;
    }
    Some(digest)
}
