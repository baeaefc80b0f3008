//! Certificates and catalog in files: changed while it serves, and bad at times.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use rustls::pki_types::CertificateDer;
use rustls::pki_types::pem::PemObject;
use serde_json::json;
use tempfile::TempDir;

use crate::support::server::{
    REVIEW, SOON, Server, any_certificate, assert_placed, eventually, review, trusting, value,
};

/// A self-signed pair for `localhost`, as PEM.
pub(crate) fn pair() -> (String, String) {
    let key = rcgen::KeyPair::generate().unwrap();
    let params = rcgen::CertificateParams::new(["localhost".to_owned()]).unwrap();
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// A self-signed pair for a name, valid between two offsets from now, in hours.
fn pair_of(name: &str, from: i64, until: i64) -> (String, String) {
    use x509_parser::time::ASN1Time;

    let now = ASN1Time::now().timestamp();
    let at = |hours: i64| ASN1Time::from_timestamp(now + hours * 3600).unwrap().to_datetime();
    let key = rcgen::KeyPair::generate().unwrap();
    let mut params = rcgen::CertificateParams::new([name.to_owned()]).unwrap();
    (params.not_before, params.not_after) = (at(from), at(until));
    (params.self_signed(&key).unwrap().pem(), key.serialize_pem())
}

/// Pairs that cannot be served, by what is wrong with them, and what is said of each.
pub(crate) fn bad_pairs() -> [(&'static str, (String, String), &'static str); 9] {
    let ((cert, key), (_, other_key)) = (pair(), pair());
    let cut = |text: &str| text[..text.len() / 2].to_owned();
    [
        ("expired", pair_of("localhost", -3, -2), "expired at"),
        ("not yet valid", pair_of("localhost", 2, 3), "valid only from"),
        (
            "for another name",
            pair_of("elsewhere", -1, 1),
            "not valid for localhost",
        ),
        ("mismatched", (cert.clone(), other_key), "does not belong"),
        ("a certificate cut short", (cut(&cert), key.clone()), "cut short"),
        ("a key cut short", (cert.clone(), cut(&key)), "cut short"),
        ("no certificate", (String::new(), key.clone()), "empty"),
        (
            "a key for a certificate",
            (key.clone(), key.clone()),
            "no `BEGIN CERTIFICATE`",
        ),
        ("garbage", ("garbage".to_owned(), key), "no `BEGIN CERTIFICATE`"),
    ]
}

/// A folder as a kubelet mounts a Secret: the files are links into `..data`, which is a link itself.
pub(crate) struct Mounted {
    dir: TempDir,
    swaps: usize,
}

impl Mounted {
    pub(crate) fn new(files: &[(&str, &str)]) -> Self {
        let mut mounted = Self {
            dir: tempfile::tempdir().unwrap(),
            swaps: 0,
        };
        mounted.swap(files);
        for (name, _) in files {
            symlink(Path::new("..data").join(name), mounted.path(name)).unwrap();
        }
        mounted
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn swap(&mut self, files: &[(&str, &str)]) {
        self.swaps += 1;
        let version = self.path(&format!("..version_{}", self.swaps));
        fs::create_dir(&version).unwrap();
        for (name, text) in files {
            fs::write(version.join(name), text).unwrap();
        }
        symlink(&version, self.path("..data_tmp")).unwrap();
        fs::rename(self.path("..data_tmp"), self.path("..data")).unwrap();
    }
}

fn der(pem: &str) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem.as_bytes()).unwrap()
}

pub(crate) fn served_from(mounted: &Mounted) -> Server {
    let [cert, key] = ["tls.crt", "tls.key"].map(|name| mounted.path(name).display().to_string());
    Server::start(&["--tls-cert", &cert, "--tls-key", &key, "--tls-name", "localhost"])
}

