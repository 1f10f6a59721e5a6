//! Equations, vectors, matrices, derivatives.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use toolwave_worker::{SharedTool, ToolError};

use crate::{expression::Expression, finite, pure, undefined};

/// a x² + b x + c = 0.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Quadratic {
    /// The coefficient of x²; not zero.
    pub a: f64,
    /// The coefficient of x.
    pub b: f64,
    /// The constant.
    pub c: f64,
}

/// A solution.
#[derive(Debug, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Root {
    /// On the real line.
    Real(f64),
    /// Off it.
    Complex {
        /// Its real part.
        real: f64,
        /// Its imaginary part.
        imaginary: f64,
    },
}

/// Two matrices, as lists of rows.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Matrices {
    /// The first.
    #[serde(rename = "matA")]
    pub a: Vec<Vec<f64>>,
    /// The second, with as many rows as the first has columns.
    #[serde(rename = "matB")]
    pub b: Vec<Vec<f64>>,
}

/// Two vectors of one length.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Vectors {
    /// The first.
    #[serde(rename = "vectorA")]
    pub a: Vec<f64>,
    /// The second.
    #[serde(rename = "vectorB")]
    pub b: Vec<f64>,
}

/// A function, and where to look at its slope.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Slope {
    /// As a Python lambda of one variable, with + - * / ** and parentheses: `lambda x: 3*x**2 + 2*x - 1`.
    #[schemars(length(max = 1000))]
    pub function: String,
    /// The point.
    pub x: f64,
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "quadratic_roots",
            "Calculates the roots of a quadratic equation.",
            quadratic_roots,
        ),
        pure("mat_mul", "Multiplies two matrices.", product),
        pure(
            "calculate_cosine_similarity",
            "Calculates the cosine similarity of two vectors.",
            cosine,
        ),
        pure(
            "estimate_derivative",
            "Calculates the derivative of a function at a given point.",
            |p: Slope| {
                let expression = Expression::parse(&p.function)
                    .map_err(|error| ToolError::new("UNREADABLE_FUNCTION", error.to_string()))?;
                finite(expression.derivative(p.x))
            },
        ),
    ]
}

fn quadratic_roots(p: Quadratic) -> Result<[Root; 2], ToolError> {
    if p.a == 0.0 {
        return Err(undefined("a is zero: the equation is not quadratic"));
    }
    let square = p.b * p.b - 4.0 * p.a * p.c;
    let (middle, away) = (
        finite(-p.b / (2.0 * p.a))?,
        finite(square.abs().sqrt() / (2.0 * p.a))?,
    );
    Ok(if square < 0.0 {
        [away, -away].map(|imaginary| Root::Complex {
            real: middle,
            imaginary,
        })
    } else {
        [Root::Real(middle + away), Root::Real(middle - away)]
    })
}

fn product(p: Matrices) -> Result<Vec<Vec<f64>>, ToolError> {
    let columns = p.b.first().map_or(0, Vec::len);
    if p.b.iter().any(|row| row.len() != columns) || p.a.iter().any(|row| row.len() != p.b.len()) {
        return Err(undefined(
            "each row of matA needs as many numbers as matB has rows, and matB's rows one length",
        ));
    }
    let cell = |row: &Vec<f64>, column: usize| finite(row.iter().zip(&p.b).map(|(a, b)| a * b[column]).sum());
    p.a.iter()
        .map(|row| (0..columns).map(|column| cell(row, column)).collect())
        .collect()
}

fn cosine(p: Vectors) -> Result<f64, ToolError> {
    if p.a.len() != p.b.len() {
        return Err(undefined(format!(
            "vectors of {} and {} numbers",
            p.a.len(),
            p.b.len()
        )));
    }
    let dot = |a: &[f64], b: &[f64]| a.iter().zip(b).map(|(a, b)| a * b).sum::<f64>();
    let lengths = dot(&p.a, &p.a).sqrt() * dot(&p.b, &p.b).sqrt();
    if lengths == 0.0 {
        return Err(undefined("a vector of length zero has no direction"));
    }
    finite(dot(&p.a, &p.b) / lengths)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn roots_are_real_or_complex() {
        let roots = |a, b, c| quadratic_roots(Quadratic { a, b, c });
        assert_eq!(roots(1.0, -3.0, 2.0), Ok([Root::Real(2.0), Root::Real(1.0)]));
        let text = serde_json::to_string(&roots(1.0, 2.0, 5.0).unwrap()).unwrap();
        assert_eq!(
            text,
            r#"[{"real":-1.0,"imaginary":2.0},{"real":-1.0,"imaginary":-2.0}]"#
        );
        assert!(roots(0.0, 1.0, 1.0).is_err());
    }

    #[test]
    fn matrices_must_fit() {
        let multiply = |a: &[&[f64]], b: &[&[f64]]| {
            let rows = |matrix: &[&[f64]]| matrix.iter().map(|row| row.to_vec()).collect();
            product(Matrices {
                a: rows(a),
                b: rows(b),
            })
        };
        assert_eq!(multiply(&[&[1.0, 2.0]], &[&[3.0], &[4.0]]), Ok(vec![vec![11.0]]));
        assert!(multiply(&[&[1.0, 2.0]], &[&[3.0, 4.0]]).is_err());
        assert!(multiply(&[&[1.0, 2.0]], &[&[3.0], &[4.0, 5.0]]).is_err());
    }

    #[test]
    fn similarity_needs_a_direction() {
        assert_eq!(
            cosine(Vectors {
                a: vec![3.0, 4.0],
                b: vec![3.0, 4.0]
            }),
            Ok(1.0)
        );
        assert!(
            cosine(Vectors {
                a: vec![0.0],
                b: vec![1.0]
            })
            .is_err()
        );
        assert!(
            cosine(Vectors {
                a: vec![1.0],
                b: vec![1.0, 2.0]
            })
            .is_err()
        );
    }
}
