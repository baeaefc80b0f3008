//! A soak: the product as it is installed, steady writers, and its processes looked at all the while.

use std::process::ExitCode;
use std::sync::Mutex;
use std::thread;
use std::time::{Duration, Instant};

use crate::installation::{Pool, Road, TEAM};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::binaries::Binaries;
use crate::support::cluster::soak::{Watched, Writers, Written};
use crate::{mib, quantile};

const WRITERS: usize = 5;
const PAUSE: Duration = Duration::from_millis(100);

/// How often processes are looked at.
const EVERY: Duration = Duration::from_secs(2);

/// By how many KiB of memory, and how many descriptors, a process may have grown from the second quarter to the last. The
/// API server opens connections as it needs them.
const MEMORY: f64 = 2048.0;
const DESCRIPTORS: f64 = 3.0;

pub fn run(binaries: Binaries, minutes: usize) -> ExitCode {
    let pool = Pool::new(binaries);
    let cluster = pool.take();
    let mut installation = cluster.install(Road::Kubectl, &[]);
    installation.run();
    let servers = installation.servers.iter().enumerate();
    let mut watched: Vec<Watched> = servers
        .map(|(n, pod)| Watched::new(&format!("server {}", n + 1), pod.server.id()))
        .collect();
    let controller = installation.controller.as_ref().unwrap();
    watched.push(Watched::new("controller", controller.server.id()));
    let writers = Writers {
        api: &cluster.api,
        user: User::Admin,
        namespace: TEAM,
        count: WRITERS,
        pause: PAUSE,
    };
    println!("{WRITERS} writers; of each process: MiB resident, MiB anonymous, file descriptors, threads\n");
    let names: Vec<&str> = watched.iter().map(|process| process.name.as_str()).collect();
    println!("| minute | writes/s | p99 ms | errors | {} |", names.join(" | "));
    println!("|---|---|---|---|{}", "---|".repeat(watched.len()));
    let failed = writers.beside(|written| (1..=minutes).map(|n| minute(n, &mut watched, written)).sum::<usize>());
    println!();
    let mut level = true;
    for process in &watched {
        let (memory, descriptors) = process.growth();
        println!(
            "{}: {:+.2} MiB anonymous and {descriptors:+.1} descriptors from the second quarter to the last",
            process.name,
            memory / 1024.0
        );
        level &= process.is_level(MEMORY, DESCRIPTORS);
    }
    println!("errors: {failed}");
    installation.clean();
    if level && failed == 0 {
        println!("level");
        ExitCode::SUCCESS
    } else {
        println!("not level, or not without errors");
        ExitCode::FAILURE
    }
}

/// Watches for a minute, and tells a line about it; gives how many writes failed.
fn minute(number: usize, watched: &mut [Watched], written: &Mutex<Written>) -> usize {
    let began = Instant::now();
    let mut processes = Vec::new();
    while began.elapsed() < Duration::from_mins(1) {
        thread::sleep(EVERY);
        let looks = watched.iter_mut().map(|process| {
            let usage = process.look();
            let [resident, anonymous] = [usage.resident, usage.anonymous].map(mib);
            format!(
                "{resident:.1}, {anonymous:.2}, {}, {} |",
                usage.descriptors, usage.threads
            )
        });
        processes = looks.collect();
    }
    let Written { mut took, failed } = std::mem::take(&mut *written.lock().unwrap());
    took.sort_unstable();
    let rate = f64::from(u32::try_from(took.len()).unwrap()) / began.elapsed().as_secs_f64();
    let p99 = quantile(&took, 0.99);
    let processes = processes.join(" ");
    println!("| {number} | {rate:.1} | {p99:.1} | {} | {processes}", failed.len());
    for failed in failed.iter().take(3) {
        println!("{failed}");
    }
    failed.len()
}
