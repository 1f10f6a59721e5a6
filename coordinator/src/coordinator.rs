//! A running coordinator: its parts put together, and ended in order.

use std::{io, net::SocketAddr, path::PathBuf, sync::Arc, time::Duration};

use futures_util::Stream;
use tokio::io::{AsyncRead, AsyncWrite};
use tokio_util::task::{AbortOnDropHandle, TaskTracker};
use toolwave_config::{Sources, differences};
use toolwave_telemetry::{
    admin::AdminPort,
    logs::LogControl,
    traces::{Exporting, Service, Tracer},
};

use crate::{
    admin::{self, Admin, http::Extras},
    audit::{Audit, Event, Writer},
    config::{Config, ReloadStatus, Reloaded, Wrong},
    dashboard,
    handle::{Handle, Limits},
    identity::Identities,
    parts::{Chance, assemble},
    scaler::Scaler,
    server::{Entrance, STOP_AT_LEAST, STOP_WITHIN, Services, Serving, stream},
};

/// When workers are to look for the next coordinator.
const RECONNECT_AFTER: Duration = Duration::from_secs(1);
/// For clients to be answered after the last execution was cut, and for sessions to be closed.
const LAST_WORDS: Duration = Duration::from_secs(5);

/// A running coordinator. Dropped, it ends at once, without grace for anybody.
pub struct Coordinator {
    handle: Handle,
    serving: Serving,
    /// Watches the driver; its words when that has ended.
    driver: AbortOnDropHandle<String>,
    /// Readers of sessions.
    readers: TaskTracker,
    identities: Arc<Identities>,
    drain_timeout: Duration,
    admin_address: Option<SocketAddr>,
    /// Serves probes until the end.
    admin: Option<AbortOnDropHandle<()>>,
    exporting: Exporting,
    /// Last, so that what the others record at their end is written.
    auditor: Writer,
}

/// Why a coordinator did not start.
#[derive(Debug, thiserror::Error)]
pub enum StartError {
    /// Its configuration is wrong.
    #[error("{key}: {what}; expected {expected}")]
    Config {
        /// Dotted.
        key: &'static str,
        /// What is wrong.
        what: String,
        /// What would be right.
        expected: String,
    },
    /// Records cannot be kept.
    #[error("the audit's file {file} cannot be used: {source}", file = .file.display())]
    Audit {
        /// Where they were to go.
        file: PathBuf,
        /// Why not.
        source: std::io::Error,
    },
    /// It cannot listen.
    #[error("cannot listen on {listen}: {source}")]
    Listen {
        /// Where.
        listen: SocketAddr,
        /// Why not.
        source: std::io::Error,
    },
    /// The files of its TLS changed since the configuration was checked, and cannot be used.
    #[error("TLS cannot be served: {0}")]
    Tls(String),
    /// The contract in this build does not describe itself.
    #[error("reflection cannot be served: {0}")]
    Reflection(String),
}

/// How a coordinator ended that was asked to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DrainReport {
    /// Every execution ended by itself.
    pub finished: bool,
    /// Executions that were cancelled, since they did not end in time.
    pub executions_cut: usize,
}

/// Why a coordinator ended that was not asked to.
#[derive(Debug, thiserror::Error)]
pub enum Failure {
    /// The state is lost; every client was told.
    #[error("the driver ended: {0}")]
    Driver(String),
    /// Nobody can come in.
    #[error("the server ended: {0}")]
    Server(String),
}

// === impl Coordinator ===

impl Coordinator {
    /// Binds `config.listen`, and `config.worker_listen` where it is set, and serves in background tasks, which it owns.
    ///
    /// # Errors
    /// The configuration is wrong, or the address is not to be had.
    pub async fn start(config: Config) -> Result<Self, StartError> {
        check(&config)?;
        let entrances = Entrance::bind(&config).await?;
        Self::serve(config, entrances, Extras::default()).await
    }

    /// The same, as the program whose logs these are: operators can change what is logged.
    ///
    /// # Errors
    /// As [`Coordinator::start`].
    pub async fn start_logged(config: Config, logs: LogControl) -> Result<Self, StartError> {
        check(&config)?;
        let entrances = Entrance::bind(&config).await?;
        let extras = Extras {
            logs: Some(logs),
            ..Extras::default()
        };
        Self::serve(config, entrances, extras).await
    }

