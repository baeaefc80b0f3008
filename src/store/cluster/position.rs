//! Where a page of a list begins.

use crate::store::StoreError;

/// Where a page begins: so many claims into a chunk of a list that is as old as its first page, whatever has come and gone
/// since. The first chunk is known by the list's version, the others by what the API server calls `continue`.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Position {
    pub(super) skip: usize,
    pub(super) version: String,
    pub(super) chunk: String,
    /// Of this namespace, or of all.
    pub(super) namespace: String,
}

impl Position {
    pub(super) fn read(from: Option<&str>, namespace: Option<&str>) -> Result<Self, StoreError> {
        let namespace = namespace.unwrap_or_default().to_owned();
        let Some(from) = from else {
            return Ok(Self {
                namespace,
                ..Self::default()
            });
        };
        let mut parts = from.splitn(4, '.');
        let mut part = || parts.next().ok_or(StoreError::NoSuchPage);
        let (skip, version, of, chunk) = (part()?, part()?, part()?, part()?);
        let skip = skip.parse().map_err(|_| StoreError::NoSuchPage)?;
        // They are put into a URL as they are.
        let fine = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'=');
        let is_version = version.bytes().all(|byte| byte.is_ascii_digit());
        if of != namespace || !is_version || !chunk.bytes().all(fine) || (version.is_empty() && chunk.is_empty()) {
            return Err(StoreError::NoSuchPage);
        }
        Ok(Self {
            skip,
            version: version.to_owned(),
            chunk: chunk.to_owned(),
            namespace,
        })
    }

    /// What is put into the URL of a list for it.
    pub(super) fn parameter(&self) -> String {
        match (self.chunk.as_str(), self.version.as_str()) {
            ("", "") => String::new(),
            ("", version) => format!("&resourceVersion={version}&resourceVersionMatch=Exact"),
            (chunk, _) => format!("&continue={chunk}"),
        }
    }
}

impl std::fmt::Display for Position {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self {
            skip,
            version,
            chunk,
            namespace,
        } = self;
        write!(f, "{skip}.{version}.{namespace}.{chunk}")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_position_is_read_as_it_was_written_and_nothing_else_is_put_into_a_url() {
        for (skip, version, chunk) in [
            (0, "", "eyJ2IjoibWV0YS5rOHMuaW8vdjEifQ"),
            (499, "12345", ""),
            (7, "", "a-_="),
        ] {
            for namespace in [None, Some("orders")] {
                let position = Position {
                    skip,
                    version: version.to_owned(),
                    chunk: chunk.to_owned(),
                    namespace: namespace.unwrap_or_default().to_owned(),
                };
                let text = position.to_string();
                assert_eq!(Position::read(Some(&text), namespace), Ok(position));
                assert_eq!(Position::read(Some(&text), Some("others")), Err(StoreError::NoSuchPage));
            }
        }
        assert_eq!(Position::read(None, None), Ok(Position::default()));
        for wrong in [
            "",
            "1",
            "1..",
            "0...",
            "5000...",
            "x...abc",
            "-1...abc",
            "1...a&limit=0",
            "1...a b",
            "1...%41",
            "1.1&x=1..a",
            "99999999999999999999...a",
        ] {
            assert_eq!(
                Position::read(Some(wrong), None),
                Err(StoreError::NoSuchPage),
                "{wrong}"
            );
        }
    }
}
