//! Secrets and webhook configurations as they are read and written, and what the cluster says to that.

use std::collections::BTreeMap;
use std::fmt::Display;

use k8s_openapi::ByteString;
use k8s_openapi::api::core::v1::Secret;
use kube::Api;
use kube::api::{ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::Keeper;
use crate::catalog::cluster::said;
use crate::certs::keep::{BUNDLE, CERT, Held, KEY};
use crate::controller::FIELD_MANAGER;

/// A webhook configuration.
pub(super) struct Place {
    pub(super) kind: &'static str,
    pub(super) name: &'static str,
    pub(super) version: Option<String>,
    pub(super) needed: bool,
    /// Each webhook's name and bundle.
    pub(super) entries: Vec<(String, Vec<u8>)>,
}

impl Place {
    /// Whether each of its webhooks has this bundle.
    pub(super) fn has(&self, pem: &str) -> bool {
        self.entries.iter().all(|(_, published)| published == pem.as_bytes())
    }
}

/// A Secret, and the version it has if it is there.
#[derive(Default)]
pub(super) struct Found {
    pub(super) held: Held,
    pub(super) version: Option<String>,
}

impl Keeper<'_> {
    pub(super) fn places(&self, kind: &str) -> Api<DynamicObject> {
        let kind = GroupVersionKind::gvk("admissionregistration.k8s.io", "v1", kind);
        Api::all_with(self.client.clone(), &ApiResource::from_gvk(&kind))
    }

    pub(super) async fn place(
        &self,
        kind: &'static str,
        name: &'static str,
        needed: bool,
    ) -> Result<Option<Place>, String> {
        let found = self.places(kind).get_opt(name).await;
        let found = found.map_err(|error| cannot(format_args!("{kind} {name}"), "get", &error))?;
        Ok(found.map(|object| {
            let webhooks = object.data.get("webhooks").and_then(Value::as_array);
            let entry = |webhook: &Value| {
                let name = webhook.get("name")?.as_str()?.to_owned();
                let bundle = webhook.pointer("/clientConfig/caBundle").and_then(Value::as_str);
                let bundle = base64_simd::STANDARD.decode_to_vec(bundle.unwrap_or_default());
                Some((name, bundle.unwrap_or_default()))
            };
            Place {
                kind,
                name,
                version: object.metadata.resource_version,
                needed,
                entries: webhooks.into_iter().flatten().filter_map(entry).collect(),
            }
        }))
    }

    fn secrets(&self) -> Api<Secret> {
        Api::namespaced(self.client.clone(), &self.settings.namespace)
    }

    /// The Secret, empty where there is none.
    pub(super) async fn secret(&self, name: &str) -> Result<Found, String> {
        let found = self.secrets().get_opt(name).await;
        let found = found.map_err(|error| cannot(self.called(name), "get", &error))?;
        Ok(found.map_or_else(Found::default, |secret| {
            let mut data: BTreeMap<String, ByteString> = secret.data.unwrap_or_default();
            let mut field = |name| data.remove(name).map(|bytes| bytes.0).unwrap_or_default();
            Found {
                held: Held {
                    cert: field(CERT),
                    key: field(KEY),
                    bundle: field(BUNDLE),
                },
                version: secret.metadata.resource_version,
            }
        }))
    }

    /// Writes a Secret, unless it is not any more as it was read. Whether it was written.
    pub(super) async fn write(&self, name: &str, version: Option<String>, held: &Held) -> Result<bool, String> {
        let base64 = |bytes: &[u8]| base64_simd::STANDARD.encode_to_string(bytes);
        let patch = json!({
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name,
                "namespace": self.settings.namespace,
                "resourceVersion": version,
                "labels": {"app.kubernetes.io/name": "idp-multicloud"},
            },
            "type": "kubernetes.io/tls",
            "data": {CERT: base64(&held.cert), KEY: base64(&held.key), BUNDLE: base64(&held.bundle)},
        });
        match self.secrets().patch(name, &params(), &Patch::Apply(patch)).await {
            Ok(_) => Ok(true),
            Err(error) if is_outrun(&error) => Ok(false),
            Err(error) => Err(cannot(self.called(name), "create and patch", &error)),
        }
    }

    fn called(&self, secret: &str) -> String {
        format!("Secret {}/{secret}", self.settings.namespace)
    }
}

pub(super) fn params() -> PatchParams {
    PatchParams::apply(FIELD_MANAGER).force()
}

/// Whether it is not any more what was read: that is no failure, and the next look tells.
pub(super) fn is_outrun(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if matches!(status.code, 404 | 409))
}

/// That this cannot be done to an object, what to do, and what the cluster said.
pub(super) fn cannot(object: impl Display, verb: &str, error: &kube::Error) -> String {
    let remedy = match error {
        kube::Error::Api(status) if status.code == 403 => format!("give this account the right to {verb} it"),
        kube::Error::Api(status) if status.code == 422 => {
            "if it is immutable, or of another type than kubernetes.io/tls, delete it: it is made anew".to_owned()
        }
        kube::Error::Api(_) => "see what the API server says".to_owned(),
        _ => "see whether the API server can be reached".to_owned(),
    };
    format!("{object}: cannot {verb} it ({remedy}): {}", said(error))
}
