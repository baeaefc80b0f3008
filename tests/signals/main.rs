//! What operators see: the metrics as the manual has them, the alerts and the dashboard as the chart ships them.
#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::indexing_slicing,
    clippy::needless_pass_by_value,
    reason = "a test fails by panicking, and its values are made where they are used"
)]

#[path = "../support"]
mod support {
    pub mod cluster {
        #![allow(dead_code, reason = "a test helper: not every test file uses all of it")]
        pub mod binaries;
    }
    pub mod missing;
}

mod dashboard;
mod metrics;
mod queries;
mod rules;
mod tools;

use std::process::ExitCode;

use libtest_mimic::{Arguments, Completion, Failed, Trial};

use tools::Tools;

/// A case: its name, and what it does.
type Case = (&'static str, fn());

/// A case that takes Helm and promtool.
type ToolCase = (&'static str, fn(&Tools));

fn run(case: fn(&Tools)) -> Result<Completion, Failed> {
    match Tools::find() {
        Ok(tools) => {
            case(tools);
            Ok(Completion::Completed)
        }
        Err(missing) => missing.verdict(),
    }
}

fn main() -> ExitCode {
    let args = Arguments::from_args();
    let with_tools: [(&str, &[ToolCase]); 2] = [("rules", rules::CASES), ("dashboard", dashboard::CASES)];
    let with_tools = with_tools.into_iter().flat_map(|(room, cases)| {
        let trial = move |&(name, case): &ToolCase| Trial::ignorable_test(format!("{room}::{name}"), move || run(case));
        cases.iter().map(trial)
    });
    let plain: [(&str, &[Case]); 2] = [("metrics", metrics::CASES), ("queries", queries::CASES)];
    let plain = plain.into_iter().flat_map(|(room, cases)| {
        let trial = move |&(name, case): &Case| {
            Trial::test(format!("{room}::{name}"), move || {
                case();
                Ok(())
            })
        };
        cases.iter().map(trial)
    });
    libtest_mimic::run(&args, with_tools.chain(plain).collect()).exit_code()
}
