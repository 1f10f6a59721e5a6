//! References and plans under random input: nothing that is put in is read again, nothing changes its shape.

use bytes::Bytes;
use proptest::prelude::*;
use serde_json::{Value, json};
use toolwave_coordinator::execution::{
    limits::{JsonBudget, RequestLimits},
    parameters::scan,
    reference::{Piece, pieces},
    template::{Parsed, Template},
};
use toolwave_scheduler::plan::{Cycle, Edge, Need, Plan};

fn budget() -> JsonBudget {
    RequestLimits::default().json()
}

/// Text that likes to look like references and to break out of strings.
fn nasty() -> impl Strategy<Value = String> {
    prop::collection::vec(
        prop_oneof![
            Just("${a.result}".to_owned()),
            Just("$${".to_owned()),
            Just("${".to_owned()),
            Just("}".to_owned()),
            Just("\",\"x\":\"".to_owned()),
            Just("\\".to_owned()),
            any::<char>().prop_map(|char| char.to_string()),
        ],
        0..8,
    )
    .prop_map(|parts| parts.concat())
}

fn value() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        any::<i64>().prop_map(Value::from),
        nasty().prop_map(Value::from),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Value::from),
            prop::collection::btree_map(nasty(), inner, 0..4)
                .prop_map(|entries| Value::Object(entries.into_iter().collect())),
        ]
    })
}

fn substitute(parameters: &Value, result: &Value) -> Value {
    let find = |id: &str| (id == "a").then_some(0);
    let text = Bytes::from(parameters.to_string());
    let out = match Template::parse(text, budget(), &find).expect("good references") {
        Parsed::Text(text) => text,
        Parsed::Template(template) => template
            .substitute(&|_| Some(Bytes::from(result.to_string())))
            .expect("it is there"),
    };
    serde_json::from_slice(&out).expect("JSON")
}

/// How a literal is written so that nothing in it is a reference.
fn escaped(literal: &str) -> String {
    literal.replace("${", "$${")
}

proptest! {
    #[test]
    fn what_is_put_in_comes_out_as_it_is(result in value(), literal in nasty()) {
        let embedded = match &result {
            Value::String(text) => text.clone(),
            other => other.to_string(),
        };
        let parameters = json!({"whole": "${a.result}", "in": "<${a.result}>", "n": [1, {"l": escaped(&literal)}]});
        let expected = json!({"whole": result, "in": format!("<{embedded}>"), "n": [1, {"l": literal}]});
        prop_assert_eq!(substitute(&parameters, &result), expected);
    }

    #[test]
    fn a_path_finds_what_an_index_finds(result in prop::collection::vec(value(), 1..5), at in any::<prop::sample::Index>()) {
        let at = at.index(result.len());
        let from_end = at as i64 - result.len() as i64;
        let parameters = json!({"f": format!("${{a.result[{at}]}}"), "b": format!("${{a.result[{from_end}]}}")});
        let out = substitute(&parameters, &Value::from(result.clone()));
        prop_assert_eq!(&out["f"], &result[at]);
        prop_assert_eq!(&out["b"], &result[at]);
    }

    #[test]
    fn any_key_can_be_reached_in_brackets(key in nasty(), inner in value()) {
        let path = format!("${{a.result[{}]}}", Value::from(key.as_str()));
        let out = substitute(&json!({"v": path}), &json!({key: inner.clone()}));
        prop_assert_eq!(&out["v"], &inner);
    }

    #[test]
    fn no_text_makes_the_parser_panic(text in nasty(), bytes in prop::collection::vec(any::<u8>(), 0..64)) {
        let _ = pieces(&text, &|_| Some(0));
        let _ = scan(&bytes, budget());
    }

    #[test]
    fn text_without_references_is_one_literal(text in "[^$]{0,40}") {
        let read = pieces(&text, &|_| None).expect("nothing to read");
        let expected: Vec<Piece> = if text.is_empty() { vec![] } else { vec![Piece::Literal(text)] };
        prop_assert_eq!(read, expected);
    }

    #[test]
    fn a_plan_orders_every_edge_or_names_a_real_cycle(
        calls in 1u32..20,
        pairs in prop::collection::vec((any::<u32>(), any::<u32>()), 0..40),
    ) {
        let edges: Vec<Edge> =
            pairs.iter().map(|(from, to)| Edge { from: from % calls, to: to % calls, need: Need::Success }).collect();
        match Plan::new(calls, &edges) {
            Ok(plan) => {
                prop_assert!(edges.iter().all(|edge| plan.wave(edge.from) < plan.wave(edge.to)));
                prop_assert_eq!(plan.waves().concat().len(), calls as usize);
            }
            Err(Cycle(cycle)) => {
                for (at, &call) in cycle.iter().enumerate() {
                    let next = cycle[(at + 1) % cycle.len()];
                    prop_assert!(edges.iter().any(|edge| edge.from == call && edge.to == next), "{:?}", cycle);
                }
            }
        }
    }
}
