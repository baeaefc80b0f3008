//! How far a long reading is: a bar or a count on a terminal, and nothing elsewhere.

use std::io::Read;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// A bar that is gone when this is.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new() -> Self {
        // Where standard error is no terminal, such a target draws nothing.
        Self(ProgressBar::with_draw_target(None, ProgressDrawTarget::stderr()))
    }

    /// `reader`, whose progress is shown; out of that many bytes, where that is known.
    pub(super) fn bytes<R: Read>(&self, reader: R, length: Option<u64>) -> impl Read + use<R> {
        match length.filter(|length| *length > 0) {
            Some(length) => self.of(length, "{wide_bar} {bytes}/{total_bytes}"),
            None => self.style("{spinner} {bytes}"),
        }
        self.0.wrap_read(reader)
    }

    /// That many more claims, and as many as that to come, where that is known.
    pub(super) fn claims(&self, more: u64, to_come: Option<u64>) {
        self.0.inc(more);
        match to_come {
            Some(to_come) => self.of(self.0.position() + to_come, "{wide_bar} {pos}/{len} claims"),
            None => self.style("{spinner} {pos} claims"),
        }
    }

    fn of(&self, length: u64, template: &str) {
        self.0.set_length(length);
        self.style(template);
    }

    fn style(&self, template: &str) {
        if let Ok(style) = ProgressStyle::with_template(template) {
            self.0.set_style(style);
        }
    }
}

impl Drop for Progress {
    fn drop(&mut self) {
        self.0.finish_and_clear();
    }
}
