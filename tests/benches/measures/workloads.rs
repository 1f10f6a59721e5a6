//! The executions that are measured.

use serde_json::json;
use toolwave_client::{CallExt as _, call, v1};

/// 1,000 independent calls of 10 ms, 100 in flight: ideally ten times 10 ms.
pub(crate) fn sleeps() -> v1::ExecuteParallelRequest {
    let calls = (0..1000)
        .map(|_| call("sleep", json!({"milliseconds": 10})))
        .collect();
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency: Some(100),
        ..Default::default()
    }
}

/// 20 waves of 50 calls of 5 ms, each of which needs three of the wave before: ideally twenty times 5 ms.
pub(crate) fn waves() -> v1::ExecuteParallelRequest {
    let mut calls = Vec::new();
    for wave in 0..20 {
        for index in 0..50 {
            let mut sleep = call("sleep", json!({"milliseconds": 5})).id(format!("{wave}.{index}"));
            if wave > 0 {
                for step in [0, 1, 7] {
                    sleep = sleep.depends_on(format!("{}.{}", wave - 1, (index + step) % 50));
                }
            }
            calls.push(sleep);
        }
    }
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency: Some(50),
        ..Default::default()
    }
}

/// Independent calls that do nothing, as many in flight as the cluster takes.
pub(crate) fn echoes(count: usize) -> v1::ExecuteParallelRequest {
    let calls = (0..count)
        .map(|index| call("echo", json!({"index": index})))
        .collect();
    v1::ExecuteParallelRequest {
        calls,
        max_concurrency_auto: true,
        ..Default::default()
    }
}

/// 10,000 calls in 100 waves with 30,000 edges: three to each call after the first wave, four to the last 300.
pub(crate) fn planned() -> v1::ExecuteParallelRequest {
    let mut calls = Vec::new();
    for index in 0..10_000_usize {
        let mut echo = call("echo", json!({"index": index})).id(index.to_string());
        if let Some(before) = (index / 100).checked_sub(1) {
            let edges = if index < 9_700 { 3 } else { 4 };
            for step in 0..edges {
                echo = echo.depends_on((before * 100 + (index + step * 13) % 100).to_string());
            }
        }
        calls.push(echo);
    }
    v1::ExecuteParallelRequest {
        calls,
        ..Default::default()
    }
}
