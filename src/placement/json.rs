//! A JSON string's content, escaped (RFC 8259, section 7).

/// Writes `text` with quotes, backslashes and control characters escaped.
///
/// A reason has a quote every few bytes, so there is nothing to gain from looking for the next one: every byte is
/// copied with a backslash before it, which the next byte overwrites unless it has to stay.
pub fn escape(out: &mut Vec<u8>, text: &str) {
    const CHUNK: usize = 64;
    for chunk in text.as_bytes().chunks(CHUNK) {
        let mut room = [0_u8; 2 * CHUNK];
        let (mut used, mut control) = (0, false);
        for byte in chunk {
            // `used` never reaches the mask; it spares the bounds check.
            if let Some(slot) = room.get_mut(used & (2 * CHUNK - 1)) {
                *slot = b'\\';
            }
            used += usize::from(matches!(byte, b'"' | b'\\'));
            if let Some(slot) = room.get_mut(used & (2 * CHUNK - 1)) {
                *slot = *byte;
            }
            used += 1;
            control |= *byte < b' ';
        }
        if control {
            chunk.iter().for_each(|byte| escape_byte(out, *byte));
        } else {
            out.extend_from_slice(room.get(..used).unwrap_or_default());
        }
    }
}

fn escape_byte(out: &mut Vec<u8>, byte: u8) {
    const HEX: &[u8; 16] = b"0123456789abcdef";
    match byte {
        b'"' | b'\\' => out.extend([b'\\', byte]),
        0x20.. => out.push(byte),
        control => {
            out.extend_from_slice(b"\\u00");
            out.extend(
                [control >> 4, control & 15]
                    .into_iter()
                    .filter_map(|digit| HEX.get(usize::from(digit))),
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn any_text_reads_back_as_it_was(text in any::<String>(), ascii in "[\\x00-\\x7f]{0,200}", quotes in "[\"\\\\a]{0,200}") {
            for text in [text, ascii, quotes] {
                let mut json = b"\"".to_vec();
                escape(&mut json, &text);
                json.push(b'"');
                prop_assert_eq!(serde_json::from_slice::<String>(&json).unwrap(), text);
            }
        }
    }
}
