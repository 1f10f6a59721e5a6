//! Open loop: executions arrive at a constant rate, whatever became of those before them.
//!
//! When each one is due is settled before the first, and latency counts from then: whoever falls behind, the
//! system or the client itself, has it in the figures.

use std::{
    future::Future,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use anyhow::Context as _;
use futures_util::{StreamExt as _, stream::FuturesUnordered};
use tokio::sync::mpsc;

use crate::{
    connections::Connect,
    measure::{Latencies, Meter, Spent, float},
};

/// Until the first one is due.
const LEAD: Duration = Duration::from_millis(2);

/// Moments at a constant rate. A thread of its own keeps them, since a runtime's timers are as coarse as a
/// millisecond.
pub(crate) struct Arrivals {
    due: mpsc::Receiver<Instant>,
    clock: Option<JoinHandle<()>>,
}

impl Arrivals {
    /// So many, so many a second.
    ///
    /// # Panics
    /// When the rate is no number above zero.
    pub(crate) fn new(count: usize, rate: f64) -> Self {
        assert!(rate.is_finite() && rate > 0.0, "{rate} arrivals a second");
        // room for all: the clock never waits for its reader
        let (sender, due) = mpsc::channel(count.max(1));
        let clock = thread::spawn(move || {
            let start = Instant::now() + LEAD;
            for index in 0..count {
                let due = start + Duration::from_secs_f64(float(index as u64) / rate);
                let left = due.saturating_duration_since(Instant::now());
                if !left.is_zero() {
                    thread::sleep(left);
                }
                // nobody reads any more
                if sender.try_send(due).is_err() {
                    return;
                }
            }
        });
        Self {
            due,
            clock: Some(clock),
        }
    }

    /// When the next one was due, once it is; `None` after the last.
    pub(crate) async fn next(&mut self) -> Option<Instant> {
        self.due.recv().await
    }
}

impl Drop for Arrivals {
    fn drop(&mut self) {
        self.due.close();
        if let Some(clock) = self.clock.take() {
            // it only ever sleeps until the next arrival
            let _ = clock.join();
        }
    }
}

/// Starts `run` for each arrival, with the moment it was due, and gives `take` what comes of it, until all have ended.
///
/// # Errors
/// Those of `run` and of `take`.
pub(crate) async fn at_each<T, F: Future<Output = anyhow::Result<T>>>(
    mut arrivals: Arrivals,
    mut run: impl FnMut(Instant) -> F,
    mut take: impl FnMut(T) -> anyhow::Result<()>,
) -> anyhow::Result<()> {
    let mut running = FuturesUnordered::new();
    let mut more = true;
    while more || !running.is_empty() {
        tokio::select! {
            // those that are due go first, however much has come back
            biased;
            due = arrivals.next(), if more => match due {
                Some(due) => running.push(run(due)),
                None => more = false,
            },
            Some(ended) = running.next(), if !running.is_empty() => take(ended?)?,
        }
    }
    Ok(())
}

/// Runs each request as an execution that arrives at its time, over the connections in turn.
///
/// # Errors
/// When a call does not succeed.
pub(crate) async fn open_loop<S: Connect>(
    system: &S,
    connections: &[S::Connection],
    requests: Vec<S::Request>,
    rate: f64,
) -> anyhow::Result<(Latencies, Spent)> {
    let mut latencies = Latencies::new()?;
    let arrivals = Arrivals::new(requests.len(), rate);
    let mut next = requests.into_iter().zip(connections.iter().cycle());
    let meter = Meter::start(&system.watched())?;
    let run = |due: Instant| {
        let next = next.next();
        async move {
            let (request, connection) = next.context("more arrivals than requests")?;
            let answer = system.run_over(connection, request).await?;
            Ok((due.elapsed(), answer))
        }
    };
    at_each(arrivals, run, |(latency, answer)| {
        latencies.add(latency);
        system.check(&answer)
    })
    .await?;
    Ok((latencies, meter.stop()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn arrivals_come_when_they_are_due_and_at_their_rate() {
        let mut arrivals = Arrivals::new(100, 10_000.0);
        let mut due = Vec::new();
        while let Some(moment) = arrivals.next().await {
            assert!(moment <= Instant::now());
            due.push(moment);
        }
        assert_eq!(due.len(), 100);
        let between = (due[99] - due[0]) / 99;
        assert_eq!(between.as_micros(), 100);
    }

    #[tokio::test]
    async fn a_late_answer_holds_up_no_arrival() {
        let (sender, _) = tokio::sync::broadcast::channel(1);
        let mut left = 5;
        let run = |_| {
            left -= 1;
            let mut last = sender.subscribe();
            if left == 0 {
                // nobody is answered before the last has arrived
                let _ = sender.send(());
            }
            async move { Ok(last.recv().await?) }
        };
        let mut ended = 0;
        at_each(Arrivals::new(5, 1000.0), run, |()| {
            ended += 1;
            Ok(())
        })
        .await
        .unwrap();
        assert_eq!(ended, 5);
    }
}
