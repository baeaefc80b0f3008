//! A long YAML or JSON text read from beginning to end, with no more of it in memory than one object.

use std::cell::RefCell;
use std::fmt;
use std::io::{self, BufRead, Read};
use std::rc::Rc;

use serde::Deserialize;
use serde::de::value::{MapAccessDeserializer, SeqAccessDeserializer};
use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};
use serde_json::{Map, Value};

use super::{YamlError, fault, options};

/// Gives `take` every document of `reader`; of one that is a mapping with a list called `items`, each of these instead.
///
/// # Errors
/// The first fault of the text. What stands before it has been given.
pub fn each(reader: impl BufRead, take: &mut dyn FnMut(Value)) -> Result<(), YamlError> {
    let lines = Rc::new(RefCell::new(Lines::new(reader)));
    while lines.borrow_mut().begin().map_err(|error| unreadable(&error))? {
        let before = lines.borrow().number;
        let read = serde_saphyr::with_deserializer_from_reader_with_options(
            Document(Rc::clone(&lines)),
            options(usize::MAX),
            |document| document.deserialize_any(Whole { take: &mut *take }),
        );
        read.map_err(|error| match fault(&error) {
            YamlError::Read { line, column, message } => YamlError::Read {
                line: line + before,
                column,
                message,
            },
            other @ YamlError::Write(_) => other,
        })?;
    }
    Ok(())
}

fn unreadable(error: &io::Error) -> YamlError {
    YamlError::Read {
        line: 0,
        column: 0,
        message: error.to_string(),
    }
}

/// A text, cut before each line that starts a document: the parser gives one value of one document only.
struct Lines<R> {
    reader: R,
    /// What of the present line is not yet given out.
    line: Vec<u8>,
    given: usize,
    /// How many lines come before the present one.
    number: u64,
    /// The present line starts another document.
    cut: bool,
    /// The document has content, so that the next mark ends it.
    content: bool,
    /// A mark has ended the document, so that whatever comes next starts another one.
    ended: bool,
}

impl<R: BufRead> Lines<R> {
    fn new(reader: R) -> Self {
        Self {
            reader,
            line: Vec::new(),
            given: 0,
            number: 0,
            cut: false,
            content: false,
            ended: false,
        }
    }

    /// Goes on to the next document, if there is one.
    fn begin(&mut self) -> io::Result<bool> {
        (self.cut, self.content, self.ended) = (false, false, false);
        if self.line.is_empty() {
            self.next()?;
        }
        self.content = self.is_content();
        Ok(!self.line.is_empty())
    }

    fn next(&mut self) -> io::Result<()> {
        const MOST: u64 = 64 * 1024;
        // A line may be the whole text, so a long one is taken in parts; the parts that follow are no marks.
        let goes_on = !self.line.is_empty() && !self.line.ends_with(b"\n");
        self.number += u64::from(self.line.ends_with(b"\n"));
        self.line.clear();
        self.given = 0;
        (&mut self.reader).take(MOST).read_until(b'\n', &mut self.line)?;
        let starts_with = |mark: &[u8]| {
            self.line
                .strip_prefix(mark)
                .is_some_and(|rest| rest.first().is_none_or(u8::is_ascii_whitespace))
        };
        let starts = starts_with(b"---") || (self.ended && (self.line.starts_with(b"%") || self.is_content()));
        self.cut = !goes_on && self.content && starts;
        self.ended |= !goes_on && starts_with(b"...");
        self.content |= goes_on || self.is_content();
        Ok(())
    }

    /// Neither blank nor a comment nor a directive.
    fn is_content(&self) -> bool {
        let text = self.line.trim_ascii();
        !(text.is_empty() || text.starts_with(b"#") || text.starts_with(b"%"))
    }
}

/// The present document of a text.
struct Document<R>(Rc<RefCell<Lines<R>>>);

impl<R: BufRead> Read for Document<R> {
    fn read(&mut self, out: &mut [u8]) -> io::Result<usize> {
        let mut lines = self.0.borrow_mut();
        if lines.given == lines.line.len() && !lines.cut {
            lines.next()?;
        }
        if lines.cut {
            return Ok(0);
        }
        let Lines { line, given, .. } = &mut *lines;
        let rest = line.get(*given..).unwrap_or_default();
        let count = rest.len().min(out.len());
        for (to, from) in out.iter_mut().zip(rest) {
            *to = *from;
        }
        *given += count;
        Ok(count)
    }
}

/// A document as a whole.
struct Whole<'t> {
    take: &'t mut dyn FnMut(Value),
}

