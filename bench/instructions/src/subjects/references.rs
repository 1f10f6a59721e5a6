//! References: parameters with references read once at the edge, filled in, and checked against a schema.

use std::hint::black_box;

use bytes::Bytes;
use toolwave_coordinator::{
    catalogue::Catalogue,
    execution::{
        limits::RequestLimits,
        prepared::CallParameters,
        resolver::resolve,
        template::{Parsed, Template},
    },
};
use toolwave_proto::v1;

use super::{Subject, counted};

const PARAMETERS: &str = r#"{"path": "${search.result.items[2].path}", "title": "about ${search.result.items[-1].title}, for ${profile.result.name}",
    "options": {"limit": 20, "verbose": false, "tags": ["${profile.result[\"odd key\"]}", "report", "weekly"]}, "note": "costs $5, and no more"}"#;
const SCHEMA: &str = r#"{"type": "object", "required": ["path", "title", "options"], "additionalProperties": false, "properties": {
    "path": {"type": "string", "minLength": 1}, "title": {"type": "string", "maxLength": 400}, "note": {"type": "string"},
    "options": {"type": "object", "properties": {"limit": {"type": "integer", "minimum": 1, "maximum": 100},
        "verbose": {"type": "boolean"}, "tags": {"type": "array", "items": {"type": "string"}}}}}}"#;
const PROFILE: &str = r#"{"id": 7, "name": "Ada Lovelace", "odd key": "numbers", "languages": ["en", "fr"]}"#;

pub(super) const READ: Subject = Subject {
    name: "references of a call's parameters read",
    times: 1,
    run: || {
        let text = Bytes::from_static(PARAMETERS.as_bytes());
        let parsed = counted(|| Template::parse(black_box(text), RequestLimits::default().json(), &index));
        assert!(matches!(parsed, Ok(Parsed::Template(_))), "{parsed:?}");
    },
};

pub(super) const PUT_IN: Subject = Subject {
    name: "results put in for references",
    times: 1,
    run: || put_in(None),
};

pub(super) const PUT_IN_AND_CHECKED: Subject = Subject {
    name: "results put in for references, and a schema checked",
    times: 1,
    run: || put_in(Some(SCHEMA)),
};

fn put_in(schema: Option<&'static str>) {
    let text = Bytes::from_static(PARAMETERS.as_bytes());
    let Ok(Parsed::Template(template)) = Template::parse(text, RequestLimits::default().json(), &index)
    else {
        panic!("the parameters have references");
    };
    let parameters = CallParameters::Template(Box::new(template));
    let tool = schema.map(|schema| {
        let tool = v1::Tool {
            name: "report".into(),
            input_schema_json: schema.as_bytes().into(),
            ..v1::Tool::default()
        };
        Catalogue::default().declare(tool).expect("a good tool").tool
    });
    let results = [search().into(), Bytes::from_static(PROFILE.as_bytes())];
    let find = |call: u32| results.get(call as usize).cloned();
    let resolved = counted(|| resolve(black_box(&parameters), tool.as_deref(), &find));
    let resolved = resolved.expect("every reference leads somewhere");
    let text = String::from_utf8_lossy(&resolved);
    assert!(
        text.contains(r#""path": "/library/2.md", "title": "about Volume 19, for Ada Lovelace""#),
        "{text}"
    );
}

fn index(id: &str) -> Option<u32> {
    ["search", "profile"]
        .iter()
        .position(|known| *known == id)
        .map(|at| at as u32)
}

/// About 2 KiB of what a search may return.
fn search() -> String {
    let items: Vec<String> = (0..20)
        .map(|item| {
            format!(
                r#"{{"path": "/library/{item}.md", "title": "Volume {item}", "score": 0.{item}5, "words": [{item}, 12, 190], "open": true}}"#
            )
        })
        .collect();
    format!(
        r#"{{"took_ms": 12, "items": [{}], "more": null}}"#,
        items.join(", ")
    )
}
