//! What is no evidence: everything in a text that only names something.
//!
//! References, URLs, hosts, addresses, digests and paths are known by their shape, whatever the
//! image is called; names without any shape by the words before them. Every blanked byte becomes
//! [`BLANK`], so that positions stay those of the original.

use std::ops::Range;

/// Stands for a byte that is no evidence.
pub(super) const BLANK: u8 = 0;

/// The text without what is no evidence, byte by byte.
pub(super) fn blank(text: &str, image: &str) -> Vec<u8> {
    let mut bytes = text.as_bytes().to_vec();
    if text.contains('\0') {
        bytes.iter_mut().filter(|byte| **byte == BLANK).for_each(|byte| *byte = b' ');
    }
    if !image.is_empty() {
        blank_named(text, image, &mut bytes);
    }
    Lexer {
        bytes: &mut bytes,
        at: 0,
        quoted_until: [None; 2],
        code_until: None,
        before: [Word::default(); 2],
        names: false,
    }
    .run();
    bytes
}

/// The blanked parts.
pub(super) fn ranges(blanked: &[u8]) -> Vec<Range<usize>> {
    let mut ranges = Vec::new();
    let mut start = None;
    for (at, byte) in blanked.iter().chain(std::iter::once(&b' ')).enumerate() {
        match (*byte == BLANK, start) {
            (true, None) => start = Some(at),
            (false, Some(from)) => {
                ranges.push(from..at);
                start = None;
            }
            _ => {}
        }
    }
    ranges
}

/// What stands right before the name of an image, and before nothing else.
const NAMING: [&str; 9] =
    ["\"", "'", "(", "docker://", "image ", "image name ", "reference ", " for ", "Tag "];

/// Blanks the image itself, which may have no shape of its own, where the words around it say that it
/// is one.
fn blank_named(text: &str, image: &str, bytes: &mut [u8]) {
    for (at, _) in text.match_indices(image) {
        let (before, after) = (text.get(..at).unwrap_or_default(), text.get(at + image.len()..));
        let ends = after.and_then(|after| after.bytes().next()).is_none_or(is_edge);
        if ends && NAMING.iter().any(|naming| before.ends_with(naming)) {
            fill(bytes, at..at + image.len());
        }
    }
}

fn is_edge(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"'(),;:[]<>".contains(&byte)
}

fn fill(bytes: &mut [u8], range: Range<usize>) {
    if let Some(part) = bytes.get_mut(range) {
        part.fill(BLANK);
    }
}

/// Words that follow `repository` and are not its name.
const AFTER_REPOSITORY: [&[u8]; 20] = [
    b"does", b"name", b"not", b"is", b"was", b"with", b"must", b"or", b"and", b"may", b"has",
    b"still", b"exists", b"unknown", b"in", b"on", b"at", b"to", b"for", b"from",
];

/// A word of the text.
#[derive(Clone, Copy, Default)]
struct Word {
    start: usize,
    end: usize,
}

/// One pass over the text, a word at a time.
struct Lexer<'b> {
    bytes: &'b mut Vec<u8>,
    at: usize,
    /// Inside of a quoted text, up to its closing quote, and of one with escaped quotes in it.
    quoted_until: [Option<usize>; 2],
    /// The quoted text before was the key `code`, up to here.
    code_until: Option<usize>,
    /// The two words before, the nearest first.
    before: [Word; 2],
    /// In the list of names of a certificate.
    names: bool,
}

