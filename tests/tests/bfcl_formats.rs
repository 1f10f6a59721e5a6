//! The leaderboard's 400 function-calling batches from provider format to provider format: what a model would answer
//! in, what it would be sent back out, in the shapes of all four.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use std::collections::BTreeSet;

use serde_json::{Value, json};
use toolwave_client::{
    Client,
    v1::{self, call::ParametersForm, call_result::ResultForm},
};
use toolwave_formats::{CallError, Ending, Messages, Names, Provider, Reply, Tool, Violation, definitions};
use toolwave_tests::{Cluster, DeclaredTool, bfcl};
use toolwave_worker::SharedTool;

/// The expected calls that break the schema of their own tool.
const REJECTED: [(&str, usize); 2] = [("parallel_multiple_21", 1), ("parallel_multiple_94", 0)];

/// Names repeat over batches with other schemas.
fn hosted_name(batch: &bfcl::Batch, tool: &str) -> String {
    format!("{}.{tool}", batch.id)
}

fn tools(batches: &[bfcl::Batch]) -> Vec<SharedTool> {
    let definitions = batches.iter().flat_map(|batch| {
        let tool = move |definition: &bfcl::Definition| -> SharedTool {
            let name = hosted_name(batch, &definition.name);
            std::sync::Arc::new(DeclaredTool::new(
                name,
                definition.description.clone(),
                definition.json_schema(),
            ))
        };
        batch.definitions.iter().map(tool)
    });
    definitions.collect()
}

/// What the provider answers when the model makes these calls.
fn reply(provider: Provider, calls: &[(String, String, Value)]) -> Value {
    let arguments = |parameters: &Value| parameters.to_string();
    match provider {
        Provider::OpenAiChat => {
            let calls = calls.iter().map(|(id, name, parameters)| {
                json!({"id": id, "type": "function", "function": {"name": name, "arguments": arguments(parameters)}})
            });
            json!({"id": "chatcmpl-1", "object": "chat.completion", "choices": [{"index": 0,
                "finish_reason": "tool_calls",
                "message": {"role": "assistant", "content": null, "tool_calls": calls.collect::<Vec<_>>()}}]})
        }
        Provider::OpenAiResponses => {
            let mut output = vec![json!({"type": "reasoning", "id": "rs_1", "summary": []})];
            output.extend(calls.iter().map(|(id, name, parameters)| {
                json!({"type": "function_call", "id": "fc", "call_id": id, "name": name,
                    "arguments": arguments(parameters), "status": "completed"})
            }));
            json!({"id": "resp_1", "object": "response", "status": "completed", "error": null, "output": output})
        }
        Provider::Anthropic => {
            let mut content = vec![json!({"type": "text", "text": "I will look."})];
            content.extend(calls.iter().map(|(id, name, parameters)| {
                json!({"type": "tool_use", "id": id, "name": name, "input": parameters})
            }));
            json!({"id": "msg_1", "type": "message", "role": "assistant", "stop_reason": "tool_use",
                "content": content})
        }
        Provider::Gemini => {
            let parts = calls.iter().map(|(id, name, parameters)| {
                json!({"functionCall": {"id": id, "name": name, "args": parameters}, "thoughtSignature": "c2ln"})
            });
            json!({"candidates": [{"index": 0, "finishReason": "STOP",
                "content": {"role": "model", "parts": parts.collect::<Vec<_>>()}}]})
        }
    }
}

/// The id of each result in the messages, and the result, or the error.
fn answers(provider: Provider, messages: &Messages) -> Vec<(String, Result<Value, Value>)> {
    let messages: Vec<Value> = messages
        .iter()
        .map(|message| serde_json::from_str(message).unwrap())
        .collect();
    let id = |of: &Value, key: &str| of[key].as_str().unwrap().to_owned();
    let text = |said: &Value| -> Result<Value, Value> {
        let said: Value = serde_json::from_str(said.as_str().unwrap()).unwrap();
        match said.get("error") {
            Some(error) => Err(error.clone()),
            None => Ok(said),
        }
    };
    match provider {
        Provider::OpenAiChat => messages
            .iter()
            .map(|message| (id(message, "tool_call_id"), text(&message["content"])))
            .collect(),
        Provider::OpenAiResponses => messages
            .iter()
            .map(|item| (id(item, "call_id"), text(&item["output"])))
            .collect(),
        Provider::Anthropic => {
            assert_eq!(messages.len(), 1);
            let blocks = messages[0]["content"].as_array().unwrap().iter();
            blocks
                .map(|block| {
                    let answer = text(&block["content"][0]["text"]);
                    assert_eq!(block["is_error"], answer.is_err(), "{block}");
                    (id(block, "tool_use_id"), answer)
                })
                .collect()
        }
        Provider::Gemini => {
            assert_eq!(messages.len(), 1);
            let parts = messages[0]["parts"].as_array().unwrap().iter();
            parts
                .map(|part| {
                    let function = &part["functionResponse"];
                    let answer = match function["response"].get("error") {
                        Some(error) => Err(error.clone()),
                        None => Ok(function["response"]["output"].clone()),
                    };
                    (id(function, "id"), answer)
                })
                .collect()
        }
    }
}

fn ending(result: v1::CallResult) -> Ending {
    match (result.error, result.result_form) {
        (Some(error), _) => Ending::Error(CallError {
            violations: error
                .violations
                .into_iter()
                .map(|violation| Violation {
                    path: violation.path,
                    description: violation.description,
                })
                .collect(),
            ..CallError::new(error.code, error.message)
        }),
        (None, Some(ResultForm::ResultJson(text))) => {
            Ending::of_json(String::from_utf8(text.to_vec()).unwrap()).unwrap()
        }
        (None, other) => panic!("no JSON text: {other:?}"),
    }
}

