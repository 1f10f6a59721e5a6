//! One call of a request at a time: its fields checked, its parameters read, its dependencies found.

use std::{collections::HashMap, sync::Arc};

use bytes::Bytes;
use toolwave_proto::v1::{self, call::ParametersForm};
use toolwave_scheduler::plan::{Edge, Need};

use super::{
    convert,
    graph::Graph,
    ids::Ids,
    limits::{HIGHEST_PRIORITY, NAME_BYTES, RequestLimits},
    parameters::{ParametersFault, Scanned, scan},
    prepared::{CallFault, CallParameters, CallState, PreparedCall},
    reference::is_name_byte,
    resolver::check_schema,
    struct_json::struct_text,
    template::{Parsed, Template},
    text::quoted,
    violations::Violations,
    words,
};
use crate::{
    catalogue::{Catalogue, DeclaredTool},
    error::Reason,
};

/// What all calls of a request are checked with.
pub(super) struct Checker<'r> {
    pub(super) catalogue: &'r Catalogue,
    pub(super) limits: &'r RequestLimits,
    pub(super) ids: &'r Ids,
    pub(super) tools: Tools,
    pub(super) graph: Graph,
    pub(super) violations: Violations,
}

/// The tools that a request names, each looked up once.
#[derive(Default)]
pub(super) struct Tools {
    found: HashMap<Arc<str>, Option<Arc<DeclaredTool>>>,
    /// Of the call before: most calls of a request name few tools.
    last: Option<(Arc<str>, Option<Arc<DeclaredTool>>)>,
}

impl Tools {
    fn named(&mut self, name: &str, catalogue: &Catalogue) -> (Arc<str>, Option<Arc<DeclaredTool>>) {
        if let Some(last) = &self.last
            && *last.0 == *name
        {
            return last.clone();
        }
        let tool = match self.found.get_key_value(name) {
            Some((name, tool)) => (name.clone(), tool.clone()),
            None => {
                let (name, tool): (Arc<str>, _) = (name.into(), catalogue.tool(name).cloned());
                self.found.insert(name.clone(), tool.clone());
                (name, tool)
            }
        };
        self.last = Some(tool.clone());
        tool
    }
}

/// True for what ids and tool names may be.
pub(super) fn is_name(text: &str) -> bool {
    !text.is_empty() && text.len() <= NAME_BYTES && text.bytes().all(is_name_byte)
}

/// True for what idempotency keys may be.
pub(super) fn is_key(text: &str) -> bool {
    text.len() <= NAME_BYTES && !text.chars().any(char::is_control)
}

