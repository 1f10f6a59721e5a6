//! Standard output: written once, whole, and its errors told.

use std::io::{self, IsTerminal as _, Write as _};

use comfy_table::{Cell, Color, ContentArrangement, Table, presets};
use serde::Serialize;

use crate::failure::Failure;

/// Writes `text`. A reader that has gone away (`| head`) has had what it wanted: no error.
pub(crate) fn write(text: &str) -> Result<(), Failure> {
    let mut stdout = io::stdout().lock();
    match stdout.write_all(text.as_bytes()).and_then(|()| stdout.flush()) {
        Err(error) if error.kind() != io::ErrorKind::BrokenPipe => Err(Failure::Output(error)),
        _ => Ok(()),
    }
}

/// Writes one JSON document.
pub(crate) fn write_json(document: &impl Serialize) -> Result<(), Failure> {
    let mut text = serde_json::to_string_pretty(document)
        .map_err(|error| Failure::Other(format!("the answer cannot be written as JSON: {error}")))?;
    text.push('\n');
    write(&text)
}

/// Writes a line to standard error. Nobody may be left to read it, and there is nowhere to say so.
pub(crate) fn note(line: &str) {
    let _ = writeln!(io::stderr().lock(), "{line}");
}

/// How the report may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    terminal: bool,
    colour: bool,
}

impl Look {
    /// That of standard output, with <https://no-color.org> kept.
    pub(crate) fn of_stdout() -> Self {
        let terminal = is_terminal();
        Self {
            terminal,
            colour: terminal && colour_wanted(),
        }
    }

    /// Whether colours are wanted, and shown.
    pub(crate) fn colour(self) -> bool {
        self.colour
    }

    /// A table of the terminal's width; in a file or pipe, of its content's.
    pub(crate) fn table(self, header: &[&str]) -> Table {
        let mut table = Table::new();
        // No frames: columns stay easy to cut, and terminals of any encoding show them.
        table.load_style(presets::NOTHING);
        table.set_content_arrangement(match self.terminal {
            true => ContentArrangement::Dynamic,
            false => ContentArrangement::Disabled,
        });
        match self.colour {
            true => table.enforce_styling(),
            false => table.force_no_tty(),
        };
        table.set_header(header.iter().map(|title| Cell::new(title.to_uppercase())));
        table
    }

    /// A cell in `colour`, where colours are wanted.
    pub(crate) fn cell(self, text: &str, colour: Color) -> Cell {
        if self.colour {
            Cell::new(text).fg(colour)
        } else {
            Cell::new(text)
        }
    }
}

/// Whether somebody looks at standard output.
pub(crate) fn is_terminal() -> bool {
    io::stdout().is_terminal()
}

/// `NO_COLOR` set to anything but nothing, or a terminal that has none.
pub(crate) fn colour_wanted() -> bool {
    let set = |name| std::env::var_os(name).filter(|value: &std::ffi::OsString| !value.is_empty());
    set("NO_COLOR").is_none() && set("TERM").is_none_or(|term| term != "dumb")
}
