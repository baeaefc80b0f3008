//! The alerts: tried by promtool, each with a runbook.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::OnceLock;

use serde_json::Value;

use crate::queries;
use crate::tools::Tools;

pub const CASES: &[crate::ToolCase] = &[
    ("each_fires_when_it_should_and_not_just_below", tried),
    ("each_has_all_that_a_person_needs", complete),
    ("they_ask_for_what_there_is", existing),
    ("each_has_a_runbook_and_each_runbook_an_alert", with_runbooks),
    ("they_fit_the_certificates_that_there_are", fitting),
    ("they_count_the_pods_that_there_should_be", counting),
    ("they_know_every_webhook_by_its_name", webhooks),
];

/// Unit tests for promtool.
const TESTS: &str = include_str!("alerts.yaml");
const RUNBOOKS: &str = include_str!("../../manifests/runbooks.md");

const ON: &str = "serviceMonitor.enabled=true,prometheusRule.enabled=true,api.enabled=true,api.insecureHttp=true,\
                  prometheusRule.runbooks=https://example.org/runbooks";

/// The spec of the `PrometheusRule` that the chart renders with these settings.
fn spec(tools: &Tools, settings: &str) -> Value {
    let objects = tools.rendered(&format!("{ON}{settings}"));
    let rule = objects.into_iter().find(|object| object["kind"] == "PrometheusRule");
    rule.unwrap()["spec"].clone()
}

/// The one with the default settings.
fn shipped(tools: &Tools) -> &'static Value {
    static SHIPPED: OnceLock<Value> = OnceLock::new();
    SHIPPED.get_or_init(|| spec(tools, ""))
}

/// Its alerts, by name.
fn alerts(spec: &Value) -> BTreeMap<&str, &Value> {
    let groups = spec["groups"].as_array().unwrap().iter();
    let rules = groups.flat_map(|group| group["rules"].as_array().unwrap());
    rules.map(|rule| (rule["alert"].as_str().unwrap(), rule)).collect()
}

fn tried(tools: &Tools) {
    let rules = shipped(tools).to_string();
    let both = [("rules.yaml", &*rules), ("alerts.yaml", TESTS)];
    tools.promtool(&["check", "rules", "rules.yaml"], &both[..1]);
    tools.promtool(&["test", "rules", "alerts.yaml"], &both);

    // Each has both: a moment at which it fires, and one in the same tests at which it does not.
    let tests = idp_multicloud::yaml::documents(TESTS).unwrap().remove(0);
    let all = |kind: &'static str| {
        let tests = tests["tests"].as_array().unwrap().iter();
        tests.flat_map(move |test| test[kind].as_array().into_iter().flatten())
    };
    let mut seen = BTreeSet::new();
    for check in all("promql_expr_test") {
        let alert = check["expr"].as_str().unwrap().split("alertname=\"").nth(1);
        let fires = !check["exp_samples"].as_array().unwrap().is_empty();
        seen.extend(alert.map(|alert| (alert.split('"').next().unwrap(), fires)));
    }
    let wanted = alerts(shipped(tools))
        .into_keys()
        .flat_map(|alert| [(alert, false), (alert, true)]);
    assert_eq!(seen, wanted.collect());

    // And its words are read once, if they are made of a value or a label.
    let read: BTreeSet<&str> = all("alert_rule_test")
        .map(|read| read["alertname"].as_str().unwrap())
        .collect();
    let made = |rule: &Value| rule["annotations"].to_string().contains("{{");
    let unread = alerts(shipped(tools)).into_iter();
    let unread = unread.filter(|(alert, rule)| made(rule) && !read.contains(alert));
    assert_eq!(unread.map(|(alert, _)| alert).collect::<Vec<_>>(), Vec::<&str>::new());
}

fn complete(tools: &Tools) {
    for (name, rule) in alerts(shipped(tools)) {
        assert!(
            name.starts_with("Idp") && name.bytes().all(|byte| byte.is_ascii_alphanumeric()),
            "{name}"
        );
        let severity = rule["labels"]["severity"].as_str().unwrap();
        assert!(["critical", "warning"].contains(&severity), "{name}: {severity}");
        for part in ["summary", "description"] {
            assert!(
                rule["annotations"][part].as_str().unwrap().ends_with('.'),
                "{name}: {part}"
            );
        }
    }
}

fn existing(tools: &Tools) {
    for (name, rule) in alerts(shipped(tools)) {
        let wrong = queries::wrong(rule["expr"].as_str().unwrap());
        assert_eq!(wrong, Vec::<String>::new(), "{name}");
    }
}

