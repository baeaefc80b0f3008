//! The servers' certificate: made, published, renewed, healed, and brought by somebody else.

use std::collections::BTreeSet;
use std::fs;
use std::thread;
use std::time::{Duration, Instant};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use serde_json::{Value, json};

use crate::Case;
use crate::installation::{CATALOG, Cluster, Installation, MUTATING, NAME, Road, VALIDATING, file};
use crate::pods::install_their_kinds;
use crate::roads::{FEW, under_creates};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::manual::{Recipe, Shell};
use crate::support::cluster::pki::Authority;
use crate::support::cluster::pod::Pod;
use crate::support::server::{binary, eventually};

pub const CASES: &[Case] = &[
    ("a_first_install_makes_and_publishes_them", first),
    ("what_somebody_deletes_or_garbles_is_healed_and_nothing_refused", healed),
    ("an_emptied_or_foreign_bundle_is_healed", bundle_healed),
    ("leaf_and_authority_are_rotated_under_creates", rotated),
    ("an_authority_whose_key_has_leaked_is_trusted_no_longer", leaked),
    ("a_controller_that_was_away_for_too_long_catches_up", away),
    ("a_configuration_that_fails_open_holds_nothing_up", open),
    ("a_secret_of_your_own_is_served_and_published", brought),
    ("certs_makes_a_pair_that_the_api_server_takes", made_by_hand),
    (
        "from_cert_manager_to_self_managed_nothing_is_refused",
        from_cert_manager,
    ),
];

const CA: &str = "idp-multicloud-ca";
const TLS: &str = "idp-multicloud-admission-tls";

fn secret_path(name: &str) -> String {
    format!("/api/v1/namespaces/{NAME}/secrets/{name}")
}

/// A key of a Secret; nothing where there is none.
fn data(cluster: &Cluster, secret: &str, key: &str) -> String {
    let secret = cluster.secret(secret).unwrap_or_default();
    let data = secret["data"][key].as_str().unwrap_or_default();
    String::from_utf8_lossy(&STANDARD.decode(data).unwrap()).into_owned()
}

/// The bundle of every webhook.
fn bundles(cluster: &Cluster) -> Vec<String> {
    let configurations = [MUTATING, VALIDATING, CATALOG].map(|path| cluster.get(path).unwrap());
    let webhooks = configurations
        .iter()
        .flat_map(|each| each["webhooks"].as_array().unwrap());
    let bundles = webhooks.map(|webhook| webhook["clientConfig"]["caBundle"].as_str().unwrap_or_default());
    bundles
        .map(|bundle| String::from_utf8(STANDARD.decode(bundle).unwrap()).unwrap())
        .collect()
}

fn published(cluster: &Cluster) -> bool {
    let wanted = data(cluster, CA, "ca.crt");
    !wanted.is_empty() && bundles(cluster).iter().all(|bundle| *bundle == wanted)
}

