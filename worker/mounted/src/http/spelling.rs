//! How the keys of `[tools.NAME.http]` are written that are no plain text: body, statuses, redirects, secrets.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor},
};
use serde_json::{Map, Value};

/// What is sent after the headers.
#[derive(Clone, Debug, PartialEq)]
pub enum Body {
    /// The whole parameters as JSON.
    Parameters,
    /// JSON whose texts are templates.
    Json(Value),
    /// `application/x-www-form-urlencoded`; the values are templates.
    Form(Map<String, Value>),
    /// A template.
    Text(String),
}

impl<'de> Deserialize<'de> for Body {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;

        impl<'de> Visitor<'de> for Spelling {
            type Value = Body;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("\"parameters\", { json = … }, { form = { … } } or { text = \"…\" }")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Body, E> {
                match text {
                    "parameters" => Ok(Body::Parameters),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Body, A::Error> {
                const KEYS: &[&str] = &["json", "form", "text"];
                let Some(key) = map.next_key::<String>()? else {
                    return Err(de::Error::invalid_length(0, &self));
                };
                let body = match key.as_str() {
                    "json" => Body::Json(map.next_value()?),
                    "form" => Body::Form(map.next_value()?),
                    "text" => Body::Text(map.next_value()?),
                    _ => return Err(de::Error::unknown_field(&key, KEYS)),
                };
                match map.next_key::<String>()? {
                    None => Ok(body),
                    Some(_) => Err(de::Error::invalid_length(2, &self)),
                }
            }
        }

        deserializer.deserialize_any(Spelling)
    }
}

/// Statuses of HTTP: `[200, 404]`, or whole classes: `["2xx"]`.
#[derive(Clone, Debug, PartialEq, Eq, Deserialize)]
pub struct Statuses(Vec<Status>);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Status {
    One(u16),
    Class(u16),
}

impl Statuses {
    /// 200 to 299.
    #[must_use]
    pub fn successful() -> Self {
        Self(vec![Status::Class(2)])
    }

    /// These.
    #[must_use]
    pub fn of(statuses: &[u16]) -> Self {
        Self(statuses.iter().map(|status| Status::One(*status)).collect())
    }

    /// True where it is one of them.
    #[must_use]
    pub fn hold(&self, status: u16) -> bool {
        self.0.iter().any(|own| match own {
            Status::One(own) => *own == status,
            Status::Class(class) => status / 100 == *class,
        })
    }

    /// True where there is none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// A status of both.
    #[must_use]
    pub fn shared(&self, other: &Self) -> Option<u16> {
        (100..600).find(|status| self.hold(*status) && other.hold(*status))
    }
}

impl<'de> Deserialize<'de> for Status {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;

        impl Visitor<'_> for Spelling {
            type Value = Status;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a status from 200 to 599, or a class such as \"2xx\"")
            }

            fn visit_u64<E: de::Error>(self, status: u64) -> Result<Status, E> {
                match u16::try_from(status) {
                    Ok(one @ 200..=599) => Ok(Status::One(one)),
                    _ => Err(E::invalid_value(de::Unexpected::Unsigned(status), &self)),
                }
            }

            fn visit_i64<E: de::Error>(self, status: i64) -> Result<Status, E> {
                match u64::try_from(status) {
                    Ok(status) => self.visit_u64(status),
                    Err(_) => Err(E::invalid_value(de::Unexpected::Signed(status), &self)),
                }
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<Status, E> {
                match text {
                    "2xx" => Ok(Status::Class(2)),
                    "3xx" => Ok(Status::Class(3)),
                    "4xx" => Ok(Status::Class(4)),
                    "5xx" => Ok(Status::Class(5)),
                    _ => Err(E::invalid_value(de::Unexpected::Str(text), &self)),
                }
            }
        }

        deserializer.deserialize_any(Spelling)
    }
}

/// Whether redirects are followed, and to where.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Follow {
    /// A redirect is the answer.
    #[default]
    No,
    /// To any public host.
    Public,
    /// To the service itself and to these hosts.
    Hosts(Vec<String>),
}

impl<'de> Deserialize<'de> for Follow {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Spelling;

        impl<'de> Visitor<'de> for Spelling {
            type Value = Follow;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("false, true (any public host) or a list of hosts such as [\"cdn.example.com\"]")
            }

            fn visit_bool<E: de::Error>(self, follow: bool) -> Result<Follow, E> {
                Ok(if follow { Follow::Public } else { Follow::No })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Follow, A::Error> {
                let mut hosts = Vec::new();
                while let Some(host) = seq.next_element()? {
                    hosts.push(host);
                }
                Ok(Follow::Hosts(hosts))
            }
        }

        deserializer.deserialize_any(Spelling)
    }
}
