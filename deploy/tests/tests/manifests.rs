//! What is rendered, as it is: sound in every overlay, open to those who are to come in and to nobody else, and with
//! alerts and a dashboard that lead somewhere.

use std::{collections::BTreeSet, fs};

use serde_json::{Value, json};
use toolwave_coordinator::Config;
use toolwave_deploy_tests::{
    Look, Manifest, OVERLAYS, Overlay, deploy,
    network::{Place, passes},
    problems,
};

fn read(name: &str) -> Overlay {
    let given = OVERLAYS
        .iter()
        .find(|(overlay, _)| *overlay == name)
        .expect("listed")
        .1;
    Overlay::read(name, given).expect("deploy/render was run")
}

#[test]
fn every_overlay_is_of_its_types_complete_and_by_the_rules() {
    for (name, _) in OVERLAYS {
        let overlay = read(name);
        let problems: Vec<String> = problems(&overlay).iter().map(ToString::to_string).collect();
        assert!(!overlay.manifests.is_empty(), "{name} is empty");
        assert!(problems.is_empty(), "{name}:\n{}", problems.join("\n"));
    }
}

#[test]
fn every_overlay_is_rendered_and_every_rendered_file_is_of_one() {
    let listed: BTreeSet<String> = OVERLAYS.iter().map(|(name, _)| (*name).to_owned()).collect();
    let names = |folder: &str| -> BTreeSet<String> {
        let entries = fs::read_dir(deploy().join(folder)).expect("is there");
        let name = |entry: fs::DirEntry| {
            entry
                .file_name()
                .to_string_lossy()
                .trim_end_matches(".yaml")
                .to_owned()
        };
        entries.map(|entry| name(entry.expect("can be read"))).collect()
    };
    assert_eq!(names("rendered"), listed);
    assert_eq!(names("kustomize/overlays"), listed);
}

#[test]
fn what_is_insecure_says_so_and_the_rest_proves_who_comes_in() {
    for (name, _) in OVERLAYS {
        let overlay = read(name);
        let Some(coordinator) = overlay.find("Deployment", "coordinator") else {
            continue;
        };
        let variables = coordinator.0.list("spec.template.spec.containers.0.env");
        let insecure = variables
            .iter()
            .any(|variable| variable.text("name").ends_with("INSECURE_ALLOW_REMOTE"));
        let configuration = overlay
            .find("ConfigMap", "coordinator")
            .expect("there")
            .0
            .at("data")["coordinator.toml"]
            .as_str()
            .expect("text")
            .to_owned();
        let proves = [
            "[tls]",
            "[worker_tls]",
            "client_ca",
            "[[worker_identities]]",
            "[[auth.client_certificates]]",
        ];
        let secure = proves.iter().all(|part| configuration.contains(part));
        assert_ne!(insecure, secure, "{name}");
        assert_eq!(secure, name.contains("secure"), "{name}");
    }
}

#[test]
fn the_coordinator_takes_its_configuration_and_its_listeners() {
    for (name, _) in OVERLAYS {
        let overlay = read(name);
        let Some(coordinator) = overlay.find("Deployment", "coordinator") else {
            continue;
        };
        let map = overlay.find("ConfigMap", "coordinator").expect("there");
        let text = map.0.at("data")["coordinator.toml"].as_str().expect("text");
        let mut config: Config = toml::from_str(text).unwrap_or_else(|error| panic!("{name}: {error}"));
        for variable in coordinator.0.list("spec.template.spec.containers.0.env") {
            let value = || variable.text("value").parse().expect("an address");
            match variable.text("name") {
                "TOOLWAVE_COORDINATOR_LISTEN" => config.listen = value(),
                "TOOLWAVE_COORDINATOR_WORKER_LISTEN" => config.worker_listen = Some(value()),
                "TOOLWAVE_COORDINATOR_ADMIN_LISTEN" => config.admin.listen = Some(value()),
                "TOOLWAVE_COORDINATOR_INSECURE_ALLOW_REMOTE" => config.insecure_allow_remote = true,
                "TOOLWAVE_COORDINATOR_THREADS" => {}
                other => panic!("{name}: {other} is no variable that is known here"),
            }
        }
        assert_eq!(config.listen.port(), 7420, "{name}");
        assert_eq!(config.worker_listen.expect("set").port(), 7421, "{name}");
        assert_eq!(config.admin.listen.expect("set").port(), 7422, "{name}");
        // Files of TLS come with the Secrets.
        let wrong: Vec<_> = config
            .check()
            .into_iter()
            .filter(|wrong| !wrong.key.contains("tls."))
            .collect();
        assert!(wrong.is_empty(), "{name}: {wrong:?}");
    }
}

/// Who, from where, to where, and which ports are open.
type Row<'a> = (&'a str, &'a Place, &'a Place, [(u16, bool); 3]);

