use super::*;
use std::fs;
use std::os::unix::fs::symlink;
use tempfile::TempDir;

/// An object that needs no other.
fn provider(name: &str) -> String {
    format!(
        "{{apiVersion: platform.example.org/v1alpha1, kind: CloudProvider, metadata: {{name: {name}}}, spec: {{}}}}\n"
    )
}

/// The least that makes a catalog, and that is not what these tests look at.
const BASE: &str = "\
{apiVersion: platform.example.org/v1alpha1, kind: CloudProvider, metadata: {name: base}, spec: {}}
---
{apiVersion: platform.example.org/v1alpha1, kind: Tier, metadata: {name: t},
 spec: {rtoMinutes: 1, rpoMinutes: 1, weights: {cost: 1}}}
---
apiVersion: platform.example.org/v1alpha1
kind: Cell
metadata: {name: c}
spec: {candidates: [{name: p, provider: base, region: r, runtimeCluster: k, scores: {cost: 1}}]}
";

fn with_base(dir: TempDir) -> TempDir {
    fs::write(dir.path().join("base.yaml"), BASE).unwrap();
    dir
}

fn folder(files: &[(&str, &str)]) -> TempDir {
    let dir = TempDir::new().unwrap();
    for (name, text) in files {
        fs::write(dir.path().join(name), text).unwrap();
    }
    dir
}

fn names(snapshot: &Snapshot) -> Vec<String> {
    let providers = snapshot.providers().map(|provider| provider.name.clone());
    providers.filter(|name| name != "base").collect()
}

/// What is wrong with the folder, its own path left out.
fn message(dir: &Path) -> String {
    let error = load(dir).unwrap_err().to_string();
    error.replace(dir.to_str().unwrap(), "DIR")
}

#[test]
fn every_yaml_file_counts_and_nothing_else() {
    let dir = folder(&[
        (
            "a.yaml",
            &format!("{}---\n# none\n---\n{}", provider("a1"), provider("a2")),
        ),
        ("b.yaml", &provider("b")),
        ("empty.yaml", ""),
        (".hidden.yaml", "no catalog"),
        (".yaml", "no catalog"),
        ("c.yml", "no catalog"),
        ("d.yaml.bak", "no catalog"),
        ("README", "no catalog"),
    ]);
    let dir = with_base(dir);
    fs::create_dir(dir.path().join("sub")).unwrap();
    fs::write(dir.path().join("sub/e.yaml"), "no catalog").unwrap();
    assert_eq!(names(&load(dir.path()).unwrap()), ["a1", "a2", "b"]);
}

/// What a change is judged to be, at the second look.
fn changed(folder: &mut Folder) -> Result<Snapshot, CatalogError> {
    assert!(
        folder.poll().is_none(),
        "wanted: nothing at the first look; saw: a verdict"
    );
    folder.poll().unwrap()
}

#[test]
fn a_mounted_config_map_is_read_through_its_links() {
    let dir = with_base(TempDir::new().unwrap());
    let at = |name: &str| dir.path().join(name);
    for version in ["v1", "v2"] {
        fs::create_dir(at(&format!("..{version}"))).unwrap();
        fs::write(at(&format!("..{version}/a.yaml")), provider(version)).unwrap();
    }
    symlink("..v1", at("..data")).unwrap();
    symlink("..data/a.yaml", at("a.yaml")).unwrap();
    let mut folder = Folder::new(dir.path());
    assert_eq!(names(&changed(&mut folder).unwrap()), ["v1"]);
    assert!(folder.poll().is_none());
    // As the kubelet does it: a new link, renamed over the old one.
    symlink("..v2", at("..tmp")).unwrap();
    fs::rename(at("..tmp"), at("..data")).unwrap();
    assert_eq!(names(&changed(&mut folder).unwrap()), ["v2"]);
    assert!(folder.poll().is_none());
}

