//! The instances end, die, hang, and lose their connections.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::server::{binary, eventually};
use crate::world::World;
use crate::{Fault, Form, nothing};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "instances_restarted_one_by_one",
        what: "each instance restarted (SIGTERM)",
        seen: "nothing",
        short: false,
        may: &[],
        felt: false,
        strike: restarted,
        missing: nothing,
    },
    Fault {
        name: "instances_killed_one_by_one",
        what: "each instance killed (SIGKILL)",
        seen: "at most what it had in hand: 500, try again",
        short: true,
        may: &[500],
        felt: false,
        strike: killed,
        missing: nothing,
    },
    Fault {
        name: "one_instance_of_three_frozen",
        what: "one instance of three frozen, 30 s",
        seen: "what was sent to it: 500 after 10 s, until it is out of the Service",
        short: false,
        may: &[500],
        felt: false,
        strike: one_frozen,
        missing: nothing,
    },
    Fault {
        name: "every_instance_frozen",
        what: "every instance frozen, 20 s",
        seen: "creates and changes: 500 after 10 s; the rest goes on",
        short: false,
        may: &[500],
        felt: true,
        strike: all_frozen,
        missing: nothing,
    },
    Fault {
        name: "connections_cut_in_the_middle",
        what: "connections to the instances cut again and again",
        seen: "what was on its way: 500, try again",
        short: false,
        may: &[500],
        felt: true,
        strike: cut,
        missing: nothing,
    },
];

/// How long after it went bad an instance is out of a Service: three probes of readiness, 2 s each.
const NOTICED: Duration = Duration::from_secs(6);

fn restarted(world: &mut World, form: Form) {
    for _ in 0..form.pick(1, 3) {
        let new = world.instance(binary());
        let mut old = world.instances.remove(0);
        world.instances.push(new);
        old.signal("TERM");
        // As a Service does: it learns of the end from readiness, and leaves open connections alone.
        eventually("the instance is not ready", || old.get("/readyz").status == 503);
        world.route();
        assert_eq!(old.exit_code(), 0, "the exit status after SIGTERM");
    }
}

fn killed(world: &mut World, form: Form) {
    for _ in 0..form.pick(2, 3) {
        world.instances.remove(0).kill();
        form.wait(Duration::from_millis(300), Duration::from_secs(5));
        let new = world.instance(binary());
        world.instances.push(new);
        world.route();
    }
}

fn one_frozen(world: &mut World, form: Form) {
    let frozen = world.instances.remove(0);
    frozen.signal("STOP");
    thread::sleep(NOTICED);
    world.route();
    form.wait(Duration::from_secs(6), Duration::from_secs(24));
    frozen.signal("CONT");
    world.instances.push(frozen);
    world.route();
}

fn all_frozen(world: &mut World, form: Form) {
    for instance in &world.instances {
        instance.signal("STOP");
    }
    form.wait(Duration::from_secs(12), Duration::from_secs(20));
    for instance in &world.instances {
        instance.signal("CONT");
    }
}

fn cut(world: &mut World, form: Form) {
    let began = Instant::now();
    while began.elapsed() < form.pick(Duration::from_secs(2), Duration::from_secs(20)) {
        world.cut();
        thread::sleep(Duration::from_millis(150));
    }
}
