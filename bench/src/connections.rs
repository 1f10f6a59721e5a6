//! Many clients at once, as users have them: each with a connection of its own, and an execution at a time.
//!
//! Answers are looked at as they come, not kept until the end: that is a few nanoseconds of each call, of both
//! systems, against memory that grows with the length of a run.

use std::time::Instant;

use futures_util::future::try_join_all;
use toolwave_client::Client;

use crate::{
    bench::measured,
    cluster::Cluster,
    floor::{Floor, FloorClient},
    measure::{Latencies, Spent},
    system::System,
};

/// A system that can be reached over more than one connection.
pub(crate) trait Connect: System {
    type Connection;

    async fn connect(&self) -> anyhow::Result<Self::Connection>;
    /// As [`System::run`], over a connection of one's own.
    async fn run_over(
        &self,
        connection: &Self::Connection,
        request: Self::Request,
    ) -> anyhow::Result<Self::Answer>;
}

/// So many connections.
///
/// # Errors
/// When nobody answers.
pub(crate) async fn connections<S: Connect>(system: &S, count: usize) -> anyhow::Result<Vec<S::Connection>> {
    let mut connections = Vec::with_capacity(count);
    for _ in 0..count {
        connections.push(system.connect().await?);
    }
    Ok(connections)
}

/// Each connection runs its requests, one after another; all connections at once. Latencies are of executions.
///
/// # Errors
/// When a call does not succeed.
pub(crate) async fn crowd<S: Connect>(
    system: &S,
    connections: &[S::Connection],
    requests: Vec<Vec<S::Request>>,
) -> anyhow::Result<(Latencies, Spent)> {
    let client = async |connection: &S::Connection, requests: Vec<S::Request>| {
        let mut latencies = Latencies::new()?;
        for request in requests {
            let start = Instant::now();
            let answer = system.run_over(connection, request).await?;
            latencies.add(start.elapsed());
            system.check(&answer)?;
        }
        anyhow::Ok(latencies)
    };
    let clients = connections.iter().zip(requests);
    let work = try_join_all(clients.map(|(connection, requests)| client(connection, requests)));
    let (all, spent) = measured(&system.watched(), work).await?;
    let mut latencies = Latencies::new()?;
    for some in &all {
        latencies.merge(some)?;
    }
    Ok((latencies, spent))
}

impl Connect for Cluster {
    type Connection = Client;

    async fn connect(&self) -> anyhow::Result<Client> {
        self.another_client().await
    }

    async fn run_over(&self, client: &Client, request: Self::Request) -> anyhow::Result<Self::Answer> {
        self.ledger.submitted(request.calls.len() as u64);
        Ok(client.execute_parallel(request).await?)
    }
}

impl Connect for Floor {
    type Connection = FloorClient;

    async fn connect(&self) -> anyhow::Result<FloorClient> {
        self.another().await
    }

    async fn run_over(&self, client: &FloorClient, request: Self::Request) -> anyhow::Result<Self::Answer> {
        client.run(request).await
    }
}
