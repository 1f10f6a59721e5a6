//! Each mistake of a declaration is found before the first call, at its key and with what would be right.

use serde_json::{Value, json};
use toolwave_mounted::{fault::Severity, http::Http};
use toolwave_tool::{Declaration, Safety};

use super::support::{read_http, told};

fn declaration() -> Declaration {
    let mut declaration = Declaration::new("service", "a service");
    declaration.input_schema = json!({
        "type": "object", "required": ["city", "day", "list", "place"], "additionalProperties": false,
        "properties": {
            "city": {"type": "string"}, "day": {"type": ["integer", "string"]}, "optional": {"type": "number"},
            "safe": {"type": "string", "format": "header-safe"}, "list": {"type": "array"},
            "place": {
                "type": "object", "required": ["lat"],
                "properties": {"lat": {"type": "number"}, "lon": {"type": "number"}},
            },
        },
    });
    declaration
}

/// Faults of a table that would be sound without `change`.
fn faults(change: Value) -> Vec<(String, String, Severity)> {
    let mut http = json!({"url": "https://api.example.com/v1/{city}?day={day}"});
    for (key, value) in change.as_object().unwrap() {
        http[key] = value.clone();
    }
    let faults = read_http(http).check(&declaration());
    let severities: Vec<_> = faults.iter().map(|fault| fault.severity).collect();
    let told = told(&faults).into_iter().zip(severities);
    told.map(|((key, text), severity)| (key, text, severity))
        .collect()
}

#[test]
fn a_sound_declaration_has_no_fault() {
    for change in [
        json!({}),
        json!({"url": "https://api.example.com:8443/{place.lat}/x?l={list}&o={optional}", "redirects": ["*.example.com"]}),
        json!({"url": "https://93.184.216.34/{city}"}),
        json!({"url": "https://10.1.2.3:8443", "allow_private": ["10.0.0.0/8"]}),
        json!({"url": "http://[::1]:80/", "allow_private": ["[::1]:80"], "allow_http": true}),
        json!({"headers": {"x-a": "{safe}", "x-b": "n {optional}"}, "success": [200], "retry_statuses": ["5xx", 429]}),
        json!({"method": "POST", "body": {"json": {"all": "{place}", "l": ["{list}", "x {day}"]}}, "result": "/a/0"}),
    ] {
        assert_eq!(faults(change.clone()), [], "{change}");
    }
}