/// Runs the calls of a reply as a program would that has the crate and the client.
async fn run(client: &Client, names: &Names, reply: &Reply) -> Messages {
    let calls = reply.calls().iter().zip(reply.call_ids()).map(|(call, id)| {
        let (tool, parameters) = call.to_run(names).unwrap();
        v1::Call {
            id: Some(id),
            tool_name: tool.to_owned(),
            parameters_form: Some(ParametersForm::ParametersJson(
                parameters.into_owned().into_bytes().into(),
            )),
            ..v1::Call::default()
        }
    });
    let request = v1::ExecuteParallelRequest {
        calls: calls.collect(),
        ..Default::default()
    };
    let results = client.execute_parallel(request).await.unwrap().results;
    let endings: Vec<Ending> = results.into_iter().map(ending).collect();
    reply.messages(&endings).unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn every_call_of_a_reply_is_answered_in_order_with_its_id_in_the_format_it_came_in() {
    let batches = bfcl::function_calling_batches().unwrap();
    let mut cluster = Cluster::start().await.unwrap();
    cluster
        .add_worker("leaderboard", 8, tools(&batches))
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    let catalogue = client.list_tools().await.unwrap();
    for provider in Provider::ALL {
        let names = Names::of(
            provider,
            catalogue
                .iter()
                .filter_map(|listed| listed.tool.as_ref())
                .map(|tool| &tool.name),
        );
        let (mut succeeded, mut rejected) = (0, Vec::new());
        for batch in &batches {
            let calls: Vec<(String, String, Value)> = batch
                .calls
                .iter()
                .enumerate()
                .map(|(index, call)| {
                    let name = names.name(&hosted_name(batch, &call.tool)).unwrap().to_owned();
                    let id = format!("call_{}_{index}", batch.id);
                    (id, name, Value::Object(call.parameters.clone()))
                })
                .collect();
            let reply = Reply::read(provider, &reply(provider, &calls).to_string()).unwrap();
            let messages = run(&client, &names, &reply).await;
            let answers = answers(provider, &messages);
            assert_eq!(answers.len(), calls.len(), "{}", batch.id);
            for (index, ((id, answer), (expected_id, _, parameters))) in
                answers.into_iter().zip(&calls).enumerate()
            {
                let place = format!("{} call {index} as {provider}", batch.id);
                assert_eq!(&id, expected_id, "{place}");
                match answer {
                    Ok(result) => {
                        let tool = hosted_name(batch, &batch.calls[index].tool);
                        assert_eq!(result, json!({"tool": tool, "parameters": parameters}), "{place}");
                        succeeded += 1;
                    }
                    Err(error) => {
                        assert_eq!(error["code"], "PARAMS_SCHEMA", "{place}");
                        assert!(
                            !error["violations"].as_array().unwrap().is_empty(),
                            "{place}: {error}"
                        );
                        rejected.push((batch.id.as_str(), index));
                    }
                }
            }
        }
        assert_eq!(rejected, REJECTED, "{provider}");
        assert_eq!(succeeded, 1147 - REJECTED.len(), "{provider}");
    }
    cluster.stop().await.unwrap();
}

#[tokio::test]
async fn all_definitions_of_the_leaderboard_go_to_every_provider_under_legal_names_that_lead_back() {
    let batches = bfcl::function_calling_batches().unwrap();
    let mut cluster = Cluster::start().await.unwrap();
    cluster
        .add_worker("leaderboard", 1, tools(&batches))
        .await
        .unwrap();
    let client = cluster.client().await.unwrap();
    let listed: Vec<v1::Tool> = client
        .list_tools()
        .await
        .unwrap()
        .into_iter()
        .filter_map(|listed| listed.tool)
        .collect();
    for provider in Provider::ALL {
        let names = Names::of(provider, listed.iter().map(|tool| &tool.name));
        let tools: Vec<Tool<'_>> = listed
            .iter()
            .map(|tool| Tool {
                name: &tool.name,
                description: &tool.description,
                input_schema: std::str::from_utf8(&tool.input_schema_json).unwrap(),
            })
            .collect();
        let said = definitions(provider, &tools, &names);
        let list = said.pointer("/0/functionDeclarations").unwrap_or(&said);
        let mut seen = BTreeSet::new();
        for (definition, tool) in list.as_array().unwrap().iter().zip(&listed) {
            let function = definition.get("function").unwrap_or(definition);
            let name = function["name"].as_str().unwrap();
            let legal = |c: char| {
                let gemini = provider == Provider::Gemini && ".:".contains(c);
                c.is_ascii_alphanumeric() || c == '_' || c == '-' || gemini
            };
            assert!(name.len() <= 64 && name.chars().all(legal), "{name}");
            assert_eq!(names.tool(name).unwrap(), tool.name);
            assert!(seen.insert(name.to_owned()), "{name} is there twice");
            let schema = ["parameters", "input_schema", "parametersJsonSchema"]
                .iter()
                .find_map(|key| function.get(*key))
                .unwrap();
            let declared: Value = serde_json::from_slice(&tool.input_schema_json).unwrap();
            assert_eq!(schema["properties"], declared["properties"], "{name}");
            assert_eq!(schema["required"], declared["required"], "{name}");
        }
        assert_eq!(seen.len(), listed.len(), "{provider}");
    }
    cluster.stop().await.unwrap();
}
