//! The settings read again while the worker runs: on SIGHUP, and when their file has changed. Only what is logged
//! changes by that; what else would is named. The tools file is looked after elsewhere.

use std::{
    io,
    sync::{Arc, PoisonError, RwLock},
    time::Duration,
};

use clap::ArgMatches;
use tokio::time::{Instant, Interval, MissedTickBehavior};
use toolwave_config::{Problem, ReloadStatus, Sources, Watch, differences, effective};
use toolwave_telemetry::logs::LogControl;

use crate::{
    config::{Arguments, Config, is_reloadable},
    signals::Hangup,
};

/// Between two looks at the file; a change counts at the second that sees it.
const LOOK_EVERY: Duration = Duration::from_secs(1);

/// The settings in force, for operators. Cheap to clone.
#[derive(Clone)]
pub(crate) struct InForce(Arc<Shared>);

struct Shared {
    settings: RwLock<(Config, Sources)>,
    status: Arc<ReloadStatus>,
}

/// Reads again.
pub(crate) struct Rereading {
    arguments: Arguments,
    matches: ArgMatches,
    in_force: InForce,
    /// `None` where there is no file.
    watch: Option<Watch>,
    logs: LogControl,
}

// === impl InForce ===

impl InForce {
    pub(crate) fn new(config: Config, sources: Sources) -> Self {
        Self(Arc::new(Shared {
            settings: RwLock::new((config, sources)),
            status: Arc::default(),
        }))
    }

    /// As TOML, without secrets, each value with where it came from.
    pub(crate) fn shown(&self) -> String {
        let settings = self.0.settings.read().unwrap_or_else(PoisonError::into_inner);
        effective(&settings.0, &settings.1)
            .unwrap_or_else(|error| format!("# they cannot be written: {error}\n"))
    }

    /// What came of the last time that they were read.
    pub(crate) fn status(&self) -> &Arc<ReloadStatus> {
        &self.0.status
    }
}

// === impl Rereading ===

impl Rereading {
    pub(crate) fn new(
        arguments: Arguments,
        matches: ArgMatches,
        in_force: InForce,
        watch: Option<Watch>,
        logs: LogControl,
    ) -> Self {
        Self {
            arguments,
            matches,
            in_force,
            watch,
            logs,
        }
    }

    /// Reads whenever it is time to, without end.
    ///
    /// # Errors
    /// SIGHUP cannot be heard.
    pub(crate) async fn run(mut self) -> io::Result<()> {
        let mut hangup = Hangup::listen()?;
        let mut ticks: Interval = tokio::time::interval_at(Instant::now() + LOOK_EVERY, LOOK_EVERY);
        ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        loop {
            tokio::select! {
                () = hangup.heard() => {
                    if let Some(watch) = &mut self.watch {
                        watch.is_read();
                    }
                    self.read();
                }
                _ = ticks.tick() => if self.watch.as_mut().is_some_and(Watch::changed) {
                    self.read();
                }
            }
        }
    }

    /// A small file of this host: as short as reading any other of the worker's.
    fn read(&self) {
        tracing::info!("reading the settings again");
        match Config::load(self.arguments.clone()) {
            Ok((config, origin, problems)) if problems.is_empty() => {
                self.put_in_force(config, origin.sources(&self.matches));
            }
            Ok((_, _, problems)) | Err(problems) => self.tell(&problems),
        }
    }

    fn put_in_force(&self, config: Config, sources: Sources) {
        if let Err(error) = self.logs.set(&config.log.level) {
            return self.tell(&[Problem::new("log.level", error.to_string(), "")]);
        }
        let shared = &*self.in_force.0;
        let mut settings = shared.settings.write().unwrap_or_else(PoisonError::into_inner);
        let differences = differences(&settings.0, &config).unwrap_or_default();
        let (changed, restart): (Vec<_>, Vec<_>) =
            differences.into_iter().partition(|key| is_reloadable(key));
        if !restart.is_empty() {
            let keys = restart.join(", ");
            tracing::warn!(keys, "changed settings take effect after a restart only");
        }
        settings.0.log.level = config.log.level;
        settings.1 = sources;
        shared.status.succeeded();
        let changed = changed.join(", ");
        tracing::info!(changed, "settings read again");
    }

    fn tell(&self, problems: &[Problem]) {
        self.in_force.status().failed();
        for problem in problems {
            tracing::error!(%problem, "settings not read again: the old ones stay");
        }
    }
}
