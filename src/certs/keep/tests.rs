use proptest::prelude::*;

use super::*;

/// A leaf's life in these tests, in seconds. An authority's is 5,000 s; both begin 100 s before they are made, which for an
/// authority is 500 s.
const LIFE: i64 = 1000;
const NAME: &str = "ours.platform.svc";
const START: i64 = 1_800_000_000;

fn wanted() -> Wanted {
    Wanted {
        names: vec![NAME.to_owned(), "ours".to_owned()],
        lifetime: Lifetime::new(Duration::from_secs(LIFE.unsigned_abs())).unwrap(),
    }
}

/// Two Secrets, the places where the bundle is published, the controller's memory, and the time.
#[derive(Clone)]
struct World {
    authority: Held,
    serving: Held,
    places: Vec<Vec<u8>>,
    published: (Vec<Vec<u8>>, i64),
    now: i64,
}

impl World {
    /// Before anything was done.
    fn new() -> Self {
        Self {
            authority: Held::default(),
            serving: Held::default(),
            places: vec![Vec::new(); 3],
            published: (Vec::new(), START),
            now: START,
        }
    }

    /// One in which all is done.
    fn settled() -> Self {
        let mut world = Self::new();
        world.settle();
        world.after(60);
        assert_eq!(world.settle(), Vec::<&str>::new());
        world
    }

    fn look(&mut self) -> Standing {
        if self.published.0 != self.places {
            self.published = (self.places.clone(), self.now);
        }
        let seen = Seen {
            authority: self.authority.clone(),
            serving: self.serving.clone(),
            published: self.places.clone(),
            all: true,
            published_for: Duration::from_secs((self.now - self.published.1).max(0).unsigned_abs()),
        };
        standing(&seen, &wanted(), self.now).unwrap()
    }

    /// One look, and the write that is due: which.
    fn step(&mut self) -> Option<&'static str> {
        let Standing { bundle, due, .. } = self.look();
        if let Some(bundle) = bundle.map(|bundle| bundle.pem().into_bytes())
            && self.places.iter().any(|place| *place != bundle)
        {
            self.places.fill(bundle);
            return Some("bundle");
        }
        Some(match due? {
            Due::Authority(held, _) => {
                let made = held.cert != self.authority.cert;
                self.authority = held;
                if made { "authority" } else { "authority's bundle" }
            }
            Due::Serving(held, _) => {
                self.serving = held;
                "serving"
            }
        })
    }

    /// Everything that is due now, in order.
    fn settle(&mut self) -> Vec<&'static str> {
        let mut done = Vec::new();
        while let Some(what) = self.step() {
            done.push(what);
            assert!(done.len() < 10, "it never ends: {done:?}");
        }
        done
    }

    fn after(&mut self, seconds: i64) -> &mut Self {
        self.now += seconds;
        self
    }

    /// How many authorities are published.
    fn authorities(&self) -> usize {
        self.places[0].windows(5).filter(|bytes| bytes == b"BEGIN").count()
    }

    /// Whether clients at each place take this pair, with what is published now.
    fn trusts(&self, serving: &Held) -> bool {
        let Ok((chain, _)) = proven(serving, &wanted(), self.now) else {
            return false;
        };
        self.places.iter().all(|place| {
            let (bundle, _) = Bundle::read(place, self.now);
            trusted(&bundle, &chain, self.now).is_ok()
        })
    }
}

/// How the Secret of the authority is spoilt.
type Loss<'l> = &'l dyn Fn(&mut Held);

fn garbage() -> Vec<u8> {
    b"garbage".to_vec()
}

/// An authority of somebody else, as PEM.
fn foreign(now: i64) -> Vec<u8> {
    let (_, issued) = Authority::make(wanted().lifetime, now).unwrap();
    issued.cert.into_bytes()
}