fn place(namespace: &str, namespace_labels: Value, labels: Value) -> Place {
    Place {
        namespace: namespace.into(),
        namespace_labels,
        labels,
        ports: vec![],
    }
}

fn pod_of(overlay: &Overlay, name: &str) -> Place {
    let deployment = overlay.find("Deployment", name).expect("there");
    let ports = deployment.0.list("spec.template.spec.containers.0.ports").iter();
    Place {
        ports: ports
            .map(|port| {
                (
                    port.text("name").into(),
                    port.number("containerPort").expect("a number") as u16,
                )
            })
            .collect(),
        ..place(
            "toolwave",
            json!({}),
            deployment.0.at("spec.template.metadata.labels").clone(),
        )
    }
}

#[test]
fn the_network_lets_through_what_is_listed_here_and_nothing_else() {
    for name in [
        "standalone",
        "several-coordinators",
        "several-scaled",
        "secure",
        "secure-keda",
    ] {
        let overlay = read(name);
        let (coordinator, worker) = (pod_of(&overlay, "coordinator"), pod_of(&overlay, "worker"));
        let client = place("toolwave", json!({}), json!({"toolwave/client": "true"}));
        let stranger = place("toolwave", json!({}), json!({"app": "stranger"}));
        let application = place(
            "shop",
            json!({"toolwave/clients": "true"}),
            json!({"app": "shop"}),
        );
        let elsewhere = place("other", json!({}), json!({"toolwave/client": "true"}));
        let prometheus = place("monitoring", json!({}), json!({"app": "prometheus"}));
        let keda = place("keda", json!({}), json!({"app": "keda-operator"}));
        let dns = place("kube-system", json!({}), json!({"k8s-app": "kube-dns"}));
        let with_keda = name == "secure-keda";
        let matrix: [Row<'_>; 11] = [
            (
                "client",
                &client,
                &coordinator,
                [(7420, true), (7421, false), (7422, false)],
            ),
            (
                "application",
                &application,
                &coordinator,
                [(7420, true), (7421, false), (7422, false)],
            ),
            (
                "worker",
                &worker,
                &coordinator,
                [(7420, false), (7421, true), (7422, false)],
            ),
            (
                "prometheus",
                &prometheus,
                &coordinator,
                [(7420, false), (7421, false), (7422, true)],
            ),
            (
                "keda",
                &keda,
                &coordinator,
                [(7420, with_keda), (7421, false), (7422, false)],
            ),
            (
                "stranger",
                &stranger,
                &coordinator,
                [(7420, false), (7421, false), (7422, false)],
            ),
            (
                "elsewhere",
                &elsewhere,
                &coordinator,
                [(7420, false), (7421, false), (7422, false)],
            ),
            (
                "prometheus to a worker",
                &prometheus,
                &worker,
                [(7423, true), (7421, false), (80, false)],
            ),
            (
                "coordinator to a worker",
                &coordinator,
                &worker,
                [(7423, false), (7421, false), (80, false)],
            ),
            (
                "worker to a worker",
                &worker,
                &worker,
                [(7423, false), (7421, false), (80, false)],
            ),
            (
                "coordinator outwards",
                &coordinator,
                &application,
                [(80, false), (443, false), (5432, false)],
            ),
        ];
        for (who, from, to, ports) in matrix {
            for (port, allowed) in ports {
                assert_eq!(
                    passes(&overlay, from, to, port, "TCP"),
                    allowed,
                    "{name}: {who}, {port}"
                );
            }
        }
        for from in [&coordinator, &worker, &client] {
            assert!(
                passes(&overlay, from, &dns, 53, "UDP") && passes(&overlay, from, &dns, 53, "TCP"),
                "{name}"
            );
            assert!(!passes(&overlay, from, &dns, 443, "TCP"), "{name}");
        }
        assert!(
            !passes(&overlay, &worker, &application, 443, "TCP"),
            "{name}: a tool's way out is its pool's to open"
        );
    }
}

