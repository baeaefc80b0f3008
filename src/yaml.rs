//! YAML in and out, for people's files: the catalog folder and the command line. A leaf.

mod stream;

use serde::Serialize;
use serde_json::Value;
use serde_saphyr::{Location, MessageFormatter, Options, UserMessageFormatter};

pub use stream::each;

/// Why a text could not be read or a value not be written.
#[derive(Debug, thiserror::Error)]
pub enum YamlError {
    /// Not YAML, a key twice, or aliases that multiply beyond bounds.
    #[error("line {line}, column {column}: {message}")]
    Read {
        /// From 1, of the whole text, whichever document it is in.
        line: u64,
        /// From 1.
        column: u64,
        /// What is wrong, on one line.
        message: String,
    },
    /// A value that YAML has no form for.
    #[error("{0}")]
    Write(#[from] serde_saphyr::SerializeError),
}

/// The documents of a YAML (or JSON) text; empty ones are left out.
///
/// # Errors
/// The first fault of the text, with line and column.
pub fn documents(text: &str) -> Result<Vec<Value>, YamlError> {
    // A text has at most as many nodes as bytes, and an honest use of aliases few more than that.
    let options = options(text.len().max(100_000));
    let documents: Vec<Value> = serde_saphyr::from_multiple_with_options(text, options).map_err(|e| fault(&e))?;
    Ok(documents.into_iter().filter(|document| !document.is_null()).collect())
}

/// How YAML is read: at most so many nodes.
fn options(most: usize) -> Options {
    serde_saphyr::options! {
        with_snippet: false,
        budget: serde_saphyr::budget! {
            max_reader_input_bytes: None,
            max_nodes: most,
            max_events: most.saturating_mul(4),
            max_total_scalar_bytes: most.saturating_mul(4),
            max_documents: most,
            // One anchor may serve every candidate of a file; what that comes to is counted above.
            enforce_alias_anchor_ratio: false,
        },
        // YAML 1.1 and 1.2 read `010` and `1_0` differently: text to us, so that no number is taken for another.
        leading_zero_numbers_as_strings: true,
        underscored_numbers_as_strings: true,
        // Such a tag means something to its author; to us it would mean nothing.
        reject_unsupported_tags: true,
    }
}

fn fault(error: &serde_saphyr::Error) -> YamlError {
    const MOST: usize = 200;
    let location = error.location().unwrap_or(Location::UNKNOWN);
    let message = UserMessageFormatter.format_message(error);
    let mut line = String::new();
    for c in message.chars().take(MOST) {
        if matches!(c, '"' | '\'' | '\\') {
            line.push(c);
        } else {
            line.extend(c.escape_debug());
        }
    }
    YamlError::Read {
        line: location.line(),
        column: location.column(),
        message: line,
    }
}

/// `value` as one YAML document.
///
/// # Errors
/// The value has no form in YAML.
pub fn to_string(value: &impl Serialize) -> Result<String, YamlError> {
    Ok(serde_saphyr::to_string(value)?)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;
    use serde_json::json;
    use std::time::{Duration, Instant};

    fn read(text: &str) -> Value {
        let mut documents = documents(text).unwrap_or_else(|error| panic!("{error}: {text}"));
        assert_eq!(documents.len(), 1, "{text}");
        documents.remove(0)
    }

    fn fault_of(text: &str) -> String {
        match documents(text) {
            Err(error) => error.to_string(),
            Ok(documents) => panic!("{documents:?}"),
        }
    }

    #[test]
    fn a_scalar_is_what_its_author_sees() {
        for (text, value) in [
            ("0.30", json!(0.3)),
            ("1e-1", json!(0.1)),
            (".5", json!(0.5)),
            ("1.", json!(1.0)),
            ("0x32", json!(50)),
            ("0o17", json!(15)),
            ("-0", json!(0)),
            ("\"0.30\"", json!("0.30")),
            ("'1'", json!("1")),
            ("!!str 1", json!("1")),
            ("017", json!("017")),
            ("1_000", json!("1_000")),
            ("12:30", json!("12:30")),
            ("2001-01-01", json!("2001-01-01")),
            ("18446744073709551615", json!(u64::MAX)),
            ("99999999999999999999999", json!(1e23)),
            // As the API server reads them: a string that is one of these wants quotes.
            ("yes", json!(true)),
            ("no", json!(false)),
            ("~", json!(null)),
            ("", json!(null)),
        ] {
            assert_eq!(read(&format!("a: {text}")), json!({ "a": value }), "{text}");
        }
    }

    #[test]
    fn documents_are_as_many_as_have_content() {
        for empty in ["", "---\n---\n", "# nothing\n", "~", "--- null\n...\n"] {
            assert_eq!(documents(empty).unwrap(), Vec::<Value>::new(), "{empty:?}");
        }
        assert_eq!(
            documents("---\na: 1\n---\n# none\n---\nb: 2\n...\n---\n[]\n").unwrap(),
            [json!({"a": 1}), json!({"b": 2}), json!([])]
        );
        assert_eq!(documents("{\"a\": [1]}").unwrap(), [json!({"a": [1]})]);
        assert_eq!(
            documents("\u{feff}a: 1\r\nb: 2\r\n").unwrap(),
            [json!({"a": 1, "b": 2})]
        );
    }

    #[test]
    fn keys_are_texts() {
        assert_eq!(read("1: x\ntrue: z"), json!({"1": "x", "true": "z"}));
        assert_eq!(fault_of("null: x"), "line 1, column 1: null is not allowed here");
        assert_eq!(fault_of("[a, b]: x"), "line 1, column 1: expected string scalar");
        assert_eq!(fault_of("? {a: b}\n: x"), "line 1, column 3: expected string scalar");
    }

    #[test]
    fn aliases_and_merge_keys_are_followed() {
        assert_eq!(read("a: &x [1]\nb: *x"), json!({"a": [1], "b": [1]}));
        assert_eq!(
            read("a: &x {b: 1, c: 1}\nd: {<<: *x, b: 2}"),
            json!({"a": {"b": 1, "c": 1}, "d": {"b": 2, "c": 1}})
        );
        // One anchor for every candidate of a large cell.
        let many = format!("a: &x {{b: 1}}\nc: [{}]", "*x,".repeat(1000));
        assert_eq!(read(&many)["c"].as_array().map(Vec::len), Some(1000));
    }

    #[test]
    fn a_fault_is_told_on_one_line_with_its_place() {
        for (text, fault) in [
            (
                "a: 1\n---\nb: 1\nb: 2\n",
                "line 4, column 1: duplicate mapping key `b` is not allowed here",
            ),
            (
                "{a: 1, a: 2}",
                "line 1, column 8: duplicate mapping key `a` is not allowed here",
            ),
            (
                "\"a\\n\\e\\u202e'\": 1\n\"a\\n\\e\\u202e'\": 2",
                "line 2, column 1: duplicate mapping key `a\\n\\u{1b}\\u{202e}'` is not allowed here",
            ),
            ("a: 1\n---\nb: [\n---\nc: 1", "line 3, column 4: unclosed bracket '['"),
            (
                "a:\n\tb: 1",
                "line 2, column 2: tabs disallowed within this context (block indentation)",
            ),
            ("a: 'x", "line 1, column 4: unclosed quote"),
            (
                "a: b: c",
                "line 1, column 5: mapping values are not allowed in this context",
            ),
            ("a: .nan", "line 1, column 4: value `.nan` is not a finite number"),
            ("a: -.inf", "line 1, column 4: value `-.inf` is not a finite number"),
            ("a: 1e999", "line 1, column 4: value `1e999` is not a finite number"),
            ("a: *nope", "line 1, column 4: reference to unknown value"),
            ("a: &x [*x]", "line 1, column 8: Recursive reference not allowed here"),
            (
                "<<: 5",
                "line 1, column 5: YAML merge value must be mapping or sequence of mappings",
            ),
            ("a: !secret b", "line 1, column 12: unsupported tag `!secret`"),
            ("a: !!int 1.5", "line 1, column 10: invalid u64"),
            ("a: !!binary x", "line 1, column 13: invalid !!binary base64"),
        ] {
            assert_eq!(fault_of(text), fault, "{text}");
        }
        let key = "k".repeat(1000);
        assert!(fault_of(&format!("{key}: 1\n{key}: 2")).len() < 300);
    }

    #[test]
    fn what_grows_beyond_its_text_is_refused_soon() {
        let laughs: Vec<String> = (1..10)
            .map(|i| format!("a{i}: &a{i} [{}]\n", [format!("*a{}", i - 1).as_str(); 10].join(",")))
            .collect();
        let laughs = format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{}", laughs.concat());
        let wide = format!("a: &a [{}]\nb: [{}]\n", "x,".repeat(1000), "*a,".repeat(1000));
        let long = format!("a: &a {}\nb: [{}]", "x".repeat(90_000), "*a,".repeat(10_000));
        let deep_flow = "[".repeat(100_000);
        let deep_maps = "{a: ".repeat(100_000);
        let deep_block: Vec<String> = (0..1000).map(|i| format!("{}a:\n", " ".repeat(i))).collect();
        let deep_block = deep_block.concat();
        let deep_list = "- ".repeat(50_000);
        for (text, what) in [
            (laughs, "Nodes"),
            (wide, "Nodes"),
            (long, "ScalarBytes"),
            (deep_flow, "recursion limit"),
            (deep_maps, "recursion limit"),
            (deep_block, "Depth"),
            (deep_list, "Depth"),
        ] {
            let start = Instant::now();
            let fault = fault_of(&text);
            assert!(fault.contains(what), "{fault}");
            assert!(
                start.elapsed() < Duration::from_mins(1),
                "{fault}: {:?}",
                start.elapsed()
            );
        }
    }

    #[test]
    fn what_is_as_long_as_its_text_is_read_however_long() {
        assert_eq!(documents(&"a: 1\n---\n".repeat(2000)).unwrap().len(), 2000);
        let list = format!("[{}]", "1,".repeat(120_000));
        assert_eq!(read(&list).as_array().map(Vec::len), Some(120_000));
    }

    proptest! {
        #[test]
        fn every_value_survives_the_way_through_yaml(text in "[ -~\\n\\t]{0,20}|[a-z~#:0-9.+_-]{1,6}|\\PC{0,8}", number in any::<i64>()) {
            let value = json!({ "a": { text.clone(): [text.clone(), number] }, "b": text });
            prop_assert_eq!(documents(&to_string(&value).unwrap()).unwrap(), [value]);
        }
    }
}