/// Fails unless a client that knows what is published now can make a new connection to each server. The API server keeps
/// those that it has, and would notice late.
fn assert_trusted(installation: &Installation<'_>) {
    use rustls::pki_types::pem::PemObject;
    let mut roots = rustls::RootCertStore::empty();
    for certificate in rustls::pki_types::CertificateDer::pem_slice_iter(bundles(installation.cluster)[0].as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = rustls::ClientConfig::builder_with_provider(rustls::crypto::ring::default_provider().into())
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let config = std::sync::Arc::new(config);
    for pod in &installation.servers {
        let name = "idp-multicloud-admission.idp-multicloud.svc".try_into().unwrap();
        let mut client = rustls::ClientConnection::new(std::sync::Arc::clone(&config), name).unwrap();
        let mut tcp = std::net::TcpStream::connect(pod.admission()).unwrap();
        while client.is_handshaking() {
            client.complete_io(&mut tcp).unwrap();
        }
    }
}

/// Publishes a bundle as somebody else.
fn publish(cluster: &Cluster, bundle: &Value) {
    for path in [MUTATING, VALIDATING, CATALOG] {
        let mut configuration = cluster.get(path).unwrap();
        for webhook in configuration["webhooks"].as_array_mut().unwrap() {
            webhook["clientConfig"]["caBundle"] = bundle.clone();
        }
        cluster.call("PUT", path, Some(&configuration)).ok();
    }
}

fn first(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    assert!(bundles(cluster).iter().all(String::is_empty));
    installation.run();
    assert_eq!(bundles(cluster).len(), 4);
    assert!(published(cluster));
    for secret in [CA, TLS] {
        assert_eq!(cluster.secret(secret).unwrap()["type"], "kubernetes.io/tls");
        assert!(data(cluster, secret, "tls.key").starts_with("-----BEGIN PRIVATE KEY-----"));
    }
    // It settles: nothing is written again.
    let versions = || {
        let secrets = [CA, TLS].map(secret_path);
        let paths = secrets
            .iter()
            .map(String::as_str)
            .chain([MUTATING, VALIDATING, CATALOG]);
        paths
            .map(|path| cluster.get(path).unwrap()["metadata"]["resourceVersion"].clone())
            .collect::<Vec<_>>()
    };
    let before = versions();
    thread::sleep(Duration::from_secs(7));
    assert_eq!(versions(), before);
    // No key is told.
    let controller = installation.controller.as_ref().unwrap();
    let said = controller.server.stderr() + &controller.server.stdout();
    assert!(!said.contains("PRIVATE"), "{said}");
    installation.clean();
}

fn healed(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    let delete = |name: &str| drop(cluster.call("DELETE", &secret_path(name), None));
    let garble = |name: &str, key: &str| {
        let change = json!({"data": {key: STANDARD.encode("garbage")}});
        cluster.call("PATCH", &secret_path(name), Some(&change)).ok();
    };
    // The key of one and the certificate of another.
    let mix = |name: &str| {
        let (_, key) = pair(&Authority::new());
        let change = json!({"data": {"tls.key": STANDARD.encode(key)}});
        cluster.call("PATCH", &secret_path(name), Some(&change)).ok();
    };
    let acts: [(&str, &dyn Fn()); 9] = [
        ("serving Secret deleted", &|| delete(TLS)),
        ("serving certificate garbled", &|| garble(TLS, "tls.crt")),
        ("serving key garbled", &|| garble(TLS, "tls.key")),
        ("serving pair mixed up", &|| mix(TLS)),
        ("authority deleted", &|| delete(CA)),
        ("authority's key garbled", &|| garble(CA, "tls.key")),
        ("authority's certificate garbled", &|| garble(CA, "tls.crt")),
        ("authority mixed up", &|| mix(CA)),
        ("both deleted", &|| {
            delete(CA);
            delete(TLS);
        }),
    ];
    let mut bundles_seen = BTreeSet::new();
    let made = under_creates(cluster, || {
        for (what, act) in acts {
            act();
            eventually(&format!("healed after: {what}"), || {
                assert_trusted(&installation);
                let good = |secret: &str| {
                    let (cert, key) = (data(cluster, secret, "tls.crt"), data(cluster, secret, "tls.key"));
                    cert.contains("BEGIN CERTIFICATE") && belongs(&cert, &key)
                };
                good(CA) && good(TLS) && published(cluster)
            });
            bundles_seen.insert(data(cluster, CA, "ca.crt"));
            // The pods take up what is new.
            for _ in 0..15 {
                assert_trusted(&installation);
                thread::sleep(Duration::from_millis(100));
            }
        }
    });
    assert!(made > 50, "{made}");
    // Five times the authority was lost.
    assert!(bundles_seen.len() >= 5, "{}", bundles_seen.len());
    installation.clean();
}

/// A pair of an authority, as text.
fn pair(authority: &Authority) -> (String, String) {
    let dir = tempfile::tempdir().unwrap();
    let pair = authority.issue(&["idp-multicloud-admission.idp-multicloud.svc"], dir.path());
    (
        fs::read_to_string(pair.cert).unwrap(),
        fs::read_to_string(pair.key).unwrap(),
    )
}

/// Whether a key is the one of a certificate.
fn belongs(cert: &str, key: &str) -> bool {
    use rustls::pki_types::pem::PemObject;
    let Ok(key) = rustls::pki_types::PrivateKeyDer::from_pem_slice(key.as_bytes()) else {
        return false;
    };
    let chain: Result<Vec<_>, _> = rustls::pki_types::CertificateDer::pem_slice_iter(cert.as_bytes()).collect();
    let Ok(chain) = chain else { return false };
    let key = rustls::crypto::ring::default_provider()
        .key_provider
        .load_private_key(key);
    key.is_ok_and(|key| rustls::sign::CertifiedKey::new(chain, key).keys_match().is_ok())
}

fn bundle_healed(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    let foreign = data(cluster, CA, "ca.crt") + &Authority::new().pem();
    for bundle in [
        Value::Null,
        STANDARD.encode(Authority::new().pem()).into(),
        STANDARD.encode(foreign).into(),
    ] {
        publish(cluster, &bundle);
        eventually("the bundle is healed", || published(cluster));
        cluster.await_placing();
    }
    // Whoever replaces a configuration by what is shipped takes the bundle off.
    let shipped = idp_multicloud::yaml::documents(&fs::read_to_string(file("manifests/install.yaml")).unwrap());
    let shipped = shipped
        .unwrap()
        .into_iter()
        .find(|object| object["kind"] == "MutatingWebhookConfiguration");
    cluster
        .api
        .kubectl(
            crate::support::cluster::apiserver::User::Admin,
            &["replace", "--filename", "-"],
            &shipped.unwrap().to_string(),
        )
        .ok();
    eventually("the bundle is healed", || published(cluster));
    // A configuration that is gone is not made again, and is found once it is back.
    let before = cluster.get(CATALOG).unwrap();
    cluster.call("DELETE", CATALOG, None).ok();
    thread::sleep(Duration::from_secs(4));
    assert_eq!(cluster.get(CATALOG), None);
    let mut again = before;
    again["metadata"].as_object_mut().unwrap().remove("resourceVersion");
    for webhook in again["webhooks"].as_array_mut().unwrap() {
        webhook["clientConfig"].as_object_mut().unwrap().remove("caBundle");
    }
    cluster
        .call("POST", CATALOG.rsplit_once('/').unwrap().0, Some(&again))
        .ok();
    eventually("the bundle is published", || published(cluster));
    cluster.await_placing();
    installation.clean();
}

/// Runs the controller with certificates that are good for 20 s: each is due 7 s before it ends, which a busy machine needs.
fn run_hasty_controller(installation: &mut Installation<'_>) {
    let mut deployment = installation.cluster.deployment("controller");
    let args = &mut deployment["spec"]["template"]["spec"]["containers"][0]["args"];
    for arg in args.as_array_mut().unwrap() {
        if arg.as_str().unwrap().starts_with("--certificate-lifetime=") {
            *arg = "--certificate-lifetime=20s".into();
        }
    }
    let controller = Pod::start(&installation.cluster.api, &deployment);
    controller.await_ready();
    installation.controller = Some(controller);
}

/// As the manual says.
fn leaked(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run();
    let old = data(cluster, CA, "tls.crt");
    let recipe = Recipe::of("certs/README.md", "Rotate by hand");
    let [serving, authority, trusted_no_longer] = recipe.blocks.try_into().unwrap();
    let shell = cluster.shell(User::Admin);
    under_creates(cluster, || {
        shell.run(&authority).ok();
        eventually("a new authority is published", || {
            let new = data(cluster, CA, "tls.crt");
            !new.is_empty() && new != old && published(cluster)
        });
        thread::sleep(Duration::from_secs(1));
        shell.run(&serving).ok();
        eventually("each pod has a new pair", || {
            let mut pods = installation.servers.iter();
            pods.all(|pod| !pod.server.log(&["new serving certificate in force"]).is_empty())
        });
        assert!(bundles(cluster)[0].contains(&old));
        shell.run(&trusted_no_longer).ok();
        eventually("the old one is trusted nowhere", || {
            bundles(cluster)
                .iter()
                .all(|bundle| *bundle == data(cluster, CA, "tls.crt"))
        });
        thread::sleep(Duration::from_secs(4));
        assert_trusted(&installation);
    });
    assert!(bundles(cluster).iter().all(|bundle| !bundle.contains(&old)));
    installation.clean();
}

fn rotated(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    run_hasty_controller(&mut installation);
    installation.run_servers();
    cluster.await_placing();
    let (mut leaves, mut authorities) = (BTreeSet::new(), BTreeSet::new());
    let mut most = 0;
    let made = under_creates(cluster, || {
        // An authority is replaced after 67 s.
        let began = Instant::now();
        while began.elapsed() < Duration::from_secs(85) {
            leaves.insert(data(cluster, TLS, "tls.crt"));
            authorities.insert(data(cluster, CA, "tls.crt"));
            most = most.max(data(cluster, CA, "ca.crt").matches("BEGIN").count());
            assert_trusted(&installation);
            thread::sleep(Duration::from_millis(100));
        }
    });
    let told = format!(
        "{made} creates, {} leaves, {} authorities",
        leaves.len(),
        authorities.len()
    );
    assert!(
        made > 200 && leaves.len() >= 6 && authorities.len() >= 2 && most >= 2,
        "{told}"
    );
    for pod in &installation.servers {
        assert!(
            pod.server.log(&["new serving certificate in force"]).len() >= 4,
            "{}",
            pod.server.stderr()
        );
        assert_eq!(pod.server.metric("idp_certificate_refused").to_string(), "0");
    }
    installation.clean();
}

fn away(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    run_hasty_controller(&mut installation);
    installation.run_servers();
    cluster.await_placing();
    // Due, and not expired: nobody notices.
    let before = data(cluster, TLS, "tls.crt");
    eventually("a leaf is fresh", || data(cluster, TLS, "tls.crt") != before);
    installation.controller.take().unwrap().end();
    under_creates(cluster, || thread::sleep(Duration::from_secs(14)));
    run_hasty_controller(&mut installation);
    eventually("it is renewed", || data(cluster, TLS, "tls.crt") != before);
    cluster.await_placing();
    // Expired: claims wait once a connection is made anew, the servers neither end nor are restarted, and it mends itself.
    installation.controller.take().unwrap().end();
    thread::sleep(Duration::from_secs(21));
    installation.cut_connections();
    eventually("claims wait", || cluster.create("late", "?dryRun=All").code == 500);
    assert!(installation.servers.iter().all(Pod::is_ready));
    run_hasty_controller(&mut installation);
    cluster.await_placing();
    installation.clean();
}

fn open(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, FEW);
    let role = "/apis/rbac.authorization.k8s.io/v1/clusterroles/idp-multicloud-controller";
    let mut rights = cluster.get(role).unwrap();
    for rule in rights["rules"].as_array_mut().unwrap() {
        if rule["resources"][0] == "validatingwebhookconfigurations" {
            rule["resourceNames"] = json!(["idp-multicloud"]);
        }
    }
    cluster.call("PUT", role, Some(&rights)).ok();
    run_hasty_controller(&mut installation);
    installation.run_servers();
    cluster.await_placing();
    let before = data(cluster, TLS, "tls.crt");
    eventually("it is renewed all the same", || data(cluster, TLS, "tls.crt") != before);
    let controller = &installation.controller.as_ref().unwrap().server;
    assert!(controller.metric("idp_controller_certificate_failures_total") > 0.0);
    assert_eq!(controller.metric("idp_controller_bundle_published").to_string(), "0");
    controller.await_log(&["idp-multicloud-catalog", "give this account the right to get it"], 1);
    installation.clean();
}