#[test]
fn a_policy_that_opens_too_much_is_seen_and_one_of_another_namespace_opens_nothing() {
    let stranger = place("toolwave", json!({}), json!({"app": "stranger"}));
    let outside = place("other", json!({}), json!({}));
    let opened = |namespace: &str, rule: Value| {
        let mut overlay = read("standalone");
        let policy = json!({
            "apiVersion": "networking.k8s.io/v1",
            "kind": "NetworkPolicy",
            "metadata": {"name": "wide", "namespace": namespace},
            "spec": {"podSelector": {}, "policyTypes": ["Ingress", "Egress"], "ingress": [rule], "egress": [{}]},
        });
        overlay.manifests.push(Manifest(policy));
        let coordinator = pod_of(&overlay, "coordinator");
        [&stranger, &outside].map(|from| passes(&overlay, from, &coordinator, 7421, "TCP"))
    };
    assert_eq!(opened("toolwave", json!({})), [true, true]);
    assert_eq!(
        opened("toolwave", json!({"from": [{"podSelector": {}}]})),
        [true, false]
    );
    assert_eq!(
        opened(
            "toolwave",
            json!({"from": [{"namespaceSelector": {}}], "ports": [{"port": 7420}]})
        ),
        [false, false]
    );
    assert_eq!(
        opened(
            "toolwave",
            json!({"ports": [{"port": "workers", "protocol": "UDP"}]})
        ),
        [false, false]
    );
    assert_eq!(opened("other", json!({})), [false, false]);
    let mut open = read("standalone");
    open.manifests
        .retain(|manifest| manifest.kind() != "NetworkPolicy");
    let coordinator = pod_of(&open, "coordinator");
    assert!(
        passes(&open, &outside, &coordinator, 7421, "TCP"),
        "without policies all pass"
    );
}

fn rules() -> Vec<Value> {
    let text = fs::read_to_string(deploy().join("prometheus/rules.yaml")).expect("is there");
    let file: Value = serde_saphyr::from_str(&text).expect("is YAML");
    file.list("groups")
        .iter()
        .flat_map(|group| group.list("rules").to_vec())
        .collect()
}

#[test]
fn every_alert_has_a_runbook_and_every_runbook_an_alert() {
    let mut expected = BTreeSet::from(["README.md".to_owned()]);
    for rule in rules().iter().filter(|rule| !rule.text("alert").is_empty()) {
        let name = rule.text("alert");
        let url = rule.text("annotations.runbook_url");
        assert_eq!(url, format!("deploy/runbooks/{name}.md"));
        let runbook = fs::read_to_string(deploy().join("..").join(url)).expect("the runbook is there");
        for part in [
            &format!("# {name}\n"),
            "## Symptom",
            "## Check",
            "## Stop the bleeding",
            "## Fix",
        ] {
            assert!(runbook.contains(part), "{url} is without `{part}`");
        }
        assert!(
            ["critical", "warning", "info"].contains(&rule.text("labels.severity")),
            "{name}"
        );
        expected.insert(format!("{name}.md"));
    }
    let entries = fs::read_dir(deploy().join("runbooks")).expect("is there");
    let there: BTreeSet<String> = entries
        .map(|entry| {
            entry
                .expect("can be read")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    assert_eq!(there, expected);
}

#[test]
fn every_alert_is_tested_to_fire_and_to_be_silent() {
    let tests = fs::read_to_string(deploy().join("prometheus/rules_test.yaml")).expect("is there");
    for rule in rules().iter().filter(|rule| !rule.text("alert").is_empty()) {
        for what in ["fires", "is silent"] {
            let name = format!("name: {} {what}\n", rule.text("alert"));
            assert!(tests.contains(&name), "rules_test.yaml is without `{name}`");
        }
    }
}

#[test]
fn the_rule_object_has_the_rules_of_the_file() {
    for name in ["secure-keda", "several-scaled"] {
        let overlay = read(name);
        let object = overlay.find("PrometheusRule", "toolwave").expect("there");
        let groups = object.0.list("spec.groups").iter();
        let applied: Vec<Value> = groups.flat_map(|group| group.list("rules").to_vec()).collect();
        assert_eq!(applied, rules(), "{name}");
    }
}

#[test]
fn every_panel_of_the_dashboard_has_a_place_a_title_and_a_question() {
    let overlay = read("secure-keda");
    let map = overlay.find("ConfigMap", "dashboard").expect("there");
    let text = map.0.at("data")["toolwave.json"].as_str().expect("text");
    let dashboard: Value = serde_json::from_str(text).expect("is JSON");
    let panels = dashboard.list("panels");
    assert!(panels.len() >= 20);
    let mut ids = BTreeSet::new();
    for (at, panel) in panels.iter().enumerate() {
        assert!(ids.insert(panel.number("id")), "an id is there twice");
        assert!(!panel.text("title").is_empty());
        assert!(
            panel
                .list("targets")
                .iter()
                .all(|target| target.text("expr").contains("namespace=~\"$namespace\""))
        );
        let area = |panel: &Value| {
            let of = |key: &str| panel.at("gridPos").number(key).expect("a number");
            (of("x"), of("y"), of("x") + of("w"), of("y") + of("h"))
        };
        let (left, top, right, bottom) = area(panel);
        assert!(right <= 24, "{} is wider than the page", panel.text("title"));
        for other in &panels[at + 1..] {
            let (l, t, r, b) = area(other);
            let apart = r <= left || right <= l || b <= top || bottom <= t;
            assert!(apart, "{} lies on {}", panel.text("title"), other.text("title"));
        }
    }
}
