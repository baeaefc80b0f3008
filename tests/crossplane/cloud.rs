//! A platform whose claims a real Crossplane composes, and one claim in it.

use std::cell::OnceCell;
use std::path::Path;
use std::sync::OnceLock;

use serde_json::Value;

use crate::database::{Database, clouds};
use crate::support::cluster::apiserver::User;
use crate::support::cluster::binaries::{Absent, Binaries, CrossplaneBinaries, Functions};
use crate::support::cluster::crossplane::{Crossplane, provider_crds};
use crate::support::cluster::platform::Platform;
use crate::support::pipeline::Pipeline;

/// What `crossplane/` ships beside `functions.yaml`, in the order of its README.
const SHIPPED: [&str; 5] = [
    "rbac.yaml",
    "activation-policy.yaml",
    "composition-aws.yaml",
    "composition-gcp.yaml",
    "composition-oci.yaml",
];

/// Everything, for all cases.
pub struct Cloud {
    // Dropped in this order.
    pub crossplane: Crossplane,
    pub platform: Platform,
    databases: OnceLock<Vec<Value>>,
    pipeline: OnceLock<Pipeline>,
    functions: Functions,
}

impl Cloud {
    /// Starts all of it.
    pub fn start() -> Result<Self, Absent> {
        let (crds, binaries, programs) = (provider_crds()?, Binaries::find()?, CrossplaneBinaries::find()?);
        let started = OnceCell::new();
        let platform = Platform::start_with(binaries, |platform| {
            let crossplane = started.get_or_init(|| Crossplane::start(&platform.api, &programs, &crds));
            apply(platform, &shipped("mysqlinstanceclaim-xrd.yaml"));
            crossplane.until("the XRD is established", || established(platform));
            platform.await_crd();
        });
        for name in SHIPPED {
            apply(&platform, &shipped(name));
        }
        let crossplane = started.into_inner().unwrap();
        Ok(Self {
            crossplane,
            platform,
            databases: OnceLock::new(),
            pipeline: OnceLock::new(),
            functions: programs.functions,
        })
    }

    /// A database in use in each cloud, the same ones for all cases that run alone.
    pub fn databases(&self) -> Vec<Database<'_>> {
        let bare = self.databases.get_or_init(|| {
            let team = self.platform.team("held");
            let asked = clouds().map(|(name, changes)| Database::ask(self, &team, name, changes));
            asked.iter().for_each(Database::provide);
            asked.map(|database| database.bare).to_vec()
        });
        let team = self.platform.in_namespace("held");
        bare.iter()
            .map(|bare| Database::of(self, &team, bare.clone()))
            .collect()
    }

    /// The functions once more, without Crossplane.
    pub fn pipeline(&self) -> &Pipeline {
        self.pipeline.get_or_init(|| Pipeline::start(self.functions.clone()))
    }

    /// Reads an object by its path.
    pub fn get(&self, path: &str) -> Option<Value> {
        let answer = self.platform.api.call(User::Admin, "GET", path, None);
        (answer.code != 404).then(|| answer.ok())
    }
}

/// The text of a file that we ship.
pub fn shipped(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("crossplane").join(name);
    std::fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// Applies a text as the cluster's administrator.
pub fn apply(platform: &Platform, text: &str) {
    platform
        .api
        .kubectl(User::Admin, &["apply", "--filename", "-"], text)
        .ok();
}

fn established(platform: &Platform) -> Result<(), String> {
    let path =
        "/apis/apiextensions.crossplane.io/v2/compositeresourcedefinitions/mysqlinstanceclaims.db.platform.example.org";
    let xrd = platform.api.call(User::Admin, "GET", path, None).ok();
    match condition(&xrd, "Established") {
        Some(condition) if condition["status"] == "True" => Ok(()),
        _ => Err(format!("{:#}", xrd["status"])),
    }
}

/// A condition of an object.
pub fn condition<'a>(object: &'a Value, kind: &str) -> Option<&'a Value> {
    let conditions = object["status"]["conditions"].as_array()?;
    conditions.iter().find(|condition| condition["type"] == kind)
}
