//! Finds the `id` of a JSON-RPC message that is too long to be kept, while its bytes pass by.
//!
//! It keeps nothing but its place in the text, and an id of at most 32 bytes.

/// The longest id that is kept; ours are numbers.
const MAX_ID: usize = 32;

/// Where in the message it is.
#[derive(Debug, Default)]
pub(super) struct Skim {
    depth: usize,
    in_string: bool,
    escaped: bool,
    /// The last string at the top level, as far as it may be `id`.
    string: Vec<u8>,
    /// The last string at the top level was `id`, and a colon followed.
    reads_id: bool,
    id: Vec<u8>,
}

impl Skim {
    /// Looks at more of the message.
    pub(super) fn pass(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.step(*byte);
        }
    }

    fn step(&mut self, byte: u8) {
        if self.in_string {
            match byte {
                _ if self.escaped => self.escaped = false,
                b'\\' => self.escaped = true,
                b'"' => self.in_string = false,
                _ => {}
            }
            if self.depth == 1 && self.in_string && self.string.len() <= MAX_ID {
                self.string.push(byte);
            }
            return;
        }
        match byte {
            b'"' => {
                self.in_string = true;
                self.string.clear();
            }
            b'{' | b'[' => {
                self.depth += 1;
                self.reads_id = false;
            }
            b'}' | b']' => {
                self.depth = self.depth.saturating_sub(1);
                self.reads_id = false;
            }
            b':' if self.depth == 1 => {
                self.reads_id = self.string == b"id";
                if self.reads_id {
                    self.id.clear();
                }
            }
            b',' => self.reads_id = false,
            byte if self.reads_id && !byte.is_ascii_whitespace() && self.id.len() < MAX_ID => {
                self.id.push(byte);
            }
            _ => {}
        }
    }

    /// The id, where it was a number.
    pub(super) fn id(&self) -> Option<i64> {
        std::str::from_utf8(&self.id).ok()?.parse().ok()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_id_is_found_first_last_and_in_between_and_never_inside_the_result() {
        for (message, id) in [
            (r#"{"jsonrpc":"2.0","id":7,"result":{"id":9}}"#, Some(7)),
            (
                r#"{"result":{"content":[{"id":9,"text":"\"id\":8}"}]},"jsonrpc":"2.0","id": 12 }"#,
                Some(12),
            ),
            (r#"{"id":3,"result":{}}"#, Some(3)),
            (r#"{"result":[{"id":5}]}"#, None),
            (r#"{"a\"id":5,"id":"text"}"#, None),
            ("no JSON at all", None),
        ] {
            let mut skim = Skim::default();
            for part in message.as_bytes().chunks(3) {
                skim.pass(part);
            }
            assert_eq!(skim.id(), id, "{message}");
        }
    }
}
