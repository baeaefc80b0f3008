//! What operators change under load: certificates, the authority, the catalog.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::Duration;

use idp_multicloud::catalog::Object;
use serde_json::{Value, json};

use crate::support::cluster::apiserver::User;
use crate::support::cluster::catalog::{self, CELL, delete, put, rescored};
use crate::support::cluster::objects::{NAMESPACE, SERVICE};
use crate::support::cluster::pki::Authority;
use crate::support::server::{binary, eventually};
use crate::world::World;
use crate::{Fault, Form, nothing};

pub const FAULTS: &[Fault] = &[
    Fault {
        name: "certificates_and_authority_rotated",
        what: "certificates and CA rotated, twice",
        seen: "nothing",
        short: false,
        may: &[],
        felt: false,
        strike: rotated,
        missing: nothing,
    },
    Fault {
        name: "catalog_edited_broken_and_emptied",
        what: "catalog (objects) edited, broken, emptied, filled again",
        seen: "the bad edit: 403; while it is empty, new claims: 403",
        short: false,
        may: &[403],
        felt: true,
        strike: objects,
        missing: nothing,
    },
    Fault {
        name: "catalog_folder_edited_broken_and_emptied",
        what: "catalog (folder) edited, broken, emptied, filled again",
        seen: "nothing: the last good one serves",
        short: false,
        may: &[],
        felt: false,
        strike: folder,
        missing: nothing,
    },
];

/// How long the API server may take until it uses a bundle that was published.
const PUBLISHED: Duration = Duration::from_secs(2);

fn rotated(world: &mut World, _: Form) {
    let ours = world.platform.authority();
    let service = format!("{SERVICE}.{NAMESPACE}.svc");
    let folder = world.platform.pair().cert.parent().unwrap().to_owned();
    for _ in 0..2 {
        taken_up(world, |world| world.platform.rotate());
        // As the controller does it: what is trusted already issues, and what issues no longer is trusted until then.
        let other = Authority::new();
        publish(world, &(ours.clone() + &other.pem()));
        taken_up(world, |_| drop(other.issue(&[&service], &folder)));
        publish(world, &other.pem());
        publish(world, &(other.pem() + &ours));
        taken_up(world, |world| world.platform.rotate());
        publish(world, &ours);
    }
}

fn publish(world: &World, bundle: &str) {
    world.platform.call_webhooks_at(world.platform.balancer.port(), bundle);
    thread::sleep(PUBLISHED);
}

/// Waits until every instance serves by the pair that `issue` writes.
fn taken_up(world: &World, issue: impl FnOnce(&World)) {
    let served = || world.instances.iter().map(|instance| instance.connect().certificate());
    let old: Vec<_> = served().collect();
    issue(world);
    eventually("the new certificate is in force", || {
        served().zip(&old).all(|(new, old)| new != *old)
    });
}

fn objects(world: &mut World, form: Form) {
    let original = catalog::objects(&world.platform.api);
    for number in 1..=form.pick(3, 12) {
        world.edit_catalog(number);
        in_force(world);
    }
    let cell = world.platform.api.call(User::Admin, "GET", CELL, None).ok();
    let broken = world.platform.api.call(User::Admin, "PUT", CELL, Some(&broken(cell)));
    broken.forbidden(&["scores.cost"]);
    // One at a time, as instances may see those of different kinds in another order.
    for object in &original {
        delete(&world.platform.api, &object.value);
        world.keep();
        in_force(world);
    }
    form.wait(Duration::from_secs(1), Duration::from_secs(10));
    for object in original.iter().rev() {
        put(&world.platform.api, &object.value);
        world.keep();
        in_force(world);
    }
}

fn broken(mut cell: Value) -> Value {
    cell["spec"]["candidates"][0]["scores"]["cost"] = json!(1.5);
    cell
}

/// Waits until every instance decides by the catalog as it is.
fn in_force(world: &mut World) {
    let revision = world.keep();
    let told = format!("catalog ok: revision {}", &revision[..8]);
    eventually("the catalog is in force", || {
        let mut instances = world.instances.iter();
        instances.all(|instance| instance.get("/readyz?verbose").body.contains(&told))
    });
}

fn folder(world: &mut World, form: Form) {
    let original: Vec<Object> = catalog::objects(&world.platform.api).iter().map(bare).collect();
    let folder = world.platform.api.folder("catalog-in-a-folder");
    fill(&folder, &original);
    world.revisions.keep(&original);
    let pair = world.platform.pair();
    let new = world
        .instances
        .iter()
        .map(|_| world.instance_with(binary(), &pair, Some(&folder)));
    world.replace(new.collect());
    for number in 1..=form.pick(1, 6) {
        let mut edited = original.clone();
        let cell = edited
            .iter_mut()
            .find(|object| object.value["metadata"]["name"] == "payments")
            .unwrap();
        cell.value = rescored(cell.value.clone(), number);
        fill(&folder, &edited);
        world.revisions.keep(&edited);
        form.wait(POLLED, POLLED);
    }
    let refused = |world: &World| {
        eventually("the change is refused", || {
            let mut instances = world.instances.iter();
            instances.all(|instance| {
                instance
                    .get("/readyz?verbose")
                    .body
                    .contains("the newest change is refused")
            })
        });
    };
    fs::write(folder.join("0.yaml"), "kind: [").unwrap();
    refused(world);
    form.wait(POLLED, Duration::from_secs(10));
    for file in fs::read_dir(&folder).unwrap() {
        fs::remove_file(file.unwrap().path()).unwrap();
    }
    refused(world);
    form.wait(POLLED, Duration::from_secs(10));
    fill(&folder, &original);
    form.wait(POLLED, POLLED);
}

/// How long instances may take until they have looked at a folder again.
const POLLED: Duration = Duration::from_millis(2500);

/// As it is in a repository.
fn bare(object: &Object) -> Object {
    let mut bare = object.clone();
    bare.value["metadata"] = json!({"name": object.value["metadata"]["name"]});
    bare.value.as_object_mut().unwrap().remove("status");
    bare
}

/// Writes each object into a file of its own, which appears at once.
fn fill(folder: &Path, objects: &[Object]) {
    for (number, object) in objects.iter().enumerate() {
        let new = folder.join("new");
        fs::write(&new, object.value.to_string()).unwrap();
        fs::rename(new, folder.join(format!("{number}.yaml"))).unwrap();
    }
}
