//! What a `tracestate` may be. It is handed on as it came, or not at all.

/// Members of a list; W3C Trace Context allows no more.
const MEMBERS: usize = 32;
/// Of a list that is handed on; longer ones may be dropped, and a client must not make every dispatch large.
const LENGTH: usize = 512;

/// The list, where it is one that can be handed on.
pub(super) fn good(list: &str) -> Option<&str> {
    let list = list.trim_matches([' ', '\t']);
    if list.is_empty() || list.len() > LENGTH {
        return None;
    }
    let mut keys: Vec<&str> = Vec::new();
    for member in list.split(',') {
        let member = member.trim_matches([' ', '\t']);
        if member.is_empty() {
            continue;
        }
        let (key, value) = member.split_once('=')?;
        if keys.len() == MEMBERS || !is_key(key) || !is_value(value) || keys.contains(&key) {
            return None;
        }
        keys.push(key);
    }
    (!keys.is_empty()).then_some(list)
}

/// `simple` or `tenant@system`.
fn is_key(key: &str) -> bool {
    let part = |text: &str, longest: usize, digit_first: bool| {
        let good = |byte: u8| {
            byte.is_ascii_lowercase() || byte.is_ascii_digit() || matches!(byte, b'_' | b'-' | b'*' | b'/')
        };
        let first = |byte: u8| byte.is_ascii_lowercase() || digit_first && byte.is_ascii_digit();
        text.len() <= longest && text.bytes().next().is_some_and(first) && text.bytes().all(good)
    };
    match key.split_once('@') {
        Some((tenant, system)) => part(tenant, 241, true) && part(system, 14, false),
        None => part(key, 256, true),
    }
}

/// Printable, without `,` and `=`, no blank at its end.
fn is_value(value: &str) -> bool {
    let good = |byte: u8| (b' '..=b'~').contains(&byte) && !matches!(byte, b',' | b'=');
    !value.is_empty() && value.len() <= 256 && !value.ends_with(' ') && value.bytes().all(good)
}
