//! A server that is a child process: started, spoken to over its standard streams, and ended.
//!
//! The process is kept by toolwave-keeper, so it ends with the worker however that ends. Nothing here decides when one
//! is started or replaced.

use std::{
    collections::VecDeque,
    ffi::OsString,
    path::PathBuf,
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};

use rmcp::{
    RoleClient,
    model::ProtocolVersion,
    service::{ClientInitializeError, ClientLifecycleMode, ClientServiceExt as _, RunningService},
};
use tokio::{
    io::{AsyncBufReadExt as _, AsyncRead, BufReader},
    time::timeout,
};
use tokio_util::{sync::CancellationToken, task::AbortOnDropHandle};
use toolwave_keeper::{Exit, Keeper, Kept, Spec};

use super::{
    client::Client,
    connection::Connection,
    http,
    life::Life,
    server::{Protocol, Server, StandardError},
    stdio::Stdio,
    text,
    wire::Wire,
};

/// Bytes of a line of standard error that are kept.
const MAX_STDERR_LINE: usize = 512;
/// Lines of it that a failed start tells.
const MAX_STDERR_LINES: usize = 6;
/// From `SIGTERM` to `SIGKILL` of a process that goes on with what it was told to stop, or is no server.
pub(super) const KILL_GRACE: Duration = Duration::from_millis(500);

/// What a process wrote to its standard error last, until it has started.
type Tail = Arc<Mutex<VecDeque<String>>>;

/// Starts the command and shakes hands with it.
///
/// # Errors
/// Says why it does not run, with what it wrote last.
pub(super) async fn open(
    name: &Arc<str>,
    server: &Server,
    keeper: &Keeper,
    max_line: usize,
) -> Result<(Connection, Life), String> {
    let mut kept = keeper.spawn(&spec(server)?).map_err(|error| error.to_string())?;
    let (Some(stdin), Some(stdout), Some(stderr)) =
        (kept.stdin.take(), kept.stdout.take(), kept.stderr.take())
    else {
        return Err("the process has no standard streams".to_owned());
    };
    let tail = Tail::default();
    let complaints = listen(stderr, Arc::clone(name), server.stderr, Arc::clone(&tail));
    let complaints = AbortOnDropHandle::new(tokio::spawn(complaints));
    let wire = Arc::new(Wire::default());
    let transport = Stdio::new(
        (stdout, stdin),
        Arc::clone(&wire),
        max_line,
        server.discover_timeout,
        Arc::clone(name),
    );
    let client = Client::default();
    let heard = client.heard();
    let started = timeout(
        server.start_timeout,
        shake_hands(client, transport, server.protocol),
    )
    .await;
    let why = match started {
        Ok(Ok(service)) => {
            // from here on it may write parameters
            tail.lock().unwrap_or_else(PoisonError::into_inner).clear();
            let ended = CancellationToken::new();
            let peer = service.peer().clone();
            let connection = Connection {
                peer,
                heard,
                wire: Some(wire),
                ended,
            };
            return Ok((connection, Life::process(kept, service, complaints)));
        }
        Ok(Err(error)) => initialize_error(&error),
        Err(_) => format!("it did not answer within {:?}", server.start_timeout),
    };
    let exit = end_failed(&mut kept).await;
    // what it wrote before its end may be on its way still
    let _ = timeout(KILL_GRACE, complaints).await;
    let wrote = tail.lock().unwrap_or_else(PoisonError::into_inner);
    let wrote = Vec::from_iter(wrote.iter().cloned()).join(" | ");
    let wrote = if wrote.is_empty() {
        "nothing".to_owned()
    } else {
        wrote
    };
    Err(format!(
        "{why}; {exit}; it wrote to its standard error last: {wrote}"
    ))
}

/// A process that ends by itself says how; others are ended.
async fn end_failed(kept: &mut Kept) -> String {
    match timeout(KILL_GRACE, kept.wait()).await {
        Ok(exit) => told(exit),
        Err(_) => {
            kept.stop(KILL_GRACE).await;
            "it was ended".to_owned()
        }
    }
}

