//! A timeline as a picture: one SVG file that loads nothing, runs nothing, and is read aloud by its title,
//! description and rows. Shapes and words say all that colours say.

use std::{io, time::Duration};

use quick_xml::{
    Writer,
    events::{BytesEnd, BytesStart, BytesText, Event},
};
use toolwave_client::v1;

use super::{
    text::clip,
    timeline::{Phase, Row, Timeline},
};
use crate::{analysis::Detail, executions, text};

const WIDTH: f64 = 1_200.0;
const MARGIN: f64 = 16.0;
const ROW: f64 = 18.0;
const BAR: f64 = 12.0;
/// Where bars begin and end.
const LEFT: f64 = 330.0;
const RIGHT: f64 = 900.0;
/// Characters that fit beside the bars.
const ID: usize = 22;
const TOOL: usize = 16;
const AFTER: usize = 40;
/// Characters that fit on a line.
const LINE: usize = 160;

const STYLE: &str = "\
text{font:12px ui-monospace,Menlo,Consolas,monospace;fill:#1a1a1a}\
.dim{fill:#5a5a5a}.heading,.critical text{font-weight:bold}\
.axis{stroke:#c8c8c8;stroke-width:1}\
.queued{fill:#e4e4e4;stroke:#8a8a8a;stroke-dasharray:2 2}\
.running{fill:#1f5fa8;stroke:#123a68}\
.repeated{fill:url(#hatch);stroke:#8a4b00}\
.critical .running{stroke:#000;stroke-width:2.5}";

/// Of an execution whose rows are `timeline`'s.
pub(crate) fn picture(execution: &v1::GetExecutionResponse, timeline: &Timeline) -> io::Result<String> {
    let heading = executions::heading(execution);
    let heading: Vec<&str> = heading.lines().collect();
    let why = super::why(execution, Detail::Full);
    let waves = timeline.rows.chunk_by(|a, b| a.wave == b.wave);
    let rows = timeline.rows.len() + waves.clone().count();
    let lines = heading.len() + why.len() + rows + 4;
    let height = 2.0 * MARGIN + lines as f64 * ROW;
    let mut page = Page {
        out: Writer::new(Vec::new()),
        y: MARGIN,
    };
    page.open(
        "svg",
        &[
            ("xmlns", "http://www.w3.org/2000/svg"),
            ("viewBox", &format!("0 0 {WIDTH} {height}")),
            ("width", &WIDTH.to_string()),
            ("height", &height.to_string()),
            ("role", "img"),
            ("aria-labelledby", "title description"),
        ],
    )?;
    page.say(
        "title",
        &[("id", "title")],
        heading.first().unwrap_or(&"execution"),
    )?;
    page.say("desc", &[("id", "description")], &description(timeline, &why))?;
    page.say("style", &[], STYLE)?;
    page.hatch()?;
    let all = [("width", "100%"), ("height", "100%"), ("fill", "#ffffff")];
    page.empty("rect", &all)?;
    for (number, line) in heading.iter().enumerate() {
        page.line(if number == 0 { "heading" } else { "dim" }, MARGIN, line)?;
    }
    if !timeline.rows.is_empty() {
        page.axis(timeline.length, rows)?;
    } else {
        page.line("dim", MARGIN, super::nothing_to_draw(execution))?;
    }
    for wave in waves {
        page.line("heading", MARGIN, &format!("wave {}", wave[0].wave))?;
        for row in wave {
            page.row(row, timeline.length)?;
        }
    }
    if timeline.left_out > 0 {
        let left_out = text::counted(timeline.left_out, "call");
        page.line(
            "dim",
            MARGIN,
            &format!("{left_out} not shown: those above are of the critical path, then the slowest"),
        )?;
    }
    page.legend()?;
    for line in &why {
        page.line("dim", MARGIN, &clip(line, LINE))?;
    }
    page.close("svg")?;
    let bytes = page.out.into_inner();
    let mut picture = String::from_utf8(bytes).map_err(io::Error::other)?;
    picture.push('\n');
    Ok(picture)
}

