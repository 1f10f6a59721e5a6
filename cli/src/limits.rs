//! `toolwave limits`: every limit of a cluster that is set, how much of it is used, and how many calls wait for it.

use clap::Args;
use comfy_table::{Cell, CellAlignment, Color};
use serde_json::{Value, json};
use toolwave_client::{Client, v1};

use crate::{
    args::{OutputArgs, OutputFormat, RemoteArgs},
    asking::{self, ask},
    failure::{Failure, Verdict},
    output::{self, Look},
    text, words,
};

#[derive(Debug, Args)]
pub(crate) struct LimitsArgs {
    #[command(flatten)]
    pub(crate) remote: RemoteArgs,
    #[command(flatten)]
    pub(crate) output: OutputArgs,
}

pub(crate) async fn limits(args: LimitsArgs) -> Result<Verdict, Failure> {
    let cluster = ask(&args.remote, async |client| cluster(&client).await).await?;
    match args.output.format {
        OutputFormat::Json => {
            output::write_json(&cluster.limits.iter().map(limit_json).collect::<Vec<_>>())?;
        }
        OutputFormat::Text => output::write(&limits_text(&cluster.limits, Look::of_stdout()))?,
    }
    Ok(Verdict::Success)
}

pub(crate) async fn cluster(client: &Client) -> Result<v1::GetClusterResponse, Failure> {
    match client.cluster().await {
        Ok(cluster) => Ok(cluster),
        Err(error) => Err(asking::explained(client, "GetCluster", error).await),
    }
}

fn limits_text(limits: &[v1::LimitStatus], look: Look) -> String {
    if limits.is_empty() {
        return "no limits are set\n".to_owned();
    }
    let mut table = look.table(&["limit", "of", "in use", "limit", "calls waiting"]);
    for limit in limits {
        let right = |text: String| Cell::new(text).set_alignment(CellAlignment::Right);
        let waiting = match limit.waiting {
            0 => look.cell(&waiting(limit), Color::Reset),
            _ => look.cell(&waiting(limit), Color::Yellow),
        };
        table.add_row(vec![
            Cell::new(text::printable(&limit.setting)),
            Cell::new(of(limit)),
            right(amount(&limit.setting, limit.in_use)),
            right(amount(&limit.setting, limit.limit)),
            waiting.set_alignment(CellAlignment::Right),
        ]);
    }
    format!("{}\n", table.trim_fmt())
}

/// Whose limit it is.
pub(crate) fn of(limit: &v1::LimitStatus) -> String {
    match limit.subject.as_str() {
        "" => "-".to_owned(),
        subject => text::printable(subject),
    }
}

/// How many calls wait for it; of a limit beyond which nothing waits, that.
pub(crate) fn waiting(limit: &v1::LimitStatus) -> String {
    match (limit.reason(), limit.waiting) {
        (v1::WaitReason::Unspecified, 0) => "refused".to_owned(),
        (_, waiting) => waiting.to_string(),
    }
}

/// Calls and rates as they are, bytes in the unit that fits.
pub(crate) fn amount(setting: &str, amount: f64) -> String {
    const UNITS: [&str; 5] = ["B", "KiB", "MiB", "GiB", "TiB"];
    if !amount.is_finite() {
        return "-".to_owned();
    }
    if !setting.contains("bytes") {
        return match amount.fract() == 0.0 || amount.abs() >= 1e6 {
            true if amount.abs() >= 1e15 => format!("{amount:.1e}"),
            true => format!("{amount:.0}"),
            false => format!("{amount:.1}"),
        };
    }
    let (mut amount, mut unit) = (amount, 0);
    while amount >= 1024.0 && unit + 1 < UNITS.len() {
        amount /= 1024.0;
        unit += 1;
    }
    match amount >= 100.0 || amount.fract() == 0.0 {
        true => format!("{amount:.0} {}", UNITS[unit]),
        false => format!("{amount:.1} {}", UNITS[unit]),
    }
}

fn limit_json(limit: &v1::LimitStatus) -> Value {
    json!({
        "setting": limit.setting,
        "subject": limit.subject,
        "reason": words::wait_reason(limit.reason()),
        "limit": finite(limit.limit),
        "in_use": finite(limit.in_use),
        "waiting": limit.waiting,
    })
}

/// JSON has no infinity.
fn finite(amount: f64) -> Option<f64> {
    amount.is_finite().then_some(amount)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn amounts_have_the_unit_of_their_setting() {
        assert_eq!(amount("max_in_flight", 64.0), "64");
        assert_eq!(amount("rate", 2.5), "2.5");
        assert_eq!(amount("max_payload_bytes", 1_610_612_736.0), "1.5 GiB");
        assert_eq!(amount("max_payload_bytes", 512.0), "512 B");
        assert_eq!(amount("rate", f64::INFINITY), "-");
        assert_eq!(amount("rate", f64::MAX), "1.8e308");
    }
}
