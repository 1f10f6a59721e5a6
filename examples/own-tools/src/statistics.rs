//! Samples and chances.

use schemars::JsonSchema;
use serde::Deserialize;
use toolwave_worker::{SharedTool, ToolError};

use crate::{finite, pure, undefined};

/// A sample.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Sample {
    /// The numbers; at least one.
    #[schemars(length(min = 1))]
    pub numbers: Vec<f64>,
}

/// Independent trials with the same chance.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Trials {
    /// The number of trials, at most 1000.
    #[schemars(range(max = 1000))]
    pub n: u16,
    /// The number of successes.
    pub k: u16,
    /// The probability of success.
    #[schemars(range(min = 0.0, max = 1.0))]
    pub p: f64,
}

/// Points, and where to read the line through them.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Regression {
    /// The x coordinates of the points.
    pub x: Vec<f64>,
    /// Their y coordinates.
    pub y: Vec<f64>,
    /// The x coordinate to evaluate the line at.
    pub point: f64,
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "calculate_mean",
            "Calculates the mean of a list of numbers.",
            |p: Sample| mean(&p.numbers),
        ),
        pure(
            "calculate_standard_deviation",
            "Calculates the standard deviation of a whole population.",
            |p: Sample| deviation(&p.numbers),
        ),
        pure(
            "calc_binomial_probability",
            "Calculates the probability of k successes in n trials.",
            |p: Trials| finite(binomial(p.n, p.k, p.p)),
        ),
        pure(
            "linear_regression",
            "Fits a line to points and evaluates it at a given point.",
            regression,
        ),
    ]
}

fn mean(numbers: &[f64]) -> Result<f64, ToolError> {
    if numbers.is_empty() {
        return Err(undefined("no numbers have no mean"));
    }
    finite(numbers.iter().sum::<f64>() / count(numbers))
}

fn deviation(numbers: &[f64]) -> Result<f64, ToolError> {
    let mean = mean(numbers)?;
    let squares: f64 = numbers.iter().map(|number| (number - mean).powi(2)).sum();
    finite((squares / count(numbers)).sqrt())
}

fn binomial(n: u16, k: u16, p: f64) -> f64 {
    if k > n {
        return 0.0;
    }
    let ways: f64 = (1..=k.min(n - k))
        .map(|i| f64::from(n + 1 - i) / f64::from(i))
        .product();
    ways * p.powi(k.into()) * (1.0 - p).powi((n - k).into())
}

fn regression(p: Regression) -> Result<f64, ToolError> {
    if p.x.len() != p.y.len() {
        return Err(undefined(format!(
            "{} x coordinates for {} y coordinates",
            p.x.len(),
            p.y.len()
        )));
    }
    let (x, y) = (mean(&p.x)?, mean(&p.y)?);
    let spread: f64 = p.x.iter().map(|value| (value - x).powi(2)).sum();
    if spread == 0.0 {
        return Err(undefined("all x coordinates are equal"));
    }
    let shared: f64 = p.x.iter().zip(&p.y).map(|(a, b)| (a - x) * (b - y)).sum();
    finite(y + shared / spread * (p.point - x))
}

#[allow(
    clippy::cast_precision_loss,
    reason = "no list that fits a call has 2^53 numbers"
)]
fn count(numbers: &[f64]) -> f64 {
    numbers.len() as f64
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_deviation_is_that_of_the_whole_population() {
        assert_eq!(deviation(&[2.0, 4.0, 4.0, 4.0, 5.0, 5.0, 7.0, 9.0]), Ok(2.0));
        assert!(mean(&[]).is_err());
    }

    #[test]
    fn chances_add_up_to_one() {
        let all: f64 = (0..=1000).map(|k| binomial(1000, k, 0.3)).sum();
        assert!((all - 1.0).abs() < 1e-10, "{all}");
        assert_eq!(
            [binomial(10, 5, 0.5), binomial(3, 4, 0.5), binomial(0, 0, 0.0)],
            [0.246_093_75, 0.0, 1.0]
        );
    }

    #[test]
    fn a_line_needs_points_apart() {
        let line = |x: &[f64], y: &[f64]| {
            regression(Regression {
                x: x.into(),
                y: y.into(),
                point: 10.0,
            })
        };
        assert_eq!(line(&[1.0, 2.0, 3.0], &[4.0, 5.0, 6.0]), Ok(13.0));
        assert!(line(&[1.0, 1.0], &[1.0, 2.0]).is_err());
        assert!(line(&[1.0], &[1.0, 2.0]).is_err());
        assert!(line(&[], &[]).is_err());
    }
}
