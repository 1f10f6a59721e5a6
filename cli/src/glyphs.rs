//! Which characters and colours the terminal shows: Unicode or ASCII, colours or none. Asks the environment alone.

use crossterm::style::Stylize as _;

use crate::{output, trace::text::Ink};

/// The characters that drawings are made of.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Glyphs {
    pub(crate) unicode: bool,
    pub(crate) queued: char,
    pub(crate) running: char,
    pub(crate) repeated: char,
}

impl Glyphs {
    pub(crate) const UNICODE: Self = Self {
        unicode: true,
        queued: '░',
        running: '█',
        repeated: '▒',
    };
    pub(crate) const ASCII: Self = Self {
        unicode: false,
        queued: '.',
        running: '#',
        repeated: '%',
    };

    /// What the locale and the terminal say that they show.
    pub(crate) fn of_environment() -> Self {
        let variable = |name: &str| std::env::var(name).ok();
        match shows_unicode(variable) {
            true => Self::UNICODE,
            false => Self::ASCII,
        }
    }
}

/// By POSIX the first of three variables decides. The console of Linux has few characters, a dumb terminal any or none.
fn shows_unicode(variable: impl Fn(&str) -> Option<String>) -> bool {
    if variable("TERM").is_some_and(|term| matches!(term.as_str(), "dumb" | "linux")) {
        return false;
    }
    let locale = ["LC_ALL", "LC_CTYPE", "LANG"]
        .into_iter()
        .filter_map(variable)
        .find(|value| !value.is_empty());
    match locale {
        Some(locale) => {
            let locale = locale.to_ascii_lowercase();
            locale.contains("utf-8") || locale.contains("utf8")
        }
        None => cfg!(windows),
    }
}

/// A piece of text as a terminal shows it.
pub(crate) fn painted(ink: Ink, piece: &str, colour: bool) -> String {
    if !colour {
        return piece.to_owned();
    }
    match ink {
        Ink::Plain => piece.to_owned(),
        Ink::Dim | Ink::Queued => piece.dark_grey().to_string(),
        Ink::Heading => piece.bold().to_string(),
        Ink::Running => piece.blue().to_string(),
        Ink::Repeated | Ink::Warning => piece.yellow().to_string(),
        Ink::Good => piece.green().to_string(),
        Ink::Bad => piece.red().to_string(),
        Ink::Critical => piece.magenta().to_string(),
    }
}

/// Columns of standard output: the terminal's, else what a page takes.
pub(crate) fn width_of_stdout() -> usize {
    const ELSEWHERE: usize = 100;
    match output::is_terminal() {
        true => crossterm::terminal::size().map_or(ELSEWHERE, |(columns, _)| usize::from(columns).max(20)),
        false => ELSEWHERE,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unicode(set: &[(&str, &str)]) -> bool {
        shows_unicode(|name| {
            let found = set.iter().find(|(set, _)| *set == name);
            found.map(|(_, value)| (*value).to_owned())
        })
    }

    #[test]
    fn unicode_is_for_locales_and_terminals_that_have_it() {
        assert!(unicode(&[("LANG", "de_DE.UTF-8")]));
        assert!(unicode(&[("LANG", "C"), ("LC_ALL", "C.utf8")]));
        assert!(!unicode(&[("LANG", "de_DE.UTF-8"), ("LC_ALL", "C")]));
        assert!(unicode(&[("LC_ALL", ""), ("LANG", "en_US.UTF-8")]));
        for term in ["dumb", "linux"] {
            assert!(!unicode(&[("LANG", "en_US.UTF-8"), ("TERM", term)]));
        }
        assert_eq!(unicode(&[]), cfg!(windows));
    }
}
