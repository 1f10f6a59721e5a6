//! Whatever alerts, the dashboard and the scaling ask of the programs is on their live pages: names, and values of labels.

#![allow(clippy::unwrap_used, reason = "these are tests")]

#[path = "../../../telemetry/tests/support/page.rs"]
mod page;

use std::{collections::BTreeSet, fs, time::Duration};

use page::get;
use serde_json::Value;
use toolwave_coordinator::{Config, Coordinator};
use toolwave_deploy_tests::{Look, deploy};
use toolwave_worker::Worker;

/// The pages of a coordinator and of a worker that it knows.
async fn live() -> String {
    let mut config = Config::embedded();
    config.admin.listen = Some("127.0.0.1:0".parse().unwrap());
    let coordinator = Coordinator::start(config).await.unwrap();
    let worker = Worker::builder()
        .coordinator(format!("http://{}", coordinator.address()))
        .admin("127.0.0.1:0".parse().unwrap())
        .build()
        .unwrap();
    let handle = worker.handle();
    let running = tokio::spawn(worker.run());
    let port = tokio::time::timeout(Duration::from_secs(20), async {
        loop {
            match handle.admin_address() {
                Some(port) => break port,
                None => tokio::task::yield_now().await,
            }
        }
    });
    let port = port.await.expect("the worker opens its port");
    let of_worker = get(port, "/metrics").await.1;
    let of_coordinator = get(coordinator.admin_address().unwrap(), "/metrics").await.1;
    running.abort();
    of_coordinator + &of_worker
}

/// Every expression of the rules and of the dashboard.
fn expressions() -> Vec<String> {
    let read = |path: &str| fs::read_to_string(deploy().join(path)).unwrap();
    let rules: Value = serde_saphyr::from_str(&read("prometheus/rules.yaml")).unwrap();
    let rules = rules.list("groups").iter().flat_map(|group| group.list("rules"));
    let mut found: Vec<String> = rules.map(|rule| rule.text("expr").to_owned()).collect();
    let dashboard: Value =
        serde_json::from_str(&read("kustomize/components/monitoring/overview.json")).unwrap();
    let targets = dashboard
        .list("panels")
        .iter()
        .flat_map(|panel| panel.list("targets"));
    found.extend(targets.map(|target| target.text("expr").to_owned()));
    found
}

/// A metric in an expression, with what is asked of its labels.
#[derive(Debug)]
struct Asked {
    name: String,
    labels: Vec<(String, Vec<String>)>,
}

fn asked(expression: &str) -> Vec<Asked> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || "_:".contains(c);
    let mut found = Vec::new();
    let mut rest = expression;
    while let Some(start) = rest.find(is_part) {
        let end = rest[start..]
            .find(|c| !is_part(c))
            .map_or(rest.len(), |length| start + length);
        let name = &rest[start..end];
        rest = &rest[end..];
        let ours = name.starts_with("toolwave_") || name.starts_with("process_") || name.starts_with("grpc_");
        if !ours {
            continue;
        }
        let matchers = rest
            .strip_prefix('{')
            .and_then(|rest| rest.split_once('}'))
            .map_or("", |(inside, _)| inside);
        let labels = matchers
            .split(',')
            .filter_map(|matcher| matcher.split_once('='))
            .map(|(label, values)| {
                let values = values.trim_start_matches('~').trim_matches('"').split('|');
                (
                    label.trim().trim_end_matches('!').to_owned(),
                    values.map(str::to_owned).collect(),
                )
            })
            .filter(|(label, _): &(String, Vec<String>)| label != "namespace")
            .collect();
        found.push(Asked {
            name: name.to_owned(),
            labels,
        });
    }
    found
}

#[tokio::test]
async fn what_is_asked_of_the_programs_is_on_their_pages() {
    let page = live().await;
    let families: BTreeSet<&str> = page
        .lines()
        .filter_map(|line| line.strip_prefix("# TYPE "))
        .filter_map(|line| line.split(' ').next())
        .collect();
    assert!(families.len() > 40, "{page}");
    let all: Vec<Asked> = expressions()
        .iter()
        .flat_map(|expression| asked(expression))
        .collect();
    assert!(all.len() > 50, "{all:?}");
    for Asked { name, labels } in all {
        let family = ["_bucket", "_sum", "_count"]
            .iter()
            .find_map(|suffix| {
                name.strip_suffix(suffix)
                    .filter(|family| families.contains(family))
            })
            .unwrap_or(&name);
        assert!(families.contains(family), "{name} is on no page");
        for (label, values) in labels {
            for value in values {
                let sample = format!("{label}=\"{value}\"");
                let there = page
                    .lines()
                    .any(|line| line.starts_with(&name) && line.contains(&sample));
                assert!(there, "{name} never has {sample}");
            }
        }
    }
}

#[test]
fn names_and_values_are_found_in_expressions() {
    let found =
        asked(r#"sum by (a) (rate(toolwave_x_total{reason=~"b|c", namespace="n"}[5m])) > toolwave_y"#);
    let names: Vec<&str> = found.iter().map(|asked| asked.name.as_str()).collect();
    assert_eq!(names, ["toolwave_x_total", "toolwave_y"]);
    assert_eq!(
        found[0].labels,
        [("reason".to_owned(), vec!["b".to_owned(), "c".to_owned()])]
    );
}
