//! The listeners: who comes in where, over what, and how many. They end in bounded time, whatever streams are open.

mod accept;
mod connection;
mod doors;
mod listener;
mod opening;
mod services;
pub(crate) mod stream;
pub(crate) mod tls;
mod well_formed;

use std::{net::SocketAddr, time::Duration};

use futures_util::future::select_all;
use tokio::time::{Instant, timeout};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use tonic_health::{ServingStatus, server::HealthReporter};

use self::{connection::Cut, listener::Listener};
pub(crate) use self::{
    listener::Entrance,
    services::{Role, Services},
};
use crate::{StartError, config::Config};

/// Streams that end by themselves at the end of the server get this long without a byte, where there is time.
pub(crate) const STOP_WITHIN: Duration = Duration::from_secs(2);
/// The same where the time to end is over: for what is written to be sent.
pub(crate) const STOP_AT_LEAST: Duration = Duration::from_millis(400);
/// Between two warnings that other hosts come in unseen.
const REMIND: Duration = Duration::from_secs(60 * 60);

/// Listeners that serve.
pub(crate) struct Serving {
    listeners: Vec<Listener>,
    /// No further connection; those that are open end with their streams.
    stop: CancellationToken,
    cut: Cut,
    _reminder: Option<AbortOnDropHandle<()>>,
}

// === impl Serving ===

impl Serving {
    /// Serves in tasks.
    pub(crate) async fn start(
        config: &Config,
        services: Services,
        entrances: Vec<Entrance>,
    ) -> Result<Self, StartError> {
        let (stop, cut) = (CancellationToken::new(), Cut::default());
        let listeners = entrances
            .into_iter()
            .map(|entrance| entrance.open(config, &services, &stop, &cut))
            .collect::<Result<Vec<_>, _>>()?;
        let serving = Self {
            listeners,
            stop,
            cut,
            _reminder: reminder(config),
        };
        serving.health().report(ServingStatus::Serving).await;
        Ok(serving)
    }

    /// Where clients come in.
    pub(crate) fn address(&self) -> SocketAddr {
        self.at(Role::Clients)
    }

    /// Where workers come in.
    pub(crate) fn worker_address(&self) -> SocketAddr {
        self.at(Role::Workers)
    }

    fn at(&self, role: Role) -> SocketAddr {
        let here = |listener: &&Listener| listener.role == role;
        let listener = self.listeners.iter().find(here);
        listener.unwrap_or(&self.listeners[0]).address
    }

    /// What health checks are told.
    pub(crate) fn health(&self) -> Health {
        let reporters = self.listeners.iter();
        Health(
            reporters
                .map(|listener| (listener.health.clone(), listener.role))
                .collect(),
        )
    }

    /// Ends when a listener ended by itself, with its words.
    pub(crate) async fn failed(&mut self) -> String {
        let tasks = self.listeners.iter_mut().map(|listener| &mut listener.task);
        match select_all(tasks).await.0 {
            Ok(Ok(())) => "a listener ended".to_owned(),
            Ok(Err(error)) => error.to_string(),
            Err(error) => error.to_string(),
        }
    }

    /// Takes no further connection, and cuts what is open after `quiet` in which nothing was written: an answer that a
    /// client reads slowly is read to its end, within `at_most`.
    pub(crate) async fn stop(mut self, quiet: Duration, at_most: Duration) {
        self.stop.cancel();
        let until = Instant::now() + at_most;
        let ended = loop {
            let written = self.cut.written();
            if timeout(quiet, self.ended()).await.is_ok() {
                break true;
            }
            if self.cut.written() == written || Instant::now() >= until {
                break false;
            }
        };
        if !ended {
            self.cut.every_connection();
            if timeout(STOP_AT_LEAST, self.ended()).await.is_err() {
                tracing::warn!("server did not end");
            }
        }
    }

    async fn ended(&mut self) {
        for listener in &mut self.listeners {
            if !listener.task.is_finished() {
                let _ = (&mut listener.task).await;
            }
        }
    }
}

impl Drop for Serving {
    fn drop(&mut self) {
        self.cut.every_connection();
    }
}

/// A way to health, for whoever sees that it is lost.
#[derive(Clone)]
pub(crate) struct Health(Vec<(HealthReporter, Role)>);

impl Health {
    pub(crate) async fn not_serving(&self) {
        self.report(ServingStatus::NotServing).await;
    }

    async fn report(&self, status: ServingStatus) {
        for (reporter, role) in &self.0 {
            for name in role.health_names() {
                reporter.set_service_status(*name, status).await;
            }
        }
    }
}

/// Says again and again what an operator took upon themselves.
fn reminder(config: &Config) -> Option<AbortOnDropHandle<()>> {
    let open: Vec<_> = config.insecure_listeners().collect();
    if open.is_empty() {
        return None;
    }
    let remind = async move {
        let mut hours = tokio::time::interval(REMIND);
        loop {
            hours.tick().await;
            for (listener, address) in &open {
                tracing::warn!(listener, %address, "insecure: whoever reaches this address may run every tool");
            }
        }
    };
    Some(AbortOnDropHandle::new(tokio::spawn(remind)))
}