impl<'de> Visitor<'de> for Whole<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a document")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_none<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<(), E> {
        (self.take)(value.into());
        Ok(())
    }

    fn visit_i64<E: Error>(self, value: i64) -> Result<(), E> {
        (self.take)(value.into());
        Ok(())
    }

    fn visit_u64<E: Error>(self, value: u64) -> Result<(), E> {
        (self.take)(value.into());
        Ok(())
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<(), E> {
        (self.take)(value.into());
        Ok(())
    }

    fn visit_str<E: Error>(self, value: &str) -> Result<(), E> {
        (self.take)(value.into());
        Ok(())
    }

    fn visit_seq<A: SeqAccess<'de>>(self, list: A) -> Result<(), A::Error> {
        (self.take)(Value::deserialize(SeqAccessDeserializer::new(list))?);
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<(), A::Error> {
        let mut rest = Map::new();
        let mut is_list = false;
        while let Some(key) = map.next_key::<String>()? {
            if key != "items" {
                rest.insert(key, map.next_value()?);
                continue;
            }
            match map.next_value_seed(Items { take: &mut *self.take })? {
                None => is_list = true,
                Some(other) => {
                    rest.insert(key, other);
                }
            }
        }
        if !is_list {
            (self.take)(rest.into());
        }
        Ok(())
    }
}

/// A list whose members are given one by one, or a value that is none.
struct Items<'t> {
    take: &'t mut dyn FnMut(Value),
}

impl<'de> DeserializeSeed<'de> for Items<'_> {
    type Value = Option<Value>;

    fn deserialize<D: Deserializer<'de>>(self, value: D) -> Result<Self::Value, D::Error> {
        value.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Items<'_> {
    type Value = Option<Value>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a list")
    }

    fn visit_unit<E: Error>(self) -> Result<Self::Value, E> {
        Ok(Some(Value::Null))
    }

    fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Self::Value, A::Error> {
        Value::deserialize(MapAccessDeserializer::new(map)).map(Some)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<Self::Value, A::Error> {
        while let Some(item) = list.next_element()? {
            (self.take)(item);
        }
        Ok(None)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::yaml::documents;
    use serde_json::json;

    fn read(text: &str) -> Result<Vec<Value>, YamlError> {
        let mut values = Vec::new();
        each(text.as_bytes(), &mut |value| values.push(value))?;
        Ok(values)
    }

    #[test]
    fn documents_are_the_same_as_those_of_the_text_read_at_once() {
        for text in [
            "",
            "\n",
            "# nothing\n",
            "---\n---\n",
            "~",
            "--- null\n...\n",
            "a: 1",
            "a: 1\n---\nb: 2\n",
            "# first\n---\na: 1\n# last\n---\n# none\n---\nb: 2\n...\n---\n[]\n",
            "a: 1\n...\nb: 2\n",
            "%YAML 1.2\n---\na: 1\n...\n%YAML 1.2\n---\nb: 2\n",
            "a: |\n  x\n  ---\n  y\nb: '--- c'\n---\n--- d\n---\n- e\n- 1\n- -2\n- 1.5\n- true\n",
            "{\"a\": [1]}\n---\n{\"b\": {\"items\": [1, 2]}}",
            "\u{feff}a: 1\r\n---\r\nb: 2\r\n",
            "items: {a: 1}",
            "items:",
            "---- a",
            "1\n---\n-1\n---\n1.5\n---\ntrue\n---\n[1]\n",
        ] {
            assert_eq!(read(text).unwrap(), documents(text).unwrap(), "{text:?}");
        }
    }

    #[test]
    fn the_items_of_a_list_come_one_by_one_and_the_list_does_not() {
        for text in [
            "{\"apiVersion\": \"v1\", \"items\": [{\"a\": 1}, 2], \"kind\": \"List\"}",
            "apiVersion: v1\nitems:\n- a: 1\n- 2\nkind: List\n",
            "items: [{a: 1}]\n---\n2\n",
        ] {
            assert_eq!(read(text).unwrap(), [json!({"a": 1}), json!(2)], "{text}");
        }
    }

    #[test]
    fn a_fault_is_told_with_its_line_in_the_whole_text_after_what_stands_before_it() {
        let mut values = Vec::new();
        let text = "a: 1\n---\nitems:\n- b: 2\n- c: 3\n  c: 4\n";
        let fault = each(text.as_bytes(), &mut |value| values.push(value)).unwrap_err();
        assert_eq!(
            fault.to_string(),
            "line 6, column 3: duplicate mapping key `c` is not allowed here"
        );
        assert_eq!(values, [json!({"a": 1}), json!({"b": 2})]);
    }

    #[test]
    fn a_line_longer_than_any_buffer_is_read() {
        let long = "---".repeat(100_000);
        assert_eq!(
            read(&format!("{{\"a\": \"{long}\"}}\n---\nb: {long}")).unwrap(),
            [json!({"a": long}), json!({"b": long})]
        );
    }

    #[test]
    fn what_grows_beyond_its_text_is_refused() {
        let laughs: Vec<String> = (1..10)
            .map(|i| format!("a{i}: &a{i} [{}]\n", [format!("*a{}", i - 1).as_str(); 10].join(",")))
            .collect();
        assert!(read(&format!("a0: &a0 [x,x,x,x,x,x,x,x,x,x]\n{}", laughs.concat())).is_err());
    }
}