/// How a process ended, for people.
pub(super) fn told(exit: Exit) -> String {
    match exit {
        Exit::Code(code) => format!("it ended with exit code {code}"),
        Exit::Signal(signal) => format!("it was ended by signal {signal}"),
        Exit::NotStarted(why) => format!("it was not started: {why}"),
        Exit::Lost => "it was ended together with its keeper".to_owned(),
    }
}

fn spec(server: &Server) -> Result<Spec, String> {
    let command = server.command.as_deref().unwrap_or_default();
    let Some((program, arguments)) = command.split_first() else {
        return Err("no command is given".to_owned());
    };
    let mut environment = Vec::new();
    for (name, source) in &server.environment {
        let value = source.read().map_err(|error| error.to_string())?;
        environment.push((OsString::from(name), OsString::from(value.expose())));
    }
    Ok(Spec {
        program: PathBuf::from(program),
        arguments: arguments.iter().map(OsString::from).collect(),
        environment,
        directory: server.directory.clone(),
        limits: server.limits.into(),
    })
}

/// Agrees with the server on how they speak.
pub(super) async fn shake_hands<T, E, A>(
    client: Client,
    transport: T,
    protocol: Protocol,
) -> Result<RunningService<RoleClient, Client>, ClientInitializeError>
where
    T: rmcp::transport::IntoTransport<RoleClient, E, A>,
    E: std::error::Error + Send + Sync + 'static,
{
    let newer = vec![ProtocolVersion::V_2026_07_28];
    let mode = match protocol {
        Protocol::Auto => ClientLifecycleMode::Auto {
            // a server may know the newer way of beginning, and older versions alone
            preferred_versions: vec![
                ProtocolVersion::V_2026_07_28,
                ProtocolVersion::V_2025_11_25,
                ProtocolVersion::V_2025_06_18,
                ProtocolVersion::V_2025_03_26,
            ],
            legacy_version: Some(ProtocolVersion::V_2025_11_25),
        },
        Protocol::Handshake => ClientLifecycleMode::Initialize,
        Protocol::Discovery => ClientLifecycleMode::Discover {
            preferred_versions: newer,
        },
    };
    client.serve_with_lifecycle(transport, mode).await
}

/// Without what the server sent, which may be anything.
pub(super) fn initialize_error(error: &ClientInitializeError) -> String {
    match error {
        ClientInitializeError::ConnectionClosed(_) => "it closed the connection".to_owned(),
        ClientInitializeError::JsonRpcError(error) => {
            format!("it refused to start: {}", text::shown(&error.message, 512))
        }
        ClientInitializeError::TransportError { error, .. } => http::reason(error.error.as_ref()),
        ClientInitializeError::NoCompatibleProtocolVersion { .. } => {
            "it speaks no version of the protocol that is spoken here".to_owned()
        }
        ClientInitializeError::LegacyFallbackFailed { fallback, .. } => initialize_error(fallback),
        _ => "it does not answer as the protocol wants".to_owned(),
    }
}

/// Reads standard error to its end: a process whose errors nobody reads stops in the middle of one.
async fn listen(stderr: impl AsyncRead + Unpin, server: Arc<str>, to: StandardError, tail: Tail) {
    let mut stderr = BufReader::new(stderr);
    let mut line = Vec::new();
    loop {
        let Ok(available) = stderr.fill_buf().await else {
            return;
        };
        if available.is_empty() {
            return;
        }
        let end = available.iter().position(|byte| *byte == b'\n');
        let part = &available[..end.unwrap_or(available.len())];
        let room = (4 * MAX_STDERR_LINE).saturating_sub(line.len());
        line.extend_from_slice(&part[..part.len().min(room)]);
        let consumed = part.len() + usize::from(end.is_some());
        stderr.consume(consumed);
        if end.is_none() {
            continue;
        }
        let shown = text::shown(&String::from_utf8_lossy(&line), MAX_STDERR_LINE);
        line.clear();
        if shown.is_empty() {
            continue;
        }
        if to == StandardError::Log {
            tracing::debug!(target: "toolwave_mounted::mcp::stderr", server = &*server, line = shown);
        }
        let mut tail = tail.lock().unwrap_or_else(PoisonError::into_inner);
        if tail.len() == MAX_STDERR_LINES {
            tail.pop_front();
        }
        tail.push_back(shown);
    }
}
