//! The report of small made-up result files.

use std::path::Path;

use quick_xml::{Reader, events::Event};
use serde_json::{Value, json};

use super::index::Index;
use super::peers::Peers;
use super::{Options, document, plots, readme, write};
use crate::results::Results;

fn figure(scenario: &str, system: &str, metric: &str, unit: &str, values: &[f64]) -> Value {
    json!({"scenario": scenario, "system": system, "variant": "", "metric": metric, "unit": unit,
        "at": null, "values": values, "cpu": [], "calls": 1000})
}

fn at(mut figure: Value, name: &str, value: f64) -> Value {
    figure["at"] = json!({"name": name, "value": value});
    figure
}

fn w1(ours: &[f64], floor: &[f64]) -> Vec<Value> {
    let mut of_ours = figure("W1", "toolwave", "throughput", "calls/s", ours);
    of_ours["cpu"] =
        json!([{"process": "client", "microseconds": 1.5}, {"process": "coordinator", "microseconds": 3.5}]);
    vec![of_ours, figure("W1", "floor", "throughput", "calls/s", floor)]
}

fn text(figures: &[Value]) -> String {
    json!({"taken": "2026-01-02T03:04:05Z", "commit": "abc1234", "command": "toolwave-bench run", "runs": 3,
        "machine": {"cpu": "a processor", "cores": 2, "kernel": "6.1", "memory_mib": 8192, "rustc": "rustc 1.95.0"},
        "figures": figures})
    .to_string()
}

fn results(figures: &[Value]) -> Results {
    serde_json::from_str(&text(figures)).unwrap()
}

fn report(figures: &[Value], peers: Option<&Peers>) -> String {
    let results = results(figures);
    let index = Index::of(&results).unwrap();
    document::document(&index, peers, &plots::plots(&index).unwrap(), "performance")
}

fn line<'t>(text: &'t str, start: &str) -> &'t str {
    text.lines()
        .find(|line| line.starts_with(start))
        .unwrap_or_else(|| panic!("no {start:?} in {text}"))
}

#[test]
fn a_row_has_medians_ranges_the_ratio_of_pairs_and_what_is_reached() {
    let report = report(&w1(&[260e3, 300e3, 280e3], &[400e3, 600e3, 350e3]), None);
    // pairs: 0.65, 0.5, 0.8; the medians alone would give 0.7
    assert_eq!(
        line(&report, "| W1 throughput"),
        "| W1 throughput, calls/s | 280,000 (260,000 to 300,000) | 400,000 (350,000 to 600,000) | 0.650 | \
         ≥ 250,000; ≥ 0.65 × floor; coordinator ≤ 3 µs of processor a call | yes; yes; **no** |"
    );
    assert_eq!(
        line(&report, "2 of 3"),
        "2 of 3 targets are reached; not: W1 throughput (coordinator ≤ 3 µs of processor a call)."
    );
    assert_eq!(
        line(&report, "| W1 | client"),
        "| W1 | client 1.50 + coordinator 3.50 | 5.00 | | |"
    );
}

#[test]
fn without_the_floor_a_ratio_is_said_not_to_be_measured() {
    let report = report(&[figure("W2", "toolwave", "p50", "µs", &[300.0])], None);
    assert_eq!(
        line(&report, "| W2 p50"),
        "| W2 p50, µs | 300 | ≤ 1.35 × floor | not measured |"
    );
}

#[test]
fn a_scenario_that_is_not_there_is_said_to_be_missing() {
    let report = report(&w1(&[1.0], &[1.0]), None);
    assert!(
        report.contains("Not in the result file: W2, W3, W4, W4b, W5, W6."),
        "{report}"
    );
    let (_, overload) = report.split_once("## Overload").unwrap();
    assert!(
        overload
            .split("## ")
            .next()
            .unwrap()
            .contains("not in the result file"),
        "{overload}"
    );
    assert!(line(&report, "Targets whose figure").contains("queued-memory per queued call (≤ 2,048)"));
    assert!(
        report.contains("Other systems were not measured in this run."),
        "{report}"
    );
}

#[test]
fn a_scenario_that_the_report_does_not_know_has_its_table() {
    let figures = [at(
        figure("tides", "toolwave", "height", "m", &[2.0, 4.0, 3.0]),
        "moon",
        0.5,
    )];
    let report = report(&figures, None);
    assert!(report.contains("\n## tides\n"), "{report}");
    assert_eq!(
        line(&report, "| moon 0.5"),
        "| moon 0.5, height, m | 3.00 (2.00 to 4.00) |"
    );
}

