//! What holds for every message.

use dislodge_engine::cause::{Cause, Class};
use dislodge_engine::message::{blanked, mask, read, repeated};
use proptest::prelude::*;

use crate::corpus::{Row, rows};

/// Pieces that messages are made of, the awkward ones among them.
const PIECES: [&str; 44] = [
    " ",
    " ",
    " ",
    "\n",
    ": ",
    ", ",
    "\"",
    "\\\"",
    "'",
    "[",
    "]",
    "(",
    ")",
    "/",
    "@",
    "://",
    "%2F",
    "=",
    "-",
    "\0",
    "\u{e9}",
    "not found",
    "EOF",
    "x509:",
    "denied",
    "429 Too Many Requests",
    "unexpected status",
    "status code ",
    "404",
    "lookup ",
    "valid for ",
    "reading manifest ",
    "(Mirrors also failed: [",
    "]): ",
    "]\n[",
    "; artifact err: ",
    "could not fetch content descriptor ",
    "application/x",
    "\"code\":\"DENIED\"",
    "failed to ",
    "rpc error: ",
    "Back-off pulling image \"a\": ErrImagePull: ",
    "-----BEGIN ",
    "sha256:404",
];

fn text() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        4 => proptest::sample::select(&PIECES[..]).prop_map(str::to_owned),
        1 => "[a-z0-9]{1,12}",
        1 => any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..40).prop_map(|pieces| pieces.concat())
}

const REASONS: [&str; 7] = [
    "",
    "ErrImagePull",
    "ImagePullBackOff",
    "RegistryUnavailable",
    "ImageInspectError",
    "Failed",
    "a b",
];

fn reason() -> impl Strategy<Value = Option<String>> {
    proptest::option::of(proptest::sample::select(&REASONS[..]).prop_map(str::to_owned))
}

/// Where a part of a text stands in it.
fn position(text: &str, part: &str) -> Option<usize> {
    (part.as_ptr() as usize).checked_sub(text.as_ptr() as usize).filter(|at| *at <= text.len())
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(4000))]

    #[test]
    fn what_is_blanked_decides_nothing(text in text(), reason in reason(), image in text()) {
        let words = repeated(&text).map_or(text.as_str(), |(_, words)| words);
        let reading = read(reason.as_deref(), words, Some(&image));
        prop_assert!(reading.evidence.is_none_or(|evidence| !evidence.words.is_empty()
            || reason.as_deref().is_some_and(str::is_empty)));
        let Some(evidence) = reading.evidence else { return Ok(()) };
        let Some(start) = position(words, evidence.words) else { return Ok(()) };
        let decided = start..start + evidence.words.len();
        for name in blanked(words, Some(&image)) {
            prop_assert!(
                name.end <= decided.start || decided.end <= name.start,
                "{:?} decided, of which {:?} only names something", evidence.words, &words[name]
            );
        }
    }

    #[test]
    fn masking_twice_is_masking_once(text in text()) {
        let once = mask(&text).into_owned();
        prop_assert_eq!(mask(&once).into_owned(), once);
    }
}

/// Were one step of reading quadratic, this would take minutes, and somebody would notice.
#[test]
fn a_text_of_any_awkward_piece_however_long_is_read() {
    let others = ["unexpected status a ", "not found ", "a@", "?a=b&", "eof ", "code = "];
    for piece in PIECES.iter().chain(&others) {
        let text = piece.repeat((1 << 18) / piece.len());
        read(None, &text, Some(piece));
        read(Some("ErrImagePull"), &format!("[failed to {text}"), Some("a b"));
        blanked(&text, None);
        mask(&text);
    }
}

/// How much a class gives a pull the benefit of the doubt.
fn leniency(cause: Option<Cause>) -> u8 {
    match cause.map(Cause::class) {
        Some(Class::Permanent) => 0,
        Some(Class::Credentials) => 1,
        Some(Class::Unknown) => 2,
        Some(Class::Node) => 3,
        Some(Class::Transient) => 4,
        None => 5,
    }
}

#[test]
fn of_two_errors_in_a_list_the_more_lenient_one_counts() {
    // Docker's bare errors cannot be told from commas inside of an error.
    let runtimes = ["containerd", "cri-o"];
    let is_listed = |row: &Row| runtimes.iter().any(|runtime| row.runtime.starts_with(runtime));
    let rows: Vec<Row> = rows().into_iter().filter(is_listed).step_by(3).collect();
    for first in &rows {
        for second in &rows {
            let text = format!("[{}, {}]", first.message, second.message);
            let cause = read(Some("ErrImagePull"), &text, None).cause;
            let alone = |row: &Row| leniency(read(Some("ErrImagePull"), &row.message, None).cause);
            let expected = alone(first).max(alone(second));
            assert!(leniency(cause) >= expected, "{cause:?} of {text}");
        }
    }
}
