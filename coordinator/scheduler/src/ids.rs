//! The newtypes that name things. None is used twice in the life of a scheduler, so a stale one finds nothing.

use std::fmt;

/// Names an execution.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ExecutionKey(pub u64);

/// Names a call: its execution and its index in the request.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct CallKey {
    /// The execution.
    pub execution: ExecutionKey,
    /// The index of the call in the request.
    pub index: u32,
}

/// Names one attempt of a call. Numbers of one call only grow; they may skip.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct AttemptKey {
    /// The call.
    pub call: CallKey,
    /// From 1.
    pub number: u32,
}

/// Names one session of a worker; chosen by the driver, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct SessionKey(pub u64);

/// Names one worker process (its instance) over all its sessions; chosen by the driver, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct WorkerKey(pub u64);

/// Names a tool by its name; interned by the driver, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ToolKey(pub u32);

/// Names a tenant; interned by the driver.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct TenantKey(pub u32);

impl fmt::Display for CallKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.execution.0, self.index)
    }
}

impl fmt::Display for AttemptKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}#{}", self.call, self.number)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_read_as_execution_call_and_attempt() {
        let call = CallKey {
            execution: ExecutionKey(7),
            index: 3,
        };
        assert_eq!(AttemptKey { call, number: 2 }.to_string(), "7/3#2");
    }
}
