//! What the webhook costs a create.
//!
//! Blocks of creates with the webhook and without it in turn, so that both meet the same noise; the server is called
//! directly. Without it: claims of the same shape under another group, which no webhook and no policy looks at.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::cluster::apiserver::{User, await_answer};
use crate::support::cluster::binaries::Binaries;
use crate::support::cluster::platform::{Platform, definition_of_claims, path};
use crate::support::cluster::team::claim;
use crate::support::cluster::writers::{asked, name, send};
use crate::{mib, quantile};

/// How many write at a time.
const WRITERS: [usize; 6] = [1, 5, 20, 50, 100, 200];

/// How many creates there are at least before the other kind has its turn, how many of them by each writer, and how often
/// each kind has its turn.
const BLOCK: usize = 200;
const EACH: usize = 3;
const BLOCKS: usize = 5;

/// What creates of one kind took in all.
#[derive(Default)]
struct Cost {
    took: Vec<Duration>,
    /// How many were not done.
    failed: usize,
    clock: Duration,
    apiserver: Duration,
    webhook: Duration,
    /// By its own clock, from the review's first byte to its answer.
    inside: Duration,
}

impl Cost {
    /// So many milliseconds for each create.
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e3 / f64::from(u32::try_from(self.took.len()).unwrap())
    }
}

/// Where both kinds are made.
const NAMESPACE: &str = "measured";

/// Where the other kind is made.
fn unwatched() -> String {
    format!("/apis/unwatched.example.org/v1alpha1/namespaces/{NAMESPACE}/unwatchedclaims")
}

pub fn run(binaries: Binaries) {
    let platform = Platform::start(binaries);
    platform.call_webhooks_at(platform.servers[0].admission().unwrap().port(), &platform.authority());
    platform.await_placing();
    platform.team(NAMESPACE);
    serve_unwatched(&platform);
    println!("Without the webhook → with it; CPU for each create; inside: by the webhook's own clock, both reviews.\n");
    println!(
        "| writers | creates/s | not done | p50 ms | p99 ms | API server's CPU ms | webhook's CPU ms | inside ms | webhook's peak MiB |"
    );
    println!("|---|---|---|---|---|---|---|---|---|");
    let cpu = WRITERS.map(|writers| measure(&platform, writers));
    let [least, most] = [f64::min, f64::max].map(|of| cpu.into_iter().reduce(of).unwrap());
    println!(
        "\nOne core of the webhook decides {:.0} to {:.0} claims a second.",
        1e3 / most,
        1e3 / least
    );
}

/// Tells a line; gives the webhook's own CPU for a create in milliseconds.
fn measure(platform: &Platform, writers: usize) -> f64 {
    let block_of = BLOCK.max(EACH * writers);
    let server = &platform.servers[0];
    let paths = [path(NAMESPACE, ""), unwatched()];
    let mut costs = [Cost::default(), Cost::default()];
    for block in 0..=BLOCKS {
        let made = |number: usize| {
            let number = block * block_of + number;
            claim(&format!("writers-{writers}-{}", name(number)), asked(number))
        };
        let kinds: [&(dyn Fn(usize) -> Value + Sync); 2] = [&made, &|number| unwatched_of(made(number))];
        for ((path, made), cost) in paths.iter().zip(kinds).zip(&mut costs) {
            let inside = || Duration::from_secs_f64(server.metric("idp_admission_duration_seconds_sum"));
            let before = [platform.api.cpu(), server.cpu(), inside()];
            let began = Instant::now();
            let sent = send(platform, writers, User::Admin, path, made, |number| number < block_of);
            let clock = began.elapsed();
            // The first ones warm up.
            if block == 0 {
                continue;
            }
            cost.clock += clock;
            cost.apiserver += platform.api.cpu().abs_diff(before[0]);
            cost.webhook += server.cpu().abs_diff(before[1]);
            cost.inside += inside().abs_diff(before[2]);
            for sent in sent {
                cost.failed += usize::from(sent.answer.code != 201);
                cost.took.push(sent.took);
            }
        }
    }
    for cost in &mut costs {
        cost.took.sort_unstable();
    }
    let [with, without] = &costs;
    let both =
        |of: &dyn Fn(&Cost) -> f64, decimals: usize| format!("{:.decimals$} → {:.decimals$}", of(without), of(with));
    let cpu = with.each(with.webhook);
    println!(
        "| {writers} | {} | {} → {} | {} | {} | {} | {cpu:.2} | {:.2} | {:.1} |",
        both(&|cost| 1e3 / cost.each(cost.clock), 0),
        without.failed,
        with.failed,
        both(&|cost| quantile(&cost.took, 0.5), 1),
        both(&|cost| quantile(&cost.took, 0.99), 1),
        both(&|cost| cost.each(cost.apiserver), 2),
        with.each(with.inside),
        mib(server.usage().peak)
    );
    cpu
}

/// Installs the claim's CRD once more under the other group.
fn serve_unwatched(platform: &Platform) {
    let crd = definition_of_claims().to_string();
    let crd = crd
        .replace("db.platform.example.org", "unwatched.example.org")
        .replace("\"mic\"", "\"unwatched\"")
        .replace("mysqlinstanceclaim", "unwatchedclaim")
        .replace("MySQLInstanceClaim", "UnwatchedClaim");
    platform
        .api
        .kubectl(User::Admin, &["apply", "--filename", "-"], &crd)
        .ok();
    let probe = unwatched_of(claim("probe", asked(0)));
    let probed = format!("{}?dryRun=All", unwatched());
    let ask = || platform.api.call(User::Admin, "POST", &probed, Some(&probe));
    await_answer("the other CRD is served", ask, |answer| answer.code == 201);
}

/// The claim as one of the other group.
fn unwatched_of(mut claim: Value) -> Value {
    claim["apiVersion"] = "unwatched.example.org/v1alpha1".into();
    claim["kind"] = "UnwatchedClaim".into();
    claim
}
