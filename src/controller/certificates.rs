//! Certificates in the cluster: reads the Secrets and the webhook configurations, and writes what is due. What that is,
//! `certs::keep` decides. A private key is in no log line and no error.
//!
//! Everything is read and written by its name, so that the rights for that are all that it takes: nothing is listed.

mod cluster;

use std::time::{Duration, Instant};

use kube::Client;
use kube::api::Patch;
use serde_json::json;
use tokio::time::{sleep, timeout};

use self::cluster::{Place, cannot, is_outrun, params};
use crate::certs::authority::{Lifetime, names_of};
use crate::certs::bundle::Bundle;
use crate::certs::keep::{self, Due, Held, Seen, Wanted};
use crate::certs::seconds::now;
use crate::telemetry::ControllerMetrics;

/// The Service that the API server calls.
const SERVICE: &str = "idp-multicloud-admission";

/// The Secret of the authority.
pub const AUTHORITY: &str = "idp-multicloud-ca";

/// The webhook configurations in which the bundle is published; whether each must be there, as it refuses claims if it trusts
/// the wrong authorities. The other one fails open, and holds nothing up.
const PLACES: [(&str, &str, bool); 3] = [
    ("MutatingWebhookConfiguration", "idp-multicloud", true),
    ("ValidatingWebhookConfiguration", "idp-multicloud", true),
    ("ValidatingWebhookConfiguration", "idp-multicloud-catalog", false),
];

/// How long after one look the next comes.
const EVERY: Duration = Duration::from_secs(3);

/// How many looks follow one another at once, as each one wrote something: more than it takes from nothing to everything.
/// Whoever writes against us does not make this a busy loop.
const AT_ONCE: u32 = 6;

/// How long one look and its writes may take.
const PATIENCE: Duration = Duration::from_secs(30);

/// For how long, after the bundle of somebody else's Secret has changed, the one before stays published as well: longer
/// than it takes pods to serve the certificate that came with it (a kubelet looks about once a minute).
const OVERLAP: Duration = Duration::from_mins(10);

/// Who issues the certificates.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Issuer {
    /// The controller, with an authority of its own.
    Controller,
    /// Somebody else, who keeps the Secret of the serving pair; only the bundle is published.
    Other,
}

/// Which certificates are looked after.
#[derive(Clone, Debug)]
pub struct Settings {
    /// Who issues them.
    pub issuer: Issuer,
    /// The namespace of the Service and both Secrets.
    pub namespace: String,
    /// The name of the Secret with the serving pair.
    pub secret: String,
    /// How long a serving certificate lives that the controller issues.
    pub lifetime: Lifetime,
}

/// Looks after the certificates for ever.
pub(super) async fn keep(client: &Client, settings: &Settings, metrics: &ControllerMetrics) {
    let mut keeper = Keeper::new(client, settings, metrics);
    let mut told = None;
    let mut in_a_row = 0;
    loop {
        let mut problems = Vec::new();
        let wrote = match timeout(PATIENCE, keeper.look(&mut problems)).await {
            Ok(Ok(wrote)) => wrote,
            Ok(Err(problem)) => {
                problems.push(problem);
                false
            }
            Err(_) => {
                problems.push(format!("the cluster did not answer within {PATIENCE:?}"));
                false
            }
        };
        let problem = (!problems.is_empty()).then(|| problems.join("; "));
        if problem.is_some() {
            metrics.certificates_failed();
            metrics.bundle_is_published(false);
        }
        if problem != told {
            if let Some(problem) = &problem {
                tracing::warn!(%problem, "certificates are not as they should be; it is tried again");
            } else {
                tracing::info!("certificates are as they should be again");
            }
            told = problem;
        }
        if wrote && in_a_row < AT_ONCE {
            in_a_row += 1;
        } else {
            in_a_row = 0;
            sleep(EVERY).await;
        }
    }
}

/// What is kept from one look to the next.
struct Keeper<'a> {
    client: &'a Client,
    settings: &'a Settings,
    metrics: &'a ControllerMetrics,
    wanted: Wanted,
    /// What was published, and since when it is so.
    published: (Vec<Vec<u8>>, Instant),
    /// The bundle of somebody else's Secret, and since when it is so.
    handed: (Bundle, Instant),
}

impl<'a> Keeper<'a> {
    fn new(client: &'a Client, settings: &'a Settings, metrics: &'a ControllerMetrics) -> Self {
        Self {
            client,
            settings,
            metrics,
            wanted: Wanted {
                names: names_of(SERVICE, &settings.namespace).into(),
                lifetime: settings.lifetime,
            },
            published: (Vec::new(), Instant::now()),
            handed: (Bundle::default(), Instant::now()),
        }
    }

