//! What a command writes to its standard error: progress, and an end that may stand in an error.

use toolwave_tool::CallContext;

use crate::value::Secret;

/// Bytes of it that stand in an error.
const TAIL: usize = 1024;
/// A line that begins so tells progress: `toolwave:progress 0.5 half of it`.
const PROGRESS: &[u8] = b"toolwave:progress ";
/// Of a line of progress, what is longer is left out.
const PROGRESS_LINE: usize = 1200;

/// The end of it, without lines of progress.
pub(super) struct Tail {
    kept: Vec<u8>,
    /// Enough that no secret is cut where the tail begins.
    room: usize,
    /// The line that is not complete yet, as far as it may tell progress.
    line: Vec<u8>,
    line_is_kept: bool,
}

impl Tail {
    pub(super) fn new(secrets: &[Secret]) -> Self {
        let longest = secrets.iter().map(|secret| secret.expose().len()).max();
        Self {
            kept: Vec::new(),
            room: TAIL + longest.unwrap_or(0),
            line: Vec::new(),
            line_is_kept: false,
        }
    }

    /// Takes what was read; tells the progress in it.
    pub(super) fn push(&mut self, bytes: &[u8], context: &CallContext) {
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let ends = part.ends_with(b"\n");
            if self.line_is_kept {
                self.keep(part);
            } else {
                self.line.extend_from_slice(part);
                let seen = self.line.len().min(PROGRESS.len());
                if self.line[..seen] != PROGRESS[..seen] {
                    self.line_is_kept = true;
                    let line = std::mem::take(&mut self.line);
                    self.keep(&line);
                }
                self.line.truncate(PROGRESS_LINE);
            }
            if ends {
                if !self.line_is_kept {
                    tell(&self.line, context);
                    self.line.clear();
                }
                self.line_is_kept = false;
            }
        }
    }

    fn keep(&mut self, bytes: &[u8]) {
        let new = &bytes[bytes.len().saturating_sub(self.room)..];
        let over = (self.kept.len() + new.len()).saturating_sub(self.room);
        self.kept.drain(..over);
        self.kept.extend_from_slice(new);
    }

    /// The end of it as text, with asterisks in place of secrets.
    pub(super) fn into_text(mut self, secrets: &[Secret]) -> String {
        if !self.line.is_empty() {
            let line = std::mem::take(&mut self.line);
            self.keep(&line);
        }
        for secret in secrets {
            blot(&mut self.kept, secret.expose().as_bytes());
        }
        let end = &self.kept[self.kept.len().saturating_sub(TAIL)..];
        String::from_utf8_lossy(end).trim().to_owned()
    }
}

/// As long as before, so that the tail begins where it did.
fn blot(text: &mut [u8], secret: &[u8]) {
    // shorter ones would be found in any text
    if secret.len() < 4 {
        return;
    }
    let mut at = 0;
    while at + secret.len() <= text.len() {
        if text[at..].starts_with(secret) {
            text[at..at + secret.len()].fill(b'*');
            at += secret.len();
        } else {
            at += 1;
        }
    }
}

fn tell(line: &[u8], context: &CallContext) {
    let line = String::from_utf8_lossy(&line[PROGRESS.len().min(line.len())..]);
    let line = line.trim();
    let (first, rest) = line.split_once(' ').unwrap_or((line, ""));
    match first.parse::<f64>() {
        Ok(fraction) if (0.0..=1.0).contains(&fraction) => context.progress(Some(fraction), rest.trim()),
        _ => context.progress(None, line),
    }
}

#[cfg(test)]
mod tests {
    use tokio::{sync::mpsc, time::Instant};
    use tokio_util::sync::CancellationToken;
    use toolwave_tool::Progress;

    use super::*;

    fn context() -> (CallContext, mpsc::Receiver<Progress>) {
        // as many as any test tells
        let (sender, receiver) = mpsc::channel(10);
        let (call, deadline) = (Default::default(), Instant::now());
        (
            CallContext::new(call, deadline, CancellationToken::new(), Some(sender)),
            receiver,
        )
    }

    #[test]
    fn progress_is_told_however_it_is_cut_and_is_not_kept() {
        let text = b"before\ntoolwave:progress 0.5 half of it\ntoolwave:progress soon\ntoolwave:prog\nafter";
        for size in [1, 2, 7, 1000] {
            let (context, mut told) = context();
            let mut tail = Tail::new(&[]);
            for piece in text.chunks(size) {
                tail.push(piece, &context);
            }
            assert_eq!(tail.into_text(&[]), "before\ntoolwave:prog\nafter", "{size}");
            let progress = told.try_recv().expect("progress");
            assert_eq!(
                (progress.fraction, progress.message.as_str()),
                (Some(0.5), "half of it")
            );
            let progress = told.try_recv().expect("progress");
            assert_eq!((progress.fraction, progress.message.as_str()), (None, "soon"));
            assert!(told.try_recv().is_err());
        }
    }

    #[test]
    fn the_end_is_kept_and_no_part_of_a_secret() {
        let secret = Secret::new("swordfish".repeat(20));
        let secrets = [secret.clone()];
        for after in 0..1100 {
            let (context, _told) = context();
            let mut tail = Tail::new(&secrets);
            let text = format!("{}{}{}", "x".repeat(3000), secret.expose(), "y".repeat(after));
            for piece in text.as_bytes().chunks(97) {
                tail.push(piece, &context);
            }
            let text = tail.into_text(&secrets);
            assert_eq!(text.len(), TAIL);
            let letters = text.trim_matches(['x', 'y']);
            assert!(letters.bytes().all(|byte| byte == b'*'), "{after}: {letters}");
        }
    }
}
