//! `catalog check` and `catalog show`.
use super::Outcome;

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {}

pub(super) fn run(command: &Command) -> anyhow::Result<Outcome> {
    match *command {}
}