    /// Serves what is accepted elsewhere, such as on a simulated network: streams of bytes, each with the address
    /// of its other end. Nothing is bound: `config.listen` is only the address that it says it has, `worker_listen` is
    /// not used, and everybody comes in here. TLS and limits are those of `listen`.
    ///
    /// # Errors
    /// The configuration is wrong.
    pub async fn start_on<IO>(
        config: Config,
        incoming: impl Stream<Item = io::Result<(IO, SocketAddr)>> + Send + 'static,
    ) -> Result<Self, StartError>
    where
        IO: AsyncRead + AsyncWrite + Send + 'static,
    {
        check(&config)?;
        let entrance = Entrance::elsewhere(&config, stream::of_others(incoming))?;
        Self::serve(config, vec![entrance], Extras::default()).await
    }

    async fn serve(config: Config, entrances: Vec<Entrance>, extras: Extras) -> Result<Self, StartError> {
        let admin = match config.admin.listen {
            Some(listen) => Some(
                AdminPort::bind(listen)
                    .await
                    .map_err(|source| StartError::Listen { listen, source })?,
            ),
            None => None,
        };
        let (audit, auditor) = Audit::open(&config.audit).map_err(|source| StartError::Audit {
            file: config.audit.file.clone().unwrap_or_default(),
            source,
        })?;
        let (tracer, exporting) = Tracer::start(&config.traces.settings(), service())
            .map_err(|wrong| first_problem(vec![wrong.into()]))?;
        let parts = assemble(&config, Chance::draw(), audit.clone(), tracer);
        let handle = parts.handle;
        let identities = Arc::new(Identities::start(&config, audit.clone()).map_err(first_problem)?);
        let dashboard = dashboard::routes(
            handle.clone(),
            parts.executions.clone(),
            identities.clone(),
            &config,
        );
        let admin_address = admin.as_ref().map(AdminPort::address);
        let extras = Extras {
            config: Some(Arc::new({
                let handle = handle.clone();
                move || handle.in_force().shown()
            })),
            more: extras.more.merge(dashboard),
            ..extras
        };
        // From here on, so that probes hear that it starts.
        let admin = admin.map(|port| {
            tracing::info!(address = %port.address(), "admin port open");
            let guard = admin::http::guard(identities.clone());
            let routes = admin::http::routes(&handle, guard, extras);
            AbortOnDropHandle::new(tokio::spawn(port.serve(routes)))
        });
        let services = Services {
            identities: identities.clone(),
            executions: parts.executions,
            sessions: parts.sessions,
            admin: Admin(handle.clone()),
            metrics: handle.metrics().clone(),
            scaler: Scaler::new(handle.clone()),
        };
        let serving = Serving::start(&config, services, entrances).await?;
        let run = parts.run;
        let health = serving.health();
        let driver = AbortOnDropHandle::new(tokio::spawn(async move {
            let ended = AbortOnDropHandle::new(tokio::spawn(run)).await;
            // Whatever ended the driver, health says so.
            health.not_serving().await;
            ended.map_or_else(|error| error.to_string(), |()| "it was stopped".to_owned())
        }));
        handle.metrics().numbers().serving.set(1);
        audit.record(|| Event::CoordinatorStarted {
            address: serving.address().into(),
        });
        Ok(Self {
            handle,
            auditor,
            serving,
            driver,
            readers: parts.readers,
            identities,
            drain_timeout: config.drain_timeout,
            admin,
            admin_address,
            exporting,
        })
    }

    /// What its edge is made of.
    #[cfg(test)]
    pub(crate) fn handle(&self) -> &Handle {
        &self.handle
    }

