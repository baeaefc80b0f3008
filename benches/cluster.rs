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
    pub mod server;
}

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use serde_json::Value;

use support::cluster::apiserver::User;
use support::cluster::binaries::Binaries;
use support::cluster::platform::{Platform, path};
use support::cluster::team::claim;
use support::cluster::writers::{WRITERS, asked, name, send};
use support::server::eventually;

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

/// The other group.
const UNWATCHED: &str = "/apis/unwatched.example.org/v1alpha1";

fn main() {
    let binaries = Binaries::find().unwrap_or_else(|why| panic!("{why:?}"));
    let platform = Platform::start(binaries);
    let server = &platform.servers[0];
    platform.call_webhooks_at(server.admission().unwrap().port(), &platform.authority());
    platform.await_placing();
    let team = platform.team("measured");
    let unwatched = format!("{UNWATCHED}/namespaces/measured/unwatchedclaims");
    serve_unwatched(&platform, &unwatched);

    let mut costs = [Cost::default(), Cost::default()];
    for block in 0..=BLOCKS {
        let numbers = |number: usize| block * BLOCK + number;
        let watched_claim = |number| claim(&name(numbers(number)), asked(numbers(number)));
        let unwatched_claim = |number| unwatched_of(watched_claim(number));
        let kinds: [(&str, &(dyn Fn(usize) -> Value + Sync)); 2] = [
            (&path(&team.namespace, ""), &watched_claim),
            (&unwatched, &unwatched_claim),
        ];
        for ((path, made), cost) in kinds.into_iter().zip(&mut costs) {
            let (apiserver, webhook, began) = (platform.api.cpu(), server.cpu(), Instant::now());
            let sent = send(&platform, User::Admin, path, made, |number| number < BLOCK);
            let took = [
                began.elapsed(),
                platform.api.cpu().abs_diff(apiserver),
                server.cpu().abs_diff(webhook),
            ];
            // The first ones warm up.
            if block == 0 {
                continue;
            }
            cost.clock += took[0];
            cost.apiserver += took[1];
            cost.webhook += took[2];
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
    let own = with.each(with.webhook);
    let share = |apiserver| own / apiserver * 100.0;
    println!("{WRITERS} writers, {} creates of each kind", with.took.len());
    println!("  with the webhook     {}", with.told());
    println!("  without the webhook  {}", without.told());
    println!(
        "  the webhook's own: {own:.3} ms of CPU a create: {:.1} % of what the API server takes for it, \
         {:.1} % of what it takes for one without",
        share(with.each(with.apiserver)),
        share(without.each(without.apiserver))
    );
}

/// Installs the claim's CRD once more under the other group.
fn serve_unwatched(platform: &Platform, path: &str) {
    let file = Path::new(env!("CARGO_MANIFEST_DIR")).join("crossplane/mysqlinstanceclaim-crd.yaml");
    let crd = fs::read_to_string(file).unwrap();
    let crd = crd
        .replace("db.platform.example.org", "unwatched.example.org")
        .replace("    - mic\n", "    - unwatched\n")
        .replace("mysqlinstanceclaim", "unwatchedclaim")
        .replace("MySQLInstanceClaim", "UnwatchedClaim");
    platform
        .api
        .kubectl(User::Admin, &["apply", "--filename", "-"], &crd)
        .ok();
    let probe = unwatched_of(claim("probe", asked(0)));
    eventually("the other CRD is served", || {
        platform
            .api
            .call(User::Admin, "POST", &format!("{path}?dryRun=All"), Some(&probe))
            .code
            == 201
    });
}

/// The claim as one of the other group.
fn unwatched_of(mut claim: Value) -> Value {
    claim["apiVersion"] = "unwatched.example.org/v1alpha1".into();
    claim["kind"] = "UnwatchedClaim".into();
    claim
}
