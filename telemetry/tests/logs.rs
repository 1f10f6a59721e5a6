//! Logs of a process: there is one set-up in each, so this is one test.

#![allow(clippy::unwrap_used, reason = "these are tests")]

use toolwave_telemetry::logs::{Format, Logs};
use tracing::{Level, enabled};

#[test]
fn what_is_logged_changes_while_it_runs_and_what_may_not_be_never_is() {
    let hides = |line: &tracing::Metadata<'_>| !line.target().starts_with("rmcp");
    assert!(Logs::init("nonsense", Format::Json, hides).is_err());
    let logs = Logs::init("info", Format::Json, hides).unwrap();
    let debug = || enabled!(target: "toolwave_worker", Level::DEBUG);
    let hidden = || enabled!(target: "rmcp::service", Level::ERROR);
    assert!(enabled!(Level::INFO) && !debug() && !hidden());

    // An operator's change, until it is put back.
    logs.change("warn,toolwave_worker=debug").unwrap();
    assert!(debug() && !enabled!(Level::INFO));
    assert_eq!(logs.current(), "warn,toolwave_worker=debug");
    for hidden_level in ["trace", "rmcp=trace", "info,rmcp::service=trace"] {
        logs.change(hidden_level).unwrap();
        assert!(!hidden(), "{hidden_level}");
    }
    logs.reset();
    assert!(enabled!(Level::INFO) && !debug());
    assert_eq!(logs.current(), "info");

    // A reload of the configuration.
    logs.set("error").unwrap();
    assert!(!enabled!(Level::WARN));
    logs.change("debug").unwrap();
    logs.set("error").unwrap();
    assert!(
        debug(),
        "what the configuration says has not changed: the operator's word stays"
    );
    logs.set("warn").unwrap();
    assert!(!debug() && enabled!(Level::WARN), "it has changed, and counts");
    logs.reset();
    assert_eq!(logs.current(), "warn");

    // What is wrong is said, and changes nothing.
    for (wrong, directive) in [
        ("", ""),
        ("inof", "inof"),
        ("info,toolwave", "toolwave"),
        ("info,toolwave=loud", "toolwave=loud"),
        ("a=b=c", "a=b=c"),
        ("info,", ""),
    ] {
        let error = logs.change(wrong).unwrap_err();
        assert_eq!(error.directive, directive);
        assert!(
            error.to_string().contains("expected error, warn, info"),
            "{error}"
        );
        assert_eq!(Logs::check(wrong), Err(error));
    }
    assert_eq!(logs.current(), "warn");
}
