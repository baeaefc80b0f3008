//! Whether the server is ready, and what it has to say of itself.

use axum::response::IntoResponse;

use super::State;
use crate::catalog::followed::Followed;
use crate::certs::Certificates;
use crate::certs::seconds::now;
use crate::health::{Check, readiness};

/// What `/readyz` answers.
pub(super) fn readyz(state: &State, certificates: &Certificates, query: Option<&str>) -> impl IntoResponse + use<> {
    readiness(&state.checks(certificates), query)
}

impl State {
    /// Ready from when there are a catalog, whatever it holds, and a certificate, and until the server is about to end. What it
    /// serves from stays good, so nothing else takes it out of service: what was refused since, or that the cluster is away, is
    /// said of a check that is good.
    pub(super) fn checks(&self, certificates: &Certificates) -> [Check; 3] {
        let serving = if self.is_draining() {
            Err("the server is ending".to_owned())
        } else {
            Ok(String::new())
        };
        let status = certificates.status();
        let refusal = status.refusal.unwrap_or_default();
        let certificate = match status.leaf.map(|leaf| leaf.validity.not_after) {
            None => Err(format!("there is no serving certificate yet: {refusal}")),
            Some(not_after) => {
                let expires = if not_after < now() { "it expired" } else { "it expires" };
                let newest = if refusal.is_empty() {
                    ""
                } else {
                    "; the newest is refused: "
                };
                Ok(format!("{expires} at Unix time {not_after}{newest}{refusal}"))
            }
        };
        [
            ("serving", serving),
            ("certificate", certificate),
            ("catalog", self.told_of_catalog()),
        ]
    }

    /// Why there is nothing to decide by.
    pub(super) fn why_no_catalog(&self) -> String {
        let why = self.followed.as_ref().and_then(Followed::away).unwrap_or_default();
        format!("there is no catalog yet: {why}")
    }

    fn told_of_catalog(&self) -> Result<String, String> {
        let held = self.catalog.current().ok_or_else(|| self.why_no_catalog())?;
        let revision = held.snapshot().revision().short();
        if let Some(refusal) = self.catalog_refusal.load().as_deref() {
            return Ok(format!(
                "still revision {revision}; the newest change is refused: {refusal}"
            ));
        }
        Ok(match self.followed.as_ref().and_then(Followed::away) {
            None => format!("revision {revision}"),
            Some(why) => format!("still revision {revision}: {why}"),
        })
    }
}
