//! Names that are the same whenever they stand for the same thing.

use crate::objects::Uid;

/// A name out of parts, in 16 hexadecimal digits.
pub(crate) fn digest(parts: &[&str]) -> String {
    format!("{:016x}", hash(parts))
}

/// The id of a hold of the job with this uid: `1a2b3c4d-5e6f7081`. Its first part says of which job it
/// is, so that a copy of the job's annotations on another one is told apart from a hold of that.
pub(crate) fn hold_id(of: Uid, parts: &[&str]) -> String {
    let parts: String = digest(parts).chars().take(8).collect();
    format!("{:08x}-{parts}", mark_of(of))
}

/// Whether a hold's id says that it is of another job than the one with this uid. Up to 0.1.0 ids were
/// 16 digits and said of no job whose they are: they count as its own.
pub(crate) fn is_of_another(id: &str, job: Uid) -> bool {
    let part = |part: &str| part.len() == 8 && part.bytes().all(|b| b.is_ascii_hexdigit());
    let parts = id.split_once('-').filter(|(of, hold)| part(of) && part(hold));
    parts.is_some_and(|(of, _)| {
        let lower = !of.bytes().any(|b| b.is_ascii_uppercase());
        !lower || u32::from_str_radix(of, 16) != Ok(mark_of(job))
    })
}

/// The upper half of the uid's digest.
fn mark_of(job: Uid) -> u32 {
    let digest = hash_bytes(job.digits().into_iter().chain([0]));
    u32::try_from(digest >> 32).unwrap_or_default()
}

/// A number out of parts: FNV-1a, 64 bits. Not for secrets; it only has to be the same again
/// after a restart.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    hash_bytes(parts.iter().flat_map(|part| part.bytes().chain([0])))
}

fn hash_bytes(bytes: impl Iterator<Item = u8>) -> u64 {
    let step = |hash: u64, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
    bytes.fold(0xcbf2_9ce4_8422_2325, step)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_says_whose_hold_it_is_and_one_of_an_older_version_says_nothing() {
        let (job, other) = (Uid::from_u128(1), Uid::from_u128(2));
        let id = hold_id(job, &["once"]);
        assert!(id.starts_with(&digest(&[&job.to_string()])[..8]), "{id}");
        assert!(is_of_another(&id.to_uppercase(), job) || id == id.to_uppercase());
        assert_ne!(id, hold_id(job, &["again"]));
        assert!(!is_of_another(&id, job) && is_of_another(&id, other), "{id}");
        for old in ["00f1c2d3e4b5a697", "", "a-b", "not-an-id", "0000000g-00000000"] {
            assert!(!is_of_another(old, job), "{old}");
        }
    }
}