#[test]
fn each_mistake_is_told_at_its_key() {
    for (change, key, text) in [
        // The URL: its scheme, host, port and user are fixed.
        (json!({"url": ""}), "url", "it is empty"),
        (json!({"url": "{city}"}), "url", "placeholders only in the path"),
        (
            json!({"url": "{city}://a.example/"}),
            "url",
            "placeholders only in the path",
        ),
        (json!({"url": "https://{city}/"}), "url", "before the path"),
        (
            json!({"url": "https://{city}.example.com/"}),
            "url",
            "before the path",
        ),
        (
            json!({"url": "https://example.com{city}/"}),
            "url",
            "before the path",
        ),
        (
            json!({"url": "https://example.com:{day}/"}),
            "url",
            "before the path",
        ),
        (
            json!({"url": "https://{city}@example.com/"}),
            "url",
            "before the path",
        ),
        (
            json!({"url": "https://u:p@example.com/"}),
            "url",
            "user or password",
        ),
        (json!({"url": "http://example.com/"}), "url", "allow_http"),
        (json!({"url": "ftp://example.com/"}), "url", "only http and https"),
        (json!({"url": "example.com/x"}), "url", "not absolute"),
        (json!({"url": "https://2130706433/"}), "url", "127.0.0.1"),
        (json!({"url": "https://10.0.0.1/"}), "url", "allow_private"),
        (
            json!({"url": "https://169.254.169.254/", "allow_private": ["169.0.0.0/8"]}),
            "url",
            "not a public address",
        ),
        (json!({"url": "https://a.example/x#{city}"}), "url", "fragment"),
        (json!({"url": "https://a.example/a/../b"}), "url", "`..`"),
        (json!({"url": "https://a.example/%2e%2E/{city}"}), "url", "`..`"),
        (json!({"url": "https://a.example/a b"}), "url", "spaces"),
        (json!({"url": "https://a.example/\\b"}), "url", "backslashes"),
        (json!({"url": "https://a.example/50%"}), "url", "%25"),
        (
            json!({"url": "https://a.example/?{city}=1"}),
            "url",
            "name of a query parameter",
        ),
        (json!({"url": "https://a.example/{city"}), "url", "no other brace"),
        (json!({"url": "https://a.example/{town}"}), "url", "such as city"),
        (
            json!({"url": "https://a.example/{place.town}"}),
            "url",
            "`{place.town}`",
        ),
        (
            json!({"url": "https://a.example/{optional}"}),
            "url",
            "may be absent",
        ),
        (
            json!({"url": "https://a.example/{place.lon}"}),
            "url",
            "may be absent",
        ),
        (json!({"url": "https://a.example/{list}"}), "url", "an array"),
        (json!({"url": "https://a.example/?a={place}"}), "url", "an object"),
        (json!({"url": "https://a.example/?a=x{list}"}), "url", "an array"),
        (
            json!({"allow_private": ["10.0.0.0/40"]}),
            "allow_private[0]",
            "0 to 32",
        ),
        (
            json!({"redirects": ["https://a.example/"]}),
            "redirects",
            "without scheme",
        ),
        // Headers.
        (json!({"headers": {"a b": "x"}}), "headers.a b", "no header name"),
        (
            json!({"headers": {"Host": "x"}}),
            "headers.Host",
            "set by the transport",
        ),
        (
            json!({"headers": {"Content-Length": "1"}}),
            "headers.Content-Length",
            "set by the transport",
        ),
        (
            json!({"headers": {"accept-encoding": "br"}}),
            "headers.accept-encoding",
            "set by the transport",
        ),
        (
            json!({"headers": {"x-a": "1", "X-A": "2"}}),
            "headers.x-a",
            "another spelling",
        ),
        (json!({"headers": {"x": "a\r\nb: c"}}), "headers.x", "line ends"),
        (json!({"headers": {"x": "{list}"}}), "headers.x", "an array"),
        (json!({"headers": {"x": "{nothing}"}}), "headers.x", "no property"),
        (
            json!({"headers": {"x": {"env": "NOT_SET_ANYWHERE"}}}),
            "headers.x",
            "NOT_SET_ANYWHERE is not set",
        ),
        (
            json!({"headers": {"x": {"file": "/no/such/file"}}}),
            "headers.x",
            "/no/such/file",
        ),
        (
            json!({"idempotency_key_header": "a b"}),
            "idempotency_key_header",
            "no header name",
        ),
        (
            json!({"idempotency_key_header": "x", "headers": {"X": "1"}}),
            "idempotency_key_header",
            "one of the two",
        ),
        // Secrets.
        (
            json!({"headers": {"x": "{secrets.token}"}}),
            "headers.x",
            "names no secret",
        ),
        (
            json!({"url": "https://a.example/{secrets}"}),
            "url",
            "names no secret",
        ),
        (
            json!({"headers": {"x": "{secrets.t}"}, "secrets": {"t": {"env": "NOT_SET_ANYWHERE"}}}),
            "secrets.t",
            "not set",
        ),
        (
            json!({"secrets": {"a b": {"env": "PATH"}}}),
            "secrets.a b",
            "cannot stand in a template",
        ),
        (
            json!({"secrets": {"a.b": {"env": "PATH"}}}),
            "secrets.a.b",
            "cannot stand in a template",
        ),
        // Bodies.
        (json!({"body": "parameters"}), "body", "GET has no body"),
        (
            json!({"method": "POST", "body": {"json": {"a": ["{x}"]}}}),
            "body.json.a[0]",
            "no property",
        ),
        (
            json!({"method": "POST", "body": {"json": {"a": "x {place}"}}}),
            "body.json.a",
            "an object",
        ),
        (
            json!({"method": "POST", "body": {"json": {"{city}": 1}}}),
            "body.json.{city}",
            "only in values",
        ),
        (
            json!({"method": "POST", "body": {"form": {"a": {}}}}),
            "body.form.a",
            "no text",
        ),
        (
            json!({"method": "POST", "body": {"form": {"a": "{place}"}}}),
            "body.form.a",
            "an object",
        ),
        (
            json!({"method": "POST", "body": {"text": "{list}"}}),
            "body.text",
            "an array",
        ),
        // Answers.
        (json!({"result": "current"}), "result", "such as /current"),
        (json!({"result": "/a", "output": "text"}), "result", "no parts"),
        (json!({"max_response": "0B"}), "max_response", "1 byte to 64 MiB"),
        (
            json!({"max_response": "65MiB"}),
            "max_response",
            "1 byte to 64 MiB",
        ),
        (json!({"success": []}), "success", "no status"),
        (
            json!({"retry_statuses": [503, 204]}),
            "retry_statuses",
            "204 is a success",
        ),
        (json!({"ca": "/no/such/file"}), "ca", "/no/such/file"),
    ] {
        let found = faults(change.clone());
        let [(at, told, Severity::Error)] = found.as_slice() else {
            panic!("{change}: {found:?}");
        };
        assert_eq!(at, key, "{change}: {told}");
        assert!(told.contains(text), "{change}: {told}");
    }
}