fn description(timeline: &Timeline, why: &[String]) -> String {
    let mut description = format!(
        "Timeline of {} over {}: when each waited, was in flight and ended.",
        text::counted(timeline.rows.len(), "call"),
        text::duration(timeline.length),
    );
    for line in why {
        description.push(' ');
        description.push_str(line);
        description.push('.');
    }
    description
}

/// What is written, from top to bottom.
struct Page {
    out: Writer<Vec<u8>>,
    y: f64,
}

type Attributes<'a> = [(&'a str, &'a str)];

impl Page {
    fn open(&mut self, name: &str, attributes: &Attributes<'_>) -> io::Result<()> {
        let element = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.out.write_event(Event::Start(element))
    }

    fn empty(&mut self, name: &str, attributes: &Attributes<'_>) -> io::Result<()> {
        let element = BytesStart::new(name).with_attributes(attributes.iter().copied());
        self.out.write_event(Event::Empty(element))
    }

    fn close(&mut self, name: &str) -> io::Result<()> {
        self.out.write_event(Event::End(BytesEnd::new(name)))
    }

    fn say(&mut self, name: &str, attributes: &Attributes<'_>, what: &str) -> io::Result<()> {
        self.open(name, attributes)?;
        self.out
            .write_event(Event::Text(BytesText::new(&writable(what))))?;
        self.close(name)
    }

    fn text(&mut self, class: &str, x: f64, what: &str) -> io::Result<()> {
        let (x, y) = (x.to_string(), (self.y + BAR - 2.0).to_string());
        self.say("text", &[("class", class), ("x", &x), ("y", &y)], what)
    }

    /// One line of text by itself.
    fn line(&mut self, class: &str, x: f64, what: &str) -> io::Result<()> {
        self.text(class, x, what)?;
        self.y += ROW;
        Ok(())
    }

    fn hatch(&mut self) -> io::Result<()> {
        self.open("defs", &[])?;
        let pattern = [
            ("id", "hatch"),
            ("width", "5"),
            ("height", "5"),
            ("patternUnits", "userSpaceOnUse"),
        ];
        self.open("pattern", &pattern)?;
        let ground = [("width", "5"), ("height", "5"), ("fill", "#ffe3bd")];
        self.empty("rect", &ground)?;
        let stroke = [("d", "M0 5L5 0"), ("stroke", "#8a4b00"), ("stroke-width", "1.2")];
        self.empty("path", &stroke)?;
        self.close("pattern")?;
        self.close("defs")
    }

    /// Times above, and a line down from each through all rows.
    fn axis(&mut self, length: Duration, rows: usize) -> io::Result<()> {
        const TICKS: u32 = 5;
        let (top, bottom) = (self.y + ROW, self.y + ROW * (rows + 1) as f64);
        for tick in 0..=TICKS {
            let x = LEFT + (RIGHT - LEFT) * f64::from(tick) / f64::from(TICKS);
            let time = match tick {
                0 => "0".to_owned(),
                tick => text::duration(length / TICKS * tick),
            };
            self.text("dim", x, &time)?;
            let (x, top, bottom) = (x.to_string(), top.to_string(), bottom.to_string());
            let line = [
                ("class", "axis"),
                ("x1", x.as_str()),
                ("x2", x.as_str()),
                ("y1", top.as_str()),
                ("y2", bottom.as_str()),
            ];
            self.empty("line", &line)?;
        }
        self.y += ROW;
        Ok(())
    }

    fn row(&mut self, row: &Row, length: Duration) -> io::Result<()> {
        self.open("g", &[("class", if row.critical { "critical" } else { "call" })])?;
        self.say("title", &[], &told(row))?;
        if row.critical {
            self.text("", MARGIN, "*")?;
        }
        self.text("", MARGIN + 14.0, &clip(&row.id, ID))?;
        self.text("dim", MARGIN + 180.0, &clip(&row.tool, TOOL))?;
        for span in &row.spans {
            let class = match span.phase {
                Phase::Queued => "queued",
                Phase::Running => "running",
                Phase::Repeated => "repeated",
            };
            let (from, to) = (place(span.from, length), place(span.to, length));
            self.rect(class, from, (to - from).max(1.5))?;
        }
        self.text("", RIGHT + 12.0, &clip(&after(row), AFTER))?;
        self.close("g")?;
        self.y += ROW;
        Ok(())
    }

