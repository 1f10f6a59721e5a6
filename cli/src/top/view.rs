//! Draws `top` on a frame of any size. Knows what is shown, and decides nothing.

use std::time::Duration;

use ratatui::{
    Frame,
    layout::{Constraint, Layout, Rect},
    style::{Color, Modifier, Style},
    text::{Line, Span},
    widgets::{Block, Borders, Clear, Paragraph},
};

use super::{
    head,
    rows::{self, Column},
    state::{Opened, Over, Pane, Top},
};
use crate::{
    executions,
    glyphs::Glyphs,
    trace::{
        self,
        text::{self as drawn, Ink, fit},
        timeline::Timeline,
    },
};

/// Calls of an open execution that are drawn.
const DRAWN_CALLS: usize = 1_000;

/// How it may look.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Look {
    pub(crate) glyphs: Glyphs,
    pub(crate) colour: bool,
}

impl Look {
    fn style(self, ink: Ink) -> Style {
        let style = Style::new();
        let weight = match ink {
            Ink::Heading | Ink::Critical => style.add_modifier(Modifier::BOLD),
            _ => style,
        };
        if !self.colour {
            return weight;
        }
        match ink {
            Ink::Plain | Ink::Heading => weight,
            Ink::Dim | Ink::Queued => weight.fg(Color::DarkGray),
            Ink::Running => weight.fg(Color::Blue),
            Ink::Repeated | Ink::Warning => weight.fg(Color::Yellow),
            Ink::Good => weight.fg(Color::Green),
            Ink::Bad => weight.fg(Color::Red),
            Ink::Critical => weight.fg(Color::Magenta),
        }
    }

    fn line(self, line: drawn::Line) -> Line<'static> {
        let spans = line.into_iter();
        spans
            .map(|(ink, piece)| Span::styled(piece, self.style(ink)))
            .collect::<Vec<_>>()
            .into()
    }

    fn block(self, title: String) -> Block<'static> {
        let block = Block::new().borders(Borders::ALL).title(title);
        match self.glyphs.unicode {
            true => block,
            false => block.border_set(ratatui::symbols::border::Set {
                top_left: "+",
                top_right: "+",
                bottom_left: "+",
                bottom_right: "+",
                vertical_left: "|",
                vertical_right: "|",
                horizontal_top: "-",
                horizontal_bottom: "-",
            }),
        }
    }
}

pub(crate) fn draw(frame: &mut Frame<'_>, top: &Top, look: Look, now: Duration) {
    let area = frame.area();
    let width = usize::from(area.width);
    if area.height < 6 || area.width < 24 {
        let lines: Vec<Line<'_>> = [head::shortest(top), head::state(top, now)]
            .into_iter()
            .map(Line::from)
            .collect();
        return frame.render_widget(Paragraph::new(lines), area);
    }
    let [header, body, footer] =
        Layout::vertical([Constraint::Length(2), Constraint::Min(1), Constraint::Length(1)]).areas(area);
    let head: Vec<Line<'_>> = head::lines(top, now, width, &look.glyphs)
        .into_iter()
        .map(|line| look.line(line))
        .collect();
    frame.render_widget(Paragraph::new(head), header);
    match &top.opened {
        Some(opened) => draw_opened(frame, body, opened, look),
        None => draw_panes(frame, body, top, look),
    }
    let foot = match &top.notice {
        Some(notice) => (Ink::Heading, fit(notice, width)),
        None => (Ink::Dim, fit(head::keys(top), width)),
    };
    frame.render_widget(Paragraph::new(look.line(vec![foot])), footer);
    match &top.over {
        Some(Over::Help) => draw_over(frame, "Keys", head::HELP, look),
        Some(Over::Sure(action)) => {
            let question = action.question();
            draw_over(
                frame,
                "Sure?",
                &[question.as_str(), "", "y: yes   any other key: no"],
                look,
            );
        }
        None => {}
    }
}

fn draw_opened(frame: &mut Frame<'_>, area: Rect, opened: &Opened, look: Look) {
    let Some(execution) = &opened.execution else {
        return frame.render_widget(Paragraph::new("asking the coordinator..."), area);
    };
    let timeline = Timeline::of(execution, Some(DRAWN_CALLS));
    let mut lines: Vec<Line<'_>> = executions::heading(execution)
        .lines()
        .map(|line| Line::from(line.to_owned()))
        .collect();
    let bars = drawn::lines(&timeline, usize::from(area.width), &look.glyphs);
    if bars.is_empty() {
        lines.push(trace::nothing_to_draw(execution).into());
    }
    lines.extend(bars.into_iter().map(|line| look.line(line)));
    let why = trace::why(execution, crate::analysis::Detail::Full);
    lines.extend(why.into_iter().map(Line::from));
    // the last line stays on the screen
    let first = opened
        .line
        .min(lines.len().saturating_sub(usize::from(area.height)));
    let shown: Vec<Line<'_>> = lines.into_iter().skip(first).collect();
    frame.render_widget(Paragraph::new(shown), area);
}

/// As many of the lists as fit; the focused one always.
fn draw_panes(frame: &mut Frame<'_>, area: Rect, top: &Top, look: Look) {
    let halves = |share| Layout::vertical([Constraint::Percentage(share), Constraint::Min(4)]);
    let side_by_side = |area, count: usize| Layout::horizontal(vec![Constraint::Fill(1); count]).split(area);
    match (area.width, area.height) {
        (132.., 14..) => {
            let [above, below] = halves(50).areas(area);
            draw_pane(frame, above, top, Pane::Executions, look);
            let below = side_by_side(below, 3);
            for (area, pane) in below.iter().zip([Pane::Workers, Pane::Tools, Pane::Limits]) {
                draw_pane(frame, *area, top, pane, look);
            }
        }
        (76.., 14..) => {
            let [above, below] = halves(50).areas(area);
            draw_pane(frame, above, top, Pane::Executions, look);
            let second = match top.pane {
                Pane::Limits => Pane::Limits,
                _ => Pane::Tools,
            };
            let below = side_by_side(below, 2);
            for (area, pane) in below.iter().zip([Pane::Workers, second]) {
                draw_pane(frame, *area, top, pane, look);
            }
        }
        _ => draw_pane(frame, area, top, top.pane, look),
    }
}