/// What `certs` writes into a folder, and the bundle that it prints.
fn certs(dir: &std::path::Path) -> String {
    let mut command = binary();
    command
        .args([
            "certs",
            "--service",
            "idp-multicloud-admission",
            "--namespace",
            NAME,
            "--out",
        ])
        .arg(dir);
    crate::support::cluster::apiserver::run(command, "").ok()
}

fn brought(cluster: &Cluster) {
    let mut installation = cluster.install(Road::Helm4, &[FEW, &["--set=operatorGroup=dba"]].concat());
    let shell = Shell {
        folder: cluster.api.folder("brought"),
        ..cluster.shell(User::Admin)
    };
    std::os::unix::fs::symlink(file("manifests"), shell.folder.join("manifests")).unwrap();
    shell
        .run(&Recipe::of("certs/README.md", "Bring your own").blocks[0])
        .ok();
    let pki = shell.folder.join("pki");
    let server = cluster.deployment("admission").to_string();
    assert!(
        server.contains("--operator-group=dba"),
        "what was set before is gone: {server}"
    );
    installation.run();
    let authority = fs::read_to_string(pki.join("ca.crt")).unwrap();
    assert!(bundles(cluster).iter().all(|bundle| *bundle == authority));
    assert_eq!(cluster.secret(CA), None);
    // Renewed by the same authority: taken up without a word.
    for name in ["tls.crt", "tls.key"] {
        fs::remove_file(pki.join(name)).unwrap();
    }
    certs(&pki);
    under_creates(cluster, || {
        let key = |name: &str| STANDARD.encode(fs::read(pki.join(name)).unwrap());
        let change = json!({"data": {"tls.crt": key("tls.crt"), "tls.key": key("tls.key")}});
        cluster.call("PATCH", &secret_path("my-own"), Some(&change)).ok();
        eventually("it is taken up", || {
            installation
                .servers
                .iter()
                .all(|pod| !pod.server.log(&["new serving certificate in force"]).is_empty())
        });
    });
    // Garbled, by whoever keeps it: nothing is published, nothing is served but the last good pair.
    let change = json!({"data": {"tls.crt": STANDARD.encode("garbage"), "ca.crt": STANDARD.encode("garbage")}});
    under_creates(cluster, || {
        cluster.call("PATCH", &secret_path("my-own"), Some(&change)).ok();
        thread::sleep(Duration::from_secs(5));
    });
    for pod in &installation.servers {
        assert_eq!(pod.server.metric("idp_certificate_refused").to_string(), "1");
        assert!(pod.server.get("/readyz?verbose").body.contains("the newest is refused"));
        assert!(pod.is_ready());
    }
    assert!(bundles(cluster).iter().all(|bundle| *bundle == authority));
    installation.clean();
}

