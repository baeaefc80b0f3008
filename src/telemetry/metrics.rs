//! What the servers count.
//!
//! No label takes a value that a claim's author can type: operations, outcomes and causes are closed sets, and cells,
//! tiers, providers and policies come from the catalog.

use std::sync::atomic::AtomicU64;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use prometheus_client::encoding::{EncodeLabelSet, text};
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::metrics::histogram::Histogram;
use prometheus_client::registry::Registry;

use super::{lines, traces};

/// The content type of what `encode` gives.
pub const OPEN_METRICS: &str = "application/openmetrics-text; version=1.0.0; charset=utf-8";

pub(super) const AGE: &str =
    "For how long the cluster has not said what its catalog is; 0 while it is followed, or is no cluster's";
pub(super) const READY: &str = "1 while the process is ready, as `/readyz` says";
pub(super) const OBJECTS_REFUSED: &str = "Objects of the followed catalog that are not accepted, by kind";
const SPANS_LOST: &str = "Spans of traces that the collector did not take in time";

/// The labels of `idp_admission_reviews_total`.
#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Review {
    operation: &'static str,
    outcome: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Refusal {
    cause: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Placement {
    cell: String,
    tier: String,
    provider: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Policy {
    policy: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
pub(super) struct Kind {
    pub(super) kind: &'static str,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Revision {
    revision: String,
}

#[derive(Clone, Debug, PartialEq, Eq, Hash, EncodeLabelSet)]
struct Request {
    method: &'static str,
    route: String,
    status: u16,
}

/// Everything that is counted.
#[derive(Debug)]
pub struct Metrics {
    registry: Registry,
    reviews: Family<Review, Counter>,
    refusals: Family<Refusal, Counter>,
    placements: Family<Placement, Counter>,
    policy_errors: Family<Policy, Counter>,
    duration: Histogram,
    in_flight: Gauge,
    requests: Family<Request, Counter>,
    request_duration: Histogram,
    unreadable: Counter,
    panics: Counter,
    connections_refused: Counter,
    certificate_not_after: Gauge,
    certificate_refusals: Counter,
    certificate_refused: Gauge,
    catalog: Family<Revision, Gauge>,
    catalog_since: Gauge,
    catalog_refusals: Counter,
    catalog_refused: Gauge,
    catalog_age: Gauge<f64, AtomicU64>,
    catalog_objects_refused: Family<Kind, Gauge>,
    ready: Gauge,
    log_lines_lost: Counter,
    spans_lost: Counter,
}

impl Default for Metrics {
    fn default() -> Self {
        // From 50 µs, a review's usual time, to 13 s, beyond the longest that an API server waits by default.
        let duration = || {
            Histogram::new(prometheus_client::metrics::histogram::exponential_buckets(
                50e-6, 2.0, 19,
            ))
        };
        let mut metrics = Self {
            registry: Registry::with_prefix("idp"),
            reviews: Family::default(),
            refusals: Family::default(),
            placements: Family::default(),
            policy_errors: Family::default(),
            duration: duration(),
            in_flight: Gauge::default(),
            requests: Family::default(),
            request_duration: duration(),
            unreadable: Counter::default(),
            panics: Counter::default(),
            connections_refused: Counter::default(),
            certificate_not_after: Gauge::default(),
            certificate_refusals: Counter::default(),
            certificate_refused: Gauge::default(),
            catalog: Family::default(),
            catalog_since: Gauge::default(),
            catalog_refusals: Counter::default(),
            catalog_refused: Gauge::default(),
            catalog_age: Gauge::default(),
            catalog_objects_refused: Family::default(),
            ready: Gauge::default(),
            log_lines_lost: Counter::default(),
            spans_lost: Counter::default(),
        };
        metrics.register();
        metrics
    }
}

impl Metrics {
    fn register(&mut self) {
        let registry = &mut self.registry;
        registry.register(
            "admission_reviews",
            "Admission reviews answered, by operation and outcome",
            self.reviews.clone(),
        );
        registry.register(
            "admission_refusals",
            "Refusals by cause; one with several causes counts under each",
            self.refusals.clone(),
        );
        registry.register(
            "placements",
            "Claims placed, dry runs apart, by cell, tier and provider; also one that is then not stored",
            self.placements.clone(),
        );
        registry.register(
            "policy_errors",
            "Reviews in which a policy had no verdict on some candidate, by policy",
            self.policy_errors.clone(),
        );
        registry.register(
            "admission_duration_seconds",
            "Time from a review's headers to its answer",
            self.duration.clone(),
        );
        registry.register(
            "admission_in_flight",
            "Reviews being answered now",
            self.in_flight.clone(),
        );
        registry.register(
            "api_requests",
            "Requests to the REST API and the portal, by method, route and status",
            self.requests.clone(),
        );
        registry.register(
            "api_request_duration_seconds",
            "Time from the headers of a request to the REST API or the portal to its answer",
            self.request_duration.clone(),
        );
        registry.register(
            "admission_unreadable",
            "Requests answered with an HTTP error, as their body was no review, too late or too large",
            self.unreadable.clone(),
        );
        registry.register(
            "panics",
            "Panics, in a request or while looking at the files; each is a bug",
            self.panics.clone(),
        );
        registry.register(
            "connections_refused",
            "Connections closed at once, as too many were open",
            self.connections_refused.clone(),
        );
        registry.register(
            "certificate_not_after_timestamp_seconds",
            "When the serving certificate expires, in Unix time; 0 while there is none, or where nothing is served over TLS",
            self.certificate_not_after.clone(),
        );
        registry.register(
            "certificate_refusals",
            "Serving certificates refused, each time keeping the last good one",
            self.certificate_refusals.clone(),
        );
        registry.register(
            "certificate_refused",
            "1 while the newest serving certificate is refused, and an older one served or none",
            self.certificate_refused.clone(),
        );
        registry.register("catalog_info", "The catalog revision in force", self.catalog.clone());
        registry.register(
            "catalog_since_timestamp_seconds",
            "Since when that catalog revision is in force, in Unix time",
            self.catalog_since.clone(),
        );
        registry.register(
            "catalog_refusals",
            "Catalog changes refused, each time keeping the last good catalog",
            self.catalog_refusals.clone(),
        );
        registry.register(
            "catalog_refused",
            "1 while the newest catalog is refused and an older one in force",
            self.catalog_refused.clone(),
        );
        registry.register("catalog_age_seconds", AGE, self.catalog_age.clone());
        registry.register(
            "catalog_objects_refused",
            OBJECTS_REFUSED,
            self.catalog_objects_refused.clone(),
        );
        registry.register("ready", READY, self.ready.clone());
        registry.register(
            "log_lines_lost",
            "Log lines that standard error did not take in time",
            self.log_lines_lost.clone(),
        );
        registry.register("spans_lost", SPANS_LOST, self.spans_lost.clone());
    }

    /// Everything in the `OpenMetrics` text format.
    #[must_use]
    pub fn encode(&self) -> String {
        self.log_lines_lost.inc_by(lines::lost());
        self.spans_lost.inc_by(traces::lost());
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
    }

    /// Counts from zero on what may come: a rate is known from the second value of a series on, so that the first refusal would go
    /// unnoticed if it made its series.
    pub fn expect(&self, reviews: &[(&'static str, &'static str)], causes: impl IntoIterator<Item = &'static str>) {
        for &(operation, outcome) in reviews {
            drop(self.reviews.get_or_create(&Review { operation, outcome }));
        }
        for cause in causes {
            drop(self.refusals.get_or_create(&Refusal { cause }));
        }
    }

    /// Counts from zero on the reviews in which a policy has no verdict.
    pub fn expect_policy(&self, policy: &str) {
        drop(self.policy_errors.get_or_create(&Policy {
            policy: policy.to_owned(),
        }));
    }

    /// Counts one review as being answered until the guard is dropped.
    #[must_use]
    pub fn in_flight(&self) -> InFlight<'_> {
        self.in_flight.inc();
        InFlight(&self.in_flight)
    }

    /// Counts one answered review, and each cause of a refusal.
    pub fn review(&self, operation: &'static str, outcome: &'static str, causes: &[&'static str], took: Duration) {
        self.reviews.get_or_create(&Review { operation, outcome }).inc();
        self.duration.observe(took.as_secs_f64());
        for &cause in causes {
            self.refusals.get_or_create(&Refusal { cause }).inc();
        }
    }

    /// Counts one claim placed.
    pub fn placement(&self, cell: &str, tier: &str, provider: &str) {
        let labels = Placement {
            cell: cell.to_owned(),
            tier: tier.to_owned(),
            provider: provider.to_owned(),
        };
        self.placements.get_or_create(&labels).inc();
    }

    /// Counts one review in which a policy had no verdict.
    pub fn policy_error(&self, policy: &str) {
        let labels = Policy {
            policy: policy.to_owned(),
        };
        self.policy_errors.get_or_create(&labels).inc();
    }

    /// Counts one request to the REST API. `route` is one of ours, not what the client sent.
    pub fn request(&self, method: &'static str, route: &str, status: u16, took: Duration) {
        let labels = Request {
            method,
            route: route.to_owned(),
            status,
        };
        self.requests.get_or_create(&labels).inc();
        self.request_duration.observe(took.as_secs_f64());
    }

    /// Counts one body that could not be answered as a review.
    pub fn unreadable(&self) {
        self.unreadable.inc();
    }

    /// Counts one panic.
    pub fn panicked(&self) {
        self.panics.inc();
    }

    /// Counts one connection closed because too many were open.
    pub fn connection_refused(&self) {
        self.connections_refused.inc();
    }

    /// Says when the serving certificate expires.
    pub fn certificate(&self, not_after: i64) {
        self.certificate_not_after.set(not_after);
    }

    /// Counts one refused certificate.
    pub fn certificate_refused(&self) {
        self.certificate_refusals.inc();
    }

    /// Says whether the newest certificate is refused.
    pub fn certificate_is_refused(&self, refused: bool) {
        self.certificate_refused.set(refused.into());
    }

    /// Says which catalog is in force.
    pub fn catalog(&self, revision: &str, since: SystemTime) {
        self.catalog.clear();
        self.catalog
            .get_or_create(&Revision {
                revision: revision.to_owned(),
            })
            .set(1);
        let since = since.duration_since(UNIX_EPOCH).unwrap_or_default().as_secs();
        self.catalog_since.set(since.try_into().unwrap_or(i64::MAX));
    }

    /// Counts one refused catalog.
    pub fn catalog_refused(&self) {
        self.catalog_refusals.inc();
    }

    /// Says whether the newest catalog is refused.
    pub fn catalog_is_refused(&self, refused: bool) {
        self.catalog_refused.set(refused.into());
    }

    /// Says for how many seconds the cluster has not said what its catalog is.
    pub fn catalog_age(&self, seconds: f64) {
        self.catalog_age.set(seconds);
    }

    /// Says whether the process is ready.
    pub fn is_ready(&self, ready: bool) {
        self.ready.set(ready.into());
    }

    /// Says how many objects of a kind are not accepted.
    pub fn catalog_objects_refused(&self, kind: &'static str, count: usize) {
        let count = i64::try_from(count).unwrap_or(i64::MAX);
        self.catalog_objects_refused.get_or_create(&Kind { kind }).set(count);
    }
}

/// One review being answered.
#[derive(Debug)]
pub struct InFlight<'m>(&'m Gauge);

impl Drop for InFlight<'_> {
    fn drop(&mut self) {
        self.0.dec();
    }
}
