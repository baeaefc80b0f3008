//! The claim as Crossplane is told of it: a `CompositeResourceDefinition`, made from the CRD. No second set of types
//! comes in.
//!
//! Crossplane 2.3 makes a CRD of it again (crossplane-runtime v2.3.3, `pkg/xcrd/crd.go`). It takes the descriptions and
//! the properties of `spec` and `status`, and puts its own over ours: the limit of the name, `spec.crossplane` and
//! `status.conditions`. So the XRD has none of these.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinitionVersion, JSONSchemaProps,
};
use serde_json::{Value, json};

/// The properties that Crossplane puts in itself.
const INJECTED: [&[&str]; 3] = [&["metadata"], &["spec", "crossplane"], &["status", "conditions"]];

/// The column that Crossplane adds as its last one, with the same content.
const INJECTED_COLUMN: &str = "Age";

/// The `CompositeResourceDefinition` of `MySQLInstanceClaim`, for clusters with Crossplane.
///
/// It names no composition: which one builds a claim's database, admission says by the claim's selector.
#[must_use]
pub fn xrd() -> Value {
    let crd = super::crd();
    let versions: Vec<Value> = crd.spec.versions.into_iter().map(version).collect();
    json!({
        "apiVersion": "apiextensions.crossplane.io/v2",
        "kind": "CompositeResourceDefinition",
        "metadata": { "name": crd.metadata.name },
        "spec": {
            "group": crd.spec.group,
            "names": crd.spec.names,
            "scope": crd.spec.scope,
            "defaultCompositionUpdatePolicy": "Manual",
            "versions": versions,
        },
    })
}

fn version(mut version: CustomResourceDefinitionVersion) -> Value {
    if let Some(columns) = &mut version.additional_printer_columns {
        columns.retain(|column| column.name != INJECTED_COLUMN);
    }
    if let Some(root) = version
        .schema
        .as_mut()
        .and_then(|schema| schema.open_api_v3_schema.as_mut())
    {
        for path in INJECTED {
            remove(root, path);
        }
    }
    json!({
        "name": version.name,
        "served": version.served,
        "referenceable": version.storage,
        "additionalPrinterColumns": version.additional_printer_columns,
        "schema": version.schema,
    })
}

/// Takes the property at `path` out of a schema.
fn remove(schema: &mut JSONSchemaProps, path: &[&str]) {
    let (Some(properties), [first, rest @ ..]) = (&mut schema.properties, path) else {
        return;
    };
    if rest.is_empty() {
        properties.remove(*first);
    } else if let Some(property) = properties.get_mut(*first) {
        remove(property, rest);
    }
}

#[cfg(test)]
mod tests {
    use super::super::tests::{injected, root};
    use super::*;

    #[test]
    fn the_xrd_has_the_schema_of_the_crd_without_what_crossplane_injects() {
        let mut wanted = root();
        for (pointer, _) in injected() {
            let (parent, name) = pointer.rsplit_once('/').unwrap();
            let removed = wanted
                .pointer_mut(parent)
                .unwrap()
                .as_object_mut()
                .unwrap()
                .remove(name);
            assert!(removed.is_some(), "the CRD has no {pointer}");
        }
        assert_eq!(
            xrd()["spec"]["versions"][0]["schema"],
            json!({ "openAPIV3Schema": wanted })
        );
    }

    #[test]
    fn the_xrd_defines_the_kind_itself_and_leaves_each_composition_to_the_selector_and_each_update_to_an_operator() {
        let mut xrd = xrd();
        let version = xrd["spec"]["versions"][0].as_object_mut().unwrap();
        version.remove("schema");
        version.remove("additionalPrinterColumns");
        assert_eq!(
            xrd,
            json!({
                "apiVersion": "apiextensions.crossplane.io/v2",
                "kind": "CompositeResourceDefinition",
                "metadata": { "name": "mysqlinstanceclaims.db.platform.example.org" },
                "spec": {
                    "group": "db.platform.example.org",
                    "names": {
                        "kind": "MySQLInstanceClaim",
                        "plural": "mysqlinstanceclaims",
                        "singular": "mysqlinstanceclaim",
                        "shortNames": ["mic"],
                        "categories": ["platform"],
                    },
                    "scope": "Namespaced",
                    "defaultCompositionUpdatePolicy": "Manual",
                    "versions": [{ "name": "v1alpha1", "served": true, "referenceable": true }],
                },
            })
        );
    }

    #[test]
    fn the_xrd_has_the_printer_columns_of_the_crd_but_the_age_that_crossplane_adds() {
        let crd = serde_json::to_value(super::super::crd()).unwrap();
        let mut columns = crd["spec"]["versions"][0]["additionalPrinterColumns"].clone();
        let age = columns.as_array_mut().unwrap().pop().unwrap();
        assert_eq!(age["jsonPath"], ".metadata.creationTimestamp");
        assert_eq!(xrd()["spec"]["versions"][0]["additionalPrinterColumns"], columns);
    }
}
