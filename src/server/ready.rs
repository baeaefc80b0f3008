//! Whether the server is ready, and what it has to say of itself.

use std::fmt::Write;

use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};

use super::State;
use crate::catalog::followed::Followed;
use crate::certs::Certificates;

/// Ready from when there is a catalog, whatever it holds, and until the server is about to end. What it serves from stays
/// good, so nothing else takes it out of service; `?verbose` says what was refused since.
pub(super) fn readyz(state: &State, certificates: &Certificates, query: Option<&str>) -> Response {
    let held = state.catalog.current();
    let not_ready = match &held {
        _ if state.is_draining() => Some("the server is ending".to_owned()),
        None => Some(format!("there is no catalog yet: {}", state.why_no_catalog())),
        Some(_) => None,
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
        let status = certificates.status();
        let not_after = status.validity.not_after;
        line(
            true,
            "certificate",
            match status.refusal {
                None => format!("ok, expires at Unix time {not_after}"),
                Some(refusal) => format!("ok, expires at Unix time {not_after}; the newest is refused: {refusal}"),
            },
        );
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
