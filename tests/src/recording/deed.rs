//! What a recording tool does between its start and its end.

use std::time::Duration;

use toolwave_worker::CallContext;

/// What is done to the worker on the way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Deed {
    /// Nothing but waiting.
    Wait,
    /// The process ends at once, as at a fault of memory.
    Die,
    /// Every thread of the runtime blocks.
    HangThreads,
    /// Panics.
    Panic,
    /// Goes on when it is told to stop.
    IgnoreStop,
    /// Takes memory until there is none.
    EatMemory,
}

/// Of the process's runtime; more blocking tasks than that leave none for the worker's loop.
pub(super) const THREADS: usize = 2;
/// What is taken of memory at a time.
const MORSEL: usize = 16 << 20;

impl Deed {
    /// Does it, for `time`.
    ///
    /// # Panics
    /// Where that is the deed.
    pub async fn perform(self, time: Duration, context: &CallContext) {
        match self {
            Self::Wait => tokio::time::sleep(time).await,
            Self::Die => std::process::abort(),
            Self::HangThreads => {
                let mut blockers = tokio::task::JoinSet::new();
                for _ in 0..THREADS {
                    blockers.spawn(async move { std::thread::sleep(time) });
                }
                std::thread::sleep(time);
                while blockers.join_next().await.is_some() {}
            }
            Self::Panic => panic!("as call {} asked for", context.call().call_id),
            Self::IgnoreStop => {
                // a thread cannot be stopped from outside; the future lives as long as it does
                let _ = tokio::task::spawn_blocking(move || std::thread::sleep(time)).await;
            }
            Self::EatMemory => {
                let mut eaten = Vec::new();
                loop {
                    eaten.push(vec![1_u8; MORSEL]);
                    tokio::task::yield_now().await;
                }
            }
        }
    }
}
