//! Whether the server is ready, and what it has to say of itself.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::State;
use crate::catalog::followed::Followed;
use crate::certs::Certificates;
use crate::certs::seconds::now;

/// Ready from when there are a catalog, whatever it holds, and a certificate, and until the server is about to end. What it
/// serves from stays good, so nothing else takes it out of service; `?verbose` says what was refused since.
pub(super) fn readyz(state: &State, certificates: &Certificates, query: Option<&str>) -> Response {
    let held = state.catalog.current();
    let certificate = certificates.status();
    let refusal = certificate.refusal.unwrap_or_default();
    let not_ready = match (&held, &certificate.leaf) {
        _ if state.is_draining() => Some("the server is ending".to_owned()),
        (_, None) => Some(format!("there is no serving certificate yet: {refusal}")),
        (None, _) => Some(format!("there is no catalog yet: {}", state.why_no_catalog())),
        (Some(_), Some(_)) => None,
    };
    let mut text = String::new();
    if query.is_some_and(|query| {
        query
            .split('&')
            .any(|pair| pair == "verbose" || pair.starts_with("verbose="))
    }) {
        let mut line = |good: bool, check: &str, state: String| {
            let _ = writeln!(text, "[{}]{check}: {state}", if good { '+' } else { '-' });
        };
        line(held.is_some(), "catalog", state.told_of_catalog());
        let told = match certificate.leaf.as_ref().map(|leaf| leaf.validity.not_after) {
            None => refusal,
            Some(not_after) => {
                let standing = if not_after < now() { "expired" } else { "ok, expires" };
                let newest = if refusal.is_empty() {
                    ""
                } else {
                    "; the newest is refused: "
                };
                format!("{standing} at Unix time {not_after}{newest}{refusal}")
            }
        };
        line(certificate.leaf.is_some(), "certificate", told);
        let serving = if state.is_draining() { "ending" } else { "ok" };
        line(!state.is_draining(), "serving", serving.to_owned());
    }
    match not_ready {
        None => {
            text.push_str("ready\n");
            text.into_response()
        }
        Some(why) => {
            let _ = writeln!(text, "not ready: {why}");
            (StatusCode::SERVICE_UNAVAILABLE, text).into_response()
        }
    }
}

impl State {
    /// Why there is nothing to decide by.
    pub(super) fn why_no_catalog(&self) -> String {
        self.followed.as_ref().and_then(Followed::away).unwrap_or_default()
    }

    fn told_of_catalog(&self) -> String {
        let Some(held) = self.catalog.current() else {
            return self.why_no_catalog();
        };
        let revision = held.snapshot().revision().short();
        if let Some(refusal) = self.catalog_refusal.load().as_deref() {
            return format!("ok, still revision {revision}; the newest change is refused: {refusal}");
        }
        match self.followed.as_ref().and_then(Followed::away) {
            None => format!("ok, revision {revision}"),
            Some(why) => format!("ok, still revision {revision}: {why}"),
        }
    }
}
