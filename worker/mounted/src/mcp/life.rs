//! What a connection stands on, and how it ends: a process, or nothing but HTTP.

use std::{pin::Pin, time::Duration};

use rmcp::{
    RoleClient,
    service::{RunningService, RunningServiceCancellationToken},
};
use tokio::time::timeout;
use tokio_util::task::AbortOnDropHandle;
use toolwave_keeper::Kept;

use super::{client::Client, process};

/// Owns what a connection stands on; dropped, all of it ends.
pub(super) struct Life {
    service: Service,
    close: Option<RunningServiceCancellationToken>,
    process: Option<Process>,
}

/// The loop that reads and writes messages.
struct Service {
    /// `None`: it has ended.
    running: Option<Pin<Box<dyn Future<Output = ()> + Send>>>,
}

struct Process {
    kept: Kept,
    _complaints: AbortOnDropHandle<()>,
}

impl Life {
    pub(super) fn process(
        kept: Kept,
        service: RunningService<RoleClient, Client>,
        complaints: AbortOnDropHandle<()>,
    ) -> Self {
        let process = Process {
            kept,
            _complaints: complaints,
        };
        Self {
            process: Some(process),
            ..Self::http(service)
        }
    }

    pub(super) fn http(service: RunningService<RoleClient, Client>) -> Self {
        let close = Some(service.cancellation_token());
        let running: Pin<Box<dyn Future<Output = ()> + Send>> = Box::pin(async move {
            let _ = service.waiting().await;
        });
        let service = Service {
            running: Some(running),
        };
        Self {
            service,
            close,
            process: None,
        }
    }

    /// Ends when the server is gone by itself, and says how. Then nothing of it is left.
    pub(super) async fn ended(&mut self) -> String {
        let Some(process) = &mut self.process else {
            self.service.ended().await;
            return "its connection was closed".to_owned();
        };
        tokio::select! {
            exit = process.kept.wait() => process::told(exit),
            () = self.service.ended() => match timeout(process::KILL_GRACE, process.kept.wait()).await {
                Ok(exit) => process::told(exit),
                Err(_) => {
                    process.kept.stop(process::KILL_GRACE).await;
                    "it closed its standard output".to_owned()
                }
            },
        }
    }

    /// Ends it as the protocol wants: its input is closed, and what does not end then is told to, and killed.
    pub(super) async fn close(&mut self, grace: Duration) {
        if let Some(close) = self.close.take() {
            close.cancel();
        }
        match &mut self.process {
            None => {
                let _ = timeout(grace, self.service.ended()).await;
            }
            Some(process) => {
                let ends = async { tokio::join!(self.service.ended(), process.kept.wait()) };
                if timeout(grace, ends).await.is_err() {
                    process.kept.stop(grace).await;
                }
            }
        }
    }

    /// Ends it at once: it goes on with what nobody wants.
    pub(super) async fn kill(&mut self) {
        match &mut self.process {
            None => self.close(Duration::ZERO).await,
            Some(process) => {
                process.kept.stop(process::KILL_GRACE).await;
            }
        }
    }
}

impl Service {
    async fn ended(&mut self) {
        if let Some(running) = &mut self.running {
            running.as_mut().await;
            self.running = None;
        }
    }
}
