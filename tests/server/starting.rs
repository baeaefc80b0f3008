//! How it starts, and how it does not.

use std::fs;
use std::net::TcpListener;
use std::process::Stdio;
use std::thread;
use std::time::Duration;

use crate::files::{CATALOG, Mounted, bad_pairs, pair, served_from};
use crate::support::server::{REVIEW, Server, any_certificate, assert_placed, binary, eventually, on};

/// Exit status, standard output and standard error of a start that fails.
fn failed(addresses: &[&str; 3], args: &[&str]) -> (i32, String, String) {
    let mut command = on(binary(), addresses);
    command.args(args);
    let mut server = Server::spawn(command, Stdio::piped());
    (server.exit_code(), server.stdout(), server.stderr())
}

/// The message of a start that fails before anything is served. Its ports are taken, and yet that is not what it says:
/// so it has not tried to bind them.
fn refused(args: &[&str]) -> String {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    let (code, stdout, stderr) = failed(&[&address; 3], args);
    assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
    assert_eq!(stderr.matches("error: ").count(), 1, "{stderr}");
    assert!(!stderr.contains("panicked"), "{stderr}");
    stderr
}

#[test]
fn certificate_files_that_are_not_there_stop_the_start_before_a_port_is_bound() {
    let dir = tempfile::tempdir().unwrap();
    let (text, key_text) = pair();
    let [cert, key, missing] =
        ["tls.crt", "tls.key", "missing"].map(|name| dir.path().join(name).display().to_string());
    fs::write(&cert, text).unwrap();
    fs::write(&key, key_text).unwrap();
    for (given_cert, given_key) in [(&cert, &missing), (&missing, &key)] {
        let message = refused(&["--tls-cert", given_cert, "--tls-key", given_key]);
        assert!(
            message.contains(missing.as_str()) && message.lines().count() == 1,
            "{message}"
        );
    }
    assert!(refused(&["--tls-cert", &cert]).contains("--tls-key"));
    assert!(refused(&["--tls-name", "localhost"]).contains("--tls-cert"));
}

#[test]
fn a_pair_that_is_no_good_at_the_start_is_waited_for() {
    for (what, (cert, key), why) in bad_pairs() {
        let (good, good_key) = pair();
        let mut mounted = Mounted::new(&[("tls.crt", &cert), ("tls.key", &key)]);
        let mut server = served_from(&mounted);
        server.await_log(&["ERROR", "no certificate to serve with", why], 1);
        let ready = server.get("/readyz?verbose");
        assert_eq!(ready.status, 503, "{what}");
        assert!(
            ready.body.contains("[-]certificate failed: ") && ready.body.contains(why),
            "{what}: {}",
            ready.body
        );
        assert!(
            ready.body.contains("not ready: there is no serving certificate yet: "),
            "{what}: {}",
            ready.body
        );
        assert_eq!(server.get("/livez").status, 200);
        assert!(
            server.try_connect(&any_certificate(rustls::ALL_VERSIONS)).is_err(),
            "{what}"
        );
        eventually("the metric says so", || server.metric("idp_certificate_refused") == 1.0);
        assert_eq!(server.ended(), None, "{what}");

        mounted.swap(&[("tls.crt", &good), ("tls.key", &good_key)]);
        eventually("it is ready", || server.get("/readyz").status == 200);
        server.assert_unharmed();
    }
}

#[test]
fn a_bad_catalog_stops_the_start_and_every_problem_is_said() {
    let dir = tempfile::tempdir().unwrap();
    let folder = dir.path().display().to_string();
    assert!(refused(&["--catalog", &folder]).contains("*.yaml"));
    fs::write(
        dir.path().join("a.yaml"),
        CATALOG.replace("rtoMinutes: 30", "rtoMinutes: soon"),
    )
    .unwrap();
    fs::write(dir.path().join("b.yaml"), "kind: Nonsense\n").unwrap();
    fs::write(dir.path().join("c.yaml"), "{").unwrap();
    let message = refused(&["--catalog", &folder]);
    for part in ["a.yaml", "rtoMinutes", "b.yaml", "Nonsense", "c.yaml"] {
        assert!(message.contains(part), "{part}: {message}");
    }
    let missing = dir.path().join("missing").display().to_string();
    assert!(refused(&["--catalog", &missing]).contains(&missing));
}

