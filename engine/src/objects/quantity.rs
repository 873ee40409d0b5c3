//! Amounts of resources, as Kubernetes writes them.

use std::fmt;

use serde::de::{IgnoredAny, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

/// An amount of a resource, in thousandths and rounded up to one, as Kueue counts CPU (Kueue:
/// `ResourceValue` in pkg/resources/requests.go; all else it rounds up to whole units, and writes
/// it so into a Workload's status).
///
/// What cannot be read does not break the object around it: it becomes
/// [`Quantity::UNREADABLE`], above every other, so that no quota ever covers it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Quantity(u128);

impl Quantity {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// The largest amount that there is: Kubernetes cuts off what is above (Kubernetes: `Quantity` in
    /// pkg/api/resource/quantity.go of apimachinery: 2^63-1).
    pub const LARGEST: Self = Self(i64::MAX.unsigned_abs() as u128 * 1000);

    /// Stands for what is no amount, or a negative one.
    pub const UNREADABLE: Self = Self(u128::MAX);

    /// That many thousandths, [`Quantity::LARGEST`] at most.
    pub fn from_milli(thousandths: u128) -> Self {
        Self(thousandths).min(Self::LARGEST)
    }

    /// The thousandths; `None` for what could not be read.
    pub fn milli(self) -> Option<u128> {
        (self != Self::UNREADABLE).then_some(self.0)
    }

    /// Both together; unreadable where one of them is.
    #[must_use]
    pub fn saturating_add(self, other: Self) -> Self {
        match (self.milli(), other.milli()) {
            (Some(a), Some(b)) => Self::from_milli(a.saturating_add(b)),
            _ => Self::UNREADABLE,
        }
    }

    /// Reads what Kubernetes writes: `1`, `0.5`, `500m`, `4Gi`, `1e3`, `2E`.
    pub fn parse(text: &str) -> Self {
        read(text).unwrap_or(Self::UNREADABLE)
    }
}

/// Digits after the point that are read; anything behind them only rounds up.
const FRACTION: usize = 15;

fn read(text: &str) -> Option<Quantity> {
    let (negative, text) = match text.strip_prefix(['+', '-']) {
        Some(rest) => (text.starts_with('-'), rest),
        None => (false, text),
    };
    let end = text.find(|c: char| c != '.' && !c.is_ascii_digit()).unwrap_or(text.len());
    let (number, suffix) = text.split_at(end);
    let (whole, fraction) = number.split_once('.').unwrap_or((number, ""));
    if (whole.is_empty() && fraction.is_empty()) || fraction.contains('.') {
        return None;
    }
    let unit = Unit::parse(suffix)?;

    let (fraction, rest) = fraction.split_at(fraction.len().min(FRACTION));
    let digits = whole.bytes().chain(fraction.bytes()).try_fold(0_u128, |sum, digit| {
        sum.checked_mul(10)?.checked_add(u128::from(digit.wrapping_sub(b'0')))
    });
    let digits = digits.map(|d| d.saturating_add(u128::from(rest.bytes().any(|b| b != b'0'))));
    if negative {
        return (digits == Some(0)).then_some(Quantity::ZERO);
    }
    let places = i32::try_from(fraction.len()).ok()?;
    let milli = digits.and_then(|digits| match unit {
        Unit::Binary(factor) => scale(digits.checked_mul(factor)?, 3 - places),
        Unit::Decimal(exponent) => scale(digits, exponent + 3 - places),
    });
    Some(milli.map_or(Quantity::LARGEST, Quantity::from_milli))
}

/// Times ten to the power of `exponent`, rounded up; `None` where it is too large.
fn scale(value: u128, exponent: i32) -> Option<u128> {
    match 10_u128.checked_pow(exponent.unsigned_abs()) {
        _ if value == 0 => Some(0),
        Some(power) if exponent < 0 => Some(value.div_ceil(power)),
        Some(power) => value.checked_mul(power),
        None => (exponent < 0).then_some(1),
    }
}

/// What a number is a multiple of.
enum Unit {
    /// That many ones.
    Binary(u128),
    /// Ten to that power.
    Decimal(i32),
}

impl Unit {
    fn parse(suffix: &str) -> Option<Self> {
        Some(match suffix {
            "n" => Self::Decimal(-9),
            "u" => Self::Decimal(-6),
            "m" => Self::Decimal(-3),
            "" => Self::Decimal(0),
            "k" => Self::Decimal(3),
            "M" => Self::Decimal(6),
            "G" => Self::Decimal(9),
            "T" => Self::Decimal(12),
            "P" => Self::Decimal(15),
            "E" => Self::Decimal(18),
            "Ki" => Self::Binary(1 << 10),
            "Mi" => Self::Binary(1 << 20),
            "Gi" => Self::Binary(1 << 30),
            "Ti" => Self::Binary(1 << 40),
            "Pi" => Self::Binary(1 << 50),
            "Ei" => Self::Binary(1 << 60),
            _ => {
                let exponent: i32 = suffix.strip_prefix(['e', 'E'])?.parse().ok()?;
                Self::Decimal(exponent.clamp(-99, 99))
            }
        })
    }
}

impl Serialize for Quantity {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        match self.milli() {
            Some(milli) => serializer.collect_str(&format_args!("{milli}m")),
            // Read as no amount, and other than `null` also where an amount may be absent.
            None => serializer.serialize_bool(false),
        }
    }
}

