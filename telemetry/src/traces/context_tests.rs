//! What is read from headers, and what is not.

use tonic::metadata::MetadataMap;

use super::*;

const GOOD: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

#[test]
fn a_context_is_written_as_it_was_read() {
    for text in [GOOD, "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"] {
        let context = TraceContext::parse(text, "").expect("well formed");
        assert_eq!(context.traceparent().as_str(), text);
    }
    let context = TraceContext::parse(GOOD, "").expect("well formed");
    assert_eq!(context.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
    assert!(context.is_sampled());
    assert!(!context.unsampled().is_sampled());
}

#[test]
fn a_child_has_the_trace_and_a_span_of_its_own() {
    let context = TraceContext::parse(GOOD, "vendor=1").expect("well formed");
    let child = context.child();
    assert_eq!(child.trace_id(), context.trace_id());
    assert_ne!(child.span_id(), context.span_id());
    assert_eq!(child.tracestate(), "vendor=1");
}

#[test]
fn a_malformed_traceparent_is_as_none() {
    let wrong = [
        "",
        "00",
        "nonsense",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-1",
        "00-4BF92F3577B34DA6A3CE929D0E0E4736-00f067aa0ba902b7-01",
        "00-00000000000000000000000000000000-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01",
        "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01-more",
        "ff-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "01-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01more",
        "00_4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
        "00-4bf92f3577b34da6a3ce929d0e0e473é-00f067aa0ba902b7-01",
    ];
    for text in wrong {
        assert_eq!(TraceContext::parse(text, ""), None, "{text}");
    }
}

#[test]
fn a_later_version_is_read_as_far_as_it_is_known() {
    let later = "cc-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-09-what-the-future-holds";
    let context = TraceContext::parse(later, "").expect("well formed");
    assert_eq!(context.traceparent().as_str(), GOOD);
}

#[test]
fn a_tracestate_that_is_malformed_or_large_is_dropped_alone() {
    let many: Vec<String> = (0..33).map(|number| format!("k{number}=v")).collect();
    let wrong = [
        "a".to_owned(),
        "a=".to_owned(),
        "A=b".to_owned(),
        "a=b,a=c".to_owned(),
        "a=b\u{e9}".to_owned(),
        "a=b=c".to_owned(),
        "a@1b=c".to_owned(),
        format!("a={}", "b".repeat(10_000)),
        many.join(","),
    ];
    for state in wrong {
        let context = TraceContext::parse(GOOD, &state).expect("the other is well formed");
        assert_eq!(context.tracestate(), "", "{state}");
    }
    for state in [
        "a=b",
        "rojo=00f067aa0ba902b7,congo=t61rcWkgMzE",
        "1t@sys=x y,,b=c",
    ] {
        let context = TraceContext::parse(GOOD, state).expect("well formed");
        assert_eq!(context.tracestate(), state);
    }
}

#[test]
fn of_two_traceparents_neither_counts_and_tracestates_are_one_list() {
    let mut metadata = MetadataMap::new();
    assert_eq!(TraceContext::of_metadata(&metadata), None);
    metadata.append(TRACEPARENT, GOOD.parse().expect("ascii"));
    metadata.append(TRACESTATE, "a=1".parse().expect("ascii"));
    metadata.append(TRACESTATE, "b=2".parse().expect("ascii"));
    let context = TraceContext::of_metadata(&metadata).expect("well formed");
    assert_eq!(context.tracestate(), "a=1,b=2");
    metadata.append(TRACEPARENT, GOOD.parse().expect("ascii"));
    assert_eq!(TraceContext::of_metadata(&metadata), None);
}