#[test]
fn given_certificate_files_are_what_clients_meet_and_a_swap_refuses_no_request() {
    let ((old, old_key), (new, new_key)) = (pair(), pair());
    let mut mounted = Mounted::new(&[("tls.crt", &old), ("tls.key", &old_key)]);
    let server = served_from(&mounted);
    let mut kept = server.try_connect(&trusting(&der(&old))).unwrap();
    assert_placed(&kept.post("/mutate", REVIEW));
    assert!(server.log(&["self-signed"]).is_empty());
    // rcgen's certificates end in the year 4096.
    assert!(server.metric("idp_certificate_not_after_timestamp_seconds") > 6.7e10);

    let (tls, over, answered) = (
        any_certificate(rustls::ALL_VERSIONS),
        AtomicBool::new(false),
        AtomicUsize::new(0),
    );
    let began = Instant::now();
    thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) && began.elapsed() < 2 * SOON {
                    assert_placed(&server.try_connect(&tls).unwrap().post("/mutate", REVIEW));
                    answered.fetch_add(1, Ordering::Relaxed);
                }
            });
        }
        thread::sleep(Duration::from_millis(200));
        mounted.swap(&[("tls.crt", &new), ("tls.key", &new_key)]);
        let swapped = Instant::now();
        eventually("the new certificate is served", || {
            server.connect().certificate() == der(&new)
        });
        assert!(swapped.elapsed() < Duration::from_secs(5), "{:?}", swapped.elapsed());
        thread::sleep(Duration::from_millis(200));
        over.store(true, Ordering::Relaxed);
    });
    assert!(answered.load(Ordering::Relaxed) > 20);
    // Whoever is connected notices nothing, and whoever comes gets the new one only.
    assert_placed(&kept.post("/mutate", REVIEW));
    assert!(server.try_connect(&trusting(&der(&old))).is_err());
    assert_placed(
        &server
            .try_connect(&trusting(&der(&new)))
            .unwrap()
            .post("/mutate", REVIEW),
    );
    server.await_log(&["new serving certificate in force"], 1);
    assert_eq!(server.metric("idp_certificate_refusals_total"), 0.0);
    server.assert_unharmed();
}

#[test]
fn a_bad_pair_keeps_the_last_good_one_and_is_said_once() {
    let ((old, old_key), (new, new_key)) = (pair(), pair());
    let mut mounted = Mounted::new(&[("tls.crt", &old), ("tls.key", &old_key)]);
    let server = served_from(&mounted);
    mounted.swap(&[("tls.crt", &new), ("tls.key", &old_key)]);
    eventually("the pair is refused", || {
        server.metric("idp_certificate_refused") == 1.0
    });
    // Three more looks at the same files say nothing more.
    thread::sleep(Duration::from_millis(3300));
    assert_eq!(server.metric("idp_certificate_refusals_total"), 1.0);
    let refused = ["WARN", "new serving certificate refused", "tls.key", "does not belong"];
    server.await_log(&refused, 1);
    let ready = server.get("/readyz?verbose");
    assert_eq!(ready.status, 200);
    assert!(
        ready.body.contains("the newest is refused: ") && ready.body.contains("tls.key"),
        "{}",
        ready.body
    );
    assert_eq!(server.connect().certificate(), der(&old));

    mounted.swap(&[("tls.crt", &new), ("tls.key", &new_key)]);
    eventually("the good pair is served", || {
        server.connect().certificate() == der(&new)
    });
    eventually("nothing is refused", || server.metric("idp_certificate_refused") == 0.0);
    assert!(!server.get("/readyz?verbose").body.contains("refused"));
    server.assert_unharmed();
}

#[test]
fn whatever_comes_after_a_good_pair_the_last_good_one_goes_on() {
    let (good, good_key) = pair();
    let mut mounted = Mounted::new(&[("tls.crt", &good), ("tls.key", &good_key)]);
    let server = served_from(&mounted);
    let mut refusals = 0.0;
    let mut refused = |server: &Server, what: &str, why: &str| {
        refusals += 1.0;
        eventually(what, || server.metric("idp_certificate_refusals_total") == refusals);
        assert_eq!(server.metric("idp_certificate_refused"), 1.0, "{what}");
        let ready = server.get("/readyz?verbose");
        assert_eq!(ready.status, 200, "{what}");
        assert!(
            ready.body.contains("the newest is refused: ") && ready.body.contains(why),
            "{what}: {}",
            ready.body
        );
        assert_eq!(server.connect().certificate(), der(&good), "{what}");
    };
    for (what, (cert, key), why) in bad_pairs() {
        mounted.swap(&[("tls.crt", &cert), ("tls.key", &key)]);
        refused(&server, what, why);
    }
    // What is there cannot be read: a folder, and then nothing at all.
    fs::remove_file(mounted.path("..data").join("tls.key")).unwrap();
    fs::create_dir(mounted.path("..data").join("tls.key")).unwrap();
    refused(&server, "unreadable", "cannot read");
    fs::remove_dir(mounted.path("..data").join("tls.key")).unwrap();
    refused(&server, "gone", "cannot read");
    mounted.swap(&[("tls.crt", &good), ("tls.key", &good_key)]);
    eventually("nothing is refused", || server.metric("idp_certificate_refused") == 0.0);
    server.assert_unharmed();
}

pub(crate) const CATALOG: &str = include_str!("../../src/catalog/builtin.yaml");

fn cordoned(why: &str) -> String {
    let (aws, text) = ("metadata: {name: aws}\nspec:\n", CATALOG);
    assert!(text.contains(aws));
    text.replace(aws, &format!("{aws}  cordoned: {{reason: {why}}}\n"))
}

fn revision(server: &Server) -> String {
    let metrics = server.metrics();
    let shown: Vec<_> = metrics
        .lines()
        .filter(|line| line.starts_with("idp_catalog_info{"))
        .collect();
    assert_eq!(shown.len(), 1, "one revision is in force: {shown:?}");
    shown[0].to_owned()
}

