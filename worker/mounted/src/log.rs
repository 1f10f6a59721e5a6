//! Which log lines may be written at all, whatever level is asked for.

use tracing::Metadata;

/// Libraries that write whole messages, parameters and results among them, into their log lines, also at the level of
/// information.
const TALKATIVE: [&str; 1] = ["rmcp"];

/// False for a line that may hold what calls carry: every program that mounts tools leaves it out.
///
/// What there is to know of a server's troubles is logged by this crate, without what is in messages.
#[must_use]
pub fn may_be_logged(line: &Metadata<'_>) -> bool {
    let library = line.target().split("::").next().unwrap_or_default();
    !TALKATIVE.contains(&library)
}
