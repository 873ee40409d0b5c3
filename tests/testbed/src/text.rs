//! Small texts: the end of a log, the hash of an input.

use std::path::Path;

/// The last lines of a file, or a note why there are none: for error messages, so it never fails.
pub fn tail(path: &Path, lines: usize) -> String {
    match std::fs::read(path) {
        Ok(bytes) => last_lines(&String::from_utf8_lossy(&bytes), lines),
        Err(error) => format!("(no log: {error})"),
    }
}

/// The last lines of a text.
pub fn last_lines(text: &str, lines: usize) -> String {
    let all: Vec<&str> = text.lines().collect();
    all.get(all.len().saturating_sub(lines)..).unwrap_or_default().join("\n")
}

/// A name for a content: FNV-1a with 128 bits. It tells cached files apart, it protects nothing,
/// and it is the same for every compiler, which the standard library's hasher does not promise.
pub fn content_name<'a>(parts: impl IntoIterator<Item = &'a [u8]>) -> String {
    const OFFSET: u128 = 0x6c62_272e_07bb_0142_62b8_2175_6295_c58d;
    const PRIME: u128 = 0x0000_0000_0100_0000_0000_0000_0000_013b;
    let mut hash = OFFSET;
    let mut eat = |byte: u8| hash = (hash ^ u128::from(byte)).wrapping_mul(PRIME);
    for part in parts {
        part.iter().copied().for_each(&mut eat);
        // The length ends a part, so that "ab"+"c" and "a"+"bc" differ.
        part.len().to_le_bytes().into_iter().for_each(&mut eat);
    }
    format!("{hash:032x}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_text_is_never_longer_than_asked() {
        assert_eq!(last_lines("a\nb\nc\n", 2), "b\nc");
        assert_eq!(last_lines("a", 2), "a");
        assert_eq!(last_lines("", 2), "");
    }

    #[test]
    fn contents_that_are_split_differently_have_different_names() {
        assert_ne!(content_name([b"ab".as_slice(), b"c"]), content_name([b"a".as_slice(), b"bc"]));
        assert_eq!(content_name([b"ab".as_slice()]), content_name([b"ab".as_slice()]));
    }
}
