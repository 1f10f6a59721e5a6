//! Draws curves as an SVG on a white ground, which is readable on light and dark pages. Knows nothing of
//! result files.

use anyhow::anyhow;
use plotters::coord::Shift;
use plotters::coord::combinators::{BindKeyPoints as _, IntoLogRange as _, LogCoord, WithKeyPoints};
use plotters::coord::ranged1d::{DefaultFormatting, KeyPointHint, Ranged};
use plotters::coord::types::RangedCoordf64;
use plotters::prelude::*;

use super::axis::{Axis, Scale};
use super::numbers::coordinate;

const SIZE: (u32, u32) = (760, 440);
const DOT: i32 = 4;
const LEGEND_LINE: i32 = 20;
const LEGEND_DOT: i32 = 3;
/// Characters of a name beside which there is room for another.
const SHORT_NAME: usize = 34;
/// One for each system and variant; told apart by people who see no red or no green, and in print.
const COLOURS: [RGBColor; 6] = [
    RGBColor(0, 90, 181),
    RGBColor(110, 110, 110),
    RGBColor(213, 94, 0),
    RGBColor(0, 140, 105),
    RGBColor(150, 60, 150),
    RGBColor(160, 120, 0),
];

/// A median at one coordinate, and how far the runs lie apart.
pub(super) struct Point {
    pub(super) x: f64,
    pub(super) y: f64,
    pub(super) least: f64,
    pub(super) most: f64,
}

pub(super) struct Curve {
    pub(super) name: String,
    /// The points are rings and the line is thin, so that a second metric of a system differs from its first.
    pub(super) hollow: bool,
    pub(super) points: Vec<Point>,
}

pub(super) struct Drawing {
    pub(super) title: &'static str,
    pub(super) across: &'static str,
    pub(super) upward: String,
    pub(super) x: Scale,
    pub(super) y: Scale,
    pub(super) curves: Vec<Curve>,
}

type Area<'a> = DrawingArea<SVGBackend<'a>, Shift>;

/// Either scale, so that the drawing is written once.
enum Coordinate {
    Linear(WithKeyPoints<RangedCoordf64>),
    Logarithmic(WithKeyPoints<LogCoord<f64>>),
}

// === impl Drawing ===

impl Drawing {
    pub(super) fn svg(&self) -> anyhow::Result<String> {
        let mut svg = String::new();
        self.draw(&mut svg)
            .map_err(|error| anyhow!("{} cannot be drawn: {error}", self.title))?;
        svg.push('\n');
        Ok(svg)
    }

    fn draw(&self, svg: &mut String) -> Result<(), Box<dyn std::error::Error>> {
        let root = SVGBackend::with_string(svg, SIZE).into_drawing_area();
        root.fill(&WHITE)?;
        let root = root.titled(self.title, ("sans-serif", 20))?;
        let lines = i32::try_from(self.curves.len().div_ceil(self.legend_columns()))?;
        let (legend, plot) = root.split_vertically(lines * LEGEND_LINE + 4);
        self.legend(&legend)?;

        let xs: Vec<f64> = self.points().map(|point| point.x).collect();
        let ys: Vec<f64> = self
            .points()
            .flat_map(|point| [point.least, point.most])
            .collect();
        let mut chart = ChartBuilder::on(&plot)
            .margin(10)
            .margin_right(24)
            .x_label_area_size(44)
            .y_label_area_size(78)
            .build_cartesian_2d(
                Coordinate::of(self.x, Axis::of_points(self.x, &xs)),
                Coordinate::of(self.y, Axis::of_values(self.y, &ys)),
            )?;
        chart
            .configure_mesh()
            .bold_line_style(RGBColor(215, 215, 215))
            .light_line_style(TRANSPARENT)
            .x_desc(self.across)
            .y_desc(&self.upward)
            .x_label_formatter(&|value| coordinate(*value))
            .y_label_formatter(&|value| coordinate(*value))
            .label_style(("sans-serif", 13))
            .axis_desc_style(("sans-serif", 14))
            .draw()?;
        for (curve, colour) in self.curves.iter().zip(self.colours()) {
            let line = curve.points.iter().map(|point| (point.x, point.y));
            chart.draw_series(LineSeries::new(line, curve.line(colour)))?;
            chart.draw_series(curve.points.iter().map(|point| {
                PathElement::new(
                    vec![(point.x, point.least), (point.x, point.most)],
                    colour.mix(0.5),
                )
            }))?;
            chart.draw_series(
                curve
                    .points
                    .iter()
                    .map(|point| Circle::new((point.x, point.y), DOT, curve.dot(colour))),
            )?;
        }
        root.present()?;
        Ok(())
    }