#[test]
fn from_nothing_the_authority_is_kept_first_then_published_then_issues() {
    let mut world = World::new();
    assert_eq!(world.settle(), ["authority", "bundle", "serving"]);
    assert!(world.trusts(&world.serving));
    assert_eq!(world.authority.bundle, world.places[0]);
    assert_eq!(world.serving.bundle, world.places[0]);
    let standing = world.look();
    let ends = [standing.authority, standing.serving].map(|validity| validity.unwrap().not_after - START);
    assert_eq!(ends, [5 * LIFE, LIFE]);
    assert_eq!(standing.bundle.unwrap().pem().into_bytes(), world.places[0]);
}

#[test]
fn what_is_as_it_should_be_is_not_written_again() {
    let mut world = World::settled();
    for seconds in [1, 100, 400] {
        assert_eq!(world.after(seconds).settle(), Vec::<&str>::new(), "{seconds}");
    }
}

#[test]
fn a_leaf_is_renewed_at_two_thirds_of_its_life() {
    // It begins 100 s before the start and lives until 1,000 s after it: two thirds are over at 632 s.
    let mut world = World::settled();
    world.now = START + 631;
    assert_eq!(world.settle(), Vec::<&str>::new());
    let before = world.serving.clone();
    world.now = START + 633;
    assert_eq!(world.settle(), ["serving"]);
    assert!(world.serving != before && world.trusts(&world.serving) && world.trusts(&before));
}

#[test]
fn an_authority_is_replaced_at_two_thirds_and_the_old_one_trusted_until_it_ends() {
    // It begins 500 s before the start and lives until 5,000 s after it: two thirds are over at 3,165 s.
    let mut world = World::settled();
    while world.now < START + 3100 {
        world.after(60).settle();
    }
    let old = world.serving.clone();
    world.now = START + 3170;
    assert_eq!(world.settle(), ["authority", "bundle"]);
    assert_eq!(world.authorities(), 2);
    assert!(world.trusts(&old));
    // Everybody has a minute to learn of it before a leaf counts on it.
    world.after(59);
    assert_eq!(world.settle(), Vec::<&str>::new());
    world.after(1);
    assert_eq!(world.settle(), ["serving"]);
    assert!(world.trusts(&old) && world.trusts(&world.serving));
    while world.now < START + 4900 {
        world.after(60).settle();
        assert_eq!(world.authorities(), 2);
    }
    // The first has ended.
    world.now = START + 5001;
    assert_eq!(world.settle(), ["bundle"]);
    assert_eq!(world.authorities(), 1);
    assert!(world.trusts(&world.serving));
}

#[test]
fn a_serving_pair_that_is_no_good_is_made_anew_at_once() {
    let good = World::settled();
    let other = World::settled();
    let (_, other_ca) = Authority::make(wanted().lifetime, START).unwrap();
    let (stranger, _) = Authority::make(wanted().lifetime, START).unwrap();
    let strange = stranger.issue(&wanted().names, wanted().lifetime, START).unwrap();
    let (ours, _) = authority_of(&good);
    let renamed = ours
        .issue(&["other.platform.svc".to_owned()], wanted().lifetime, START)
        .unwrap();
    let held = |cert: &[u8], key: &[u8]| Held {
        cert: cert.to_vec(),
        key: key.to_vec(),
        bundle: good.serving.bundle.clone(),
    };
    for (what, serving) in [
        ("gone", Held::default()),
        ("a garbled certificate", held(b"garbage", &good.serving.key)),
        ("a garbled key", held(&good.serving.cert, b"garbage")),
        ("a key cut short", held(&good.serving.cert, &good.serving.key[..100])),
        ("the key of another", held(&good.serving.cert, &other.serving.key)),
        (
            "another authority's",
            held(strange.cert.as_bytes(), strange.key.as_bytes()),
        ),
        (
            "for another name",
            held(renamed.cert.as_bytes(), renamed.key.as_bytes()),
        ),
        (
            "an authority's own",
            held(other_ca.cert.as_bytes(), other_ca.key.as_bytes()),
        ),
    ] {
        let mut world = good.clone();
        world.serving = serving;
        assert_eq!(world.settle(), ["serving"], "{what}");
        assert!(world.trusts(&world.serving) && world.trusts(&good.serving), "{what}");
    }
    let mut late = good.clone();
    late.after(2 * LIFE);
    assert_eq!(late.settle(), ["serving"]);
}

