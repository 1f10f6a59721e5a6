//! `text_search`: regular expressions over the files below the allowed directory, by what ripgrep is made of.
//!
//! The walk names files; each is opened beneath the directory's own handle, so nothing outside is read. Order is by name.

use std::path::Path;

use grep_regex::{RegexMatcher, RegexMatcherBuilder};
use grep_searcher::{BinaryDetection, SearcherBuilder};
use ignore::{
    WalkBuilder,
    gitignore::{Gitignore, GitignoreBuilder},
};
use schemars::JsonSchema;
use serde::Deserialize;

use super::{answers, files::Root, stop::Stop};
use toolwave_tool::{BlockingTool, CallContext, Effect, Safety, Tool, ToolError};

mod matches;

use matches::{Found, Search};

const MAX_PATTERN_BYTES: usize = 4_096;
const MAX_GLOBS: usize = 64;
const DEFAULT_MATCHES: usize = 100;
const MAX_MATCHES: usize = 1_000;
const MAX_CONTEXT: usize = 10;
const MAX_REGEX_BYTES: usize = 8 << 20;
/// A file with a longer line is skipped.
const MAX_LINE_HEAP_BYTES: usize = 16 << 20;

const DESCRIPTION: &str = "Searches the text files below the allowed directory line by line with a regular expression \
(Rust syntax: no look-around, no back-references). Leaves out binary files, hidden files, and what .gitignore names. \
Returns {matches: [{path, line, text, text_truncated}], files_searched, files_skipped, truncated}, in order of path and \
line.";

#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
struct SearchParameters {
    /// The regular expression, such as `fn \w+_test`; at most 4,096 bytes.
    pattern: String,
    /// Directory or file to search, relative to the allowed directory; default `.`, all of it.
    #[serde(default)]
    path: Option<String>,
    /// Only files whose path matches one of these globs, such as `*.rs` or `src/**`; at most 64.
    #[serde(default)]
    include: Vec<String>,
    /// Not the files whose path matches one of these globs; at most 64.
    #[serde(default)]
    exclude: Vec<String>,
    /// Treats small and capital letters alike; default false.
    #[serde(default)]
    case_insensitive: bool,
    /// Takes the pattern as plain text; default false.
    #[serde(default)]
    literal: bool,
    /// Searches hidden files and what .gitignore names, too; default false.
    #[serde(default)]
    include_ignored: bool,
    /// Lines to return before and after each match; default 0, at most 10.
    #[serde(default)]
    #[schemars(range(max = MAX_CONTEXT))]
    context: Option<usize>,
    /// The most matches to return; default 100, at most 1,000.
    #[serde(default)]
    #[schemars(range(min = 1, max = MAX_MATCHES))]
    max_matches: Option<usize>,
}

/// The tool.
pub(super) fn tool(root: Root) -> impl Tool {
    let mut tool = BlockingTool::new(
        "text_search",
        DESCRIPTION,
        move |parameters: SearchParameters, context: CallContext| {
            search(&root, &parameters, &Stop::new(context))
        },
    )
    .safety(Safety::ReadOnly)
    // No parameter has this name, so the key is not known and stands for every file.
    .effect(Effect::Reads("file:{*}".to_owned()));
    answers::<Found>(tool.declaration_mut());
    tool
}