#[test]
fn what_can_be_used_nevertheless_is_a_warning() {
    for (change, key, text) in [
        (json!({"headers": {"x": "{city}"}}), "headers.x", "header-safe"),
        (
            json!({"headers": {"Authorization": "Bearer x"}}),
            "headers.Authorization",
            "{ env =",
        ),
        (
            json!({"secrets": {"t": {"env": "PATH"}}}),
            "secrets.t",
            "{secrets.t}",
        ),
        (
            json!({"secrets": {"t": "word"}, "headers": {"x": "{secrets.t}"}}),
            "secrets.t",
            "stands in the file",
        ),
        (
            json!({"method": "POST", "headers": {"content-type": "application/xml"}, "body": {"text": "<a>{city}</a>"}}),
            "body.text",
            "can change what it means",
        ),
    ] {
        let found = faults(change.clone());
        let [(at, told, Severity::Warning)] = found.as_slice() else {
            panic!("{change}: {found:?}");
        };
        assert_eq!(at, key);
        assert!(told.contains(text), "{told}");
        assert!(!told.contains("word"), "{told}");
    }
}

#[test]
fn a_parameter_called_secrets_is_no_secret() {
    let mut declaration = declaration();
    declaration.input_schema["properties"]["secrets"] = json!({"type": "object"});
    let http =
        read_http(json!({"url": "https://a.example/?a={secrets.t}", "secrets": {"t": {"env": "PATH"}}}));
    let told = told(&http.check(&declaration));
    assert_eq!(told[0].0, "url");
    assert!(told[0].1.contains("the secret or the parameter"), "{told:?}");
}

#[test]
fn no_tool_is_made_of_a_declaration_with_an_error_and_warnings_do_not_hinder() {
    let refused = read_http(json!({"url": "https://{city}/"})).tool(declaration());
    assert_eq!(refused.map(|_| ()).expect_err("refused").len(), 1);
    let mut safe = declaration();
    safe.safety = Safety::ReadOnly;
    let tool = read_http(json!({"url": "https://a.example/", "headers": {"x": "{city}"}})).tool(safe.clone());
    assert_eq!(tool.expect("a warning").declaration(), safe);
}

#[test]
fn other_keys_and_types_are_refused_as_they_are_read() {
    for http in [
        json!({}),
        json!({"url": "https://a.example/", "ulr": 1}),
        json!({"url": "https://a.example/", "method": "get"}),
        json!({"url": "https://a.example/", "method": "TRACE"}),
        json!({"url": "https://a.example/", "body": "all"}),
        json!({"url": "https://a.example/", "body": {"json": 1, "text": "x"}}),
        json!({"url": "https://a.example/", "body": {"xml": "x"}}),
        json!({"url": "https://a.example/", "body": {}}),
        json!({"url": "https://a.example/", "success": ["1xx"]}),
        json!({"url": "https://a.example/", "success": [99]}),
        json!({"url": "https://a.example/", "success": [-200]}),
        json!({"url": "https://a.example/", "redirects": "yes"}),
        json!({"url": "https://a.example/", "allow_http": "yes"}),
        json!({"url": "https://a.example/", "headers": {"x": {"vault": "y"}}}),
        json!({"url": "https://a.example/", "arrays": "both"}),
        json!({"url": "https://a.example/", "max_response": "much"}),
    ] {
        assert!(serde_json::from_value::<Http>(http.clone()).is_err(), "{http}");
    }
}