fn draw_pane(frame: &mut Frame<'_>, area: Rect, top: &Top, pane: Pane, look: Look) {
    let rows = rows::rows(top, pane);
    let focused = pane == top.pane;
    let title = head::title(top, pane, rows.len());
    let block = match focused {
        true => look.block(title).title_style(Modifier::BOLD),
        false => look.block(title),
    };
    let inner = block.inner(area);
    frame.render_widget(block, area);
    let (width, height) = (usize::from(inner.width), usize::from(inner.height));
    let columns = fitting(rows::columns(pane), width.saturating_sub(1));
    let titles = columns.iter().map(|(column, width)| {
        let title = column.1.title.to_uppercase();
        (Ink::Heading, aligned(&title, *width, column.1.right))
    });
    let mut lines = vec![look.line(spaced(" ", titles))];
    let chosen = top.chosen(pane, &rows);
    let first = (chosen + 2).saturating_sub(height.max(2));
    for (place, row) in rows.iter().enumerate().skip(first).take(height.saturating_sub(1)) {
        let cells = columns.iter().map(|(column, width)| {
            let (ink, cell) = &row.cells[column.0];
            let shown = match column.1.title {
                "progress" => progress(cell, *width, &look.glyphs),
                _ => aligned(cell, *width, column.1.right),
            };
            (*ink, shown)
        });
        let is_chosen = focused && place == chosen;
        let line = look.line(spaced(if is_chosen { ">" } else { " " }, cells));
        lines.push(match is_chosen {
            true => line.style(Modifier::REVERSED),
            false => line,
        });
    }
    if rows.is_empty() {
        lines.push(look.line(vec![(Ink::Dim, head::nothing(top, pane).to_owned())]));
    }
    frame.render_widget(Paragraph::new(lines), inner);
}

/// The columns that fit, with their places in a row, and how wide each is.
fn fitting(columns: &'static [Column], width: usize) -> Vec<((usize, &'static Column), usize)> {
    let mut kept: Vec<(usize, &Column)> = columns.iter().enumerate().collect();
    let needed = |kept: &[(usize, &Column)]| kept.iter().map(|(_, c)| c.width + 1).sum::<usize>();
    while needed(&kept) > width + 1 && kept.len() > 1 {
        let highest = kept.iter().enumerate().max_by_key(|(_, (_, c))| c.rank);
        let Some((place, _)) = highest else { break };
        kept.remove(place);
    }
    let left = (width + 1).saturating_sub(needed(&kept));
    let mut widths: Vec<usize> = kept.iter().map(|(_, column)| column.width).collect();
    // The first column holds names, as does a last one that is not of numbers.
    let first = match kept.as_slice() {
        [_] => left,
        [.., (_, last)] if !last.right => left.min(8),
        _ => left.min(28),
    };
    if let Some(width) = widths.first_mut() {
        *width += first;
    }
    if let (Some((_, last)), Some(width)) = (kept.last(), widths.last_mut())
        && !last.right
        && kept.len() > 1
    {
        *width += left - first;
    }
    kept.into_iter().zip(widths).collect()
}

fn spaced(mark: &str, cells: impl Iterator<Item = (Ink, String)>) -> drawn::Line {
    let mut line = vec![(Ink::Plain, mark.to_owned())];
    for (ink, cell) in cells {
        line.push((ink, cell));
        line.push((Ink::Plain, " ".to_owned()));
    }
    line
}

fn aligned(cell: &str, width: usize, right: bool) -> String {
    match right {
        true => {
            let clipped = drawn::clip(cell, width);
            format!("{clipped:>width$}")
        }
        false => fit(cell, width),
    }
}

/// `####...  40%`.
pub(crate) fn progress(percent: &str, width: usize, glyphs: &Glyphs) -> String {
    let part: usize = percent.trim_end_matches('%').parse().unwrap_or_default();
    let cells = width.saturating_sub(5);
    let full = cells * part.min(100) / 100;
    let bar = std::iter::repeat_n(glyphs.running, full);
    let rest = std::iter::repeat_n(glyphs.queued, cells - full);
    format!("{}{percent:>5}", bar.chain(rest).collect::<String>())
}

fn draw_over(frame: &mut Frame<'_>, title: &str, lines: &[&str], look: Look) {
    let all = frame.area();
    let widest = lines.iter().map(|line| line.len()).max().unwrap_or_default();
    let width = u16::try_from(widest + 4).unwrap_or(u16::MAX).min(all.width);
    let height = u16::try_from(lines.len() + 2).unwrap_or(u16::MAX).min(all.height);
    let area = Rect::new((all.width - width) / 2, (all.height - height) / 2, width, height);
    let lines: Vec<Line<'_>> = lines.iter().map(|line| Line::from(format!(" {line}"))).collect();
    frame.render_widget(Clear, area);
    frame.render_widget(
        Paragraph::new(lines)
            .wrap(ratatui::widgets::Wrap { trim: false })
            .block(look.block(title.to_owned())),
        area,
    );
}

#[cfg(test)]
#[path = "view_tests.rs"]
mod tests;
