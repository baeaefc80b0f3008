use std::fs;
use std::os::unix::fs::symlink;

use base64::Engine;
use rustls::{
    ClientConfig, ClientConnection, Connection, RootCertStore, ServerConnection, SupportedProtocolVersion,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tempfile::TempDir;
use x509_parser::time::ASN1Time;

use super::seconds::rfc3339;
use super::{CertificateError as E, *};

const HOUR: i64 = 60 * 60;

/// An X.509 certificate of version 1, valid 2000 to 9999 (`openssl ca -selfsign`); rcgen makes none.
const VERSION_1: &str = "\
-----BEGIN CERTIFICATE-----
MIIBAzCBqgIBATAKBggqhkjOPQQDAjANMQswCQYDVQQDDAJ2MTAgFw0wMDAxMDEw
MDAwMDBaGA85OTk5MTIzMTIzNTk1OVowDTELMAkGA1UEAwwCdjEwWTATBgcqhkjO
PQIBBggqhkjOPQMBBwNCAAS+Nzl4Qkk941t9jhoJWEcWcGYvhvEDoLexR5G4ckhu
yVgPmPB0hvSCFzLLF6yyEY6FoccA07FWN7KuYyFR65duMAoGCCqGSM49BAMCA0gA
MEUCIB/R9kEzNCxT2JJshal9m5CdfG28u3Rsclgz7dpwR+zbAiEA8a5PFGHNfluT
0CqQQPGo1JjwAYEAqb8O5ptfWCb1IfA=
-----END CERTIFICATE-----
";

/// A self-signed pair for `localhost` that is valid between two offsets from now, in seconds, as PEM.
fn issue(from: i64, until: i64) -> Pair {
    let at = |offset| ASN1Time::from_timestamp(now() + offset).unwrap().to_datetime();
    let mut params = CertificateParams::new(["localhost".to_owned()]).unwrap();
    params.not_before = at(from);
    params.not_after = at(until);
    let key = KeyPair::generate().unwrap();
    let cert = params.self_signed(&key).unwrap().pem();
    Pair {
        cert: cert.into_bytes(),
        key: key.serialize_pem().into_bytes(),
    }
}

fn good() -> Pair {
    issue(-HOUR, HOUR)
}

fn source(dir: &Path) -> Source {
    Source::Files {
        cert: dir.join("tls.crt"),
        key: dir.join("tls.key"),
        name: None,
    }
}

fn write(dir: &Path, cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) {
    fs::write(dir.join("tls.crt"), cert).unwrap();
    fs::write(dir.join("tls.key"), key).unwrap();
}

/// A folder with a good pair in it, opened.
fn opened() -> (TempDir, Certificates, Pair) {
    let dir = tempfile::tempdir().unwrap();
    let pair = good();
    write(dir.path(), &pair.cert, &pair.key);
    let certificates = Certificates::open(source(dir.path())).unwrap();
    (dir, certificates, pair)
}

/// Why a folder with this content is not served, after checking that the message names a file there, and that opening it
/// says the same and leaves nothing to serve.
fn refusal(cert: impl AsRef<[u8]>, key: impl AsRef<[u8]>) -> E {
    let dir = tempfile::tempdir().unwrap();
    write(dir.path(), cert, key);
    let Source::Files { cert, key, .. } = source(dir.path()) else {
        unreachable!()
    };
    let now = now();
    let error = Pair::read(&cert, &key)
        .unwrap()
        .prove(&cert, &key, None, now)
        .unwrap_err();
    assert!(error.to_string().starts_with(dir.path().to_str().unwrap()), "{error}");
    let certificates = Certificates::open_at(source(dir.path()), now).unwrap();
    let status = certificates.status();
    assert_eq!((status.leaf, status.refusal), (None, Some(error.to_string())));
    assert!(!serves(&certificates, &good()));
    assert!(matches!(certificates.poll_at(now), Polled::Unchanged), "{error}");
    error
}

fn leaf(pem: &[u8]) -> CertificateDer<'static> {
    CertificateDer::from_pem_slice(pem).unwrap()
}

