use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::*;
use crate::catalog::{API_VERSION, KINDS, Object, check::problems_of_each};

/// All that a schema may say. Two more are for what Kubernetes has to know of conditions.
const ALLOWED: [&str; 5] = ["type", "description", "properties", "items", "additionalProperties"];

fn schemas() -> Vec<(String, Value)> {
    let crds = crds().into_iter().map(|crd| serde_json::to_value(crd).unwrap());
    let schema = |crd: Value| {
        let kind = crd["spec"]["names"]["kind"].as_str().unwrap().to_owned();
        (kind, crd["spec"]["versions"][0]["schema"]["openAPIV3Schema"].clone())
    };
    crds.map(schema).collect()
}

fn faults(path: &str, schema: &Value) -> Vec<String> {
    let node = schema.as_object().unwrap();
    let of_conditions = |key: &str| match path.split_once(".status.conditions").map(|(_, rest)| rest) {
        Some("") => key.starts_with("x-kubernetes-list-"),
        Some("[]") => key == "required",
        Some("[].lastTransitionTime") => key == "format",
        _ => false,
    };
    let number = |key: &str| key == "format" && node["type"] == "number" && node["format"] == "double";
    let any = |key: &str| {
        path == "PlacementPolicy.spec.params.*"
            && ["x-kubernetes-preserve-unknown-fields", "maxProperties"].contains(&key)
    };
    let keys = node.keys().map(String::as_str);
    let strange = keys.filter(|key| !(ALLOWED.contains(key) || of_conditions(key) || number(key) || any(key)));
    let mut faults: Vec<String> = strange.map(|key| format!("{path}: {key}")).collect();
    for (name, property) in node.get("properties").and_then(Value::as_object).into_iter().flatten() {
        let path = format!("{path}.{name}");
        let described = property["description"]
            .as_str()
            .is_some_and(|text| !text.is_empty() && !text.contains('\n'));
        if !described {
            faults.push(format!("{path}: no description of one line"));
        }
        faults.extend(self::faults(&path, property));
    }
    for (key, below) in [("additionalProperties", ".*"), ("items", "[]")] {
        if let Some(schema) = node.get(key) {
            faults.extend(self::faults(&format!("{path}{below}"), schema));
        }
    }
    faults
}

#[test]
fn schemas_hold_types_and_describe_every_field() {
    for (kind, schema) in schemas() {
        assert_eq!(faults(&kind, &schema), Vec::<String>::new());
        assert!(schema["description"].is_string(), "{kind}");
    }
}

#[test]
fn every_kind_of_the_catalog_has_its_definition() {
    let kinds: Vec<String> = schemas().into_iter().map(|(kind, _)| kind).collect();
    assert_eq!(kinds, KINDS);
}

/// What a schema lets through, in the words of the check: an object made of every field there is.
#[test]
fn the_fields_of_the_schemas_are_those_that_the_check_knows() {
    fn sample(schema: &Value) -> Value {
        match schema["type"].as_str() {
            Some("object") => match schema["properties"].as_object() {
                Some(fields) => fields
                    .iter()
                    .map(|(name, field)| (name.clone(), sample(field)))
                    .collect(),
                None => json!({ "key": sample(&schema["additionalProperties"]) }),
            },
            Some("array") => json!([sample(&schema["items"])]),
            Some("integer") => json!(1),
            Some("number") => json!(0.5),
            None => json!(true),
            _ => json!("x"),
        }
    }
    for (kind, schema) in schemas() {
        let spec = sample(&schema["properties"]["spec"]);
        let value = json!({ "apiVersion": API_VERSION, "kind": kind, "metadata": { "name": "x" }, "spec": spec });
        let object = Object {
            file: String::new(),
            value,
        };
        let unknown: Vec<_> = problems_of_each(std::slice::from_ref(&object))
            .into_iter()
            .filter(|problem| problem.message.contains("is not known here"))
            .collect();
        assert_eq!(unknown, [], "{kind}");
        // A field that the check knows and the schema does not would be pruned by the API server.
        let mut odd = object;
        odd.value["spec"]["odd"] = json!(1);
        let problems = problems_of_each(&[odd]);
        let told = problems.iter().find(|problem| problem.path == "spec.odd").unwrap();
        let known: BTreeSet<&str> = told.message.split("known: ").nth(1).unwrap().split(", ").collect();
        let fields: BTreeSet<&str> = schema["properties"]["spec"]["properties"]
            .as_object()
            .unwrap()
            .keys()
            .map(String::as_str)
            .collect();
        assert_eq!(known, fields, "{kind}");
    }
}
