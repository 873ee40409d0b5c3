//! Names that are the same whenever they stand for the same thing.

/// A name out of parts, in 16 hexadecimal digits.
pub(crate) fn digest(parts: &[&str]) -> String {
    format!("{:016x}", hash(parts))
}

/// A number out of parts: FNV-1a, 64 bits. Not for secrets; it only has to be the same again
/// after a restart.
pub(crate) fn hash(parts: &[&str]) -> u64 {
    let mut hash: u64 = 0xcbf2_9ce4_8422_2325;
    for part in parts {
        for byte in part.bytes().chain([0]) {
            hash = (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }
    hash
}
