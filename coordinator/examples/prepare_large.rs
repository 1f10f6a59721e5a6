//! Prints how long the edge takes over the largest executions: 10,000 calls, 30,000 dependencies, a schema.
//! Run it with `cargo run --release -p toolwave-coordinator --example prepare_large`.

use std::time::{Duration, Instant};

use toolwave_coordinator::{
    catalogue::Catalogue,
    execution::{
        limits::RequestLimits,
        prepared::Detail,
        validate::{Circumstances, prepare},
    },
};
use toolwave_proto::v1::{self, call::ParametersForm};

const CALLS: u32 = 10_000;
const EARLIER: [u32; 3] = [100, 150, 199];

fn call(at: u32) -> v1::Call {
    let depends_on = EARLIER
        .iter()
        .filter_map(|back| at.checked_sub(*back))
        .map(|from| from.to_string())
        .collect();
    let parameters = format!("{{\"path\":\"/data/{at}\",\"lines\":[1,2,3],\"query\":\"number {at}\"}}");
    v1::Call {
        tool_name: "tool".into(),
        parameters_form: Some(ParametersForm::ParametersJson(parameters.into())),
        depends_on,
        ..v1::Call::default()
    }
}

fn main() {
    let schema = r#"{"type":"object","required":["path"],"properties":{"path":{"type":"string"},
        "lines":{"type":"array","items":{"type":"integer"}},"query":{"type":"string"}}}"#;
    let effects = vec![v1::Effect {
        mode: v1::EffectMode::Reads.into(),
        key_template: "file:{path}".into(),
    }];
    let tool = v1::Tool {
        name: "tool".into(),
        input_schema_json: schema.into(),
        effects,
        ..v1::Tool::default()
    };
    let catalogue = Catalogue::default()
        .declare(tool)
        .expect("a good declaration")
        .catalogue;
    let request = v1::ExecuteParallelRequest {
        calls: (0..CALLS).map(call).collect(),
        ..v1::ExecuteParallelRequest::default()
    };
    let circumstances = Circumstances {
        deadline: Some(Duration::from_secs(60)),
        detail: Detail::Results,
        explain: false,
    };
    for _ in 0..5 {
        let request = request.clone();
        let edges: usize = request.calls.iter().map(|call| call.depends_on.len()).sum();
        let start = Instant::now();
        let prepared =
            prepare(request, &catalogue, &RequestLimits::default(), circumstances).expect("a good request");
        let taken = start.elapsed();
        println!(
            "{CALLS} calls, {edges} edges, {} waves: {taken:?}",
            prepared.execution.plan.wave_count()
        );
    }
}
