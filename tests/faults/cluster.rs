//! The API server and etcd go away and come back.

use std::time::Duration;

use crate::world::World;
use crate::{Fault, Form, nothing};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "api_server_restarted",
        what: "API server killed and started again",
        seen: "no API, and at its start 403 for a moment; then as before",
        short: false,
        may: AWAY,
        felt: true,
        strike: restarted,
        missing: nothing,
    },
    Fault {
        name: "etcd_frozen",
        what: "etcd frozen, 20 s",
        seen: "writes wait until it is back",
        short: false,
        may: AWAY,
        felt: false,
        strike: frozen,
        missing: nothing,
    },
    Fault {
        name: "etcd_killed",
        what: "etcd killed, 20 s later started on its data",
        seen: "writes wait, or 500; then as before",
        short: true,
        may: AWAY,
        felt: false,
        strike: killed,
        missing: nothing,
    },
];

/// What may be answered when there is no API to speak of: nothing; what an API server says that has just begun (it knows no
/// rights yet, no kinds, or too many callers); that etcd does not answer; and what comes of a write that was done late.
const AWAY: &[u16] = &[0, 401, 403, 404, 409, 429, 500, 503, 504];

fn restarted(world: &mut World, form: Form) {
    world.platform.api.kill();
    form.wait(Duration::from_millis(500), Duration::from_secs(10));
    world.platform.api.start_again();
}

fn frozen(world: &mut World, form: Form) {
    world.platform.api.signal_etcd("STOP");
    form.wait(Duration::from_secs(3), Duration::from_secs(20));
    world.platform.api.signal_etcd("CONT");
}

fn killed(world: &mut World, form: Form) {
    world.platform.api.kill_etcd();
    form.wait(Duration::from_secs(2), Duration::from_secs(20));
    world.platform.api.start_etcd_again();
}
