//! What a command finds in its environment: what the declaration names, which call it serves, and nothing else.
//!
//! Parameters never come here: a variable may change what a program is, not only what it does.

use std::{
    collections::BTreeMap,
    env,
    ffi::{OsStr, OsString},
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use toolwave_tool::CallContext;

use crate::value::{Secret, Source, SourceError};

/// Where programs are looked for, unless the declaration says otherwise.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";
/// What begins so is toolwave's own.
pub(super) const RESERVED: &str = "TOOLWAVE_";
/// All variables of the worker's environment but toolwave's own.
pub(super) const ALL: &str = "*";

/// The variables of every call.
#[derive(Clone, Debug)]
pub(super) struct Environment {
    named: BTreeMap<String, Source>,
    inherited: Vec<String>,
}

/// Those of one call.
pub(super) struct Variables {
    pub(super) all: Vec<(OsString, OsString)>,
    /// The values among them that did not stand in the declaration.
    pub(super) secrets: Vec<Secret>,
}

impl Environment {
    pub(super) fn new(named: BTreeMap<String, Source>, inherited: Vec<String>) -> Self {
        Self { named, inherited }
    }

    pub(super) fn variables(&self, context: &CallContext) -> Result<Variables, SourceError> {
        let mut all: BTreeMap<OsString, OsString> = BTreeMap::from([("PATH".into(), PATH.into())]);
        for name in &self.inherited {
            if name == ALL {
                let is_ours = |name: &OsString| name.to_string_lossy().starts_with(RESERVED);
                all.extend(env::vars_os().filter(|(name, _)| !is_ours(name)));
            } else if let Some(value) = env::var_os(name) {
                all.insert(name.into(), value);
            }
        }
        let trace = [
            ("TRACEPARENT", context.traceparent()),
            ("TRACESTATE", context.tracestate()),
        ];
        for (name, value) in trace {
            if let Some(value) = value {
                all.insert(name.into(), value.into());
            } else if context.traceparent().is_some() {
                // The worker's own goes with no other parent.
                all.remove(OsStr::new(name));
            }
        }
        let mut secrets = Vec::new();
        for (name, source) in &self.named {
            let value = source.read()?;
            all.insert(name.into(), value.expose().into());
            if !source.is_text() {
                secrets.push(value);
            }
        }
        let call = context.call();
        for (name, value) in [
            ("CALL_ID", call.call_id.clone()),
            ("EXECUTION_ID", call.execution_id.clone()),
            ("ATTEMPT", call.attempt.to_string()),
            ("IDEMPOTENCY_KEY", call.idempotency_key.clone()),
            ("DEADLINE", deadline(context.remaining())),
        ] {
            // what clients choose may hold what no variable can
            if !value.contains('\0') {
                all.insert(format!("{RESERVED}{name}").into(), value.into());
            }
        }
        let all = all.into_iter().collect();
        Ok(Variables { all, secrets })
    }
}

/// Seconds since 1970, to the millisecond.
fn deadline(remaining: Duration) -> String {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let at = since.saturating_add(remaining);
    format!("{}.{:03}", at.as_secs(), at.subsec_millis())
}
