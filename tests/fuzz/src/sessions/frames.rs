//! What a worker says: mostly what one that keeps to the protocol could, with a lie here and there.

use bytes::Bytes;
use toolwave_proto::v1::{self, AttemptFailureKind, attempt_report::End};

use super::peer::{Attempt, Peer, TOOLS, reference};
use crate::draw;

/// Of a result that goes in pieces, in bytes; more than a message may hold is only announced.
const SIZES: [u64; 6] = [1, 2, 1000, 70_000, 20 << 20, u64::MAX];

/// The first frame. `known`: attempts that somebody was sent.
pub(super) fn register(from: &mut draw::Bytes<'_>, coordinator_id: &str, known: &[Attempt]) -> v1::Register {
    let mut register = plain(
        draw::one_of(from, &["w0", "w1", "w2"]),
        draw::below(from, 6) as u32,
    );
    register.instance_id = draw::one_of(from, &["i0", "i1"]).into();
    register.tools.truncate(1 + draw::below(from, 4));
    register.draining = draw::one_in(from, 16);
    if draw::one_in(from, 2) {
        register.coordinator_id = coordinator_id.into();
        register.in_flight = (0..draw::below(from, 4))
            .map(|_| attempt(from, known))
            .map(reference)
            .collect();
    }
    match draw::below(from, 24) {
        0 => register.max_protocol = draw::edge(from) as u32,
        1 => register.worker = draw::text(from),
        2 => register.slots = draw::edge(from) as u32,
        3 => register.max_message_bytes = (256 << 10) + draw::below(from, 4096) as u32,
        4 => register.max_parameters_bytes = draw::edge(from),
        5 => register.tools.push(odd_tool(from)),
        6 => register.labels = [(draw::text(from), draw::text(from))].into(),
        7 => register.coordinator_id = draw::text(from),
        _ => {}
    }
    register
}

/// What a good worker says first.
pub(super) fn plain(worker: &str, slots: u32) -> v1::Register {
    v1::Register {
        worker: worker.into(),
        instance_id: "i0".into(),
        min_protocol: 1,
        max_protocol: 1,
        slots,
        tools: TOOLS[..4].iter().map(|name| tool(name)).collect(),
        ..v1::Register::default()
    }
}

fn tool(name: &str) -> v1::Tool {
    v1::Tool {
        name: name.into(),
        idempotent: name == "again",
        honours_idempotency_key: name == "keyed",
        max_concurrency: u32::from(name == "slow"),
        ..v1::Tool::default()
    }
}

fn odd_tool(from: &mut draw::Bytes<'_>) -> v1::Tool {
    v1::Tool {
        input_schema_json: Bytes::from(draw::value(from, 2).to_string()),
        rate_per_second: if draw::one_in(from, 2) {
            draw::edge(from) as f64
        } else {
            0.001
        },
        rate_burst: draw::edge(from) as u32,
        max_concurrency_per_worker: draw::edge(from) as u32,
        timeout: Some(duration(from)),
        ..tool(draw::one_of(from, &TOOLS[..4]))
    }
}

/// Any later frame.
pub(super) fn frame(
    from: &mut draw::Bytes<'_>,
    peer: &mut Peer,
    known: &[Attempt],
) -> v1::OpenSessionRequest {
    let mut frame = v1::OpenSessionRequest::default();
    for _ in 0..draw::below(from, 3) {
        frame.started.push(reference(own(from, peer, known)));
    }
    for _ in 0..draw::below(from, 4) {
        let report = report(from, peer, known);
        frame.results.push(report);
    }
    for _ in 0..draw::below(from, 3) {
        frame.chunks.extend(piece(from, peer));
    }
    match draw::below(from, 24) {
        0 => frame.progress.push(progress(from, peer, known)),
        1 => frame.chunks.push(v1::PayloadChunk {
            attempt: Some(reference(own(from, peer, known))),
            offset: draw::edge(from),
            data: vec![b'1'; draw::below(from, 4)].into(),
        }),
        2 => {
            frame.tools_changed = Some(v1::ToolsChanged {
                tools: (0..draw::below(from, 4)).map(|_| odd_tool(from)).collect(),
            });
        }
        3 => frame.draining = Some(v1::Draining::default()),
        4 => frame.goodbye = Some(v1::Goodbye::default()),
        5 if draw::one_in(from, 4) => frame.register = Some(plain("w0", 1)),
        6..=16 => frame.heartbeat = Some(heartbeat(from, peer, known)),
        _ => {}
    }
    frame
}

