//! Texts that hold several errors.
//!
//! The kubelet joins the errors of several pull secrets as `[ERR1, ERR2]` (kuberuntime_image.go,
//! apimachinery's Aggregate), CRI-O those of mirrors as `(Mirrors also failed: [M: ERR]\n[M: ERR]):
//! ORIGIN: ERR` (containers/image). It also appends what went wrong when it tried the image as an
//! OCI artifact, which says nothing new.

use std::ops::Range;

const MIRRORS: &[u8] = b"(Mirrors also failed: [";
const MIRRORS_END: &[u8] = b"]):";
const ARTIFACT: &[u8] = b"; artifact err:";

/// How the next error of a list begins. A comma alone also stands inside of errors.
const BEGINNINGS: [&[u8]; 25] = [
    b"rpc error: ",
    b"failed to ",
    b"unable to ",
    b"image pull failed for ",
    b"Error response from daemon: ",
    b"initializing source ",
    b"reading ",
    b"pinging ",
    b"Get \"",
    b"Head \"",
    b"RegistryUnavailable: ",
    b"SignatureValidationFailed: ",
    b"unexpected status",
    b"unauthorized",
    b"toomanyrequests",
    b"cannot ",
    b"short name ",
    b"short-name ",
    b"get image config descriptor: ",
    b"choosing ",
    b"copying ",
    b"dial tcp",
    b"read tcp",
    b"no match",
    b"Source image",
];

/// The errors in a blanked text.
pub(super) struct Members {
    /// Where they stand. An error that is cut off is followed by an empty one: what it would have said
    /// cannot be known.
    pub(super) errors: Vec<Range<usize>>,
    /// It is a list, of which not every error may have been told from the next.
    pub(super) list: bool,
}

/// Takes a text apart.
pub(super) fn members(text: &[u8]) -> Members {
    let mut errors = Vec::new();
    let whole = trim(text, 0..text.len());
    let start = whole.start + code(text.get(whole.clone()).unwrap_or_default());
    let body = text.get(start..whole.end).unwrap_or_default();
    let (opened, closed) = (body.first() == Some(&b'['), body.last() == Some(&b']'));
    let count = |bracket| body.iter().map(|b| usize::from(*b == bracket)).sum::<usize>();
    let cut = closed && !opened && count(b']') > count(b'[');
    // hashicorp/go-multierror, as tools around the runtimes join errors: `2 errors occurred:\n\t* ...`.
    let joined = find(text, &whole, b" errors occurred:").is_some();
    if joined || !(opened && (closed || begins(text, start + 1)) || cut) {
        chain(text, whole, &mut errors);
        return Members { errors, list: joined };
    }
    let inner = start + usize::from(opened)..whole.end - usize::from(closed);
    let mut from = inner.start;
    for at in inner.clone() {
        if text.get(at..at + 2) == Some(b", ") && begins(text, at + 2) {
            chain(text, from..at, &mut errors);
            from = at + 2;
        }
    }
    chain(text, from..inner.end, &mut errors);
    if !(opened && closed) {
        errors.push(0..0);
    }
    Members { errors, list: true }
}

/// The length of a gRPC code in front of a list: `rpc error: code = Unknown desc = [`.
fn code(text: &[u8]) -> usize {
    let desc = b" desc = ";
    if !text.starts_with(b"rpc error: code = ") {
        return 0;
    }
    let at = text.windows(desc.len()).position(|window| window == desc);
    at.map(|at| at + desc.len()).filter(|at| text.get(*at) == Some(&b'[')).unwrap_or(0)
}

fn begins(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    BEGINNINGS.iter().any(|beginning| rest.starts_with(beginning))
}

/// One error of the kubelet's list: itself, or the errors of the mirrors and of the origin.
fn chain(text: &[u8], error: Range<usize>, members: &mut Vec<Range<usize>>) {
    let end = find(text, &error, ARTIFACT).unwrap_or(error.end);
    let error = error.start..end;
    let Some(mirrors) = find(text, &error, MIRRORS).map(|at| at + MIRRORS.len()) else {
        members.push(error);
        return;
    };
    let Some(mirrors_end) = find(text, &(mirrors..error.end), MIRRORS_END) else {
        members.extend([mirrors..error.end, 0..0]);
        return;
    };
    let mut start = mirrors;
    while let Some(at) = find(text, &(start..mirrors_end), b"]\n[") {
        members.push(start..at);
        start = at + 3;
    }
    members.extend([start..mirrors_end, mirrors_end + MIRRORS_END.len()..error.end]);
}

fn find(text: &[u8], within: &Range<usize>, part: &[u8]) -> Option<usize> {
    let slice = text.get(within.clone())?;
    slice.windows(part.len()).position(|window| window == part).map(|at| within.start + at)
}

fn trim(text: &[u8], range: Range<usize>) -> Range<usize> {
    let slice = text.get(range.clone()).unwrap_or_default();
    let start = slice.iter().position(|b| !b.is_ascii_whitespace()).unwrap_or(slice.len());
    let end = slice.iter().rposition(|b| !b.is_ascii_whitespace()).map_or(start, |last| last + 1);
    range.start + start..range.start + end
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_text_is_taken_apart_where_the_next_error_begins() {
        for (text, list, errors) in [
            ("failed to x", false, vec!["failed to x"]),
            ("  failed to x\n", false, vec!["failed to x"]),
            ("", false, vec![""]),
            ("[", false, vec!["["]),
            ("[]", true, vec![""]),
            ("[failed to x, failed to y]", true, vec!["failed to x", "failed to y"]),
            ("[failed to x, and y, failed to z]", true, vec!["failed to x, and y", "failed to z"]),
            ("[x, failed to y]", true, vec!["x", "failed to y"]),
            ("[failed to x, failed to y", true, vec!["failed to x", "failed to y", ""]),
            ("[x, failed to y", false, vec!["[x, failed to y"]),
            ("x, failed to y]", true, vec!["x", "failed to y", ""]),
            ("x [y], failed to z", false, vec!["x [y], failed to z"]),
            ("x [y], failed to z [y]", false, vec!["x [y], failed to z [y]"]),
            ("[NOTICE] failed to x, failed to y", false, vec!["[NOTICE] failed to x, failed to y"]),
            (
                "rpc error: code = Unknown desc = [failed to x, failed to y]",
                true,
                vec!["failed to x", "failed to y"],
            ),
            (
                "rpc error: code = Unknown desc = failed to x",
                false,
                vec!["rpc error: code = Unknown desc = failed to x"],
            ),
            ("x desc = [failed to y]", false, vec!["x desc = [failed to y]"]),
            (
                "2 errors occurred:\n* x, failed to y",
                true,
                vec!["2 errors occurred:\n* x, failed to y"],
            ),
            ("a; artifact err: b", false, vec!["a"]),
            ("(Mirrors also failed: [m: a]\n[n: b]): o: c", false, vec!["m: a", "n: b", " o: c"]),
            (
                "x (Mirrors also failed: [m: a]): o: c; artifact err: d",
                false,
                vec!["m: a", " o: c"],
            ),
            ("(Mirrors also failed: [m: a", false, vec!["m: a", ""]),
            (
                "[failed to a (Mirrors also failed: [m: b]): o: c, failed to d]",
                true,
                vec!["m: b", " o: c", "failed to d"],
            ),
        ] {
            let members = members(text.as_bytes());
            let found: Vec<&str> =
                members.errors.iter().map(|error| &text[error.clone()]).collect();
            assert_eq!((members.list, found), (list, errors), "{text}");
        }
    }
}
