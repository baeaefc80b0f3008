//! The dashboard: it asks for what there is, and for all of it.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use crate::metrics::{controller, servers, told};
use crate::queries;
use crate::tools::Tools;

pub const CASES: &[crate::ToolCase] = &[
    ("its_queries_are_queries_of_what_there_is", existing),
    ("it_shows_every_metric", whole),
    ("it_goes_into_grafana_as_it_is", shipped),
];

const DASHBOARD: &str = include_str!("../../manifests/chart/dashboard.json");

fn dashboard() -> Value {
    serde_json::from_str(DASHBOARD).unwrap()
}

/// The queries of all panels, as they are with an interval of five minutes.
fn queries(dashboard: &Value) -> Vec<String> {
    let panels = dashboard["panels"].as_array().unwrap().iter();
    let targets = panels.flat_map(|panel| panel["targets"].as_array().into_iter().flatten());
    targets
        .map(|target| target["expr"].as_str().unwrap().replace("$__rate_interval", "5m"))
        .collect()
}

fn existing(tools: &Tools) {
    let queries = queries(&dashboard());
    for query in &queries {
        assert_eq!(queries::wrong(query), Vec::<String>::new(), "{query}");
    }
    let rules = queries
        .iter()
        .map(|query| json!({"record": "parsed", "expr": query, "labels": {"query": query}}));
    let rules: Vec<Value> = rules.collect();
    let file = json!({"groups": [{"name": "dashboard", "rules": rules}]}).to_string();
    tools.promtool(&["check", "rules", "rules.yaml"], &[("rules.yaml", &file)]);
}

fn whole(_: &Tools) {
    let queries = queries(&dashboard()).concat();
    // When a catalog came into force, and whether and how often one was refused: of a folder, which the chart does not serve
    // from. How often a certificate was refused: whether the newest one is, says more.
    let elsewhere = [
        "idp_catalog_since_timestamp_seconds",
        "idp_catalog_refusals_total",
        "idp_catalog_refused",
        "idp_certificate_refusals_total",
    ];
    let shown = |name: &str| queries.contains(name) || elsewhere.contains(&name);
    let told = [servers(), controller()].map(|encoded| told(&encoded)).concat();
    let names = told.iter().map(|(name, _, _)| name.split('{').next().unwrap());
    assert_eq!(
        names.filter(|name| !shown(name)).collect::<Vec<_>>(),
        Vec::<&str>::new()
    );
}

fn shipped(tools: &Tools) {
    let dashboard = dashboard();
    assert_eq!(dashboard["uid"], "idp-multicloud");
    let panels = dashboard["panels"].as_array().unwrap();
    let ids: BTreeSet<u64> = panels.iter().map(|panel| panel["id"].as_u64().unwrap()).collect();
    assert_eq!(ids.len(), panels.len());
    for panel in panels.iter().filter(|panel| panel["type"] != "row") {
        assert_eq!(panel["datasource"]["uid"], "${datasource}", "{panel}");
    }
    assert_eq!(dashboard["templating"]["list"][0]["type"], "datasource");

    let objects = tools.rendered("grafanaDashboard.enabled=true,grafanaDashboard.labels.folder=platform");
    let map = objects.iter().find(|object| object["kind"] == "ConfigMap").unwrap();
    assert_eq!(map["data"]["idp-multicloud.json"], DASHBOARD);
    let labels = &map["metadata"]["labels"];
    assert_eq!(
        (&labels["grafana_dashboard"], &labels["folder"]),
        (&json!("1"), &json!("platform"))
    );
}
