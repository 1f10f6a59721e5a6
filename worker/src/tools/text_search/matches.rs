//! The lines that match, file by file, until there are enough or nobody waits for them.

use std::{
    fs::File,
    io::{self, Read},
    path::Path,
};

use grep_regex::RegexMatcher;
use grep_searcher::{Searcher, Sink, SinkContext, SinkContextKind, SinkMatch};
use schemars::JsonSchema;
use serde::Serialize;

use super::super::{files::Root, stop::Stop};

const MAX_LINE_BYTES: usize = 500;
const MAX_RESULT_TEXT_BYTES: usize = 512 << 10;

/// What a search found.
#[derive(Debug, Default, Serialize, JsonSchema)]
pub(super) struct Found {
    matches: Vec<Match>,
    files_searched: u64,
    /// Files that could not be read, or have lines too long for text.
    files_skipped: u64,
    /// There may be more matches: narrow the search or raise max_matches.
    truncated: bool,
}

#[derive(Debug, Serialize, JsonSchema)]
struct Match {
    path: String,
    /// From 1.
    line: u64,
    /// The line, without its end; at most 500 bytes.
    text: String,
    text_truncated: bool,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    before: Vec<String>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    after: Vec<String>,
}

/// A search under way.
pub(super) struct Search<'a> {
    found: Found,
    max_matches: usize,
    text_bytes: usize,
    stop: &'a Stop,
}

// === impl Search ===

impl<'a> Search<'a> {
    pub(super) fn new(max_matches: usize, stop: &'a Stop) -> Self {
        Self {
            found: Found::default(),
            max_matches,
            text_bytes: 0,
            stop,
        }
    }

    /// Something could not be read.
    pub(super) fn skipped(&mut self) {
        self.found.files_skipped += 1;
    }

    /// No more is wanted.
    pub(super) fn is_full(&self) -> bool {
        self.found.truncated
    }

    pub(super) fn finish(self) -> Found {
        self.found
    }

    /// Searches one file.
    pub(super) fn file(&mut self, root: &Root, path: &Path, searcher: &mut Searcher, matcher: &RegexMatcher) {
        let opened = path
            .to_str()
            .and_then(|path| Some((path, root.open_file(path).ok()?.0)));
        let Some((path, file)) = opened else {
            self.found.files_skipped += 1;
            return;
        };
        let watched = Watched {
            file,
            stop: self.stop,
        };
        let before = self.found.matches.len();
        let mut sink = FileMatches {
            search: self,
            path,
            waiting: Vec::new(),
            binary: false,
        };
        let searched = searcher.search_reader(matcher, watched, &mut sink);
        if sink.binary {
            self.found.matches.truncate(before);
        }
        match searched {
            Ok(()) => self.found.files_searched += 1,
            Err(_) => self.found.files_skipped += 1,
        }
    }

    /// The line without its end, as long as fits.
    fn text(&mut self, line: &[u8]) -> (String, bool) {
        let line = line.strip_suffix(b"\n").unwrap_or(line);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let mut text = String::from_utf8_lossy(&line[..line.len().min(MAX_LINE_BYTES * 4)]).into_owned();
        let fits = |end: &usize| text.is_char_boundary(*end);
        text.truncate((0..=MAX_LINE_BYTES.min(text.len())).rev().find(fits).unwrap_or(0));
        self.text_bytes += text.len();
        let truncated = line.len() > MAX_LINE_BYTES;
        (text, truncated)
    }
}

/// Takes the matches of one file.
struct FileMatches<'a, 'b> {
    search: &'a mut Search<'b>,
    path: &'a str,
    /// Lines before the next match.
    waiting: Vec<String>,
    binary: bool,
}

// === impl FileMatches ===

impl Sink for FileMatches<'_, '_> {
    type Error = io::Error;

    fn matched(&mut self, _: &Searcher, found: &SinkMatch<'_>) -> Result<bool, io::Error> {
        let search = &mut *self.search;
        if search.found.matches.len() >= search.max_matches || search.text_bytes >= MAX_RESULT_TEXT_BYTES {
            search.found.truncated = true;
            return Ok(false);
        }
        let (text, text_truncated) = search.text(found.bytes());
        let line = found.line_number().unwrap_or(0);
        let path = self.path.to_owned();
        let before = std::mem::take(&mut self.waiting);
        search.found.matches.push(Match {
            path,
            line,
            text,
            text_truncated,
            before,
            after: Vec::new(),
        });
        Ok(!search.stop.is_set())
    }

    fn context(&mut self, _: &Searcher, line: &SinkContext<'_>) -> Result<bool, io::Error> {
        let (text, _) = self.search.text(line.bytes());
        match (line.kind(), self.search.found.matches.last_mut()) {
            (SinkContextKind::After, Some(found)) => found.after.push(text),
            _ => self.waiting.push(text),
        }
        Ok(!self.search.stop.is_set())
    }

    fn context_break(&mut self, _: &Searcher) -> Result<bool, io::Error> {
        self.waiting.clear();
        Ok(true)
    }

    fn binary_data(&mut self, _: &Searcher, _: u64) -> Result<bool, io::Error> {
        self.binary = true;
        Ok(false)
    }
}

/// Ends when the search is no longer wanted, in the midst of a file.
struct Watched<'a> {
    file: File,
    stop: &'a Stop,
}

// === impl Watched ===

impl Read for Watched<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.stop.is_set() {
            return Err(io::Error::from(io::ErrorKind::TimedOut));
        }
        self.file.read(buffer)
    }
}
