//! The catalog inside the binary: what `serve` and `place` decide from when they are given no other.

use super::check::{CatalogError, check};
use super::folder::objects;
use super::snapshot::Snapshot;

/// The built-in catalog, through the same check as every other.
///
/// # Errors
/// Never in a released binary: a test loads it.
pub fn load() -> Result<Snapshot, CatalogError> {
    check(&objects("builtin.yaml", include_str!("builtin.yaml"))?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    /// The paragraph "Built in" of the design, by name.
    #[test]
    fn the_built_in_catalog_is_what_the_design_says() {
        let provider = |keys: &[&str]| json!({ "networkKeys": keys });
        let tier = |rto: u32, rpo: u32, requires: &[&str], [latency, dr, maturity, cost]: [f64; 4]| {
            json!({
                "rtoMinutes": rto,
                "rpoMinutes": rpo,
                "requires": requires,
                "weights": { "latency": latency, "dr": dr, "maturity": maturity, "cost": cost },
            })
        };
        let snapshot = load().unwrap();
        let expected = [
            (
                "CloudProvider",
                "aws",
                provider(&["dbSubnetGroup", "securityGroup", "vpcId"]),
            ),
            ("CloudProvider", "gcp", provider(&["allocatedIpRange", "network"])),
            (
                "CloudProvider",
                "oci",
                provider(&["availabilityDomain", "compartmentId", "subnetId"]),
            ),
            (
                "Tier",
                "c0",
                tier(
                    30,
                    5,
                    &["MultiAZ", "PITR", "PrivateNetworking"],
                    [0.30, 0.30, 0.25, 0.15],
                ),
            ),
            (
                "Tier",
                "c1",
                tier(120, 15, &["PITR", "PrivateNetworking"], [0.25, 0.25, 0.25, 0.25]),
            ),
            (
                "Tier",
                "c2",
                tier(480, 60, &["PrivateNetworking"], [0.20, 0.15, 0.15, 0.50]),
            ),
            (
                "Cell",
                "payments",
                json!({
                    "environments": ["dev", "prod", "staging"],
                    "candidates": [
                        {
                            "name": "aws-us-east-1",
                            "provider": "aws",
                            "region": "us-east-1",
                            "runtimeCluster": "aws-use1-prod",
                            "network": {
                                "vpcId": "vpc-0payments",
                                "dbSubnetGroup": "payments-private",
                                "securityGroup": "sg-0payments",
                            },
                            "capabilities": ["MultiAZ", "PITR", "PrivateNetworking"],
                            "scores": { "latency": 0.90, "dr": 0.95, "maturity": 0.95, "cost": 0.50 },
                        },
                        {
                            "name": "gcp-us-central1",
                            "provider": "gcp",
                            "region": "us-central1",
                            "runtimeCluster": "gcp-usc1-prod",
                            "network": {
                                "network": "projects/payments-host/global/networks/payments",
                                "allocatedIpRange": "payments-mysql",
                            },
                            "capabilities": ["MultiAZ", "PITR", "PrivateNetworking"],
                            "scores": { "latency": 0.88, "dr": 0.85, "maturity": 0.88, "cost": 0.65 },
                        },
                        {
                            "name": "oci-us-ashburn-1",
                            "provider": "oci",
                            "region": "us-ashburn-1",
                            "runtimeCluster": "oci-iad-prod",
                            "network": {
                                "compartmentId": "ocid1.compartment.oc1..payments",
                                "subnetId": "ocid1.subnet.oc1.iad.payments",
                                "availabilityDomain": "Uocm:US-ASHBURN-AD-1",
                            },
                            "capabilities": ["PITR", "PrivateNetworking"],
                            "scores": { "latency": 0.80, "dr": 0.70, "maturity": 0.65, "cost": 0.85 },
                        },
                    ],
                }),
            ),
        ]
        .map(|(kind, name, spec)| {
            json!({
                "apiVersion": "platform.example.org/v1alpha1",
                "kind": kind,
                "metadata": { "name": name },
                "spec": spec,
            })
        });
        assert_eq!(snapshot.objects(), expected);
    }

    #[test]
    fn names_are_looked_up_as_claims_give_them() {
        let snapshot = load().unwrap();
        for name in ["c1", "C1"] {
            assert_eq!(
                snapshot.tier(name).map(super::super::Tier::shown).as_deref(),
                Some("C1")
            );
        }
        assert!(snapshot.tier("c3").is_none() && snapshot.tier("").is_none());
        assert!(snapshot.cell("payments").is_some() && snapshot.cell("Payments").is_none());
        assert!(snapshot.cells().map(|cell| &cell.name).eq(["payments"]));
        assert!(snapshot.tiers().map(|tier| &tier.name).eq(["c0", "c1", "c2"]));
        assert!(
            snapshot
                .providers()
                .map(|provider| &provider.name)
                .eq(["aws", "gcp", "oci"])
        );
    }
}
