//! What the controller counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::metrics::{AGE, Kind, OBJECTS_REFUSED, READY};

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Claims {
    state: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Policy {
    policy: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Webhook {
    webhook: &'static str,
}

/// Everything that the controller counts.
#[derive(Debug)]
pub struct ControllerMetrics {
    registry: Registry,
    written: Counter,
    failed: Counter,
    refused: Family<Kind, Gauge>,
    age: Gauge<f64, AtomicU64>,
    not_after: Family<Kind, Gauge>,
    issued: Family<Kind, Counter>,
    certificate_failures: Counter,
    bundle_published: Gauge,
    claims: Family<Claims, Gauge>,
    claims_failed: Counter,
    guard: Family<Policy, Gauge>,
    webhooks: Family<Webhook, Gauge>,
    in_force_failed: Counter,
    panics: Counter,
    ready: Gauge,
}

impl Default for ControllerMetrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("idp"),
            written: Counter::default(),
            failed: Counter::default(),
            refused: Family::default(),
            age: Gauge::default(),
            not_after: Family::default(),
            issued: Family::default(),
            certificate_failures: Counter::default(),
            bundle_published: Gauge::default(),
            claims: Family::default(),
            claims_failed: Counter::default(),
            guard: Family::default(),
            webhooks: Family::default(),
            in_force_failed: Counter::default(),
            panics: Counter::default(),
            ready: Gauge::default(),
        };
        metrics.registered()
    }
}

impl ControllerMetrics {
    fn registered(mut self) -> Self {
        let registry = &mut self.registry;
        registry.register(
            "controller_status_writes",
            "Statuses of catalog objects written",
            self.written.clone(),
        );
        registry.register(
            "controller_status_failures",
            "Statuses of catalog objects that could not be written, each time",
            self.failed.clone(),
        );
        registry.register("catalog_objects_refused", OBJECTS_REFUSED, self.refused.clone());
        registry.register("catalog_age_seconds", AGE, self.age.clone());
        registry.register(
            "controller_certificate_not_after_timestamp_seconds",
            "When the certificate of that kind (ca, leaf) expires, in Unix time; there is none while there is no good one",
            self.not_after.clone(),
        );
        registry.register(
            "controller_certificates_issued",
            "Certificates issued and stored, by kind (ca, leaf)",
            self.issued.clone(),
        );
        registry.register(
            "controller_certificate_failures",
            "Rounds of looking after the certificates in which something could not be read, written or used",
            self.certificate_failures.clone(),
        );
        registry.register(
            "controller_bundle_published",
            "1 while every webhook configuration trusts just the authorities that it should; 0 also if that is nobody's task here",
            self.bundle_published.clone(),
        );
        registry.register(
            "claims",
            "Claims in the cluster that have a placement (placed) or have none (unplaced), counted every few minutes; none while \
             that fails",
            self.claims.clone(),
        );
        registry.register(
            "controller_claims_failures",
            "Counts of the claims that came to no end, each time",
            self.claims_failed.clone(),
        );
        registry.register(
            "guard_in_force",
            "1 while that admission policy of the guard is there, fails closed, and is bound so that it denies everywhere; none while \
             that cannot be looked at",
            self.guard.clone(),
        );
        registry.register(
            "webhook_in_force",
            "1 while that webhook is called for every claim that it is for, and a claim is refused where nobody answers; none while \
             that cannot be looked at",
            self.webhooks.clone(),
        );
        registry.register(
            "controller_in_force_failures",
            "Looks at the guard and the webhooks that came to no end, each time",
            self.in_force_failed.clone(),
        );
        registry.register(
            "panics",
            "Panics, while looking after the catalog, the certificates, the number of claims or what holds them; each is a bug",
            self.panics.clone(),
        );
        registry.register("ready", READY, self.ready.clone());
        self
    }

    /// Everything in the `OpenMetrics` text format; `age` is for how many seconds the cluster has not said what its catalog is.
    #[must_use]
    pub fn encode(&self, age: f64, ready: bool) -> String {
        self.age.set(age);
        self.ready.set(ready.into());
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// Counts a panic.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts a status that was written.
    pub fn status_written(&self) {
        self.written.inc();
    }

    /// Counts a status that could not be written.
    pub fn status_failed(&self) {
        self.failed.inc();
    }

    /// Says how many objects of a kind are not accepted.
    pub fn objects_refused(&self, kind: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.refused.get_or_create(&Kind { kind }).set(count);
    }

    /// Says when the certificate of a kind expires, if there is a good one.
    pub fn certificate(&self, kind: &'static str, not_after: Option<i64>) {
        match not_after {
            Some(not_after) => drop(self.not_after.get_or_create(&Kind { kind }).set(not_after)),
            None => drop(self.not_after.remove(&Kind { kind })),
        }
    }

    /// Counts a certificate that was issued and stored.
    pub fn certificate_issued(&self, kind: &'static str) {
        self.issued.get_or_create(&Kind { kind }).inc();
    }

    /// Counts a round in which something of the certificates could not be done.
    pub fn certificates_failed(&self) {
        self.certificate_failures.inc();
    }

    /// Says whether the bundle is published as it should be.
    pub fn bundle_is_published(&self, published: bool) {
        self.bundle_published.set(published.into());
    }

    /// Says how many claims have a placement, and how many have none.
    pub fn claims(&self, placed: u64, unplaced: u64) {
        for (state, count) in [("placed", placed), ("unplaced", unplaced)] {
            let count = i64::try_from(count).unwrap_or(i64::MAX);
            self.claims.get_or_create(&Claims { state }).set(count);
        }
    }

    /// Counts a count of the claims that came to no end; how many there are is not known then.
    pub fn claims_failed(&self) {
        self.claims.clear();
        self.claims_failed.inc();
    }

    /// Says whether a policy of the guard is in force.
    pub fn policy_is_in_force(&self, policy: &'static str, in_force: bool) {
        self.guard.get_or_create(&Policy { policy }).set(in_force.into());
    }

    /// Says whether a webhook is in force.
    pub fn webhook_is_in_force(&self, webhook: &'static str, in_force: bool) {
        self.webhooks.get_or_create(&Webhook { webhook }).set(in_force.into());
    }

    /// Counts a look at the guard and the webhooks that came to no end; whether they are in force is not known then.
    pub fn in_force_failed(&self) {
        self.guard.clear();
        self.webhooks.clear();
        self.in_force_failed.inc();
    }
}