    fn rect(&mut self, class: &str, x: f64, width: f64) -> io::Result<()> {
        let (x, width, y) = (format!("{x:.1}"), format!("{width:.1}"), self.y.to_string());
        let rect = [
            ("class", class),
            ("x", x.as_str()),
            ("y", y.as_str()),
            ("width", width.as_str()),
            ("height", "12"),
        ];
        self.empty("rect", &rect)
    }

    fn legend(&mut self) -> io::Result<()> {
        let mut x = MARGIN;
        for (class, what) in [
            ("queued", "waited"),
            ("running", "in flight"),
            ("repeated", "repeated"),
        ] {
            self.rect(class, x, 24.0)?;
            self.text("dim", x + 30.0, what)?;
            x += 60.0 + 7.5 * what.len() as f64;
        }
        self.line("dim", x, "* critical path")
    }
}

/// Where an instant lies.
fn place(at: Duration, length: Duration) -> f64 {
    match length.is_zero() {
        true => LEFT,
        false => LEFT + (RIGHT - LEFT) * (at.as_secs_f64() / length.as_secs_f64()).min(1.0),
    }
}

fn after(row: &Row) -> String {
    let took = row.took.map(text::duration).unwrap_or_default();
    match row.attempts {
        0 => row.word.clone(),
        1 => format!("{} {} {took}", row.word, row.worker),
        attempts => format!("{} {} x{attempts} {took}", row.word, row.worker),
    }
}

/// What a pointer and a screen reader are told of a call.
fn told(row: &Row) -> String {
    let mut told = format!("{} ({}), wave {}: {}", row.id, row.tool, row.wave, after(row));
    if let Some(error) = &row.error {
        told.push_str(", ");
        told.push_str(error);
    }
    if row.critical {
        told.push_str(", on the critical path");
    }
    told
}

/// XML has no way to write some characters; they are told as terminals are told them.
fn writable(what: &str) -> String {
    text::printable(what).replace(['\u{fffe}', '\u{ffff}'], "\u{fffd}")
}

#[cfg(test)]
mod tests {
    use quick_xml::Reader;

    use super::*;
    use crate::trace::sample;

    #[test]
    fn a_picture_is_well_formed_says_all_in_words_and_runs_nothing() {
        let execution = sample::eventful();
        let picture = picture(&execution, &Timeline::of(&execution, None)).expect("it is written");
        let mut reader = Reader::from_str(&picture);
        let (mut elements, mut depth) = (Vec::new(), 0_i32);
        loop {
            match reader.read_event().expect("well-formed XML") {
                Event::Eof => break,
                Event::Start(element) => {
                    depth += 1;
                    elements.push(element.name().as_ref().to_owned());
                }
                Event::Empty(element) => {
                    elements.push(element.name().as_ref().to_owned());
                }
                Event::End(_) => depth -= 1,
                _ => {}
            }
        }
        assert_eq!(depth, 0);
        let allowed = [
            "svg", "title", "desc", "style", "defs", "pattern", "path", "rect", "line", "g", "text",
        ];
        assert!(elements.iter().all(|name| allowed.contains(&name.as_str())));
        assert!(!picture.contains("href") && !picture.contains('\u{1b}'));
        for said in [
            "role=\"img\" aria-labelledby=\"title description\"",
            "<title id=\"title\">execution 41a03d15",
            "class=\"repeated\"",
            "c2 (search), wave 1: SUCCEEDED anna 600 ms, on the critical path",
            "&lt;odd &amp; ",
            "critical path c0 &gt; c2: ran for 900 ms, waited 100 ms",
        ] {
            assert!(picture.contains(said), "{said}\n{picture}");
        }
    }

    #[test]
    fn nothing_to_draw_is_a_picture_too() {
        let empty = v1::GetExecutionResponse {
            calls_forgotten: true,
            ..v1::GetExecutionResponse::default()
        };
        let picture = picture(&empty, &Timeline::of(&empty, None)).expect("it is written");
        assert!(picture.contains("no longer keeps its calls"), "{picture}");
    }
}
