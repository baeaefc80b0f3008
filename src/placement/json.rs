//! A JSON string's content, escaped (RFC 8259, section 7).

/// Writes `text` with quotes, backslashes and control characters escaped.
///
/// A reason is mostly quotes and short words, which is what this is made for.
pub fn escape(out: &mut String, text: &str) {
    let special = |byte: u8| byte < b' ' || byte == b'"' || byte == b'\\';
    let mut rest = text;
    while let Some(at) = rest.bytes().position(special)
        && let Some((plain, after)) = rest.split_at_checked(at)
    {
        out.push_str(plain);
        let mut after = after.chars();
        match after.next() {
            Some(quoted @ ('"' | '\\')) => {
                out.push('\\');
                out.push(quoted);
            }
            control => {
                const HEX: [char; 16] = [
                    '0', '1', '2', '3', '4', '5', '6', '7', '8', '9', 'a', 'b', 'c', 'd', 'e', 'f',
                ];
                let code = control.map_or(0, u32::from) as usize;
                out.push_str("\\u00");
                out.extend([HEX.get(code >> 4), HEX.get(code & 15)].into_iter().flatten());
            }
        }
        rest = after.as_str();
    }
    out.push_str(rest);
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was(text in any::<String>(), ascii in "[\\x00-\\x7f]*") {
            for text in [text, ascii] {
                let mut json = "\"".to_owned();
                escape(&mut json, &text);
                json.push('"');
                prop_assert_eq!(serde_json::from_str::<String>(&json).unwrap(), text);
            }
        }
    }
}
