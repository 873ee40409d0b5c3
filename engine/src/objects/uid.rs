//! Object uids in 16 bytes.

use super::decode::Text;
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// The uid that the API server gave an object (an RFC 4122 UUID), its upper half first. Two halves are
/// aligned to 8 bytes, one number to 16: rows would be as much larger.
#[derive(Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Uid(u64, u64);

impl Uid {
    /// No object has it: what stands in for a uid that is missing or no UUID.
    pub const NIL: Self = Self(0, 0);

    /// Reads a UUID; [`Uid::NIL`] for anything else.
    pub fn parse(text: &str) -> Self {
        let digits = text.bytes().filter(|byte| *byte != b'-');
        let value = digits.clone().try_fold(0_u128, |value, digit| {
            Some(value << 4 | u128::from(char::from(digit).to_digit(16)?))
        });
        match value {
            Some(value) if text.len() == 36 && digits.count() == 32 => Self::from_u128(value),
            _ => Self::NIL,
        }
    }

    /// A uid out of a number, for models and tests.
    pub const fn from_u128(value: u128) -> Self {
        #[expect(clippy::cast_possible_truncation, reason = "the halves of the number")]
        Self((value >> 64) as u64, value as u64)
    }

    /// The number that it is.
    pub const fn as_u128(self) -> u128 {
        (self.0 as u128) << 64 | self.1 as u128
    }

    /// The UUID's text, digit by digit: statuses and Events name many uids, and `{:x}` pads each of five
    /// parts anew.
    pub(crate) fn digits(self) -> [u8; 36] {
        let mut text = [b'-'; 36];
        let places = (0..text.len()).filter(|place| !matches!(place, 8 | 13 | 18 | 23));
        for (place, shift) in places.zip((0..u128::BITS).step_by(4).rev()) {
            let digit = u8::try_from((self.as_u128() >> shift) & 0xf).unwrap_or_default();
            if let Some(byte) = text.get_mut(place) {
                *byte = if digit < 10 { b'0' + digit } else { b'a' + digit - 10 };
            }
        }
        text
    }
}

impl std::fmt::Display for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(std::str::from_utf8(&self.digits()).map_err(|_| std::fmt::Error)?)
    }
}

impl std::fmt::Debug for Uid {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        std::fmt::Display::fmt(self, f)
    }
}

impl<'de> Deserialize<'de> for Uid {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        Ok(Self::parse(&Text::deserialize(deserializer)?.0))
    }
}

impl Serialize for Uid {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

#[cfg(test)]
mod tests {
    use super::Uid;

    #[test]
    fn a_uuid_survives_the_way_there_and_back() {
        let text = "5e7595d6-d828-4f9a-81e2-13e9233e05fc";
        assert_eq!(Uid::parse(text).to_string(), text);
    }

    #[test]
    fn what_is_no_uuid_is_nil() {
        for text in
            ["", "a", "5e7595d6d8284f9a81e213e9233e05fc", "zzzzzzzz-d828-4f9a-81e2-13e9233e05fc"]
        {
            assert_eq!(Uid::parse(text), Uid::NIL, "{text}");
        }
    }
}