    /// One look, and the write that is due. Whether there was one, and it is worth to look again at once.
    async fn look(&mut self, problems: &mut Vec<String>) -> Result<bool, String> {
        let serving = self.secret(&self.settings.secret).await?;
        let mut all = true;
        let mut places = Vec::new();
        for (kind, name, needed) in PLACES {
            match self.place(kind, name, needed).await {
                Ok(Some(place)) => places.push(place),
                Ok(None) if needed => problems.push(format!("{kind} {name}: is not there; install it")),
                Ok(None) => {}
                Err(problem) => {
                    all &= !needed;
                    problems.push(problem);
                }
            }
        }
        let needed = places.iter().filter(|place| place.needed);
        let entries = needed.flat_map(|place| &place.entries);
        let published: Vec<_> = entries.map(|(_, bundle)| bundle.clone()).collect();
        if published != self.published.0 {
            self.published = (published.clone(), Instant::now());
        }
        match self.settings.issuer {
            Issuer::Controller => {
                let authority = self.secret(AUTHORITY).await?;
                let seen = Seen {
                    authority: authority.held,
                    serving: serving.held,
                    published,
                    all,
                    published_for: self.published.1.elapsed(),
                };
                let versions = [authority.version, serving.version];
                self.keep(&seen, versions, &places, problems).await
            }
            Issuer::Other => self.hand_on(&serving.held, &places, problems).await,
        }
    }

    /// Keeps authority, bundle and serving pair.
    async fn keep(
        &self,
        seen: &Seen,
        [authority, serving]: [Option<String>; 2],
        places: &[Place],
        problems: &mut Vec<String>,
    ) -> Result<bool, String> {
        let standing = keep::standing(seen, &self.wanted, now());
        let standing = standing.map_err(|error| format!("cannot make a certificate: {error}"))?;
        let is_published = match &standing.bundle {
            Some(bundle) => is_published(bundle, places),
            None => false,
        };
        self.tell(
            standing.authority.map(|validity| validity.not_after),
            standing.serving.map(|validity| validity.not_after),
            is_published && problems.is_empty(),
        );
        let mut wrote = false;
        if let Some(bundle) = standing.bundle.filter(|_| !is_published) {
            wrote = self.publish(&bundle, places, problems).await;
        }
        match standing.due {
            None => Ok(wrote),
            Some(Due::Authority(held, why)) => {
                let made = held.cert != seen.authority.cert;
                let written = self.write(AUTHORITY, authority, &held).await?;
                if written && made {
                    self.metrics.certificate_issued("ca");
                    tracing::info!(secret = AUTHORITY, %why, "new certificate authority");
                } else if written {
                    tracing::info!(secret = AUTHORITY, %why, "certificate authority's bundle restored");
                }
                Ok(true)
            }
            Some(Due::Serving(held, why)) => {
                if self.write(&self.settings.secret, serving, &held).await? {
                    self.metrics.certificate_issued("leaf");
                    tracing::info!(secret = self.settings.secret, %why, "new serving certificate");
                }
                Ok(true)
            }
        }
    }

    /// Publishes the bundle of a Secret that somebody else keeps.
    async fn hand_on(&mut self, serving: &Held, places: &[Place], problems: &mut Vec<String>) -> Result<bool, String> {
        let now = now();
        let handed = keep::handed(serving, &self.wanted, now);
        let (mut bundle, validity) = handed.map_err(|problem| {
            self.tell(None, None, false);
            let Settings { namespace, secret, .. } = self.settings;
            format!("Secret {namespace}/{secret}: {problem}; the published bundle stays as it is")
        })?;
        if bundle != self.handed.0 {
            self.handed = (bundle.clone(), Instant::now());
        }
        if self.handed.1.elapsed() < OVERLAP {
            for (_, published) in places.iter().flat_map(|place| &place.entries) {
                bundle = bundle.and(&Bundle::read(published, now).0, now);
            }
        }
        let is_published = is_published(&bundle, places);
        self.tell(None, Some(validity.not_after), is_published && problems.is_empty());
        Ok(!is_published && self.publish(&bundle, places, problems).await)
    }

    fn tell(&self, authority: Option<i64>, serving: Option<i64>, published: bool) {
        self.metrics.certificate("ca", authority);
        self.metrics.certificate("leaf", serving);
        self.metrics.bundle_is_published(published);
    }

    /// Writes the bundle into every webhook that has another. Whether one was written.
    async fn publish(&self, bundle: &Bundle, places: &[Place], problems: &mut Vec<String>) -> bool {
        let pem = bundle.pem();
        let base64 = base64_simd::STANDARD.encode_to_string(&pem);
        let mut wrote = false;
        for place in places {
            let Place {
                kind, name, version, ..
            } = place;
            if place.has(&pem) {
                continue;
            }
            // With the version that was read, so that no webhook comes back that was taken out meanwhile.
            let webhooks = place.entries.iter();
            let webhooks = webhooks.map(|(name, _)| json!({"name": name, "clientConfig": {"caBundle": base64}}));
            let patch = json!({
                "apiVersion": "admissionregistration.k8s.io/v1",
                "kind": kind,
                "metadata": {"name": name, "resourceVersion": version},
                "webhooks": webhooks.collect::<Vec<_>>(),
            });
            match self.places(kind).patch(name, &params(), &Patch::Apply(patch)).await {
                Ok(_) => {
                    wrote = true;
                    tracing::info!(%kind, %name, "bundle published");
                }
                Err(error) if is_outrun(&error) => wrote = true,
                Err(error) => problems.push(cannot(format_args!("{kind} {name}"), "patch", &error)),
            }
        }
        wrote
    }
}

/// Whether every webhook has this bundle.
fn is_published(bundle: &Bundle, places: &[Place]) -> bool {
    let pem = bundle.pem();
    places.iter().all(|place| place.has(&pem))
}