    /// Where clients come in.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.serving.address()
    }

    /// Where workers come in: where clients do, unless `worker_listen` is set.
    #[must_use]
    pub fn worker_address(&self) -> SocketAddr {
        self.serving.worker_address()
    }

    /// Where operators look, when `admin.listen` is set.
    #[must_use]
    pub fn admin_address(&self) -> Option<SocketAddr> {
        self.admin_address
    }

    /// Ends when the coordinator ended by itself. Safe to cancel.
    pub async fn failed(&mut self) -> Failure {
        tokio::select! {
            said = &mut self.driver => Failure::Driver(said.unwrap_or_else(|error| error.to_string())),
            said = self.serving.failed() => Failure::Server(said),
        }
    }

    /// Puts in force what of another configuration can be while it runs. What was accepted under the limits before
    /// stays accepted.
    ///
    /// # Errors
    /// Every value that cannot be used; then nothing has changed.
    pub async fn reload(&self, config: Config, sources: Sources) -> Result<Reloaded, Vec<Wrong>> {
        // It looks into files.
        let checked = tokio::task::spawn_blocking(move || (config.check(), config)).await;
        let (wrong, config) = checked.unwrap_or_else(|error| {
            let what = error.to_string();
            let expected = "a configuration that can be checked".to_owned();
            (
                vec![Wrong {
                    key: "",
                    what,
                    expected,
                }],
                Config::default(),
            )
        });
        let in_force = self.handle.in_force();
        let before = in_force.config();
        let mut next = Config::clone(&before);
        next.take_reloadable(&config);
        let applied = match wrong.is_empty() {
            true => self.identities.set_workers(&next),
            false => Err(wrong),
        };
        if let Err(wrong) = applied {
            self.reload_failed();
            return Err(wrong);
        }
        self.handle.set_limits(Limits::of(&next)).await;
        let reloaded = Reloaded {
            changed: differences(&*before, &next).unwrap_or_default(),
            restart: differences(&next, &config).unwrap_or_default(),
        };
        in_force.replace(next);
        in_force.say_sources(sources);
        in_force.status().succeeded();
        Ok(reloaded)
    }

    /// A configuration could not even be read; what is in force stays.
    pub fn reload_failed(&self) {
        self.handle.in_force().status().failed();
    }

    /// Says where the values of its configuration came from, for those who ask what is in force.
    pub fn say_sources(&self, sources: Sources) {
        self.handle.in_force().say_sources(sources);
    }

    /// What came of the last [`Coordinator::reload`]; where a configuration could not even be read, who tried says so
    /// here.
    #[must_use]
    pub fn reload_status(&self) -> &ReloadStatus {
        self.handle.in_force().status()
    }

    /// The configuration in force as TOML, without secrets, each value with where it came from.
    #[must_use]
    pub fn effective_configuration(&self) -> String {
        self.handle.in_force().shown()
    }

    /// Drains: it serves no health check, accepts no execution, tells the workers, lets executions end for up
    /// to `drain_timeout`, cancels the rest, closes what is open: a second after that time at the latest, unless
    /// it cannot answer at all. Never hangs.
    pub async fn shutdown(mut self) -> DrainReport {
        let asked_at = tokio::time::Instant::now();
        self.handle.metrics().numbers().draining.set(1);
        self.serving.health().not_serving().await;
        let drained = self.handle.drain(RECONNECT_AFTER);
        let finished = tokio::time::timeout(self.drain_timeout, drained).await.is_ok();
        let mut executions_cut = 0;
        if !finished {
            let cut = tokio::time::timeout(LAST_WORDS, self.handle.cancel_all());
            executions_cut = cut.await.unwrap_or(0);
        }
        // A driver that does not answer ends with its task.
        let _ = tokio::time::timeout(LAST_WORDS, self.handle.stop()).await;
        drop(self.driver);
        // Connections that say nothing must not have their time on top of that of executions.
        let left = self.drain_timeout.saturating_sub(asked_at.elapsed());
        let quiet = left.clamp(STOP_AT_LEAST, STOP_WITHIN);
        self.serving.stop(quiet, left).await;
        self.readers.close();
        let _ = tokio::time::timeout(LAST_WORDS, self.readers.wait()).await;
        self.identities.tell_rest();
        self.handle.audit().record(|| Event::CoordinatorStopped);
        // It blocks, for a short while.
        let _ = tokio::task::spawn_blocking(move || self.auditor.close()).await;
        self.exporting.shutdown().await;
        drop(self.admin);
        tracing::info!(finished, executions_cut, "coordinator ended");
        DrainReport {
            finished,
            executions_cut,
        }
    }
}

/// What spans say of the process.
fn service() -> Service {
    Service {
        name: "toolwave-coordinator",
        version: env!("CARGO_PKG_VERSION"),
        instance: uuid::Uuid::new_v4().to_string(),
    }
}

fn check(config: &Config) -> Result<(), StartError> {
    match config.check() {
        wrong if wrong.is_empty() => Ok(()),
        wrong => Err(first_problem(wrong)),
    }
}

fn first_problem(wrong: Vec<Wrong>) -> StartError {
    let Wrong { key, what, expected } = wrong.into_iter().next().unwrap_or_else(|| Wrong {
        key: "",
        what: "the configuration is wrong".into(),
        expected: "one that `--check-config` finds good".into(),
    });
    StartError::Config { key, what, expected }
}