fn made_by_hand(cluster: &Cluster) {
    let dir = tempfile::tempdir().unwrap();
    let printed = certs(dir.path());
    let bundle = STANDARD.encode(fs::read(dir.path().join("ca.crt")).unwrap());
    assert_eq!(printed.trim(), bundle);
    cluster.kubectl(&["create", "namespace", NAME]);
    let file = |name: &str| dir.path().join(name).display().to_string();
    let (cert, key) = (
        format!("--cert={}", file("tls.crt")),
        format!("--key={}", file("tls.key")),
    );
    cluster.kubectl(&["create", "secret", "tls", TLS, "--namespace", NAME, &cert, &key]);
    // Nobody publishes it, as with cert-manager.
    let mut installation = cluster.install(Road::Helm4, FEW);
    installation.run_servers();
    publish(cluster, &printed.trim().into());
    cluster.await_placing();
    // From one source to the other: the authority that was published stays trusted.
    under_creates(cluster, || {
        installation.run_controller();
        eventually("an authority of its own", || published(cluster));
        thread::sleep(Duration::from_secs(2));
    });
    installation.clean();
}

/// What cert-manager leaves is put there by hand.
fn from_cert_manager(cluster: &Cluster) {
    if !install_their_kinds(cluster) {
        return;
    }
    cluster.kubectl(&["create", "namespace", NAME]);
    let authority = Authority::new();
    let (cert, key) = pair(&authority);
    for (name, cert, key) in [(CA, authority.pem(), authority.key_pem()), (TLS, cert, key)] {
        let data = json!({"tls.crt": cert, "tls.key": key, "ca.crt": authority.pem()});
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": name},
            "type": "kubernetes.io/tls", "stringData": data});
        let secrets = format!("/api/v1/namespaces/{NAME}/secrets");
        cluster.call("POST", &secrets, Some(&secret)).ok();
    }
    let theirs = [FEW, &["--set=certificates.source=cert-manager"]].concat();
    let mut installation = cluster.install(Road::Helm4, &theirs);
    publish(cluster, &STANDARD.encode(authority.pem()).into());
    installation.run();
    let bundle = bundles(cluster);
    under_creates(cluster, || {
        installation.upgrade(&file("manifests/chart"), FEW);
        installation.roll();
        eventually("it is published", || published(cluster));
        thread::sleep(Duration::from_secs(4));
    });
    assert_eq!(data(cluster, CA, "tls.crt"), authority.pem());
    assert!(bundles(cluster).len() == bundle.len() && bundle[0].trim() == authority.pem().trim());
    installation.clean();
}
