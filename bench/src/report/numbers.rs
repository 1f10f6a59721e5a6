//! What is made of the values of several runs: medians, ranges, ratios, and how a number is written.
//! Knows nothing of scenarios.

use crate::results::median;

/// The least and the greatest value.
pub(crate) fn range(values: &[f64]) -> Option<(f64, f64)> {
    let least = values.iter().copied().min_by(f64::total_cmp)?;
    let most = values.iter().copied().max_by(f64::total_cmp)?;
    Some((least, most))
}

/// The median of the ratios of runs that were made one beside the other. A machine that is slow for a
/// minute is slow for both of a pair, so this says more than the ratio of two medians. None when the runs
/// are not pairs.
pub(crate) fn paired_ratio(ours: &[f64], floor: &[f64]) -> Option<f64> {
    if ours.is_empty() || ours.len() != floor.len() || floor.contains(&0.0) {
        return None;
    }
    let ratios: Vec<f64> = ours.iter().zip(floor).map(|(ours, floor)| ours / floor).collect();
    Some(median(&ratios))
}

/// Three digits that count, four from a thousand on, with commas: `0.652`, `28.4`, `253,400`.
pub(crate) fn number(value: f64) -> String {
    if value == 0.0 {
        return "0".into();
    }
    let digits: i32 = if value.abs() >= 1000.0 { 4 } else { 3 };
    let decimals = digits - 1 - magnitude(value);
    if decimals > 0 {
        return format!("{value:.*}", usize::try_from(decimals).unwrap_or(0));
    }
    let scale = 10_f64.powi(-decimals);
    with_commas(&format!("{:.0}", (value / scale).round() * scale))
}

/// A coordinate: as it is, without zeros that say nothing: `0.5`, `10,000`.
pub(crate) fn coordinate(value: f64) -> String {
    if value.fract() == 0.0 {
        with_commas(&format!("{value:.0}"))
    } else {
        value.to_string()
    }
}

/// A unit that stands behind a number; a ratio has none.
pub(crate) fn with_unit(value: f64, unit: &str) -> String {
    match unit {
        "" | "ratio" => number(value),
        unit => format!("{} {unit}", number(value)),
    }
}

fn magnitude(value: f64) -> i32 {
    // exact, unlike a logarithm: 1000.log10() may fall short of 3
    let written = format!("{:e}", value.abs());
    written
        .split_once('e')
        .and_then(|(_, exponent)| exponent.parse().ok())
        .unwrap_or(0)
}

fn with_commas(digits: &str) -> String {
    let (sign, digits) = digits.strip_prefix('-').map_or(("", digits), |rest| ("-", rest));
    let mut grouped = String::from(sign);
    for (index, digit) in digits.chars().enumerate() {
        if index > 0 && (digits.len() - index).is_multiple_of(3) {
            grouped.push(',');
        }
        grouped.push(digit);
    }
    grouped
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_ratio_is_of_pairs_and_not_of_medians() {
        // medians 200 and 100 would give 2
        let (ours, floor) = ([100.0, 200.0, 300.0], [100.0, 50.0, 200.0]);
        assert_eq!(paired_ratio(&ours, &floor), Some(1.5));
    }

    #[test]
    fn runs_that_are_no_pairs_have_no_ratio() {
        assert_eq!(paired_ratio(&[1.0, 2.0], &[1.0]), None);
        assert_eq!(paired_ratio(&[1.0], &[0.0]), None);
        assert_eq!(paired_ratio(&[], &[]), None);
    }

    #[test]
    fn numbers_have_as_many_digits_as_they_are_worth() {
        for (value, written) in [
            (0.0, "0"),
            (0.065_21, "0.0652"),
            (0.6521, "0.652"),
            (1.0, "1.00"),
            (28.44, "28.4"),
            (100.0, "100"),
            (999.4, "999"),
            (1000.0, "1,000"),
            (253_412.0, "253,400"),
            (1_271_331.0, "1,271,000"),
            (-2_500.0, "-2,500"),
        ] {
            assert_eq!(number(value), written);
        }
        assert_eq!(coordinate(0.5), "0.5");
        assert_eq!(coordinate(10_000.0), "10,000");
    }
}