/// Ends everything that is open well, and says that it lives.
pub(super) fn obliging(peer: &mut Peer) -> v1::OpenSessionRequest {
    let mut frame = v1::OpenSessionRequest::default();
    for attempt in std::mem::take(&mut peer.open) {
        peer.results = peer.results.saturating_add(1);
        frame.results.push(v1::AttemptReport {
            attempt: Some(reference(attempt)),
            sequence: peer.results,
            end: Some(End::ResultJson(br#"{"k":"v"}"#.as_slice().into())),
            ..v1::AttemptReport::default()
        });
    }
    peer.beats = peer.beats.saturating_add(1);
    frame.heartbeat = Some(v1::Heartbeat {
        number: peer.beats,
        in_flight: Vec::new(),
        dispatches_read: peer.read,
    });
    frame
}

/// Mostly one of the session's own.
fn own(from: &mut draw::Bytes<'_>, peer: &Peer, known: &[Attempt]) -> Attempt {
    let open = peer.open.len();
    if open == 0 || draw::one_in(from, 8) {
        return attempt(from, known);
    }
    peer.open
        .iter()
        .nth(draw::below(from, open))
        .copied()
        .unwrap_or_default()
}

/// One that somebody was sent, or none that there is.
fn attempt(from: &mut draw::Bytes<'_>, known: &[Attempt]) -> Attempt {
    match known {
        [] => (1, 0, 1),
        _ if draw::one_in(from, 8) => (draw::edge(from), draw::edge(from) as u32, draw::edge(from) as u32),
        known => {
            let (execution, call, number) = draw::one_of(from, known);
            let other = draw::one_in(from, 8);
            (
                execution,
                call,
                if other { number.wrapping_add(1) } else { number },
            )
        }
    }
}

fn report(from: &mut draw::Bytes<'_>, peer: &mut Peer, known: &[Attempt]) -> v1::AttemptReport {
    let attempt = own(from, peer, known);
    let wrong = draw::one_in(from, 64);
    peer.results = peer.results.saturating_add(1);
    peer.lied |= wrong;
    let mut report = v1::AttemptReport {
        attempt: (!draw::one_in(from, 128)).then(|| reference(attempt)),
        sequence: if wrong { draw::edge(from) } else { peer.results },
        execution_time: draw::one_in(from, 2).then(|| duration(from)),
        ..v1::AttemptReport::default()
    };
    match draw::below(from, 12) {
        0..=3 => report.end = Some(End::ResultJson(draw::value(from, 2).to_string().into())),
        4 => {
            report.end = Some(End::ResultJson(
                from.arbitrary::<Vec<u8>>().unwrap_or_default().into(),
            ));
        }
        5..=8 => report.end = Some(End::Failure(failure(from))),
        9 | 10 => {
            report.result_size = draw::one_of(from, &SIZES);
            let size = report.result_size.min(1 << 20) as usize;
            peer.going.push((attempt, size, 0));
            // Its end is not complete before its pieces are.
            return report;
        }
        _ => report.result_size = draw::edge(from),
    }
    peer.open.remove(&attempt);
    report
}

fn failure(from: &mut draw::Bytes<'_>) -> v1::AttemptFailure {
    v1::AttemptFailure {
        kind: draw::one_of(
            from,
            &[
                AttemptFailureKind::Refused as i32,
                AttemptFailureKind::ToolError as i32,
                AttemptFailureKind::ToolError as i32,
                AttemptFailureKind::BrokenContract as i32,
                AttemptFailureKind::TimedOut as i32,
                AttemptFailureKind::Aborted as i32,
                AttemptFailureKind::Fenced as i32,
                99,
            ],
        ),
        code: draw::text(from),
        message: draw::text(from),
        retryable: draw::one_in(from, 2),
        retry_after: draw::one_in(from, 2).then(|| duration(from)),
        details_json: if draw::one_in(from, 4) {
            draw::text(from).into()
        } else {
            Bytes::new()
        },
    }
}

/// The next piece of what was announced, at times with a fault.
fn piece(from: &mut draw::Bytes<'_>, peer: &mut Peer) -> Option<v1::PayloadChunk> {
    let (attempt, size, gone) = peer.going.pop()?;
    let length = (1 + draw::below(from, 70_000)).min(size - gone);
    // White space, and at the end a number.
    let mut data = vec![b' '; length];
    if gone + length == size {
        data.pop();
        data.push(b'1');
    }
    if gone + length < size {
        peer.going.push((attempt, size, gone + length));
    } else {
        peer.open.remove(&attempt);
    }
    let slip = u64::from(draw::one_in(from, 32));
    Some(v1::PayloadChunk {
        attempt: Some(reference(attempt)),
        offset: gone as u64 + slip,
        data: data.into(),
    })
}

fn progress(from: &mut draw::Bytes<'_>, peer: &Peer, known: &[Attempt]) -> v1::ProgressReport {
    v1::ProgressReport {
        attempt: Some(reference(own(from, peer, known))),
        fraction: draw::one_in(from, 2).then(|| f64::from_bits(draw::number(from))),
        message: draw::text(from),
    }
}

fn heartbeat(from: &mut draw::Bytes<'_>, peer: &mut Peer, known: &[Attempt]) -> v1::Heartbeat {
    peer.beats = peer.beats.saturating_add(1);
    let mut in_flight: Vec<v1::AttemptRef> = peer.open.iter().copied().map(reference).collect();
    let mut dispatches_read = peer.read;
    match draw::below(from, 8) {
        0 => in_flight.clear(),
        1 => in_flight.push(reference(attempt(from, known))),
        2 => dispatches_read = draw::edge(from),
        _ => {}
    }
    peer.lied |= in_flight.len() != peer.open.len();
    v1::Heartbeat {
        number: if draw::one_in(from, 32) {
            draw::edge(from)
        } else {
            peer.beats
        },
        in_flight,
        dispatches_read,
    }
}

fn duration(from: &mut draw::Bytes<'_>) -> prost_types::Duration {
    prost_types::Duration {
        seconds: draw::edge(from) as i64,
        nanos: if draw::one_in(from, 8) {
            draw::number(from) as i32
        } else {
            0
        },
    }
}
