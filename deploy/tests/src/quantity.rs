//! Quantities of Kubernetes: `500m`, `256Mi`.

/// In units: cores, bytes.
pub(crate) fn parse(text: &str) -> Option<f64> {
    let end = text.find(|c: char| c.is_ascii_alphabetic()).unwrap_or(text.len());
    let (number, unit) = text.split_at(end);
    let factor = match unit {
        "" => 1.0,
        "m" => 1e-3,
        "k" => 1e3,
        "M" => 1e6,
        "G" => 1e9,
        "Ki" => 1024.0,
        "Mi" => 1024.0 * 1024.0,
        "Gi" => 1024.0 * 1024.0 * 1024.0,
        _ => return None,
    };
    number
        .parse::<f64>()
        .ok()
        .filter(|number| *number >= 0.0)
        .map(|number| number * factor)
}