fn authority_of(world: &World) -> (Authority, Validity) {
    let Held { cert, key, .. } = &world.authority;
    let read = Authority::read((Path::new(CERT), cert), (Path::new(KEY), key), world.now).unwrap();
    let validity = read.validity();
    (read, validity)
}

#[test]
fn an_authority_that_is_lost_is_replaced_and_what_it_issued_stays_trusted() {
    let good = World::settled();
    let other = World::settled();
    let losses: [(&str, Loss<'_>); 6] = [
        ("gone", &|held| *held = Held::default()),
        ("a garbled certificate", &|held| held.cert = garbage()),
        ("a garbled key", &|held| held.key = garbage()),
        ("the key of another", &|held| held.key = other.authority.key.clone()),
        ("a leaf in its place", &|held| {
            held.cert = good.serving.cert.clone();
            held.key = good.serving.key.clone();
        }),
        ("all of it garbled", &|held| {
            *held = Held {
                cert: garbage(),
                key: garbage(),
                bundle: garbage(),
            }
        }),
    ];
    for (what, lose) in losses {
        let mut world = good.clone();
        lose(&mut world.authority);
        assert_eq!(world.step(), Some("authority"), "{what}");
        assert!(world.trusts(&good.serving), "{what}");
        assert_eq!(world.step(), Some("bundle"), "{what}");
        assert!(world.trusts(&good.serving), "{what}");
        assert_eq!(world.step(), None, "{what}");
        assert_eq!(world.after(60).settle(), ["serving"], "{what}");
        assert!(world.trusts(&good.serving) && world.trusts(&world.serving), "{what}");
    }
}

#[test]
fn a_bundle_that_somebody_garbled_in_the_secret_is_put_back_from_what_is_published() {
    let good = World::settled();
    for bundle in [Vec::new(), garbage(), foreign(START)] {
        let mut world = good.clone();
        world.authority.bundle = bundle;
        assert_eq!(world.settle()[0], "authority's bundle");
        assert!(world.trusts(&good.serving));
    }
}

#[test]
fn an_older_authority_that_is_another_by_one_bit_is_put_back() {
    let good = World::settled();
    let mut world = good.clone();
    world.authority.key = garbage();
    world.settle();
    assert_eq!(world.authorities(), 2);
    let bundle = String::from_utf8(world.authority.bundle.clone()).unwrap();
    let (first, second) = bundle.split_at(bundle.rfind("-----BEGIN").unwrap());
    // Each character of it in turn: some of them are in its key, some in its signature.
    for (at, old) in second
        .char_indices()
        .filter(|(_, old)| old.is_ascii_alphanumeric())
        .step_by(7)
    {
        let new = if old == 'A' { 'B' } else { 'A' };
        let mut spoilt = second.to_owned();
        spoilt.replace_range(at..=at, &new.to_string());
        let mut world = world.clone();
        world.authority.bundle = format!("{first}{spoilt}").into_bytes();
        world.settle();
        assert!(world.trusts(&good.serving), "{spoilt}");
    }
}

#[test]
fn an_older_authority_that_fell_out_of_a_broken_bundle_is_put_back_from_what_is_published() {
    let good = World::settled();
    let mut world = good.clone();
    world.authority.key = garbage();
    world.settle();
    let bundle = String::from_utf8(world.authority.bundle.clone()).unwrap();
    let (first, second) = bundle.split_at(bundle.rfind("-----BEGIN").unwrap());
    world.authority.bundle = format!("{first}{}", second.replace("BEGIN", "BEGUN")).into_bytes();
    world.serving = Held::default();
    world.settle();
    assert_eq!(world.authorities(), 2);
    assert!(world.trusts(&good.serving) && world.trusts(&world.serving));
}

#[test]
fn a_certificate_ends_with_its_authority_at_the_latest() {
    let (authority, ca) = Authority::make(wanted().lifetime, START).unwrap();
    let late = authority
        .issue(&wanted().names, wanted().lifetime, ca.validity.not_after - 10)
        .unwrap();
    assert_eq!(late.validity.not_after, ca.validity.not_after);
}

#[test]
fn a_published_bundle_is_put_back_and_a_foreign_authority_taken_out() {
    let good = World::settled();
    let with_foreign = [good.places[0].clone(), foreign(START)].concat();
    for bundle in [Vec::new(), garbage(), foreign(START), with_foreign] {
        let mut world = good.clone();
        world.places[1] = bundle;
        assert_eq!(world.settle(), ["bundle"]);
        assert!(world.places == good.places);
    }
}

#[test]
fn a_place_with_something_else_beside_our_authority_does_not_hold_up_a_renewal() {
    let mut world = World::settled();
    let beside = [world.places[0].clone(), foreign(START)].concat();
    world.places[2] = beside;
    world.published = (world.places.clone(), world.now);
    world.after(700);
    let standing = world.look();
    assert!(matches!(standing.due, Some(Due::Serving(..))));
    // Where our authority is not known, it does.
    world.places[2] = foreign(START);
    assert!(world.look().due.is_none());
}

#[test]
fn whoever_was_trusted_before_stays_trusted_when_the_first_authority_is_made() {
    let mut world = World::new();
    let theirs = foreign(START);
    world.places.fill(theirs.clone());
    world.settle();
    assert_eq!(world.authorities(), 2);
    let (bundle, whole) = Bundle::read(&world.places[0], START);
    let (theirs, _) = Bundle::read(&theirs, START);
    assert!(whole && bundle.clone().and(&theirs, START) == bundle);
}

#[test]
fn while_a_place_cannot_be_read_nothing_is_made_or_issued() {
    let mut world = World::settled();
    world.after(700);
    for authority in [world.authority.clone(), Held::default()] {
        let seen = Seen {
            authority,
            serving: Held::default(),
            published: world.places[1..].to_vec(),
            all: false,
            published_for: Duration::from_mins(10),
        };
        let standing = standing(&seen, &wanted(), world.now).unwrap();
        assert!(standing.due.is_none());
    }
}

#[test]
fn after_a_clock_that_jumped_or_a_long_absence_everything_is_made_anew_in_order() {
    for jump in [-3 * LIFE, 6 * LIFE, 100 * LIFE] {
        let mut world = World::settled();
        world.after(jump);
        let done = world.settle();
        assert_eq!(done, ["authority", "bundle", "serving"], "{jump}");
        assert!(world.trusts(&world.serving), "{jump}");
    }
}

#[test]
fn a_secret_of_somebody_else_is_handed_on_only_if_its_certificate_is_of_its_authorities() {
    let good = World::settled();
    let (bundle, validity) = handed(&good.serving, &wanted(), good.now).unwrap();
    assert_eq!(
        (bundle.pem().into_bytes(), validity.not_after),
        (good.places[0].clone(), START + LIFE)
    );
    let with = |change: &dyn Fn(&mut Held)| {
        let mut held = good.serving.clone();
        change(&mut held);
        handed(&held, &wanted(), good.now).unwrap_err()
    };
    assert!(with(&|held| held.bundle.clear()).starts_with("ca.crt: no certificate of an authority"));
    assert!(with(&|held| held.bundle = held.cert.clone()).starts_with("ca.crt: no certificate of an authority"));
    assert!(with(&|held| held.bundle = foreign(START)).starts_with("tls.crt: clients that trust ca.crt refuse it"));
    assert!(with(&|held| held.cert = garbage()).starts_with("tls.crt: "));
    assert!(with(&|held| held.key = garbage()).starts_with("tls.key: "));
}

/// What may happen.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Time passes, in twentieths of a leaf's life, with the controller looking each twentieth.
    Wait(u8),
    /// Time passes without it.
    Absence(u8),
    /// It writes once, and is killed.
    Step,
    /// One of the pods takes up the Secret as it is.
    TakenUp(usize),
    ServingGone,
    ServingGarbled,
    AuthorityGone,
    AuthorityKeyGarbled,
    AuthorityCertGarbled,
    BundleGarbled,
    /// Somebody empties what is published at a place, or publishes somebody else's authority there.
    Emptied(usize),
    Replaced(usize),
}