/// A handshake in memory with a client that trusts one certificate and asks for one name.
fn handshake(
    certificates: &Certificates,
    root: &CertificateDer<'static>,
    name: &'static str,
    version: &'static SupportedProtocolVersion,
) -> Result<ClientConnection, rustls::Error> {
    let mut roots = RootCertStore::empty();
    roots.add(root.clone()).unwrap();
    let mut config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_protocol_versions(&[version])
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    let client = ClientConnection::new(Arc::new(config), ServerName::try_from(name).unwrap())?;
    let server = ServerConnection::new(certificates.tls().get_inner())?;
    let mut ends = (Connection::from(client), Connection::from(server));
    while ends.0.is_handshaking() || ends.1.is_handshaking() {
        carry(&mut ends.0, &mut ends.1)?;
        carry(&mut ends.1, &mut ends.0)?;
    }
    match ends.0 {
        Connection::Client(client) => Ok(client),
        Connection::Server(_) => unreachable!(),
    }
}

fn carry(from: &mut Connection, to: &mut Connection) -> Result<(), rustls::Error> {
    let mut wire = Vec::new();
    while from.wants_write() {
        from.write_tls(&mut wire).unwrap();
    }
    let mut rest = wire.as_slice();
    while !rest.is_empty() {
        to.read_tls(&mut rest).unwrap();
        to.process_new_packets()?;
    }
    Ok(())
}

/// Whether a client that trusts only the leaf of this pair can connect.
fn serves(certificates: &Certificates, pair: &Pair) -> bool {
    handshake(certificates, &leaf(&pair.cert), "localhost", &TLS13).is_ok()
}

#[test]
fn a_good_pair_loads_and_its_status_tells_its_validity() {
    let (_dir, certificates, pair) = opened();
    let now = now();
    let status = certificates.status();
    let served = status.leaf.unwrap();
    assert!((now - HOUR - served.validity.not_before).abs() < 60, "{served:?}");
    assert_eq!(served.validity.not_after - served.validity.not_before, 2 * HOUR);
    assert_eq!(served.fingerprint.len(), 64);
    assert_eq!((status.refusal, status.ephemeral), (None, false));
    assert_eq!(certificates.ephemeral_pem(), None);
    assert!(serves(&certificates, &pair));
    assert!(!serves(&certificates, &good()));
}

#[test]
fn every_bad_content_is_refused_with_its_own_error() {
    let Pair { cert, key } = good();
    let other = good();
    let early = issue(HOUR, 2 * HOUR);
    let late = issue(-2 * HOUR, -HOUR);
    let sealed = b"-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n";
    let no_key = b"-----BEGIN PRIVATE KEY-----\nAAAA\n-----END PRIVATE KEY-----\n";
    let no_x509 = b"-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
    let half = |bytes: &[u8]| bytes[..bytes.len() / 2].to_vec();
    let no_base64 = b"-----BEGIN CERTIFICATE-----\n****\n-----END CERTIFICATE-----\n";

    assert!(matches!(refusal(&cert, &other.key), E::Mismatch { .. }));
    assert!(matches!(refusal(&early.cert, &early.key), E::NotYetValid { .. }));
    assert!(matches!(refusal(&late.cert, &late.key), E::Expired { .. }));
    assert!(matches!(refusal("", &key), E::Empty(path) if path.ends_with("tls.crt")));
    assert!(matches!(refusal(&cert, ""), E::Empty(path) if path.ends_with("tls.key")));
    assert!(matches!(refusal([0xff, 0, b'\n'], &key), E::NoCertificate(_)));
    assert!(matches!(refusal(&key, &cert), E::NoCertificate(_)));
    assert!(matches!(refusal(&cert, "no key"), E::NoKey(_)));
    assert!(matches!(refusal(&cert, sealed), E::NoKey(_)));
    assert!(matches!(refusal(&cert, no_key), E::UnusableKey(..)));
    assert!(matches!(refusal(half(&cert), &key), E::BrokenPem(path, _) if path.ends_with("tls.crt")));
    assert!(matches!(refusal(&cert, half(&key)), E::BrokenPem(path, _) if path.ends_with("tls.key")));
    assert!(matches!(refusal(no_base64, &key), E::BrokenPem(..)));
    assert!(matches!(refusal(VERSION_1, &key), E::UnusableLeaf(..)));
    assert!(matches!(refusal(no_x509, &key), E::BrokenCertificate { number: 1, .. }));
    let long = base64::engine::general_purpose::STANDARD.encode([&leaf(&cert), &[0][..]].concat());
    let long = format!("-----BEGIN CERTIFICATE-----\n{long}\n-----END CERTIFICATE-----\n");
    assert!(matches!(refusal(long, &key), E::BrokenCertificate { number: 1, .. }));
    let tail = [cert.as_slice(), no_x509].concat();
    assert!(matches!(refusal(tail, &key), E::BrokenCertificate { number: 2, .. }));
}