impl Checker<'_> {
    /// Checks call `at`, adds its edges and what is wrong with it.
    pub(super) fn check(&mut self, at: u32, call: v1::Call) -> PreparedCall {
        let (tool_name, tool) = self.tool(at, &call.tool_name);
        let (mut parameters, mut state) = self.parameters(at, call.parameters_form);
        self.dependencies(at, &call.depends_on, &parameters);
        if let (Some(tool), CallState::Unresolved) = (&tool, &state) {
            state = match self.catalogue.offers(&tool_name) {
                true => self.check_against(tool, at, &mut parameters),
                false => CallState::Rejected(words::withdrawn(&tool_name)),
            };
        }
        if !(0..=HIGHEST_PRIORITY).contains(&call.priority) {
            self.add(Reason::BadPriority, at, ".priority", || {
                format!("{} must be 0 to {HIGHEST_PRIORITY}", call.priority)
            });
        }
        let timeout = self.timeout(at, ".timeout", call.timeout.as_ref());
        let queue_timeout = self.timeout(at, ".queue_timeout", call.queue_timeout.as_ref());
        let retry = call
            .retry
            .as_ref()
            .and_then(|policy| match convert::retry_policy(policy) {
                Ok(policy) => Some(policy),
                Err((field, what)) => {
                    let field = || format!("calls[{at}].retry.{field}");
                    self.violations.add(Reason::BadRetry, field, || what);
                    None
                }
            });
        if !is_key(&call.idempotency_key) {
            self.add(Reason::BadIdempotencyKey, at, ".idempotency_key", || {
                format!("at most {NAME_BYTES} bytes without control characters are allowed")
            });
        }
        PreparedCall {
            id: self.ids.texts[at as usize].clone(),
            tool_name,
            parameters,
            priority: call.priority.clamp(0, HIGHEST_PRIORITY) as u8,
            timeout,
            queue_timeout,
            retry,
            idempotency_key: call.idempotency_key.into(),
            state,
        }
    }

    fn add(&mut self, reason: Reason, at: u32, field: &str, description: impl FnOnce() -> String) {
        self.violations
            .add(reason, || format!("calls[{at}]{field}"), description);
    }

    fn timeout(
        &mut self,
        at: u32,
        field: &str,
        wire: Option<&prost_types::Duration>,
    ) -> Option<std::time::Duration> {
        match convert::timeout(wire?) {
            Ok(timeout) => Some(timeout),
            Err(what) => {
                self.add(Reason::BadTimeout, at, field, || what);
                None
            }
        }
    }

    fn tool(&mut self, at: u32, name: &str) -> (Arc<str>, Option<Arc<DeclaredTool>>) {
        if !is_name(name) {
            self.add(Reason::BadToolName, at, ".tool_name", || {
                if name.is_empty() {
                    "a call must name its tool".into()
                } else {
                    format!(
                        "{} must be 1 to {NAME_BYTES} bytes of [A-Za-z0-9._:-]",
                        quoted(name)
                    )
                }
            });
            return ("".into(), None);
        }
        self.tools.named(name, self.catalogue)
    }

    fn parameters(&mut self, at: u32, form: Option<ParametersForm>) -> (CallParameters, CallState) {
        let budget = self.limits.json();
        let (text, read) = match form {
            None => (Bytes::from_static(b"{}"), Ok(Scanned::default())),
            Some(ParametersForm::ParametersJson(text)) if text.is_empty() => {
                (Bytes::from_static(b"{}"), Ok(Scanned::default()))
            }
            Some(ParametersForm::ParametersJson(text)) => {
                let read = scan(&text, budget);
                (text, read)
            }
            Some(ParametersForm::Parameters(wire)) => match struct_text(&wire, budget) {
                Ok((text, scanned)) => (text.into(), Ok(scanned)),
                Err(fault) => (Bytes::new(), Err(fault)),
            },
        };
        match read {
            Ok(Scanned {
                references: false, ..
            }) => (CallParameters::Text(text), CallState::Unresolved),
            Ok(_) => (self.template(at, text), CallState::Unresolved),
            Err(fault) => {
                if !fault.is_of_the_call() {
                    self.refuse_parameters(at, &fault);
                }
                (
                    CallParameters::Text(Bytes::new()),
                    CallState::Rejected(CallFault::from(fault)),
                )
            }
        }
    }

    fn refuse_parameters(&mut self, at: u32, fault: &ParametersFault) {
        self.add(fault.reason(), at, ".parameters", || fault.to_string());
    }

    fn template(&mut self, at: u32, text: Bytes) -> CallParameters {
        let ids = self.ids;
        match Template::parse(text, self.limits.json(), &|id| ids.index(id)) {
            Ok(Parsed::Text(text)) => CallParameters::Text(text),
            Ok(Parsed::Template(template)) => CallParameters::Template(Box::new(template)),
            Err(faults) => {
                for fault in faults {
                    self.add(fault.reason(), at, ".parameters", || fault.to_string());
                }
                CallParameters::Text(Bytes::new())
            }
        }
    }

    fn dependencies(&mut self, at: u32, depends_on: &[String], parameters: &CallParameters) {
        let mut from: Vec<u32> = Vec::with_capacity(depends_on.len());
        for (place, id) in depends_on.iter().enumerate() {
            match self.ids.index(id) {
                Some(call) => from.push(call),
                None => self.violations.add(
                    Reason::UnknownDependency,
                    || format!("calls[{at}].depends_on[{place}]"),
                    || format!("the request holds no call with the id {}", quoted(id)),
                ),
            }
        }
        if let Some(explained) = &mut self.graph.explained {
            explained.extend(from.iter().map(|&from| v1::Edge {
                from,
                to: at,
                origin: v1::EdgeOrigin::DependsOn.into(),
                detail: String::new(),
            }));
            if let CallParameters::Template(template) = parameters {
                explained.extend(template.references().map(|reference| v1::Edge {
                    from: reference.call,
                    to: at,
                    origin: v1::EdgeOrigin::Reference.into(),
                    detail: reference.text.clone(),
                }));
            }
        }
        if let CallParameters::Template(template) = parameters {
            from.extend_from_slice(template.calls());
        }
        from.sort_unstable();
        from.dedup();
        let limit = self.limits.max_dependencies_per_call;
        if from.len() > limit {
            self.add(Reason::TooManyDependencies, at, ".depends_on", || {
                format!("{} dependencies, at most {limit} are allowed", from.len())
            });
        }
        self.graph.edges.extend(from.into_iter().map(|from| Edge {
            from,
            to: at,
            need: Need::Success,
        }));
    }

    /// What can be said once the tool is known: schema, and what the call touches.
    fn check_against(&mut self, tool: &DeclaredTool, at: u32, parameters: &mut CallParameters) -> CallState {
        let (text, references) = match &*parameters {
            CallParameters::Text(text) => (text, false),
            CallParameters::Template(template) => (template.text(), true),
        };
        let schema = tool.validator.is_some() && !references;
        if schema || !tool.effects.is_empty() {
            // Empty only where a violation was added before.
            let Ok(value) = serde_json::from_slice(text) else {
                return CallState::Unresolved;
            };
            if schema && let Err(fault) = check_schema(tool, &value) {
                return CallState::Rejected(fault);
            }
            self.graph.accesses.extend(
                tool.effects
                    .iter()
                    .map(|effect| effect.access(at, &value, references)),
            );
        }
        if references {
            CallState::Unresolved
        } else {
            CallState::Validated
        }
    }
}