fn events() -> impl Strategy<Value = Vec<Event>> {
    let event = prop_oneof![
        6 => (1..24u8).prop_map(Event::Wait),
        2 => (1..50u8).prop_map(Event::Absence),
        3 => Just(Event::Step),
        4 => (0..3usize).prop_map(Event::TakenUp),
        1 => Just(Event::ServingGone),
        1 => Just(Event::ServingGarbled),
        1 => Just(Event::AuthorityGone),
        1 => Just(Event::AuthorityKeyGarbled),
        1 => Just(Event::AuthorityCertGarbled),
        1 => Just(Event::BundleGarbled),
        1 => (0..3usize).prop_map(Event::Emptied),
        1 => (0..3usize).prop_map(Event::Replaced),
    ];
    prop::collection::vec(event, 1..24)
}

/// Pods, each with the pair that it serves; `None` once every trace of its authority is gone.
struct Pods(Vec<Option<Held>>);

impl Pods {
    /// Lets go of those whose authority stands nowhere any more: in no Secret, and in no place.
    fn forget_lost(&mut self, world: &World) {
        let mut traces = Bundle::default();
        let texts = [&world.authority.cert, &world.authority.bundle, &world.serving.bundle];
        for text in texts.into_iter().chain(&world.places) {
            traces = traces.and(&Bundle::read(text, world.now).0, world.now);
        }
        for pod in &mut self.0 {
            let known = |held: &Held| {
                let chain = proven(held, &wanted(), world.now).map(|(chain, _)| chain);
                chain.is_ok_and(|chain| trusted(&traces, &chain, world.now).is_ok())
            };
            if !pod.as_ref().is_some_and(known) {
                *pod = None;
            }
        }
    }