#[test]
fn a_swap_between_two_files_gives_no_mixture() {
    let dir = with_base(TempDir::new().unwrap());
    let at = |name: &str| dir.path().join(name);
    let version = |n: u32| {
        fs::create_dir(at(&format!("..v{n}"))).unwrap();
        for file in ["a", "b", "c", "d"] {
            fs::write(at(&format!("..v{n}/{file}.yaml")), provider(&format!("{file}-{n}"))).unwrap();
        }
        symlink(format!("..v{n}"), at("..tmp")).unwrap();
        fs::rename(at("..tmp"), at("..data")).unwrap();
    };
    version(0);
    for file in ["a", "b", "c", "d"] {
        symlink(format!("..data/{file}.yaml"), at(&format!("{file}.yaml"))).unwrap();
    }
    let mut folder = Folder::new(dir.path());
    std::thread::scope(|scope| {
        let writer = scope.spawn(|| {
            for n in 1..100 {
                version(n);
                std::thread::sleep(std::time::Duration::from_micros(500));
            }
        });
        while !writer.is_finished() {
            if let Some(outcome) = folder.poll() {
                let names = names(&outcome.unwrap());
                let versions: std::collections::BTreeSet<_> =
                    names.iter().map(|name| name.split_once('-').unwrap().1).collect();
                assert_eq!((names.len(), versions.len()), (4, 1), "{names:?}");
            }
        }
    });
}

#[test]
fn each_content_is_told_once_whether_good_or_bad() {
    let dir = folder(&[("a.yaml", &provider("a")), ("base.yaml", BASE)]);
    let file = dir.path().join("a.yaml");
    let mut folder = Folder::new(dir.path());
    assert_eq!(names(&changed(&mut folder).unwrap()), ["a"]);
    assert!(folder.poll().is_none());

    fs::write(&file, "kind: [").unwrap();
    assert!(matches!(changed(&mut folder), Err(CatalogError::Invalid(_))));
    assert!(folder.poll().is_none());

    fs::write(&file, provider("b")).unwrap();
    assert_eq!(names(&changed(&mut folder).unwrap()), ["b"]);
    assert!(folder.poll().is_none());

    // The same objects under another name are another content: told again, with the same revision.
    fs::rename(&file, dir.path().join("z.yaml")).unwrap();
    assert_eq!(names(&changed(&mut folder).unwrap()), ["b"]);

    fs::remove_dir_all(dir.path()).unwrap();
    assert!(matches!(changed(&mut folder), Err(CatalogError::Unreadable { .. })));
    assert!(folder.poll().is_none());

    fs::create_dir(dir.path()).unwrap();
    assert!(matches!(changed(&mut folder), Err(CatalogError::Invalid(_))));
    fs::write(dir.path().join("base.yaml"), BASE).unwrap();
    fs::write(&file, provider("b")).unwrap();
    assert_eq!(names(&changed(&mut folder).unwrap()), ["b"]);
}

#[test]
fn files_run_together_are_another_content_than_files_apart() {
    let second = format!("\n---\n{}", provider("b"));
    let dir = folder(&[("a.yaml", &format!("{}# ", provider("a"))), ("b.yaml", &second)]);
    let dir = with_base(dir);
    let (a, b) = (dir.path().join("a.yaml"), dir.path().join("b.yaml"));
    let mut folder = Folder::new(dir.path());
    changed(&mut folder).unwrap();
    fs::remove_file(&b).unwrap();
    fs::write(&a, format!("{}# {}{second}", provider("a"), b.display())).unwrap();
    assert_eq!(names(&changed(&mut folder).unwrap()), ["a", "b"]);
}

#[test]
fn a_folder_without_objects_is_no_catalog() {
    let expected = "the catalog has 1 problem:\n  - DIR: has no Cell and no Tier in any *.yaml file; \
                    `idp-multicloud catalog show -o yaml` prints some to start from";
    for files in [
        &[] as &[_],
        &[("a.yaml", "# nothing\n---\n")],
        &[("a.yml", "kind: Cell")],
        &[("a.yaml", &provider("a"))],
    ] {
        assert_eq!(message(folder(files).path()), expected);
    }
    let (without_cells, _) = BASE.split_once("---\napiVersion").unwrap();
    let message = message(folder(&[("a.yaml", without_cells)]).path());
    assert!(message.contains("DIR: has no Cell in any"), "{message}");
}

