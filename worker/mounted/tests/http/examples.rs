//! The files of `examples/tools`, as they are, against servers that answer as those services document.
//!
//! The URL stays what it is, TLS included: the test adds `ca`, so that the server's certificate for the real name is
//! trusted, and `allow_private`, and resolves the name to the server on loopback. Where a file takes a secret from
//! the environment, it comes from a file.

use std::{
    collections::{BTreeMap, BTreeSet},
    path::Path,
    sync::Arc,
};

use serde_json::{Value, json};
use toolwave_egress::Lookup;
use toolwave_mounted::{
    file::{Pinning, ToolsFile},
    http::{Http, Network},
};
use toolwave_tool::{Declaration, Safety, SharedTool, ToolError};

use super::support::{Answer, Authority, Received, Server, call, ok, read_http, status, told, with_header};

/// What the file declares, as a worker reads it, and the table `http` of its one tool.
fn read(file: &str, folder: &Path) -> (Declaration, Value) {
    let examples = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/tools");
    let text = std::fs::read_to_string(examples.join(file)).unwrap();
    let lines = text.lines().filter(|line| !line.starts_with('#')).count();
    assert!(lines <= 10 || file.ends_with(".yaml"), "{file} is short: {lines}");
    let text = text.replace("env = \"LIBRETRANSLATE_KEY\"", "file = \"secret\"");
    std::fs::write(folder.join("secret"), "the-key").unwrap();
    let path = folder.join(file);
    std::fs::write(&path, &text).unwrap();
    let read = ToolsFile::read(&path, &BTreeSet::new(), Pinning::Kept).unwrap();
    assert_eq!(read.warnings(), []);
    let declaration = read.declarations().next().unwrap().clone();
    assert_eq!(declaration.safety, Safety::ReadOnly);
    let mut whole: Value = if file.ends_with(".yaml") {
        serde_saphyr::from_str(&text).unwrap()
    } else {
        toml::from_str(&text).unwrap()
    };
    let http = whole["tools"][&declaration.name]["http"].take();
    (declaration, http)
}

/// A service of that name, and the tool of the file that calls it.
struct Service {
    server: Server,
    tool: SharedTool,
    _folder: tempfile::TempDir,
}

impl Service {
    async fn start(
        file: &str,
        host: &'static str,
        answer: impl Fn(&Received) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let authority = Authority::new();
        let server = Server::start_tls(authority.server(host), answer).await;
        let folder = tempfile::tempdir().unwrap();
        std::fs::write(folder.path().join("ca.pem"), authority.pem()).unwrap();
        let (declaration, mut http) = read(file, folder.path());
        http["ca"] = "ca.pem".into();
        http["allow_private"] = json!(["127.0.0.1"]);
        let mut http: Http = read_http(http);
        http.relative_to(folder.path());
        assert_eq!(told(&http.check(&declaration)), []);
        let address = server.address();
        // Without a port in the URL, that of the address is taken.
        let lookup: Lookup = Arc::new(move |name| {
            assert_eq!(name, host);
            Box::pin(async move { Ok(vec![address]) })
        });
        let tool = http.tool_on(declaration, &Network::resolving(lookup)).unwrap();
        Self {
            server,
            tool,
            _folder: folder,
        }
    }

    async fn call(&self, parameters: Value) -> Result<Value, ToolError> {
        call(&self.tool, parameters).await
    }
}

fn query(received: &Received) -> BTreeMap<String, String> {
    let url = reqwest::Url::parse(&format!("https://x{}", received.target)).unwrap();
    url.query_pairs().into_owned().collect()
}