    fn assert_trusted(&self, world: &World) -> Result<(), TestCaseError> {
        for (i, pod) in self.0.iter().enumerate() {
            let trusted = pod.as_ref().is_none_or(|held| world.trusts(held));
            prop_assert!(trusted, "pod {i} is refused at {}", world.now - START);
        }
        Ok(())
    }
}

/// At every moment, each pod's certificate is trusted at every place, whatever happens in whatever order: unless somebody
/// has changed what is published, until it is put back; unless it has expired; and unless every trace of its authority was
/// destroyed, in both Secrets and at all places.
fn lives_through(events: &[Event]) -> Result<(), TestCaseError> {
    let mut world = World::settled();
    let mut pods = Pods(vec![Some(world.serving.clone()); 3]);
    let mut tampered = false;
    for event in events {
        match *event {
            Event::Wait(twentieths) => {
                for _ in 0..twentieths {
                    world.after(LIFE / 20);
                    world.settle();
                    tampered = false;
                    pods.forget_lost(&world);
                    pods.assert_trusted(&world)?;
                }
                let good = proven(&world.serving, &wanted(), world.now);
                prop_assert!(good.is_ok() && world.trusts(&world.serving));
            }
            Event::Absence(twentieths) => drop(world.after(LIFE / 20 * i64::from(twentieths))),
            Event::Step => tampered &= world.step() != Some("bundle"),
            // A pod takes what it could serve, and nothing else.
            Event::TakenUp(pod) => {
                if proven(&world.serving, &wanted(), world.now).is_ok() {
                    pods.0[pod] = Some(world.serving.clone());
                }
            }
            Event::ServingGone => world.serving = Held::default(),
            Event::ServingGarbled => world.serving.cert = garbage(),
            Event::AuthorityGone => world.authority = Held::default(),
            Event::AuthorityKeyGarbled => world.authority.key = garbage(),
            Event::AuthorityCertGarbled => world.authority.cert = garbage(),
            Event::BundleGarbled => world.authority.bundle = garbage(),
            Event::Emptied(place) => {
                world.places[place].clear();
                tampered = true;
            }
            Event::Replaced(place) => {
                world.places[place] = foreign(world.now);
                tampered = true;
            }
        }
        pods.forget_lost(&world);
        if !tampered {
            pods.assert_trusted(&world)?;
        }
    }
    Ok(())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(24))]

    #[test]
    fn no_order_of_events_has_a_certificate_refused(events in events()) {
        lives_through(&events)?;
    }
}