#[test]
fn what_cannot_be_read_is_named() {
    let missing = TempDir::new().unwrap().path().join("none");
    assert_eq!(
        message(&missing),
        "DIR: cannot be read: No such file or directory (os error 2)"
    );
    let dir = folder(&[("a.yaml", &provider("a"))]);
    assert!(message(&dir.path().join("a.yaml")).contains("Not a directory"));

    fs::create_dir(dir.path().join("x.yaml")).unwrap();
    assert_eq!(message(dir.path()), "DIR/x.yaml: cannot be read: it is not a file");
    fs::remove_dir(dir.path().join("x.yaml")).unwrap();

    symlink("/dev/zero", dir.path().join("x.yaml")).unwrap();
    assert_eq!(message(dir.path()), "DIR/x.yaml: cannot be read: it is not a file");
    fs::remove_file(dir.path().join("x.yaml")).unwrap();

    symlink("nowhere", dir.path().join("x.yaml")).unwrap();
    assert_eq!(
        message(dir.path()),
        "DIR/x.yaml: cannot be read: No such file or directory (os error 2)"
    );
}

#[test]
fn every_problem_of_every_file_is_told_and_what_an_unread_file_may_hold_is_not_missed() {
    let cell = "apiVersion: platform.example.org/v1alpha1\nkind: Cell\nmetadata: {name: pay}\nspec:\n  candidates:\n  \
                - {name: a, provider: aws, region: r, runtimeCluster: k, zone: z}\n";
    let dir = folder(&[
        ("cells.yaml", cell),
        ("clouds.yaml", &format!("{}---\nkind: a\nkind: b\n", provider("aws"))),
        ("tiers.yaml", "5"),
    ]);
    fs::write(dir.path().join("bytes.yaml"), b"a: \xff").unwrap();
    assert_eq!(
        message(dir.path()),
        "the catalog has 4 problems:
  - DIR/bytes.yaml: is not UTF-8: invalid utf-8 sequence of 1 bytes from index 3
  - DIR/clouds.yaml: cannot be read as YAML: line 4, column 1: duplicate mapping key `kind` is not allowed here
  - DIR/cells.yaml: Cell pay: spec.candidates[0].zone: is not known here; known: name, provider, region, \
         runtimeCluster, network, capabilities, scores, cordoned
  - DIR/tiers.yaml: must be a mapping, not a number"
    );
}

#[test]
fn the_revision_does_not_depend_on_the_split_into_files() {
    let builtin = include_str!("../builtin.yaml");
    let whole = load(folder(&[("all.yaml", builtin)]).path()).unwrap();
    assert_eq!(whole.revision(), crate::catalog::builtin::load().unwrap().revision());
    let split = TempDir::new().unwrap();
    for (i, document) in builtin.split("---\n").enumerate() {
        fs::write(split.path().join(format!("{}.yaml", 9 - i)), document).unwrap();
    }
    assert_eq!(load(split.path()).unwrap().revision(), whole.revision());
}

#[test]
fn files_that_are_written_one_by_one_are_judged_once_all_are_there() {
    let dir = folder(&[("a.yaml", &provider("a")), ("base.yaml", BASE)]);
    let mut folder = Folder::new(dir.path());
    assert_eq!(names(&changed(&mut folder).unwrap()), ["a"]);
    for name in ["b", "c", "d"] {
        fs::write(dir.path().join(format!("{name}.yaml")), provider(name)).unwrap();
        assert!(folder.poll().is_none(), "{name}");
    }
    // What comes and goes between two looks was nothing.
    fs::write(dir.path().join("e.yaml"), provider("e")).unwrap();
    assert!(folder.poll().is_none());
    fs::remove_file(dir.path().join("e.yaml")).unwrap();
    assert_eq!(names(&changed(&mut folder).unwrap()), ["a", "b", "c", "d"]);
}
