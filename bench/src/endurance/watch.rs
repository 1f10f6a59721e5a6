//! What a process holds while something goes on: resident memory and descriptors, looked at every so often.

use std::{fs, future::Future, io, time::Duration};

use anyhow::Context as _;

use crate::measure::{float, resident_bytes};

/// A look at a process.
#[derive(Clone, Copy, Debug)]
pub(super) struct Look {
    /// Since the first.
    pub(super) at: Duration,
    pub(super) resident: u64,
    pub(super) descriptors: usize,
}

/// Looks at a process until the work has ended.
///
/// # Errors
/// Those of the work; a process that has ended.
pub(super) async fn watched<T>(
    process: u32,
    every: Duration,
    work: impl Future<Output = anyhow::Result<T>>,
) -> anyhow::Result<(T, Vec<Look>)> {
    let start = tokio::time::Instant::now();
    let mut looks = vec![look(process, start.elapsed())?];
    let mut interval = tokio::time::interval_at(start + every, every);
    tokio::pin!(work);
    loop {
        tokio::select! {
            done = &mut work => {
                looks.push(look(process, start.elapsed())?);
                return Ok((done?, looks));
            }
            _ = interval.tick() => looks.push(look(process, start.elapsed())?),
        }
    }
}

fn look(process: u32, at: Duration) -> anyhow::Result<Look> {
    let resident = resident_bytes(process).context("the process cannot be looked at")?;
    let descriptors = open_descriptors(process)?;
    Ok(Look {
        at,
        resident,
        descriptors,
    })
}

fn open_descriptors(process: u32) -> io::Result<usize> {
    Ok(fs::read_dir(format!("/proc/{process}/fd"))?.count())
}

/// MiB an hour: the least-squares line through the resident memory of the last three quarters of the looks; what
/// comes before is warming up.
pub(super) fn slope(looks: &[Look]) -> f64 {
    let looks = &looks[looks.len() / 4..];
    let count = float(looks.len() as u64);
    let hours = |look: &Look| look.at.as_secs_f64() / 3600.0;
    let mebibytes = |look: &Look| float(look.resident) / 1024.0 / 1024.0;
    let mean_x = looks.iter().map(hours).sum::<f64>() / count;
    let mean_y = looks.iter().map(mebibytes).sum::<f64>() / count;
    let (mut covariance, mut variance) = (0.0, 0.0);
    for look in looks {
        let x = hours(look) - mean_x;
        covariance += x * (mebibytes(look) - mean_y);
        variance += x * x;
    }
    if variance == 0.0 {
        0.0
    } else {
        covariance / variance
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_slope_is_that_of_the_line_after_the_first_quarter() {
        let looks: Vec<Look> = (0..40_u32)
            .map(|index| Look {
                at: Duration::from_secs(u64::from(index) * 90),
                // 40 looks are an hour; 10 MiB in it, after a jump in the first quarter
                resident: if index < 10 {
                    0
                } else {
                    u64::from(index) * (10 << 20) / 40
                },
                descriptors: 1,
            })
            .collect();
        assert!((slope(&looks) - 10.0).abs() < 0.01, "{}", slope(&looks));
        assert!(slope(&looks[..1]).abs() < 1e-9);
    }

    #[tokio::test]
    async fn this_process_is_seen_with_its_memory_and_descriptors() {
        let ((), looks) = watched(std::process::id(), Duration::from_millis(1), async {
            tokio::time::sleep(Duration::from_millis(20)).await;
            Ok(())
        })
        .await
        .unwrap();
        assert!(looks.len() > 2 && looks.iter().all(|look| look.resident > 0 && look.descriptors > 0));
    }
}
