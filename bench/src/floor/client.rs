//! The floor as a scenario holds it: two child processes, a connection, and the account of what was sent.

use std::{net::SocketAddr, rc::Rc};

use anyhow::ensure;
use tempfile::TempDir;
use tonic::transport::Channel;
use toolwave_tests::Process;

use super::{
    LISTENING,
    wire::{CountCallsRequest, RunBatchRequest, RunBatchResponse, floor_service_client::FloorServiceClient},
};
use crate::measure::{Ledger, Watched};

/// A relay and an echo server that run, and the client's side of them. Dropped, it kills both.
pub(crate) struct Floor {
    client: FloorClient,
    address: SocketAddr,
    relay: Process,
    echo_server: Process,
    echo_address: SocketAddr,
    ledger: Rc<Ledger>,
    _folder: TempDir,
}

/// A connection to the relay. What it sends is counted with the rest.
#[derive(Clone)]
pub(crate) struct FloorClient {
    wire: FloorServiceClient<Channel>,
    ledger: Rc<Ledger>,
}

impl FloorClient {
    /// As [`Floor::run`].
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn run(&self, batch: RunBatchRequest) -> anyhow::Result<RunBatchResponse> {
        self.ledger.submitted(batch.calls.len() as u64);
        Ok(self.wire.clone().run_batch(batch).await?.into_inner())
    }
}

impl Floor {
    /// # Errors
    /// When a process does not start.
    pub(crate) async fn start() -> anyhow::Result<Self> {
        let folder = tempfile::tempdir()?;
        let program = std::env::current_exe()?;
        let start = |name: &str, arguments: &[String]| -> anyhow::Result<_> {
            let mut process = Process::start(&program, arguments, folder.path(), name)?;
            let address = process.wait_for(listening)?;
            Ok((process, address))
        };
        let (echo_server, echo_address) = start("echo-server", &["floor-echo-server".to_owned()])?;
        let (relay, address) = start("relay", &["floor-relay".to_owned(), echo_address.to_string()])?;
        let ledger = Rc::new(Ledger::default());
        Ok(Self {
            client: FloorClient {
                wire: super::connect(address).await?,
                ledger: ledger.clone(),
            },
            address,
            relay,
            echo_server,
            echo_address,
            ledger,
            _folder: folder,
        })
    }

    /// Whose processor time and memory are looked at.
    pub(crate) fn watched(&self) -> Vec<Watched> {
        vec![
            Watched {
                role: "relay",
                id: self.relay.id(),
            },
            Watched {
                role: "echo server",
                id: self.echo_server.id(),
            },
        ]
    }

    /// Runs a batch. What comes back is to be given to [`Floor::check`] when no clock runs.
    ///
    /// # Errors
    /// When there is no answer.
    pub(crate) async fn run(&self, batch: RunBatchRequest) -> anyhow::Result<RunBatchResponse> {
        self.client.run(batch).await
    }

    /// A client with a connection of its own; its answers are given to [`Floor::check`] too.
    ///
    /// # Errors
    /// When the relay does not answer.
    pub(crate) async fn another(&self) -> anyhow::Result<FloorClient> {
        Ok(FloorClient {
            wire: super::connect(self.address).await?,
            ledger: self.ledger.clone(),
        })
    }

    /// Takes an answer into the account: every call succeeded.
    ///
    /// # Errors
    /// When one did not.
    pub(crate) fn check(&self, answer: &RunBatchResponse) -> anyhow::Result<()> {
        self.ledger.received(answer.results.len() as u64);
        let failed = answer.results.iter().find(|result| result.status != 0);
        ensure!(failed.is_none(), "the floor's call failed: {failed:?}");
        Ok(())
    }

    /// The conservation check.
    ///
    /// # Errors
    /// When the run is void.
    pub(crate) async fn conserved(&self) -> anyhow::Result<()> {
        let mut echo_server = super::connect(self.echo_address).await?;
        let counted = echo_server.count_calls(CountCallsRequest {}).await?.into_inner();
        self.ledger.check("the floor", counted.calls)
    }
}

/// The address in what a process printed.
fn listening(log: &str) -> Option<SocketAddr> {
    let rest = &log[log.find(LISTENING)? + LISTENING.len()..];
    // a line that is not whole yet may end within the port
    rest[..rest.find('\n')?].parse().ok()
}
