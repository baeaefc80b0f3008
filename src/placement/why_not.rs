//! Why another candidate did not win, and what would change that.
