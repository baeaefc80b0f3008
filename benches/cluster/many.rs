//! Many claims in one cluster: how long what looks at all of them takes, and how much memory.

use std::process::{Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use serde_json::json;

use crate::installation::{Cluster, Pool, Road, TEAM};
use crate::mib;
use crate::support::cluster::apiserver::User;
use crate::support::cluster::binaries::Binaries;
use crate::support::cluster::pod::Pod;
use crate::support::cluster::team::claim;
use crate::support::cluster::writers::name;
use crate::support::guard::{Guarded, Usage};
use crate::support::rest::Rest;
use crate::support::server::binary;

/// How many write at a time.
const WRITERS: usize = 16;

/// How long the controller may take until it has counted.
const PATIENCE: Duration = Duration::from_mins(5);

/// How often a process is looked at that ends by itself.
const LOOK: Duration = Duration::from_millis(5);

pub fn run(binaries: Binaries, claims: usize) {
    let pool = Pool::new(binaries);
    let cluster = pool.take();
    let mut installation = cluster.install(Road::Helm4, &["--set=api.enabled=true,api.insecureHttp=true"]);
    installation.run();
    let took = fill(&cluster, claims);
    let rate = f64::from(u32::try_from(claims).unwrap()) / took.as_secs_f64();
    println!(
        "{claims} claims made by {WRITERS} writers in {:.0} s, {rate:.0}/s",
        took.as_secs_f64()
    );
    for pod in &installation.servers {
        println!(
            "a server that reviewed them: at most {:.1} MiB",
            mib(pod.server.usage().peak)
        );
    }
    println!("\n| what | time | memory at most |\n|---|---|---|");
    audit(&cluster);
    list(&cluster, claims);
    let began = Instant::now();
    let pod = Pod::start(&cluster.api, &cluster.deployment("admission"));
    pod.await_ready();
    tell(
        "a server starts, until it is ready",
        began.elapsed(),
        pod.server.usage(),
    );
    pod.end();
    installation.controller.take().unwrap().end();
    let began = Instant::now();
    let pod = Pod::start(&cluster.api, &cluster.deployment("controller"));
    pod.await_ready();
    tell(
        "the controller starts, until it is ready",
        began.elapsed(),
        pod.server.usage(),
    );
    let counted = |state| pod.server.metric(&format!("idp_claims{{state=\"{state}\"}}"));
    while counted("placed") + counted("unplaced") == 0.0 {
        assert!(began.elapsed() < PATIENCE, "the controller has not counted the claims");
        thread::sleep(LOOK);
    }
    tell("… until it has counted the claims", began.elapsed(), pod.server.usage());
    assert_eq!(
        (counted("placed").to_string(), counted("unplaced").to_string()),
        (claims.to_string(), "0".to_owned()),
        "the claims that the controller has counted"
    );
    pod.end();
    installation.stop();
}

fn tell(what: &str, took: Duration, usage: Usage) {
    println!("| {what} | {:.2} s | {:.1} MiB |", took.as_secs_f64(), mib(usage.peak));
}

/// Makes so many claims through the webhook.
fn fill(cluster: &Cluster, claims: usize) -> Duration {
    let began = Instant::now();
    let write = |writer: usize| {
        for number in (writer..claims).step_by(WRITERS) {
            let tier = ["C0", "C1", "C2"][number % 3];
            let environment = ["dev", "staging", "prod"][number / 3 % 3];
            let storage = 50 + number % 1000;
            let asked = json!({"tier": tier, "ha": tier == "C0", "environment": environment, "storageGB": storage});
            cluster.claim_call("POST", "", Some(&claim(&name(number), asked))).ok();
        }
    };
    thread::scope(|scope| {
        for writer in 0..WRITERS {
            scope.spawn(move || write(writer));
        }
    });
    began.elapsed()
}

fn audit(cluster: &Cluster) {
    let mut command = binary();
    command.args(["audit", "--catalog", "cluster"]).stdout(Stdio::null());
    cluster.api.prepare(&mut command, User::Admin);
    let (took, usage) = watch(&mut command);
    tell("`idp-multicloud audit --catalog cluster`", took, usage);
}

/// Runs a command to its end: how long that takes, and the last that was seen of it.
fn watch(command: &mut Command) -> (Duration, Usage) {
    let began = Instant::now();
    let mut child = Guarded::spawn(command);
    let mut seen = None;
    loop {
        seen = Usage::of(child.id()).or(seen);
        if let Some(status) = child.try_wait().unwrap() {
            assert!(status.success(), "{command:?}: {status}");
            return (began.elapsed(), seen.unwrap());
        }
        thread::sleep(LOOK);
    }
}

fn list(cluster: &Cluster, claims: usize) {
    let pod = Pod::start(&cluster.api, &cluster.deployment("api"));
    pod.await_ready();
    let rest = Rest {
        address: pod.server.api().unwrap(),
        token: Some(cluster.api.static_token(User::Admin)),
    };
    let began = Instant::now();
    rest.get("/api/mysql").is(200);
    tell("REST: the first page of the list", began.elapsed(), pod.server.usage());
    for limit in [100, 1000] {
        let began = Instant::now();
        let pages = rest.pages(&format!("limit={limit}"));
        let took = began.elapsed();
        let listed: usize = pages.iter().map(Vec::len).sum();
        assert_eq!(listed, claims, "the claims listed");
        tell(
            &format!("REST: all {} pages of {limit}", pages.len()),
            took,
            pod.server.usage(),
        );
    }
    let began = Instant::now();
    let one = rest.pages(&format!("namespace={TEAM}&provider=oci&limit=1000"));
    let listed: usize = one.iter().map(Vec::len).sum();
    tell(
        &format!("REST: the {listed} claims of one cloud"),
        began.elapsed(),
        pod.server.usage(),
    );
    pod.end();
}
