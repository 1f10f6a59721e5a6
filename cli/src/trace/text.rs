//! A timeline in characters: a row for each call, its bar, and what came of it. Colour adds nothing that the characters
//! do not say. Prints nothing itself: `trace` and `top` put it where it belongs.

use std::time::Duration;

use toolwave_client::v1::Outcome;
use unicode_width::{UnicodeWidthChar as _, UnicodeWidthStr as _};

use super::timeline::{Phase, Row, Span, Timeline};
use crate::{glyphs::Glyphs, text};

/// Ids and tools take no more of a line.
const WIDEST_ID: usize = 24;
const WIDEST_TOOL: usize = 18;
const WIDEST_WORKER: usize = 16;
/// A bar of fewer cells says nothing; other columns go before.
const NARROWEST_BAR: usize = 16;
const TIME: usize = 7;

/// What a piece of text is, for whoever has colours.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Ink {
    Plain,
    Dim,
    Heading,
    Queued,
    Running,
    Repeated,
    Good,
    Warning,
    Bad,
    Critical,
}

/// A line of pieces.
pub(crate) type Line = Vec<(Ink, String)>;

/// The rows under their waves, with an axis above and the legend below. At most `width` columns wide, where that is
/// enough for anything.
pub(crate) fn lines(timeline: &Timeline, width: usize, glyphs: &Glyphs) -> Vec<Line> {
    let columns = Columns::of(timeline, width);
    let mut lines = Vec::with_capacity(timeline.rows.len() + 8);
    if timeline.rows.is_empty() {
        return lines;
    }
    lines.push(columns.axis(timeline.length));
    let mut wave = None;
    for row in &timeline.rows {
        if wave != Some(row.wave) {
            wave = Some(row.wave);
            lines.push(vec![(Ink::Heading, format!("wave {}", row.wave))]);
        }
        lines.push(columns.row(row, timeline.length, glyphs));
    }
    if timeline.left_out > 0 {
        lines.push(vec![(
            Ink::Plain,
            format!(
                "{} not shown: those above are of the critical path, then the slowest",
                text::counted(timeline.left_out, "call")
            ),
        )]);
    }
    lines.push(legend(timeline, glyphs));
    lines
}

fn legend(timeline: &Timeline, glyphs: &Glyphs) -> Line {
    let mut legend = vec![
        (Ink::Queued, glyphs.queued.to_string()),
        (Ink::Dim, " waited  ".to_owned()),
        (Ink::Running, glyphs.running.to_string()),
        (Ink::Dim, " in flight  ".to_owned()),
        (Ink::Repeated, format!("{}x", glyphs.repeated)),
        (Ink::Dim, " repeated".to_owned()),
    ];
    if timeline.rows.iter().any(|row| row.critical) {
        legend.push((Ink::Critical, "  *".to_owned()));
        legend.push((Ink::Dim, " critical path".to_owned()));
    }
    legend
}

/// How wide each column is; those of no width are left out.
struct Columns {
    id: usize,
    tool: usize,
    bar: usize,
    word: usize,
    worker: usize,
}

impl Columns {
    fn of(timeline: &Timeline, width: usize) -> Self {
        let widest = |of: &dyn Fn(&Row) -> usize, most: usize| {
            timeline.rows.iter().map(of).max().unwrap_or_default().min(most)
        };
        let mut columns = Self {
            id: widest(&|row| row.id.width(), WIDEST_ID).max(2),
            tool: widest(&|row| row.tool.width(), WIDEST_TOOL),
            bar: 0,
            word: widest(&|row| row.word.width(), WIDEST_ID).max(4),
            worker: widest(&|row| worker(row).width(), WIDEST_WORKER),
        };
        for narrower in [
            |_: &mut Self| {},
            |columns: &mut Self| columns.tool = 0,
            |columns: &mut Self| columns.worker = 0,
            |columns: &mut Self| columns.id = columns.id.min(10),
        ] {
            narrower(&mut columns);
            let left = width.saturating_sub(columns.around());
            if left >= NARROWEST_BAR {
                columns.bar = left;
                return columns;
            }
        }
        columns.bar = width.saturating_sub(columns.around()).max(4);
        columns
    }

    /// All that is no bar, with the gaps.
    fn around(&self) -> usize {
        let gap = |width: usize| if width == 0 { 0 } else { width + 1 };
        2 + gap(self.id) + gap(self.tool) + 1 + gap(self.word) + gap(self.worker) + TIME
    }

