//! One CREATE review in process, bytes in to response bytes out: against the time `serde_json` takes to parse the same
//! bytes into a `Value`, with policies against without, and with all of its spans once more, while traces are off, against
//! without them. Each pair is timed in turns; what counts is the median of the turns' ratios.

#![allow(
    clippy::expect_used,
    clippy::indexing_slicing,
    reason = "a benchmark may end at the first surprise"
)]

use std::hint::black_box;
use std::time::{Duration, Instant};

use axum::http::HeaderMap;
use idp_multicloud::admission::{self, Settings, Webhook, envelope};
use idp_multicloud::catalog::{Object, builtin, check, live::Held};
use idp_multicloud::telemetry::traces::{self, SPANS};
use idp_multicloud::telemetry::{self, LogFormat};
use serde_json::json;

const REVIEW: &[u8] = include_bytes!("../tests/reviews/create.json");
const TURNS: usize = 101;
const TIMES: u32 = 2_000;

/// What policies ask; all of it holds for all three candidates, so that every one of them is looked at in full.
const CONDITIONS: [&str; 5] = [
    "claim.environment != 'prod' || candidate.region.startsWith('us-')",
    "claim.storageGB <= params.cap || claim.storageGB <= {'dev': 100, 'staging': 500, 'prod': 16384}[claim.environment]",
    "!(claim.cell in params.cells) || namespace in params.cells",
    "has(candidate.scores.maturity) && candidate.scores.maturity >= 0.5 && candidate.scores.all(s, candidate.scores[s] > 0.1)",
    "candidate.provider in ['aws', 'gcp', 'oci'] && candidate.capabilities.exists(c, c == 'PrivateNetworking')",
];

fn main() {
    let floor = || serde_json::from_slice::<serde_json::Value>(black_box(REVIEW)).expect("JSON");
    let without = catalog(0, "prod");
    let ours = || admit(&without);
    println!("review of {} bytes, answer of {} bytes", REVIEW.len(), ours().len());
    compare("serde_json", floor, "admission", ours);
    let with = catalog(20, "prod");
    assert_eq!(policies_told(&with), 0, "all of it holds");
    compare("admission", ours, "with 20 policies", || admit(&with));
    let others = catalog(20, "staging");
    compare("admission", ours, "with 20 policies on other claims", || admit(&others));

    // As `serve` has it, from here on.
    let filter = telemetry::filter("info").expect("a filter");
    telemetry::init(LogFormat::Json, filter, None).expect("the only subscriber");
    let headers = HeaderMap::new();
    let spanned = || {
        let _request = traces::served("POST", Some("/mutate"), &headers).entered();
        for name in ["parse", "decide", "patch"] {
            tracing::info_span!(target: SPANS, "span", name).in_scope(|| black_box(()));
        }
        admit(&without)
    };
    compare("admission", ours, "with four spans more, traces off", spanned);
}

fn admit(catalog: &Held) -> Vec<u8> {
    let review = envelope::read(black_box(REVIEW)).expect("a review");
    let answer = admission::answer(Webhook::Mutate, &review, catalog, &Settings::default());
    envelope::write(&review.uid, &answer)
}

/// How many candidates a policy keeps out.
fn policies_told(catalog: &Held) -> usize {
    let answer = admit(catalog);
    let text = String::from_utf8_lossy(&answer);
    text.matches("policy").count()
}

/// The built-in catalog and that many policies on claims of an environment.
fn catalog(policies: usize, environment: &str) -> Held {
    let mut objects = builtin::load().expect("the built-in catalog").objects();
    objects.extend((0..policies).map(|i| {
        json!({
            "apiVersion": "platform.example.org/v1alpha1",
            "kind": "PlacementPolicy",
            "metadata": { "name": format!("policy-{i}") },
            "spec": {
                "match": { "environments": [environment], "tiers": ["C0", "C1", "C2"] },
                "params": { "cells": ["orders", "search"], "cap": 16384 },
                "validations": [{
                    "expression": CONDITIONS[i % CONDITIONS.len()],
                    "message": "is a message",
                }],
            },
        })
    }));
    let object = |value| Object {
        file: "bench".to_owned(),
        value,
    };
    let objects: Vec<Object> = objects.into_iter().map(object).collect();
    Held::new(check(&objects).expect("a catalog"))
}

/// Times both in turns.
fn compare<A, B>(floor: &str, first: impl Fn() -> A, name: &str, second: impl Fn() -> B) {
    let turns: Vec<_> = (0..TURNS).map(|_| (time(&first), time(&second))).collect();
    let floors = turns.iter().map(|(floor, _)| floor.as_secs_f64());
    let all = turns.iter().map(|(_, ours)| ours.as_secs_f64());
    let ratios = turns
        .iter()
        .map(|(floor, ours)| ours.as_secs_f64() / floor.as_secs_f64());
    println!(
        "median of {TURNS} turns: {floor} {:.2} µs, {name} {:.2} µs, ratio {:.2}",
        median(floors) * 1e6,
        median(all) * 1e6,
        median(ratios)
    );
}

fn time<T>(work: impl Fn() -> T) -> Duration {
    let start = Instant::now();
    for _ in 0..TIMES {
        black_box(work());
    }
    start.elapsed() / TIMES
}

fn median(values: impl Iterator<Item = f64>) -> f64 {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    values[values.len() / 2]
}
