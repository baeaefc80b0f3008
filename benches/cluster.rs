//! What the webhook costs a create on a real API server: `cargo bench --bench cluster`.
//!
//! Blocks of creates with the webhook and without it in turn, so that both meet the same noise; the server is called
//! directly. Without it: claims of the same shape under another group, which no webhook and no policy looks at.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    reason = "a benchmark may end at the first surprise"
)]

#[path = "../tests/support"]
mod support {
    pub mod cluster;
    pub mod guard;
    pub mod missing;
    pub mod server;
}

use std::time::{Duration, Instant};

use serde_json::Value;

use support::cluster::apiserver::{User, await_answer};
use support::cluster::binaries::Binaries;
use support::cluster::platform::{Platform, definition_of_claims, path};
use support::cluster::team::claim;
use support::cluster::writers::{asked, name, send};

/// How many creates there are before the other kind has its turn, and how often each has.
const BLOCK: usize = 200;
const BLOCKS: usize = 10;

/// What creates of one kind took in all.
#[derive(Default)]
struct Cost {
    took: Vec<Duration>,
    clock: Duration,
    apiserver: Duration,
    webhook: Duration,
    /// By its own clock, from the review's first byte to its answer.
    inside: Duration,
}

impl Cost {
    fn quantile(&self, share: f64) -> f64 {
        #[expect(
            clippy::cast_precision_loss,
            clippy::cast_possible_truncation,
            clippy::cast_sign_loss,
            reason = "a rank"
        )]
        let rank = (self.took.len() as f64 * share) as usize;
        self.took[rank].as_secs_f64() * 1e3
    }

    /// So many milliseconds for each create.
    fn each(&self, time: Duration) -> f64 {
        time.as_secs_f64() * 1e3 / f64::from(u32::try_from(self.took.len()).unwrap())
    }

    fn told(&self) -> String {
        format!(
            "{:.0}/s, p50 {:.1} ms, p99 {:.1} ms, API server {:.2} ms of CPU",
            1e3 / self.each(self.clock),
            self.quantile(0.5),
            self.quantile(0.99),
            self.each(self.apiserver)
        )
    }
}

/// Where both kinds are made.
const NAMESPACE: &str = "measured";

/// Where the other kind is made.
fn unwatched() -> String {
    format!("/apis/unwatched.example.org/v1alpha1/namespaces/{NAMESPACE}/unwatchedclaims")
}

fn main() {
    let binaries = Binaries::find().unwrap_or_else(|why| panic!("{why:?}"));
    let platform = Platform::start(binaries);
    platform.call_webhooks_at(platform.servers[0].admission().unwrap().port(), &platform.authority());
    platform.await_placing();
    platform.team(NAMESPACE);
    serve_unwatched(&platform);
    for writers in [1, 20] {
        measure(&platform, writers);
    }
}

fn measure(platform: &Platform, writers: usize) {
    let server = &platform.servers[0];
    let paths = [path(NAMESPACE, ""), unwatched()];
    let mut costs = [Cost::default(), Cost::default()];
    for block in 0..=BLOCKS {
        let made = |number: usize| {
            let number = block * BLOCK + number;
            claim(&format!("writers-{writers}-{}", name(number)), asked(number))
        };
        let kinds: [&(dyn Fn(usize) -> Value + Sync); 2] = [&made, &|number| unwatched_of(made(number))];
        for ((path, made), cost) in paths.iter().zip(kinds).zip(&mut costs) {
            let inside = || Duration::from_secs_f64(server.metric("idp_admission_duration_seconds_sum"));
            let before = [platform.api.cpu(), server.cpu(), inside()];
            let began = Instant::now();
            let sent = send(platform, writers, User::Admin, path, made, |number| number < BLOCK);
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
                sent.answer.ok();
                cost.took.push(sent.took);
            }
        }
    }
    for cost in &mut costs {
        cost.took.sort_unstable();
    }
    let [with, without] = &costs;
    println!("writers: {writers}, creates of each kind: {}", with.took.len());
    println!("  with the webhook     {}", with.told());
    println!("  without the webhook  {}", without.told());
    let cpu = with.each(with.webhook);
    println!(
        "  the webhook's own CPU {cpu:.3} ms a create: {:.1} % of the API server's with it, {:.1} % of that without",
        cpu / with.each(with.apiserver) * 100.0,
        cpu / without.each(without.apiserver) * 100.0
    );
    let inside = with.each(with.inside);
    println!(
        "  inside the webhook    {inside:.3} ms a create (both reviews, by its own clock): {:.1} % of the mean create",
        inside / with.each(with.took.iter().sum()) * 100.0
    );
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