    fn axis(&self, length: Duration) -> Line {
        let before = 2 + self.id + 1 + if self.tool == 0 { 0 } else { self.tool + 1 };
        let mut axis = " ".repeat(before);
        let ticks = match self.bar {
            0..=23 => 1,
            24..=47 => 2,
            _ => 4,
        };
        for tick in 0..ticks {
            let label = text::duration(length * tick / ticks);
            let from = before + self.bar * tick as usize / ticks as usize;
            axis.extend(std::iter::repeat_n(' ', from.saturating_sub(axis.len())));
            axis.push_str(if tick == 0 { "0" } else { &label });
        }
        // ends where the bars end
        let label = text::duration(length);
        let from = (before + self.bar).saturating_sub(label.len());
        match from > axis.len() {
            true => {
                axis.extend(std::iter::repeat_n(' ', from - axis.len()));
                axis.push_str(&label);
            }
            false => {
                axis.push(' ');
                axis.push_str(&label);
            }
        }
        vec![(Ink::Dim, axis)]
    }

    fn row(&self, row: &Row, length: Duration, glyphs: &Glyphs) -> Line {
        let (mark, ink) = match row.critical {
            true => ("* ", Ink::Critical),
            false => ("  ", Ink::Plain),
        };
        let mut line = vec![(ink, format!("{mark}{} ", fit(&row.id, self.id)))];
        if self.tool > 0 {
            line.push((Ink::Dim, format!("{} ", fit(&row.tool, self.tool))));
        }
        line.extend(bar(&row.spans, length, self.bar, glyphs));
        line.push((
            row.outcome.map_or(Ink::Plain, ink_of),
            format!(" {} ", fit(&row.word, self.word)),
        ));
        if self.worker > 0 {
            line.push((Ink::Plain, format!("{} ", fit(&worker(row), self.worker))));
        }
        let took = row.took.map(text::duration).unwrap_or_default();
        line.push((Ink::Plain, format!("{took:>TIME$}")));
        line
    }
}

/// With the number of attempts where there was more than one.
fn worker(row: &Row) -> String {
    match row.attempts {
        0 | 1 => row.worker.clone(),
        attempts => format!("{} x{attempts}", row.worker),
    }
}

pub(crate) fn ink_of(outcome: Outcome) -> Ink {
    match outcome {
        Outcome::Succeeded => Ink::Good,
        Outcome::Skipped | Outcome::Cancelled => Ink::Warning,
        _ => Ink::Bad,
    }
}

/// `width` cells. What is shorter than a cell is still seen, unless it was only waited.
fn bar(spans: &[Span], length: Duration, width: usize, glyphs: &Glyphs) -> Line {
    let mut cells = vec![(Ink::Plain, ' '); width];
    let place = |at: Duration| match length.is_zero() {
        true => 0.0,
        false => at.as_secs_f64() / length.as_secs_f64() * width as f64,
    };
    let mut paint = |span: &Span, ink: Ink, glyph: char| {
        let first = (place(span.from) as usize).min(width.saturating_sub(1));
        let end = (place(span.to).ceil() as usize).clamp(first + 1, width.max(first + 1));
        for cell in cells.iter_mut().take(end).skip(first) {
            *cell = (ink, glyph);
        }
        end
    };
    for span in spans.iter().filter(|span| span.phase == Phase::Queued) {
        if place(span.to) - place(span.from) >= 0.5 {
            paint(span, Ink::Queued, glyphs.queued);
        }
    }
    for span in spans.iter().filter(|span| span.phase == Phase::Running) {
        paint(span, Ink::Running, glyphs.running);
    }
    let mut ends = Vec::new();
    for span in spans.iter().filter(|span| span.phase == Phase::Repeated) {
        ends.push(paint(span, Ink::Repeated, glyphs.repeated));
    }
    for end in ends {
        cells[end - 1] = (Ink::Repeated, 'x');
    }
    let mut pieces: Line = Vec::new();
    for (ink, glyph) in cells {
        match pieces.last_mut() {
            Some((last, piece)) if *last == ink => piece.push(glyph),
            _ => pieces.push((ink, glyph.to_string())),
        }
    }
    pieces
}

/// Exactly `width` columns: filled up, or cut with dots.
pub(crate) fn fit(text: &str, width: usize) -> String {
    let mut fitted = clip(text, width);
    fitted.extend(std::iter::repeat_n(' ', width.saturating_sub(fitted.width())));
    fitted
}

/// At most `width` columns.
pub(crate) fn clip(text: &str, width: usize) -> String {
    if text.width() <= width {
        return text.to_owned();
    }
    let dots = if width > 4 { ".." } else { "" };
    let mut clipped = String::new();
    let mut taken = dots.len();
    for c in text.chars() {
        taken += c.width().unwrap_or_default();
        if taken > width {
            break;
        }
        clipped.push(c);
    }
    clipped + dots
}

/// Without what colours add.
pub(crate) fn plain(line: &Line) -> String {
    let text: String = line.iter().map(|(_, piece)| piece.as_str()).collect();
    text.trim_end().to_owned()
}

#[cfg(test)]
#[path = "text_tests.rs"]
mod tests;