#[test]
fn what_is_not_served_at_the_start_is_served_once_it_is_good() {
    let dir = tempfile::tempdir().unwrap();
    let (first, early) = (good(), issue(2 * HOUR, 3 * HOUR));
    write(dir.path(), &early.cert, &early.key);
    let certificates = Certificates::open(source(dir.path())).unwrap();
    let listener = certificates.tls();
    assert!(matches!(certificates.poll(), Polled::Unchanged));
    write(dir.path(), &first.cert, &early.key);
    assert!(matches!(certificates.poll(), Polled::Refused(E::Mismatch { .. })));
    write(dir.path(), &first.cert, &first.key);
    assert!(matches!(certificates.poll(), Polled::Swapped(_)));
    assert!(serves(&certificates, &first));
    assert!(Arc::ptr_eq(&listener.get_inner(), &certificates.tls().get_inner()));
    // It takes only its time to make the other one good.
    write(dir.path(), &early.cert, &early.key);
    assert!(matches!(certificates.poll_at(now() + 2 * HOUR + 1), Polled::Swapped(_)));
}

#[test]
fn a_leaf_for_another_name_is_refused_and_the_message_says_for_which() {
    let dir = tempfile::tempdir().unwrap();
    let pair = good();
    write(dir.path(), &pair.cert, &pair.key);
    let named = |wanted: &str| {
        let mut source = source(dir.path());
        if let Source::Files { name, .. } = &mut source {
            *name = Some(wanted.to_owned());
        }
        Certificates::open(source).unwrap().status()
    };
    assert!(named("localhost").leaf.is_some());
    for wanted in ["ours.default.svc", "*", ""] {
        let refusal = named(wanted).refusal.unwrap();
        assert!(
            refusal.contains(&format!("not valid for {wanted}, but for localhost")),
            "{refusal}"
        );
    }
    let served = serves(&Certificates::open(source(dir.path())).unwrap(), &pair);
    assert!(served, "without a name, any will do");
}

#[test]
fn a_missing_or_unreadable_file_is_refused_at_open() {
    let error = |dir: &Path| match Certificates::open(source(dir)).err().unwrap() {
        E::Unreadable(path, error) => (path, error.kind()),
        other => panic!("{other}"),
    };
    let dir = tempfile::tempdir().unwrap();
    assert_eq!(error(dir.path()), (dir.path().join("tls.crt"), io::ErrorKind::NotFound));
    fs::write(dir.path().join("tls.crt"), good().cert).unwrap();
    fs::create_dir(dir.path().join("tls.key")).unwrap();
    assert_eq!(
        error(dir.path()),
        (dir.path().join("tls.key"), io::ErrorKind::IsADirectory)
    );
}

#[test]
fn a_kubelet_swap_through_the_data_symlink_is_seen_and_served() {
    let dir = tempfile::tempdir().unwrap();
    let publish = |name: &str, pair: &Pair| {
        fs::create_dir(dir.path().join(name)).unwrap();
        write(&dir.path().join(name), &pair.cert, &pair.key);
        symlink(name, dir.path().join("..data_tmp")).unwrap();
        fs::rename(dir.path().join("..data_tmp"), dir.path().join("..data")).unwrap();
    };
    let (first, second) = (good(), good());
    publish("..2026_a", &first);
    symlink("..data/tls.crt", dir.path().join("tls.crt")).unwrap();
    symlink("..data/tls.key", dir.path().join("tls.key")).unwrap();
    let certificates = Certificates::open(source(dir.path())).unwrap();
    let listener = certificates.tls();
    let before = certificates.status();
    assert!(matches!(certificates.poll(), Polled::Unchanged));
    assert!(serves(&certificates, &first));

    publish("..2026_b", &second);
    fs::remove_dir_all(dir.path().join("..2026_a")).unwrap();
    assert!(matches!(certificates.poll(), Polled::Swapped(_)));
    assert!(matches!(certificates.poll(), Polled::Unchanged));
    assert!(serves(&certificates, &second) && !serves(&certificates, &first));
    assert_ne!(certificates.status().leaf, before.leaf);
    assert!(
        Arc::ptr_eq(&listener.get_inner(), &certificates.tls().get_inner()),
        "the listener sees the swap"
    );
}

