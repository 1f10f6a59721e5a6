//! Tokens that an issuer signs. A key is used with the one algorithm that is configured for it, whatever a token's
//! header says; a token is good for an audience until it expires, and says its tenant itself.

use std::{sync::Arc, time::Duration};

use jsonwebtoken::{
    Algorithm, AlgorithmFamily, DecodingKey, Validation, decode, decode_header,
    errors::ErrorKind,
    get_current_timestamp,
    jwk::{AlgorithmParameters, Jwk},
};
use serde_json::{Map, Value};

use super::{Client, NamePatterns, config, names::is_name, refusal::BadToken, signatures};
use crate::files;

/// A shorter RSA key is refused, in bits.
const LEAST_RSA: usize = 2048;
/// The longest that clocks may differ.
pub(super) const MOST_LEEWAY: Duration = Duration::from_secs(10 * 60);
/// Of `sub`, in bytes.
const LONGEST_SUBJECT: usize = 256;

/// The keys of issuers, and what else a token must have.
#[derive(Debug)]
pub(super) struct Verifier {
    keys: Vec<Key>,
    leeway: u64,
    max_lifetime: Option<u64>,
    tenant_claim: String,
    tools_claim: String,
    operator_claim: String,
}

#[derive(Debug)]
struct Key {
    kid: Option<String>,
    algorithm: Algorithm,
    key: DecodingKey,
    validation: Validation,
}

/// What is wrong with a key, and what would be right.
pub(super) type BadKey = (String, String);

// === impl Verifier ===

impl Verifier {
    /// Reads the keys. The rest of the section is checked where configurations are.
    ///
    /// # Errors
    /// Every key that cannot be used.
    pub(super) fn load(config: &config::Jwt) -> Result<Self, Vec<BadKey>> {
        signatures::install();
        let (mut keys, mut problems) = (Vec::new(), Vec::new());
        for (index, entry) in config.keys.iter().enumerate() {
            match key(entry) {
                Ok(key) => keys.push(Key {
                    kid: entry.kid.clone(),
                    algorithm: entry.algorithm,
                    key,
                    validation: validation(config, entry.algorithm),
                }),
                Err((what, expected)) => problems.push((format!("keys[{index}] {what}"), expected)),
            }
        }
        if !problems.is_empty() {
            return Err(problems);
        }
        Ok(Self {
            keys,
            leeway: config.leeway.as_secs(),
            max_lifetime: config.max_lifetime.map(|most| most.as_secs()),
            tenant_claim: config.tenant_claim.clone(),
            tools_claim: config.tools_claim.clone(),
            operator_claim: config.operator_claim.clone(),
        })
    }

    /// Whose token it is, and until when, in seconds since 1970.
    pub(super) fn client(&self, token: &str) -> Result<(Arc<Client>, u64), BadToken> {
        // An algorithm that is unknown, `none` among them, is no header.
        let header = decode_header(token).map_err(|_| BadToken::Unknown)?;
        if header.crit.is_some() {
            return Err(BadToken::Claim("crit"));
        }
        let key = self.key(header.kid.as_deref())?;
        if header.alg != key.algorithm {
            return Err(BadToken::Algorithm);
        }
        let claims = decode::<Map<String, Value>>(token, &key.key, &key.validation)
            .map_err(|error| bad_token(error.kind()))?
            .claims;
        let until = self.lifetime(&claims)?;
        Ok((Arc::new(self.claimed(&claims)?), until))
    }

    /// A single key needs no name, and neither do its tokens.
    fn key(&self, kid: Option<&str>) -> Result<&Key, BadToken> {
        if let [only] = &self.keys[..]
            && (kid.is_none() || only.kid.is_none())
        {
            return Ok(only);
        }
        let named = self
            .keys
            .iter()
            .find(|key| kid.is_some() && key.kid.as_deref() == kid);
        named.ok_or(BadToken::Key)
    }

