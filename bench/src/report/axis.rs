//! Where an axis begins and ends, and which of its values are written beside it.

use super::numbers::range;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Scale {
    Linear,
    /// For values above 0 only; others are drawn at the left or lower end.
    Logarithmic,
}

/// What an axis shows.
#[derive(Debug)]
pub(super) struct Axis {
    pub(super) from: f64,
    pub(super) to: f64,
    /// In order; those that are written.
    pub(super) marks: Vec<f64>,
}

/// More values than these would be written over each other.
const MOST_MARKS: usize = 12;

impl Axis {
    /// An axis on which the values themselves are marked, if they are few.
    pub(super) fn of_points(scale: Scale, values: &[f64]) -> Self {
        let mut axis = Self::of_values(scale, values);
        let mut marks = values.to_vec();
        marks.sort_by(f64::total_cmp);
        marks.dedup();
        if marks.len() <= MOST_MARKS {
            axis.marks = marks;
        }
        axis
    }

    /// An axis with round marks. A linear one begins at 0, so that lengths can be compared.
    pub(super) fn of_values(scale: Scale, values: &[f64]) -> Self {
        let (least, most) = range(values).unwrap_or((0.0, 1.0));
        match scale {
            Scale::Linear => {
                let to = if most > 0.0 { most * 1.1 } else { 1.0 };
                let step = step(to);
                let marks = (0_u32..)
                    .map(|count| f64::from(count) * step)
                    .take_while(|mark| *mark <= to);
                Self {
                    from: 0.0,
                    to,
                    marks: marks.collect(),
                }
            }
            Scale::Logarithmic => {
                let least = if least > 0.0 {
                    least
                } else {
                    f64::MIN_POSITIVE.max(most / 1e6)
                };
                let (from, to) = (least / 1.3, most.max(least) * 1.3);
                let marks =
                    (-12..=12).flat_map(|power| [1.0, 2.0, 5.0].map(|first| first * 10_f64.powi(power)));
                Self {
                    from,
                    to,
                    marks: marks.filter(|mark| (from..=to).contains(mark)).collect(),
                }
            }
        }
    }
}

/// A round step that divides `to` into five to ten or so.
fn step(to: f64) -> f64 {
    let power = 10_f64.powf((to / 5.0).log10().floor());
    let steps = [1.0, 2.0, 5.0, 10.0].map(|first| first * power);
    steps
        .into_iter()
        .find(|step| to / step <= 8.0)
        .unwrap_or(10.0 * power)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_linear_axis_begins_at_nothing_and_has_round_marks() {
        let axis = Axis::of_values(Scale::Linear, &[180_000.0, 240_000.0]);
        assert_eq!(axis.from, 0.0);
        assert_eq!(
            axis.marks,
            [0.0, 50_000.0, 100_000.0, 150_000.0, 200_000.0, 250_000.0]
        );
    }

    #[test]
    fn a_logarithmic_axis_holds_all_values_and_marks_1_2_and_5() {
        let axis = Axis::of_values(Scale::Logarithmic, &[90.0, 1_100.0]);
        assert!(axis.from < 90.0 && axis.to > 1_100.0);
        assert_eq!(axis.marks, [100.0, 200.0, 500.0, 1_000.0]);
    }

    #[test]
    fn the_points_of_a_curve_are_its_marks() {
        let axis = Axis::of_points(Scale::Logarithmic, &[100.0, 1.0, 8.0, 8.0]);
        assert_eq!(axis.marks, [1.0, 8.0, 100.0]);
    }
}