#[test]
fn bad_content_keeps_the_last_good_pair_and_is_reported_once_until_a_good_one_comes() {
    let (dir, certificates, first) = opened();
    let second = good();
    write(dir.path(), &first.cert, &second.key);
    assert!(matches!(certificates.poll(), Polled::Refused(E::Mismatch { .. })));
    write(dir.path(), &second.cert, &first.key);
    assert!(matches!(certificates.poll(), Polled::Refused(E::Mismatch { .. })));
    assert!(matches!(certificates.poll(), Polled::Unchanged));
    assert!(certificates.status().refusal.unwrap().contains("does not belong"));
    assert!(serves(&certificates, &first));

    fs::remove_file(dir.path().join("tls.crt")).unwrap();
    assert!(matches!(certificates.poll(), Polled::Refused(E::Unreadable(..))));
    assert!(matches!(certificates.poll(), Polled::Unchanged));
    assert!(certificates.status().refusal.unwrap().contains("cannot read"));
    assert!(serves(&certificates, &first));

    write(dir.path(), &second.cert, &second.key);
    assert!(matches!(certificates.poll(), Polled::Swapped(_)));
    assert_eq!(certificates.status().refusal, None);
    assert!(serves(&certificates, &second));
}

#[test]
fn going_back_to_the_pair_being_served_clears_the_refusal() {
    let (dir, certificates, pair) = opened();
    for _ in 0..2 {
        write(dir.path(), "", &pair.key);
        assert!(matches!(certificates.poll(), Polled::Refused(E::Empty(_))));
        write(dir.path(), &pair.cert, &pair.key);
        assert!(matches!(certificates.poll(), Polled::Unchanged));
        assert_eq!(certificates.status().refusal, None);
    }
}

#[test]
fn a_pair_that_was_not_yet_valid_is_swapped_in_when_its_time_comes() {
    let (dir, certificates, _) = opened();
    let early = issue(2 * HOUR, 3 * HOUR);
    write(dir.path(), &early.cert, &early.key);
    assert!(matches!(certificates.poll(), Polled::Refused(E::NotYetValid { .. })));
    assert!(matches!(certificates.poll_at(now() + HOUR), Polled::Unchanged));
    assert!(matches!(certificates.poll_at(now() + 2 * HOUR + 1), Polled::Swapped(_)));
    assert_eq!(certificates.status().refusal, None);
}

#[test]
fn an_unchanged_pair_stays_after_it_expires() {
    let (_dir, certificates, _) = opened();
    assert!(matches!(certificates.poll_at(now() + 2 * HOUR), Polled::Unchanged));
}

#[test]
fn the_ephemeral_pair_is_trusted_by_a_client_given_its_pem_in_both_versions_and_for_every_name() {
    let certificates = Certificates::open(Source::Ephemeral).unwrap();
    assert!(matches!(certificates.poll(), Polled::Unchanged));
    assert!(certificates.status().ephemeral);
    let root = leaf(certificates.ephemeral_pem().unwrap().as_bytes());
    for version in [&TLS12, &TLS13] {
        for name in ["localhost", "127.0.0.1", "::1"] {
            let client = handshake(&certificates, &root, name, version).unwrap();
            assert_eq!(client.protocol_version(), Some(version.version));
            assert_eq!(client.alpn_protocol(), Some(b"http/1.1".as_slice()));
            assert_eq!(client.peer_certificates(), Some([root.clone()].as_slice()));
        }
        assert!(handshake(&certificates, &root, "example.com", version).is_err());
    }
}

#[test]
fn the_ephemeral_pair_is_new_each_time_and_lasts_a_year() {
    let opened_at = now();
    let [first, second] = [(); 2].map(|()| {
        Certificates::open_at(Source::Ephemeral, opened_at)
            .unwrap()
            .status()
            .leaf
            .unwrap()
    });
    assert_ne!(first.fingerprint, second.fingerprint);
    let expected = Validity {
        not_before: opened_at - HOUR,
        not_after: opened_at + 365 * 24 * HOUR,
    };
    assert_eq!(first.validity, expected);
}

#[test]
fn times_that_no_calendar_holds_are_still_written() {
    assert_eq!(rfc3339(i64::MIN).to_string(), "1970-01-01T00:00:00Z");
    assert_eq!(rfc3339(i64::MAX).to_string(), "9999-12-31T23:59:59Z");
}