    /// Until when a token is good whose `exp` and `nbf` are.
    fn lifetime(&self, claims: &Map<String, Value>) -> Result<u64, BadToken> {
        let seconds = |name: &'static str| {
            let claim = claims.get(name).ok_or(BadToken::Claim(name))?;
            // The standard allows fractions.
            claim
                .as_u64()
                .or_else(|| {
                    claim
                        .as_f64()
                        .filter(|seconds| *seconds >= 0.0)
                        .map(|seconds| seconds as u64)
                })
                .ok_or(BadToken::Claim(name))
        };
        let expires = seconds("exp")?;
        if let Some(most) = self.max_lifetime {
            let issued = seconds("iat")?;
            if issued > get_current_timestamp().saturating_add(self.leeway) {
                return Err(BadToken::NotYet);
            }
            if expires.saturating_sub(issued) > most {
                return Err(BadToken::Lifetime);
            }
        }
        Ok(expires.saturating_add(self.leeway))
    }

    fn claimed(&self, claims: &Map<String, Value>) -> Result<Client, BadToken> {
        let tenant = claims.get(&self.tenant_claim).and_then(Value::as_str);
        let tenant = tenant
            .filter(|name| is_name(name))
            .ok_or(BadToken::Claim("tenant"))?;
        let subject = match claims.get("sub") {
            None => "",
            Some(Value::String(subject))
                if subject.len() <= LONGEST_SUBJECT && !subject.contains(char::is_control) =>
            {
                subject
            }
            Some(_) => return Err(BadToken::Claim("sub")),
        };
        let operator = match claims.get(&self.operator_claim) {
            None => false,
            Some(claim) => claim.as_bool().ok_or(BadToken::Claim("operator"))?,
        };
        Ok(Client {
            tenant: tenant.into(),
            subject: subject.into(),
            tools: tools(claims.get(&self.tools_claim)).ok_or(BadToken::Claim("tools"))?,
            operator,
        })
    }
}

fn tools(claim: Option<&Value>) -> Option<NamePatterns> {
    let names: Vec<String> = match claim {
        None => Vec::new(),
        Some(Value::String(names)) => names.split_ascii_whitespace().map(str::to_owned).collect(),
        Some(Value::Array(names)) => names
            .iter()
            .map(|name| name.as_str().map(str::to_owned))
            .collect::<Option<_>>()?,
        Some(_) => return None,
    };
    NamePatterns::try_from(names).ok()
}

fn validation(config: &config::Jwt, algorithm: Algorithm) -> Validation {
    let mut validation = Validation::new(algorithm);
    validation.leeway = config.leeway.as_secs();
    validation.validate_nbf = true;
    validation.set_audience(&[&config.audience]);
    let mut required = vec!["exp", "aud"];
    if let Some(issuer) = &config.issuer {
        validation.set_issuer(&[issuer]);
        // Without this a token that names no issuer would pass.
        required.push("iss");
    }
    validation.set_required_spec_claims(&required);
    validation
}

fn bad_token(kind: &ErrorKind) -> BadToken {
    match kind {
        ErrorKind::ExpiredSignature => BadToken::Expired,
        ErrorKind::ImmatureSignature => BadToken::NotYet,
        ErrorKind::InvalidAudience => BadToken::Audience,
        ErrorKind::InvalidIssuer => BadToken::Issuer,
        ErrorKind::InvalidAlgorithm | ErrorKind::InvalidAlgorithmName => BadToken::Algorithm,
        ErrorKind::InvalidSignature => BadToken::Signature,
        ErrorKind::MissingRequiredClaim(_) | ErrorKind::InvalidClaimFormat(_) => {
            BadToken::Claim("exp, nbf, aud or iss")
        }
        // The list is open.
        _ => BadToken::Unknown,
    }
}

