//! A catalog of 1,000 cells with 10 candidates each, taken object by object: against reading the same bytes as JSON; and the
//! memory of it, for the first and for each further one that differs in one cell.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    clippy::unwrap_used,
    reason = "a benchmark may end at the first surprise"
)]

use std::fs;
use std::hint::black_box;
use std::time::{Duration, Instant};

use idp_multicloud::catalog::{self, Object, isolate};
use serde_json::{Value, json};

const CELLS: u32 = 1_000;
const CANDIDATES: u32 = 10;
const RUNS: usize = 7;

/// How many catalogs a server keeps that is edited without a pause: four a second, for ten minutes, would be 2,400.
const KEPT: u32 = 100;

fn main() {
    let start = resident();
    let mut objects = idp_multicloud::yaml::documents(include_str!("../src/catalog/builtin.yaml")).expect("YAML");
    objects.extend((0..CELLS).map(|number| cell(number, 0)));
    let mut objects: Vec<Object> = objects.into_iter().map(object).collect();
    let with_objects = resident();
    let isolated = isolate(&objects);
    let with_snapshot = resident();
    assert!(isolated.verdicts.iter().all(catalog::Verdict::is_accepted));
    assert_eq!(isolated.snapshot.cells().len(), CELLS as usize + 1);

    let values: Vec<&Value> = objects.iter().map(|object| &object.value).collect();
    let bytes = serde_json::to_vec(&values).unwrap();
    let parse = fastest(|| {
        black_box(serde_json::from_slice::<Vec<Value>>(&bytes).unwrap());
    });
    let take = fastest(|| {
        black_box(isolate(black_box(&objects)));
    });
    println!(
        "| {CELLS} cells × {CANDIDATES} candidates, {} KiB of JSON | took | against parsing |",
        bytes.len() / 1024
    );
    println!("|---|---|---|");
    println!("| parsed as JSON | {parse:?} | 1.00 |");
    println!(
        "| taken object by object | {take:?} | {:.2} |",
        take.as_secs_f64() / parse.as_secs_f64()
    );

    let before = resident();
    let mut kept = vec![isolated.snapshot];
    for change in 1..=KEPT {
        let last = objects.len() - 1;
        objects[last] = object(cell(CELLS - 1, change));
        let next = isolate(&objects).snapshot.sharing_with(kept.last().unwrap());
        kept.push(next);
    }
    let with_kept = resident();
    println!("\n| memory | MiB |");
    println!("|---|---|");
    println!("| the objects | {:.1} |", with_objects - start);
    println!("| the catalog, and making it | {:.1} |", with_snapshot - with_objects);
    println!(
        "| each further one with one cell changed | {:.2} |",
        (with_kept - before) / f64::from(KEPT)
    );
}

/// The fastest of several runs: the one that was disturbed least.
fn fastest(mut run: impl FnMut()) -> Duration {
    let run = |_| {
        let start = Instant::now();
        run();
        start.elapsed()
    };
    (0..RUNS).map(run).min().unwrap_or_default()
}

/// The memory of this process in MiB.
fn resident() -> f64 {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse::<f64>().unwrap() / 1024.0
}

fn object(value: Value) -> Object {
    Object {
        file: String::new(),
        value,
    }
}

fn cell(number: u32, change: u32) -> Value {
    let candidate = |i: u32| {
        let score = f64::from((number + i + change) * 7919 % 10_000) / 10_000.0;
        json!({
            "name": format!("candidate-{i}"),
            "provider": "aws",
            "region": format!("region-{i}"),
            "runtimeCluster": "cluster",
            "network": { "vpcId": "vpc", "dbSubnetGroup": "group", "securityGroup": "sg" },
            "capabilities": ["PITR", "MultiAZ", "PrivateNetworking"],
            "scores": { "latency": score, "dr": score, "maturity": score, "cost": score },
        })
    };
    json!({
        "apiVersion": catalog::API_VERSION, "kind": "Cell", "metadata": { "name": format!("cell-{number}") },
        "spec": { "candidates": (0..CANDIDATES).map(candidate).collect::<Vec<_>>() },
    })
}