#[tokio::test]
async fn the_weather_of_a_place() {
    let service = Service::start("weather.toml", "api.open-meteo.com", |received| {
        let query = query(received);
        let number = |name: &str| query[name].parse::<f64>().unwrap();
        if number("latitude") > 89.0 {
            let reason = "No data is available for this location";
            return status("400 Bad Request", json!({"error": true, "reason": reason}));
        }
        ok(json!({
            "latitude": number("latitude"), "longitude": number("longitude"), "generationtime_ms": 0.05,
            "utc_offset_seconds": 0, "timezone": "GMT", "timezone_abbreviation": "GMT", "elevation": 38.0,
            "current_units": {"time": "iso8601", "interval": "seconds", "temperature_2m": "°C"},
            "current": {
                "time": "2026-01-01T07:00", "interval": 900, "temperature_2m": 15.6, "wind_speed_10m": 7.9,
                "weather_code": 3,
            },
        }))
    })
    .await;
    let got = service
        .call(json!({"latitude": 52.52, "longitude": -13.41}))
        .await
        .unwrap();
    assert_eq!(
        (&got["temperature_2m"], &got["weather_code"]),
        (&json!(15.6), &json!(3))
    );
    let asked = service.server.last();
    assert_eq!(asked.header("host"), Some("api.open-meteo.com"));
    assert!(
        asked
            .target
            .starts_with("/v1/forecast?latitude=52.52&longitude=-13.41&current="),
        "{}",
        asked.target
    );
    let error = service
        .call(json!({"latitude": 90, "longitude": 0}))
        .await
        .expect_err("refused");
    assert_eq!((error.code.as_str(), error.retryable), ("HTTP_400", false));
    assert!(
        error.details.unwrap()["body"]
            .as_str()
            .unwrap()
            .contains("No data")
    );
}

#[tokio::test]
async fn a_text_is_translated() {
    let service = Service::start("translate.toml", "libretranslate.com", |received| {
        let asked = received.json();
        if asked["api_key"] != "the-key" {
            return status("403 Forbidden", json!({"error": "Invalid API key"}));
        }
        if asked["q"] == "too fast" {
            let slow = status("429 Too Many Requests", json!({"error": "Slowdown: 30 per 1 minute"}));
            return with_header(slow, "retry-after", "60");
        }
        if asked["target"] == "tlh" {
            return status("400 Bad Request", json!({"error": "tlh is not supported"}));
        }
        assert_eq!(asked["format"], "text");
        ok(json!({
            "detectedLanguage": {"confidence": 90.0, "language": "en"},
            "translatedText": format!("{}: ¡{}!", asked["target"].as_str().unwrap(), asked["q"].as_str().unwrap()),
        }))
    })
    .await;
    let text = "Say \"hi\"\n{secrets.key}";
    let got = service
        .call(json!({"text": text, "from": "auto", "to": "es"}))
        .await
        .unwrap();
    assert_eq!(got, format!("es: ¡{text}!"));
    let asked = service.server.last();
    assert_eq!(
        (asked.method.as_str(), asked.target.as_str()),
        ("POST", "/translate")
    );
    let error = service
        .call(json!({"text": "x", "from": "en", "to": "tlh"}))
        .await
        .expect_err("refused");
    assert_eq!((error.code.as_str(), error.retryable), ("HTTP_400", false));
    let error = service
        .call(json!({"text": "too fast", "from": "en", "to": "es"}))
        .await
        .expect_err("slow");
    assert_eq!(
        (error.code.as_str(), error.retry_after.unwrap().as_secs()),
        ("HTTP_429", 60)
    );
}

#[tokio::test]
async fn a_search_by_toml_and_by_yaml() {
    for file in ["search.toml", "search.yaml"] {
        let service = Service::start(file, "en.wikipedia.org", |received| {
            let asked = query(received);
            let limit: usize = asked.get("srlimit").map_or(10, |limit| limit.parse().unwrap());
            let hit = |at| json!({"ns": 0, "title": format!("{} {at}", asked["srsearch"]), "pageid": at, "snippet": "…"});
            ok(json!({
                "batchcomplete": "", "continue": {"sroffset": limit, "continue": "-||"},
                "query": {"searchinfo": {"totalhits": 5060}, "search": (1..=limit).map(hit).collect::<Vec<_>>()},
            }))
        })
        .await;
        let got = service
            .call(json!({"query": "C++ & é", "limit": 2}))
            .await
            .unwrap();
        assert_eq!(
            (got[0]["title"].as_str(), got[2].as_str()),
            (Some("C++ & é 1"), None)
        );
        assert!(
            service
                .server
                .last()
                .header("user-agent")
                .unwrap()
                .starts_with("toolwave/")
        );
        let got = service.call(json!({"query": "x"})).await.unwrap();
        assert_eq!(got.as_array().unwrap().len(), 10);
        assert!(
            !service.server.last().target.contains("srlimit"),
            "the service's own default"
        );
    }
    let folder = tempfile::tempdir().unwrap();
    let [from_toml, from_yaml] = ["search.toml", "search.yaml"].map(|file| read(file, folder.path()));
    assert_eq!(from_toml, from_yaml);
}