impl Lexer<'_> {
    fn run(mut self) {
        while let Some(byte) = self.byte(self.at) {
            match byte {
                b'"' => self.quote(),
                b'\'' => self.apostrophe(),
                _ if is_boundary(byte) => {
                    self.at += 1;
                }
                _ => self.word(),
            }
        }
    }

    fn byte(&self, at: usize) -> Option<u8> {
        self.bytes.get(at).copied()
    }

    /// A quoted text: a name if it has no space in it, words otherwise.
    fn quote(&mut self) {
        let start = self.at + 1;
        self.at = start;
        if self.quoted_until.contains(&Some(start - 1)) {
            return;
        }
        let escaped = start >= 2 && self.byte(start - 2) == Some(b'\\');
        let Some(end) = self.closing(start, escaped) else { return };
        let content = self.bytes.get(start..end).unwrap_or_default();
        if content.iter().any(u8::is_ascii_whitespace) {
            let [plain, inner] = self.quoted_until;
            self.quoted_until = if escaped { [plain, Some(end + 1)] } else { [Some(end), inner] };
            return;
        }
        let is_key = content == b"code";
        if !self.is_code(start..end) {
            fill(self.bytes, start..end);
        }
        self.code_until = is_key.then_some(end);
        self.push(Word { start, end });
        self.at = end + if escaped { 2 } else { 1 };
    }

    /// A registry's own error code: `"code":"MANIFEST_UNKNOWN"` (OCI distribution specification).
    fn is_code(&self, content: Range<usize>) -> bool {
        let gap = self.code_until.and_then(|end| self.bytes.get(end..content.start));
        let code = self.bytes.get(content).unwrap_or_default();
        code.iter().all(|b| b.is_ascii_uppercase() || *b == b'_')
            && gap.is_some_and(|gap| gap.iter().all(|b| b"\": \\".contains(b)))
    }

    /// A name in apostrophes, unless it is an apostrophe inside of a word.
    fn apostrophe(&mut self) {
        let start = self.at + 1;
        self.at = start;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let length = rest.iter().position(|b| *b == b'\'' || b.is_ascii_whitespace());
        if let Some(end) = length.map(|length| start + length)
            && self.byte(end) == Some(b'\'')
        {
            fill(self.bytes, start..end);
            self.push(Word { start, end });
            self.at = end + 1;
        }
    }

    /// Where the quoted text ends: with a quote that no backslash precedes, or, where it began with
    /// an escaped one, before the next that is escaped too.
    fn closing(&self, start: usize, escaped: bool) -> Option<usize> {
        let rest = self.bytes.get(start..)?;
        if escaped {
            return rest.windows(2).position(|two| two == br#"\""#).map(|length| start + length);
        }
        let mut skip = false;
        let length = rest.iter().position(|byte| {
            let ends = *byte == b'"' && !skip;
            skip = *byte == b'\\' && !skip;
            ends
        })?;
        Some(start + length)
    }

    fn word(&mut self) {
        let start = self.at;
        let rest = self.bytes.get(start..).unwrap_or_default();
        let mut length = rest.iter().position(|b| is_boundary(*b)).unwrap_or(rest.len());
        if is_url(rest.get(..length).unwrap_or_default()) {
            // URLs may have commas and brackets in them.
            length = rest.iter().position(|b| ends_url(*b)).unwrap_or(rest.len());
        }
        self.at = start + length.max(1);
        let word = Word { start, end: self.trimmed(start, start + length) };
        if self.is_name(word) {
            fill(self.bytes, word.start..word.end);
        }
        if self.text(word) == b"for" && self.text(self.before[0]) == b"valid" {
            self.names = true;
        }
        self.push(word);
    }

    fn text(&self, word: Word) -> &[u8] {
        self.bytes.get(word.start..word.end).unwrap_or_default()
    }

    fn push(&mut self, word: Word) {
        self.before = [word, self.before[0]];
    }

    /// The end of the word without the punctuation after it.
    fn trimmed(&self, start: usize, end: usize) -> usize {
        let word = self.bytes.get(start..end).unwrap_or_default();
        let kept = word.iter().rposition(|b| !b":.,;!?)]".contains(b)).map_or(0, |last| last + 1);
        start + kept
    }

    /// Whether a word only names something.
    fn is_name(&mut self, word: Word) -> bool {
        let listed = self.names && self.is_listed(word);
        let shaped = has_shape(self.text(word), self.bytes.get(word.end..));
        listed || shaped || self.is_announced(word)
    }

    /// What stands between the word before and this one.
    fn gap(&self, word: Word) -> &[u8] {
        self.bytes.get(self.before[0].end..word.start).unwrap_or_default()
    }

    /// Whether a word of a certificate's list is a name: `certificate is valid for a, b, not c` (Go:
    /// x509.HostnameError). The list ends with the name after `not`, or where it is none.
    fn is_listed(&mut self, word: Word) -> bool {
        let (near, gap) = (self.text(self.before[0]), self.gap(word));
        let (first, next) = (near == b"for" && gap == b" ", gap == b", ");
        let denied = near == b"not" && gap == b" ";
        let not = next && self.text(word) == b"not";
        self.names = first || next;
        (first || next || denied) && !not
    }

    /// Whether the words before say that a name follows.
    fn is_announced(&self, word: Word) -> bool {
        let [near, far] = self.before;
        let announced = match (self.text(far), self.text(near)) {
            // Go: net.DNSError; Docker before 17: `Tag T not found in repository R`.
            (_, b"lookup" | b"Tag")
            | (b"from", b"host")          // containerd 1.6: `pulling from host H failed`
            | (b"container" | b"docker", b"registry") // CRI-O: `pinging container registry H`
            | (b"reading", b"manifest")   // CRI-O: `reading manifest TAG in REPOSITORY`
            | (b"image", b"name")         // CRI-O: `but image name R returns ambiguous list`
            | (b"to", b"match")           // Go: `but wanted to match H`
            // Docker: `manifest for R not found`, `pull access denied for R, ...`; kubelet: `image
            // pull failed for R because`; Go: `cannot validate certificate for H`.
            | (b"manifest" | b"denied" | b"failed" | b"certificate", b"for") => true,
            // Docker and registries: `repository R not found`, `project P not found`; but
            // `repository does not exist`.
            (_, b"repository" | b"project" | b"Repository" | b"Project") => {
                !AFTER_REPOSITORY.contains(&self.text(word))
            }
            // containerd 1.6: `[manifests TAG]`
            (_, b"manifests" | b"blobs") => {
                near.start.checked_sub(1).and_then(|at| self.byte(at)) == Some(b'[')
            }
            _ => false,
        };
        announced && self.gap(word) == b" "
    }
}

