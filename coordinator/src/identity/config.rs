//! What an operator may set about who may come in: `[auth]` and `[[worker_identities]]`. No secret is ever in it,
//! only where secrets are. What the files hold is read in `loaded`.

use std::{path::PathBuf, time::Duration};

use jsonwebtoken::Algorithm;
use serde::{Deserialize, Serialize};
use toolwave_config::duration;

use super::NamePatterns;

/// How clients prove who they are. With this section nobody comes in who is not named by it.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Auth {
    /// A TOML file of tokens' hashes, each a `[[token]]`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tokens_file: Option<PathBuf>,
    /// Tokens that an issuer signs.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub jwt: Option<Jwt>,
    /// Clients that come with a certificate.
    pub client_certificates: Vec<ClientCertificate>,
    /// How often it is looked whether a file of this section changed.
    #[serde(with = "duration")]
    pub reload_interval: Duration,
}

/// Which JWTs are good.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Jwt {
    /// The keys of issuers, at least one.
    pub keys: Vec<JwtKey>,
    /// What `aud` must hold.
    pub audience: String,
    /// What `iss` must be; else anything.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub issuer: Option<String>,
    /// How far clocks may differ.
    #[serde(with = "duration")]
    pub leeway: Duration,
    /// The most that may lie between `iat` and `exp`; else anything, and `iat` is not needed.
    #[serde(with = "optional_duration", skip_serializing_if = "Option::is_none")]
    pub max_lifetime: Option<Duration>,
    /// The claim that names the tenant, a string.
    pub tenant_claim: String,
    /// The claim that lists the tools, an array of strings or one string with spaces.
    pub tools_claim: String,
    /// The claim that says whether `AdminService` may be used, a boolean.
    pub operator_claim: String,
}

/// A key that tokens are checked with: for one algorithm, whatever a token says.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct JwtKey {
    /// What tokens call it; only a single key needs none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub kid: Option<String>,
    /// The one algorithm it is used with.
    pub algorithm: Algorithm,
    /// A public key as PEM, for RS, PS, ES and EdDSA.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub public_key_file: Option<PathBuf>,
    /// A shared secret, for HS: the bytes of the file without one line break at its end.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub secret_file: Option<PathBuf>,
}

/// What those may do whose certificate carries the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ClientCertificate {
    /// `spiffe://<trust domain>/tenant/<tenant>`: all of the tenant; with `/<subject>`: that one alone.
    pub identity: String,
    /// The tools they may name; none, unless said.
    #[serde(default)]
    pub tools: NamePatterns,
    /// They may use `AdminService`.
    #[serde(default)]
    pub operator: bool,
}

/// What a worker may do whose certificate carries the name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct WorkerIdentity {
    /// `spiffe://<trust domain>/worker/<name>`.
    pub identity: String,
    /// The names it may register under; by default the name in its identity, alone or with `-` and more behind it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub names: Option<NamePatterns>,
    /// The tools it may offer; none, unless said.
    #[serde(default)]
    pub tools: NamePatterns,
    /// Refuses it altogether when it offers others, instead of leaving those out.
    #[serde(default)]
    pub strict: bool,
}

impl Default for Auth {
    fn default() -> Self {
        Self {
            tokens_file: None,
            jwt: None,
            client_certificates: Vec::new(),
            reload_interval: Duration::from_secs(10),
        }
    }
}

impl Default for Jwt {
    fn default() -> Self {
        Self {
            keys: Vec::new(),
            audience: String::new(),
            issuer: None,
            leeway: Duration::from_secs(30),
            max_lifetime: None,
            tenant_claim: "tenant".into(),
            tools_claim: "tools".into(),
            operator_claim: "operator".into(),
        }
    }
}

/// A duration that may be left out.
mod optional_duration {
    use std::time::Duration;

    use serde::{Deserialize, Deserializer, Serialize, Serializer};

    #[derive(Serialize, Deserialize)]
    #[serde(transparent)]
    struct Text(#[serde(with = "toolwave_config::duration")] Duration);

    pub(super) fn deserialize<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Duration>, D::Error> {
        Text::deserialize(from).map(|text| Some(text.0))
    }

    pub(super) fn serialize<S: Serializer>(value: &Option<Duration>, to: S) -> Result<S::Ok, S::Error> {
        value.map(Text).serialize(to)
    }
}
