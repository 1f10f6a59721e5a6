//! Mechanics and electricity, in SI units.

use schemars::JsonSchema;
use serde::Deserialize;
use toolwave_worker::{SharedTool, ToolError};

use crate::{finite, pure, undefined};

/// A body.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Body {
    /// In kilograms.
    pub mass: f64,
    /// In cubic metres.
    pub volume: f64,
}

/// A motion with constant acceleration.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Motion {
    /// In metres a second.
    pub initial_velocity: f64,
    /// In metres a second squared.
    pub acceleration: f64,
    /// In seconds.
    pub time: f64,
}

/// A charge in a potential.
#[derive(Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Charge {
    /// In coulombs.
    pub charge: f64,
    /// In volts.
    pub voltage: f64,
}

pub(crate) fn tools() -> Vec<SharedTool> {
    vec![
        pure(
            "calculate_density",
            "Calculates the density of an object.",
            density,
        ),
        pure(
            "calculate_displacement",
            "Calculates the displacement of an object.",
            |p: Motion| finite(p.initial_velocity * p.time + 0.5 * p.acceleration * p.time * p.time),
        ),
        pure(
            "calculate_final_velocity",
            "Calculates the final velocity of an object.",
            |p: Motion| finite(p.initial_velocity + p.acceleration * p.time),
        ),
        pure(
            "calculate_electrostatic_potential_energy",
            "Calculates the electrostatic potential energy of a charge.",
            |p: Charge| finite(p.charge * p.voltage),
        ),
    ]
}

fn density(p: Body) -> Result<f64, ToolError> {
    if p.volume == 0.0 {
        return Err(undefined("the volume is zero"));
    }
    finite(p.mass / p.volume)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_body_without_volume_has_no_density() {
        assert_eq!(
            density(Body {
                mass: 50.0,
                volume: 10.0
            }),
            Ok(5.0)
        );
        assert_eq!(
            density(Body {
                mass: 50.0,
                volume: 0.0
            })
            .unwrap_err()
            .code,
            "UNDEFINED"
        );
        assert!(
            density(Body {
                mass: 1e300,
                volume: 1e-300
            })
            .is_err()
        );
    }
}
