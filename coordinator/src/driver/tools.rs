//! What the scheduler was last told of each tool, so that workers that register the same tools again cost
//! nothing.

use rustc_hash::FxHashMap;
use toolwave_scheduler::{ToolKey, ToolSpec};

/// By key; as many as were ever declared.
#[derive(Default)]
pub(super) struct Tools {
    told: FxHashMap<ToolKey, ToolSpec>,
}

// === impl Tools ===

impl Tools {
    /// True when the scheduler has not heard this of the tool; from here on it has.
    pub(super) fn is_news(&mut self, tool: ToolKey, spec: &ToolSpec) -> bool {
        if self.told.get(&tool) == Some(spec) {
            return false;
        }
        self.told.insert(tool, spec.clone());
        true
    }
}
