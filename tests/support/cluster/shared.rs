//! A test program whose cases share what one of them has started.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::process::ExitCode;
use std::sync::{Arc, OnceLock, PoisonError, RwLock};

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use super::binaries::Absent;
use crate::support::missing::Missing;

/// The cases of one file: its name, and for each case its name and what it does.
pub type Room<T> = (&'static str, &'static [(&'static str, fn(&T))]);

/// How many cases run at a time unless `--test-threads` says otherwise: they wait more than they work.
const THREADS: usize = 4;

/// Runs all of it in this order; what is in `alone` has no other case beside it. What they share is started by the
/// first case that runs.
pub fn run<T: Send + Sync + 'static>(
    start: fn() -> Result<T, Absent>,
    rooms: impl IntoIterator<Item = (bool, Room<T>)>,
) -> ExitCode {
    let rooms = rooms.into_iter();
    let cases = rooms.flat_map(|(alone, room)| cases(alone, room, |shared, case| case(shared)));
    run_cases(start, cases.collect())
}

/// The cases of a file, each of which gets what `lend` gives it of that which they share.
pub fn cases<T: 'static, L: 'static>(
    alone: bool,
    (room, cases): Room<L>,
    lend: fn(&T, fn(&L)),
) -> impl Iterator<Item = Case<T>> {
    cases.iter().map(move |&(name, case)| Case {
        name: format!("{room}::{name}"),
        alone,
        long: false,
        run: Box::new(move |shared: &T| {
            lend(shared, case);
            Ok(Completion::Completed)
        }),
    })
}

/// What a case does with that which cases share.
type Run<T> = Box<dyn Fn(&T) -> Result<Completion, Failed> + Send>;

/// One case, of whatever kind.
pub struct Case<T> {
    pub name: String,
    /// It has no other case beside it.
    pub alone: bool,
    /// It takes minutes, and is run where it is asked for: with `--ignored`.
    pub long: bool,
    pub run: Run<T>,
}

impl<T: 'static> Case<T> {
    /// The same, where nothing that it needs is missing.
    pub fn unless(self, missing: fn() -> Option<Missing>) -> Self {
        let run = self.run;
        let run = Box::new(move |shared: &T| match missing() {
            Some(missing) => missing.verdict(),
            None => run(shared),
        });
        Self { run, ..self }
    }
}

/// Runs cases of several kinds.
pub fn run_cases<T: Send + Sync + 'static>(start: fn() -> Result<T, Absent>, cases: Vec<Case<T>>) -> ExitCode {
    let mut args = Arguments::from_args();
    args.test_threads.get_or_insert(THREADS);
    let shared = Arc::new(Shared {
        start,
        started: OnceLock::new(),
        turn: RwLock::new(()),
    });
    let trial = |Case { name, alone, long, run }| {
        let shared = Arc::clone(&shared);
        Trial::ignorable_test(name, move || shared.run(run, alone)).with_ignored_flag(long)
    };
    let trials = cases.into_iter().map(trial).collect();
    let conclusion = libtest_mimic::run(&args, trials);
    drop(shared);
    conclusion.exit_code()
}

/// What cases share, or why there is none.
struct Shared<T> {
    start: fn() -> Result<T, Absent>,
    started: OnceLock<Result<T, Absent>>,
    turn: RwLock<()>,
}

impl<T> Shared<T> {
    fn run(&self, case: impl FnOnce(&T) -> Result<Completion, Failed>, alone: bool) -> Result<Completion, Failed> {
        let shared = match self.started.get_or_init(|| self.start()) {
            Ok(shared) => shared,
            Err(absent) => return absent.verdict(),
        };
        if alone {
            let _turn = self.turn.write().unwrap_or_else(PoisonError::into_inner);
            case(shared)
        } else {
            let _turn = self.turn.read().unwrap_or_else(PoisonError::into_inner);
            case(shared)
        }
    }

    fn start(&self) -> Result<T, Absent> {
        let broken = |_| Absent::Broken("it did not start: the first case says why, above".to_owned());
        catch_unwind(AssertUnwindSafe(self.start)).unwrap_or_else(|panic| Err(broken(panic)))
    }
}
