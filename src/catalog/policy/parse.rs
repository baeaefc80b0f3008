//! An expression's text as the tree of the `cel` crate, within bounds that no parser can be stalled or overflowed in.
//! The only file that calls the crate's parser; what a tree means is the checker's matter.

use std::{fmt, thread};

use cel::common::ast::{IdedExpr, SourceInfo};
use cel::parser::{ParseErrors, Parser};

use super::printable;

/// The most bytes of one expression.
pub(super) const MOST_BYTES: usize = 4096;

/// Deeper nesting, or more alternatives in each other, than anybody reads.
const MOST_DEPTH: usize = 20;

/// A tree of the most nodes takes fewer, were every one of them in brackets.
const MOST_TOKENS: usize = 600;

/// Four times what the deepest expression within the bounds takes in a debug build.
const STACK: usize = 16 * 1024 * 1024;

/// What `namespace` is called on its way through the parser: to CEL it is a reserved word. Of the same length, so that
/// every place stays where it is, and nobody can write it.
pub(super) const NAMESPACE: &str = "__nspace_";
const NAMESPACE_WORD: &str = "namespace";

/// What is wrong with an expression, and where in it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Fault {
    pub(super) place: Place,
    pub(super) message: String,
}

impl Fault {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self {
            place,
            message: message.into(),
        }
    }
}

impl fmt::Display for Fault {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: {}", self.place, self.message)
    }
}

/// Line and column, both from 1, the column in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Place {
    pub(super) line: usize,
    pub(super) column: usize,
}

impl Place {
    pub(super) const START: Self = Self { line: 1, column: 1 };

    /// The place of a byte of `source`.
    pub(super) fn at(source: &str, offset: usize) -> Self {
        let before = source.get(..offset).unwrap_or(source);
        let line = before.rsplit('\n').next().unwrap_or_default();
        Self {
            line: before.matches('\n').count() + 1,
            column: line.chars().count() + 1,
        }
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "line {}, column {}", self.line, self.column)
    }
}

/// Parses `source`, in which `namespace` is a name like any other.
pub(super) fn parse(source: &str) -> Result<(IdedExpr, SourceInfo), Fault> {
    let source = bounded(source)?;
    let parsing = move || {
        Parser::new()
            .parse_with_source_info(&source)
            .map_err(|errors| fault(&errors))
    };
    // The crate's parser goes deep: brackets within the bounds take more than a worker thread's stack.
    let thread = thread::Builder::new().stack_size(STACK).spawn(parsing);
    let parsed = thread.map_err(|error| format!("cannot be read now, for want of a thread: {error}"));
    let parsed = parsed.and_then(|thread| thread.join().map_err(|_| "is more than the parser can take".to_owned()));
    parsed.map_err(|message| Fault::new(Place::START, message))?
}

/// The first thing that the parser says. What it says of its own tree comes after what it says of the text.
fn fault(errors: &ParseErrors) -> Fault {
    const SYNTAX: &str = "Syntax error: ";
    let mut all = errors.errors.iter();
    let first = all
        .clone()
        .find(|error| error.msg.starts_with(SYNTAX))
        .or_else(|| all.next());
    let whole = |number: isize| usize::try_from(number).unwrap_or_default().max(1);
    let place = first.map_or(Place::START, |error| Place {
        line: whole(error.pos.0),
        column: whole(error.pos.1),
    });
    let message = first.map_or("", |error| error.msg.trim_start_matches(SYNTAX));
    Fault::new(place, format!("is no CEL: {}", told(message)))
}

/// The parser's words without what only its authors would read: it lists every token that it would have taken.
fn told(message: &str) -> String {
    const MOST: usize = 100;
    let message = message.split(" expecting ").next().unwrap_or_default();
    let message = message.replace(NAMESPACE, NAMESPACE_WORD).replace("'<EOF>'", "end");
    printable(&message.chars().take(MOST).collect::<String>())
}

/// `source` with `namespace` renamed, if it is within the bounds.
pub(super) fn bounded(source: &str) -> Result<String, Fault> {
    if source.len() > MOST_BYTES {
        let message = format!("has {} bytes; at most {MOST_BYTES}", source.len());
        return Err(Fault::new(Place::START, message));
    }
    let mut renamed = String::with_capacity(source.len());
    let (mut depth, mut alternatives, mut tokens, mut after_dot) = (0_usize, 0, 0, false);
    let mut rest = source;
    while let Some(first) = rest.chars().next() {
        let at = source.len() - rest.len();
        let fault = |message: String| Fault::new(Place::at(source, at), message);
        let length = token(rest);
        let (taken, left) = rest.split_at_checked(length).unwrap_or((rest, ""));
        rest = left;
        if first.is_whitespace() || taken.starts_with("//") {
            renamed.push_str(taken);
            continue;
        }
        tokens += 1;
        match first {
            '(' | '[' | '{' => depth += 1,
            ')' | ']' | '}' => depth = depth.saturating_sub(1),
            '?' => alternatives += 1,
            _ => {}
        }
        if depth > MOST_DEPTH || alternatives > MOST_DEPTH {
            return Err(fault(format!("is nested deeper than {MOST_DEPTH} levels; split it up")));
        }
        if tokens > MOST_TOKENS {
            return Err(fault(format!(
                "is longer than {MOST_TOKENS} words and signs; split it up"
            )));
        }
        if taken.starts_with("__") {
            return Err(fault("no name begins with \"__\"".to_owned()));
        }
        let is_name = taken == NAMESPACE_WORD && !after_dot;
        renamed.push_str(if is_name { NAMESPACE } else { taken });
        after_dot = first == '.';
    }
    Ok(renamed)
}

/// The length of the token that `text` begins with.
fn token(text: &str) -> usize {
    let word = |c: char| c.is_ascii_alphanumeric() || c == '_';
    let first = text.chars().next().map_or(0, char::len_utf8);
    if text.starts_with("//") {
        return text.find('\n').unwrap_or(text.len());
    }
    let prefix = text.find(|c| !matches!(c, 'r' | 'R' | 'b' | 'B')).unwrap_or(0);
    if prefix <= 2
        && let Some((prefix, quoted)) = text.split_at_checked(prefix)
        && quoted.starts_with(['"', '\''])
    {
        return prefix.len() + literal(quoted, prefix.contains(['r', 'R']));
    }
    if text.starts_with(word) {
        return text.find(|c| !word(c)).unwrap_or(text.len());
    }
    first
}

/// The length of the string literal that `text` begins with; to its end where it never closes, which the parser tells.
fn literal(text: &str, raw: bool) -> usize {
    let close = ["\"\"\"", "'''", "\"", "'"]
        .into_iter()
        .find(|quote| text.starts_with(quote));
    let close = close.unwrap_or_default();
    let mut at = close.len();
    while let Some(rest) = text.get(at..)
        && let Some(next) = rest.chars().next()
    {
        if rest.starts_with(close) {
            return at + close.len();
        }
        at += next.len_utf8();
        if next == '\\' && !raw {
            at += text
                .get(at..)
                .and_then(|rest| rest.chars().next())
                .map_or(0, char::len_utf8);
        }
    }
    text.len()
}
