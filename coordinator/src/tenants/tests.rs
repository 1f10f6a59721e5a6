//! What sections come to, and what is no section.

use toolwave_config::File;

use super::*;
use crate::Config;

fn parse(text: &str) -> Result<Config, Vec<String>> {
    let file = File::from_text("c.toml", text.to_owned()).expect("TOML");
    file.parse::<Config>()
        .map_err(|problems| problems.iter().map(ToString::to_string).collect())
}

fn allowance(text: &str, tenant: &str) -> Allowance {
    let config = parse(text).expect("a good configuration");
    let allowances = Allowances::new(&config.tenants, &config.tenant_defaults);
    Allowance::clone(allowances.of(tenant))
}

#[test]
fn without_sections_nothing_is_limited() {
    let allowance = allowance("", "anybody");
    assert_eq!(allowance.limits, TenantLimits::default());
    assert_eq!(allowance.max_payload_bytes, None);
    assert!(allowance.tools.is_none());
}

#[test]
fn what_a_tenant_does_not_say_is_taken_from_the_defaults() {
    let text = r#"
        [tenant_defaults]
        max_in_flight = 10
        max_payload_bytes = "1 MiB"
        calls_per_second = 2.5
        tools = ["echo"]
        [tenants.a]
        max_in_flight = "unlimited"
        max_queued_calls = 0
        burst = 7
        weight = 3
        tools = ["*"]
    "#;
    let a = allowance(text, "a");
    assert_eq!(a.limits.max_in_flight, None);
    assert_eq!(a.limits.max_queued_calls, Some(0), "0 is none at all");
    assert_eq!(
        a.limits.rate,
        Some(CallRate {
            per_second: 2.5,
            burst: 7
        })
    );
    assert_eq!(a.limits.weight, 3);
    assert_eq!(a.max_payload_bytes, Some(1 << 20));
    assert!(a.tools.is_none(), "all");
    let other = allowance(text, "other");
    assert_eq!(other.limits.max_in_flight, Some(10));
    assert_eq!(
        other.limits.max_queued_calls, None,
        "what nobody says is no limit"
    );
    assert_eq!(
        other.limits.rate,
        Some(CallRate {
            per_second: 2.5,
            burst: 3
        })
    );
    assert!(
        other
            .tools
            .is_some_and(|tools| tools.allow("echo") && !tools.allow("files.read"))
    );
}

#[test]
fn what_is_no_limit_is_told_with_its_place_and_what_would_be_right() {
    let text = "[tenants.a]\nmax_in_flight = -1\nmax_payload_bytes = \"4 MBB\"\ncalls_per_second = 2e6\n\
                burst = 0\nweight = 101\ntools = [\"a b\"]\nmax_queued_cals = 3\n[tenants.\"a b\"]\n";
    let problems = parse(text).expect_err("it is wrong");
    for expected in [
        "c.toml:2:17: tenants.a.max_in_flight: is integer `-1`; expected a number from 0, or \"unlimited\"",
        "c.toml:3:21: tenants.a.max_payload_bytes: is string \"4 MBB\"; expected a size",
        "c.toml:4:20: tenants.a.calls_per_second: is floating point `2000000.0`; expected calls a second",
        "c.toml:5:9: tenants.a.burst: 0 lets no call come",
        "c.toml:6:10: tenants.a.weight: 101 is no weight; expected 1 to 100",
        "c.toml:7:9: tenants.a.tools: `a b` is no pattern of names",
        "tenants.a.max_queued_cals: unknown key, did you mean `max_queued_calls`?",
        "`a b` is no name of a tenant; expected 1 to 128",
    ] {
        assert!(
            problems.iter().any(|problem| problem.contains(expected)),
            "{expected}\n{problems:#?}"
        );
    }
    assert_eq!(problems.len(), 8, "{problems:#?}");
}

#[test]
fn two_tenants_of_one_name_are_refused() {
    let twice = File::from_text("c.toml", "[tenants.a]\n[tenants.a]\n".to_owned());
    assert!(twice.is_err_and(|problems| problems[0].to_string().contains("c.toml:2:")));
}
