//! The first frame of a session: what must be right before a worker is taken in.

use std::{collections::HashMap, sync::Arc};

use tonic::Streaming;
use toolwave_proto::{PROTOCOL, v1};

use super::{convert, fault::SessionFault, outbox::LEAST_MESSAGE, permitted::Caller, service::SessionTerms};

/// What gRPC implementations accept where nobody says otherwise.
const DEFAULT_MESSAGE: u32 = 4 * 1024 * 1024;
/// Of a worker's labels and build, in bytes.
const DESCRIPTION_BYTES: usize = 256;
/// Labels that are kept of a worker.
const LABELS: usize = 64;
/// Beyond two attempts a slot (one that runs, one whose result waits) a worker may list this many.
const LISTED_SPARE: usize = 64;

/// A worker that may come in.
pub(super) struct Registration {
    pub(super) name: Arc<str>,
    pub(super) instance_id: String,
    pub(super) protocol: u32,
    pub(super) slots: u32,
    pub(super) tools: Vec<v1::Tool>,
    pub(super) coordinator_id: String,
    pub(super) in_flight: Vec<v1::AttemptRef>,
    pub(super) draining: bool,
    pub(super) max_parameters: usize,
    pub(super) build: String,
    pub(super) labels: HashMap<String, String>,
}

/// Waits for the first frame and checks it.
pub(super) async fn register(
    stream: &mut Streaming<v1::OpenSessionRequest>,
    terms: &SessionTerms,
    caller: &Caller,
) -> Result<Registration, SessionFault> {
    let wait = terms.register_within;
    let frame = match tokio::time::timeout(wait, stream.message()).await {
        Err(_) => return Err(SessionFault::RegisterLate(wait)),
        Ok(Ok(Some(frame))) => frame,
        Ok(Ok(None)) => return Err(SessionFault::RegisterNotFirst("never came: the stream ended")),
        Ok(Err(status)) => {
            let fault = SessionFault::unread(&status, terms.max_message);
            return Err(fault.unwrap_or(SessionFault::RegisterNotFirst("never came: the stream broke")));
        }
    };
    check(alone(frame)?, terms, caller)
}

/// The register frame, when it holds nothing else.
fn alone(mut frame: v1::OpenSessionRequest) -> Result<v1::Register, SessionFault> {
    let register = frame
        .register
        .take()
        .ok_or(SessionFault::RegisterNotFirst("has none"))?;
    if frame == v1::OpenSessionRequest::default() {
        Ok(register)
    } else {
        Err(SessionFault::RegisterNotFirst("holds more"))
    }
}

fn check(
    register: v1::Register,
    terms: &SessionTerms,
    caller: &Caller,
) -> Result<Registration, SessionFault> {
    let (min, max) = (*PROTOCOL.start(), *PROTOCOL.end());
    let (worker_min, worker_max) = (register.min_protocol, register.max_protocol);
    let protocol = max.min(worker_max);
    if protocol < min.max(worker_min) {
        return Err(SessionFault::UnsupportedProtocol {
            worker_min,
            worker_max,
            min,
            max,
        });
    }
    name("register.worker", &register.worker)?;
    caller.may_be(&register.worker)?;
    name("register.instance_id", &register.instance_id)?;
    let here = &*terms.coordinator_id;
    if register
        .connected_to
        .iter()
        .any(|coordinator| coordinator == here)
    {
        return Err(SessionFault::AlreadyConnected);
    }
    let message_bytes = if register.max_message_bytes == 0 {
        DEFAULT_MESSAGE
    } else {
        register.max_message_bytes
    };
    if message_bytes < LEAST_MESSAGE {
        return Err(SessionFault::MessageLimitTooLow(message_bytes));
    }
    check_listed(register.in_flight.len(), register.slots)?;
    if register.tools.len() > terms.max_tools {
        return Err(SessionFault::TooManyTools {
            listed: register.tools.len(),
            limit: terms.max_tools,
        });
    }
    let slots = register.slots.min(terms.max_slots);
    if slots < register.slots {
        tracing::warn!(
            worker = register.worker,
            declared = register.slots,
            slots,
            "worker declares too many slots"
        );
    }
    let short = |text: String| convert::clean(text, DESCRIPTION_BYTES);
    Ok(Registration {
        name: register.worker.into(),
        instance_id: register.instance_id,
        protocol,
        slots,
        tools: register.tools,
        coordinator_id: register.coordinator_id,
        in_flight: register.in_flight,
        draining: register.draining,
        max_parameters: match register.max_parameters_bytes {
            0 => usize::MAX,
            bytes => usize::try_from(bytes).unwrap_or(usize::MAX),
        },
        build: short(register.build),
        labels: register
            .labels
            .into_iter()
            .take(LABELS)
            .map(|(key, value)| (short(key), short(value)))
            .collect(),
    })
}

/// Whether a worker of so many slots can have so many attempts: each takes memory, and a slot, until it has ended.
pub(super) fn check_listed(listed: usize, slots: u32) -> Result<(), SessionFault> {
    let limit = (slots as usize).saturating_mul(2).saturating_add(LISTED_SPARE);
    if listed > limit {
        return Err(SessionFault::TooManyInFlight { listed, slots, limit });
    }
    Ok(())
}

/// The rule of every name that a worker chooses.
fn name(field: &'static str, value: &str) -> Result<(), SessionFault> {
    let good = (1..=128).contains(&value.len())
        && value
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"._:-".contains(&byte));
    if good {
        Ok(())
    } else {
        Err(SessionFault::BadName {
            field,
            value: convert::clean(value.to_owned(), 160),
        })
    }
}

/// What the worker is answered.
pub(super) fn registered(
    registration: &Registration,
    session_id: &str,
    terms: &SessionTerms,
) -> v1::Registered {
    let unwanted = if registration.coordinator_id == *terms.coordinator_id {
        Vec::new()
    } else {
        registration.in_flight.clone()
    };
    v1::Registered {
        coordinator_id: terms.coordinator_id.to_string(),
        session_id: session_id.to_owned(),
        protocol: registration.protocol,
        heartbeat_interval: Some(convert::duration(terms.heartbeat_interval)),
        self_fence: Some(convert::duration(terms.self_fence)),
        unwanted,
        max_message_bytes: u32::try_from(terms.max_message).unwrap_or(u32::MAX),
        max_result_bytes: terms.max_result,
    }
}
