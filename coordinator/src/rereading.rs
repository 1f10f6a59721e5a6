//! The configuration read again while the coordinator runs: on SIGHUP, and when its file has changed. Flags and
//! environment lie over the file as they did at the start. A file that is wrong changes nothing.

use std::{io, time::Duration};

use clap::ArgMatches;
use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    time::{Instant, Interval, MissedTickBehavior},
};
use toolwave_config::{Problem, Sources, Watch};
use toolwave_coordinator::{Config, Coordinator, config::Wrong};
use toolwave_telemetry::logs::LogControl;

use crate::flags::Flags;

/// Between two looks at the file; a change counts at the second that sees it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// Reads again.
pub(crate) struct Rereading {
    flags: Flags,
    matches: ArgMatches,
    /// `None` where there is no file.
    watch: Option<Watch>,
    logs: LogControl,
    hangup: Option<Signal>,
    ticks: Option<Interval>,
}

// === impl Rereading ===

impl Rereading {
    pub(crate) fn new(flags: Flags, matches: ArgMatches, watch: Option<Watch>, logs: LogControl) -> Self {
        Self {
            flags,
            matches,
            watch,
            logs,
            hangup: None,
            ticks: None,
        }
    }

    /// Hears SIGHUP from here on, which would end the program else.
    pub(crate) fn listen(&mut self) -> io::Result<()> {
        self.hangup = Some(signal(SignalKind::hangup())?);
        let mut ticks = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        self.ticks = Some(ticks);
        Ok(())
    }

    /// Waits until it is to be read again. Dropped in between, it loses no signal and no change.
    pub(crate) async fn due(&mut self) {
        let (Some(hangup), Some(ticks)) = (&mut self.hangup, &mut self.ticks) else {
            return std::future::pending().await;
        };
        loop {
            tokio::select! {
                heard = hangup.recv() => if heard.is_some() {
                    if let Some(watch) = &mut self.watch {
                        watch.is_read();
                    }
                    return;
                },
                _ = ticks.tick() => {
                    // A small file of this host: as short as any look at a certificate.
                    if self.watch.as_mut().is_some_and(Watch::changed) {
                        return;
                    }
                }
            }
        }
    }

    /// Reads, checks and puts in force, and says what came of it.
    pub(crate) async fn read(&mut self, coordinator: &Coordinator) {
        tracing::info!("reading the configuration again");
        let (flags, matches) = (self.flags.clone(), self.matches.clone());
        let read = tokio::task::spawn_blocking(move || flags.config(&matches)).await;
        let read = read.unwrap_or_else(|error| Err(vec![Problem::new("", error.to_string(), "")]));
        match read {
            Ok((config, sources)) => self.put_in_force(coordinator, config, sources).await,
            Err(problems) => {
                coordinator.reload_failed();
                tell(&problems);
            }
        }
    }

    async fn put_in_force(&self, coordinator: &Coordinator, config: Config, sources: Sources) {
        let level = config.log.level.clone();
        match coordinator.reload(config, sources).await {
            Ok(reloaded) => {
                if let Err(error) = self.logs.set(&level) {
                    tracing::error!(%error, "the log level stays as it is");
                }
                if !reloaded.restart.is_empty() {
                    let keys = reloaded.restart.join(", ");
                    tracing::warn!(keys, "changed settings take effect after a restart only");
                }
                let changed = reloaded.changed.join(", ");
                tracing::info!(changed, "configuration read again");
            }
            Err(wrong) => {
                // A file that it names changed between two checks: they have no place in this one.
                let problem = |wrong: Wrong| Problem::new(wrong.key, wrong.what, wrong.expected);
                tell(&wrong.into_iter().map(problem).collect::<Vec<_>>());
            }
        }
    }
}

fn tell(problems: &[Problem]) {
    for problem in problems {
        tracing::error!(%problem, "configuration not read again: the old one stays");
    }
}
