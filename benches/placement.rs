//! A decision over cells of 10 to 10,000 candidates: the cost per candidate must not grow with their number.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark may end at the first surprise"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use idp_multicloud::catalog::{self, Object, Snapshot};
use idp_multicloud::placement::{Request, Size, decide};
use serde_json::{Value, json};

const SIZES: [u32; 4] = [10, 100, 1_000, 10_000];
const RUNS: usize = 7;

fn main() {
    println!("| candidates | decision and reason | per candidate | against 10 |");
    println!("|---|---|---|---|");
    let mut per_candidate_of_ten = Duration::ZERO;
    for size in SIZES {
        let catalog = catalog(size);
        let took = decision(&catalog, 100_000 / size);
        let per_candidate = took / size;
        if size == 10 {
            per_candidate_of_ten = per_candidate;
        }
        let ratio = per_candidate.as_secs_f64() / per_candidate_of_ten.as_secs_f64();
        println!("| {size} | {took:?} | {per_candidate:?} | {ratio:.2} |");
    }
}

/// The fastest of several runs: the one that was disturbed least.
fn decision(catalog: &Snapshot, times: u32) -> Duration {
    let run = |_| {
        let start = Instant::now();
        for _ in 0..times {
            let request = Request {
                cell: "big".into(),
                tier: "C1".into(),
                environment: "prod".into(),
                size: Size::Medium,
                storage_gb: 50,
                ha: true,
                namespace: "".into(),
            };
            let decision = decide(black_box(catalog), request).expect("cell and tier are in the catalog");
            black_box(decision.reason());
        }
        start.elapsed() / times
    };
    (0..RUNS).map(run).min().unwrap_or_default()
}

/// A cell of that many candidates, a third of which lack a capability.
fn catalog(size: u32) -> Snapshot {
    let mut objects = idp_multicloud::yaml::documents(include_str!("../src/catalog/builtin.yaml")).expect("YAML");
    let candidates: Vec<Value> = (0..size)
        .map(|i| {
            let score = f64::from(i * 7919 % 10_000) / 10_000.0;
            json!({
                "name": format!("candidate-{i}"),
                "provider": "aws",
                "region": format!("region-{i}"),
                "runtimeCluster": "cluster",
                "network": { "vpcId": "vpc", "dbSubnetGroup": "group", "securityGroup": "sg" },
                "capabilities": if i % 3 == 0 { json!(["PITR", "PrivateNetworking"]) }
                    else { json!(["PITR", "MultiAZ", "PrivateNetworking"]) },
                "scores": { "latency": score, "dr": score, "maturity": score, "cost": score },
            })
        })
        .collect();
    objects.push(json!({
        "apiVersion": catalog::API_VERSION, "kind": "Cell", "metadata": { "name": "big" },
        "spec": { "candidates": candidates },
    }));
    let objects: Vec<Object> = objects
        .into_iter()
        .map(|value| Object {
            file: "bench".to_owned(),
            value,
        })
        .collect();
    catalog::check(&objects).expect("a good catalog")
}