fn with_runbooks(tools: &Tools) {
    let alerts = alerts(shipped(tools));
    for (name, rule) in &alerts {
        let url = format!("https://example.org/runbooks#{}", name.to_lowercase());
        assert_eq!(rule["annotations"]["runbook_url"], url);
    }
    let headings = RUNBOOKS.lines().filter_map(|line| line.strip_prefix("## "));
    let headings: Vec<&str> = headings.filter(|heading| heading.starts_with("Idp")).collect();
    assert_eq!(headings.iter().copied().collect::<BTreeSet<_>>().len(), headings.len());
    let without = |heading: &&&str| !alerts.contains_key(**heading);
    assert_eq!(headings.iter().find(without), None, "no alert has this name");
    let without = |alert: &&&str| !headings.contains(*alert);
    assert_eq!(
        alerts.keys().find(without),
        None,
        "it has no heading in manifests/runbooks.md"
    );
}

fn fitting(tools: &Tools) {
    let all: BTreeSet<&str> = alerts(shipped(tools)).into_keys().collect();
    let expression = |spec: &Value, alert: &str| alerts(spec)[alert]["expr"].as_str().unwrap().to_owned();
    let short = "certificates.lifetime=4h,prometheusRule.unplacedClaims=7";
    for (source, lacking, soon) in [
        // Renewed when 80 minutes are left.
        ("self-managed", &[][..], "3600"),
        (
            "cert-manager",
            &["IdpAuthorityExpiring", "IdpAuthorityNotPublished"],
            "3600",
        ),
        // Whoever keeps it has it live for as long as they like.
        ("secret", &["IdpAuthorityExpiring"], "604800"),
    ] {
        let spec = spec(tools, &format!(",certificates.source={source},{short}"));
        let alerts: BTreeSet<&str> = alerts(&spec).into_keys().collect();
        assert_eq!(
            all.difference(&alerts).copied().collect::<Vec<_>>(),
            lacking,
            "{source}"
        );
        let expiring = expression(&spec, "IdpCertificateExpiring");
        // Nobody renews the pair of the REST API by our clock.
        let [ours, theirs] = expiring.split_once(" or ").map(<[&str; 2]>::from).unwrap();
        assert!(ours.ends_with(&format!("< {soon}")), "{source}: {expiring}");
        assert!(theirs.ends_with("< 604800"), "{source}: {expiring}");
        assert!(expression(&spec, "IdpClaimsUnplaced").ends_with("> 7"), "{source}");
    }
    let expiring = expression(shipped(tools), "IdpCertificateExpiring");
    for part in expiring.split(" or ") {
        assert!(part.ends_with("< 604800"), "{expiring}");
    }
}

fn counting(tools: &Tools) {
    let counted = |spec: &Value| {
        let alerts = alerts(spec);
        let expression = alerts["IdpServerNotReady"]["expr"].as_str().unwrap();
        let counts = expression.split(" or count").skip(1);
        counts
            .map(|count| count.rsplit(' ').next().unwrap().parse().unwrap())
            .collect::<Vec<u32>>()
    };
    assert_eq!(counted(shipped(tools)), [3, 2]);
    assert_eq!(counted(&spec(tools, ",admission.replicas=5,api.replicas=4")), [5, 4]);
    let without = spec(tools, ",api.enabled=false");
    assert_eq!(counted(&without), [3]);
    assert!(!alerts(&without).contains_key("IdpApiNotReady"));
}

/// The API server counts by a webhook's name: of those that fail closed as refusals, of the others as failing open.
fn webhooks(tools: &Tools) {
    let objects = tools.rendered(ON);
    let entries = objects
        .iter()
        .flat_map(|object| object["webhooks"].as_array().into_iter().flatten());
    let names = |policy: &str| -> Vec<&str> {
        let those = entries.clone().filter(|entry| entry["failurePolicy"] == policy);
        those.map(|entry| entry["name"].as_str().unwrap()).collect()
    };
    let expression = alerts(shipped(tools))["IdpWebhooksNotReached"]["expr"]
        .as_str()
        .unwrap();
    let (closed, open) = (names("Fail"), names("Ignore"));
    assert_eq!((closed.len(), open.len()), (3, 1));
    for name in closed {
        let rest = name.split_once('.').unwrap().1.replace('.', "[.]");
        assert!(expression.contains(&format!("name=~\".+[.]{rest}\"")), "{name}");
    }
    assert!(expression.contains(&format!("name=\"{}\"", open[0])), "{}", open[0]);
}
