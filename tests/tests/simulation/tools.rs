//! The tools of the simulated workers: each writes into the ledger what really ran.

use std::{collections::BTreeMap, time::Duration};

use futures_util::future::BoxFuture;
use serde::Deserialize;
use serde_json::{Value, json};
use toolwave_tests::Ledger;
use toolwave_worker::{CallContext, Declaration, Output, Parameters, Safety, Tool, ToolError};

/// What may be done with a call twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) enum Kind {
    /// Twice is as once.
    Safe,
    /// Nothing.
    Once,
    /// With its key, which it is given, twice is as once.
    Keyed,
}

/// A tool of a worker.
pub(crate) struct Recorder {
    pub(crate) kind: Kind,
    pub(crate) worker: String,
    pub(crate) ledger: Ledger,
}

#[derive(Deserialize)]
struct Asked {
    /// Milliseconds.
    takes: u64,
    bytes: usize,
    fails: u32,
    /// By id, what the calls it refers to said of themselves.
    from: BTreeMap<String, Value>,
}

impl Kind {
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Safe => "safe",
            Self::Once => "once",
            Self::Keyed => "keyed",
        }
    }

    pub(crate) fn is_safe_to_repeat(self) -> bool {
        self != Self::Once
    }
}

impl Recorder {
    /// All tools of a worker.
    pub(crate) fn all(worker: &str, ledger: &Ledger) -> [Self; 3] {
        [Kind::Safe, Kind::Once, Kind::Keyed].map(|kind| Self {
            kind,
            worker: worker.to_owned(),
            ledger: ledger.clone(),
        })
    }
}

impl Tool for Recorder {
    fn declaration(&self) -> Declaration {
        let mut declaration = Declaration::new(self.kind.name(), "Takes its time and says who it was");
        declaration.safety = match self.kind {
            Kind::Safe => Safety::Idempotent,
            Kind::Once => Safety::NotRepeatable,
            Kind::Keyed => Safety::HonoursIdempotencyKey,
        };
        declaration
    }

    fn call<'a>(
        &'a self,
        parameters: Parameters,
        context: CallContext,
    ) -> BoxFuture<'a, Result<Output, ToolError>> {
        Box::pin(async move {
            let asked: Asked = parameters.parse()?;
            let running = self.ledger.begin(&self.worker, self.kind.name(), context.call());
            for (id, said) in &asked.from {
                if said.as_str() != Some(id) {
                    return Err(ToolError::new("WRONG_REFERENCE", format!("{said} for {id}")));
                }
            }
            tokio::time::sleep(Duration::from_millis(asked.takes)).await;
            if context.attempt() <= asked.fails {
                running.fail();
                return Err(ToolError::new("NOT_YET", "try again").retryable());
            }
            running.end();
            let filler = "x".repeat(asked.bytes);
            let said =
                json!({"call": context.call().call_id, "attempt": context.attempt(), "filler": filler});
            Output::json(&said)
        })
    }
}