fn search(root: &Root, parameters: &SearchParameters, stop: &Stop) -> Result<Found, ToolError> {
    let max_matches = parameters.max_matches.unwrap_or(DEFAULT_MATCHES);
    let context = parameters.context.unwrap_or(0);
    within("max_matches", max_matches, 1, MAX_MATCHES)?;
    within("context", context, 0, MAX_CONTEXT)?;
    within(
        "the number of globs in include",
        parameters.include.len(),
        0,
        MAX_GLOBS,
    )?;
    within(
        "the number of globs in exclude",
        parameters.exclude.len(),
        0,
        MAX_GLOBS,
    )?;
    within(
        "the length of pattern in bytes",
        parameters.pattern.len(),
        1,
        MAX_PATTERN_BYTES,
    )?;
    let matcher = matcher(parameters)?;
    let filter = Filter {
        include: (!parameters.include.is_empty())
            .then(|| globs(root, &parameters.include))
            .transpose()?,
        exclude: globs(root, &parameters.exclude)?,
    };
    let mut searcher = SearcherBuilder::new()
        .binary_detection(BinaryDetection::quit(0))
        .line_number(true)
        .heap_limit(Some(MAX_LINE_HEAP_BYTES))
        .before_context(context)
        .after_context(context)
        .build();
    let mut search = Search::new(max_matches, stop);
    let path = root.tree_path(parameters.path.as_deref().unwrap_or("."))?;
    let target = root
        .directory()
        .canonicalize(&path)
        .map_err(|error| Root::refusal(&path, &error))?;
    if root
        .directory()
        .metadata(&target)
        .map_err(|error| Root::refusal(&path, &error))?
        .is_dir()
    {
        let place = root.path().join(&target);
        for entry in walk(root, &place, parameters.include_ignored) {
            stop.check()?;
            let Ok(entry) = entry else {
                search.skipped();
                continue;
            };
            let relative = entry.path().strip_prefix(root.path()).unwrap_or(entry.path());
            if entry.file_type().is_some_and(|kind| kind.is_file()) && filter.takes(relative) {
                search.file(root, relative, &mut searcher, &matcher);
            }
            if search.is_full() {
                break;
            }
        }
    } else {
        root.open_file(&path)?;
        search.file(root, &target, &mut searcher, &matcher);
    }
    stop.check()?;
    Ok(search.finish())
}

fn within(name: &str, value: usize, least: usize, most: usize) -> Result<(), ToolError> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(ToolError::new(
        "LIMIT_EXCEEDED",
        format!("{name} is {value}; it is {least} to {most}"),
    ))
}

fn matcher(parameters: &SearchParameters) -> Result<RegexMatcher, ToolError> {
    RegexMatcherBuilder::new()
        .case_insensitive(parameters.case_insensitive)
        .fixed_strings(parameters.literal)
        .line_terminator(Some(b'\n'))
        .size_limit(MAX_REGEX_BYTES)
        .dfa_size_limit(MAX_REGEX_BYTES)
        .build(&parameters.pattern)
        .map_err(|error| {
            let hint = "escape special characters with \\, or set literal to true";
            ToolError::new("INVALID_PATTERN", format!("pattern is refused: {error}; {hint}"))
        })
}

fn globs(root: &Root, globs: &[String]) -> Result<Gitignore, ToolError> {
    let mut builder = GitignoreBuilder::new(root.path());
    builder.allow_unclosed_class(false);
    let invalid = |glob: &str, error: ignore::Error| {
        ToolError::new(
            "INVALID_GLOB",
            format!("glob {glob:?} is refused: {error}; one that works: src/**/*.rs"),
        )
    };
    for glob in globs {
        if glob.starts_with(['!', '#']) || glob.trim().is_empty() {
            let message =
                format!("glob {glob:?} is refused: use exclude in place of `!`; one that works: src/**/*.rs");
            return Err(ToolError::new("INVALID_GLOB", message));
        }
        builder
            .add_line(None, glob)
            .map_err(|error| invalid(glob, error))?;
    }
    builder.build().map_err(|error| invalid("", error))
}

/// Everything from the directory down to `place` and below it. Begins at the top so that its ignore files count, and
/// those above it do not.
fn walk(root: &Root, place: &Path, include_ignored: bool) -> ignore::Walk {
    let wanted = place.to_owned();
    WalkBuilder::new(root.path())
        .standard_filters(!include_ignored)
        .parents(false)
        .git_global(false)
        .require_git(false)
        .follow_links(false)
        .sort_by_file_name(Ord::cmp)
        .filter_entry(move |entry| entry.path().starts_with(&wanted) || wanted.starts_with(entry.path()))
        .build()
}

/// Which files the globs let through.
struct Filter {
    include: Option<Gitignore>,
    exclude: Gitignore,
}

// === impl Filter ===

impl Filter {
    fn takes(&self, path: &Path) -> bool {
        let matched = |globs: &Gitignore| globs.matched_path_or_any_parents(path, false).is_ignore();
        self.include.as_ref().is_none_or(matched) && !matched(&self.exclude)
    }
}
