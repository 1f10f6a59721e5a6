//! The tools that a worker offers: checked as a whole, and replaced as a whole while it runs.

use std::{fmt, sync::Arc};

use prost::Message;
use tokio::sync::watch;
use toolwave_tool::SharedTool;

use crate::{catalogue::Catalogue, client::MAX_MESSAGE, error::BuildError, service, worker::Settings};

/// Kept by the worker and by its handles.
pub(crate) struct Offer {
    settings: Settings,
    max_result_bytes: u64,
    current: watch::Sender<Arc<Catalogue>>,
}

impl Offer {
    pub(crate) fn try_new(
        settings: Settings,
        max_result_bytes: u64,
        tools: Vec<SharedTool>,
    ) -> Result<Self, BuildError> {
        let current = checked(&settings, max_result_bytes, tools)?;
        Ok(Self {
            settings,
            max_result_bytes,
            current: watch::Sender::new(current),
        })
    }

    /// Nothing changes when any of the tools is wrong.
    pub(crate) fn replace(&self, tools: Vec<SharedTool>) -> Result<(), BuildError> {
        let next = checked(&self.settings, self.max_result_bytes, tools)?;
        self.current.send_replace(next);
        Ok(())
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
) -> Result<Arc<Catalogue>, BuildError> {
    let catalogue = Catalogue::try_new(tools, max_result_bytes)?;
    let bytes = service::registration(settings, &catalogue).encoded_len();
    // half of a message: the attempts in flight are listed in it too
    let limit = MAX_MESSAGE / 2;
    if bytes > limit {
        return Err(BuildError::TooManyDeclarations { bytes, limit });
    }
    Ok(Arc::new(catalogue))
}
