//! What was seen, in figures.

use std::collections::BTreeMap;
use std::sync::Mutex;
use std::time::{Duration, Instant};

use crate::writers::{Attempt, Kind};
use crate::{Fault, Form};

/// How many writes at least are done in the calm before and after: else nothing was watched.
const ENOUGH: usize = 10;

/// Every row so far, by the fault's name.
static ROWS: Mutex<BTreeMap<&str, String>> = Mutex::new(BTreeMap::new());

/// When it broke and when it was mended.
pub struct Phases {
    pub began: Instant,
    pub broken: Instant,
    pub mended: Instant,
}

/// Before it broke, meanwhile, and after it was mended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Before,
    During,
    After,
}

impl Phases {
    fn of(&self, attempt: &Attempt) -> Phase {
        if attempt.ended < self.broken {
            Phase::Before
        } else if attempt.began < self.mended {
            Phase::During
        } else {
            Phase::After
        }
    }
}

/// Notes what was seen of a fault, and fails if a write was answered as it may not be.
pub fn conclude<W>(fault: &Fault<W>, form: Form, phases: &Phases, attempts: &[Attempt], claims: usize) {
    if form == Form::Long {
        let row = row(fault, phases, attempts, claims);
        ROWS.lock().unwrap().insert(fault.name, row);
    }
    check(fault, phases, attempts);
    let felt = attempts
        .iter()
        .any(|attempt| !attempt.acknowledged && phases.of(attempt) == Phase::During);
    assert!(
        felt || !fault.felt || form == Form::Short,
        "wanted: something breaks; saw: every write was done"
    );
}

fn row<W>(fault: &Fault<W>, phases: &Phases, attempts: &[Attempt], claims: usize) -> String {
    let took = |phase| {
        let asked = done(attempts).filter(|attempt| phases.of(attempt) == phase);
        percentiles(asked.map(|attempt| attempt.ended - attempt.began))
    };
    format!(
        "| {} | {} | {} | {} | {claims} | {:.1} | {} | {} | {} |",
        fault.what,
        fault.seen,
        attempts.len(),
        refused(attempts),
        longest_gap(phases, attempts).as_secs_f64(),
        took(Phase::Before),
        took(Phase::During),
        took(Phase::After),
    )
}

/// Prints the table, if there is anything in it, with the faults in this order.
pub fn print(names: &[&str]) {
    let rows = ROWS.lock().unwrap();
    if rows.is_empty() {
        return;
    }
    println!(
        "\nIn every row: moved, unplaced and lost 0. Times are p50/p99/most in ms of the writes that the webhook is asked about;"
    );
    println!("gap is the longest time in s without one that was done.\n");
    println!("| fault | users saw | writes | not done | claims | gap | before | during | after |");
    println!("|---|---|--:|---|--:|--:|--:|--:|--:|");
    for row in names.iter().filter_map(|name| rows.get(name)) {
        println!("{row}");
    }
}

fn check<W>(fault: &Fault<W>, phases: &Phases, attempts: &[Attempt]) {
    let mut told = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| !attempt.acknowledged) {
        let (times, _) = told.entry(attempt.code).or_insert((0, &attempt.said));
        *times += 1;
    }
    for (code, (times, said)) in told {
        eprintln!("{}: {times} × {code}, the first with {said}", fault.name);
    }
    let api_is_away = fault.may.contains(&0);
    for attempt in attempts {
        let phase = phases.of(attempt);
        // What changes nothing goes on whatever becomes of the webhook.
        let depends = attempt.kind != Kind::Apply || api_is_away;
        let may = attempt.acknowledged || phase == Phase::During && depends && fault.may.contains(&attempt.code);
        assert!(
            may,
            "{phase:?} it broke, {:?} was answered {} after {:?}: {}",
            attempt.kind,
            attempt.code,
            attempt.ended - attempt.began,
            attempt.said
        );
    }
    for phase in [Phase::Before, Phase::After] {
        let times = done(attempts).filter(|attempt| phases.of(attempt) == phase).count();
        assert!(times >= ENOUGH, "wanted: writes {phase:?} it broke; saw: {times}");
    }
}

/// Those that were done, of those that the webhook is asked about.
fn done(attempts: &[Attempt]) -> impl Iterator<Item = &Attempt> {
    let asked = attempts.iter().filter(|attempt| attempt.kind != Kind::Apply);
    asked.filter(|attempt| attempt.acknowledged)
}

/// How often each status was answered that is no success.
fn refused(attempts: &[Attempt]) -> String {
    let mut counts = BTreeMap::new();
    for attempt in attempts.iter().filter(|attempt| !attempt.acknowledged) {
        *counts.entry(attempt.code).or_insert(0) += 1;
    }
    let told = counts.iter().map(|(code, times)| match code {
        0 => format!("no answer: {times}"),
        code => format!("{code}: {times}"),
    });
    let told: Vec<String> = told.collect();
    if told.is_empty() {
        "0".to_owned()
    } else {
        told.join(", ")
    }
}

/// The longest time without a write that was done, from the start to the last one.
fn longest_gap(phases: &Phases, attempts: &[Attempt]) -> Duration {
    let mut times: Vec<Instant> = done(attempts).map(|attempt| attempt.ended).collect();
    times.push(phases.began);
    times.sort();
    let gaps = times.windows(2).map(|pair| pair[1] - pair[0]);
    gaps.max().unwrap_or_default()
}

/// The median, the 99th percentile and the most, in milliseconds.
fn percentiles(times: impl Iterator<Item = Duration>) -> String {
    let mut times: Vec<u128> = times.map(|time| time.as_millis()).collect();
    times.sort_unstable();
    let Some(most) = times.last() else {
        return "none".to_owned();
    };
    let at = |percent: usize| times[(times.len() - 1) * percent / 100];
    format!("{}/{}/{most}", at(50), at(99))
}