#[test]
fn a_figure_that_says_nothing_sure_is_refused() {
    for (figures, problem) in [
        (
            vec![figure("W1", "toolwave", "throughput", "calls/s", &[])],
            "has no values",
        ),
        (
            vec![
                figure("W2", "floor", "p50", "µs", &[1.0]),
                figure("W2", "floor", "p50", "µs", &[2.0]),
            ],
            "is there twice",
        ),
        (
            vec![
                figure("W2", "floor", "p50", "µs", &[1.0]),
                figure("W2", "toolwave", "p50", "ms", &[2.0]),
            ],
            "is in ms",
        ),
        (vec![], "there are no figures"),
    ] {
        let results = results(&figures);
        let error = Index::of(&results).err().map(|error| format!("{error:#}"));
        assert!(
            error.as_ref().is_some_and(|error| error.contains(problem)),
            "{problem}: {error:?}"
        );
    }
}

/// The points of an SVG from left to right, and everything that it writes; panics when it is no XML.
fn circles_and_words(svg: &str) -> (Vec<(i32, i32)>, String) {
    let (mut circles, mut words) = (Vec::new(), String::new());
    let mut reader = Reader::from_str(svg);
    reader.config_mut().check_end_names = true;
    loop {
        match reader.read_event().unwrap() {
            Event::Empty(tag) if tag.name().as_ref() == "circle" => {
                let number = |name: &str| -> i32 {
                    let attribute = tag.try_get_attribute(name).unwrap().unwrap();
                    attribute.value.parse().unwrap()
                };
                // smaller ones are those of the legend
                if number("r") == 4 {
                    circles.push((number("cx"), number("cy")));
                }
            }
            Event::Text(text) => words.push_str(&text.into_inner()),
            Event::Eof => break,
            _ => {}
        }
    }
    circles.sort_unstable();
    (circles, words)
}

#[test]
fn a_plot_has_the_points_of_the_file_where_they_belong() {
    // not in the order of the axis
    let figures = [(100.0, 100e3), (1.0, 300e3), (10.0, 200e3)].map(|(workers, calls)| {
        at(
            figure("workers", "toolwave", "throughput", "calls/s", &[calls]),
            "workers",
            workers,
        )
    });
    let results = results(&figures);
    let plots = plots::plots(&Index::of(&results).unwrap()).unwrap();
    assert_eq!(
        plots.iter().map(|plot| plot.file).collect::<Vec<_>>(),
        ["throughput-workers.svg"]
    );
    let (circles, words) = circles_and_words(&plots[0].svg);
    let [(x1, y1), (x10, y10), (x100, y100)] = circles[..] else {
        panic!("{circles:?}")
    };
    assert!(
        ((x10 - x1) - (x100 - x10)).abs() <= 1,
        "tenfold is the same way everywhere: {circles:?}"
    );
    assert!(
        ((y10 - y1) - (y100 - y10)).abs() <= 1 && y1 < y10,
        "100,000 is the same way everywhere: {circles:?}"
    );
    for written in ["throughput, calls/s", "workers", "toolwave", "200,000"] {
        assert!(words.contains(written), "{written:?} in {words}");
    }
}

#[test]
fn a_plot_has_a_curve_for_each_system_and_percentile() {
    let figures: Vec<Value> = [
        ("toolwave", "p50"),
        ("toolwave", "p99"),
        ("floor", "p50"),
        ("floor", "p99"),
    ]
    .into_iter()
    .flat_map(|(system, metric)| {
        [0.5, 0.9].map(|load| {
            at(
                figure("open-loop", system, metric, "µs", &[load * 500.0]),
                "load",
                load,
            )
        })
    })
    .collect();
    let results = results(&figures);
    let plots = plots::plots(&Index::of(&results).unwrap()).unwrap();
    let (circles, words) = circles_and_words(&plots[0].svg);
    assert_eq!(circles.len(), 8);
    for written in ["toolwave, p50", "toolwave, p99", "floor, p50", "floor, p99"] {
        assert!(words.contains(written), "{written:?} in {words}");
    }
}

const PEERS: &str = r#"{"taken": "2026-01-02T04:00:00Z", "cores": 2, "repetitions": 2}
{"peer": "asyncio", "variant": "gather", "workload": "W1", "metric": "throughput", "unit": "calls/s", "reps": [70000.0, 80000.0], "foreign_pct": [0.0, 1.0], "cpu_client_us": 12.0, "cpu_server_us": 0.0}
{"peer": "nats", "variant": "nats-py-2w", "workload": "W2", "metric": "p50", "unit": "us", "reps": [620.0], "foreign_pct": [9.0]}
{"peer": "ray", "missing": "what it needs could not be installed"}
{"peer": "dask", "variant": "cli", "workload": "W6", "error": "TimeoutError"}
"#;

