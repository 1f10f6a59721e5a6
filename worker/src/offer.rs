//! The tools that a worker offers: checked as a whole, and replaced as a whole while it runs.

use std::{fmt, sync::Arc};

use prost::Message;
use tokio::sync::watch;
use toolwave_proto::v1::Register;
use toolwave_tool::SharedTool;

use crate::{
    catalogue::Catalogue, client::MAX_MESSAGE, error::BuildError, numbers::Numbers, worker::Settings,
};

/// Kept by the worker and by its handles.
pub(crate) struct Offer {
    settings: Settings,
    max_result_bytes: u64,
    numbers: Arc<Numbers>,
    current: watch::Sender<Arc<Catalogue>>,
}

impl Offer {
    pub(crate) fn try_new(
        settings: Settings,
        max_result_bytes: u64,
        tools: Vec<SharedTool>,
    ) -> Result<Self, BuildError> {
        let numbers = Arc::new(Numbers::new(settings.slots));
        let current = checked(&settings, max_result_bytes, tools, &numbers)?;
        Ok(Self {
            settings,
            max_result_bytes,
            numbers,
            current: watch::Sender::new(current),
        })
    }

    /// Nothing changes when any of the tools is wrong.
    pub(crate) fn replace(&self, tools: Vec<SharedTool>) -> Result<(), BuildError> {
        let next = checked(&self.settings, self.max_result_bytes, tools, &self.numbers)?;
        self.current.send_replace(next);
        Ok(())
    }

    /// What is counted of the worker.
    pub(crate) fn numbers(&self) -> &Arc<Numbers> {
        &self.numbers
    }

    pub(crate) fn watch(&self) -> watch::Receiver<Arc<Catalogue>> {
        self.current.subscribe()
    }
}

impl fmt::Debug for Offer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let tools = self.current.borrow().declared().len();
        f.debug_struct("Offer")
            .field("tools", &tools)
            .finish_non_exhaustive()
    }
}

fn checked(
    settings: &Settings,
    max_result_bytes: u64,
    tools: Vec<SharedTool>,
    numbers: &Numbers,
) -> Result<Arc<Catalogue>, BuildError> {
    let catalogue = Catalogue::try_new(tools, max_result_bytes, numbers)?;
    let bytes = registration(settings, &catalogue).encoded_len();
    // half of a message: the attempts in flight are listed in it too
    let limit = MAX_MESSAGE / 2;
    if bytes > limit {
        return Err(BuildError::TooManyDeclarations { bytes, limit });
    }
    Ok(Arc::new(catalogue))
}

/// What the worker says of itself in every session.
pub(crate) fn registration(settings: &Settings, catalogue: &Catalogue) -> Register {
    Register {
        worker: settings.name.clone(),
        build: env!("CARGO_PKG_VERSION").to_owned(),
        slots: settings.slots,
        labels: settings.labels.clone().into_iter().collect(),
        tools: catalogue.declared().to_vec(),
        max_message_bytes: MAX_MESSAGE as u32,
        max_parameters_bytes: settings.max_parameters_bytes,
        ..Register::default()
    }
}