#[test]
fn a_port_that_is_taken_stops_the_start_and_its_flag_is_named() {
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = &*taken.local_addr().unwrap().to_string();
    for (flag, at) in [("--admission-addr", 0), ("--api-addr", 1), ("--ops-addr", 2)] {
        let mut addresses = ["127.0.0.1:0"; 3];
        addresses[at] = address;
        let (code, stdout, stderr) = failed(&addresses, &[]);
        assert_eq!((code, stdout.as_str()), (2, ""), "{stderr}");
        assert!(stderr.contains(flag) && stderr.contains(address), "{stderr}");
    }
}

#[test]
fn an_argument_that_makes_no_sense_stops_the_start() {
    for args in [
        &["--request-timeout=soon"][..],
        &["--drain-delay=5"],
        &["--max-connections=-1"],
        &["--log-format=xml"],
        &["--log=info,hyper=loud"],
        &["--log=inof"],
        &["--log=info,"],
        &["--log==info"],
        &["--operator-group="],
        &["--catalog="],
        &["--no-such-flag"],
    ] {
        let message = refused(args);
        assert!(message.contains(args[0].split('=').next().unwrap()), "{message}");
    }
    let (code, _, stderr) = failed(&["localhost:8443", "off", "off"], &[]);
    assert!(code == 2 && stderr.contains("--admission-addr"), "{stderr}");
}

#[test]
fn serve_may_be_said_or_left_out_and_a_flag_may_be_a_variable() {
    let mut said = binary();
    said.arg("serve");
    let said = Server::spawn(on(said, &["127.0.0.1:0"; 3]), Stdio::piped()).started();
    said.assert_unharmed();
    assert!(
        said.stdout().contains("built-in catalog, revision "),
        "{}",
        said.stdout()
    );

    let mut variables = binary();
    for (name, value) in [
        ("IDP_ADMISSION_ADDR", "127.0.0.1:0"),
        ("IDP_API_ADDR", "off"),
        ("IDP_OPS_ADDR", "127.0.0.1:0"),
        ("IDP_LOG_FORMAT", "json"),
    ] {
        variables.env(name, value);
    }
    let server = Server::spawn(variables, Stdio::piped()).started();
    server.assert_unharmed();
    assert_eq!(server.api(), None);
    assert!(server.stderr().starts_with('{'), "{}", server.stderr());
}

#[test]
fn a_listener_that_is_off_is_not_there_and_the_others_are() {
    let off = |addresses: &[&str; 3]| Server::spawn(on(binary(), addresses), Stdio::piped()).started();
    let admission = off(&["127.0.0.1:0", "off", "off"]);
    assert_placed(&admission.connect().post("/mutate", REVIEW));
    assert_eq!((admission.api(), admission.ops()), (None, None));
    let ops = off(&["off", "off", "127.0.0.1:0"]);
    assert_eq!(ops.get("/readyz").status, 200);
    assert_eq!((ops.admission(), ops.api()), (None, None));
    assert!(ops.log(&["self-signed"]).is_empty(), "there is nothing to serve it on");
    // Nobody is to be woken by the end of what is served to nobody.
    assert_eq!(ops.metric("idp_certificate_not_after_timestamp_seconds"), 0.0);

    // Without any it waits to be ended all the same.
    let mut none = off(&["off"; 3]);
    thread::sleep(Duration::from_millis(300));
    assert_eq!(none.ended(), None);
    none.signal("INT");
    assert_eq!(none.exit_code(), 0);
}