#[test]
fn peers_stand_beside_ours_and_the_missing_are_named() {
    let peers = Peers::parse(PEERS).unwrap();
    let slow = report(&w1(&[60e3], &[100e3]), Some(&peers));
    assert!(line(&slow, "| asyncio gather").starts_with("| asyncio gather | 75,000 |"));
    assert!(line(&slow, "| nats nats-py-2w").contains("| 620 ~ |"));
    assert!(line(&slow, "In W1 toolwave").contains("it is **not** faster (0.800 ×)"));
    assert!(
        slow.contains("- ray: what it needs could not be installed\n"),
        "{slow}"
    );
    assert!(
        slow.contains("- dask cli: W6 ended with TimeoutError\n"),
        "{slow}"
    );
    let error = Peers::parse("{\"peer\": \"ray\"}")
        .err()
        .map(|error| format!("{error:#}"));
    assert!(error.is_some_and(|error| error.starts_with("line 1")));
}

#[test]
fn figures_go_between_the_markers_of_the_readme_and_nowhere_else() {
    let results = results(&[
        figure("W2", "toolwave", "p50", "µs", &[300.0]),
        figure("W2", "floor", "p50", "µs", &[200.0]),
        figure("W2", "toolwave", "p99", "µs", &[600.0]),
        figure("W2", "floor", "p99", "µs", &[300.0]),
    ]);
    let index = Index::of(&results).unwrap();
    let before = "# A\n\n<!-- bench:begin -->\nold\n<!-- bench:end -->\n\n## B\n";
    let after = readme::with_figures(before, &index, None).unwrap();
    assert!(
        after.starts_with("# A\n\n<!-- bench:begin -->\n") && after.ends_with("<!-- bench:end -->\n\n## B\n")
    );
    assert!(
        line(&after, "| one call at a time").ends_with("| 300 µs / 600 µs | 200 µs / 300 µs | 1.50 / 2.00 |")
    );
    assert!(!after.contains("old"));
    assert_eq!(
        readme::with_figures(&after, &index, None).unwrap(),
        after,
        "written twice, it is the same"
    );
    assert!(readme::with_figures("# A\n", &index, None).is_err());
}

#[test]
fn a_check_fails_as_soon_as_one_file_is_not_what_the_results_give() {
    let folder = tempfile::tempdir().unwrap();
    let inside = folder.path().join("performance");
    std::fs::create_dir(&inside).unwrap();
    let put = |path: &Path, text: &str| std::fs::write(path, text).unwrap();
    let readme = folder.path().join("README.md");
    put(&readme, "<!-- bench:begin -->\n<!-- bench:end -->\n");
    let mut figures = w1(&[250e3], &[500e3]);
    figures.push(at(
        figure("workers", "toolwave", "throughput", "calls/s", &[1e5]),
        "workers",
        1.0,
    ));
    let file = inside.join("results.json");
    put(&file, &text(&figures));
    let run = |check| {
        let options = Options {
            results: file.clone(),
            peers: None,
            readme: Some(readme.clone()),
            check,
            table: false,
        };
        write(&options).map_err(|error| error.to_string())
    };

    let error = run(true).unwrap_err();
    assert!(
        error.contains("performance.md") && error.contains("README.md"),
        "{error}"
    );
    run(false).unwrap();
    run(true).unwrap();

    for (path, word) in [
        (folder.path().join("performance.md"), "calls"),
        (inside.join("throughput-workers.svg"), "calls"),
        (readme.clone(), "Medians"),
    ] {
        let right = std::fs::read_to_string(&path).unwrap();
        put(&path, &right.replacen(word, "changed", 1));
        assert!(
            run(true)
                .unwrap_err()
                .contains(path.file_name().unwrap().to_str().unwrap())
        );
        put(&path, &right);
    }
    let stray = inside.join("latency-load.svg");
    put(&stray, "of scenarios that are not measured any more");
    assert!(run(true).unwrap_err().contains("latency-load.svg"));
    std::fs::remove_file(&stray).unwrap();
    put(&inside.join("peers.jsonl"), PEERS);
    assert!(
        run(true).unwrap_err().contains("performance.md"),
        "peers beside the results are part of it"
    );
}
