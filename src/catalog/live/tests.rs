use super::*;
use crate::catalog::check::{check, isolate};
use crate::catalog::folder::objects;

const MINUTE: Duration = Duration::from_mins(1);

/// A catalog that differs from every other `n`'s.
fn snapshot(n: u32) -> Snapshot {
    let text = format!(
        "{{apiVersion: platform.example.org/v1alpha1, kind: CloudProvider, metadata: {{name: p{n}}}, spec: {{}}}}"
    );
    check(&objects("a.yaml", &text).unwrap()).unwrap()
}

fn revision(n: u32) -> String {
    snapshot(n).revision().to_string()
}

/// Which of the catalogs 0 to 3 can be asked for, at `now`.
fn known(held: &Held, now: Instant) -> Vec<u32> {
    let known = |n: &u32| {
        held.revision_at(&revision(*n), now)
            .is_some_and(|found| found.revision().as_str() == revision(*n))
    };
    (0..4).filter(known).collect()
}

fn in_force(live: &Live) -> String {
    live.current().unwrap().snapshot().revision().to_string()
}

#[test]
fn a_server_starts_with_one_catalog() {
    let held = Held::new(snapshot(0));
    assert_eq!(held.snapshot().revision().as_str(), revision(0));
    // The one in force stays, however old.
    assert_eq!(known(&held, Instant::now() + 100_000 * MINUTE), [0]);
    assert!(held.revision("").is_none());
}

#[test]
fn a_replaced_catalog_can_be_asked_for_for_ten_minutes() {
    let start = Instant::now();
    let held = Held::new(snapshot(0)).replaced_by(&Arc::new(snapshot(1)), start);
    assert_eq!(held.snapshot().revision().as_str(), revision(1));
    assert_eq!(known(&held, start), [0, 1]);
    assert_eq!(known(&held, start + Duration::from_nanos(599_999_999_999)), [0, 1]);
    assert_eq!(known(&held, start + 10 * MINUTE), [1]);
}

#[test]
fn each_replaced_catalog_has_its_own_ten_minutes_and_then_takes_no_room() {
    let start = Instant::now();
    let held = Held::new(snapshot(0))
        .replaced_by(&Arc::new(snapshot(1)), start)
        .replaced_by(&Arc::new(snapshot(2)), start + 6 * MINUTE);
    assert_eq!(known(&held, start + 9 * MINUTE), [0, 1, 2]);
    assert_eq!(known(&held, start + 12 * MINUTE), [1, 2]);
    let held = held.replaced_by(&Arc::new(snapshot(3)), start + 12 * MINUTE);
    assert_eq!(held.past.len(), 2);
    assert_eq!(known(&held, start + 12 * MINUTE), [1, 2, 3]);
}

#[test]
fn going_back_to_an_old_catalog_puts_it_in_force_once() {
    let start = Instant::now();
    let held = Held::new(snapshot(0))
        .replaced_by(&Arc::new(snapshot(1)), start)
        .replaced_by(&Arc::new(snapshot(0)), start + MINUTE);
    assert_eq!(held.snapshot().revision().as_str(), revision(0));
    assert_eq!(held.past.len(), 1);
    assert_eq!(known(&held, start + 5 * MINUTE), [0, 1]);
    assert_eq!(known(&held, start + 20 * MINUTE), [0]);
}

#[test]
fn the_same_catalog_again_changes_nothing() {
    let held = Held::new(snapshot(0));
    std::thread::sleep(Duration::from_millis(2));
    let again = held.replaced_by(&Arc::new(snapshot(0)), Instant::now());
    assert_eq!((again.since(), again.past.len()), (held.since(), 0));
    let other = held.replaced_by(&Arc::new(snapshot(1)), Instant::now());
    assert!(other.since() > held.since());
}

#[test]
fn a_request_sees_one_catalog_from_beginning_to_end() {
    let live = Live::new(snapshot(0));
    let request = live.current().unwrap();
    live.replace(snapshot(1));
    live.replace(snapshot(2));
    assert_eq!(request.snapshot().revision().as_str(), revision(0));
    assert!(request.revision(&revision(1)).is_none());
    assert_eq!(in_force(&live), revision(2));
    assert_eq!(known(&live.current().unwrap(), Instant::now()), [0, 1, 2]);
}

#[test]
fn no_replacement_is_lost_between_two_tasks() {
    let live = Live::new(snapshot(0));
    std::thread::scope(|scope| {
        for from in [1, 101] {
            let live = &live;
            scope.spawn(move || (from..from + 100).for_each(|n| live.replace(snapshot(n))));
        }
    });
    assert_eq!(live.current().unwrap().past.len(), 200);
}

#[test]
fn a_server_that_is_told_later_has_nothing_before() {
    let live = Live::default();
    assert!(live.current().is_none());
    live.replace(snapshot(0));
    assert_eq!(in_force(&live), revision(0));
    assert!(live.current().unwrap().past.is_empty());
}

#[test]
fn what_is_refused_can_change_while_the_revision_stays() {
    let policy = "apiVersion: platform.example.org/v1alpha1\nkind: PlacementPolicy\nmetadata: {name: p}\nspec: {validations: []}";
    let live = Live::new(snapshot(0));
    live.replace(isolate(&objects("a.yaml", policy).unwrap()).snapshot);
    let refused = |live: &Live| live.current().unwrap().snapshot().not_accepted().policies.len();
    assert_eq!(refused(&live), 1);
    let since = live.current().unwrap().since();
    live.replace(isolate(&[]).snapshot);
    assert_eq!((refused(&live), live.current().unwrap().since()), (0, since));
    assert_eq!(live.current().unwrap().past.len(), 1);
}
