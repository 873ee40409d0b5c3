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
const BEGINNINGS: [&[u8]; 19] = [
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
];

/// The errors in a blanked text. An error that is cut off is followed by an empty one: what it would
/// have said cannot be known.
pub(super) fn members(text: &[u8]) -> Vec<Range<usize>> {
    let mut members = Vec::new();
    let whole = trim(text, 0..text.len());
    if text.get(whole.start) == Some(&b'[') && begins(text, whole.start + 1) {
        let closed = whole.len() > 1 && text.get(whole.end - 1) == Some(&b']');
        let inner = whole.start + 1..if closed { whole.end - 1 } else { whole.end };
        let mut start = inner.start;
        for at in inner.clone() {
            if text.get(at..at + 2) == Some(b", ") && begins(text, at + 2) {
                chain(text, start..at, &mut members);
                start = at + 2;
            }
        }
        chain(text, start..inner.end, &mut members);
        if !closed {
            members.push(0..0);
        }
    } else {
        chain(text, whole, &mut members);
    }
    members
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
