//! The clocks of instances are years off, in both directions.

use std::fs;
use std::path::Path;
use std::process::Command;
use std::thread;
use std::time::Duration;

use crate::support::cluster::apiserver::run;
use crate::support::cluster::pki::Pair;
use crate::support::missing::Missing;
use crate::support::server::{Server, binary, eventually};
use crate::world::World;
use crate::{Fault, Form};

pub const FAULTS: &[Fault] = &[Fault {
    name: "clocks_ten_years_off",
    what: "clocks jump: one instance 10 years ahead, one 10 behind",
    seen: "nothing: it keeps its certificate, takes no new one, and is not ready once restarted",
    short: true,
    may: &[],
    felt: false,
    strike: jump,
    missing: no_faketime,
}];

/// What has programs see another time, if it is installed.
fn library() -> Option<String> {
    let shown = Command::new("faketime")
        .args(["-f", "+0", "printenv", "LD_PRELOAD"])
        .output()
        .ok()?;
    String::from_utf8(shown.stdout).ok().map(|path| path.trim().to_owned())
}

fn no_faketime() -> Option<Missing> {
    library()
        .is_none()
        .then(|| Missing("faketime is not installed".to_owned()))
}

/// A command whose clock a file sets.
fn by_the_clock_in(file: &Path) -> Command {
    let mut command = binary();
    command
        .env("LD_PRELOAD", library().unwrap())
        .env("FAKETIME_TIMESTAMP_FILE", file);
    command.envs([
        ("FAKETIME_NO_CACHE", "1"),
        ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ("DONT_FAKE_MONOTONIC", "1"),
    ]);
    command
}

/// A new leaf in the folder, good for a year; and an authority, unless there is one.
fn certificate(folder: &Path) -> Pair {
    let pair = Pair {
        cert: folder.join("tls.crt"),
        key: folder.join("tls.key"),
    };
    for file in [&pair.cert, &pair.key] {
        let _ = fs::remove_file(file);
    }
    let mut command = binary();
    command.args(["certs", "--out"]).arg(folder);
    run(command, "").ok();
    pair
}

fn jump(world: &mut World, form: Form) {
    let folder = world.platform.api.folder("clocks");
    let certificates = folder.join("certificates");
    let pair = certificate(&certificates);
    let trusted = world.platform.authority() + &fs::read_to_string(certificates.join("ca.crt")).unwrap();
    let port = world.platform.balancer.port();
    world.platform.call_webhooks_at(port, &trusted);
    thread::sleep(Duration::from_secs(1));

    let set = |clock: usize, to: &str| {
        let (new, file) = (folder.join("new"), folder.join(clock.to_string()));
        fs::write(&new, to).unwrap();
        fs::rename(new, &file).unwrap();
        file
    };
    let clocks = [0, 1, 2].map(|clock| set(clock, "+0"));
    let new = clocks
        .iter()
        .map(|clock| world.instance_with(by_the_clock_in(clock), &pair, None));
    world.replace(new.collect());
    form.wait(Duration::ZERO, Duration::from_secs(5));
    set(0, "+10y");
    set(1, "-10y");
    // Each one learns it from its own clock.
    let certified = |instance: &Server| instance.get("/readyz?verbose").body;
    eventually("the clock is ahead", || {
        certified(&world.instances[0]).contains("certificate ok: it expired")
    });
    form.wait(Duration::ZERO, Duration::from_secs(10));
    certificate(&certificates);
    eventually(
        "those whose clocks are wrong refuse a new certificate, the other takes it",
        || {
            let [ahead, behind, right] = [0, 1, 2].map(|n: usize| certified(&world.instances[n]));
            let refused = "the newest is refused";
            let taken = !world.instances[2].log(&["new serving certificate in force"]).is_empty();
            ahead.contains(refused) && behind.contains(refused) && !right.contains(refused) && taken
        },
    );
    // The API server makes its connections anew for a bundle with other bytes.
    world.platform.call_webhooks_at(port, &(trusted + "\n"));
    form.wait(Duration::from_secs(1), Duration::from_secs(15));
    for instance in &world.instances {
        assert_eq!(instance.get("/readyz").status, 200);
        assert_eq!(instance.metric("idp_panics_total").to_string(), "0");
    }
    // Begun anew, they have no certificate, and get no calls.
    for (clock, why) in [(0, "expired at"), (1, "valid only from")] {
        let late = world.unready(by_the_clock_in(&clocks[clock]), &pair);
        eventually("it says why it is not ready", || {
            let told = late.get("/readyz");
            told.status == 503 && told.body.contains(why)
        });
    }
    clocks.iter().enumerate().for_each(|(clock, _)| drop(set(clock, "+0")));
}
