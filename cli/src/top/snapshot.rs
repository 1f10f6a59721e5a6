//! One look at a cluster as plain text: the lists of `top` under one another, for pipes and for `--once`.

use std::{fmt::Write as _, time::Duration};

use comfy_table::{Cell, CellAlignment};

use super::{
    head, rows,
    state::{Pane, Top},
};
use crate::{glyphs::Glyphs, output, trace::text::plain};

/// Nobody cuts a line where nobody looks.
const WIDTH: usize = 1_000;

pub(crate) fn text(top: &Top) -> String {
    let [first, second] = head::lines(top, Duration::ZERO, WIDTH, &Glyphs::ASCII);
    let first: Vec<String> = plain(&first)
        .split("  ")
        .map(str::trim)
        .map(str::to_owned)
        .collect();
    let first: Vec<String> = first.into_iter().filter(|part| !part.is_empty()).collect();
    let mut shown = format!("{}\n{}\n", first.join("  "), plain(&second));
    for pane in Pane::ALL {
        let rows = rows::rows(top, pane);
        let _ = writeln!(shown, "\n{}", head::title(top, pane, rows.len()));
        if rows.is_empty() {
            let _ = writeln!(shown, "{}", head::nothing(top, pane).trim());
            continue;
        }
        let columns = rows::columns(pane);
        let titles: Vec<&str> = columns.iter().map(|column| column.title).collect();
        let mut table = output::Look::of_stdout().table(&titles);
        for row in rows {
            let cells = row.cells.iter().zip(columns);
            table.add_row(cells.map(|((_, cell), column)| match column.right {
                true => Cell::new(cell).set_alignment(CellAlignment::Right),
                false => Cell::new(cell),
            }));
        }
        let _ = writeln!(shown, "{}", table.trim_fmt());
    }
    shown
}