/// The key of an entry, fit for its algorithm.
fn key(entry: &config::JwtKey) -> Result<DecodingKey, BadKey> {
    let family = entry.algorithm.family();
    let (path, secret) = match (&entry.public_key_file, &entry.secret_file, family) {
        (None, Some(path), AlgorithmFamily::Hmac) => (path, true),
        (Some(path), None, AlgorithmFamily::Rsa | AlgorithmFamily::Ec | AlgorithmFamily::Ed) => (path, false),
        (.., AlgorithmFamily::Hmac) => {
            let what = format!("has no secret_file alone, which {:?} needs", entry.algorithm);
            return Err((what, "secret_file and no public_key_file".into()));
        }
        (.., AlgorithmFamily::Rsa | AlgorithmFamily::Ec | AlgorithmFamily::Ed) => {
            let what = format!("has no public_key_file alone, which {:?} needs", entry.algorithm);
            return Err((what, "public_key_file and no secret_file".into()));
        }
    };
    let shown = path.display();
    let bytes = files::read(path).map_err(|error| {
        let expected = format!("a readable file of at most {} bytes", files::LARGEST);
        (
            format!("names `{shown}`, which cannot be read: {error}"),
            expected,
        )
    })?;
    if secret {
        if std::fs::metadata(path).is_ok_and(|metadata| files::is_open_to_others(&metadata)) {
            let what = format!("names `{shown}`, which others than its owner may read");
            return Err((what, "a mode such as 0600".into()));
        }
        return shared_secret(entry.algorithm, &bytes)
            .map_err(|(what, expected)| (format!("names `{shown}`, which {what}"), expected));
    }
    public_key(entry.algorithm, &bytes)
        .map_err(|(what, expected)| (format!("names `{shown}`, which {what}"), expected))
}

fn shared_secret(algorithm: Algorithm, bytes: &[u8]) -> Result<DecodingKey, BadKey> {
    let secret = bytes.strip_suffix(b"\n").unwrap_or(bytes);
    let secret = secret.strip_suffix(b"\r").unwrap_or(secret);
    // As long as what the algorithm makes of it (RFC 7518, 3.2).
    let least = match algorithm {
        Algorithm::HS384 => 48,
        Algorithm::HS512 => 64,
        _ => 32,
    };
    if secret.starts_with(b"-----BEGIN") {
        let expected = "random bytes, or a public_key_file with the algorithm of that key";
        return Err(("holds a PEM key, and no shared secret".into(), expected.into()));
    }
    if secret.len() < least {
        let what = format!("holds {} bytes, too few for {algorithm:?}", secret.len());
        return Err((what, format!("at least {least} random bytes")));
    }
    Ok(DecodingKey::from_secret(secret))
}

fn public_key(algorithm: Algorithm, bytes: &[u8]) -> Result<DecodingKey, BadKey> {
    let expected = || match algorithm.family() {
        AlgorithmFamily::Rsa => format!("the PEM of an RSA public key of {LEAST_RSA} to 4096 bits"),
        AlgorithmFamily::Ec if algorithm == Algorithm::ES256 => "the PEM of a P-256 public key".into(),
        AlgorithmFamily::Ec => "the PEM of a P-384 public key".into(),
        AlgorithmFamily::Ed | AlgorithmFamily::Hmac => "the PEM of an Ed25519 public key".into(),
    };
    let bad = |what: &str| (what.to_owned(), expected());
    let text = String::from_utf8_lossy(bytes);
    if text.contains("PRIVATE KEY") {
        return Err(bad("holds a private key, which belongs to the issuer alone"));
    }
    if !(text.contains("-----BEGIN PUBLIC KEY-----") || text.contains("-----BEGIN RSA PUBLIC KEY-----")) {
        return Err(bad("holds no public key in PEM"));
    }
    let key = match algorithm.family() {
        AlgorithmFamily::Rsa => DecodingKey::from_rsa_pem(bytes),
        AlgorithmFamily::Ec => DecodingKey::from_ec_pem(bytes),
        AlgorithmFamily::Ed | AlgorithmFamily::Hmac => DecodingKey::from_ed_pem(bytes),
    }
    .map_err(|_| bad("holds no key of this algorithm"))?;
    // A key that its algorithm cannot use would refuse every token, and say so for each.
    let parts =
        Jwk::from_decoding_key(&key, Some(algorithm)).map_err(|_| bad("holds no key that can be used"))?;
    let fits = match parts.algorithm {
        // Base64 of the modulus: six bits a character, rounded up to bytes.
        AlgorithmParameters::RSA(parts) => parts.n.len() * 6 / 8 * 8 >= LEAST_RSA,
        AlgorithmParameters::EllipticCurve(parts) => {
            let coordinate = if algorithm == Algorithm::ES256 { 32 } else { 48 };
            parts.x.len() * 6 / 8 == coordinate
        }
        AlgorithmParameters::OctetKeyPair(_) => true,
        _ => false,
    };
    if fits {
        Ok(key)
    } else {
        Err(bad("holds a key of the wrong size"))
    }
}
