//! Logs of a program: set up once, to standard error, for people or for programs; what is logged can be changed
//! while it runs. What must never be logged is left out above every level.

use std::{
    io::IsTerminal as _,
    sync::{Arc, Mutex, PoisonError},
};

use tracing::Metadata;
use tracing_subscriber::{
    EnvFilter, Layer as _, Registry,
    filter::filter_fn,
    fmt,
    layer::SubscriberExt as _,
    reload::{self, Handle},
    util::SubscriberInitExt as _,
};

/// How a log line looks.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Format {
    /// For people.
    #[default]
    Text,
    /// One JSON object a line.
    Json,
}

/// What is no set of directives.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("`{directive}` is no log filter; expected {EXPECTED}")]
pub struct BadFilter {
    /// The part that is wrong.
    pub directive: String,
}

/// What would be right.
pub const EXPECTED: &str = "error, warn, info, debug, trace or off, and TARGET=LEVEL, separated by commas, such as \"info,toolwave_worker=debug\"";
const LEVELS: [&str; 6] = ["error", "warn", "info", "debug", "trace", "off"];

/// The logs of this process.
pub struct Logs;

/// Changes what is logged. Cheap to clone; all clones change the same.
#[derive(Clone)]
pub struct LogControl {
    shared: Arc<Shared>,
}

struct Shared {
    handle: Handle<EnvFilter, Registry>,
    words: Mutex<Words>,
}

struct Words {
    configured: String,
    /// An operator's, until it is put back.
    changed: Option<String>,
}

// === impl Logs ===

impl Logs {
    /// Writes logs from here on, once in a process: those that `filter` names, but for what `may_be_logged` rules out
    /// at any level.
    ///
    /// # Errors
    /// The filter is none.
    pub fn init(
        filter: &str,
        format: Format,
        may_be_logged: fn(&Metadata<'_>) -> bool,
    ) -> Result<LogControl, BadFilter> {
        let (filtered, handle) = reload::Layer::new(parse(filter)?);
        let colour = std::io::stderr().is_terminal() && std::env::var_os("NO_COLOR").is_none();
        let lines = fmt::layer().with_ansi(colour).with_writer(std::io::stderr);
        let lines = match format {
            Format::Text => lines.boxed(),
            Format::Json => lines.json().boxed(),
        };
        tracing_subscriber::registry()
            .with(filtered)
            .with(filter_fn(may_be_logged))
            .with(lines)
            .init();
        let words = Words {
            configured: filter.to_owned(),
            changed: None,
        };
        Ok(LogControl {
            shared: Arc::new(Shared {
                handle,
                words: Mutex::new(words),
            }),
        })
    }

    /// Whether a filter is one.
    ///
    /// # Errors
    /// What of it is wrong, and what would be right.
    pub fn check(filter: &str) -> Result<(), BadFilter> {
        parse(filter).map(drop)
    }
}

// === impl LogControl ===

impl LogControl {
    /// Replaces the configured directives. Where that changes them, an operator's change ends; else it stays.
    ///
    /// # Errors
    /// The directives are wrong; then nothing has changed.
    pub fn set(&self, directives: &str) -> Result<(), BadFilter> {
        let filter = parse(directives)?;
        let mut words = self.words();
        if words.configured != directives {
            *words = Words {
                configured: directives.to_owned(),
                changed: None,
            };
            self.apply(filter, directives);
        }
        Ok(())
    }

    /// Replaces what is in force, until [`LogControl::reset`].
    ///
    /// # Errors
    /// The directives are wrong; then nothing has changed.
    pub fn change(&self, directives: &str) -> Result<(), BadFilter> {
        let filter = parse(directives)?;
        self.words().changed = Some(directives.to_owned());
        self.apply(filter, directives);
        Ok(())
    }

    /// Goes back to what is configured.
    pub fn reset(&self) {
        let mut words = self.words();
        if words.changed.take().is_some()
            && let Ok(filter) = parse(&words.configured)
        {
            self.apply(filter, &words.configured);
        }
    }

    /// The directives in force.
    #[must_use]
    pub fn current(&self) -> String {
        let words = self.words();
        words.changed.as_ref().unwrap_or(&words.configured).clone()
    }

    fn apply(&self, filter: EnvFilter, directives: &str) {
        match self.shared.handle.reload(filter) {
            // At a level that nearly every filter lets through: who reads the log is to know why it changes.
            Ok(()) => tracing::warn!(directives, "log level changed"),
            Err(error) => tracing::error!(%error, "the log level cannot be changed any more"),
        }
    }

    fn words(&self) -> std::sync::MutexGuard<'_, Words> {
        self.shared.words.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Stricter than the filter's own parser, which takes any word for the name of a module, `inof` for instance.
fn parse(filter: &str) -> Result<EnvFilter, BadFilter> {
    let wrong = |directive: &str| BadFilter {
        directive: directive.chars().take(200).collect(),
    };
    let is_level = |word: &str| LEVELS.iter().any(|level| level.eq_ignore_ascii_case(word));
    if filter.trim().is_empty() {
        return Err(wrong(filter));
    }
    for directive in filter.split(',').map(str::trim) {
        // one of spans and their fields: the parser's own business
        if directive.contains(['[', ']', '{', '}']) {
            continue;
        }
        let good = match directive.rsplit_once('=') {
            Some((target, level)) => {
                let is_name = |c: char| c.is_ascii_alphanumeric() || "_-:.".contains(c);
                !target.is_empty() && target.chars().all(is_name) && is_level(level)
            }
            None => is_level(directive),
        };
        if !good {
            return Err(wrong(directive));
        }
    }
    EnvFilter::builder().parse(filter).map_err(|_| wrong(filter))
}
