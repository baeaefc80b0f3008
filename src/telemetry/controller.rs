//! What the controller counts.

use std::sync::atomic::AtomicU64;

use prometheus_client::encoding::text;
use prometheus_client::metrics::counter::Counter;
use prometheus_client::metrics::family::Family;
use prometheus_client::metrics::gauge::Gauge;
use prometheus_client::registry::Registry;

use super::Kind;

/// Everything that the controller counts.
#[derive(Debug)]
pub struct ControllerMetrics {
    registry: Registry,
    written: Counter,
    failed: Counter,
    refused: Family<Kind, Gauge>,
    age: Gauge<f64, AtomicU64>,
}

impl Default for ControllerMetrics {
    fn default() -> Self {
        let metrics = Self {
            registry: Registry::with_prefix("idp"),
            written: Counter::default(),
            failed: Counter::default(),
            refused: Family::default(),
            age: Gauge::default(),
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
        registry.register("catalog_objects_refused", super::OBJECTS_REFUSED, self.refused.clone());
        registry.register("catalog_age_seconds", super::AGE, self.age.clone());
        self
    }

    /// Everything in the `OpenMetrics` text format; `age` is for how many seconds the cluster has not said what its catalog is.
    #[must_use]
    pub fn encode(&self, age: f64) -> String {
        self.age.set(age);
        let mut out = String::new();
        // Writing to a string cannot fail.
        let _ = text::encode(&mut out, &self.registry);
        out
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
}
