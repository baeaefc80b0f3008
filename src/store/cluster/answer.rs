//! What the API server answers, and what that means. An answer is told apart by its status, reason, details and causes, and
//! never by its words.

use axum::http::response::Parts;
use serde_json::Value;

use super::super::StoreError;
use super::RESOURCE;
use crate::claim::{Cause, Problem};

/// An answer of the API server.
pub(super) struct Answer {
    pub(super) status: u16,
    warnings: Vec<String>,
    body: Value,
}

impl Answer {
    pub(super) fn new(head: &Parts, body: &[u8]) -> Self {
        let warnings = head
            .headers
            .get_all("warning")
            .iter()
            .filter_map(|value| value.to_str().ok());
        Self {
            status: head.status.as_u16(),
            warnings: warnings.filter_map(warning).collect(),
            // What is no JSON comes from a server that is none of Kubernetes', or does not know the path.
            body: serde_json::from_slice(body).unwrap_or_default(),
        }
    }

    pub(super) fn warnings(&self) -> Vec<String> {
        self.warnings.clone()
    }

    /// The body of an answer that says it was done.
    pub(super) fn ok(self) -> Result<Value, StoreError> {
        if (200..300).contains(&self.status) {
            Ok(self.body)
        } else {
            Err(self.error())
        }
    }

    /// The same of an answer about claims, whose kind may not be known there.
    pub(super) fn of_claims(self) -> Result<Value, StoreError> {
        let about = self.body.pointer("/details/kind").and_then(Value::as_str);
        if self.status == 404 && !about.is_some_and(|kind| [RESOURCE, "namespaces"].contains(&kind)) {
            return Err(StoreError::NotInstalled);
        }
        self.ok()
    }

    pub(super) fn message(&self) -> String {
        let said = self.body.get("message").and_then(Value::as_str).unwrap_or_default();
        if said.is_empty() {
            format!("the API server answers {} and does not say why", self.status)
        } else {
            said.to_owned()
        }
    }

    pub(super) fn error(&self) -> StoreError {
        let message = self.message();
        let reason = self.body.get("reason").and_then(Value::as_str);
        match self.status {
            401 => StoreError::NotAuthenticated("the API server does not take this token; get a new one".to_owned()),
            403 => match self.problems() {
                Some(problems) => StoreError::Refused(problems),
                None => StoreError::Forbidden(message),
            },
            404 => StoreError::NotFound(message),
            409 if reason == Some("AlreadyExists") => StoreError::AlreadyExists(message),
            409 => StoreError::Changed(message),
            410 => StoreError::Expired,
            429 | 500.. => StoreError::Unavailable(message),
            code => StoreError::Rejected { code, message },
        }
    }

    /// The problems that our own admission found: there are causes, and each has one of our words.
    fn problems(&self) -> Option<Vec<Problem>> {
        let causes = self.body.pointer("/details/causes")?.as_array()?;
        let problem = |cause: &Value| {
            let text = |field: &str| cause.get(field).and_then(Value::as_str).unwrap_or_default();
            Some(Problem::new(
                Cause::from_word(text("reason"))?,
                text("field"),
                text("message"),
            ))
        };
        let problems: Option<Vec<Problem>> = causes.iter().map(problem).collect();
        problems.filter(|problems| !problems.is_empty())
    }
}

/// The text of a `Warning` header (RFC 9110's forerunner RFC 7234, section 5.5): `299 - "text"`.
fn warning(value: &str) -> Option<String> {
    let quoted = value.strip_prefix("299 ")?.split_once('"')?.1;
    let mut text = String::new();
    let mut chars = quoted.chars();
    while let Some(c) = chars.next() {
        match c {
            '"' => return Some(text),
            '\\' => text.extend(chars.next()),
            c => text.push(c),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use axum::http::Response;
    use serde_json::json;

    use super::*;

    fn answer(status: u16, body: &Value) -> Answer {
        let (head, ()) = Response::builder().status(status).body(()).unwrap().into_parts();
        Answer::new(&head, body.to_string().as_bytes())
    }

    fn refused(causes: &Value) -> Answer {
        answer(
            403,
            &json!({"message": "no", "reason": "Forbidden", "details": {"causes": causes}}),
        )
    }

    #[test]
    fn a_refusal_is_ours_only_if_every_cause_has_one_of_our_words() {
        let ours = json!({"reason": "FieldUnknown", "field": "spec.parameters.cell", "message": "there is no cell"});
        assert_eq!(
            refused(&json!([ours])).error(),
            StoreError::Refused(vec![Problem::new(
                Cause::FieldUnknown,
                "spec.parameters.cell",
                "there is no cell"
            )])
        );
        let forbidden = StoreError::Forbidden("no".to_owned());
        for causes in [
            json!([]),
            json!(null),
            json!([ours, {"message": "x"}]),
            json!([{"reason": "NamespaceTerminating"}]),
        ] {
            assert_eq!(refused(&causes).error(), forbidden, "{causes}");
        }
    }

    #[test]
    fn a_404_that_is_about_neither_a_claim_nor_a_namespace_means_that_the_kind_is_not_installed() {
        let about =
            |kind: &str| answer(404, &json!({"message": "no", "details": {"kind": kind, "name": "x"}})).of_claims();
        for kind in ["namespaces", "mysqlinstanceclaims"] {
            assert_eq!(about(kind), Err(StoreError::NotFound("no".to_owned())));
        }
        assert_eq!(
            answer(404, &json!("404 page not found")).of_claims(),
            Err(StoreError::NotInstalled)
        );
        assert_eq!(
            answer(404, &json!({"details": {}})).of_claims(),
            Err(StoreError::NotInstalled)
        );
    }

    #[test]
    fn warnings_are_read_from_their_headers() {
        assert_eq!(warning(r#"299 - "only a fits""#).as_deref(), Some("only a fits"));
        assert_eq!(
            warning(r#"299 - "policy \"x\" \\ says""#).as_deref(),
            Some(r#"policy "x" \ says"#)
        );
        assert_eq!(warning("299 - nothing"), None);
        assert_eq!(warning(r#"299 - "cut off"#), None);
        assert_eq!(warning(r#"110 - "stale""#), None);
    }
}
