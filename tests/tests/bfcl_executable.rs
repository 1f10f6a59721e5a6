//! The leaderboard's 90 executable batches on a worker that hosts what is pure computation of them.
//! What the calls should answer was computed by a Python script that shares nothing with the tools.

use std::collections::BTreeSet;

use serde_json::Value;
use toolwave_client::{CallResultExt as _, v1};
use toolwave_tests::{
    Cluster, Form,
    bfcl::{self, ExecutableAnswer},
};

/// Python calls that need the network: nobody hosts them here.
const NOT_HOSTED: [&str; 19] = [
    "convert_currency",
    "find_term_on_urban_dictionary",
    "get_active_covid_case_by_country",
    "get_company_name_by_stock_name",
    "get_coordinate_by_ip_address",
    "get_coordinates_from_city",
    "get_covid_death_by_country",
    "get_movie_director",
    "get_movie_rating",
    "get_price_by_amazon_ASIN",
    "get_product_name_by_amazon_ASIN",
    "get_rating_by_amazon_ASIN",
    "get_stock_history",
    "get_stock_price_by_stock_name",
    "get_time_zone_by_coord",
    "get_weather_data",
    "get_zipcode_by_ip_address",
    "retrieve_city_based_on_zipcode",
    "retrieve_holiday_by_year",
];

fn request(batch: &bfcl::ExecutableBatch, form: Form) -> v1::ExecuteParallelRequest {
    let call = |expression: &String| {
        let call =
            bfcl::python::parse_call(expression).unwrap_or_else(|error| panic!("{expression}: {error}"));
        let definition = batch
            .definitions
            .iter()
            .find(|definition| definition.name == call.function);
        let names = definition
            .map(bfcl::Definition::parameter_names)
            .unwrap_or_default();
        let function = call.function.clone();
        form.call(
            function,
            &call
                .parameters(&names)
                .unwrap_or_else(|error| panic!("{expression}: {error}")),
        )
    };
    v1::ExecuteParallelRequest {
        calls: batch.expressions.iter().map(call).collect(),
        ..Default::default()
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hosted_calls_answer_what_python_computes_and_calls_of_unknown_tools_are_rejected_beside_them() {
    let batches = bfcl::executable_batches().unwrap();
    let expected = bfcl::executable_answers().unwrap();
    let mut cluster = Cluster::start().await.unwrap();
    cluster
        .add_worker("own-tools", 4, toolwave_example_own_tools::tools())
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    for form in Form::ALL {
        let (mut computed, mut undefined, mut mixed, mut unknown) = (0, 0, 0, BTreeSet::new());
        for batch in &batches {
            let request = request(batch, form);
            let tools: Vec<_> = request.calls.iter().map(|call| call.tool_name.clone()).collect();
            let answer = client.execute_parallel(request).await.unwrap();
            let expected = &expected[&batch.id];
            assert_eq!(answer.results.len(), expected.len(), "{}", batch.id);
            for (index, (result, expected)) in answer.results.iter().zip(expected).enumerate() {
                let place = format!("{} as {form:?}", batch.expressions[index]);
                assert_eq!(result.tool_name, tools[index], "{place}");
                let code = result.error.as_ref().map(|error| error.code.as_str());
                match expected {
                    Some(ExecutableAnswer::Result(expected)) => {
                        assert_eq!(
                            result.outcome(),
                            v1::Outcome::Succeeded,
                            "{place}: {:?}",
                            result.error
                        );
                        let result = result.json().unwrap().unwrap();
                        assert!(
                            close(&result, expected),
                            "{place}: {result}, but Python says {expected}"
                        );
                        computed += 1;
                    }
                    Some(ExecutableAnswer::Error(expected)) => {
                        assert_eq!(result.outcome(), v1::Outcome::Failed, "{place}");
                        assert_eq!(code, Some(expected.as_str()), "{place}");
                        undefined += 1;
                    }
                    None => {
                        assert_eq!(result.outcome(), v1::Outcome::Rejected, "{place}");
                        assert_eq!(code, Some("UNKNOWN_TOOL"), "{place}");
                        unknown.insert(result.tool_name.clone());
                    }
                }
            }
            let hosted = expected.iter().flatten().count();
            mixed += usize::from(hosted > 0 && hosted < expected.len());
        }
        assert_eq!((computed, undefined), (175, 1), "{form:?}");
        assert!(mixed > 0, "no batch has calls of both kinds");
        assert_eq!(unknown, NOT_HOSTED.map(str::to_owned).into());
    }
    cluster.stop().await.unwrap();
}

/// Equal but for the rounding of floats: relative 1e-9.
fn close(a: &Value, b: &Value) -> bool {
    match (a, b) {
        (Value::Number(a), Value::Number(b)) => {
            let (Some(a), Some(b)) = (a.as_f64(), b.as_f64()) else {
                return false;
            };
            (a - b).abs() <= 1e-9 * a.abs().max(b.abs())
        }
        (Value::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| close(a, b)),
        (Value::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| close(a, b)))
        }
        (a, b) => a == b,
    }
}

#[test]
fn answers_that_differ_are_told_apart() {
    let value = |text: &str| serde_json::from_str::<Value>(text).unwrap();
    assert!(close(
        &value("[1, {\"a\": 0.3}]"),
        &value("[1.0, {\"a\": 0.30000000000000004}]")
    ));
    assert!(!close(&value("1"), &value("1.00001")));
    assert!(!close(&value("0"), &value("1e-300")));
    assert!(!close(&value("[1]"), &value("[1, 2]")));
    assert!(!close(&value("\"1\""), &value("1")));
}
