//! In place of MCP servers where they are not built in: a file that names one is refused.

use std::{convert::Infallible, path::Path};

use serde::{Deserialize, Deserializer, de};
use toolwave_keeper::Keeper;
use toolwave_tool::SharedTool;

pub use crate::approval::{Approved, Definition, Standing};
use crate::fault::Fault;

/// There is none.
#[derive(Clone, Debug, PartialEq)]
pub struct Server(Infallible);

/// There is none.
#[derive(Debug)]
pub struct Mounted(Infallible);

impl<'de> Deserialize<'de> for Server {
    fn deserialize<D: Deserializer<'de>>(_: D) -> Result<Self, D::Error> {
        Err(de::Error::custom(
            "this program is built without MCP servers; expected a file that names none",
        ))
    }
}

#[allow(
    clippy::missing_docs_in_private_items,
    clippy::unused_async,
    reason = "as those of servers that there are"
)]
impl Server {
    /// Nothing can be wrong with it.
    #[must_use]
    pub fn check(&self, _: &str) -> Vec<Fault> {
        match self.0 {}
    }

    /// It cannot be started.
    pub async fn start(self, _: &str, _: &Keeper, _: Approved) -> Mounted {
        match self.0 {}
    }

    /// It cannot be started.
    pub async fn start_within(
        self,
        _: Option<std::time::Duration>,
        _: &str,
        _: &Keeper,
        _: Approved,
    ) -> Mounted {
        match self.0 {}
    }

    /// It has no paths.
    pub fn relative_to(&mut self, _: &Path) {
        match self.0 {}
    }
}

impl Mounted {
    /// None.
    #[must_use]
    pub fn tools(&self) -> Vec<SharedTool> {
        match self.0 {}
    }

    /// Never.
    pub async fn changed(&mut self) {
        match self.0 {}
    }

    /// None.
    #[must_use]
    pub fn definitions(&self) -> Vec<Definition> {
        match self.0 {}
    }

    /// Nothing to approve.
    pub fn approve(&self, _: Approved) {
        match self.0 {}
    }

    /// Nothing to fail.
    #[must_use]
    pub fn failure(&self) -> Option<String> {
        match self.0 {}
    }

    /// Nothing to close.
    pub async fn close(self) {
        match self.0 {}
    }
}
