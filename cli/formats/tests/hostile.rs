//! Replies are written by others: whatever they hold, they are read or refused, and their calls answered.

#![allow(clippy::unwrap_used, reason = "a test whose setting fails has failed")]

use serde_json::{Value, value::RawValue};
use toolwave_formats::{Ending, Names, Provider, Reply, is_strict, literal_parameters};

/// Texts that are tried.
const TEXTS: usize = 30_000;

/// Pieces that mean something somewhere.
const PIECES: [&str; 16] = [
    "null",
    "{}",
    "[]",
    "\"\"",
    "0",
    "1e999",
    "{\"type\":\"tool_use\"}",
    "{\"function\":{}}",
    "{\"functionCall\":{\"args\":[]}}",
    "\"\\ud800\"",
    ",",
    "{",
    "}",
    "[",
    "\"error\":",
    "\"content\":",
];

fn replies() -> Vec<String> {
    let table: Value =
        serde_json::from_str(include_str!("../../../tests/data/provider_formats.json")).unwrap();
    let replies = table["replies"].as_array().unwrap();
    replies.iter().map(|case| case["reply"].to_string()).collect()
}

/// A reply with some of it cut out or put elsewhere.
fn mutated(random: &mut fastrand::Rng, replies: &[String]) -> String {
    let mut text: Vec<char> = replies[random.usize(0..replies.len())].chars().collect();
    for _ in 0..random.usize(1..4) {
        let at = random.usize(0..=text.len());
        let end = random.usize(at..=(at + 40).min(text.len()));
        let piece = match random.u8(0..3) {
            0 => "",
            _ => PIECES[random.usize(0..PIECES.len())],
        };
        text.splice(at..end, piece.chars());
    }
    text.into_iter().collect()
}

/// Reads a text as a program does, up to the messages.
fn taken(provider: Provider, text: &str) -> bool {
    let Ok(reply) = Reply::read(provider, text) else {
        return false;
    };
    let names = Names::of(provider, ["search", "geo.find"]);
    let endings: Vec<Ending> = reply
        .calls()
        .iter()
        .map(|call| match call.to_run(&names) {
            Ok((_, parameters)) => Ending::of_json(parameters).unwrap(),
            Err(error) => Ending::Error(error),
        })
        .collect();
    let messages = reply.messages(&endings).unwrap();
    for message in messages.iter() {
        serde_json::from_str::<&RawValue>(message).unwrap();
    }
    let expected = match provider {
        Provider::OpenAiChat | Provider::OpenAiResponses => endings.len(),
        Provider::Anthropic | Provider::Gemini => endings.len().min(1),
    };
    assert_eq!(messages.len(), expected, "{text}");
    true
}

#[test]
fn whatever_a_reply_holds_it_is_read_or_refused() {
    let seed = fastrand::u64(..);
    println!("seed {seed}");
    let mut random = fastrand::Rng::with_seed(seed);
    let replies = replies();
    let mut read = 0;
    for _ in 0..TEXTS {
        let text = mutated(&mut random, &replies);
        let taken = Provider::ALL.map(|provider| taken(provider, &text));
        let _ = Reply::read_openai(&text);
        let _ = literal_parameters(&text);
        read += usize::from(taken.contains(&true));
    }
    // Both ends are reached.
    assert!(
        read > TEXTS / 100 && read < TEXTS,
        "seed {seed}: {read} were read"
    );
}

#[test]
fn depth_costs_no_stack() {
    const DEPTH: usize = 200_000;
    let deep = format!("{}{}", "[".repeat(DEPTH), "]".repeat(DEPTH));
    let call = format!(r#"[{{"type":"tool_use","id":"a","name":"f","input":{{"a":{deep}}}}}]"#);
    for text in [deep.clone(), call] {
        for provider in Provider::ALL {
            taken(provider, &text);
        }
    }
    assert_eq!(
        literal_parameters(&format!("{{\"$\":{deep}}}")).len(),
        deep.len() + 6
    );
    let mut schema = serde_json::json!({"type": "string"});
    for _ in 0..120 {
        schema = serde_json::json!({"type": "array", "items": schema});
    }
    assert!(!is_strict(&schema));
}
