//! How it ends: gently, with no request lost.

use std::thread;
use std::time::{Duration, Instant};

use crate::support::server::{Connection, REVIEW, Server, assert_placed, eventually, head};

/// A request whose header and half of the body are sent, and that the server has begun to read.
fn half_sent(server: &Server) -> Connection {
    let mut connection = server.connect();
    let before = server.metric("idp_admission_in_flight");
    connection.send(head("/mutate", REVIEW.len()));
    connection.send(&REVIEW[..REVIEW.len() / 2]);
    eventually("the request is in flight", || {
        server.metric("idp_admission_in_flight") > before
    });
    connection
}

fn finished(mut connection: Connection) {
    connection.send(&REVIEW[REVIEW.len() / 2..]);
    let response = connection.response();
    assert_placed(&response);
    assert!(response.closes(), "{response:?}");
    assert_eq!(connection.rest(), "");
}

#[test]
fn after_sigterm_it_is_not_ready_but_serves_for_a_while_and_ends_with_what_is_in_flight() {
    let mut server = Server::start(&["--drain-delay=3s", "--request-timeout=20s"]);
    let (early, late) = (half_sent(&server), half_sent(&server));
    let mut idle = server.connect();
    assert!(!idle.post("/mutate", REVIEW).closes());
    let ops = server.ops().unwrap();

    let asked = Instant::now();
    server.signal("TERM");
    eventually("it is not ready", || server.get("/readyz").status == 503);
    assert!(asked.elapsed() < Duration::from_secs(2));
    assert_eq!(server.get("/livez").status, 200);
    assert!(server.metrics().contains("\nidp_ready 0\n"));
    let verbose = server.get("/readyz?verbose");
    assert!(
        verbose.status == 503 && verbose.body.contains("[-]serving failed: the server is ending"),
        "{verbose:?}"
    );
    // Old and new connections are served, and told to look for another instance.
    for mut connection in [idle, server.connect()] {
        let response = connection.post("/mutate", REVIEW);
        assert_placed(&response);
        assert!(response.closes(), "{response:?}");
        assert_eq!(connection.rest(), "");
    }
    finished(early);
    let mut silent = Connection::plain(server.admission().unwrap()).unwrap();

    eventually("no new connections are taken", || Connection::plain(ops).is_err());
    let after = asked.elapsed();
    assert!((2900..6000).contains(&after.as_millis()), "served for {after:?}");
    assert_eq!(silent.rest(), "");
    thread::sleep(Duration::from_millis(300));
    assert_eq!(server.ended(), None, "the late request is still in flight");
    finished(late);
    assert_eq!(server.exit_code(), 0);
    assert_eq!(server.log(&["INFO", "ended"]).len(), 1);
}

#[test]
fn after_sigint_it_ends_without_delay_but_with_what_is_in_flight() {
    let mut server = Server::start(&["--drain-delay=1h"]);
    let in_flight = half_sent(&server);
    let mut idle = server.connect();
    idle.post("/mutate", REVIEW);
    let mut in_advance = server.connect();
    let asked = Instant::now();
    server.signal("INT");
    // An idle connection is closed, and holds nothing up.
    assert_eq!(idle.rest() + &in_advance.rest(), "");
    finished(in_flight);
    assert_eq!(server.exit_code(), 0);
    assert!(asked.elapsed() < Duration::from_secs(4), "{:?}", asked.elapsed());
}

#[test]
fn a_request_that_does_not_end_is_answered_when_its_time_is_up_and_holds_the_end_up_no_longer() {
    let mut server = Server::start(&["--request-timeout=2s"]);
    let mut connection = half_sent(&server);
    let mut half_a_header = Connection::plain(server.ops().unwrap()).unwrap();
    half_a_header.send("GET /livez HTTP/1.1\r\nX-Half");
    server.signal("INT");
    let response = connection.response();
    assert_eq!((response.status, response.closes()), (408, true));
    assert_eq!(half_a_header.rest(), "");
    assert_eq!(server.exit_code(), 0);
}

#[test]
fn a_second_signal_ends_it_at_once() {
    for (first, second) in [("TERM", "TERM"), ("TERM", "INT"), ("INT", "TERM")] {
        let mut server = Server::start(&["--drain-delay=1h", "--request-timeout=1h"]);
        let mut in_flight = half_sent(&server);
        server.signal(first);
        let begun = if first == "TERM" {
            "not ready any more"
        } else {
            "no new connections"
        };
        eventually("it has begun to end", || !server.log(&[begun]).is_empty());
        assert_eq!(server.ended(), None);
        server.signal(second);
        assert_eq!(server.exit_code(), 143, "{first} {second}");
        in_flight.rest();
    }
}
