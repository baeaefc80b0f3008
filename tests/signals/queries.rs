//! What a query of Prometheus asks for, held against what the processes tell.

use std::collections::{BTreeMap, BTreeSet};

use crate::metrics::{controller, servers, told};

pub const CASES: &[crate::Case] = &[("what_nobody_tells_is_noticed", noticed)];

/// What a scrape adds to every metric, by the `ServiceMonitor`.
const OF_THE_TARGET: [&str; 6] = [
    "app_kubernetes_io_component",
    "container",
    "instance",
    "job",
    "namespace",
    "pod",
];

/// What others tell, and its labels: Prometheus itself, the kubelet's cAdvisor, and the API server.
const OF_OTHERS: [(&str, &str); 5] = [
    ("up", ""),
    ("container_cpu_usage_seconds_total", ""),
    ("container_memory_working_set_bytes", ""),
    ("apiserver_admission_webhook_fail_open_count", "name,type"),
    (
        "apiserver_admission_webhook_rejection_count",
        "error_type,name,operation,rejection_code,type",
    ),
];

/// Each metric that can be asked for, and its labels.
fn known() -> BTreeMap<String, BTreeSet<String>> {
    let mut known: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    let mut add = |name: String, labels: &str| {
        let labels = labels.trim_matches(['{', '}']).split(',').map(str::to_owned);
        known.entry(name).or_default().extend(labels);
    };
    for (name, kind, _) in [servers(), controller()].iter().flat_map(|encoded| told(encoded)) {
        let (name, labels) = name.split_at(name.find('{').unwrap_or(name.len()));
        if kind == "histogram" {
            add(format!("{name}_bucket"), "le");
            add(format!("{name}_sum"), "");
            add(format!("{name}_count"), "");
        } else {
            add(name.to_owned(), labels);
        }
    }
    for (name, labels) in OF_OTHERS {
        add(name.to_owned(), labels);
    }
    known
}

/// The words of a query, each with what follows it.
fn words(query: &str) -> impl Iterator<Item = (&str, &str)> {
    let is_part = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let mut rest = query;
    std::iter::from_fn(move || {
        rest = &rest[rest.find(is_part)?..];
        let (word, after) = rest.split_at(rest.find(|c| !is_part(c)).unwrap_or(rest.len()));
        rest = after;
        Some((word, after))
    })
}

/// The list in brackets that a text begins with, if it does.
fn list(text: &str, open: char, close: char) -> impl Iterator<Item = &str> {
    let inside = text
        .trim_start()
        .strip_prefix(open)
        .and_then(|text| text.split_once(close));
    inside
        .into_iter()
        .flat_map(|(inside, _)| inside.split(',').map(str::trim))
}

/// What is wrong with a query: metrics and labels that nobody tells, and values that a label never has. That it can be read at
/// all, promtool says.
pub fn wrong(query: &str) -> Vec<String> {
    let known = known();
    let told = [servers(), controller()].concat();
    let (mut wrong, mut grouped) = (Vec::new(), BTreeSet::new());
    let mut labels = BTreeSet::from(OF_THE_TARGET);
    for (word, after) in words(query) {
        if word == "by" {
            grouped.extend(list(after, '(', ')'));
        }
        let is_metric = word.contains('_') || word == "up";
        // A function, the value of a label, or the name of one.
        let is_label = OF_THE_TARGET.contains(&word) || known.values().any(|own| own.contains(word));
        if !is_metric || after.starts_with(['(', '"']) || is_label {
            continue;
        }
        let Some(own) = known.get(word) else {
            wrong.push(format!("there is no metric {word}"));
            continue;
        };
        labels.extend(own.iter().map(String::as_str));
        for matcher in list(after, '{', '}') {
            let (label, value) = matcher.split_once(['=', '!']).unwrap();
            let value = value.trim_matches(['=', '~', '"']);
            if OF_THE_TARGET.contains(&label) {
                continue;
            }
            if !own.contains(label) {
                wrong.push(format!("{word} has no label {label}"));
            } else if word.starts_with("idp_") && !told.contains(&format!("{label}=\"{value}\"")) {
                wrong.push(format!("{label} of {word} is never {value}"));
            }
        }
    }
    let strangers = grouped.difference(&labels);
    wrong.extend(strangers.map(|label| format!("nothing here has a label {label}")));
    wrong
}

fn noticed() {
    for good in [
        "max by (kind) (idp_catalog_objects_refused) > 0",
        "sum by (le) (rate(idp_admission_duration_seconds_bucket[10m])) / 100",
        "up{job=\"x\", pod!=\"y\"} == 0 or idp_ready{app_kubernetes_io_component!=\"controller\"} == 0",
        "sum(increase(idp_admission_refusals_total{cause=\"Unschedulable\"}[30m]))",
        "sum by (error_type) (apiserver_admission_webhook_rejection_count{error_type=\"no_error\", name!=\"x\"})",
    ] {
        assert_eq!(wrong(good), Vec::<String>::new(), "{good}");
    }
    for (bad, why) in [
        ("sum(idp_catalog_objects) > 0", "there is no metric idp_catalog_objects"),
        (
            "rate(http_requests_total[5m])",
            "there is no metric http_requests_total",
        ),
        ("rate(idp_panics[5m])", "there is no metric idp_panics"),
        ("idp_ready{kind=\"Cell\"}", "idp_ready has no label kind"),
        (
            "apiserver_admission_webhook_fail_open_count{error_type=\"no_error\"}",
            "apiserver_admission_webhook_fail_open_count has no label error_type",
        ),
        ("sum by (tier) (idp_claims)", "nothing here has a label tier"),
        ("idp_claims{state=\"lost\"}", "state of idp_claims is never lost"),
    ] {
        assert_eq!(wrong(bad), [why], "{bad}");
    }
}