fn is_boundary(byte: u8) -> bool {
    matches!(
        byte,
        b' ' | b'\n'
            | b'\t'
            | b'\r'
            | 0x0c
            | b'"'
            | b'('
            | b')'
            | b'['
            | b']'
            | b','
            | b';'
            | b'<'
            | b'>'
            | b'|'
            | b'`'
            | b'\\'
    )
}

fn ends_url(byte: u8) -> bool {
    byte.is_ascii_whitespace() || b"\"\\<>".contains(&byte)
}

fn is_url(word: &[u8]) -> bool {
    word.windows(3).any(|three| matches!(three, [b':', b'/', b'/']))
}

/// Whether a word has the shape of a reference, URL, host, address, digest, path or media type.
fn has_shape(word: &[u8], after: Option<&[u8]>) -> bool {
    let (mut shaped, mut hexadecimal) = (false, true);
    for (at, byte) in word.iter().enumerate() {
        match byte {
            b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F' => {}
            b'/' | b'@' => shaped = true,
            b':' | b'.' if at > 0 => shaped = true,
            b'%' => shaped |= word.get(at..).is_some_and(is_percent_encoded),
            _ => hexadecimal = false,
        }
    }
    // The one word of an error that looks like a path: `i/o timeout`.
    let timeout = || after.is_some_and(|after| after.starts_with(b" timeout"));
    if shaped && word.eq_ignore_ascii_case(b"i/o") && timeout() {
        return false;
    }
    shaped || hexadecimal && word.len() >= 8
}

fn is_percent_encoded(text: &[u8]) -> bool {
    matches!(text, [b'%', a, b, ..] if a.is_ascii_hexdigit() && b.is_ascii_hexdigit())
}

#[cfg(test)]
mod tests;