    fn points(&self) -> impl Iterator<Item = &Point> {
        self.curves.iter().flat_map(|curve| &curve.points)
    }

    /// The same one for curves of which one is hollow and the other is not.
    fn colours(&self) -> impl Iterator<Item = RGBColor> {
        let mut next = 0_usize;
        self.curves.iter().enumerate().map(move |(index, curve)| {
            if index > 0 && !curve.hollow {
                next += 1;
            }
            COLOURS[next % COLOURS.len()]
        })
    }

    fn legend_columns(&self) -> usize {
        let short = |curve: &Curve| curve.name.chars().count() <= SHORT_NAME;
        if self.curves.iter().all(short) { 2 } else { 1 }
    }

    fn legend(&self, area: &Area<'_>) -> Result<(), Box<dyn std::error::Error>> {
        let (width, _) = area.dim_in_pixel();
        let columns = self.legend_columns();
        let column = i32::try_from(width)? / i32::try_from(columns)?;
        for (index, (curve, colour)) in self.curves.iter().zip(self.colours()).enumerate() {
            let left = 88 + i32::try_from(index % columns)? * (column - 44);
            let middle = 10 + i32::try_from(index / columns)? * LEGEND_LINE;
            area.draw(&PathElement::new(
                vec![(left, middle), (left + 26, middle)],
                curve.line(colour),
            ))?;
            area.draw(&Circle::new((left + 13, middle), LEGEND_DOT, curve.dot(colour)))?;
            let words = Text::new(curve.name.clone(), (left + 34, middle - 7), ("sans-serif", 14));
            area.draw(&words)?;
        }
        Ok(())
    }
}

// === impl Curve ===

impl Curve {
    fn line(&self, colour: RGBColor) -> ShapeStyle {
        colour.stroke_width(if self.hollow { 1 } else { 2 })
    }

    fn dot(&self, colour: RGBColor) -> ShapeStyle {
        if self.hollow {
            colour.stroke_width(2)
        } else {
            colour.filled()
        }
    }
}

// === impl Coordinate ===

impl Coordinate {
    fn of(scale: Scale, axis: Axis) -> Self {
        let ends = axis.from..axis.to;
        match scale {
            Scale::Linear => Self::Linear(ends.with_key_points(axis.marks)),
            Scale::Logarithmic => {
                Self::Logarithmic(LogCoord::from(ends.log_scale()).with_key_points(axis.marks))
            }
        }
    }
}

impl Ranged for Coordinate {
    type FormatOption = DefaultFormatting;
    type ValueType = f64;

    fn map(&self, value: &f64, limit: (i32, i32)) -> i32 {
        match self {
            Self::Linear(inner) => inner.map(value, limit),
            Self::Logarithmic(inner) => inner.map(value, limit),
        }
    }

    fn key_points<Hint: KeyPointHint>(&self, hint: Hint) -> Vec<f64> {
        match self {
            Self::Linear(inner) => inner.key_points(hint),
            Self::Logarithmic(inner) => inner.key_points(hint),
        }
    }

    fn range(&self) -> std::ops::Range<f64> {
        match self {
            Self::Linear(inner) => inner.range(),
            Self::Logarithmic(inner) => inner.range(),
        }
    }
}