#[test]
fn a_catalog_folder_is_followed_and_a_bad_change_keeps_the_last_good_catalog() {
    let mut mounted = Mounted::new(&[("catalog.yaml", CATALOG)]);
    let dir = mounted.dir.path().display().to_string();
    let server = Server::start(&["--catalog", &dir]);
    assert!(
        server.stdout().contains(&format!("catalog {dir}, revision ")),
        "{}",
        server.stdout()
    );
    let winner = || server.connect().post("/mutate", REVIEW).review()["auditAnnotations"]["winner"].take();
    assert_eq!(winner(), "aws-us-east-1");
    let (first, since) = (revision(&server), server.metric("idp_catalog_since_timestamp_seconds"));
    assert!(since > 1.7e9);

    // A change is in force within seconds.
    thread::sleep(Duration::from_millis(1100));
    mounted.swap(&[("catalog.yaml", &cordoned("evacuation"))]);
    let swapped = Instant::now();
    eventually("the change is in force", || winner() == "gcp-us-central1");
    assert!(swapped.elapsed() < Duration::from_secs(5), "{:?}", swapped.elapsed());
    eventually("the metrics know", || revision(&server) != first);
    assert!(server.metric("idp_catalog_since_timestamp_seconds") > since);
    server.await_log(&["INFO", "new catalog in force", "revision"], 1);
    let second = revision(&server);

    // A bad one is not, whatever is wrong with it; and it is said once.
    let broken = cordoned("evacuation").replace("provider: gcp", "provider: azure");
    for (n, bad) in [(1, broken.as_str()), (2, "{"), (3, "kind: Nonsense")] {
        mounted.swap(&[("catalog.yaml", bad)]);
        eventually("the change is refused", || {
            server.metric("idp_catalog_refusals_total") == f64::from(n)
        });
        assert_eq!(server.metric("idp_catalog_refused"), 1.0);
        assert_eq!(
            (winner(), revision(&server)),
            (json!("gcp-us-central1"), second.clone())
        );
    }
    thread::sleep(Duration::from_millis(2200));
    assert_eq!(server.metric("idp_catalog_refusals_total"), 3.0);
    server.await_log(&["WARN", "catalog change refused"], 3);
    let ready = server.get("/readyz?verbose");
    assert_eq!(ready.status, 200);
    assert!(ready.body.contains("the newest change is refused: "), "{}", ready.body);

    // Gone altogether is refused as well.
    fs::rename(mounted.path("..data"), mounted.path("..gone")).unwrap();
    eventually("the loss is refused", || {
        server.metric("idp_catalog_refusals_total") == 4.0
    });
    assert_eq!(winner(), "gcp-us-central1");

    mounted.swap(&[("catalog.yaml", CATALOG)]);
    eventually("the good catalog is in force", || winner() == "aws-us-east-1");
    eventually("nothing is refused", || server.metric("idp_catalog_refused") == 0.0);
    assert_eq!(revision(&server), first);
    assert!(!server.get("/readyz?verbose").body.contains("refused"));
    server.assert_unharmed();
}

#[test]
fn what_policies_say_beside_the_verdict_is_logged_and_a_broken_one_is_counted() {
    let policy = |name: &str, mode: &str, expression: &str| {
        json!({
            "apiVersion": "platform.example.org/v1alpha1", "kind": "PlacementPolicy", "metadata": { "name": name },
            "spec": { "mode": mode, "validations": [{ "expression": expression, "message": "is dear" }] },
        })
        .to_string()
    };
    let caps = policy("caps", "Enforce", "{'a': true}[claim.storageGB == 57 ? 'b' : 'a']");
    let cheap = policy("cheap", "Audit", "candidate.provider != 'aws'");
    let mounted = Mounted::new(&[("a.yaml", CATALOG), ("b.yaml", &caps), ("c.yaml", &cheap)]);
    let server = Server::start(&["--catalog", &mounted.dir.path().display().to_string()]);
    let errors = || value(&server.metrics(), "idp_policy_errors_total{policy=\"caps\"}");
    assert_eq!(errors(), Some(0.0));
    let mut connection = server.connect();
    let placed = connection.post("/mutate", REVIEW);
    assert_placed(&placed);
    assert_eq!(placed.review()["auditAnnotations"]["policies"], "Audit cheap: is dear");
    let broken = review(|review| review["request"]["object"]["spec"]["parameters"]["storageGB"] = json!(57));
    assert_eq!(connection.post("/mutate", broken).review()["allowed"], false);
    server.await_log(&[" admission "], 2);
    assert_eq!(server.log(&["policies=\"Audit cheap: is dear\""]).len(), 1);
    assert_eq!(errors(), Some(1.0));
}
