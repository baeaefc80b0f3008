//! What the schemas of our `CustomResourceDefinition`s have in common.

use std::collections::BTreeMap;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use schemars::{Schema, SchemaGenerator, json_schema};

/// Makes all of a schema non-nullable, its descriptions one line each, and nothing required at its root. The label says
/// which part of the product the definition belongs to.
pub fn tidy(crd: &mut CustomResourceDefinition, part: &str) {
    let labels = [("name", "idp-multicloud"), ("component", part)];
    let labels = labels.map(|(name, value)| (format!("app.kubernetes.io/{name}"), value.to_owned()));
    crd.metadata.labels = Some(labels.into());
    for root in roots(crd) {
        tidy_all(root);
        root.title = None;
        root.required = None;
    }
}

/// The schema of each version.
pub fn roots(crd: &mut CustomResourceDefinition) -> impl Iterator<Item = &mut JSONSchemaProps> {
    let versions = crd.spec.versions.iter_mut();
    let schemas = versions.filter_map(|version| version.schema.as_mut());
    schemas.filter_map(|schema| schema.open_api_v3_schema.as_mut())
}

fn tidy_all(schema: &mut JSONSchemaProps) {
    schema.nullable = None;
    schema.description = schema.description.take().map(|text| text.replace('\n', " "));
    schema
        .properties
        .iter_mut()
        .flat_map(BTreeMap::values_mut)
        .for_each(tidy_all);
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        tidy_all(items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        tidy_all(values);
    }
}

/// An integer without the format that schemars derives from a Rust type. A field that uses this needs
/// `#[serde(default)]`: schemars no longer sees its `Option` and would require it.
#[must_use]
pub fn integer(_: &mut SchemaGenerator) -> Schema {
    json_schema!({ "type": "integer" })
}
