//! Lengths and areas in the plane.

use std::collections::HashMap;

use schemars::JsonSchema;
use serde::Deserialize;
use toolwave_worker::{SharedTool, ToolError};

use crate::{finite, numbers::gcd, pure, undefined};

/// A triangle.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Triangle {
    /// The base.
    pub base: f64,
    /// The height over it.
    pub height: f64,
}

/// A circle.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Circle {
    /// The radius.
    #[schemars(range(min = 0.0))]
    pub radius: f64,
}

/// A polygon without crossings.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Polygon {
    /// Its corners [x, y], in order; at least three.
    #[schemars(length(min = 3))]
    pub vertices: Vec<[f64; 2]>,
}

/// Two points.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Ends {
    /// The first, [x, y].
    #[serde(rename = "pointA")]
    pub a: [f64; 2],
    /// The second, [x, y].
    #[serde(rename = "pointB")]
    pub b: [f64; 2],
}

/// Points on a grid.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Points {
    /// The points [x, y]; at most 500.
    #[schemars(length(max = 500))]
    pub points: Vec<[i32; 2]>,
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "calculate_triangle_area",
            "Calculates the area of a triangle from its base and height.",
            |p: Triangle| finite(p.base * p.height / 2.0),
        ),
        pure(
            "geometry_area_circle",
            "Calculates the area of a circle.",
            |p: Circle| finite(std::f64::consts::PI * p.radius * p.radius),
        ),
        pure(
            "polygon_area",
            "Calculates the area of a polygon from its vertices (shoelace formula).",
            polygon_area,
        ),
        pure(
            "get_distance",
            "Calculates the distance between two points of the plane.",
            |p: Ends| finite((p.a[0] - p.b[0]).hypot(p.a[1] - p.b[1])),
        ),
        pure(
            "maxPoints",
            "Finds the largest number of points that lie on one line.",
            |p: Points| Ok(most_on_one_line(&p.points)),
        ),
    ]
}

fn polygon_area(p: Polygon) -> Result<f64, ToolError> {
    if p.vertices.len() < 3 {
        return Err(undefined("a polygon has at least three vertices"));
    }
    let next = p.vertices.iter().cycle().skip(1);
    let twice: f64 = p
        .vertices
        .iter()
        .zip(next)
        .map(|([ax, ay], [bx, by])| ax * by - bx * ay)
        .sum();
    finite(twice.abs() / 2.0)
}

/// Counts equal points each.
fn most_on_one_line(points: &[[i32; 2]]) -> usize {
    let mut most = points.len().min(1);
    for (index, from) in points.iter().enumerate() {
        let mut here = 1;
        let mut directions = HashMap::new();
        for to in &points[index + 1..] {
            match direction(*from, *to) {
                None => here += 1,
                Some(direction) => *directions.entry(direction).or_insert(0) += 1,
            }
        }
        most = most.max(here + directions.into_values().max().unwrap_or(0));
    }
    most
}

/// The same for every point of a line through `from`, on either side; `None` for `from` itself.
fn direction(from: [i32; 2], to: [i32; 2]) -> Option<(i64, i64)> {
    let (x, y) = (
        i64::from(to[0]) - i64::from(from[0]),
        i64::from(to[1]) - i64::from(from[1]),
    );
    let common = i64::try_from(gcd(x.unsigned_abs(), y.unsigned_abs())).expect("differences of 32 bits");
    if common == 0 {
        return None;
    }
    let sign = if x < 0 || (x == 0 && y < 0) { -1 } else { 1 };
    Some((sign * x / common, sign * y / common))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn polygon_areas_do_not_depend_on_the_direction() {
        let square = vec![[0.0, 0.0], [2.0, 0.0], [2.0, 2.0], [0.0, 2.0]];
        let turned = square.iter().rev().copied().collect();
        assert_eq!(polygon_area(Polygon { vertices: square }), Ok(4.0));
        assert_eq!(polygon_area(Polygon { vertices: turned }), Ok(4.0));
        assert!(
            polygon_area(Polygon {
                vertices: vec![[0.0, 0.0], [1.0, 1.0]]
            })
            .is_err()
        );
    }

    #[test]
    fn points_on_one_line_are_found_in_every_direction() {
        assert_eq!(most_on_one_line(&[]), 0);
        assert_eq!(most_on_one_line(&[[3, 3]]), 1);
        assert_eq!(most_on_one_line(&[[1, 1], [2, 2], [3, 4], [5, 5]]), 3);
        assert_eq!(most_on_one_line(&[[0, 0], [0, 5], [0, -5], [1, 1]]), 3);
        assert_eq!(most_on_one_line(&[[1, 1], [1, 1], [1, 1]]), 3);
        assert_eq!(
            most_on_one_line(&[[i32::MIN, i32::MIN], [0, 0], [i32::MAX, i32::MAX]]),
            3
        );
    }
}
