//! Other clients want too much: connections, bodies, descriptors, memory.

use std::net::{SocketAddr, TcpStream};
use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use crate::support::missing::Missing;
use crate::support::server::{Connection, Server, any_certificate, head, review};
use crate::world::{World, under};
use crate::{Fault, Form, nothing};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "slow_and_oversized_clients",
        what: "slow-loris and oversized clients at each instance, 30 s",
        seen: "nothing",
        short: false,
        may: &[],
        felt: false,
        strike: slow_and_oversized,
        missing: nothing,
    },
    Fault {
        name: "file_descriptors_exhausted",
        what: "64 file descriptors, 100 idle clients at each instance; connections cut",
        seen: "what was on its way, or needs a new connection: 500, try again",
        short: false,
        may: &[500],
        felt: false,
        strike: descriptors,
        missing: no_prlimit,
    },
    Fault {
        name: "memory_limited",
        what: "512 MiB of memory, 15 MiB bodies without end at each instance, 30 s",
        seen: "nothing",
        short: false,
        may: &[],
        felt: false,
        strike: memory,
        missing: no_prlimit,
    },
];

/// Why limits cannot be set here.
pub fn no_prlimit() -> Option<Missing> {
    let found = Command::new("prlimit").arg("--version").output().is_ok();
    (!found).then(|| Missing("prlimit, of util-linux, is not installed".to_owned()))
}

/// What a client does again and again; it may take as long as the flag is not set.
type Nuisance = Box<dyn Fn(&AtomicBool) + Send>;

/// Has clients be a nuisance for a while.
fn beside(clients: Vec<Nuisance>, form: Form, midway: impl FnOnce()) {
    let over = AtomicBool::new(false);
    thread::scope(|scope| {
        for client in clients {
            let over = &over;
            scope.spawn(move || {
                while !over.load(Ordering::Relaxed) {
                    client(over);
                }
            });
        }
        form.wait(Duration::from_secs(3), Duration::from_secs(15));
        midway();
        form.wait(Duration::from_secs(3), Duration::from_secs(15));
        over.store(true, Ordering::Relaxed);
    });
}

/// Opens a connection over TLS.
fn connect(address: SocketAddr) -> Option<Connection> {
    Connection::tls(address, &any_certificate(rustls::ALL_VERSIONS)).ok()
}

/// Where each instance takes reviews.
fn addresses(world: &World) -> Vec<SocketAddr> {
    world
        .instances
        .iter()
        .map(|instance| instance.admission().unwrap())
        .collect()
}

fn slow_and_oversized(world: &mut World, form: Form) {
    let mut clients: Vec<Nuisance> = Vec::new();
    for address in addresses(world) {
        clients.push(Box::new(move |over| slow(address, over)));
        clients.push(Box::new(move |_| oversized(address)));
    }
    beside(clients, form, || {});
    assert_unharmed(world);
}

/// Many headers that never end, a byte at a time.
fn slow(address: SocketAddr, over: &AtomicBool) {
    let begin = || {
        let mut connection = connect(address)?;
        connection.try_send("POST /mutate HTTP/1.1\r\nX-Slow: ").ok()?;
        Some(connection)
    };
    let mut connections: Vec<Option<Connection>> = (0..50).map(|_| begin()).collect();
    while !over.load(Ordering::Relaxed) {
        for connection in &mut connections {
            let sent = connection
                .as_mut()
                .is_some_and(|connection| connection.try_send("x").is_ok());
            if !sent {
                *connection = begin();
            }
        }
        thread::sleep(Duration::from_millis(300));
    }
}

/// A body that is longer than any review.
fn oversized(address: SocketAddr) {
    let Some(mut connection) = connect(address) else { return };
    let _ = connection.try_send(head("/mutate", 20 << 20));
    let part = vec![b' '; 64 << 10];
    for _ in 0..320 {
        if connection.try_send(&part).is_err() {
            return;
        }
    }
    let _ = connection.try_response();
}

fn descriptors(world: &mut World, form: Form) {
    world.replace_by(|| under(&["prlimit", "--nofile=64:64"]));
    let clients = addresses(world).into_iter().map(|address| {
        let idle: Nuisance = Box::new(move |over| {
            let connections: Vec<_> = (0..100).map(|_| TcpStream::connect(address)).collect();
            for _ in 0..10 {
                if !over.load(Ordering::Relaxed) {
                    thread::sleep(Duration::from_millis(500));
                }
            }
            drop(connections);
        });
        idle
    });
    // Who has to connect anew stands in one queue with them.
    beside(clients.collect(), form, || world.cut());
    assert_unharmed(world);
}

/// What the Deployment allows, as room for addresses; less than that is resident.
const MEMORY: &str = "--as=536870912";

fn memory(world: &mut World, form: Form) {
    world.replace_by(|| under(&["prlimit", MEMORY]));
    let long = review(|review| {
        review["request"]["object"]["metadata"]["annotations"]["long"] = "x".repeat(15 << 20).into();
    });
    let mut clients: Vec<Nuisance> = Vec::new();
    for address in addresses(world) {
        for _ in 0..form.pick(4, 8) {
            let long = long.clone();
            clients.push(Box::new(move |_| {
                let _ = connect(address).map(|mut connection| connection.try_post("/mutate", &long));
            }));
        }
    }
    beside(clients, form, || {});
    let most = world.instances.iter().map(Server::resident).max();
    eprintln!("an instance has {most:?} MiB at most after that");
    assert_unharmed(world);
}

/// Fails unless every instance is the one that it was, and has not panicked.
fn assert_unharmed(world: &mut World) {
    for instance in &mut world.instances {
        assert_eq!(instance.ended(), None, "wanted: it goes on; saw: {}", instance.stderr());
        assert_eq!(instance.metric("idp_panics_total").to_string(), "0");
    }
}
