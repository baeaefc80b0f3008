//! What subcommands say, in every format, and how it reaches the terminal. No subcommand's own words.

use std::fmt::Write as _;
use std::io::{self, Write as _};

use clap::ValueEnum;
use comfy_table::presets::NOTHING;
use comfy_table::{Row, Table};
use serde::Serialize;

use crate::yaml;

/// How a subcommand ended that was used rightly.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Outcome {
    Done,
    Refused,
}

/// What a subcommand has to say, and how it ended.
#[derive(Debug)]
pub(super) struct Output {
    /// For standard output.
    pub(super) text: String,
    /// For standard error, a line each.
    pub(super) notes: Vec<String>,
    pub(super) outcome: Outcome,
}

impl Output {
    pub(super) fn done(text: String) -> Self {
        Self::new(text, Outcome::Done)
    }

    pub(super) fn new(text: String, outcome: Outcome) -> Self {
        Self {
            text,
            notes: Vec::new(),
            outcome,
        }
    }
}

/// How output looks.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Format {
    /// For people
    Table,
    /// For programs
    Json,
    /// For programs and people
    Yaml,
}

/// How data looks: a [`Format`] that is not for people only.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Data {
    Json,
    Yaml,
}

impl Format {
    pub(super) fn data(self) -> Option<Data> {
        match self {
            Self::Table => None,
            Self::Json => Some(Data::Json),
            Self::Yaml => Some(Data::Yaml),
        }
    }
}

impl Data {
    /// `value` as one document, with a line break at its end.
    pub(super) fn document(self, value: &impl Serialize) -> anyhow::Result<String> {
        match self {
            Self::Json => Ok(harmless_json(&serde_json::to_string_pretty(value)?) + "\n"),
            Self::Yaml => {
                let text = yaml::to_string(value)?;
                // YAML leaves bidirectional and other format characters as they are. JSON is YAML too, and has an
                // escape for everything.
                if harmless(&text) == text {
                    Ok(text)
                } else {
                    Self::Json.document(value)
                }
            }
        }
    }
}

/// `values` as a stream of YAML documents.
pub(super) fn yaml_stream<T: Serialize>(values: impl IntoIterator<Item = T>) -> anyhow::Result<String> {
    let mut text = String::new();
    for value in values {
        if !text.is_empty() {
            text.push_str("---\n");
        }
        text.push_str(&Data::Yaml.document(&value)?);
    }
    Ok(text)
}

/// A table without lines, so that it can be read, cut and compared; as wide as its content, wherever it goes.
pub(super) fn table<R: Into<Row>>(header: impl Into<Row>, rows: impl IntoIterator<Item = R>) -> String {
    let mut table = Table::new();
    table.load_style(NOTHING).set_header(header);
    for row in rows {
        table.add_row(row);
    }
    for column in table.column_iter_mut() {
        column.set_padding((0, 2));
    }
    table.trim_fmt() + "\n"
}

/// Words after each other, or a dash for none.
pub(super) fn listed<T: ToString>(words: impl IntoIterator<Item = T>) -> String {
    let words: Vec<String> = words.into_iter().map(|word| word.to_string()).collect();
    if words.is_empty() {
        "-".to_owned()
    } else {
        words.join(", ")
    }
}

/// `text` without characters that a terminal obeys; line breaks stay.
pub(super) fn harmless(text: &str) -> String {
    let mut harmless = String::with_capacity(text.len());
    for c in text.chars() {
        if is_obeyed(c) && c != '\n' {
            harmless.extend(c.escape_debug());
        } else {
            harmless.push(c);
        }
    }
    harmless
}

/// JSON whose strings hold no character that a terminal obeys; it reads back as the same value.
pub(super) fn harmless_json(json: &str) -> String {
    let mut harmless = String::with_capacity(json.len());
    for c in json.chars() {
        // What ASCII's controls there are outside strings lay the text out; inside, JSON itself has them escaped.
        if is_obeyed(c) && !c.is_ascii_whitespace() {
            for unit in c.encode_utf16(&mut [0; 2]) {
                let _ = write!(harmless, "\\u{unit:04x}");
            }
        } else {
            harmless.push(c);
        }
    }
    harmless
}

/// What Rust escapes in a literal, quotes and backslash aside: controls, bidirectional and other format characters,
/// lone combining marks.
fn is_obeyed(c: char) -> bool {
    c.escape_debug().len() > 1 && !matches!(c, '"' | '\'' | '\\')
}

/// Writes to standard output. A reader that has gone, as `head` does, has seen what it wanted.
pub(super) fn print(text: &str) -> io::Result<()> {
    let mut out = io::stdout().lock();
    match out.write_all(text.as_bytes()).and_then(|()| out.flush()) {
        Err(error) if error.kind() == io::ErrorKind::BrokenPipe => Ok(()),
        other => other,
    }
}

/// Writes lines to standard error, whether or not anybody reads them.
pub(super) fn note(text: &str) {
    let _ = writeln!(io::stderr().lock(), "{}", harmless(text));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_a_terminal_obeys_is_escaped_and_text_stays() {
        assert_eq!(
            harmless("a\"b'\\c — é\n\u{1b}[2J\u{9b}1m\u{202e}\t"),
            "a\"b'\\c — é\n\\u{1b}[2J\\u{9b}1m\\u{202e}\\t"
        );
    }

    #[test]
    fn data_has_no_character_that_a_terminal_obeys_and_reads_back_as_the_same_value() {
        for name in [
            "\u{1b}[2J\u{7f}\u{9b}1m",
            "a\u{202e}b",
            &"\u{202e} words ".repeat(20),
            "a\n\u{2066}b\n",
            "\u{e0001}",
        ] {
            let value = serde_json::json!({ name: [name] });
            for data in [Data::Json, Data::Yaml] {
                let text = data.document(&value).unwrap();
                assert_eq!(harmless(&text), text);
                assert_eq!(yaml::documents(&text).unwrap(), std::slice::from_ref(&value));
            }
        }
    }

    #[test]
    fn json_with_escapes_reads_back_as_the_same_value() {
        let text = "é\u{7f}\u{9b}\u{202e}\u{e0001}\u{1b}😀";
        let json = harmless_json(&serde_json::to_string(text).unwrap());
        assert_eq!(json, r#""é\u007f\u009b\u202e\udb40\udc01\u001b😀""#);
        assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
    }
}
