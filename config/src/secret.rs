//! What is a secret, by its key or by what it looks like, and texts without it. Whoever shows a value asks here.

/// What stands in place of a secret.
pub const MASK: &str = "***";
/// Parts of keys whose values are secrets. Keys that name the file of a secret end otherwise.
const SECRET: [&str; 8] = [
    "token",
    "secret",
    "password",
    "passphrase",
    "credential",
    "authorization",
    "api_key",
    "private_key",
];
/// A key that ends so says where something is, or how it is called.
const NAMING: [&str; 4] = ["_file", "_claim", "_path", "_env"];
/// How key material begins.
const MATERIAL: &str = "-----BEGIN";
/// What stands around a value in a message.
const QUOTES: [char; 3] = ['`', '"', '\''];

/// Whether the values of a dotted key are.
pub(crate) fn is_secret(key: &str) -> bool {
    let (_, last) = split(key);
    let last = last.to_ascii_lowercase().replace('-', "_");
    SECRET.iter().any(|part| last.contains(part)) && !NAMING.iter().any(|end| last.ends_with(end))
}

/// The table and the last part of a dotted key whose parts may be quoted.
pub(crate) fn split(key: &str) -> (String, String) {
    let mut quoted = false;
    let mut dot = None;
    for (at, char) in key.char_indices() {
        match char {
            '"' => quoted = !quoted,
            '.' if !quoted => dot = Some(at),
            _ => {}
        }
    }
    match dot {
        Some(dot) => (key[..dot].to_owned(), key[dot + 1..].to_owned()),
        None => (String::new(), key.to_owned()),
    }
}

/// A value for others to see: who a URL says that one is, what its query holds, and key material, are for nobody.
pub(crate) fn without_secrets(text: &str) -> String {
    if text.contains(MATERIAL) {
        return MASK.to_owned();
    }
    let Some((scheme, rest)) = text.split_once("://") else {
        return text.to_owned();
    };
    format!("{scheme}://{}", public(rest))
}

/// What is said of a key, whose value may stand in it.
pub(crate) fn said_without_secrets(key: &str, said: &str) -> String {
    // Not of a key that is unknown or missing, of which only names are said.
    if is_secret(key) && (said.starts_with("is ") || said.starts_with(QUOTES)) {
        let first = said.find(QUOTES);
        let last = said.rfind(QUOTES).map(|last| &said[last..]);
        return match (first, last) {
            (Some(first), Some(last)) => format!("{}{MASK}{last}", &said[..=first]),
            _ => said.to_owned(),
        };
    }
    if let Some(begin) = said.find(MATERIAL) {
        return format!("{}{MASK}", said_without_secrets(key, &said[..begin]));
    }
    let mut shown = String::new();
    let mut rest = said;
    while let Some(at) = rest.find("://") {
        let (scheme, after) = rest.split_at(at + 3);
        let end = after.find(|char: char| QUOTES.contains(&char) || char.is_whitespace());
        let (url, others) = after.split_at(end.unwrap_or(after.len()));
        shown += scheme;
        shown += &public(url);
        rest = others;
    }
    shown + rest
}

/// Of a URL what follows `://`. A password may hold what a path or a query begins with.
fn public(rest: &str) -> String {
    let (user, rest) = match rest.rsplit_once('@') {
        Some((_, rest)) => (format!("{MASK}@"), rest),
        None => (String::new(), rest),
    };
    match rest.split_once('?') {
        Some((path, _)) => format!("{user}{path}?{MASK}"),
        None => format!("{user}{rest}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_of_a_value_says_nothing_secret() {
        for (key, said, shown) in [
            (
                "a",
                "`http://u:p@h/x` and \"ftp://h:1/\" are wrong",
                "`http://***@h/x` and \"ftp://h:1/\" are wrong",
            ),
            ("a", "`u:p/w://x@y`", "`u:p/w://***@y`"),
            ("a", "a://b c@d", "a://b c@d"),
            ("a", "`http://h/p?k=v` is wrong", "`http://h/p?***` is wrong"),
            ("a", "`x -----BEGIN KEY-----\nabc` cannot be read", "`x ***"),
            ("labels.api-key", "is string `a` `b`", "is string `***`"),
            (
                "tools.tokens",
                "key `description` is missing",
                "key `description` is missing",
            ),
            ("http.allow_private[0]", "`x` is refused", "`x` is refused"),
            ("labels.token_file", "is string `a`", "is string `a`"),
        ] {
            assert_eq!(said_without_secrets(key, said), shown);
        }
    }
}
