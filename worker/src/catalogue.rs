//! The tools of one worker, checked when it is built: what is in here can be registered and called.

use std::sync::Arc;

use rustc_hash::FxHashMap;
use toolwave_proto::v1;
use toolwave_tool::{SharedTool, Stopping};

use crate::{
    convert,
    error::BuildError,
    numbers::{Numbers, ToolNumbers},
};

/// Tools by name.
pub(crate) struct Catalogue {
    hosted: FxHashMap<String, Hosted>,
    declared: Vec<v1::Tool>,
}

/// What running an attempt needs to know of its tool; the rest of the declaration is the coordinator's.
#[derive(Clone)]
pub(crate) struct Hosted {
    pub(crate) tool: SharedTool,
    pub(crate) stopping: Stopping,
    pub(crate) quick: bool,
    pub(crate) max_result_bytes: u64,
    /// Where its attempts are counted.
    pub(crate) numbers: Arc<ToolNumbers>,
}

impl Catalogue {
    /// Checks every declaration. `max_result_bytes` holds for tools that declare no limit, and above theirs.
    pub(crate) fn try_new(
        tools: Vec<SharedTool>,
        max_result_bytes: u64,
        numbers: &Numbers,
    ) -> Result<Self, BuildError> {
        let mut hosted = FxHashMap::default();
        let mut declared = Vec::with_capacity(tools.len());
        for tool in tools {
            let declaration = tool.declaration();
            let name = declaration.name.clone();
            declaration.check().map_err(|reason| BuildError::Tool {
                name: name.clone(),
                reason,
            })?;
            declared.push(convert::tool(&declaration));
            let limit = declaration
                .max_result_bytes
                .map_or(max_result_bytes, |limit| limit.min(max_result_bytes));
            let entry = Hosted {
                stopping: tool.stopping(),
                quick: tool.quick(),
                max_result_bytes: limit,
                numbers: numbers.of(&name),
                tool,
            };
            if hosted.insert(name.clone(), entry).is_some() {
                return Err(BuildError::DuplicateTool { name });
            }
        }
        Ok(Self { hosted, declared })
    }

    pub(crate) fn find(&self, name: &str) -> Option<&Hosted> {
        self.hosted.get(name)
    }

    /// As they are registered.
    pub(crate) fn declared(&self) -> &[v1::Tool] {
        &self.declared
    }
}