impl<'de> Deserialize<'de> for Quantity {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Any;
        impl<'de> Visitor<'de> for Any {
            type Value = Quantity;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a quantity")
            }

            fn visit_str<E>(self, text: &str) -> Result<Quantity, E> {
                Ok(Quantity::parse(text))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Quantity, E> {
                Ok(Quantity::from_milli(u128::from(number) * 1000))
            }

            fn visit_i64<E>(self, number: i64) -> Result<Quantity, E> {
                Ok(Quantity::parse(&number.to_string()))
            }

            fn visit_f64<E>(self, number: f64) -> Result<Quantity, E> {
                Ok(Quantity::parse(&number.to_string()))
            }

            fn visit_bool<E>(self, _: bool) -> Result<Quantity, E> {
                Ok(Quantity::UNREADABLE)
            }

            fn visit_unit<E>(self) -> Result<Quantity, E> {
                Ok(Quantity::UNREADABLE)
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Quantity, A::Error> {
                while seq.next_element::<IgnoredAny>()?.is_some() {}
                Ok(Quantity::UNREADABLE)
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Quantity, A::Error> {
                while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
                Ok(Quantity::UNREADABLE)
            }
        }
        deserializer.deserialize_any(Any)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::Quantity;

    #[test]
    fn a_quantity_is_read_as_kubernetes_writes_it() {
        for (text, milli) in [
            ("0", 0),
            ("1", 1000),
            ("+1", 1000),
            ("-0", 0),
            ("500m", 500),
            ("0.5", 500),
            (".5", 500),
            ("1.", 1000),
            ("1.5Ki", 1_536_000),
            ("4Gi", 4 * 1024 * 1024 * 1024 * 1000),
            ("1e3", 1_000_000),
            ("1E3", 1_000_000),
            ("1e-3", 1),
            ("2k", 2_000_000),
            ("1E", 1_000_000_000_000_000_000_000),
        ] {
            assert_eq!(Quantity::parse(text).milli(), Some(milli), "{text}");
        }
    }

    #[test]
    fn what_is_less_than_a_thousandth_counts_as_one() {
        for text in ["100n", "1u", "0.0001", "1e-400", "0.00000000000000000001", "0.0000000001Ki"] {
            assert_eq!(Quantity::parse(text).milli(), Some(1), "{text}");
        }
        assert_eq!(Quantity::parse("1.0001").milli(), Some(1001));
    }

    #[test]
    fn what_is_too_large_is_the_largest() {
        let nines = "9".repeat(60);
        for text in
            ["9Ei", "9223372036854775808", "1e30", "1e400", "1000.123456789012345Ei", &nines]
        {
            assert_eq!(Quantity::parse(text), Quantity::LARGEST, "{text}");
        }
        assert_eq!(Quantity::parse("0e400"), Quantity::ZERO);
    }

    #[test]
    fn what_is_no_amount_is_above_every_amount() {
        for text in ["", "-1", "-1m", ".", "1.2.3", "1 Gi", "Gi", "1gi", "1K", "1e", "1e1.5", "ten"]
        {
            assert_eq!(Quantity::parse(text), Quantity::UNREADABLE, "{text}");
        }
        assert!(Quantity::UNREADABLE > Quantity::LARGEST);
    }

    #[test]
    fn no_value_breaks_the_object_around_it() {
        for (value, quantity) in [
            (json!("2"), "2"),
            (json!(2), "2"),
            (json!(0.5), "500m"),
            (json!(-2), "?"),
            (json!(true), "?"),
            (json!(null), "?"),
            (json!([1, [2]]), "?"),
            (json!({"a": {"b": 1}}), "?"),
        ] {
            let text = json!([value, "7"]).to_string();
            let read: [Quantity; 2] = serde_json::from_str(&text).unwrap();
            assert_eq!(read, [Quantity::parse(quantity), Quantity::parse("7")], "{text}");
        }
    }

    #[test]
    fn a_sum_ends_at_the_largest_and_stays_unreadable() {
        let [one, most, none] = [Quantity::parse("1"), Quantity::LARGEST, Quantity::UNREADABLE];
        assert_eq!(one.saturating_add(one), Quantity::parse("2"));
        assert_eq!(one.saturating_add(most), most);
        assert_eq!(most.saturating_add(none), none);
        assert_eq!(none.saturating_add(one), none);
    }
}
